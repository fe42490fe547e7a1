//! The cells of a subset of the columns, as growing trees read them.

use crate::binning::Cells;
use crate::machine::{BLOCK, prefetch, zeros};
use crate::parallel::{Workers, in_parallel};
use crate::plan::Plan;

/// Rows that one worker turns over at a time.
const ROWS_TOGETHER: usize = 64;

/// Cells of a cache line.
const LINE: usize = 64;

/// How often a row is drawn from in a tree after its node has few rows: about the depth that is left.
const READS: usize = 4;

/// Rows of a node below which its cells are read row by row.
const FEW: usize = BLOCK;

/// The cells column by column, which serves many nodes one after another, and row by row, where all
/// cells of a node of few rows lie near.
pub(crate) struct Layout<'a> {
    cells: &'a Cells,
    columns: Vec<Placed>,
    /// Empty where hardly a node has few rows.
    by_row: Vec<u8>,
    /// Whether most cells of a row are read while it is in the cache.
    is_dense: bool,
}

/// What a search must know of a column, without a look at how it is cut.
#[derive(Clone, Copy)]
struct Placed {
    column: u32,
    mode: u8,
    has_missing: bool,
}

/// A column of binned cells.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    /// The bin of each row.
    pub(crate) bins: &'a [u8],
    /// Near for rows that were asked for; a row's bin is at `stride` times its number.
    pub(crate) strided: &'a [u8],
    pub(crate) stride: usize,
    /// The bin of the most rows.
    pub(crate) mode: u8,
    pub(crate) has_missing: bool,
}

impl<'a> Layout<'a> {
    /// Copy the cells of a plan's columns row by row, if that is worth it.
    pub(crate) fn new(plan: &Plan<'a>, workers: Workers<'_>) -> Self {
        let cells = plan.rows.cells();
        let width = plan.subset.len();
        let by_row = if has_small_nodes(plan) {
            turn_over(cells, plan.subset, workers)
        } else {
            Vec::new()
        };
        let placed = |&column: &usize| {
            let learned = &plan.rows.binning().columns[column];
            Placed {
                column: column as u32,
                mode: learned.mode(),
                has_missing: learned.has_missing(),
            }
        };
        Self {
            cells,
            columns: plan.subset.iter().map(placed).collect(),
            by_row,
            is_dense: width <= LINE * READS * plan.n_candidates(),
        }
    }

    /// Ask for all cells of these rows.
    #[inline]
    pub(crate) fn fetch(&self, rows: impl Iterator<Item = usize>) {
        if self.is_dense {
            let width = self.columns.len();
            for row in rows {
                for line in (row * width..(row + 1) * width).step_by(LINE) {
                    prefetch(&self.by_row, line);
                }
            }
        }
    }

    /// The column at a place of the subset.
    #[inline]
    pub(crate) fn column(&self, position: usize) -> Column<'_> {
        let placed = self.columns[position];
        let bins = self.cells.bins(placed.column as usize);
        let (strided, stride) = if self.by_row.is_empty() {
            (bins, 1)
        } else {
            (&self.by_row[position..], self.columns.len())
        };
        Column {
            bins,
            strided,
            stride,
            mode: placed.mode,
            has_missing: placed.has_missing,
        }
    }
}

/// Whether nodes of few rows come before the depth bound of a tree that halves its rows.
fn has_small_nodes(plan: &Plan<'_>) -> bool {
    let n_rows = plan.rows.cells().n_rows();
    let halved = |depth| n_rows.checked_shr(depth).unwrap_or(0);
    plan.params
        .max_depth
        .is_none_or(|depth| halved(depth) < FEW)
}

/// Copy the cells of some columns row by row.
fn turn_over(cells: &Cells, columns: &[usize], workers: Workers<'_>) -> Vec<u8> {
    let width = columns.len();
    let mut by_row = zeros(cells.n_rows() * width);
    let blocks = by_row.chunks_mut(ROWS_TOGETHER * width).enumerate();
    in_parallel(blocks.collect(), workers.threads, |(block, copied)| {
        let first = block * ROWS_TOGETHER;
        let n_rows = copied.len() / width;
        for (position, &column) in columns.iter().enumerate() {
            let bins = &cells.bins(column)[first..first + n_rows];
            for (row, &bin) in copied.chunks_exact_mut(width).zip(bins) {
                row[position] = bin;
            }
        }
    });
    by_row
}
