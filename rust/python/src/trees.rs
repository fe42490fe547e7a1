//! Bindings of forests that are kept.

use fer_fast_forest::{
    ClassWeights, ForestParams, Plan, Residual, Scored, TrainingRows, TreeParts, Workers, fit,
};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::binned::BinnedRows;
use crate::convert::{as_columns, as_matrix, as_threads, in_rows, to_python};
use crate::signals::with_workers;

/// Leaves that are reached in so short a time that nobody interrupts it: some milliseconds.
const BRIEF: usize = 10_000;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Trees>()?;
    module.add_function(wrap_pyfunction!(fit_trees, module)?)
}

/// Class probabilities of the training rows out of bag, and each column's mean gain in the
/// probability of the true class.
type OutOfBag<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>);

/// Grow a forest on some columns, or on all, and keep it: its trees, which know these columns alone,
/// the importances of the columns and, if asked for, what the trees have to say about rows that they
/// did not draw. A negative number of threads is one a core.
#[pyfunction]
#[pyo3(signature = (
    rows, labels, n_classes, *, columns=None, seed, n_threads, n_trees, max_depth=None, min_samples_split=2,
    min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=None, draws=None,
    row_weights=None, class_weights=None, balance_trees=false, out_of_bag=false
))]
#[expect(
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "they are Python's keywords, which PyO3 hands over by value"
)]
fn fit_trees<'py>(
    py: Python<'py>,
    rows: &BinnedRows,
    labels: PyReadonlyArray1<'py, u8>,
    n_classes: usize,
    columns: Option<PyReadonlyArray1<'py, i64>>,
    seed: u64,
    n_threads: isize,
    n_trees: usize,
    max_depth: Option<u32>,
    min_samples_split: usize,
    min_samples_leaf: usize,
    min_weight_fraction_leaf: f64,
    max_features: Option<usize>,
    draws: Option<usize>,
    row_weights: Option<PyReadonlyArray1<'py, f64>>,
    class_weights: Option<Vec<f64>>,
    balance_trees: bool,
    out_of_bag: bool,
) -> PyResult<(Trees, Bound<'py, PyArray1<f64>>, Option<OutOfBag<'py>>)> {
    let binned = rows.share();
    let columns = columns.as_ref().map(as_columns).transpose()?;
    let columns = columns.unwrap_or_else(|| (0..binned.0.n_columns()).collect());
    let labels = labels.as_slice()?.to_vec();
    let weights = row_weights.as_ref().map(PyReadonlyArray1::as_slice);
    let weights = weights.transpose()?;
    let params = ForestParams {
        n_trees,
        max_depth,
        min_samples_split,
        min_samples_leaf,
        min_weight_fraction_leaf,
        max_features,
        bootstrap: draws,
        class_weights: match class_weights {
            _ if balance_trees => ClassWeights::BalancedByTree,
            Some(weights) => ClassWeights::Given(weights),
            None => ClassWeights::Alike,
        },
    };
    let forest = with_workers(py, as_threads(n_threads), |workers| {
        let mut rows = TrainingRows::new(binned, labels, n_classes)?.sorted(&columns, workers)?;
        if let Some(weights) = weights {
            rows = rows.weighed(weights)?;
        }
        let residual = out_of_bag.then(|| Residual::labels(&rows));
        let plan = Plan {
            rows: &rows,
            subset: &columns,
            scored: if out_of_bag {
                Scored::OutOfBag
            } else {
                Scored::Nothing
            },
            params: &params,
            seed,
        };
        fit(&plan, residual.as_ref(), workers)
    })?
    .map_err(to_python)?;
    let trees = Trees(forest.trees);
    let importances = forest.importances.into_pyarray(py);
    if !out_of_bag {
        return Ok((trees, importances, None));
    }
    let n_judged = forest.evaluation.n_judged.max(1) as f64;
    let gains = forest.evaluation.credit.iter().map(|gain| gain / n_judged);
    let gains = PyArray1::from_iter(py, gains);
    let probabilities = in_rows(py, forest.evaluation.probabilities, n_classes)?;
    Ok((trees, importances, Some((probabilities, gains))))
}

/// The trees of a forest, 12 bytes a node.
#[pyclass(frozen, module = "fer_fast._core")]
struct Trees(fer_fast_forest::Trees);

/// What [`Trees`] are made of, see `Trees.to_parts`.
type Parts<'py> = (
    Bound<'py, PyArray2<u32>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray2<f32>>,
    usize,
);

#[pymethods]
#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands arguments over by value"
)]
impl Trees {
    /// Class probabilities of each row; a negative number of threads is one a core.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f32>,
        n_threads: isize,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let matrix = as_matrix(&rows)?;
        let threads = as_threads(n_threads);
        let n_leaves = matrix.n_rows().saturating_mul(self.0.n_trees());
        let probabilities = if n_leaves <= BRIEF {
            py.detach(|| self.0.probabilities(matrix, Workers::new(threads)))
        } else {
            with_workers(py, threads, |workers| self.0.probabilities(matrix, workers))?
        };
        in_rows(py, probabilities.map_err(to_python)?, self.0.n_classes())
    }

    /// What the trees are made of: nodes, three numbers each; where each tree begins among them,
    /// and their number; the class shares of leaves of several classes; the number of columns.
    ///
    /// The numbers of a node are the bits of its float32 threshold; its column, or 2**31 in a leaf;
    /// how many nodes further on its right child stands, or what the leaf says. The left child is
    /// the next node. 2**30 is added to the column where missing values go left, and to a leaf of
    /// one class, whose last number is that class; that of other leaves is a row of class shares.
    fn to_parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        let parts = self.0.to_parts();
        Ok((
            in_rows(py, parts.nodes, 3)?,
            parts.starts.into_pyarray(py),
            in_rows(py, parts.shares, parts.n_classes)?,
            parts.n_columns,
        ))
    }

    /// Make trees of what `to_parts` gave.
    #[staticmethod]
    fn from_parts(
        nodes: PyReadonlyArray2<'_, u32>,
        starts: PyReadonlyArray1<'_, u64>,
        shares: PyReadonlyArray2<'_, f32>,
        n_columns: usize,
    ) -> PyResult<Self> {
        let parts = TreeParts {
            nodes: nodes.as_array().iter().copied().collect(),
            starts: starts.as_array().to_vec(),
            shares: shares.as_array().iter().copied().collect(),
            n_columns,
            n_classes: shares.shape()[1],
        };
        fer_fast_forest::Trees::from_parts(&parts)
            .map(Self)
            .map_err(to_python)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Parts<'py>)> {
        let from_parts = py.get_type::<Self>().getattr("from_parts")?;
        Ok((from_parts, self.to_parts(py)?))
    }

    /// How many trees there are.
    #[getter]
    fn n_trees(&self) -> usize {
        self.0.n_trees()
    }

    /// How many nodes all trees have.
    #[getter]
    fn n_nodes(&self) -> usize {
        self.0.n_nodes()
    }

    /// Bytes that the trees take.
    #[getter]
    fn n_bytes(&self) -> usize {
        self.0.bytes()
    }
}
