//! Tasks shared by a few threads.

use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// The threads of one piece of work, and when they are to stop.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    /// How many threads share the work, at least one.
    pub threads: usize,
    /// Asked from every thread, every few milliseconds: whether the work is to be given up.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Workers<'_> {
    /// Workers that nobody stops.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let stop = &|| false;
        Self { threads, stop }
    }
}

/// Do every task on one of `threads` threads, or as many as there can be, and return the results in
/// the order of the tasks.
pub(crate) fn in_parallel<T: Send, R: Send>(
    tasks: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.min(tasks.len());
    if threads <= 1 {
        return tasks.into_iter().map(work).collect();
    }
    let queue = Mutex::new(tasks.into_iter().enumerate());
    let worker = || {
        let mut done = Vec::new();
        loop {
            // The lock is held while a task is taken, never while it is done.
            let task = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, task)) = task else {
                return done;
            };
            done.push((index, work(task)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads)
            .map_while(|_| Builder::new().spawn_scoped(scope, worker).ok())
            .collect();
        let mut done = worker();
        for worker in workers {
            done.extend(
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        done
    });
    done.sort_unstable_by_key(|&(index, _)| index);
    done.into_iter().map(|(_, result)| result).collect()
}
