//! Columns cut once into at most 256 bins of about equal weight, one byte a cell.

use crate::{Error, parallel::in_parallel};

/// Bins a column may have: what a byte can tell apart.
pub const MAX_BINS: usize = 256;

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
    pub(crate) fn column(&self, column: usize) -> &[u8] {
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
    /// keeps its resolution for the rest; up to 256 distinct values lose nothing.
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
    /// the edge nearest to the middle of the gap, as scikit-learn's threshold halves it.
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
    (0..=u8::MAX)
        .max_by_key(|&bin| counts[usize::from(bin)])
        .unwrap_or(0)
}
