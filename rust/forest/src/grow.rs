//! Trees grown together, pass by pass, and their votes.

use std::cmp::Reverse;
use std::ops::Range;

use crate::credit::{Credit, Residual, Shares};
use crate::draw::{Draw, by_column, not_drawn, row_weights};
use crate::entry::Entry;
use crate::error::Error;
use crate::machine::prefetch;
use crate::node::{Choice, Node, Span, partition};
use crate::plan::Plan;
use crate::purity::bound;
use crate::random::child_key;
use crate::split::{Column, Counted, Cut, Splitter, Verdict};
use crate::votes::Votes;

/// Nodes of at most this many entries are cut at once, column by column until a cut cannot be
/// bettered; larger ones wait for a pass over the columns. Either way they are cut alike.
const SMALL: usize = 8;

/// Columns that a small node asks for before it needs them.
const DRAWS_AHEAD: usize = 4;

/// Nodes of a pass whose rows are asked for before they are needed.
const NODES_AHEAD: usize = 3;

/// Cache lines of a node's rows that are asked for; behind them the processor reads on by itself.
const LINES_AHEAD: usize = 16;

/// Nodes of more entries than this read a column nearly from end to end.
const FETCHED: usize = 64;

/// Nodes that must have drawn a column to make it worth asking for all of it.
const BUSY: usize = 8;

/// Grows some trees of a forest for the votes of their leaves and the credit of their cuts.
pub(crate) struct Grower<'a, const K: usize> {
    plan: Plan<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
    weights: Option<[f64; K]>,
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
    votes: Votes,
    credit: Option<Credit<'a, K>>,
}

/// What some trees of a forest have to say.
pub(crate) struct Grown {
    pub(crate) votes: Votes,
    /// What each column of the subset earned, in the whole numbers of [`Credit`].
    pub(crate) credit: Vec<i64>,
}

impl<'a, const K: usize> Grower<'a, K> {
    pub(crate) fn new(
        plan: Plan<'a>,
        residual: Option<&'a Residual>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let weights = plan.params.class_weights.as_ref().map(|weights| {
            let mut padded = [1.0; K];
            padded[..weights.len()].copy_from_slice(weights);
            padded
        });
        let n_columns = plan.subset.len();
        Self {
            plan,
            stop,
            weights,
            n_candidates: n_columns.isqrt().max(1),
            small: SMALL,
            entries: Vec::new(),
            reached: Vec::new(),
            spare_entries: Vec::new(),
            spare_reached: Vec::new(),
            splitter: Splitter::new(plan.params.min_samples_leaf),
            draw: Draw::new(n_columns),
            votes: Votes::new(plan.scored_cells().n_rows(), plan.rows.n_classes()),
            credit: residual.map(|residual| Credit::new(residual, n_columns, plan.params.n_trees)),
        }
    }

    /// Grow the trees numbered `trees`.
    pub(crate) fn grow(mut self, trees: Range<usize>) -> Result<Grown, Error> {
        let mut waiting = Vec::new();
        for tree in trees {
            if (self.stop)() {
                return Err(Error::Stopped);
            }
            let root = self.plant(tree);
            self.settle(root, &mut waiting)?;
        }
        while !waiting.is_empty() {
            // Loops that take as many turns as the last time are foreseen by the processor; the large
            // nodes come first, which read a column from end to end and so bring it into the cache.
            waiting.sort_by_key(|node| Reverse(node.entries.len()));
            waiting = self.pass(&waiting)?;
        }
        Ok(Grown {
            votes: self.votes,
            credit: self.credit.map_or_else(Vec::new, Credit::earned),
        })
    }

    /// Draw a tree's rows, and return its root.
    fn plant(&mut self, tree: usize) -> Node<K> {
        let n_rows = self.plan.rows.cells.n_rows();
        let key = child_key(self.plan.seed, tree as u64);
        let weights = row_weights(key, n_rows, self.plan.params.bootstrap);
        let (first_entry, first_reached) = (self.entries.len(), self.reached.len());
        let mut total = [0; K];
        for (row, &class) in self.plan.rows.labels.iter().enumerate() {
            let mut weight = weights[row];
            total[usize::from(class)] += weight;
            while weight > 0 {
                let part = weight.min(Entry::MAX_WEIGHT);
                self.entries.push(Entry::new::<K>(row, class, part));
                weight -= part;
            }
        }
        match self.plan.scored {
            Some(cells) => self.reached.extend(0..cells.n_rows() as u32),
            None => self
                .reached
                .extend(not_drawn(&weights, self.plan.rows.twins.as_deref())),
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
        Node {
            entries: Span::new(first_entry, self.entries.len()),
            reached: Span::new(first_reached, self.reached.len()),
            key,
            depth: 0,
            drawn: total.iter().sum(),
            total,
        }
    }

    /// Finish a node and all below it that can be finished at once; the rest joins `waiting`.
    fn settle(&mut self, node: Node<K>, waiting: &mut Vec<Node<K>>) -> Result<(), Error> {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if node.reached.len() == 0 {
                continue;
            }
            if self.is_leaf(&node) {
                self.vote(&node);
            } else if node.entries.len() > self.small {
                waiting.push(node);
            } else {
                self.cut_now(&node, &mut open)?;
            }
        }
        Ok(())
    }

    fn is_leaf(&self, node: &Node<K>) -> bool {
        node.total.contains(&node.drawn)
            || node.entries.len() < 2 * self.plan.params.min_samples_leaf
            || self
                .plan
                .params
                .max_depth
                .is_some_and(|depth| node.depth >= depth)
    }

    /// Draw columns for one node until enough were seen, and cut it or let it vote.
    fn cut_now(&mut self, node: &Node<K>, open: &mut Vec<Node<K>>) -> Result<(), Error> {
        let mut best = Choice::NONE;
        let mut constant = 0;
        let bound = bound(&node.total, self.weights.as_ref());
        self.draw.start(node.key);
        for drawn in 0..self.plan.subset.len() {
            if drawn >= self.n_candidates && drawn > constant {
                break;
            }
            if drawn.is_multiple_of(1024) && (self.stop)() {
                return Err(Error::Stopped);
            }
            if let Some(&ahead) = self.draw.first(drawn + 1 + DRAWS_AHEAD).last() {
                self.fetch(node, self.plan.subset[ahead as usize]);
            }
            let position = self.draw.first(drawn + 1)[drawn];
            let column = self.column(position as usize);
            match self.search(node, column, best.cut.purity) {
                Verdict::Constant => constant += 1,
                Verdict::Cut(cut) if cut.purity > best.cut.purity => {
                    best = Choice { cut, position };
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

    /// Ask for the cells of a small node's rows in a column that it will need soon; a large node
    /// reads its column nearly from end to end, which needs no help.
    fn fetch(&self, node: &Node<K>, column: usize) {
        if node.entries.len() <= FETCHED {
            let bins = self.plan.rows.cells.bins(column);
            for &entry in &self.entries[node.entries.range()] {
                prefetch(bins, entry.row::<K>());
            }
        }
    }

    /// Ask for the cells by which a small node will be divided.
    fn fetch_division(&self, node: &Node<K>, choice: Choice) {
        let column = self.plan.subset[choice.position as usize];
        self.fetch(node, column);
        if node.reached.len() <= FETCHED {
            let bins = self.plan.scored_cells().bins(column);
            for &row in &self.reached[node.reached.range()] {
                prefetch(bins, row as usize);
            }
        }
    }

    fn column(&self, position: usize) -> Column<'a> {
        let column = self.plan.subset[position];
        Column {
            bins: self.plan.rows.cells.bins(column),
            mode: self.plan.rows.binning.mode(column),
        }
    }

    #[inline]
    fn search(&mut self, node: &Node<K>, column: Column<'_>, floor: f64) -> Verdict {
        let node = Counted {
            entries: &self.entries[node.entries.range()],
            total: &node.total,
            drawn: node.drawn,
        };
        self.splitter
            .search(column, &node, self.weights.as_ref(), floor)
    }

    /// Cut every node once: all draw their columns, then every column serves the nodes that drew it.
    fn pass(&mut self, nodes: &[Node<K>]) -> Result<Vec<Node<K>>, Error> {
        let drawn = self.draw_all(nodes);
        let (starts, order) = by_column(&drawn, self.plan.subset.len(), self.n_candidates);
        let mut best = vec![Choice::NONE; nodes.len()];
        for position in 0..self.plan.subset.len() {
            if (self.stop)() {
                return Err(Error::Stopped);
            }
            let drawers = |position: usize| &order[starts[position]..starts[position + 1]];
            if position + 1 < self.plan.subset.len() && drawers(position + 1).len() >= BUSY {
                let next = self.column(position + 1).bins;
                (0..next.len())
                    .step_by(64)
                    .for_each(|cell| prefetch(next, cell));
            }
            let drawers = drawers(position);
            let column = self.column(position);
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
        let mut waiting = Vec::new();
        let mut open = Vec::new();
        for (index, (node, &choice)) in nodes.iter().zip(&best).enumerate() {
            if let Some(&next) = best.get(index + 1) {
                self.fetch_division(&nodes[index + 1], next);
            }
            if choice.is_none() {
                // Perhaps all its columns were constant: draw on, one by one.
                self.cut_now(node, &mut open)?;
            } else {
                self.divide(node, choice, &mut open);
            }
            for child in open.drain(..) {
                self.settle(child, &mut waiting)?;
            }
        }
        Ok(waiting)
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

    /// Divide a node by its cut into two open ones; without a cut, let it vote.
    fn divide(&mut self, node: &Node<K>, choice: Choice, open: &mut Vec<Node<K>>) {
        if choice.is_none() {
            return self.vote(node);
        }
        let column = self.plan.subset[choice.position as usize];
        let Cut { low, high, .. } = choice.cut;
        let last = self.plan.rows.binning.last_left(column, low, high);

        let bins = self.plan.rows.cells.bins(column);
        let mut left_total = [0; K];
        let entries = partition(
            &mut self.entries[node.entries.range()],
            &mut self.spare_entries,
            |entry| {
                let goes_left = bins[entry.row::<K>()] <= last;
                let label = entry.label::<K>();
                left_total[label.class::<K>()] += u32::from(goes_left) * label.weight::<K>();
                goes_left
            },
        );
        let bins = self.plan.scored_cells().bins(column);
        let reached = partition(
            &mut self.reached[node.reached.range()],
            &mut self.spare_reached,
            |row| bins[row as usize] <= last,
        );

        let left_drawn = left_total.iter().sum();
        let mut right_total = node.total;
        for (right, left) in right_total.iter_mut().zip(left_total) {
            *right -= left;
        }
        if let Some(credit) = &mut self.credit {
            let weights = self.weights.as_ref();
            let [whole, left, right] =
                [&node.total, &left_total, &right_total].map(|total| Shares { total, weights });
            let (to_left, to_right) = self.reached[node.reached.range()].split_at(reached);
            let sides = [(&left, to_left), (&right, to_right)];
            credit.add(choice.position as usize, &whole, sides);
        }
        let (entries, entry) = (node.entries.range(), node.entries.range().start + entries);
        let (reached, row) = (node.reached.range(), node.reached.range().start + reached);
        open.push(Node {
            entries: Span::new(entry, entries.end),
            reached: Span::new(row, reached.end),
            key: child_key(node.key, 1),
            depth: node.depth + 1,
            drawn: node.drawn - left_drawn,
            total: right_total,
        });
        open.push(Node {
            entries: Span::new(entries.start, entry),
            reached: Span::new(reached.start, row),
            key: child_key(node.key, 0),
            depth: node.depth + 1,
            drawn: left_drawn,
            total: left_total,
        });
    }

    /// Give the class shares of a leaf to the rows that reach it.
    fn vote(&mut self, node: &Node<K>) {
        let rows = &self.reached[node.reached.range()];
        self.votes.give(rows, &node.total, self.weights.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binning::Binning;
    use crate::matrix::Matrix;
    use crate::params::ForestParams;
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
            let binned = Binning::learn(rows, 1).expect("finite values");
            let rows = TrainingRows::new(binned, labels, n_classes).expect("a label a row");
            let residual = Residual::labels(&rows);
            let subset: Vec<usize> = (0..n_columns).collect();
            for class_weights in [None, Some(vec![0.3, 1.7, 1.0, 2.9, 0.1])] {
                let params = ForestParams {
                    n_trees: 6,
                    max_depth: None,
                    min_samples_leaf,
                    bootstrap: Some(n_rows),
                    class_weights,
                };
                let votes = |small| {
                    let plan = Plan {
                        rows: &rows,
                        subset: &subset,
                        scored: None,
                        params: &params,
                        seed: 1,
                    };
                    let grower = Grower::<8>::new(plan, Some(&residual), &|| false);
                    let grown = Grower { small, ..grower }.grow(0..params.n_trees);
                    let Grown { votes, credit } = grown.expect("nobody stops it");
                    (votes, credit)
                };
                assert!(votes(0) == votes(usize::MAX));
            }
        }
    }
}
