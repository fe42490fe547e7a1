//! Bindings of the forest crate.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fer_fast_forest::{Binning, Cells, Error, ForestParams, Rows, TrainingRows};
use numpy::{
    PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods, ToPyArray, ndarray::Array2,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

create_exception!(
    fer_fast._core,
    ForestStopped,
    PyException,
    "A forest passed its deadline before it was done."
);

/// How often a forest under way lets Python handle its signals.
const SIGNAL_PERIOD: Duration = Duration::from_millis(50);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ForestStopped", module.py().get_type::<ForestStopped>())?;
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
        draws=None, class_weights=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn new(
        py: Python<'_>,
        rows: PyReadonlyArray2<'_, f32>,
        labels: PyReadonlyArray1<'_, u8>,
        n_classes: usize,
        scored_rows: Option<PyReadonlyArray2<'_, f32>>,
        n_trees: usize,
        max_depth: Option<u32>,
        min_samples_leaf: usize,
        draws: Option<usize>,
        class_weights: Option<Vec<f64>>,
    ) -> PyResult<Self> {
        let rows = as_rows(&rows)?;
        let labels = labels.as_slice()?.to_vec();
        let scored_rows = scored_rows.as_ref().map(as_rows).transpose()?;
        let threads = n_cores();
        let (rows, scored) = py
            .detach(|| {
                let rows = TrainingRows::new(Binning::learn(rows, threads)?, labels, n_classes)?;
                let scored = scored_rows
                    .map(|scored| rows.binning().apply(scored, threads))
                    .transpose()?;
                Ok((rows, scored))
            })
            .map_err(to_python)?;
        Ok(Self {
            rows,
            scored,
            params: ForestParams {
                n_trees,
                max_depth,
                min_samples_leaf,
                bootstrap: draws,
                class_weights,
                seed: 0,
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
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        // A negative index becomes one that no matrix has.
        let subset: Vec<usize> = subset
            .as_slice()?
            .iter()
            .map(|&column| usize::try_from(column).unwrap_or(usize::MAX))
            .collect();
        let params = ForestParams {
            seed,
            ..self.params.clone()
        };
        let threads = usize::try_from(n_threads).unwrap_or_else(|_| n_cores());
        let probabilities = interruptible(py, |interrupted| {
            let stop = || interrupted.load(Ordering::Relaxed) || self.deadline.has_passed();
            self.rows
                .probabilities(&subset, self.scored.as_ref(), &params, threads, &stop)
        })?
        .map_err(to_python)?;
        let shape = (
            probabilities.len() / self.rows.n_classes(),
            self.rows.n_classes(),
        );
        let probabilities = Array2::from_shape_vec(shape, probabilities)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(probabilities.to_pyarray(py))
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

fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn as_rows<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<Rows<'a>> {
    // `as_slice` would take a column-major matrix too.
    if !array.is_c_contiguous() {
        return Err(PyValueError::new_err("rows must be C-contiguous"));
    }
    Rows::new(array.as_slice()?, array.shape()[1]).map_err(to_python)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
fn to_python(error: Error) -> PyErr {
    match error {
        Error::Stopped => ForestStopped::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// Run `work` on a thread of its own while this one lets Python handle signals; an exception out of
/// a handler raises the flag that `work` is given, and comes back once `work` has returned.
fn interruptible<R: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> R + Send,
) -> PyResult<R> {
    let interrupted = AtomicBool::new(false);
    py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = channel::<()>();
            let interrupted = &interrupted;
            let worker = scope.spawn(move || {
                // Dropped however `work` ends, which wakes the other side.
                let _alive = sender;
                work(interrupted)
            });
            let mut outcome = Ok(());
            while receiver.recv_timeout(SIGNAL_PERIOD) == Err(RecvTimeoutError::Timeout) {
                if outcome.is_ok() {
                    outcome = handle_signals();
                    interrupted.store(outcome.is_err(), Ordering::Relaxed);
                }
            }
            let result = worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.map(|()| result)
        })
    })
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method itself is not general enough in its lifetime"
)]
fn handle_signals() -> PyResult<()> {
    Python::attach(|py| py.check_signals())
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
