//! Bindings of the colony crate.

#![allow(
    clippy::doc_markdown,
    reason = "Python reads these comments, as numpydoc"
)]

use std::iter::zip;

use fer_fast_colony::{Colony, Deposit, Parameters};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use crate::convert::{float_vector, judgement, natural, subset_array, subset_arrays, summary_dict};
use crate::errors::{ParameterError, from_colony};
use crate::parameters::{deposit_named, parameter_dict, range_dict, sizes_named};
use crate::request::Request;
use crate::run::{Evaluation, run};
use crate::shared::Shared;

/// The defaults of Python's keywords are those of the crate.
const DEFAULTS: Parameters = Parameters::for_deposit(Deposit::Best);

#[doc = include_str!("colony.txt")]
#[pyclass(frozen, name = "Colony", module = "fer_fast._core")]
pub struct PyColony(Shared);

#[pymethods]
impl PyColony {
    #[new]
    #[pyo3(
        signature = (
            desirability, *, n_ants=DEFAULTS.n_ants as i128, alpha=DEFAULTS.alpha,
            beta=DEFAULTS.beta, q0=DEFAULTS.q0, rho=DEFAULTS.rho, xi=None, tau_min=None,
            phi=DEFAULTS.phi, deposit=DEFAULTS.deposit.name(), sizes=DEFAULTS.sizes.name(),
            min_features=DEFAULTS.min_features as i128, max_features=None, tau0=None,
            seed=i128::from(DEFAULTS.seed)
        ),
        text_signature = "(desirability, *, n_ants=20, alpha=1.1, beta=1.5, q0=0.9, rho=0.2, \
            xi=None, tau_min=None, phi=0.99, deposit='best', sizes='learned', min_features=1, \
            max_features=None, tau0=None, seed=0)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python constructor"
    )]
    fn new(
        desirability: &Bound<'_, PyAny>,
        n_ants: i128,
        alpha: f64,
        beta: f64,
        q0: f64,
        rho: f64,
        xi: Option<f64>,
        tau_min: Option<f64>,
        phi: f64,
        deposit: &str,
        sizes: &str,
        min_features: i128,
        max_features: Option<i128>,
        tau0: Option<&Bound<'_, PyAny>>,
        seed: i128,
    ) -> PyResult<Self> {
        let deposit = deposit_named(deposit)?;
        let defaults = Parameters::for_deposit(deposit);
        let parameters = Parameters {
            n_ants: natural("n_ants", n_ants)?,
            alpha,
            beta,
            q0,
            rho,
            xi: xi.unwrap_or(defaults.xi),
            tau_min: tau_min.unwrap_or(defaults.tau_min),
            phi,
            deposit,
            sizes: sizes_named(sizes)?,
            min_features: natural("min_features", min_features)?,
            max_features: max_features
                .map(|size| natural("max_features", size))
                .transpose()?,
            seed: natural("seed", seed)?,
        };
        let desirability = float_vector("desirability", desirability)?;
        let mut core = Colony::new(&desirability, parameters).map_err(from_colony)?;
        if let Some(tau0) = tau0 {
            let tau0 = float_vector("tau0", tau0)?;
            core = core.with_trail(&tau0).map_err(from_colony)?;
        }
        Ok(Self(Shared::new(core)))
    }

    /// Return the parameters that a colony has by default.
    ///
    /// Parameters
    /// ----------
    /// deposit : {"best", "credit"}
    ///
    /// Returns
    /// -------
    /// parameters : dict of str to float, int, str or None
    ///     By the names of the constructor's keywords, without `tau0`.
    #[staticmethod]
    #[pyo3(
        signature = (deposit=DEFAULTS.deposit.name()),
        text_signature = "(deposit='best')"
    )]
    fn default_parameters<'py>(py: Python<'py>, deposit: &str) -> PyResult<Bound<'py, PyDict>> {
        parameter_dict(py, &Parameters::for_deposit(deposit_named(deposit)?))
    }

    /// Return the least and the greatest value that each number among the parameters may have.
    ///
    /// Returns
    /// -------
    /// ranges : dict of str to tuple of (int, int) or (float, float)
    ///     `min_features` and `max_features` are bounded by the number of features as well.
    #[staticmethod]
    fn parameter_ranges(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        range_dict(py)
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
        let _turn = self.0.turn()?;
        self.0.build(py);
        let subsets = self.0.core(py).ask().to_vec();
        Ok(subset_arrays(py, &subsets))
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
        self.0.core(py).unscored().map_err(from_colony)
    }

    /// Score the subset of one ant of the open iteration, and every equal one.
    ///
    /// A score is a pure function of the subset: one that has a score keeps it. The order in which
    /// ants are recorded makes no difference.
    ///
    /// Parameters
    /// ----------
    /// ant : int
    ///     Counted from 0.
    /// score : float
    ///     Higher is better.
    /// credit : array-like of shape (size,), or None
    ///     What each feature of the subset earned, in the subset's order; only a colony that
    ///     deposits credit heeds it, and such a colony wants it.
    ///
    /// Raises
    /// ------
    /// ParameterError
    ///     If there is no such ant, the score or a credit is NaN or infinite, or the credit is
    ///     missing or of another size than the subset; the colony is then as it was.
    /// RuntimeError
    ///     If no iteration is open, or the colony is running.
    #[pyo3(signature = (ant, score, credit=None))]
    fn record(
        &self,
        py: Python<'_>,
        ant: i128,
        score: f64,
        credit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let judgement = judgement(score, credit)?;
        let ant: usize = natural("ant", ant)?;
        let _turn = self.0.turn()?;
        self.0.core(py).record(ant, judgement).map_err(from_colony)
    }

    /// Close the open iteration by the global pheromone update, whether or not all ants have a
    /// score.
    ///
    /// Raises
    /// ------
    /// RuntimeError
    ///     If no iteration is open, or the colony is running.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let _turn = self.0.turn()?;
        self.0.core(py).close().map_err(from_colony)
    }

    /// Score the subsets of the open iteration and close it: `record` for each ant, then `close`.
    ///
    /// Parameters
    /// ----------
    /// scores : sequence of float or None, of length n_ants
    ///     Higher is better. None stands for an ant that was not evaluated; it takes the score of
    ///     an equal subset if there is one, and has no part in the update otherwise.
    /// credit : sequence of array-like or None, of length n_ants; or None
    ///     The credit that belongs to each score, as `record` takes it.
    ///
    /// Raises
    /// ------
    /// ParameterError
    ///     If `record` would refuse a score or a credit, or there is not one per ant; the colony is
    ///     then as it was.
    /// RuntimeError
    ///     If no iteration is open, or the colony is running.
    #[pyo3(signature = (scores, credit=None))]
    fn tell(
        &self,
        py: Python<'_>,
        scores: Vec<Option<f64>>,
        credit: Option<Vec<Option<Bound<'_, PyAny>>>>,
    ) -> PyResult<()> {
        let credit = credit.unwrap_or_else(|| vec![None; scores.len()]);
        let (n_scores, n_credits) = (scores.len(), credit.len());
        if n_credits != n_scores {
            return Err(ParameterError::new_err(format!(
                "{n_credits} credits for {n_scores} scores: give one, or None, per ant"
            )));
        }
        let judgements = zip(scores, &credit)
            .map(|(score, credit)| {
                score
                    .map(|score| judgement(score, credit.as_ref()))
                    .transpose()
            })
            .collect::<PyResult<Vec<_>>>()?;
        let _turn = self.0.turn()?;
        self.0.core(py).tell(&judgements).map_err(from_colony)
    }

    #[doc = include_str!("run.txt")]
    #[pyo3(signature = (
        fitness, *, n_iterations=3, n_jobs=1, executor=None, time_budget=None, callback=None,
        interrupt_grace=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python method"
    )]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        fitness: &Bound<'py, PyAny>,
        n_iterations: i128,
        n_jobs: isize,
        executor: Option<&Bound<'py, PyAny>>,
        time_budget: Option<f64>,
        callback: Option<Py<PyAny>>,
        interrupt_grace: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Some(executor) = executor {
            // Who holds what, and who died, is Python's to know: this loop is asked again, with a
            // fitness that waits for the workers.
            let options = PyDict::new(py);
            options.set_item("n_iterations", n_iterations)?;
            options.set_item("time_budget", time_budget)?;
            options.set_item("callback", callback)?;
            options.set_item("interrupt_grace", interrupt_grace)?;
            let run_on_executor = py
                .import("fer_fast.selection.executors")?
                .getattr("run_on_executor")?;
            return run_on_executor.call((slf, fitness, executor, n_jobs), Some(&options));
        }
        let request = Request::new(
            fitness,
            natural("n_iterations", n_iterations)?,
            n_jobs,
            time_budget,
            callback,
            interrupt_grace,
        )?;
        let colony = &slf.get().0;
        let _turn = colony.turn()?;
        let stop = run(py, colony, &request)?;
        Ok(PyString::new(py, stop.name()).into_any())
    }

    /// The subset to take, ascending int64 feature indices; None until one is scored.
    ///
    /// It is `best_subset`, once there is one. With ``deposit="credit"`` and subsets of one size it
    /// is until then, while sizes are annealed, what an ant takes that never draws: the features of
    /// the largest weight. Of many features either does as well on new rows; of few, those of the
    /// largest weight need not go together, and only a score tells.
    #[getter]
    fn answer<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        let answer = self.0.core(py).answer();
        answer.map(|subset| subset_array(py, &subset))
    }

    /// The subsets whose credit was deposited last, one per ant, in the order of the ants.
    ///
    /// They are those of the last closed iteration in which any credit was given.
    #[getter]
    fn credited<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<i64>>> {
        let subsets = self.0.core(py).credited().to_vec();
        subset_arrays(py, &subsets)
    }

    /// The fittest subset so far of an allowed size, ascending int64 feature indices; None until
    /// one is scored.
    #[getter]
    fn best_subset<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        let subset = self.0.core(py).best().map(|best| best.subset.clone());
        subset.map(|subset| subset_array(py, &subset))
    }

    /// The best subset's score; None until one is scored.
    #[getter]
    fn best_score(&self, py: Python<'_>) -> Option<f64> {
        self.0.core(py).best().map(|best| best.score)
    }

    /// The best subset's fitness; None until one is scored.
    #[getter]
    fn best_fitness(&self, py: Python<'_>) -> Option<f64> {
        self.0.core(py).best().map(|best| best.fitness)
    }

    /// The pheromone of every feature, float64 of shape (n_features,).
    #[getter]
    fn pheromone<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let values = self.0.core(py).pheromone().to_vec();
        PyArray1::from_vec(py, values)
    }

    /// The sizes that a subset may have, and the pheromone of each.
    #[getter]
    fn size_pheromone<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (sizes, trail) = {
            let core = self.0.core(py);
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
    /// subset up to then; `mean_score` of the ants that have one; `mean_size` of all; `n_ants`,
    /// `evaluations` and `cache_hits` of this iteration; `credited`, how many of its ants have a
    /// credit to deposit; `complete`, whether every ant has a score.
    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let rows = self.0.core(py).history();
        rows.iter().map(|row| summary_dict(py, row)).collect()
    }

    /// The number of features.
    #[getter]
    fn n_features(&self, py: Python<'_>) -> usize {
        self.0.core(py).n_features()
    }

    /// The number of ants, of an iteration whose sizes are not annealed.
    #[getter]
    fn n_ants(&self, py: Python<'_>) -> usize {
        self.0.core(py).parameters().n_ants
    }

    /// Return the number of ants of an iteration, counted from 0.
    fn ants_of(&self, py: Python<'_>, iteration: usize) -> usize {
        self.0.core(py).ants_of(iteration)
    }

    /// All parameters but `desirability` and `tau0`, by the constructor's keywords.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parameters = self.0.core(py).parameters().clone();
        parameter_dict(py, &parameters)
    }

    /// The number of closed iterations.
    #[getter]
    fn iteration(&self, py: Python<'_>) -> usize {
        self.0.core(py).iteration()
    }

    /// The number of different subsets that have a score.
    #[getter]
    fn evaluations(&self, py: Python<'_>) -> usize {
        self.0.core(py).evaluations()
    }

    /// Return the whole colony as JSON: trails, known scores, history and the open iteration.
    ///
    /// Returns
    /// -------
    /// text : str
    ///     What `from_json` restores.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        // A copy, so that nobody waits for the formatting.
        let core = self.0.core(py).clone();
        py.detach(|| core.to_json()).map_err(from_colony)
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
        let core = py.detach(|| Colony::from_json(text)).map_err(from_colony)?;
        Ok(Self(Shared::new(core)))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let restore = slf.get_type().getattr("from_json")?;
        Ok((restore, (slf.get().to_json(slf.py())?,)))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let core = self.0.core(py);
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

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyColony>()?;
    module.add_class::<Evaluation>()
}
