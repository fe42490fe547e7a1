//! Columns cut once into at most 64 bins of about equal weight, one byte a cell.

use crate::column::{Column, Scratch, Unbinned};
use crate::error::Error;
use crate::machine::{prefetch, zeros};
use crate::matrix::Matrix;
use crate::parallel::{Workers, in_parallel};
use crate::params::BinParams;

/// Columns that one worker transposes at a time: two cache lines of a row-major `f32` matrix.
const BLOCK: usize = 32;

/// Rows whose cells are asked for before they are needed: each lies on a page of its own.
const ROWS_AHEAD: usize = 12;

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

/// How every column is cut, learned from the training rows.
pub struct Binning {
    pub(crate) columns: Vec<Column>,
}

impl Binning {
    /// Learn the bins of every column from `rows`, and bin them.
    ///
    /// A value that alone outweighs a fair bin gets a bin of its own, so a column of mostly zeros
    /// keeps its resolution for the rest; as many distinct values as there may be bins are a bin
    /// each.
    ///
    /// # Errors
    /// If a parameter is out of range, a cell is infinite, or missing where none may be, or the
    /// workers are told to stop.
    pub fn learn(
        rows: Matrix<'_>,
        params: &BinParams,
        workers: Workers<'_>,
    ) -> Result<(Self, Cells), Error> {
        params.check()?;
        let (columns, cells) = per_column(rows, workers, |index, values, scratch, bins| {
            let column = Column::learn(values, params.max_bins, scratch, bins);
            let column = column.map_err(|Unbinned| Error::NotFinite { column: index })?;
            if column.has_missing() && !params.allow_missing {
                return Err(Error::NotFinite { column: index });
            }
            Ok(column)
        })?;
        Ok((Self { columns }, cells))
    }

    /// Bin other rows by the bins already learned; values beyond the ends fall into the end bins.
    ///
    /// # Errors
    /// If the rows have another number of columns, a cell is infinite, or missing in a column where
    /// none was, or the workers are told to stop.
    pub fn apply(&self, rows: Matrix<'_>, workers: Workers<'_>) -> Result<Cells, Error> {
        if rows.n_columns != self.columns.len() {
            return Err(Error::Columns {
                found: rows.n_columns,
                expected: self.columns.len(),
            });
        }
        let (_, cells) = per_column(rows, workers, |index, values, _, bins| {
            let done = self.columns[index].assign(values, bins);
            done.map_err(|Unbinned| Error::NotFinite { column: index })
        })?;
        Ok(cells)
    }

    /// How many columns there are.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&self.columns[..])
    }
}

/// Copy columns from the `first` on, as many as there is room for, column after column.
fn turn_over(rows: Matrix<'_>, first: usize, columns: &mut [f32]) {
    let n_rows = rows.n_rows();
    let width = columns.len() / n_rows;
    for (row, cells) in rows.values.chunks_exact(rows.n_columns).enumerate() {
        let ahead = (row + ROWS_AHEAD) * rows.n_columns + first;
        for line in (ahead..ahead + width).step_by(16) {
            prefetch(rows.values, line);
        }
        for (offset, &cell) in cells[first..first + width].iter().enumerate() {
            columns[offset * n_rows + row] = cell;
        }
    }
}

/// Run `work(column, values, scratch, bins)` on every column, blocks of columns shared by threads.
fn per_column<T: Send>(
    rows: Matrix<'_>,
    workers: Workers<'_>,
    work: impl Fn(usize, &[f32], &mut Scratch, &mut [u8]) -> Result<T, Error> + Sync,
) -> Result<(Vec<T>, Cells), Error> {
    let n_rows = rows.n_rows();
    let mut bins = zeros(rows.values.len());
    let blocks = bins.chunks_mut(BLOCK * n_rows).enumerate().collect();
    let done = in_parallel(blocks, workers.threads, |(block, bins)| {
        if (workers.stop)() {
            return Err(Error::Stopped);
        }
        let first = block * BLOCK;
        let mut values = vec![0.0; bins.len()];
        turn_over(rows, first, &mut values);
        let mut scratch = Scratch::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn every_thread_count_gives_the_same_columns() {
        let mut stream = Stream::new(7);
        let values: Vec<f32> = (0..37 * 50).map(|_| stream.below(900) as f32).collect();
        let rows = Matrix::new(&values, 37).expect("whole rows");
        let learn = |threads| Binning::learn(rows, &BinParams::default(), Workers::new(threads));
        let (_, alone) = learn(1).expect("finite values");
        let (_, shared) = learn(3).expect("finite values");
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
