//! What rows weigh in each of the trees that are grown together.

use crate::entry::Entry;
use crate::node::Node;
use crate::params::{ClassWeights, ForestParams};
use crate::plan::Plan;
use crate::weights::{Weights, count};

/// What rows weigh in the trees that are grown together.
pub(crate) struct WeightsOfTrees<'a, const K: usize> {
    params: &'a ForestParams,
    units: Option<&'a [u32]>,
    /// The same for all trees, or nothing yet.
    classes: Option<Box<[f64; K]>>,
    /// Where trees differ.
    trees: Vec<TreeWeights<K>>,
}

struct TreeWeights<const K: usize> {
    /// Where its entries begin.
    first: usize,
    classes: Option<[f64; K]>,
    least: f64,
}

impl<'a, const K: usize> WeightsOfTrees<'a, K> {
    pub(crate) fn new(plan: &Plan<'a>) -> Self {
        let takes_all = plan.params.bootstrap.is_none();
        let classes = match &plan.params.class_weights {
            ClassWeights::Alike | ClassWeights::BalancedByTree => None,
            ClassWeights::Given(weights) => {
                let mut padded = Box::new([1.0; K]);
                padded[..weights.len()].copy_from_slice(weights);
                Some(padded)
            }
        };
        Self {
            params: plan.params,
            units: plan.rows.units.as_deref().filter(|_| takes_all),
            classes,
            trees: Vec::new(),
        }
    }

    /// How often a row counts in its class's total.
    pub(crate) fn count(&self, entry: Entry) -> u32 {
        count::<K>(self.units, entry)
    }

    /// Add a tree by its root.
    pub(crate) fn plant(&mut self, root: &Node<K>) {
        let is_balanced = matches!(self.params.class_weights, ClassWeights::BalancedByTree);
        let fraction = self.params.min_weight_fraction_leaf;
        if !is_balanced && fraction <= 0.0 {
            return;
        }
        let inverse = |count| {
            if count > 0 {
                1.0 / f64::from(count)
            } else {
                1.0
            }
        };
        let classes = if is_balanced {
            Some(root.total.map(inverse))
        } else {
            self.classes.as_deref().copied()
        };
        let weights = classes.unwrap_or([1.0; K]);
        let weighted = root.total.iter().zip(weights);
        let whole: f64 = weighted
            .map(|(&count, weight)| f64::from(count) * weight)
            .sum();
        self.trees.push(TreeWeights {
            first: root.entries.range().start,
            classes,
            least: fraction * whole,
        });
    }

    /// What rows weigh in the tree of a node.
    #[inline]
    pub(crate) fn of(&self, node: &Node<K>) -> Weights<'_, K> {
        let units = self.units;
        if self.trees.is_empty() {
            return Weights {
                classes: self.classes.as_deref(),
                units,
                least: 0.0,
            };
        }
        let entry = node.entries.range().start;
        let later = self.trees.partition_point(|tree| tree.first <= entry);
        let tree = &self.trees[later - 1];
        Weights {
            classes: tree.classes.as_ref(),
            units,
            least: tree.least,
        }
    }
}
