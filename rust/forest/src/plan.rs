//! What is to be grown: a forest on some columns of some rows, for the votes of others.

use crate::binning::Cells;
use crate::error::Error;
use crate::params::ForestParams;
use crate::rows::TrainingRows;

/// A forest that is still to be grown.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What it learns from.
    pub rows: &'a TrainingRows,
    /// The columns that it sees. What is drawn depends on a column's place here, not its number.
    pub subset: &'a [usize],
    /// The rows that it votes for; `None`: the training rows, each by the trees that did not draw it.
    pub scored: Option<&'a Cells>,
    /// How it is grown.
    pub params: &'a ForestParams,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl<'a> Plan<'a> {
    /// The rows that it votes for.
    pub(crate) fn scored_cells(&self) -> &'a Cells {
        self.scored.unwrap_or(&self.rows.cells)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let (limit, rows) = (u32::MAX as usize, self.scored_cells().n_rows());
        if rows > limit {
            let kind = "scored";
            return Err(Error::TooManyRows { kind, rows, limit });
        }
        let columns = self.rows.binning.n_columns();
        if self.subset.is_empty() || self.subset.iter().any(|&column| column >= columns) {
            return Err(Error::Subset { columns });
        }
        self.params.check(self.rows.n_classes())
    }
}
