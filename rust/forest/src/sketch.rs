//! Trees that are to be kept, while they grow: nodes in the order in which they are made.

use crate::tree::{Leaf, TreeNode};

/// One, in whole numbers of importance: they add up to the same sum in any order.
pub(crate) const ONE: f64 = (1_u64 << 40) as f64;

/// Trees while they grow.
pub(crate) struct Sketch {
    nodes: Vec<Growing>,
    /// The class shares of leaves of several classes.
    shares: Vec<f32>,
    n_classes: usize,
}

#[derive(Clone, Copy)]
struct Growing {
    /// Its `right` is the slot of its left child; that of the right one is the next.
    node: TreeNode,
    left: u32,
    /// By how much its cut lowers the impurity of its rows, all together.
    decrease: f64,
}

/// A tree that is grown.
#[derive(Debug, PartialEq)]
pub(crate) struct GrownTree {
    pub(crate) nodes: Vec<TreeNode>,
    pub(crate) shares: Vec<f32>,
}

impl Sketch {
    pub(crate) fn new(n_classes: usize) -> Self {
        Self {
            nodes: Vec::new(),
            shares: Vec::new(),
            n_classes,
        }
    }

    /// Make room for the root of another tree.
    pub(crate) fn plant(&mut self) -> u32 {
        let slot = self.nodes.len() as u32;
        self.nodes.push(Growing {
            node: TreeNode::pure_leaf(0),
            left: 0,
            decrease: 0.0,
        });
        slot
    }

    /// Cut a node, and make room for its children: where the left one stands, the right one next.
    pub(crate) fn cut(&mut self, slot: u32, node: TreeNode, decrease: f64) -> u32 {
        let left = self.plant();
        self.plant();
        self.nodes[slot as usize] = Growing {
            node,
            left,
            decrease,
        };
        left
    }

    /// Make a leaf of a node with these rows in each class.
    pub(crate) fn leaf<const K: usize>(&mut self, slot: u32, total: &[u32; K], weights: &[f64; K]) {
        let mut present = (0..K).filter(|&class| total[class] > 0);
        let node = &mut self.nodes[slot as usize].node;
        if let (Some(class), None) = (present.next(), present.next()) {
            *node = TreeNode::pure_leaf(class);
            return;
        }
        *node = TreeNode::mixed_leaf(self.shares.len() / self.n_classes);
        let weighted = |class: usize| f64::from(total[class]) * weights[class];
        let whole: f64 = (0..self.n_classes).map(weighted).sum();
        let shares = (0..self.n_classes).map(|class| (weighted(class) / whole) as f32);
        self.shares.extend(shares);
    }

    /// The tree that grew from this root, each node before its left child before its right one,
    /// and the share of its importance that each column has added to `importances`.
    pub(crate) fn finish(&self, root: u32, importances: &mut [u64]) -> GrownTree {
        let mut tree = GrownTree {
            nodes: Vec::new(),
            shares: Vec::new(),
        };
        let mut decreases = Vec::new();
        // Each slot, and the place of the node whose right child it is.
        let mut open = vec![(root, None)];
        while let Some((slot, parent)) = open.pop() {
            let growing = self.nodes[slot as usize];
            let place = tree.nodes.len();
            if let Some(parent) = parent {
                let node: &mut TreeNode = &mut tree.nodes[parent];
                *node = node.with_right(place - parent);
            }
            tree.nodes.push(match growing.node.as_leaf() {
                Some(Leaf::Pure(_)) => growing.node,
                Some(Leaf::Mixed(index)) => {
                    let shares = &self.shares[index * self.n_classes..][..self.n_classes];
                    let moved = TreeNode::mixed_leaf(tree.shares.len() / self.n_classes);
                    tree.shares.extend_from_slice(shares);
                    moved
                }
                None => {
                    open.push((growing.left + 1, Some(place)));
                    open.push((growing.left, None));
                    decreases.push((growing.node.column(), growing.decrease));
                    growing.node
                }
            });
        }
        add_importances(&decreases, importances);
        tree
    }
}

/// Add what each column has of a tree's whole decrease of impurity.
fn add_importances(decreases: &[(usize, f64)], importances: &mut [u64]) {
    let whole: f64 = decreases.iter().map(|&(_, decrease)| decrease).sum();
    if whole > 0.0 {
        for &(column, decrease) in decreases {
            importances[column] += (decrease.max(0.0) / whole * ONE).round() as u64;
        }
    }
}
