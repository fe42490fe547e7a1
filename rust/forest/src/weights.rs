//! What a training row weighs in a tree, beside how often it was drawn.

use crate::entry::Entry;
use crate::node::Node;
use crate::params::ClassWeights;
use crate::plan::Plan;

/// What rows weigh in one tree.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a, const K: usize> {
    /// By class; `None`: all alike.
    pub(crate) classes: Option<&'a [f64; K]>,
    /// By row, in trees that take every row once; `None`: all alike.
    pub(crate) units: Option<&'a [u32]>,
}

impl<'a, const K: usize> Weights<'a, K> {
    /// How often a row counts in its class's total.
    #[inline]
    pub(crate) fn count(self, entry: Entry) -> u32 {
        match self.units {
            None => entry.label::<K>().weight::<K>(),
            Some(units) => units[entry.row::<K>()],
        }
    }

    /// What each class weighs.
    #[inline]
    pub(crate) fn of_classes(self) -> &'a [f64; K] {
        self.classes.unwrap_or(const { &[1.0; K] })
    }
}

/// What rows weigh in the trees that are grown together.
pub(crate) struct WeightsOfTrees<'a, const K: usize> {
    classes: Classes<K>,
    units: Option<&'a [u32]>,
}

enum Classes<const K: usize> {
    Alike,
    Given(Box<[f64; K]>),
    /// Where the entries of each tree begin, and its weights.
    ByTree(Vec<(usize, [f64; K])>),
}

impl<'a, const K: usize> WeightsOfTrees<'a, K> {
    pub(crate) fn new(plan: &Plan<'a>) -> Self {
        let takes_all = plan.params.bootstrap.is_none();
        Self {
            classes: match &plan.params.class_weights {
                ClassWeights::Alike => Classes::Alike,
                ClassWeights::BalancedByTree => Classes::ByTree(Vec::new()),
                ClassWeights::Given(weights) => {
                    let mut padded = [1.0; K];
                    padded[..weights.len()].copy_from_slice(weights);
                    Classes::Given(Box::new(padded))
                }
            },
            units: plan.rows.units.as_deref().filter(|_| takes_all),
        }
    }

    /// How often a row counts in its class's total.
    pub(crate) fn count(&self, entry: Entry) -> u32 {
        let (classes, units) = (None, self.units);
        Weights::<K> { classes, units }.count(entry)
    }

    /// Add a tree by its root.
    pub(crate) fn plant(&mut self, root: &Node<K>) {
        if let Classes::ByTree(trees) = &mut self.classes {
            let weight = |count| {
                if count > 0 {
                    1.0 / f64::from(count)
                } else {
                    1.0
                }
            };
            trees.push((root.entries.range().start, root.total.map(weight)));
        }
    }

    /// What rows weigh in the tree of a node.
    #[inline]
    pub(crate) fn of(&self, node: &Node<K>) -> Weights<'_, K> {
        let classes = match &self.classes {
            Classes::Alike => None,
            Classes::Given(weights) => Some(&**weights),
            Classes::ByTree(trees) => {
                let entry = node.entries.range().start;
                let later = trees.partition_point(|&(first, _)| first <= entry);
                Some(&trees[later - 1].1)
            }
        };
        let units = self.units;
        Weights { classes, units }
    }
}
