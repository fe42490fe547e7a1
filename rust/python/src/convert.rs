//! What Python hands over, as the forest wants it, and what the forest hands back.

use std::num::NonZero;

use fer_fast_forest::{Error, Matrix};
use numpy::ndarray::Array2;
use numpy::{
    Element, IntoPyArray, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::EvaluationCut;

/// Borrow a C-contiguous matrix.
pub fn as_matrix<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<Matrix<'a>> {
    // `as_slice` would take a column-major matrix too.
    if !array.is_c_contiguous() {
        return Err(PyValueError::new_err("rows must be C-contiguous"));
    }
    Matrix::new(array.as_slice()?, array.shape()[1])
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Take over column numbers; a negative one becomes one that no matrix has.
pub fn as_columns(columns: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let columns = columns.as_slice()?.iter();
    Ok(columns
        .map(|&column| usize::try_from(column).unwrap_or(usize::MAX))
        .collect())
}

/// Take over the groups of twins; a number that does not fit becomes one that no row has.
pub fn as_groups(groups: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<u32>> {
    let groups = groups.as_slice()?.iter();
    Ok(groups
        .map(|&group| u32::try_from(group).unwrap_or(u32::MAX))
        .collect())
}

/// A number of threads; a negative one is one a core.
pub fn as_threads(n_threads: isize) -> usize {
    usize::try_from(n_threads).unwrap_or_else(|_| n_cores())
}

/// The cores that this process may use.
pub fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Move numbers to a `NumPy` matrix of so many columns.
pub fn in_rows<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    n_columns: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    let shape = (values.len() / n_columns, n_columns);
    let rows = Array2::from_shape_vec(shape, values)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(rows.into_pyarray(py))
}

/// The exception that says why there is no forest.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
pub fn to_python(error: Error) -> PyErr {
    match error {
        Error::Stopped => EvaluationCut::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}
