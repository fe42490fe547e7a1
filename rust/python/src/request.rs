//! What the caller of `Colony.run` wants.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::call::Fitness;
use crate::convert::n_cores;
use crate::errors::ParameterError;

/// The arguments of `Colony.run`, checked.
pub struct Request {
    pub fitness: Fitness,
    /// What tells the fitness that an iteration begins, if it wants to know.
    pub next_iteration: Option<Py<PyAny>>,
    pub n_iterations: usize,
    pub n_jobs: usize,
    pub time_budget: Option<Duration>,
    pub callback: Option<Py<PyAny>>,
    pub interrupt_grace: Option<Duration>,
}

impl Request {
    pub fn new(
        fitness: &Bound<'_, PyAny>,
        n_iterations: usize,
        n_jobs: isize,
        time_budget: Option<f64>,
        callback: Option<Py<PyAny>>,
        interrupt_grace: Option<f64>,
    ) -> PyResult<Self> {
        let py = fitness.py();
        let next_iteration = fitness.getattr_opt("next_iteration")?.map(Bound::unbind);
        for (name, value) in [
            ("fitness", Some(fitness.as_unbound())),
            ("fitness.next_iteration", next_iteration.as_ref()),
            ("callback", callback.as_ref()),
        ] {
            if value.is_some_and(|value| !value.bind(py).is_callable()) {
                return Err(PyTypeError::new_err(format!("{name} must be callable")));
            }
        }
        let n_jobs = match n_jobs {
            -1 => n_cores(),
            1.. => n_jobs.unsigned_abs(),
            _ => {
                return Err(ParameterError::new_err(format!(
                    "n_jobs is {n_jobs}: it must be at least 1, or -1 for one thread per core"
                )));
            }
        };
        Ok(Self {
            fitness: Fitness::new(fitness)?,
            next_iteration,
            n_iterations,
            n_jobs,
            time_budget: seconds("time_budget", time_budget)?,
            callback,
            interrupt_grace: seconds("interrupt_grace", interrupt_grace)?,
        })
    }
}

fn seconds(name: &str, value: Option<f64>) -> PyResult<Option<Duration>> {
    let convert = |value| {
        Duration::try_from_secs_f64(value).map_err(|_| {
            ParameterError::new_err(format!(
                "{name} is {value}: it must be a number of seconds, at least 0"
            ))
        })
    };
    value.map(convert).transpose()
}
