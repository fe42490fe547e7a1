//! The best cut of one node by one column.

mod missing;
#[cfg(test)]
mod tests;

use std::hint::select_unpredictable;
use std::ops::Add;

use crate::bins::{BinSet, MAX_BINS};
use crate::entry::Entry;
use crate::layout::Column;
use crate::machine::{BLOCK, differing, gather, gather_differing};
use crate::purity::{Narrow, Purity, Wide};
use crate::weights::Weights;

/// No bin: every row differs from it.
const NO_BIN: u8 = u8::MAX;

/// Where a cut sends the rows whose value is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Missing {
    /// The node has none.
    Unseen,
    Left,
    Right,
}

/// A cut between two bins that a node's rows touch and none lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Gini's `sum(left^2) / left + sum(right^2) / right`: the greater, the purer both sides.
    pub(crate) purity: f64,
    /// The greatest bin on the left.
    pub(crate) low: u8,
    /// The least bin on the right, that of missing values if no other is there.
    pub(crate) high: u8,
    pub(crate) missing: Missing,
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
        self.purity = self.purity.max(other.purity);
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
        weights: Weights<'_, K>,
        floor: f64,
    ) -> Verdict {
        let entries = node.entries;
        let mode = if column.has_missing {
            NO_BIN
        } else {
            column.mode
        };
        let mut few = [0; BLOCK];
        let bins = &mut self.bins[..entries.len().next_multiple_of(BLOCK)];
        let few = if entries.len() <= BLOCK {
            let cell = |entry: Entry| entry.row::<K>() * column.stride;
            // SAFETY: every entry is of a training row, whose cells are all in the layout.
            let n =
                unsafe { gather_differing(column.strided, entries, cell, mode, bins, &mut few) };
            Some(&few[..n])
        } else {
            // SAFETY: every entry is of a training row, of which every column has a cell.
            unsafe { gather(column.bins, entries, Entry::row::<K>, bins) };
            None
        };
        let mut view = View {
            entries,
            bins: bins.as_chunks().0,
            few,
            mode,
            min_leaf: self.min_leaf,
            least: weights.least,
            rows: &mut self.rows,
        };
        let total = node.total;
        let drawn = |entry: Entry| entry.label::<K>().weight::<K>();
        if column.has_missing {
            let gini = Wide::new(total, weights.of_classes());
            let count = |entry| weights.count(entry);
            return view.best_cut_beside_missing(&gini, &mut self.wide, count, floor);
        }
        match (weights.units, weights.classes, Narrow::new(total)) {
            (None, None, Some(gini)) => {
                let count = |entry| drawn(entry) as u16;
                view.best_cut(&gini, &mut self.narrow, count, floor)
            }
            (None, _, _) => {
                let gini = Wide::new(total, weights.of_classes());
                view.best_cut(&gini, &mut self.wide, drawn, floor)
            }
            (Some(units), _, _) => {
                let gini = Wide::new(total, weights.of_classes());
                let count = |entry: Entry| units[entry.row::<K>()];
                view.best_cut(&gini, &mut self.wide, count, floor)
            }
        }
    }
}

/// A node's rows, and their weights by class.
pub(crate) struct Counted<'a, const K: usize> {
    pub(crate) entries: &'a [Entry],
    pub(crate) total: &'a [u32; K],
}

/// A node as one column shows it.
struct View<'a> {
    entries: &'a [Entry],
    /// The bins of the entries; what follows them in the last block means nothing.
    bins: &'a [[u8; BLOCK]],
    /// Of a node of few entries, those whose bin is not the mode.
    few: Option<&'a [u8]>,
    mode: u8,
    min_leaf: usize,
    /// What the rows on each side of a cut must weigh.
    least: f64,
    rows: &'a mut [u32; MAX_BINS],
}

impl View<'_> {
    fn best_cut<P: Purity<K>, const K: usize>(
        &mut self,
        gini: &P,
        histogram: &mut [[P::Count; K]; MAX_BINS],
        count: impl Fn(Entry) -> P::Count,
        floor: f64,
    ) -> Verdict {
        let (touched, outside) = self.count(histogram, count);
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
                let missing = Missing::Unseen;
                Verdict::Cut(Cut {
                    purity,
                    low,
                    high,
                    missing,
                })
            }
            _ => Verdict::NoCut,
        }
    }

    /// Count the rows outside the mode by bin and class: the bins they touch, and their number.
    #[inline]
    fn count<C: Copy + Add<Output = C>, const K: usize>(
        &mut self,
        histogram: &mut [[C; K]; MAX_BINS],
        count: impl Fn(Entry) -> C,
    ) -> (BinSet, usize) {
        let mut touched = BinSet::default();
        let mut outside = 0;
        let mut add = |bin: u8, entry: Entry| {
            // No bin reaches MAX_BINS; the remainder says so more cheaply than a comparison.
            let counts = &mut histogram[usize::from(bin) % MAX_BINS];
            let sum = &mut counts[entry.label::<K>().class::<K>()];
            *sum = *sum + count(entry);
            touched.insert(bin);
            if self.min_leaf > 1 {
                self.rows[usize::from(bin)] += 1;
            }
        };
        if let Some(few) = self.few {
            for &place in few {
                let place = usize::from(place) % BLOCK;
                add(self.bins[0][place], self.entries[place]);
            }
            return (touched, few.len());
        }
        for (bins, entries) in self.bins.iter().zip(self.entries.chunks(BLOCK)) {
            let mut rows = differing(bins, self.mode) & (u64::MAX >> (BLOCK - entries.len()));
            outside += rows.count_ones() as usize;
            while rows != 0 {
                let row = rows.trailing_zeros() as usize;
                rows &= rows - 1;
                add(bins[row], entries[row]);
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
        let rows = &mut self.rows[usize::from(bin)];
        side.add(counts, if self.min_leaf > 1 { *rows } else { 0 });
        *counts = [P::Count::default(); K];
        if self.min_leaf > 1 {
            *rows = 0;
        }
        self.rate(gini, side)
    }

    /// How pure a cut is that has this on one side.
    #[inline]
    fn rate<P: Purity<K>, const K: usize>(&self, gini: &P, side: &Side<P::Count, K>) -> f64 {
        if self.min_leaf > 1 {
            let rows = side.rows as usize;
            if rows < self.min_leaf || self.entries.len() - rows < self.min_leaf {
                return f64::NEG_INFINITY;
            }
        }
        if self.least > 0.0 && gini.lightest(&side.counts) < self.least {
            return f64::NEG_INFINITY;
        }
        gini.of(&side.counts)
    }
}

/// What was passed on the way to the mode; `rows` only counts where leaves have a least size.
struct Side<C, const K: usize> {
    counts: [C; K],
    rows: u32,
}

impl<C: Copy + Default, const K: usize> Default for Side<C, K> {
    fn default() -> Self {
        Self {
            counts: [C::default(); K],
            rows: 0,
        }
    }
}

impl<C: Copy + Add<Output = C>, const K: usize> Side<C, K> {
    #[inline]
    fn add(&mut self, counts: &[C; K], rows: u32) {
        for (sum, &count) in self.counts.iter_mut().zip(counts) {
            *sum = *sum + count;
        }
        self.rows += rows;
    }
}
