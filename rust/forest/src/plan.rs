//! What is to be grown: a forest on some columns of some rows, for the votes of others.

use crate::binning::Cells;
use crate::error::Error;
use crate::params::ForestParams;
use crate::rows::TrainingRows;

/// The rows that a forest votes for.
#[derive(Clone, Copy)]
pub enum Scored<'a> {
    /// None.
    Nothing,
    /// The training rows, each by the trees that drew neither it nor a twin of it.
    OutOfBag,
    /// Others, by every tree.
    Rows(&'a Cells),
}

/// A forest that is still to be grown.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What it learns from.
    pub rows: &'a TrainingRows,
    /// The columns that it sees. What is drawn depends on a column's place here, not its number.
    pub subset: &'a [usize],
    /// The rows that it votes for.
    pub scored: Scored<'a>,
    /// How it is grown.
    pub params: &'a ForestParams,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl<'a> Plan<'a> {
    /// The rows that it votes for, or might have.
    pub(crate) fn scored_cells(&self) -> &'a Cells {
        match self.scored {
            Scored::Rows(cells) => cells,
            Scored::OutOfBag | Scored::Nothing => self.rows.cells(),
        }
    }

    /// How many rows it votes for.
    pub(crate) fn n_scored(&self) -> usize {
        match self.scored {
            Scored::Nothing => 0,
            Scored::OutOfBag | Scored::Rows(_) => self.scored_cells().n_rows(),
        }
    }

    /// Columns that a node draws before it settles for what it found.
    pub(crate) fn n_candidates(&self) -> usize {
        let n_columns = self.subset.len();
        let root = n_columns.isqrt().max(1);
        self.params.max_features.unwrap_or(root).min(n_columns)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let (limit, rows) = (u32::MAX as usize, self.n_scored());
        if rows > limit {
            let kind = "scored";
            return Err(Error::TooManyRows { kind, rows, limit });
        }
        let columns = self.rows.binning().n_columns();
        if self.subset.is_empty() || self.subset.iter().any(|&column| column >= columns) {
            return Err(Error::Subset { columns });
        }
        self.params.check(self.rows.n_classes())
    }
}
