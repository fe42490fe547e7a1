//! Bindings of binned rows.

use std::sync::Arc;

use fer_fast_forest::{BinParams, Binning, Cells};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;

use crate::convert::{as_matrix, as_threads, to_python};
use crate::signals::with_workers;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BinnedRows>()
}

/// Rows whose columns are cut into bins, for any number of forests on any of these columns.
#[pyclass(frozen, module = "fer_fast._core")]
pub struct BinnedRows(Arc<(Binning, Cells)>);

impl BinnedRows {
    pub fn share(&self) -> Arc<(Binning, Cells)> {
        Arc::clone(&self.0)
    }
}

/// Rows to grow forests on: binned before, or a matrix whose columns are still to be cut.
#[derive(FromPyObject)]
pub enum Rows<'py> {
    Binned(Bound<'py, BinnedRows>),
    Matrix(PyReadonlyArray2<'py, f32>),
}

impl Rows<'_> {
    /// The bins, learned by `n_threads` if there are none yet; a negative number is one a core.
    pub fn binned(
        &self,
        py: Python<'_>,
        n_threads: isize,
        params: &BinParams,
    ) -> PyResult<Arc<(Binning, Cells)>> {
        let rows = match self {
            Self::Binned(rows) => return Ok(rows.get().share()),
            Self::Matrix(rows) => as_matrix(rows)?,
        };
        let binned = with_workers(py, as_threads(n_threads), |workers| {
            Binning::learn(rows, params, workers)
        })?;
        binned.map(Arc::new).map_err(to_python)
    }
}

#[pymethods]
impl BinnedRows {
    /// Cut every column; NaN is a missing value. A negative number of threads is one a core.
    #[new]
    #[pyo3(signature = (rows, *, n_threads, max_bins=64))]
    fn new(
        py: Python<'_>,
        rows: PyReadonlyArray2<'_, f32>,
        n_threads: isize,
        max_bins: usize,
    ) -> PyResult<Self> {
        let params = BinParams {
            max_bins,
            allow_missing: true,
        };
        Rows::Matrix(rows).binned(py, n_threads, &params).map(Self)
    }

    /// How many rows and columns there are.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.0.1.n_rows(), self.0.0.n_columns())
    }

    /// Bytes that the bins take.
    #[getter]
    fn n_bytes(&self) -> usize {
        self.0.0.bytes() + self.0.1.bytes()
    }
}
