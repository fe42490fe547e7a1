//! One column cut into bins of about equal weight.

use crate::bins::{BinSet, MAX_BINS, MISSING};
use crate::machine::prefetch;

/// Digits of a sort by counting.
const DIGIT: u32 = 11;

/// Fewer values than this are sorted by comparing.
const FEW: usize = 1 << DIGIT;

/// How one column is cut.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The least and the greatest value of each bin, in ascending order.
    bins: [[f32; 2]; MAX_BINS],
    n_bins: u8,
    /// The bin that holds the most rows.
    mode: u8,
    has_missing: bool,
}

/// Memory that serves one column after another.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The values that are not zero, each as a number of the same order, and their rows.
    sorted: Vec<u64>,
    spare: Vec<u64>,
    /// Distinct values and the rows that hold them.
    runs: Vec<(f32, usize)>,
}

/// Where a column divides a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Threshold {
    /// The bins that go left.
    pub(crate) left: BinSet,
    /// No value on the left exceeds it, all on the right do.
    pub(crate) value: f32,
}

impl Column {
    /// Cut a column into at most `max_bins` bins and find the bin of each value.
    ///
    /// A value that alone outweighs a fair bin gets a bin of its own, so a column of mostly zeros
    /// keeps its resolution for the rest; up to `max_bins` distinct values are a bin each. Missing
    /// values, if any, take one bin.
    pub(crate) fn learn(
        values: &[f32],
        max_bins: usize,
        scratch: &mut Scratch,
        bins: &mut [u8],
    ) -> Result<Self, Unbinned> {
        let n_missing = scratch.sort(values)?;
        let value_bins = max_bins - usize::from(n_missing > 0);
        let mut column = Self::cut(&scratch.runs, value_bins);
        column.has_missing = n_missing > 0;
        // Zeros, which are most values behind a rectifier, were left out of the sort.
        bins.fill(column.bin(0.0));
        let mut bin = 0;
        for &pair in &scratch.sorted {
            let row = pair as u32 as usize;
            while values[row] > column.bins[bin][1] {
                bin += 1;
            }
            bins[row] = bin as u8;
        }
        if n_missing > 0 {
            let missing = values.iter().zip(bins.iter_mut());
            missing
                .filter(|(value, _)| value.is_nan())
                .for_each(|(_, bin)| *bin = MISSING);
            column.mode = most_common(bins);
        }
        Ok(column)
    }

    /// Cut runs of equal values in ascending order.
    fn cut(runs: &[(f32, usize)], max_bins: usize) -> Self {
        let mut bins = [[0.0; 2]; MAX_BINS];
        let mut n_bins = 0;
        let mut bins_left = runs.len().min(max_bins);
        let mut rows_left: usize = runs.iter().map(|&(_, rows)| rows).sum();
        let sizes = sizes(bins_left, rows_left);
        let mut sizes_left: f64 = sizes[..bins_left].iter().sum();
        let mut fair = rows_left as f64 * sizes[0] / sizes_left;
        let mut held = 0;
        let [mut least, mut greatest] = [runs.first().map_or(0.0, |&(value, _)| value); 2];
        let (mut mode, mut most) = (0, 0);
        for (index, &(value, rows)) in runs.iter().enumerate() {
            let is_full = (held as f64 + rows as f64 / 2.0) > fair || rows as f64 >= fair;
            if held > 0 && bins_left > 1 && (is_full || runs.len() - index < bins_left) {
                bins[n_bins] = [least, greatest];
                n_bins += 1;
                least = value;
                bins_left -= 1;
                rows_left -= held;
                sizes_left -= sizes[n_bins - 1];
                fair = rows_left as f64 * sizes[n_bins] / sizes_left;
                held = 0;
            }
            held += rows;
            greatest = value;
            if held >= most {
                (mode, most) = (n_bins as u8, held);
            }
        }
        bins[n_bins] = [least, greatest];
        Self {
            bins,
            n_bins: n_bins as u8 + 1,
            mode,
            has_missing: false,
        }
    }

    /// Find the bins of other values: those beyond the ends fall into the end bins.
    pub(crate) fn assign(&self, values: &[f32], bins: &mut [u8]) -> Result<(), Unbinned> {
        for (bin, &value) in bins.iter_mut().zip(values) {
            *bin = match value {
                value if value.is_finite() => self.bin(value),
                value if value.is_nan() && self.has_missing => MISSING,
                _ => return Err(Unbinned),
            };
        }
        Ok(())
    }

    /// The edge between two bins lies halfway between their values.
    fn bin(&self, value: f32) -> u8 {
        let (mut bin, mut end) = (0, usize::from(self.n_bins) - 1);
        while bin < end {
            let middle = usize::midpoint(bin, end);
            if edge_between(self.bins[middle][1], self.bins[middle + 1][0]) < value {
                bin = middle + 1;
            } else {
                end = middle;
            }
        }
        bin as u8
    }

    /// Where to divide a node whose rows lie in bins up to `low` and from `high` on.
    ///
    /// The threshold halves the gap between the two, as scikit-learn's does; a bin inside the gap
    /// goes to the side where the middle of its own values lies, and takes the threshold along.
    pub(crate) fn threshold(&self, low: u8, high: u8) -> Threshold {
        if self.has_missing && high == MISSING {
            return Threshold {
                left: BinSet::up_to(MISSING - 1),
                value: f32::INFINITY,
            };
        }
        let (first, last) = (usize::from(low), usize::from(high));
        let middle = f32::midpoint(self.bins[first][1], self.bins[last][0]);
        let inside = &self.bins[first + 1..last];
        let last_left = first
            + inside.partition_point(|&[least, greatest]| f32::midpoint(least, greatest) <= middle);
        let (below, above) = (self.bins[last_left][1], self.bins[last_left + 1][0]);
        Threshold {
            left: BinSet::up_to(last_left as u8),
            value: if below <= middle && middle < above {
                middle
            } else {
                edge_between(below, above)
            },
        }
    }

    /// Ask for what [`Self::threshold`] needs.
    #[inline]
    pub(crate) fn fetch(&self, low: u8) {
        prefetch(&self.bins, usize::from(low));
    }

    pub(crate) fn mode(&self) -> u8 {
        self.mode
    }

    pub(crate) fn has_missing(&self) -> bool {
        self.has_missing
    }
}

/// How large bins are to be, in proportion: all alike but for an eighth of them at either end, which
/// grow from one row on. Even bins would hide in their last one what tells a rare class apart.
fn sizes(n_bins: usize, n_rows: usize) -> [f64; MAX_BINS] {
    let mut sizes = [1.0; MAX_BINS];
    let tail = n_bins / 8;
    let row = n_bins as f64 / n_rows as f64;
    if row < 1.0 {
        for depth in 0..tail {
            let size = row.powf((tail - depth) as f64 / tail as f64);
            sizes[depth] = size;
            sizes[n_bins - 1 - depth] = size;
        }
    }
    sizes
}

/// A value is infinite, or missing where none may be.
#[derive(Debug, PartialEq)]
pub(crate) struct Unbinned;

impl Scratch {
    /// Sort the values that are not zero and count the runs of all: how many are missing.
    fn sort(&mut self, values: &[f32]) -> Result<usize, Unbinned> {
        let n_missing = self.collect(values)?;
        if self.sorted.len() < FEW {
            self.sorted.sort_unstable();
        } else {
            self.sort_by_counting();
        }
        let n_zeros = values.len() - n_missing - self.sorted.len();
        self.runs.clear();
        let positive = self.sorted.partition_point(|&pair| pair >> 63 == 0);
        let (below, above) = self.sorted.split_at(positive);
        push_runs(&mut self.runs, values, below);
        if n_zeros > 0 {
            self.runs.push((0.0, n_zeros));
        }
        push_runs(&mut self.runs, values, above);
        Ok(n_missing)
    }

    /// Collect the values that are not zero, without a branch that no processor foresees: how many
    /// are missing.
    fn collect(&mut self, values: &[f32]) -> Result<usize, Unbinned> {
        const INFINITE: u32 = f32::INFINITY.to_bits();
        self.sorted.resize(values.len(), 0);
        let (mut n, mut greatest) = (0, 0);
        for (row, &value) in values.iter().enumerate() {
            let size = value.abs().to_bits();
            greatest = greatest.max(size);
            self.sorted[n] = u64::from(ordered(value)) << 32 | row as u64;
            n += usize::from(size > 0);
        }
        self.sorted.truncate(n);
        if greatest < INFINITE {
            return Ok(0);
        }
        if values.iter().any(|value| value.is_infinite()) {
            return Err(Unbinned);
        }
        self.sorted
            .retain(|&pair| !values[pair as u32 as usize].is_nan());
        Ok(n - self.sorted.len())
    }

    /// Sort the numbers in the upper halves digit by digit, the least first.
    fn sort_by_counting(&mut self) {
        self.spare.resize(self.sorted.len(), 0);
        for shift in (32..64).step_by(DIGIT as usize) {
            let digit = |pair: u64| (pair >> shift) as usize % FEW;
            let mut starts = [0_u32; FEW];
            self.sorted
                .iter()
                .for_each(|&pair| starts[digit(pair)] += 1);
            let mut start = 0;
            for count in &mut starts {
                start += std::mem::replace(count, start);
            }
            for &pair in &self.sorted {
                let slot = &mut starts[digit(pair)];
                self.spare[*slot as usize] = pair;
                *slot += 1;
            }
            std::mem::swap(&mut self.sorted, &mut self.spare);
        }
    }
}

fn push_runs(runs: &mut Vec<(f32, usize)>, values: &[f32], sorted: &[u64]) {
    for run in sorted.chunk_by(|a, b| a >> 32 == b >> 32) {
        runs.push((values[run[0] as u32 as usize], run.len()));
    }
}

/// The bits of a number, so changed that they are in the order of the numbers.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    bits ^ if value.is_sign_negative() {
        u32::MAX
    } else {
        1 << 31
    }
}

/// A value that `low` does not exceed and `high` does, however close they are.
fn edge_between(low: f32, high: f32) -> f32 {
    let middle = f32::midpoint(low, high);
    if middle < high { middle } else { low }
}

fn most_common(bins: &[u8]) -> u8 {
    let mut counts = [0_usize; MAX_BINS];
    for &bin in bins {
        counts[usize::from(bin)] += 1;
    }
    (0..MAX_BINS as u8)
        .max_by_key(|&bin| counts[usize::from(bin)])
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn learn(values: &[f32]) -> (Column, Vec<u8>) {
        let mut bins = vec![0; values.len()];
        let column = Column::learn(values, MAX_BINS, &mut Scratch::default(), &mut bins)
            .expect("finite values");
        (column, bins)
    }

    #[test]
    fn bins_keep_the_order_of_the_values_and_equal_values_together() {
        let mut stream = Stream::new(5);
        for round in 0..60 {
            let distinct = [2, 50, 64, 65, 5_000][round % 5];
            let values: Vec<f32> = (0..3_000)
                .map(|_| (stream.below(distinct) as f32).powi(3) - 40.0)
                .collect();
            let (_, bins) = learn(&values);
            let mut pairs: Vec<_> = values.iter().zip(&bins).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(b.0));
            assert!(pairs.is_sorted_by(|a, b| a.1 <= b.1));
            assert!(
                pairs
                    .windows(2)
                    .all(|pair| pair[0].0 < pair[1].0 || pair[0].1 == pair[1].1)
            );
            if distinct <= MAX_BINS {
                assert!(
                    pairs
                        .windows(2)
                        .all(|pair| pair[0].0 >= pair[1].0 || pair[0].1 < pair[1].1)
                );
            }
        }
    }

    #[test]
    fn rows_that_a_column_was_learned_from_are_binned_alike_again() {
        let mut stream = Stream::new(9);
        for distinct in [3, 70, 1 << 20] {
            let values: Vec<f32> = (0..4_000)
                .map(|row| {
                    let size = stream.below(distinct) as f32 / 7.0;
                    [0.0, -0.0, size, -size][row % 4]
                })
                .collect();
            let (column, bins) = learn(&values);
            let mut again = vec![0; values.len()];
            assert_eq!(column.assign(&values, &mut again), Ok(()));
            assert_eq!(bins, again);
        }
    }

    fn counts(bins: &[u8]) -> [usize; MAX_BINS] {
        let mut counts = [0; MAX_BINS];
        for &bin in bins {
            counts[usize::from(bin)] += 1;
        }
        counts
    }

    #[test]
    fn bins_are_even_but_for_the_ends_where_they_grow_from_one_row() {
        let values: Vec<f32> = (0..20_000).map(|row| row as f32).collect();
        let counts = counts(&learn(&values).1);
        assert!(counts[..9].is_sorted() && counts[55..].is_sorted_by(|a, b| a >= b));
        assert!(counts[0] <= 2 && counts[MAX_BINS - 1] <= 2);
        let even = &counts[9..55];
        assert!(even.iter().max() <= even.iter().min().map(|least| least + 1).as_ref());
    }

    #[test]
    fn a_heavy_value_has_a_bin_of_its_own_and_leaves_the_rest_their_resolution() {
        let mut stream = Stream::new(6);
        let values: Vec<f32> = (0..20_000)
            .map(|row| {
                if row % 4 > 0 {
                    0.0
                } else {
                    1.0 + stream.below(1 << 20) as f32
                }
            })
            .collect();
        let (column, bins) = learn(&values);
        assert_eq!(column.mode(), 0);
        let counts = counts(&bins);
        assert_eq!(counts[0], 15_000);
        // Less those that are small.
        let fair = 5_000 / (MAX_BINS - 16);
        assert!(
            counts[9..55]
                .iter()
                .all(|&count| count > fair / 2 && count < 2 * fair)
        );
    }

    #[test]
    fn other_values_fall_where_they_lie() {
        let (column, bins) = learn(&[0.0, 1.0, 2.0, 10.0]);
        assert_eq!(bins, [0, 1, 2, 3]);
        let mut bins = [0; 6];
        let other = [-5.0, 0.49, 0.51, 5.9, 6.1, 99.0];
        assert_eq!(column.assign(&other, &mut bins), Ok(()));
        assert_eq!(bins, [0, 0, 1, 2, 3, 3]);
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(column.assign(&[wrong], &mut bins), Err(Unbinned));
        }
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let values = [1.0, 1.0_f32.next_up(), 1.0_f32.next_up().next_up()];
        let (column, bins) = learn(&values);
        assert_eq!(bins, [0, 1, 2]);
        assert_eq!(column.threshold(0, 1).value.to_bits(), 1.0_f32.to_bits());
    }

    #[test]
    fn missing_values_have_a_bin_of_their_own() {
        let values: Vec<f32> = (0..200)
            .map(|row| if row % 4 == 0 { f32::NAN } else { row as f32 })
            .collect();
        let (column, bins) = learn(&values);
        assert!(column.has_missing());
        assert_eq!(column.mode(), MISSING);
        for (&value, &bin) in values.iter().zip(&bins) {
            assert_eq!(value.is_nan(), bin == MISSING);
        }
        let (column, bins) = learn(&[f32::NAN, f32::NAN]);
        assert_eq!(bins, [MISSING, MISSING]);
        let threshold = column.threshold(0, MISSING).value;
        assert!(threshold.is_infinite() && threshold > 0.0);
    }

    #[test]
    fn a_cut_across_a_gap_goes_through_its_middle() {
        let cut = |values: &[f32], low, high| {
            let threshold = learn(values).0.threshold(low, high);
            (threshold.left, threshold.value)
        };
        let values: Vec<f32> = (0..20).map(|value| value as f32).collect();
        assert_eq!(cut(&values, 7, 8), (BinSet::up_to(7), 7.5));
        assert_eq!(cut(&values, 3, 8), (BinSet::up_to(5), 5.5));
        assert_eq!(cut(&values, 3, 7), (BinSet::up_to(5), 5.0));
        // Of a node of 0 and 100, 48 goes left although the edge above it, 74, is far from 50.
        let gap = [0.0, 1.0, 2.0, 3.0, 48.0, 100.0];
        assert_eq!(cut(&gap, 0, 5), (BinSet::up_to(4), 50.0));
        assert_eq!(
            cut(&[0.0, 40.0, 49.0, 100.0], 0, 3),
            (BinSet::up_to(2), 50.0)
        );
    }

    #[test]
    fn a_bin_that_the_middle_of_a_gap_divides_takes_the_threshold_along() {
        let bin = |least, greatest| [least, greatest];
        let mut column = learn(&[0.0, 45.0, 54.0, 100.0]).0;
        column.bins[1] = bin(45.0, 53.0);
        column.bins[2] = bin(54.0, 70.0);
        let threshold = column.threshold(0, 3);
        assert_eq!(threshold.left, BinSet::up_to(1));
        assert!(threshold.value >= 53.0 && threshold.value < 54.0);
    }
}
