//! Work without Python that Python's signal handlers can still reach.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use fer_fast_forest::Workers;
use pyo3::prelude::*;

/// How often work under way lets Python handle its signals.
const PERIOD: Duration = Duration::from_millis(50);

/// Run `work` on a thread of its own while this one lets Python handle signals; an exception out of
/// a handler raises the flag that `work` is given, and comes back once `work` has returned.
pub fn interruptible<R: Send>(
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
            while receiver.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
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

/// Run `work` as [`interruptible`] does, with so many workers who stop once it is interrupted.
pub fn with_workers<R: Send>(
    py: Python<'_>,
    threads: usize,
    work: impl FnOnce(Workers<'_>) -> R + Send,
) -> PyResult<R> {
    interruptible(py, |interrupted| {
        let stop = || interrupted.load(Ordering::Relaxed);
        work(Workers {
            threads,
            stop: &stop,
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
