//! What a forest learns from: binned rows and their labels.

use std::sync::Arc;

use crate::binning::{Binning, Cells};
use crate::entry::{MAX_CLASSES, max_rows};
use crate::error::Error;
use crate::parallel::Workers;
use crate::sampling::{Urn, as_units};

/// What a forest learns from.
pub struct TrainingRows {
    binned: Arc<(Binning, Cells)>,
    pub(crate) labels: Vec<u8>,
    /// The group of each row; rows of a group are drawn together.
    pub(crate) twins: Option<Vec<u32>>,
    /// What bootstraps draw from.
    pub(crate) urn: Urn,
    /// What a row weighs in a tree that takes every row; `None`: as much as any other.
    pub(crate) units: Option<Vec<u32>>,
    n_classes: usize,
}

impl TrainingRows {
    /// Put binned rows, which others may share, and their labels together.
    ///
    /// # Errors
    /// If a row has no label or more than one, or a label is not below `n_classes`.
    pub fn new(
        binned: impl Into<Arc<(Binning, Cells)>>,
        labels: Vec<u8>,
        n_classes: usize,
    ) -> Result<Self, Error> {
        let binned = binned.into();
        let rows = binned.1.n_rows();
        if labels.len() != rows {
            return Err(Error::Labels {
                labels: labels.len(),
                rows,
            });
        }
        let known = labels.iter().all(|&label| usize::from(label) < n_classes);
        if n_classes > MAX_CLASSES || !known {
            return Err(Error::Classes { n_classes });
        }
        let limit = max_rows(n_classes);
        if rows > limit {
            let kind = "training";
            return Err(Error::TooManyRows { kind, rows, limit });
        }
        Ok(Self {
            binned,
            labels,
            twins: None,
            urn: Urn::default(),
            units: None,
            n_classes,
        })
    }

    /// Count a row as drawn by a tree that drew any row of its group, so that copies of a row never
    /// judge what was learned from it.
    ///
    /// # Errors
    /// If there is not one group a row, or a group has a number that no row has.
    pub fn with_twins(mut self, groups: Vec<u32>) -> Result<Self, Error> {
        let rows = self.labels.len();
        if groups.len() != rows || groups.iter().any(|&group| group as usize >= rows) {
            return Err(Error::Twins { rows });
        }
        self.twins = Some(groups);
        Ok(self)
    }

    /// Draw from the rows in an order that says what they hold in some columns, not where they
    /// stand, so that the forest on these columns is the same for any order of the rows.
    ///
    /// Before the rows are weighed, it lets a row of a whole weight be drawn like as many rows.
    ///
    /// # Errors
    /// If a column does not exist.
    pub fn sorted(mut self, columns: &[usize], workers: Workers<'_>) -> Result<Self, Error> {
        let n_columns = self.binning().n_columns();
        if columns.iter().any(|&column| column >= n_columns) {
            return Err(Error::Subset { columns: n_columns });
        }
        self.urn
            .sort(&self.binned.1, columns, &self.labels, workers);
        Ok(self)
    }

    /// Let rows be drawn in proportion to their weights, and weigh so much in trees that take
    /// every row, where weights are rounded to a part in 2^31 of their sum.
    ///
    /// # Errors
    /// If there is not one weight a row, or one is negative or not finite, or all are zero.
    pub fn weighed(mut self, weights: &[f64]) -> Result<Self, Error> {
        let rows = self.labels.len();
        let is_weight = |&weight: &f64| weight >= 0.0 && weight.is_finite();
        let total: f64 = weights.iter().sum();
        let is_total = total > 0.0 && total.is_finite();
        if weights.len() != rows || !weights.iter().all(is_weight) || !is_total {
            return Err(Error::RowWeights { rows });
        }
        self.urn.weigh(weights);
        self.units = Some(as_units(weights));
        Ok(self)
    }

    /// How the columns are cut.
    #[must_use]
    pub fn binning(&self) -> &Binning {
        &self.binned.0
    }

    /// The binned rows.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.binned.1
    }

    /// How many classes there are.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let per_row = [&self.twins, &self.units];
        let per_row = per_row.iter().filter(|numbers| numbers.is_some()).count();
        self.cells().bytes()
            + self.binning().bytes()
            + (1 + 4 * per_row) * self.labels.len()
            + self.urn.bytes()
    }
}
