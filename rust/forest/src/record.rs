//! What trees leave behind: votes, credit and, if asked for, themselves.

use crate::credit::{Credit, Residual, Shares};
use crate::node::Node;
use crate::plan::Plan;
use crate::sketch::{GrownTree, Sketch};
use crate::tree::TreeNode;
use crate::votes::Votes;

/// What to ask of trees beside their votes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// What each column earns against this.
    pub(crate) residual: Option<&'a Residual>,
    /// The trees themselves, every branch of them.
    pub(crate) trees: bool,
}

/// What trees leave behind, while they grow.
pub(crate) struct Record<'a, const K: usize> {
    votes: Votes,
    credit: Option<Credit<'a, K>>,
    sketch: Option<Sketch>,
    n_judged: u64,
    /// Columns of the subset.
    n_columns: usize,
}

/// What some trees of a forest left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Grown {
    pub(crate) votes: Votes,
    /// What each column of the subset earned, in the whole numbers of [`Credit`].
    pub(crate) credit: Vec<i64>,
    /// Rows judged, by all trees together.
    pub(crate) n_judged: u64,
    pub(crate) trees: Vec<GrownTree>,
    /// What each column has of the trees' decrease of impurity, in whole numbers of [`crate::sketch::ONE`].
    pub(crate) importances: Vec<u64>,
}

/// A cut that was made, and what it made of a node.
pub(crate) struct Made<'a, const K: usize> {
    /// The column's place in the subset.
    pub(crate) position: usize,
    pub(crate) node: TreeNode,
    /// Gini's `sum(left^2) / left + sum(right^2) / right`.
    pub(crate) purity: f64,
    /// The rows of each side by class, and those that are judged there.
    pub(crate) sides: [(&'a [u32; K], &'a [u32]); 2],
}

impl Grown {
    /// Add what other trees left behind, but for these trees themselves.
    pub(crate) fn add(&mut self, other: &Self) {
        self.votes.add(&other.votes);
        for (sum, credit) in self.credit.iter_mut().zip(&other.credit) {
            *sum += credit;
        }
        for (sum, importance) in self.importances.iter_mut().zip(&other.importances) {
            *sum += importance;
        }
        self.n_judged += other.n_judged;
    }
}

impl<'a, const K: usize> Record<'a, K> {
    pub(crate) fn new(plan: &Plan<'a>, asked: Asked<'a>) -> Self {
        let n_classes = plan.rows.n_classes();
        let credit = |residual| Credit::new(residual, plan.subset.len(), plan.params.n_trees);
        Self {
            votes: Votes::new(plan.n_scored(), n_classes),
            credit: asked.residual.map(credit),
            sketch: asked.trees.then(|| Sketch::new(n_classes)),
            n_judged: 0,
            n_columns: plan.subset.len(),
        }
    }

    pub(crate) fn keeps_trees(&self) -> bool {
        self.sketch.is_some()
    }

    /// Begin a tree: where its root stands.
    pub(crate) fn plant(&mut self, n_judged: usize) -> u32 {
        self.n_judged += n_judged as u64;
        self.sketch.as_mut().map_or(0, Sketch::plant)
    }

    /// Record a cut: where the left child stands; the right one is next to it.
    pub(crate) fn cut(&mut self, node: &Node<K>, weights: &[f64; K], made: &Made<'_, K>) -> u32 {
        let total = &node.total;
        if let Some(credit) = &mut self.credit {
            let sides = made
                .sides
                .map(|(total, rows)| (Shares { total, weights }, rows));
            credit.add(made.position, &Shares { total, weights }, &sides);
        }
        self.sketch.as_mut().map_or(0, |sketch| {
            let (mut squares, mut whole) = (0.0, 0.0);
            for (&count, &weight) in total.iter().zip(weights) {
                let count = f64::from(count) * weight;
                squares += count * count;
                whole += count;
            }
            sketch.cut(node.slot, made.node, made.purity - squares / whole)
        })
    }

    /// Record a leaf and the rows that reach it.
    pub(crate) fn leaf(&mut self, node: &Node<K>, weights: &[f64; K], reached: &[u32]) {
        self.votes.give(reached, &node.total, weights);
        if let Some(sketch) = &mut self.sketch {
            sketch.leaf(node.slot, &node.total, weights);
        }
    }

    /// All that the trees of these roots left behind.
    pub(crate) fn finish(self, roots: &[u32]) -> Grown {
        let mut importances = Vec::new();
        let mut trees = Vec::new();
        if let Some(sketch) = &self.sketch {
            importances.resize(self.n_columns, 0);
            trees.extend(
                roots
                    .iter()
                    .map(|&root| sketch.finish(root, &mut importances)),
            );
        }
        Grown {
            votes: self.votes,
            credit: self.credit.map_or_else(Vec::new, Credit::earned),
            n_judged: self.n_judged,
            trees,
            importances,
        }
    }
}
