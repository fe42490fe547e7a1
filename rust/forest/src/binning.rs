//! Columns cut once into at most 64 bins of about equal weight, one byte a cell.

use crate::{Error, parallel::in_parallel};

/// Bins a column may have: as many as a word has bits. Four times as many make trees no better.
pub const MAX_BINS: usize = 64;

/// Columns that one worker transposes at a time: a cache line of a row-major `f32` matrix.
const BLOCK: usize = 16;

/// A row-major matrix that someone else owns.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    n_columns: usize,
}

impl<'a> Rows<'a> {
    /// Borrow `values` as rows of `n_columns` cells.
    ///
    /// # Errors
    /// If there is no cell, or the last row is not whole.
    pub fn new(values: &'a [f32], n_columns: usize) -> Result<Self, Error> {
        if values.is_empty() || n_columns == 0 || !values.len().is_multiple_of(n_columns) {
            return Err(Error::Shape {
                cells: values.len(),
                columns: n_columns,
            });
        }
        Ok(Self { values, n_columns })
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.n_columns
    }
}

/// Binned cells, column after column.
pub struct Cells {
    bins: Vec<u8>,
    n_rows: usize,
}

impl Cells {
    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bins.len()
    }

    /// The bins of one column.
    pub(crate) fn bins(&self, column: usize) -> &[u8] {
        &self.bins[column * self.n_rows..(column + 1) * self.n_rows]
    }
}

/// How one column is cut.
struct Column {
    /// The least value, the edges between bins, the greatest value: bin `b` lies between
    /// `bounds[b]` and `bounds[b + 1]`.
    bounds: Vec<f32>,
    /// The bin that holds the most rows.
    mode: u8,
}

/// How every column is cut, learned from the training rows.
pub struct Binning {
    columns: Vec<Column>,
}

impl Binning {
    /// Learn the bins of every column from `rows`, and bin them.
    ///
    /// A value that alone outweighs a fair bin gets a bin of its own, so a column of mostly zeros
    /// keeps its resolution for the rest; up to 64 distinct values are a bin each.
    ///
    /// # Errors
    /// If a cell is NaN or infinite.
    pub fn learn(rows: Rows<'_>, threads: usize) -> Result<(Self, Cells), Error> {
        let (columns, cells) = per_column(rows, threads, |column, values, sorted, bins| {
            sorted.copy_from_slice(values);
            sorted.sort_unstable_by(f32::total_cmp);
            // total_cmp puts NaN and infinities at the ends.
            if !(sorted[0].is_finite() && sorted[sorted.len() - 1].is_finite()) {
                return Err(Error::NotFinite { column });
            }
            let bounds = cut(sorted);
            assign(&bounds, values, bins);
            Ok(Column {
                mode: most_common(bins),
                bounds,
            })
        })?;
        Ok((Self { columns }, cells))
    }

    /// Bin other rows by the bins already learned; values beyond the ends fall into the end bins.
    ///
    /// # Errors
    /// If the rows have another number of columns, or a cell is NaN or infinite.
    pub fn apply(&self, rows: Rows<'_>, threads: usize) -> Result<Cells, Error> {
        if rows.n_columns != self.columns.len() {
            return Err(Error::Columns {
                found: rows.n_columns,
                expected: self.columns.len(),
            });
        }
        let (_, cells) = per_column(rows, threads, |column, values, _, bins| {
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { column });
            }
            assign(&self.columns[column].bounds, values, bins);
            Ok(())
        })?;
        Ok(cells)
    }

    /// How many columns there are.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn mode(&self, column: usize) -> u8 {
        self.columns[column].mode
    }

    /// The last bin to go left where the rows of a node lie in bins up to `low` and from `high` on:
    /// the edge nearest to the middle of the gap. scikit-learn halves the gap between the values
    /// themselves; a bin's centre, halfway between its edges, stands for its values here.
    pub(crate) fn halfway(&self, column: usize, low: u8, high: u8) -> u8 {
        if high == low + 1 {
            return low;
        }
        let bounds = &self.columns[column].bounds;
        let centre = |bin: u8| {
            let bin = usize::from(bin);
            f32::midpoint(bounds[bin], bounds[bin + 1])
        };
        let middle = f32::midpoint(centre(low), centre(high));
        let edges = &bounds[usize::from(low) + 1..=usize::from(high)];
        let above = edges.partition_point(|&edge| edge <= middle);
        let nearest = match (above.checked_sub(1), edges.get(above)) {
            (Some(below), Some(edge)) if middle - edges[below] < edge - middle => below,
            (Some(below), None) => below,
            // Halfway between two edges the higher one wins: a value in the middle goes left.
            _ => above,
        };
        low + nearest as u8
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns
            .iter()
            .map(|column| size_of::<Column>() + size_of_val(&column.bounds[..]))
            .sum()
    }
}

/// Run `work(column, values, scratch, bins)` on every column, blocks of columns shared by `threads`.
fn per_column<T: Send>(
    rows: Rows<'_>,
    threads: usize,
    work: impl Fn(usize, &[f32], &mut [f32], &mut [u8]) -> Result<T, Error> + Sync,
) -> Result<(Vec<T>, Cells), Error> {
    let n_rows = rows.n_rows();
    let mut bins = vec![0_u8; rows.values.len()];
    let blocks = bins.chunks_mut(BLOCK * n_rows).enumerate().collect();
    let done = in_parallel(blocks, threads, |(block, bins)| {
        let first = block * BLOCK;
        let width = bins.len() / n_rows;
        let mut values = vec![0.0; bins.len()];
        for (row, cells) in rows.values.chunks_exact(rows.n_columns).enumerate() {
            for (offset, &cell) in cells[first..first + width].iter().enumerate() {
                values[offset * n_rows + row] = cell;
            }
        }
        let mut scratch = vec![0.0; n_rows];
        values
            .chunks_exact(n_rows)
            .zip(bins.chunks_exact_mut(n_rows))
            .enumerate()
            .map(|(offset, (values, bins))| work(first + offset, values, &mut scratch, bins))
            .collect::<Result<Vec<T>, Error>>()
    });
    let mut columns = Vec::with_capacity(rows.n_columns);
    for block in done {
        columns.extend(block?);
    }
    Ok((columns, Cells { bins, n_rows }))
}

/// The bounds of the bins of a column, from its values in ascending order.
fn cut(sorted: &[f32]) -> Vec<f32> {
    let runs = || sorted.chunk_by(|a, b| a >= b);
    let mut values_left = runs().count();
    let mut bins_left = values_left.min(MAX_BINS);
    let mut rows_left = sorted.len();
    let mut held = 0;
    let mut previous = sorted[0];
    let mut bounds = vec![previous];
    for run in runs() {
        let fair = rows_left / bins_left;
        let is_full = held + run.len() / 2 > fair || run.len() >= fair;
        if held > 0 && bins_left > 1 && (is_full || values_left < bins_left) {
            bounds.push(edge_between(previous, run[0]));
            bins_left -= 1;
            rows_left -= held;
            held = 0;
        }
        held += run.len();
        values_left -= 1;
        previous = run[0];
    }
    bounds.push(previous);
    bounds
}

/// A value that `low` does not exceed and `high` does, however close they are.
fn edge_between(low: f32, high: f32) -> f32 {
    let middle = f32::midpoint(low, high);
    if middle < high { middle } else { low }
}

fn assign(bounds: &[f32], values: &[f32], bins: &mut [u8]) {
    let edges = &bounds[1..bounds.len() - 1];
    for (bin, &value) in bins.iter_mut().zip(values) {
        *bin = edges.partition_point(|&edge| edge < value) as u8;
    }
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

    fn learn(values: &[f32]) -> (Binning, Vec<u8>) {
        let rows = Rows::new(values, 1).expect("one column");
        let (binning, cells) = Binning::learn(rows, 1).expect("finite values");
        let bins = cells.bins(0).to_vec();
        (binning, bins)
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
        let (binning, bins) = learn(&values);
        assert_eq!(binning.mode(0), 0);
        let mut counts = [0; MAX_BINS];
        for &bin in &bins {
            counts[usize::from(bin)] += 1;
        }
        assert_eq!(counts[0], 15_000);
        let fair = 5_000 / (MAX_BINS - 1);
        assert!(
            counts[1..]
                .iter()
                .all(|&count| count > fair / 2 && count < 2 * fair)
        );
    }

    #[test]
    fn other_rows_fall_where_their_values_lie() {
        let (binning, bins) = learn(&[0.0, 1.0, 2.0, 10.0]);
        assert_eq!(bins, [0, 1, 2, 3]);
        let other = [-5.0, 0.49, 0.51, 5.9, 6.1, 99.0];
        let cells = binning
            .apply(Rows::new(&other, 1).expect("one column"), 1)
            .expect("finite values");
        assert_eq!(cells.bins(0), [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let values = [1.0, 1.0_f32.next_up(), 1.0_f32.next_up().next_up()];
        assert_eq!(learn(&values).1, [0, 1, 2]);
    }

    #[test]
    fn a_cut_across_a_gap_goes_through_its_middle() {
        let values: Vec<f32> = (0..20).map(|value| value as f32).collect();
        let (binning, _) = learn(&values);
        assert_eq!(binning.halfway(0, 7, 8), 7);
        assert_eq!(binning.halfway(0, 3, 8), 5);
        assert_eq!(binning.halfway(0, 3, 7), 5);
    }

    #[test]
    fn every_thread_count_gives_the_same_columns() {
        let mut stream = Stream::new(7);
        let values: Vec<f32> = (0..37 * 50).map(|_| stream.below(900) as f32).collect();
        let rows = Rows::new(&values, 37).expect("whole rows");
        let (_, alone) = Binning::learn(rows, 1).expect("finite values");
        let (_, shared) = Binning::learn(rows, 3).expect("finite values");
        assert_eq!(alone.bins, shared.bins);
        for (column, row) in [(0, 0), (36, 49), (20, 13)] {
            let cell = values[row * 37 + column];
            let least = (0..50).filter(|&r| values[r * 37 + column] < cell);
            let mut below: Vec<_> = least.map(|r| values[r * 37 + column] as u32).collect();
            below.sort_unstable();
            below.dedup();
            assert_eq!(usize::from(alone.bins(column)[row]), below.len());
        }
    }

    #[test]
    fn what_cannot_be_binned_is_refused() {
        assert!(Rows::new(&[], 1).is_err());
        assert!(Rows::new(&[1.0; 5], 2).is_err());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let rows = [1.0, 2.0, 3.0, value];
            let rows = Rows::new(&rows, 2).expect("whole rows");
            let error = Binning::learn(rows, 1).err();
            assert_eq!(error, Some(Error::NotFinite { column: 1 }));
        }
    }
}
