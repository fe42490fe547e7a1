//! Bindings of the colony crate.

#![allow(
    clippy::doc_markdown,
    reason = "Python reads these comments, as numpydoc"
)]

mod call;
mod run;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fer_fast_colony::{Colony as Core, ColonyError, IterationSummary, Parameters, Subset};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyType};

use crate::errors::ParameterError;
use run::{Request, Stop};

/// Ant colony that chooses features.
///
/// A node-based Ant Colony System [1]_ with the pheromone bounds of the MAX-MIN Ant System [2]_.
/// Each ant builds one subset of the features, the caller scores it, and the best subset so far is
/// reinforced. Use `run` with a fitness, or `ask` and `tell`: both give the same result, whatever
/// the number of threads.
///
/// Parameters
/// ----------
/// desirability : ndarray of shape (n_features,), float64
///     How useful each feature looks by itself: finite, at least 0, not all 0. Only ratios matter.
/// n_ants : int
///     Subsets built per iteration.
/// alpha, beta : float
///     Exponents, at least 0, of pheromone and desirability in a feature's weight,
///     ``w = tau**alpha * eta**beta``.
/// q0 : float
///     Probability of taking the feature of the largest weight left, ties by the lowest index,
///     rather than one drawn in proportion to the weights.
/// rho : float
///     Share of the pheromone that evaporates per iteration.
/// xi : float
///     Share of the way towards `tau_min` that the pheromone of a feature goes when an ant takes
///     it.
/// tau_min : float
///     Lower bound of the pheromone, above 0; the upper bound, where all starts, is 1.
/// phi : float
///     Weight of the score in the fitness, ``phi * score + (1 - phi) * (1 - size / n_features)``.
/// min_features, max_features : int
///     Sizes of the smallest and the largest subset; a `max_features` of None stands for all. An
///     ant draws its size from a ladder between them that doubles at each rung, by a trail of its
///     own.
/// seed : int
///     From 0 to 2**64 - 1. An ant's random numbers are those of
///     ``numpy.random.PCG64(numpy.random.SeedSequence(seed, spawn_key=(iteration, ant)))``.
///
/// Raises
/// ------
/// ParameterError
///     If a parameter or a desirability is outside its range.
///
/// References
/// ----------
/// .. [1] M. Dorigo and L. M. Gambardella, "Ant Colony System: A Cooperative Learning Approach to
///    the Traveling Salesman Problem", IEEE Transactions on Evolutionary Computation 1(1), 1997.
/// .. [2] T. Stützle and H. H. Hoos, "MAX-MIN Ant System", Future Generation Computer Systems
///    16(8), 2000.
#[pyclass(frozen, module = "fer_fast._core")]
pub struct Colony {
    core: Mutex<Core>,
    is_running: AtomicBool,
}

/// Keeps the colony's state to one caller until it is dropped.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Colony {
    /// The state, for a moment: whoever holds it must not run Python, nor wait to do so.
    fn core(&self, py: Python<'_>) -> MutexGuard<'_, Core> {
        // A panic cannot happen halfway through a change that a later call would trip over.
        self.core
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to change the state: a fitness or a callback does not have it.
    fn turn(&self) -> PyResult<Turn<'_>> {
        if self.is_running.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err(
                "the colony is running: a fitness, a callback or another thread may read it, \
                 but must not call ask, tell or run",
            ));
        }
        Ok(Turn(&self.is_running))
    }

    /// Builds the next subsets, if none are open, without holding the interpreter.
    fn build(&self, py: Python<'_>) {
        py.detach(|| {
            self.core
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask();
        });
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn to_python(error: ColonyError) -> PyErr {
    match error {
        ColonyError::NothingAsked => PyRuntimeError::new_err(error.to_string()),
        _ => ParameterError::new_err(error.to_string()),
    }
}

fn subset_array<'py>(py: Python<'py>, subset: &Subset) -> Bound<'py, PyArray1<i64>> {
    let features: Vec<i64> = subset.features().map(i64::from).collect();
    PyArray1::from_vec(py, features)
}

fn summary_dict<'py>(py: Python<'py>, row: &IterationSummary) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("iteration", row.iteration)?;
    dict.set_item("best_score", row.best_score)?;
    dict.set_item("best_fitness", row.best_fitness)?;
    dict.set_item("mean_score", row.mean_score)?;
    dict.set_item("best_size", row.best_size)?;
    dict.set_item("mean_size", row.mean_size)?;
    dict.set_item("evaluations", row.evaluations)?;
    dict.set_item("cache_hits", row.cache_hits)?;
    dict.set_item("complete", row.complete)?;
    Ok(dict)
}

#[pymethods]
impl Colony {
    #[new]
    #[pyo3(signature = (
        desirability, *, n_ants=20, alpha=1.1, beta=1.5, q0=0.9, rho=0.2, xi=0.2, tau_min=0.05,
        phi=0.99, min_features=1, max_features=None, seed=0
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python constructor"
    )]
    fn new(
        py: Python<'_>,
        desirability: &Bound<'_, PyAny>,
        n_ants: i128,
        alpha: f64,
        beta: f64,
        q0: f64,
        rho: f64,
        xi: f64,
        tau_min: f64,
        phi: f64,
        min_features: i128,
        max_features: Option<i128>,
        seed: i128,
    ) -> PyResult<Self> {
        let parameters = Parameters {
            n_ants: natural("n_ants", n_ants)?,
            alpha,
            beta,
            q0,
            rho,
            xi,
            tau_min,
            phi,
            min_features: natural("min_features", min_features)?,
            max_features: max_features
                .map(|size| natural("max_features", size))
                .transpose()?,
            seed: natural("seed", seed)?,
        };
        let desirability = float_vector(py, desirability)?;
        let core = Core::new(&desirability, parameters).map_err(to_python)?;
        Ok(Self {
            core: Mutex::new(core),
            is_running: AtomicBool::new(false),
        })
    }

    /// Return the subsets of the open iteration, one per ant; open one if none is.
    ///
    /// Asking again before `tell` returns the same subsets.
    ///
    /// Returns
    /// -------
    /// subsets : list of ndarray of shape (size,), int64
    ///     Feature indices, ascending.
    ///
    /// Raises
    /// ------
    /// RuntimeError
    ///     If the colony is running.
    fn ask<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArray1<i64>>>> {
        let _turn = self.turn()?;
        self.build(py);
        let subsets = self.core(py).ask().to_vec();
        Ok(subsets
            .iter()
            .map(|subset| subset_array(py, subset))
            .collect())
    }

    /// Return the ants of the open iteration whose subsets have no known score.
    ///
    /// Of several ants with equal subsets only the first is listed. `tell` wants a score for these
    /// ants alone: for the others it takes None, or ignores what it is given.
    ///
    /// Returns
    /// -------
    /// ants : list of int
    ///
    /// Raises
    /// ------
    /// RuntimeError
    ///     If no iteration is open.
    fn unscored(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        self.core(py).unscored().map_err(to_python)
    }

    /// Score the subsets of the open iteration and close it by the global pheromone update.
    ///
    /// Parameters
    /// ----------
    /// scores : sequence of float or None, of length n_ants
    ///     Higher is better. None stands for an ant that was not evaluated; it takes the score of
    ///     an equal subset if there is one, and has no part in the update otherwise.
    ///
    /// Raises
    /// ------
    /// ParameterError
    ///     If a score is NaN or infinite, or there is not one per ant; the colony is then as it
    ///     was.
    /// RuntimeError
    ///     If no iteration is open, or the colony is running.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "extracted from a Python sequence"
    )]
    fn tell(&self, py: Python<'_>, scores: Vec<Option<f64>>) -> PyResult<()> {
        let _turn = self.turn()?;
        self.core(py).tell(&scores).map_err(to_python)
    }

    /// Run iterations: build the subsets, score each with `fitness`, update the pheromone.
    ///
    /// A subset that has a score is never scored again. Of an iteration's subsets the largest are
    /// scored first, equally large ones in the order of their ants. Whenever a run ends before its
    /// last iteration is complete, what was scored is kept, and the next run scores the rest: the
    /// two together give what one uninterrupted run gives. Ctrl-C ends a run in that way too, once
    /// the evaluations under way have ended. A second one, or one while a run is ending by an
    /// exception, raises KeyboardInterrupt and leaves them behind: they go on, unheeded, until
    /// they end or the process does. What the handler of another signal raises is treated alike,
    /// but the first one is raised too.
    ///
    /// Parameters
    /// ----------
    /// fitness : callable
    ///     Takes a subset, an ascending int64 array of feature indices, and returns a finite
    ///     number, higher is better. It must be a pure function, and safe to call from `n_jobs`
    ///     threads at once. By raising `EvaluationCut` it leaves the ant without a score; if the
    ///     run ends in that iteration, the next run scores it.
    /// n_iterations : int
    ///     Iterations to close, an open one included.
    /// n_jobs : int
    ///     Threads that call `fitness`; -1 stands for one per core. The result does not depend on
    ///     it, unless the run ends early.
    /// time_budget : float or None
    ///     Seconds after which no further evaluation starts. The first one always does, so that a
    ///     run has a result.
    /// callback : callable or None
    ///     Called with an `Evaluation` in the thread that called `run`, after every evaluation, in
    ///     the order in which they end. A true return value ends the run. It may read the colony.
    /// interrupt_grace : float or None
    ///     Seconds for which the first Ctrl-C, or exception of another signal's handler, waits for
    ///     evaluations under way; None: until they end.
    ///
    /// Returns
    /// -------
    /// reason : {"iterations", "converged", "time_budget", "callback", "interrupted"}
    ///     Why the run ended; "converged": no subset of an iteration was new.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     If `fitness` returns something that is not a number.
    /// ValueError
    ///     If `fitness` returns NaN or an infinity.
    /// RuntimeError
    ///     If the colony is running already.
    /// Exception
    ///     Whatever `fitness` or `callback` raises, as soon as the evaluations under way end.
    #[pyo3(signature = (
        fitness, *, n_iterations=3, n_jobs=1, time_budget=None, callback=None, interrupt_grace=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python method"
    )]
    fn run(
        &self,
        py: Python<'_>,
        fitness: Py<PyAny>,
        n_iterations: i128,
        n_jobs: isize,
        time_budget: Option<f64>,
        callback: Option<Py<PyAny>>,
        interrupt_grace: Option<f64>,
    ) -> PyResult<&'static str> {
        let request = Request::new(
            py,
            fitness,
            natural("n_iterations", n_iterations)?,
            n_jobs,
            time_budget,
            callback,
            interrupt_grace,
        )?;
        let _turn = self.turn()?;
        run::run(py, self, &request).map(Stop::name)
    }

    /// The best subset so far, ascending int64 feature indices; None until one is scored.
    #[getter]
    fn best_subset<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        let subset = self.core(py).best().map(|best| best.subset.clone());
        subset.map(|subset| subset_array(py, &subset))
    }

    /// The best subset's score; None until one is scored.
    #[getter]
    fn best_score(&self, py: Python<'_>) -> Option<f64> {
        self.core(py).best().map(|best| best.score)
    }

    /// The best subset's fitness; None until one is scored.
    #[getter]
    fn best_fitness(&self, py: Python<'_>) -> Option<f64> {
        self.core(py).best().map(|best| best.fitness)
    }

    /// The pheromone of every feature, float64 of shape (n_features,).
    #[getter]
    fn pheromone<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let values = self.core(py).pheromone().to_vec();
        PyArray1::from_vec(py, values)
    }

    /// The sizes that a subset may have, and the pheromone of each.
    #[getter]
    fn size_pheromone<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (sizes, trail) = {
            let core = self.core(py);
            (core.sizes(), core.size_pheromone().to_vec())
        };
        let dict = PyDict::new(py);
        for (size, tau) in sizes.into_iter().zip(trail) {
            dict.set_item(size, tau)?;
        }
        Ok(dict)
    }

    /// One dictionary per iteration, the open one included once one of its ants has a score.
    ///
    /// Keys: `iteration`, counted from 0; `best_score`, `best_fitness` and `best_size` of the best
    /// subset up to then; `mean_score` of the ants that have one; `mean_size` of all; `evaluations`
    /// and `cache_hits` of this iteration; `complete`, whether every ant has a score.
    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let rows = self.core(py).history();
        rows.iter().map(|row| summary_dict(py, row)).collect()
    }

    /// The number of features.
    #[getter]
    fn n_features(&self, py: Python<'_>) -> usize {
        self.core(py).n_features()
    }

    /// The number of ants.
    #[getter]
    fn n_ants(&self, py: Python<'_>) -> usize {
        self.core(py).parameters().n_ants
    }

    /// The number of closed iterations.
    #[getter]
    fn iteration(&self, py: Python<'_>) -> usize {
        self.core(py).iteration()
    }

    /// The number of different subsets that have a score.
    #[getter]
    fn evaluations(&self, py: Python<'_>) -> usize {
        self.core(py).evaluations()
    }

    /// Return the whole colony as JSON: trails, known scores, history and the open iteration.
    ///
    /// Returns
    /// -------
    /// text : str
    ///     What `from_json` restores.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        // A copy, so that nobody waits for the formatting.
        let core = self.core(py).clone();
        py.detach(|| core.to_json()).map_err(to_python)
    }

    /// Restore a colony from what `to_json` returned; it goes on exactly as that one would have.
    ///
    /// Parameters
    /// ----------
    /// text : str
    ///
    /// Raises
    /// ------
    /// ParameterError
    ///     If `text` is no such colony, or one of another version.
    #[classmethod]
    fn from_json(_class: &Bound<'_, PyType>, py: Python<'_>, text: &str) -> PyResult<Self> {
        let core = py.detach(|| Core::from_json(text)).map_err(to_python)?;
        Ok(Self {
            core: Mutex::new(core),
            is_running: AtomicBool::new(false),
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let restore = slf.get_type().getattr("from_json")?;
        Ok((restore, (slf.get().to_json(slf.py())?,)))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let core = self.core(py);
        format!(
            "Colony(n_features={}, n_ants={}, iteration={}, best_score={})",
            core.n_features(),
            core.parameters().n_ants,
            core.iteration(),
            core.best()
                .map_or("None".into(), |best| best.score.to_string()),
        )
    }
}

/// A number that is not negative and fits its type; the core checks its range.
fn natural<T: TryFrom<i128>>(name: &str, value: i128) -> PyResult<T> {
    T::try_from(value).map_err(|_| {
        ParameterError::new_err(format!(
            "{name} is {value}: it must lie between 0 and 2**64 - 1"
        ))
    })
}

/// Any one-dimensional array-like of numbers, as numpy would convert it.
fn float_vector(py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let float64 = numpy::dtype::<f64>(py);
    // A copy: a field of a packed record array is not aligned, which `as_array` does not see.
    let array = py
        .import("numpy")?
        .call_method1("array", (values, float64))?;
    let array: PyReadonlyArray1<'_, f64> = array.extract().map_err(|_| {
        PyTypeError::new_err("desirability must be a one-dimensional array of numbers")
    })?;
    Ok(array.as_array().to_vec())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Colony>()?;
    module.add_class::<run::Evaluation>()
}
