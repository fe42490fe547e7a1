//! What Python hands over, as the crates want it, and what they hand back.

use std::num::NonZero;

use fer_fast_colony::{IterationSummary, Judgement, Subset};
use fer_fast_forest::{Error, Matrix};
use numpy::ndarray::Array2;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{EvaluationCut, ParameterError};

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

/// Take over a number that is not negative and fits its type; the crates check its range.
pub fn natural<T: TryFrom<i128>>(name: &str, value: i128) -> PyResult<T> {
    T::try_from(value).map_err(|_| {
        ParameterError::new_err(format!(
            "{name} is {value}: it must lie between 0 and 2**64 - 1"
        ))
    })
}

/// Copy any one-dimensional array-like of numbers, as `NumPy` would convert it.
pub fn float_vector(name: &str, values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let py = values.py();
    let float64 = numpy::dtype::<f64>(py);
    // A copy: a field of a packed record array is not aligned, which `as_array` does not see.
    let array = py
        .import("numpy")?
        .call_method1("array", (values, float64))?;
    let array: PyReadonlyArray1<'_, f64> = array.extract().map_err(|_| {
        PyTypeError::new_err(format!("{name} must be a one-dimensional array of numbers"))
    })?;
    Ok(array.as_array().to_vec())
}

/// A subset as Python sees it: ascending feature indices.
pub fn subset_array<'py>(py: Python<'py>, subset: &Subset) -> Bound<'py, PyArray1<i64>> {
    let features: Vec<i64> = subset.features().map(i64::from).collect();
    PyArray1::from_vec(py, features)
}

/// Several subsets as Python sees them.
pub fn subset_arrays<'py>(py: Python<'py>, subsets: &[Subset]) -> Vec<Bound<'py, PyArray1<i64>>> {
    let arrays = subsets.iter().map(|subset| subset_array(py, subset));
    arrays.collect()
}

/// An iteration's summary as Python sees it.
pub fn summary_dict<'py>(py: Python<'py>, row: &IterationSummary) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("iteration", row.iteration)?;
    dict.set_item("best_score", row.best_score)?;
    dict.set_item("best_fitness", row.best_fitness)?;
    dict.set_item("mean_score", row.mean_score)?;
    dict.set_item("best_size", row.best_size)?;
    dict.set_item("mean_size", row.mean_size)?;
    dict.set_item("n_ants", row.n_ants)?;
    dict.set_item("evaluations", row.evaluations)?;
    dict.set_item("cache_hits", row.cache_hits)?;
    dict.set_item("credited", row.credited)?;
    dict.set_item("complete", row.complete)?;
    Ok(dict)
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

/// Take over what a judge says of a subset.
pub fn judgement(score: f64, credit: Option<&Bound<'_, PyAny>>) -> PyResult<Judgement> {
    let credit = credit.map(|credit| float_vector("a credit", credit));
    Ok(Judgement {
        score,
        credit: credit.transpose()?,
    })
}
