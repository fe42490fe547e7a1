//! Columns cut once into at most 64 bins of about equal weight, one byte a cell.

use crate::bins::MAX_BINS;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::parallel::in_parallel;

/// Columns that one worker transposes at a time: a cache line of a row-major `f32` matrix.
const BLOCK: usize = 16;

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
    /// The least and the greatest value of each bin, in ascending order.
    bins: Vec<[f32; 2]>,
    /// The bin that holds the most rows.
    mode: u8,
}

impl Column {
    /// Cut a column by its values in ascending order.
    fn learn(sorted: &[f32]) -> Self {
        let runs = || sorted.chunk_by(|a, b| a >= b);
        let mut values_left = runs().count();
        let mut bins_left = values_left.min(MAX_BINS);
        let mut rows_left = sorted.len();
        let mut held = 0;
        let mut bins = Vec::with_capacity(bins_left);
        let [mut least, mut greatest] = [sorted[0]; 2];
        let (mut mode, mut most) = (0, 0);
        for run in runs() {
            let fair = rows_left / bins_left;
            let is_full = held + run.len() / 2 > fair || run.len() >= fair;
            if held > 0 && bins_left > 1 && (is_full || values_left < bins_left) {
                bins.push([least, greatest]);
                least = run[0];
                bins_left -= 1;
                rows_left -= held;
                held = 0;
            }
            held += run.len();
            values_left -= 1;
            greatest = run[0];
            if held >= most {
                (mode, most) = (bins.len() as u8, held);
            }
        }
        bins.push([least, greatest]);
        Self { bins, mode }
    }

    /// Find the bin of each value: the edge between two bins lies halfway between their values.
    fn assign(&self, values: &[f32], bins: &mut [u8]) {
        let mut edges = [f32::INFINITY; MAX_BINS];
        for (edge, pair) in edges.iter_mut().zip(self.bins.windows(2)) {
            *edge = edge_between(pair[0][1], pair[1][0]);
        }
        let edges = &edges[..self.bins.len() - 1];
        for (bin, &value) in bins.iter_mut().zip(values) {
            *bin = edges.partition_point(|&edge| edge < value) as u8;
        }
    }
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
    pub fn learn(rows: Matrix<'_>, threads: usize) -> Result<(Self, Cells), Error> {
        let (columns, cells) = per_column(rows, threads, |column, values, sorted, bins| {
            sorted.copy_from_slice(values);
            sorted.sort_unstable_by(f32::total_cmp);
            // total_cmp puts NaN and infinities at the ends.
            if !(sorted[0].is_finite() && sorted[sorted.len() - 1].is_finite()) {
                return Err(Error::NotFinite { column });
            }
            let learned = Column::learn(sorted);
            learned.assign(values, bins);
            Ok(learned)
        })?;
        Ok((Self { columns }, cells))
    }

    /// Bin other rows by the bins already learned; values beyond the ends fall into the end bins.
    ///
    /// # Errors
    /// If the rows have another number of columns, or a cell is NaN or infinite.
    pub fn apply(&self, rows: Matrix<'_>, threads: usize) -> Result<Cells, Error> {
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
            self.columns[column].assign(values, bins);
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

    /// The last bin to go left where the rows of a node lie in bins up to `low` and from `high` on.
    ///
    /// The threshold halves the gap between the two, as scikit-learn's does; a bin inside the gap
    /// goes to the side where the middle of its own values lies.
    pub(crate) fn last_left(&self, column: usize, low: u8, high: u8) -> u8 {
        let bins = &self.columns[column].bins;
        let (first, last) = (usize::from(low), usize::from(high));
        let threshold = f32::midpoint(bins[first][1], bins[last][0]);
        let inside = &bins[first + 1..last];
        let left = inside
            .partition_point(|&[least, greatest]| f32::midpoint(least, greatest) <= threshold);
        low + left as u8
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns
            .iter()
            .map(|column| size_of::<Column>() + size_of_val(&column.bins[..]))
            .sum()
    }
}

/// Run `work(column, values, scratch, bins)` on every column, blocks of columns shared by `threads`.
fn per_column<T: Send>(
    rows: Matrix<'_>,
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

/// A value that `low` does not exceed and `high` does, however close they are.
fn edge_between(low: f32, high: f32) -> f32 {
    let middle = f32::midpoint(low, high);
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn learn(values: &[f32]) -> (Binning, Vec<u8>) {
        let rows = Matrix::new(values, 1).expect("one column");
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
            .apply(Matrix::new(&other, 1).expect("one column"), 1)
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
        assert_eq!(binning.last_left(0, 7, 8), 7);
        assert_eq!(binning.last_left(0, 3, 8), 5);
        assert_eq!(binning.last_left(0, 3, 7), 5);
        // Of a node of 0 and 100, 48 goes left although the edge above it, 74, is far from 50.
        let (binning, _) = learn(&[0.0, 1.0, 2.0, 3.0, 48.0, 100.0]);
        assert_eq!(binning.last_left(0, 0, 5), 4);
        let (binning, _) = learn(&[0.0, 40.0, 49.0, 100.0]);
        assert_eq!(binning.last_left(0, 0, 3), 2);
    }

    #[test]
    fn every_thread_count_gives_the_same_columns() {
        let mut stream = Stream::new(7);
        let values: Vec<f32> = (0..37 * 50).map(|_| stream.below(900) as f32).collect();
        let rows = Matrix::new(&values, 37).expect("whole rows");
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
}
