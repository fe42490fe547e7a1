//! Trees grown together, pass by pass, and their votes.

use std::cmp::Reverse;
use std::ops::Range;

use crate::bins::{BinSet, MISSING};
use crate::draw::{Draw, by_column, not_drawn, row_counts};
use crate::entry::Entry;
use crate::error::Error;
use crate::layout::{Column, Layout};
use crate::machine::{BLOCK, prefetch, with_room};
use crate::node::{Choice, Node, Span, partition};
use crate::plan::{Plan, Scored};
use crate::purity::bound;
use crate::random::child_key;
use crate::record::{Asked, Grown, Made, Record};
use crate::split::{Counted, Missing, Splitter, Verdict};
use crate::tree::TreeNode;
use crate::tree_weights::WeightsOfTrees;

/// Nodes of at most this many entries are cut at once, column by column until a cut cannot be
/// bettered, and all below them next, while their rows are in the cache; larger ones wait for a pass
/// over the columns. Either way they are cut alike.
const SMALL: usize = BLOCK;

/// Nodes of a pass whose rows are asked for before they are needed.
const NODES_AHEAD: usize = 3;

/// Cache lines of a node's rows that are asked for; behind them the processor reads on by itself.
const LINES_AHEAD: usize = 16;

/// Rows of more than this read a column nearly from end to end.
const FETCHED: usize = 64;

/// Columns that the nodes of a pass draw at most, all together: 64 MiB.
const MAX_DRAWN: usize = 1 << 24;

/// Nodes that must have drawn a column to make it worth asking for all of it.
const BUSY: usize = 8;

/// Grows some trees of a forest.
pub(crate) struct Grower<'a, const K: usize> {
    plan: Plan<'a>,
    layout: &'a Layout<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
    weights: WeightsOfTrees<'a, K>,
    /// Columns that a node draws before it settles for what it found.
    n_candidates: usize,
    /// Nodes of at most this many entries are finished at once.
    small: usize,

    /// The training rows of all trees; a node owns a range.
    entries: Vec<Entry>,
    /// The rows to vote for, likewise.
    reached: Vec<u32>,
    spare_entries: Vec<Entry>,
    spare_reached: Vec<u32>,
    splitter: Splitter<K>,
    draw: Draw,
    record: Record<'a, K>,
}

impl<'a, const K: usize> Grower<'a, K> {
    pub(crate) fn new(
        plan: Plan<'a>,
        layout: &'a Layout<'a>,
        asked: Asked<'a>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let n_columns = plan.subset.len();
        Self {
            plan,
            layout,
            stop,
            weights: WeightsOfTrees::new(&plan),
            n_candidates: plan.n_candidates(),
            small: SMALL,
            entries: Vec::new(),
            reached: Vec::new(),
            spare_entries: Vec::new(),
            spare_reached: Vec::new(),
            splitter: Splitter::new(plan.params.min_samples_leaf),
            draw: Draw::new(n_columns),
            record: Record::new(&plan, asked),
        }
    }

    /// Grow the trees numbered `trees`.
    pub(crate) fn grow(mut self, trees: Range<usize>) -> Result<Grown, Error> {
        let mut waiting = Vec::new();
        let mut roots = Vec::with_capacity(trees.len());
        let n_rows = self.plan.rows.cells().n_rows();
        let n_drawn = self.plan.params.bootstrap.unwrap_or(n_rows).min(n_rows);
        self.entries = with_room(trees.len() * n_drawn);
        self.reached = with_room(trees.len() * self.plan.n_scored());
        for tree in trees {
            if (self.stop)() {
                return Err(Error::Stopped);
            }
            let root = self.plant(tree);
            roots.push(root.slot);
            self.settle(root, &mut waiting)?;
        }
        while !waiting.is_empty() {
            // Loops that take as many turns as the last time are foreseen by the processor; the large
            // nodes come first, which read a column from end to end and so bring it into the cache.
            waiting.sort_by_key(|node| Reverse(node.entries.len()));
            let mut next = Vec::new();
            for nodes in waiting.chunks((MAX_DRAWN / self.n_candidates).max(1)) {
                self.pass(nodes, &mut next)?;
            }
            waiting = next;
        }
        Ok(self.record.finish(&roots))
    }

    /// Draw a tree's rows, and return its root.
    fn plant(&mut self, tree: usize) -> Node<K> {
        let rows = self.plan.rows;
        let n_rows = rows.cells().n_rows();
        let key = child_key(self.plan.seed, tree as u64);
        let mut counts = row_counts(key, n_rows, self.plan.params.bootstrap, &rows.urn);
        let (first_entry, first_reached) = (self.entries.len(), self.reached.len());
        match self.plan.scored {
            Scored::Nothing => {}
            Scored::Rows(cells) => self.reached.extend(0..cells.n_rows() as u32),
            Scored::OutOfBag => self
                .reached
                .extend(not_drawn(&counts, rows.twins.as_deref())),
        }
        let mut total = [0; K];
        for (row, &class) in rows.labels.iter().enumerate() {
            let weight = &mut counts[row];
            while *weight > 0 {
                let part = (*weight).min(Entry::MAX_WEIGHT);
                *weight -= part;
                let entry = Entry::new::<K>(row, class, part);
                let count = self.weights.count(entry);
                total[usize::from(class)] += count;
                if count > 0 {
                    self.entries.push(entry);
                }
            }
        }
        let (n_entries, n_reached) = (
            self.entries.len() - first_entry,
            self.reached.len() - first_reached,
        );
        self.spare_entries.resize(
            self.spare_entries.len().max(n_entries),
            Entry::new::<K>(0, 0, 1),
        );
        self.spare_reached
            .resize(self.spare_reached.len().max(n_reached), 0);
        self.splitter.reserve(n_entries);
        let root = Node {
            entries: Span::new(first_entry, self.entries.len()),
            reached: Span::new(first_reached, self.reached.len()),
            key,
            depth: 0,
            slot: self.record.plant(n_reached),
            total,
        };
        self.weights.plant(&root);
        root
    }

    /// Finish a node and all below it that can be finished at once; the rest joins `waiting`.
    fn settle(&mut self, node: Node<K>, waiting: &mut Vec<Node<K>>) -> Result<(), Error> {
        let mut is_fetched = false;
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if node.reached.len() == 0 && !self.record.keeps_trees() {
                continue;
            }
            if self.is_leaf(&node) {
                self.finish(&node);
            } else if node.entries.len() > self.small {
                waiting.push(node);
            } else {
                if !is_fetched {
                    let entries = &self.entries[node.entries.range()];
                    self.layout
                        .fetch(entries.iter().map(|entry| entry.row::<K>()));
                    is_fetched = true;
                }
                self.cut_now(&node, &mut open)?;
            }
        }
        Ok(())
    }

    fn is_leaf(&self, node: &Node<K>) -> bool {
        let (params, n_rows) = (self.plan.params, node.entries.len());
        node.is_pure()
            || n_rows < params.min_samples_split
            || n_rows < 2 * params.min_samples_leaf
            || params.max_depth.is_some_and(|depth| node.depth >= depth)
    }

    /// Draw columns for one node until enough were seen, and cut it or let it vote.
    fn cut_now(&mut self, node: &Node<K>, open: &mut Vec<Node<K>>) -> Result<(), Error> {
        let mut best = Choice::NONE;
        let mut constant = 0;
        let bound = bound(&node.total, self.weights.of(node).of_classes());
        self.draw.start(node.key);
        for drawn in 0..self.plan.subset.len() {
            if drawn >= self.n_candidates && drawn > constant {
                break;
            }
            if drawn.is_multiple_of(1024) && (self.stop)() {
                return Err(Error::Stopped);
            }
            let position = self.draw.first(drawn + 1)[drawn];
            let column = self.layout.column(position as usize);
            match self.search(node, column, best.cut.purity) {
                Verdict::Constant => constant += 1,
                Verdict::Cut(cut) if cut.purity > best.cut.purity => {
                    best = Choice { cut, position };
                    let column = self.plan.subset[position as usize];
                    self.plan.rows.binning().columns[column].fetch(cut.low);
                    if cut.purity >= bound {
                        break;
                    }
                }
                Verdict::Cut(_) | Verdict::NoCut => {}
            }
        }
        self.divide(node, best, open);
        Ok(())
    }

    /// Ask for the cells by which the few rows that reach a node will be divided.
    fn fetch_reached(&self, node: &Node<K>, column: usize) {
        if node.reached.len() <= FETCHED {
            let bins = self.plan.scored_cells().bins(column);
            for &row in &self.reached[node.reached.range()] {
                prefetch(bins, row as usize);
            }
        }
    }

    #[inline]
    fn search(&mut self, node: &Node<K>, column: Column<'a>, floor: f64) -> Verdict {
        let counted = Counted {
            entries: &self.entries[node.entries.range()],
            total: &node.total,
        };
        let weights = self.weights.of(node);
        self.splitter.search(column, &counted, weights, floor)
    }

    /// Cut every node once: all draw their columns, then every column serves the nodes that drew it.
    fn pass(&mut self, nodes: &[Node<K>], waiting: &mut Vec<Node<K>>) -> Result<(), Error> {
        let drawn = self.draw_all(nodes);
        let (starts, order) = by_column(&drawn, self.plan.subset.len(), self.n_candidates);
        let mut best = vec![Choice::NONE; nodes.len()];
        for position in 0..self.plan.subset.len() {
            if (self.stop)() {
                return Err(Error::Stopped);
            }
            let drawers = |position: usize| &order[starts[position]..starts[position + 1]];
            if position + 1 < self.plan.subset.len() && drawers(position + 1).len() >= BUSY {
                let next = self.layout.column(position + 1).bins;
                (0..next.len())
                    .step_by(64)
                    .for_each(|cell| prefetch(next, cell));
            }
            let drawers = drawers(position);
            let column = self.layout.column(position);
            for (turn, &index) in drawers.iter().enumerate() {
                if let Some(&far) = drawers.get(turn + 2 * NODES_AHEAD) {
                    prefetch(nodes, far as usize);
                    prefetch(&best, far as usize);
                }
                if let Some(&near) = drawers.get(turn + NODES_AHEAD) {
                    let entries = nodes[near as usize].entries.range();
                    entries
                        .step_by(16)
                        .take(LINES_AHEAD)
                        .for_each(|entry| prefetch(&self.entries, entry));
                }
                let index = index as usize;
                let old = best[index];
                if let Verdict::Cut(cut) = self.search(&nodes[index], column, old.cut.purity) {
                    // Of equal cuts the first drawn wins, as if the node had drawn one by one.
                    let drawn = &drawn[index * self.n_candidates..(index + 1) * self.n_candidates];
                    let rank = |position: u32| drawn.iter().position(|&drawn| drawn == position);
                    let position = position as u32;
                    if cut.purity > old.cut.purity || rank(position) < rank(old.position) {
                        best[index] = Choice { cut, position };
                    }
                }
            }
        }
        let mut open = Vec::new();
        for (node, &choice) in nodes.iter().zip(&best) {
            if choice.is_none() {
                // Perhaps all its columns were constant: draw on, one by one.
                self.cut_now(node, &mut open)?;
            } else {
                self.divide(node, choice, &mut open);
            }
            for child in open.drain(..) {
                self.settle(child, waiting)?;
            }
        }
        Ok(())
    }

    /// The first columns that each node draws, `n_candidates` a node.
    fn draw_all(&mut self, nodes: &[Node<K>]) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(nodes.len() * self.n_candidates);
        for node in nodes {
            self.draw.start(node.key);
            drawn.extend_from_slice(self.draw.first(self.n_candidates));
        }
        drawn
    }

    /// Divide a node by its cut into two open ones; without a cut, it is a leaf.
    fn divide(&mut self, node: &Node<K>, choice: Choice, open: &mut Vec<Node<K>>) {
        if choice.is_none() {
            return self.finish(node);
        }
        let position = choice.position as usize;
        let column = self.plan.subset[position];
        let learned = &self.plan.rows.binning().columns[column];
        let threshold = learned.threshold(choice.cut.low, choice.cut.high);
        let mut left = threshold.left;
        if choice.cut.missing == Missing::Left {
            left.insert(MISSING);
        }
        self.fetch_reached(node, column);
        let (left_total, entries) = self.divide_entries(node, position, left);
        // Where none was seen, a missing value goes where most rows do, as in scikit-learn.
        let missing_left = match choice.cut.missing {
            Missing::Left => true,
            Missing::Right => false,
            Missing::Unseen => entries > node.entries.len() - entries,
        };
        if learned.has_missing() && missing_left {
            left.insert(MISSING);
        }
        let bins = self.plan.scored_cells().bins(column);
        let reached = partition(
            &mut self.reached[node.reached.range()],
            &mut self.spare_reached,
            |row| left.contains(bins[row as usize]),
        );

        let mut right_total = node.total;
        for (right, left) in right_total.iter_mut().zip(left_total) {
            *right -= left;
        }
        let (to_left, to_right) = self.reached[node.reached.range()].split_at(reached);
        let made = Made {
            position,
            node: TreeNode::cut(position, threshold.value, missing_left),
            purity: choice.cut.purity,
            sides: [(&left_total, to_left), (&right_total, to_right)],
        };
        let weights = self.weights.of(node).of_classes();
        let slot = self.record.cut(node, weights, &made);
        let (left_entries, right_entries) = node.entries.split_at(entries);
        let (left_reached, right_reached) = node.reached.split_at(reached);
        let depth = node.depth + 1;
        open.push(Node {
            entries: right_entries,
            reached: right_reached,
            key: child_key(node.key, 1),
            depth,
            slot: slot + 1,
            total: right_total,
        });
        open.push(Node {
            entries: left_entries,
            reached: left_reached,
            key: child_key(node.key, 0),
            depth,
            slot,
            total: left_total,
        });
    }

    /// Move a node's entries in these bins before the others: the rows of each class among them,
    /// and their number.
    fn divide_entries(
        &mut self,
        node: &Node<K>,
        position: usize,
        left: BinSet,
    ) -> ([u32; K], usize) {
        let column = self.layout.column(position);
        // Of a small node, the cells row by row are in the cache.
        let (bins, stride) = if node.entries.len() <= self.small {
            (column.strided, column.stride)
        } else {
            (column.bins, 1)
        };
        let weights = self.weights.of(node);
        let mut total = [0; K];
        let n_left = partition(
            &mut self.entries[node.entries.range()],
            &mut self.spare_entries,
            |entry| {
                let goes_left = left.contains(bins[entry.row::<K>() * stride]);
                let class = entry.label::<K>().class::<K>();
                total[class] += u32::from(goes_left) * weights.count(entry);
                goes_left
            },
        );
        (total, n_left)
    }

    /// Make a leaf of a node.
    fn finish(&mut self, node: &Node<K>) {
        let weights = self.weights.of(node).of_classes();
        let reached = &self.reached[node.reached.range()];
        self.record.leaf(node, weights, reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binning::Binning;
    use crate::credit::Residual;
    use crate::matrix::Matrix;
    use crate::parallel::Workers;
    use crate::params::{BinParams, ClassWeights, ForestParams};
    use crate::random::Stream;
    use crate::rows::TrainingRows;

    #[test]
    fn nodes_cut_at_once_and_nodes_of_a_pass_are_cut_alike() {
        let mut stream = Stream::new(9);
        for (n_values, min_samples_leaf) in [(2, 1), (3, 1), (7, 3), (200, 1)] {
            let (n_rows, n_columns, n_classes) = (300, 30, 5);
            // Few values, so that many cuts are equally pure, and columns that are constant.
            let values: Vec<f32> = (0..n_rows * n_columns)
                .map(|cell| stream.below(1 + cell % n_columns % n_values) as f32)
                .collect();
            let labels = (0..n_rows).map(|_| stream.below(n_classes) as u8).collect();
            let rows = Matrix::new(&values, n_columns).expect("whole rows");
            let binned = Binning::learn(rows, &BinParams::default(), Workers::new(1))
                .expect("finite values");
            let rows = TrainingRows::new(binned, labels, n_classes).expect("a label a row");
            let residual = Residual::labels(&rows);
            let asked = Asked {
                residual: Some(&residual),
                trees: true,
            };
            let subset: Vec<usize> = (0..n_columns).collect();
            let uneven = ClassWeights::Given(vec![0.3, 1.7, 1.0, 2.9, 0.1]);
            for class_weights in [ClassWeights::Alike, uneven] {
                let params = ForestParams {
                    n_trees: 6,
                    min_samples_leaf,
                    bootstrap: Some(n_rows),
                    class_weights,
                    ..ForestParams::default()
                };
                let votes = |small| {
                    let plan = Plan {
                        rows: &rows,
                        subset: &subset,
                        scored: Scored::OutOfBag,
                        params: &params,
                        seed: 1,
                    };
                    let layout = Layout::new(&plan, Workers::new(1));
                    let grower = Grower::<8>::new(plan, &layout, asked, &|| false);
                    let grown = Grower { small, ..grower }.grow(0..params.n_trees);
                    grown.expect("nobody stops it")
                };
                assert!(votes(0) == votes(usize::MAX));
            }
        }
    }
}
