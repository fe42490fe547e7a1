//! A row-major matrix that someone else owns.

use crate::error::Error;

/// A row-major matrix that someone else owns.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) n_columns: usize,
}

impl<'a> Matrix<'a> {
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
