//! A colony that several threads may read while one of them changes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fer_fast_colony::Colony;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

/// The colony's state, and who may change it.
pub struct Shared {
    core: Mutex<Colony>,
    is_running: AtomicBool,
}

/// Keeps the colony's state to one caller until it is dropped.
pub struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Shared {
    pub fn new(core: Colony) -> Self {
        Self {
            core: Mutex::new(core),
            is_running: AtomicBool::new(false),
        }
    }

    /// The state, for a moment: whoever holds it must not run Python, nor wait to do so.
    pub fn core(&self, py: Python<'_>) -> MutexGuard<'_, Colony> {
        // A panic cannot happen halfway through a change that a later call would trip over.
        self.core
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to change the state: a fitness or a callback does not have it.
    pub fn turn(&self) -> PyResult<Turn<'_>> {
        if self.is_running.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err(
                "the colony is running: a fitness, a callback or another thread may read it, \
                 but must not call ask, record, close, tell or run",
            ));
        }
        Ok(Turn(&self.is_running))
    }

    /// Builds the next subsets, if none are open, without holding the interpreter.
    pub fn build(&self, py: Python<'_>) {
        py.detach(|| {
            self.core
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask();
        });
    }
}
