//! Calling the fitness, in the caller's thread or in one that may be left behind.

use std::hint::black_box;
use std::mem::{forget, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::Arc;

use fer_fast_colony::{Judgement, Subset};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::{float_vector, subset_array};
use crate::errors::{EvaluationCut, EvaluationLost};

/// An ant, counted from 0, and its iteration.
#[derive(Debug, Clone, Copy)]
pub struct Ant {
    pub iteration: usize,
    pub ant: usize,
}

/// What became of an evaluation.
pub enum Verdict {
    Judged(Judgement),
    /// The fitness has cut it.
    Cut,
    /// The fitness cannot make it, with whatever time.
    Lost,
}

/// A Python callable that judges subsets.
#[derive(Clone)]
pub struct Fitness {
    callable: Arc<Py<PyAny>>,
    /// What context variables were where the run began: a thread knows none of them by itself.
    context: Arc<Py<PyAny>>,
}

impl Fitness {
    pub fn new(callable: &Bound<'_, PyAny>) -> PyResult<Self> {
        let contextvars = callable.py().import("contextvars")?;
        let context = contextvars.call_method0("copy_context")?;
        Ok(Self {
            callable: Arc::new(callable.clone().unbind()),
            context: Arc::new(context.unbind()),
        })
    }

    /// Judges a subset in the calling thread.
    pub fn judge(&self, py: Python<'_>, subset: &Subset, ant: Ant) -> PyResult<Verdict> {
        let arguments = (subset_array(py, subset),).into_pyobject(py)?;
        read(py, call(self.callable.bind(py), &arguments), ant)
    }

    /// Judges a subset in a thread that Python does not know; nothing may end that thread.
    pub fn judge_in_thread(self, subset: &Subset, ant: Ant) -> PyResult<Verdict> {
        let judge = || {
            Python::try_attach(|py| {
                let judgement = self.judge_in_context(py, subset, ant);
                // Dropped here, while attached: later would leave the references for someone else.
                drop(self);
                judgement
            })
        };
        match catch_unwind(AssertUnwindSafe(judge)) {
            Ok(Some(judgement)) => judgement,
            Ok(None) => Err(PyRuntimeError::new_err("the interpreter is shutting down")),
            Err(_) => Err(PyRuntimeError::new_err(format!(
                "the evaluation of {ant} panicked: this is a defect of fer-fast or of a native \
                 module that the fitness calls"
            ))),
        }
    }

    fn judge_in_context(&self, py: Python<'_>, subset: &Subset, ant: Ant) -> PyResult<Verdict> {
        // Two threads cannot be in one context at a time.
        let context = self.context.bind(py).call_method0("copy")?;
        let arguments = (self.callable.bind(py), subset_array(py, subset)).into_pyobject(py)?;
        read(py, call(&context.getattr("run")?, &arguments), ant)
    }
}

impl std::fmt::Display for Ant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "ant {} in iteration {}",
            self.ant, self.iteration
        )
    }
}

/// What a fitness returned, as a judgement: a score, or a score and a credit per feature.
fn read(py: Python<'_>, returned: PyResult<Bound<'_, PyAny>>, ant: Ant) -> PyResult<Verdict> {
    let returned = match returned {
        Ok(returned) => returned,
        Err(error) if error.is_instance_of::<EvaluationLost>(py) => return Ok(Verdict::Lost),
        Err(error) if error.is_instance_of::<EvaluationCut>(py) => return Ok(Verdict::Cut),
        Err(error) => return Err(error),
    };
    let described = || -> PyResult<String> {
        let kind = returned.get_type().name()?;
        Ok(format!(
            "the fitness returned {} ({kind}) for {ant}: it must return a finite number, higher is \
             better, or a pair of such a number and an array of credits, one per feature",
            returned.repr()?
        ))
    };
    let because = |cause| -> PyResult<PyErr> {
        let error = PyTypeError::new_err(described()?);
        error.set_cause(py, Some(cause));
        Ok(error)
    };
    let (score, credit) = match returned.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, Some(pair.get_item(1)?)),
        _ => (returned.clone(), None),
    };
    let score: f64 = score.extract().or_else(|cause| Err(because(cause)?))?;
    if !score.is_finite() {
        return Err(PyValueError::new_err(described()?));
    }
    let credit = match credit {
        Some(values) => {
            Some(float_vector("the credit", &values).or_else(|cause| Err(because(cause)?))?)
        }
        None => None,
    };
    Ok(Verdict::Judged(Judgement { score, credit }))
}

type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type UnwindingCall =
    unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// Keeps its thread asleep, for as long as the process lives, rather than let it unwind further.
struct Sleep;

impl Drop for Sleep {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// Calls `callable` in a thread that need not have ended when the interpreter exits.
///
/// Python puts such a thread to sleep from 3.14 on. Until then it calls `pthread_exit`, which on
/// Linux unwinds the thread's stack, and that aborts the process where it meets a frame of Rust's
/// that must not unwind, as the calls of `pyo3` have. That crate guards the calls that wait for the
/// interpreter in this way, but not those during which Python waits for it.
fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    // Hidden from the compiler, which has been told elsewhere that this function never unwinds.
    let call: Call = black_box(ffi::PyObject_Call);
    // SAFETY: the two types differ only in that the caller is ready for an unwinding.
    let call: UnwindingCall = unsafe { transmute(call) };
    let sleep = Sleep;
    // SAFETY: the thread is attached; both objects are alive; no keywords are a null pointer.
    let returned = unsafe { call(callable.as_ptr(), arguments.as_ptr(), null_mut()) };
    forget(sleep);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), returned) }
}
