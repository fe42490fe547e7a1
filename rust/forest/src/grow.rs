//! Trees grown together, pass by pass, and their votes.

use std::cmp::Reverse;
use std::ops::Range;

use crate::Error;
use crate::binning::Cells;
use crate::forest::{ForestParams, TrainingRows};
use crate::machine::prefetch;
use crate::random::{Stream, child_key};
use crate::split::{Column, Counted, Cut, Entry, Purity, Splitter, Verdict, Wide};

/// A tree's whole vote. Whole numbers add up to the same sum in any order, which makes the result
/// independent of how trees are shared among threads.
const ONE_VOTE: u64 = 1 << 40;

/// Votes of a class for a scored row, `n_classes` a row.
pub(crate) type Votes = Vec<u64>;

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

/// Parts of a tree's key that are no child.
const BOOTSTRAP: u64 = u64::MAX;

/// Grows some trees of a forest for the votes of their leaves.
pub(crate) struct Grower<'a, const K: usize> {
    rows: &'a TrainingRows,
    subset: &'a [usize],
    scored: Option<&'a Cells>,
    params: &'a ForestParams,
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
}

/// A node that is still to be cut, or to vote: with up to 8 classes, one cache line.
#[derive(Clone)]
#[repr(align(64))]
struct Node<const K: usize> {
    entries: Span,
    reached: Span,
    key: u64,
    depth: u32,
    /// The sum of `total`.
    drawn: u32,
    /// The bootstrap weights of its rows by class.
    total: [u32; K],
}

/// Half a `Range<usize>`.
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    end: u32,
}

impl Span {
    fn new(first: usize, end: usize) -> Self {
        Self {
            first: first as u32,
            end: end as u32,
        }
    }

    fn len(self) -> usize {
        (self.end - self.first) as usize
    }

    fn range(self) -> Range<usize> {
        self.first as usize..self.end as usize
    }
}

/// A cut and the column that makes it, by its position in the subset.
#[derive(Clone, Copy)]
struct Choice {
    cut: Cut,
    position: u32,
}

impl Choice {
    /// Less pure than any cut.
    const NONE: Self = Self {
        cut: Cut {
            purity: f64::MIN,
            low: 0,
            high: 0,
        },
        position: 0,
    };

    fn is_none(&self) -> bool {
        self.cut.purity <= f64::MIN
    }
}

impl<'a, const K: usize> Grower<'a, K> {
    pub(crate) fn new(
        rows: &'a TrainingRows,
        subset: &'a [usize],
        scored: Option<&'a Cells>,
        params: &'a ForestParams,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let n_scored = scored.unwrap_or(&rows.cells).n_rows();
        let weights = params.class_weights.as_ref().map(|weights| {
            let mut padded = [1.0; K];
            padded[..weights.len()].copy_from_slice(weights);
            padded
        });
        Self {
            rows,
            subset,
            scored,
            params,
            stop,
            weights,
            n_candidates: subset.len().isqrt().max(1),
            small: SMALL,
            entries: Vec::new(),
            reached: Vec::new(),
            spare_entries: Vec::new(),
            spare_reached: Vec::new(),
            splitter: Splitter::new(params.min_samples_leaf),
            draw: Draw::new(subset.len()),
            votes: vec![0; n_scored * rows.n_classes()],
        }
    }

    /// Grow the trees numbered `trees` and return their votes.
    pub(crate) fn votes(mut self, trees: Range<usize>) -> Result<Votes, Error> {
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
        Ok(self.votes)
    }

    /// Draw a tree's rows, and return its root.
    fn plant(&mut self, tree: usize) -> Node<K> {
        let n_rows = self.rows.cells.n_rows();
        let key = child_key(self.params.seed, tree as u64);
        let mut weights = vec![0_u32; n_rows];
        match self.params.bootstrap {
            None => weights.fill(1),
            Some(draws) => {
                let mut stream = Stream::new(child_key(key, BOOTSTRAP));
                for _ in 0..draws {
                    weights[stream.below(n_rows)] += 1;
                }
            }
        }
        let (first_entry, first_reached) = (self.entries.len(), self.reached.len());
        let mut total = [0; K];
        for (row, &class) in self.rows.labels.iter().enumerate() {
            let mut weight = weights[row];
            total[usize::from(class)] += weight;
            while weight > 0 {
                let part = weight.min(Entry::MAX_WEIGHT);
                self.entries.push(Entry::new::<K>(row, class, part));
                weight -= part;
            }
        }
        match self.scored {
            Some(cells) => self.reached.extend(0..cells.n_rows() as u32),
            None => self
                .reached
                .extend((0..n_rows as u32).filter(|&row| weights[row as usize] == 0)),
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
            || node.entries.len() < 2 * self.params.min_samples_leaf
            || self
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
        for drawn in 0..self.subset.len() {
            if drawn >= self.n_candidates && drawn > constant {
                break;
            }
            if drawn.is_multiple_of(1024) && (self.stop)() {
                return Err(Error::Stopped);
            }
            if let Some(&ahead) = self.draw.first(drawn + 1 + DRAWS_AHEAD).last() {
                self.fetch(node, self.subset[ahead as usize]);
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
            let bins = self.rows.cells.bins(column);
            for &entry in &self.entries[node.entries.range()] {
                prefetch(bins, entry.row::<K>());
            }
        }
    }

    /// Ask for the cells by which a small node will be divided.
    fn fetch_division(&self, node: &Node<K>, choice: Choice) {
        let column = self.subset[choice.position as usize];
        self.fetch(node, column);
        if node.reached.len() <= FETCHED {
            let bins = self.scored_cells().bins(column);
            for &row in &self.reached[node.reached.range()] {
                prefetch(bins, row as usize);
            }
        }
    }

    fn scored_cells(&self) -> &'a Cells {
        self.scored.unwrap_or(&self.rows.cells)
    }

    fn column(&self, position: usize) -> Column<'a> {
        let column = self.subset[position];
        Column {
            bins: self.rows.cells.bins(column),
            mode: self.rows.binning.mode(column),
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
        let (starts, order) = by_column(&drawn, self.subset.len(), self.n_candidates);
        let mut best = vec![Choice::NONE; nodes.len()];
        for position in 0..self.subset.len() {
            if (self.stop)() {
                return Err(Error::Stopped);
            }
            let drawers = |position: usize| &order[starts[position]..starts[position + 1]];
            if position + 1 < self.subset.len() && drawers(position + 1).len() >= BUSY {
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
        let column = self.subset[choice.position as usize];
        let Cut { low, high, .. } = choice.cut;
        let last = self.rows.binning.halfway(column, low, high);

        let bins = self.rows.cells.bins(column);
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
        let bins = self.scored_cells().bins(column);
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
        let n_classes = self.rows.n_classes();
        let weighted = |class: usize| {
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[class]);
            f64::from(node.total[class]) * weight
        };
        let whole: f64 = (0..n_classes).map(weighted).sum();
        for class in (0..n_classes).filter(|&class| node.total[class] > 0) {
            let share = (weighted(class) / whole * ONE_VOTE as f64).round() as u64;
            for &row in &self.reached[node.reached.range()] {
                self.votes[row as usize * n_classes + class] += share;
            }
        }
    }
}

/// Columns drawn one after another without replacement, by their positions in the subset.
struct Draw {
    n_columns: usize,
    stream: Stream,
    is_drawn: Vec<u64>,
    drawn: Vec<u32>,
}

impl Draw {
    fn new(n_columns: usize) -> Self {
        Self {
            n_columns,
            stream: Stream::new(0),
            is_drawn: vec![0; n_columns.div_ceil(64)],
            drawn: Vec::new(),
        }
    }

    fn start(&mut self, key: u64) {
        self.stream = Stream::new(key);
        for position in self.drawn.drain(..) {
            self.is_drawn[position as usize / 64] = 0;
        }
    }

    /// The first `n` columns drawn, or all there are.
    fn first(&mut self, n: usize) -> &[u32] {
        let n = n.min(self.n_columns);
        while self.drawn.len() < n {
            let position = self.stream.below(self.n_columns);
            let (word, bit) = (position / 64, 1 << (position % 64));
            if self.is_drawn[word] & bit == 0 {
                self.is_drawn[word] |= bit;
                self.drawn.push(position as u32);
            }
        }
        &self.drawn[..n]
    }
}

/// Sort the draws of all nodes by column: where each column starts, and the nodes that drew it.
fn by_column(drawn: &[u32], n_columns: usize, per_node: usize) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; n_columns + 1];
    for &position in drawn {
        starts[position as usize + 1] += 1;
    }
    for position in 0..n_columns {
        starts[position + 1] += starts[position];
    }
    let mut next = starts.clone();
    let mut order = vec![0; drawn.len()];
    for (node, drawn) in drawn.chunks_exact(per_node).enumerate() {
        for &position in drawn {
            let slot = &mut next[position as usize];
            order[*slot] = node as u32;
            *slot += 1;
        }
    }
    (starts, order)
}

/// Move the items that go left before the others, each side in its old order; return their number.
fn partition<T: Copy>(
    items: &mut [T],
    spare: &mut [T],
    mut goes_left: impl FnMut(T) -> bool,
) -> usize {
    let (mut left, mut right) = (0, 0);
    for index in 0..items.len() {
        let item = items[index];
        let is_left = goes_left(item);
        items[left] = item;
        spare[right] = item;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    items[left..].copy_from_slice(&spare[..right]);
    left
}

/// What no cut of these class counts can better: each class whole on one side or the other.
///
/// A purity is convex in the counts of a side, so its greatest value lies where each is 0 or all.
fn bound<const K: usize>(total: &[u32; K], weights: Option<&[f64; K]>) -> f64 {
    let mut classes = [0; 3];
    let mut present = 0;
    for (class, _) in total.iter().enumerate().filter(|&(_, &count)| count > 0) {
        if present == classes.len() {
            return f64::INFINITY;
        }
        classes[present] = class;
        present += 1;
    }
    // Of three classes or fewer, one stands alone on a side.
    classes[..present]
        .iter()
        .map(|&alone| {
            let mut side = [0; K];
            side[alone] = total[alone];
            Wide {
                total,
                weights: weights.unwrap_or(&[1.0; K]),
            }
            .of(&side)
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binning::{Binning, Rows};

    #[test]
    fn a_draw_takes_every_column_once() {
        for n in [1, 2, 63, 64, 65, 300] {
            let mut draw = Draw::new(n);
            for key in 0..5 {
                draw.start(key);
                let some = draw.first(n / 2).to_vec();
                let mut all = draw.first(n + 10).to_vec();
                assert!(all.starts_with(&some));
                all.sort_unstable();
                assert!(all.iter().copied().eq(0..n as u32));
            }
        }
    }

    #[test]
    fn columns_are_drawn_about_equally_often() {
        let mut draw = Draw::new(40);
        let mut counts = [0_u32; 40];
        for key in 0..20_000 {
            draw.start(child_key(key, 0));
            for &position in draw.first(6) {
                counts[position as usize] += 1;
            }
        }
        // 3,000 each, with a standard deviation of 50.
        assert!(counts.iter().all(|count| (2_750..3_250).contains(count)));
    }

    #[test]
    fn partition_keeps_both_orders() {
        let mut items: Vec<u32> = (0..100).map(|item| item * 37 % 101).collect();
        let whole = items.clone();
        let is_left = |item: u32| item.is_multiple_of(3);
        let left = partition(&mut items, &mut [0; 100], is_left);
        let expected = whole.iter().copied().filter(|&item| is_left(item));
        assert!(items[..left].iter().copied().eq(expected));
        let expected = whole.iter().copied().filter(|&item| !is_left(item));
        assert!(items[left..].iter().copied().eq(expected));
    }

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
            let rows = Rows::new(&values, n_columns).expect("whole rows");
            let binned = Binning::learn(rows, 1).expect("finite values");
            let rows = TrainingRows::new(binned, labels, n_classes).expect("a label a row");
            let subset: Vec<usize> = (0..n_columns).collect();
            for class_weights in [None, Some(vec![0.3, 1.7, 1.0, 2.9, 0.1])] {
                let params = ForestParams {
                    n_trees: 6,
                    max_depth: None,
                    min_samples_leaf,
                    bootstrap: Some(n_rows),
                    class_weights,
                    seed: 1,
                };
                let votes = |small| {
                    let grower = Grower::<8>::new(&rows, &subset, None, &params, &|| false);
                    Grower { small, ..grower }.votes(0..params.n_trees)
                };
                assert!(votes(0) == votes(usize::MAX));
            }
        }
    }

    #[test]
    fn no_cut_betters_the_bound_and_the_perfect_one_meets_it() {
        let total = [3, 0, 5, 2, 0, 0, 0, 0_u32];
        let bound = bound(&total, None);
        let mut best = f64::NEG_INFINITY;
        for side in 0..4 * 6 * 3 {
            let side = [side % 4, 0, side / 4 % 6, side / 24, 0, 0, 0, 0];
            let purity = Wide {
                total: &total,
                weights: &[1.0; 8],
            }
            .of(&side);
            best = best.max(purity);
        }
        assert!((best - bound).abs() < 1e-12);
    }
}
