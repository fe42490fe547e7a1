//! Bindings of the forest crate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fer_fast_forest::{
    BinParams, Cells, ClassWeights, Evaluation, ForestParams, Plan, Residual, Scored, TrainingRows,
    Workers, evaluate,
};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::binned::Rows;
use crate::convert::{as_columns, as_groups, as_matrix, as_threads, in_rows, n_cores, to_python};
use crate::signals::{interruptible, with_workers};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Forest>()
}

/// A histogram random forest that is grown, scored and thrown away for any subset of its columns.
#[pyclass(frozen, module = "fer_fast._core")]
struct Forest {
    rows: TrainingRows,
    scored: Option<Cells>,
    params: ForestParams,
    deadline: Deadline,
}

#[pymethods]
#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands arguments over by value"
)]
impl Forest {
    #[new]
    #[pyo3(signature = (
        rows, labels, n_classes, scored_rows=None, *, n_trees, max_depth=None, min_samples_leaf=1,
        draws=None, class_weights=None, twin_groups=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn new(
        py: Python<'_>,
        rows: Rows<'_>,
        labels: PyReadonlyArray1<'_, u8>,
        n_classes: usize,
        scored_rows: Option<PyReadonlyArray2<'_, f32>>,
        n_trees: usize,
        max_depth: Option<u32>,
        min_samples_leaf: usize,
        draws: Option<usize>,
        class_weights: Option<Vec<f64>>,
        twin_groups: Option<PyReadonlyArray1<'_, i64>>,
    ) -> PyResult<Self> {
        let binned = rows.binned(py, -1, &BinParams::default())?;
        let labels = labels.as_slice()?.to_vec();
        let scored_rows = scored_rows.as_ref().map(as_matrix).transpose()?;
        let twins = twin_groups.as_ref().map(as_groups).transpose()?;
        let (rows, scored) = with_workers(py, n_cores(), |workers| {
            let mut rows = TrainingRows::new(binned, labels, n_classes)?;
            if let Some(groups) = twins {
                rows = rows.with_twins(groups)?;
            }
            let apply = |scored| rows.binning().apply(scored, workers);
            let scored = scored_rows.map(apply).transpose()?;
            Ok((rows, scored))
        })?
        .map_err(to_python)?;
        Ok(Self {
            rows,
            scored,
            params: ForestParams {
                n_trees,
                max_depth,
                min_samples_leaf,
                bootstrap: draws,
                class_weights: class_weights.map_or(ClassWeights::Alike, ClassWeights::Given),
                ..ForestParams::default()
            },
            deadline: Deadline::none(),
        })
    }

    /// Class probabilities of the scored rows (without them: of the training rows, out of bag);
    /// a negative number of threads is one a core.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        subset: PyReadonlyArray1<'py, i64>,
        seed: u64,
        n_threads: isize,
    ) -> PyResult<Shares<'py>> {
        let subset = as_columns(&subset)?;
        let evaluation = self.grow(py, &subset, seed, n_threads, None)?;
        in_rows(py, evaluation.probabilities, self.rows.n_classes())
    }

    /// The same probabilities, and what each column of the subset earned against a residual of
    /// shape (scored rows, classes): the sum over its cuts, over the rows that are judged there,
    /// of residual times the change in class shares. Without a residual, over the training rows out
    /// of bag: the gain in the probability of the true class.
    #[pyo3(signature = (subset, seed, n_threads, residual=None))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        subset: PyReadonlyArray1<'py, i64>,
        seed: u64,
        n_threads: isize,
        residual: Option<PyReadonlyArray2<'py, f64>>,
    ) -> PyResult<(Shares<'py>, Bound<'py, PyArray1<f64>>)> {
        let subset = as_columns(&subset)?;
        let residual = match residual {
            Some(residual) => as_residual(&residual)?,
            None if self.scored.is_some() => {
                let message = "rows that are scored have no labels here: give a residual";
                return Err(PyValueError::new_err(message));
            }
            None => Residual::labels(&self.rows),
        };
        let evaluation = self.grow(py, &subset, seed, n_threads, Some(&residual))?;
        let credit = evaluation.credit.into_pyarray(py);
        Ok((
            in_rows(py, evaluation.probabilities, self.rows.n_classes())?,
            credit,
        ))
    }

    /// Stop forests, those under way included, `seconds` from now; None: never.
    #[pyo3(signature = (seconds))]
    fn stop_in(&self, seconds: Option<f64>) {
        self.deadline.set(seconds);
    }

    /// Bytes that the binned rows take.
    #[getter]
    fn n_bytes(&self) -> usize {
        self.rows.bytes() + self.scored.as_ref().map_or(0, Cells::bytes)
    }
}

/// A row of class probabilities for each scored row.
type Shares<'py> = Bound<'py, PyArray2<f64>>;

impl Forest {
    fn grow(
        &self,
        py: Python<'_>,
        subset: &[usize],
        seed: u64,
        n_threads: isize,
        residual: Option<&Residual>,
    ) -> PyResult<Evaluation> {
        let threads = as_threads(n_threads);
        interruptible(py, |interrupted| {
            let stop = || interrupted.load(Ordering::Relaxed) || self.deadline.has_passed();
            let plan = Plan {
                rows: &self.rows,
                subset,
                scored: self.scored.as_ref().map_or(Scored::OutOfBag, Scored::Rows),
                params: &self.params,
                seed,
            };
            let workers = Workers {
                threads,
                stop: &stop,
            };
            evaluate(&plan, residual, workers)
        })?
        .map_err(to_python)
    }
}

/// Copy a residual.
fn as_residual(residual: &PyReadonlyArray2<'_, f64>) -> PyResult<Residual> {
    if !residual.is_c_contiguous() {
        return Err(PyValueError::new_err("a residual must be C-contiguous"));
    }
    Residual::new(residual.as_slice()?, residual.shape()[1]).map_err(to_python)
}

/// A moment that another thread may move.
struct Deadline {
    epoch: Instant,
    /// Nanoseconds after the epoch.
    after: AtomicU64,
}

impl Deadline {
    fn none() -> Self {
        Self {
            epoch: Instant::now(),
            after: AtomicU64::new(u64::MAX),
        }
    }

    fn set(&self, seconds: Option<f64>) {
        let after = seconds.map_or(u64::MAX, |seconds| {
            let at = self.epoch.elapsed().as_secs_f64() + seconds;
            // A cast clamps: the past is the epoch, the far future never.
            (at * 1e9) as u64
        });
        self.after.store(after, Ordering::Relaxed);
    }

    fn has_passed(&self) -> bool {
        let after = self.after.load(Ordering::Relaxed);
        after != u64::MAX && self.epoch.elapsed().as_nanos() >= u128::from(after)
    }
}
