//! The best cut of one node by one column.

use std::hint::select_unpredictable;
use std::ops::Add;

use crate::bins::{BinSet, MAX_BINS};
use crate::entry::Entry;
use crate::machine::{BLOCK, differing};
use crate::purity::{Narrow, Purity, Wide};

/// A cut between two bins that a node's rows touch and none lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Gini's `sum(left^2) / left + sum(right^2) / right`: the greater, the purer both sides.
    pub(crate) purity: f64,
    /// The greatest bin on the left.
    pub(crate) low: u8,
    /// The least bin on the right.
    pub(crate) high: u8,
}

/// What a column has to say about a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// All rows lie in one bin.
    Constant,
    /// No cut leaves enough rows on both sides, or none is as pure as was asked for.
    NoCut,
    Cut(Cut),
}

/// The best of the cuts on one side of the mode, and the bin just passed at it.
#[derive(Clone, Copy)]
struct Best {
    purity: f64,
    bin: u8,
}

impl Best {
    const NONE: Self = Self {
        purity: f64::NEG_INFINITY,
        bin: 0,
    };

    /// Take `other` instead if `is_better`, which no processor foresees.
    #[inline]
    fn replace_if(&mut self, is_better: bool, other: Self) {
        self.purity = select_unpredictable(is_better, other.purity, self.purity);
        self.bin = select_unpredictable(is_better, other.bin, self.bin);
    }
}

/// Finds the best cut of a node by a column; its memory serves one node after another.
pub(crate) struct Splitter<const K: usize> {
    min_leaf: usize,
    /// The bins of the node's rows.
    bins: Vec<u8>,
    /// Class counts by bin; all zero between two searches, like the rest.
    narrow: Box<[[u16; K]; MAX_BINS]>,
    wide: Box<[[u32; K]; MAX_BINS]>,
    rows: [u32; MAX_BINS],
}

impl<const K: usize> Splitter<K> {
    /// Leave `min_leaf` rows or more on each side.
    pub(crate) fn new(min_leaf: usize) -> Self {
        Self {
            min_leaf,
            bins: Vec::new(),
            narrow: Box::new([[0; K]; MAX_BINS]),
            wide: Box::new([[0; K]; MAX_BINS]),
            rows: [0; MAX_BINS],
        }
    }

    /// Make room for nodes of `entries` entries.
    pub(crate) fn reserve(&mut self, entries: usize) {
        let whole_blocks = entries.next_multiple_of(BLOCK);
        self.bins.resize(self.bins.len().max(whole_blocks), 0);
    }

    /// Search the cuts of a node by one column for one at least as pure as `floor`.
    ///
    /// The rows in the column's mode (three cells of four are zero behind a rectifier) are never
    /// counted: the cuts above it follow from the counts above it, those below from those below.
    pub(crate) fn search(
        &mut self,
        column: Column<'_>,
        node: &Counted<'_, K>,
        weights: Option<&[f64; K]>,
        floor: f64,
    ) -> Verdict {
        let entries = node.entries;
        let bins = &mut self.bins[..entries.len().next_multiple_of(BLOCK)];
        for (bin, &entry) in bins.iter_mut().zip(entries) {
            *bin = column.bins[entry.row::<K>()];
        }
        let mut view = View {
            entries,
            bins: bins.as_chunks().0,
            mode: column.mode,
            min_leaf: self.min_leaf,
            rows: &mut self.rows,
        };
        let total = node.total;
        match (weights, Narrow::new(total, node.drawn)) {
            (None, Some(gini)) => view.best_cut(&gini, &mut self.narrow, floor),
            (None, None) => {
                let weights = &[1.0; K];
                view.best_cut(&Wide { total, weights }, &mut self.wide, floor)
            }
            (Some(weights), _) => view.best_cut(&Wide { total, weights }, &mut self.wide, floor),
        }
    }
}

/// A column of binned cells.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) bins: &'a [u8],
    /// The bin of the most rows.
    pub(crate) mode: u8,
}

/// A node's rows, their weights by class, and the sum of these.
pub(crate) struct Counted<'a, const K: usize> {
    pub(crate) entries: &'a [Entry],
    pub(crate) total: &'a [u32; K],
    pub(crate) drawn: u32,
}

/// A node as one column shows it.
struct View<'a> {
    entries: &'a [Entry],
    /// The bins of the entries; what follows them in the last block means nothing.
    bins: &'a [[u8; BLOCK]],
    mode: u8,
    min_leaf: usize,
    rows: &'a mut [u32; MAX_BINS],
}

impl View<'_> {
    fn best_cut<P: Purity<K>, const K: usize>(
        &mut self,
        gini: &P,
        histogram: &mut [[P::Count; K]; MAX_BINS],
        floor: f64,
    ) -> Verdict {
        let (touched, outside) = self.count(histogram);
        if outside == 0 {
            return Verdict::Constant;
        }
        // From the top down to the mode, what was passed is the right side; the lowest of equal
        // cuts wins, as in scikit-learn.
        let mut above = Best::NONE;
        let mut side = Side::default();
        let mut bins = touched.above(self.mode);
        while let Some(bin) = bins.pop_last() {
            let purity = self.pass(bin, gini, histogram, &mut side);
            above.replace_if(purity >= above.purity, Best { purity, bin });
        }
        // From the bottom up to the mode, it is the left side.
        let mut below = Best::NONE;
        let mut side = Side::default();
        let mut bins = touched.below(self.mode);
        while let Some(bin) = bins.pop_first() {
            let purity = self.pass(bin, gini, histogram, &mut side);
            below.replace_if(purity > below.purity, Best { purity, bin });
        }

        let mut present = touched;
        if outside < self.entries.len() {
            present.insert(self.mode);
        } else if touched.is_single() {
            return Verdict::Constant;
        }
        if above.purity.max(below.purity) < floor {
            return Verdict::NoCut;
        }
        let (purity, low, high) = if below.purity >= above.purity {
            let low = below.bin;
            (below.purity, Some(low), present.above(low).first())
        } else {
            let high = above.bin;
            (above.purity, present.below(high).last(), Some(high))
        };
        match (low, high) {
            (Some(low), Some(high)) if purity > f64::NEG_INFINITY => {
                Verdict::Cut(Cut { purity, low, high })
            }
            _ => Verdict::NoCut,
        }
    }

    /// Count the rows outside the mode by bin and class: the bins they touch, and their number.
    #[inline]
    fn count<C: Copy + Add<Output = C> + From<u8>, const K: usize>(
        &mut self,
        histogram: &mut [[C; K]; MAX_BINS],
    ) -> (BinSet, usize) {
        let mut touched = BinSet::default();
        let mut outside = 0;
        for (bins, entries) in self.bins.iter().zip(self.entries.chunks(BLOCK)) {
            let mut rows = differing(bins, self.mode) & (u64::MAX >> (BLOCK - entries.len()));
            outside += rows.count_ones() as usize;
            while rows != 0 {
                let row = rows.trailing_zeros() as usize;
                rows &= rows - 1;
                let bin = bins[row];
                let label = entries[row].label::<K>();
                // No bin reaches MAX_BINS; the remainder says so more cheaply than a comparison.
                let count = &mut histogram[usize::from(bin) % MAX_BINS][label.class::<K>()];
                *count = *count + C::from(label.weight::<K>() as u8);
                touched.insert(bin);
                if self.min_leaf > 1 {
                    self.rows[usize::from(bin)] += 1;
                }
            }
        }
        (touched, outside)
    }

    /// Move a bin's rows to the side already passed, and rate the cut behind it.
    #[inline]
    fn pass<P: Purity<K>, const K: usize>(
        &mut self,
        bin: u8,
        gini: &P,
        histogram: &mut [[P::Count; K]; MAX_BINS],
        side: &mut Side<P::Count, K>,
    ) -> f64 {
        let counts = &mut histogram[usize::from(bin)];
        for (side, &count) in side.counts.iter_mut().zip(counts.iter()) {
            *side = *side + count;
        }
        *counts = [P::Count::default(); K];
        if self.min_leaf > 1 {
            side.rows += std::mem::take(&mut self.rows[usize::from(bin)]) as usize;
            let other_rows = self.entries.len() - side.rows;
            if side.rows < self.min_leaf || other_rows < self.min_leaf {
                return f64::NEG_INFINITY;
            }
        }
        gini.of(&side.counts)
    }
}

/// What was passed on the way to the mode; `rows` only counts where leaves have a least size.
struct Side<C, const K: usize> {
    counts: [C; K],
    rows: usize,
}

impl<C: Copy + Default, const K: usize> Default for Side<C, K> {
    fn default() -> Self {
        Self {
            counts: [C::default(); K],
            rows: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purity::combine;
    use crate::random::Stream;

    const K: usize = 8;

    /// Rows of one node: bin, class and weight each.
    struct Case {
        column: Vec<u8>,
        entries: Vec<Entry>,
        total: [u32; K],
    }

    impl Case {
        fn node(&self) -> Counted<'_, K> {
            Counted {
                entries: &self.entries,
                total: &self.total,
                drawn: self.total.iter().sum(),
            }
        }

        fn column(&self, mode: u8) -> Column<'_> {
            Column {
                bins: &self.column,
                mode,
            }
        }

        fn random(stream: &mut Stream, n: usize, n_bins: usize, share_of_mode: usize) -> Self {
            let mut total = [0; K];
            let mode = stream.below(n_bins) as u8;
            let column = (0..n)
                .map(|_| {
                    if stream.below(100) < share_of_mode {
                        mode
                    } else {
                        stream.below(n_bins) as u8
                    }
                })
                .collect();
            let entries = (0..n)
                .map(|row| {
                    let (class, weight) = (stream.below(7), 1 + stream.below(16) as u32);
                    total[class] += weight;
                    Entry::new::<K>(row, class as u8, weight)
                })
                .collect();
            Self {
                column,
                entries,
                total,
            }
        }

        /// Try every cut between two bins, counting from scratch each time.
        fn naive(&self, min_leaf: usize, weights: &[f64; K]) -> Verdict {
            let mut bins = self.column.clone();
            bins.sort_unstable();
            bins.dedup();
            if bins.len() == 1 {
                return Verdict::Constant;
            }
            let mut best = None;
            for pair in bins.windows(2) {
                let (mut sides, mut rows) = ([[0.0; K]; 2], [0; 2]);
                for entry in &self.entries {
                    let side = usize::from(self.column[entry.row::<K>()] >= pair[1]);
                    let label = entry.label::<K>();
                    let class = label.class::<K>();
                    sides[side][class] += f64::from(label.weight::<K>()) * weights[class];
                    rows[side] += 1;
                }
                if rows[0] < min_leaf || rows[1] < min_leaf {
                    continue;
                }
                let [left, right] = sides.map(|side| {
                    (
                        side.iter().map(|count| count * count).sum::<f64>(),
                        side.iter().sum::<f64>(),
                    )
                });
                let purity = combine(left.0, left.1, right.0, right.1);
                if best.is_none_or(|best: Cut| purity > best.purity) {
                    best = Some(Cut {
                        purity,
                        low: pair[0],
                        high: pair[1],
                    });
                }
            }
            best.map_or(Verdict::NoCut, Verdict::Cut)
        }
    }

    #[test]
    fn the_best_cut_is_the_best_of_all() {
        let mut stream = Stream::new(1);
        let ones = [1.0; K];
        // Powers of two keep weighted sums exact, so equal cuts stay equal.
        let uneven = [1.0, 2.0, 0.5, 4.0, 1.0, 8.0, 0.25, 1.0];
        for round in 0..3_000 {
            let (n, n_bins) = (1 + stream.below(200), 1 + stream.below(MAX_BINS));
            let share_of_mode = stream.below(101);
            let case = Case::random(&mut stream, n, n_bins, share_of_mode);
            let min_leaf = 1 + round % 3 * stream.below(20);
            let mut splitter = Splitter::<K>::new(min_leaf);
            splitter.reserve(n);
            // Whatever bin is taken for the mode, the verdict is the same.
            for mode in [0, stream.below(n_bins) as u8, (MAX_BINS - 1) as u8] {
                let mut search =
                    |weights| splitter.search(case.column(mode), &case.node(), weights, f64::MIN);
                assert_eq!(search(None), case.naive(min_leaf, &ones));
                assert_eq!(search(Some(&ones)), case.naive(min_leaf, &ones));
                assert_eq!(search(Some(&uneven)), case.naive(min_leaf, &uneven));
            }
        }
    }

    #[test]
    fn a_cut_below_the_floor_is_none() {
        let mut stream = Stream::new(8);
        let case = Case::random(&mut stream, 60, 20, 50);
        let mut splitter = Splitter::<K>::new(1);
        splitter.reserve(60);
        let mut search = |floor| splitter.search(case.column(0), &case.node(), None, floor);
        let Verdict::Cut(best) = search(f64::MIN) else {
            panic!("sixty random rows can be cut");
        };
        assert_eq!(search(best.purity), Verdict::Cut(best));
        assert_eq!(search(best.purity.next_up()), Verdict::NoCut);
    }

    #[test]
    fn large_nodes_are_counted_wide() {
        let mut stream = Stream::new(2);
        let case = Case::random(&mut stream, 9_000, 50, 40);
        assert!(Narrow::new(&case.total, case.node().drawn).is_none());
        let mut splitter = Splitter::<K>::new(1);
        splitter.reserve(9_000);
        let verdict = splitter.search(case.column(3), &case.node(), None, f64::MIN);
        assert_eq!(verdict, case.naive(1, &[1.0; K]));
    }
}
