//! Calling Python from a thread that may be left behind.

use std::hint::black_box;
use std::mem::{forget, transmute};
use std::ptr::null_mut;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

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
/// that must not unwind, as those of all of PyO3's calls. PyO3 guards the calls that wait for the
/// interpreter in this way, but not those during which Python waits for it.
pub fn call<'py>(
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
