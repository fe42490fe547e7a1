//! Trees that are kept: 12 bytes a node, thresholds on the scale of the data.

use crate::error::Error;
use crate::matrix::Matrix;
use crate::parallel::{Workers, in_parallel};

/// Columns that a kept tree can tell apart.
pub(crate) const MAX_COLUMNS: usize = 1 << 30;

/// Rows that one worker takes through all trees at a time.
const ROWS_TOGETHER: usize = 64;

const LEAF: u32 = 1 << 31;
const FLAG: u32 = 1 << 30;

/// A node of a kept tree; its left child follows it, the right one stands further on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TreeNode {
    threshold: f32,
    /// The column, and whether missing values go left; or that it is a leaf, and whether it is of
    /// one class.
    column: u32,
    /// How much further on the right child stands; of a leaf, its class or its row of shares.
    right: u32,
}

impl TreeNode {
    pub(crate) fn cut(column: usize, threshold: f32, missing_left: bool) -> Self {
        Self {
            threshold,
            column: column as u32 | if missing_left { FLAG } else { 0 },
            right: 0,
        }
    }

    pub(crate) fn pure_leaf(class: usize) -> Self {
        Self {
            threshold: 0.0,
            column: LEAF | FLAG,
            right: class as u32,
        }
    }

    pub(crate) fn mixed_leaf(shares: usize) -> Self {
        Self {
            threshold: 0.0,
            column: LEAF,
            right: shares as u32,
        }
    }

    pub(crate) fn with_right(self, right: usize) -> Self {
        let right = right as u32;
        Self { right, ..self }
    }

    pub(crate) fn as_leaf(self) -> Option<Leaf> {
        (self.column & LEAF != 0).then(|| {
            let index = self.right as usize;
            if self.column & FLAG != 0 {
                Leaf::Pure(index)
            } else {
                Leaf::Mixed(index)
            }
        })
    }

    pub(crate) fn column(self) -> usize {
        (self.column & !(LEAF | FLAG)) as usize
    }

    /// How much further on the child stands that a row goes to.
    #[inline]
    fn step(self, row: &[f32]) -> usize {
        let value = row[self.column()];
        let goes_left = value <= self.threshold || (value.is_nan() && self.column & FLAG != 0);
        if goes_left { 1 } else { self.right as usize }
    }
}

/// What a leaf says: one class, or a row of class shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Leaf {
    Pure(usize),
    Mixed(usize),
}

/// A forest's trees.
#[derive(Debug, PartialEq)]
pub struct Trees {
    nodes: Vec<TreeNode>,
    /// Where each tree begins, and the end of the last.
    starts: Vec<usize>,
    /// The class shares of leaves of several classes, row after row.
    shares: Vec<f32>,
    n_columns: usize,
    n_classes: usize,
}

/// The numbers that trees are made of, to be stored and brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeParts {
    /// Three numbers a node: the bits of its threshold; its column, or `1 << 31` in a leaf; how
    /// many nodes further on its right child stands, or what the leaf says. The left child is the
    /// next node. `1 << 30` is added to the column where missing values go left, and to a leaf
    /// of one class, whose last number is that class; that of other leaves is a row of `shares`.
    pub nodes: Vec<u32>,
    /// Where each tree begins among the nodes, and how many nodes there are.
    pub starts: Vec<u64>,
    /// Class shares, row after row.
    pub shares: Vec<f32>,
    /// Columns of the rows.
    pub n_columns: usize,
    /// Classes of a row of shares.
    pub n_classes: usize,
}

impl Trees {
    pub(crate) fn new(n_columns: usize, n_classes: usize) -> Self {
        Self {
            nodes: Vec::new(),
            starts: vec![0],
            shares: Vec::new(),
            n_columns,
            n_classes,
        }
    }

    /// Add a tree, whose leaves number their shares from 0.
    pub(crate) fn push(&mut self, nodes: &[TreeNode], shares: &[f32]) -> Result<(), Error> {
        let before = self.shares.len() / self.n_classes;
        if before + shares.len() / self.n_classes > u32::MAX as usize {
            return Err(Error::Parameter(
                "a forest may have at most 2^32 - 1 impure leaves",
            ));
        }
        self.nodes
            .extend(nodes.iter().map(|&node| match node.as_leaf() {
                Some(Leaf::Mixed(shares)) => TreeNode::mixed_leaf(before + shares),
                _ => node,
            }));
        self.starts.push(self.nodes.len());
        self.shares.extend_from_slice(shares);
        Ok(())
    }

    /// How many trees there are.
    #[must_use]
    pub fn n_trees(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many nodes all trees have.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// How many classes there are.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&self.nodes[..]) + size_of_val(&self.starts[..]) + size_of_val(&self.shares[..])
    }

    /// The class probabilities of each row: the mean of the class shares of the leaves that it
    /// reaches. A row's trees are added in their order, whatever the number of threads.
    ///
    /// # Errors
    /// If the rows have another number of columns, or the workers are told to stop.
    pub fn probabilities(&self, rows: Matrix<'_>, workers: Workers<'_>) -> Result<Vec<f64>, Error> {
        if rows.n_columns != self.n_columns {
            return Err(Error::Columns {
                found: rows.n_columns,
                expected: self.n_columns,
            });
        }
        let mut probabilities = vec![0.0; rows.n_rows() * self.n_classes];
        let tasks = rows
            .values
            .chunks(ROWS_TOGETHER * rows.n_columns)
            .zip(probabilities.chunks_mut(ROWS_TOGETHER * self.n_classes))
            .collect();
        let done = in_parallel(
            tasks,
            workers.threads,
            |(rows, sums): (&[f32], &mut [f64])| {
                for tree in self.starts.windows(2) {
                    if (workers.stop)() {
                        return Err(Error::Stopped);
                    }
                    self.add_votes(&self.nodes[tree[0]..tree[1]], rows, sums);
                }
                let n_trees = self.n_trees() as f64;
                for sum in sums {
                    *sum /= n_trees;
                }
                Ok(())
            },
        );
        done.into_iter().collect::<Result<(), Error>>()?;
        Ok(probabilities)
    }

    fn add_votes(&self, tree: &[TreeNode], rows: &[f32], sums: &mut [f64]) {
        let rows = rows.chunks_exact(self.n_columns);
        for (row, sums) in rows.zip(sums.chunks_exact_mut(self.n_classes)) {
            match leaf(tree, row) {
                Leaf::Pure(class) => sums[class] += 1.0,
                Leaf::Mixed(index) => {
                    let shares = &self.shares[index * self.n_classes..][..self.n_classes];
                    for (sum, &share) in sums.iter_mut().zip(shares) {
                        *sum += f64::from(share);
                    }
                }
            }
        }
    }

    /// The numbers that the trees are made of.
    #[must_use]
    pub fn to_parts(&self) -> TreeParts {
        let numbers = |node: &TreeNode| [node.threshold.to_bits(), node.column, node.right];
        TreeParts {
            nodes: self.nodes.iter().flat_map(numbers).collect(),
            starts: self.starts.iter().map(|&start| start as u64).collect(),
            shares: self.shares.clone(),
            n_columns: self.n_columns,
            n_classes: self.n_classes,
        }
    }

    /// Make trees of such numbers.
    ///
    /// # Errors
    /// If a child, a column, a class or a row of shares does not exist.
    pub fn from_parts(parts: &TreeParts) -> Result<Self, Error> {
        let (nodes, rest) = parts.nodes.as_chunks::<3>();
        let node = |&[threshold, column, right]: &[u32; 3]| TreeNode {
            threshold: f32::from_bits(threshold),
            column,
            right,
        };
        let trees = Self {
            nodes: nodes.iter().map(node).collect(),
            starts: parts.starts.iter().map(|&start| start as usize).collect(),
            shares: parts.shares.clone(),
            n_columns: parts.n_columns,
            n_classes: parts.n_classes,
        };
        let is_whole = rest.is_empty() && trees.n_classes > 0;
        if is_whole && trees.shares.len().is_multiple_of(trees.n_classes) && trees.are_sound() {
            Ok(trees)
        } else {
            Err(Error::Trees)
        }
    }

    fn are_sound(&self) -> bool {
        let n_shares = self.shares.len() / self.n_classes;
        let is_sound = |(place, node): (usize, &TreeNode), n_nodes: usize| match node.as_leaf() {
            Some(Leaf::Pure(class)) => class < self.n_classes,
            Some(Leaf::Mixed(shares)) => shares < n_shares,
            None => {
                let right = node.right as usize;
                node.column() < self.n_columns && right > 1 && place + right < n_nodes
            }
        };
        self.starts.len() > 1
            && self.starts[0] == 0
            && self.starts.last() == Some(&self.nodes.len())
            && self.starts.is_sorted_by(|start, end| start < end)
            && self.starts.windows(2).all(|tree| {
                let tree = &self.nodes[tree[0]..tree[1]];
                tree.iter()
                    .enumerate()
                    .all(|node| is_sound(node, tree.len()))
            })
    }
}

/// The leaf that a row reaches.
#[inline]
fn leaf(tree: &[TreeNode], row: &[f32]) -> Leaf {
    let mut place = 0;
    loop {
        let node = tree[place];
        match node.as_leaf() {
            Some(leaf) => return leaf,
            None => place += node.step(row),
        }
    }
}
