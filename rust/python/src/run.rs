//! Scoring ants with a Python callable: in the caller's thread, or on threads that it watches over.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use fer_fast_colony::Subset;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::call::{Ant, Verdict};
use crate::convert::subset_arrays;
use crate::errors::{EvaluationCut, from_colony};
use crate::request::Request;
use crate::shared::Shared;

/// How often the calling thread looks for signals.
const POLL: Duration = Duration::from_millis(50);

/// What Python gives a main thread at most: code that recurses deeply there must not crash here.
const STACK_BYTES: usize = 16 << 20;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    Iterations,
    Converged,
    TimeBudget,
    Callback,
    Interrupted,
}

impl Stop {
    pub fn name(self) -> &'static str {
        match self {
            Self::Iterations => "iterations",
            Self::Converged => "converged",
            Self::TimeBudget => "time_budget",
            Self::Callback => "callback",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a callback learns about one evaluation and the run so far.
#[pyclass(frozen, get_all, module = "fer_fast._core")]
pub struct Evaluation {
    /// Iteration, counted from 0.
    iteration: usize,
    /// Ant, counted from 0.
    ant: usize,
    /// Number of ants of the iteration.
    n_ants: usize,
    /// Ants of this iteration that are done with, those with a known score included.
    settled: usize,
    /// The ant's score; None if its evaluation was cut.
    score: Option<f64>,
    /// Size of the ant's subset.
    size: usize,
    /// Score of the best subset so far; None until one is scored.
    best_score: Option<f64>,
    /// Size of the best subset so far; None until one is scored.
    best_size: Option<usize>,
    /// Subsets scored so far in the colony's life.
    evaluations: usize,
    /// Ants of this iteration whose score was known from an equal subset.
    cache_hits: usize,
    /// Seconds since the run began.
    elapsed: f64,
}

#[pymethods]
impl Evaluation {
    fn __repr__(&self) -> String {
        let number = |value: Option<f64>| value.map_or("None".into(), |value| value.to_string());
        format!(
            "Evaluation(iteration={}, ant={}, score={}, size={}, best_score={})",
            self.iteration,
            self.ant,
            number(self.score),
            self.size,
            number(self.best_score),
        )
    }
}

/// An ant whose evaluation has ended.
struct Outcome {
    ant: usize,
    verdict: PyResult<Verdict>,
}

/// Runs the iterations; the caller has the colony's turn.
pub fn run(py: Python<'_>, colony: &Shared, request: &Request) -> PyResult<Stop> {
    let crew = hire(py, colony, request)?;
    let start = Instant::now();
    let mut is_first = true;
    for _ in 0..request.n_iterations {
        colony.build(py);
        let has_converged = colony.core(py).has_converged();
        let mut wave = Wave::new(py, colony, request, crew.as_ref(), start)?;
        wave.must_launch = is_first;
        is_first = false;
        wave.announce(py);
        wave.finish(py)?;
        if wave.is_complete() {
            colony.core(py).close().map_err(from_colony)?;
        }
        if let Some(stop) = wave.stop {
            return Ok(stop);
        }
        if has_converged {
            return Ok(Stop::Converged);
        }
    }
    Ok(Stop::Iterations)
}

/// The threads that call the fitness; none if it is called in the caller's own.
fn hire(py: Python<'_>, colony: &Shared, request: &Request) -> PyResult<Option<ThreadPool>> {
    if request.n_jobs == 1 {
        return Ok(None);
    }
    let most_ants = colony.core(py).most_ants();
    let pool = ThreadPoolBuilder::new()
        .num_threads(request.n_jobs.min(most_ants))
        .stack_size(STACK_BYTES)
        .thread_name(|worker| format!("fer-fast-ant-{worker}"))
        .build();
    pool.map(Some)
        .map_err(|error| PyRuntimeError::new_err(format!("no threads to run ants: {error}")))
}

/// The evaluations of one iteration.
struct Wave<'a> {
    colony: &'a Shared,
    request: &'a Request,
    crew: Option<&'a ThreadPool>,
    start: Instant,
    iteration: usize,
    subsets: Vec<Subset>,
    waiting: VecDeque<usize>,
    under_way: usize,
    /// Ants whose evaluation was cut, or that of an equal subset.
    cut: usize,
    must_launch: bool,
    stop: Option<Stop>,
    failure: Option<PyErr>,
    give_up: Option<Instant>,
    sender: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
}

impl<'a> Wave<'a> {
    fn new(
        py: Python<'_>,
        colony: &'a Shared,
        request: &'a Request,
        crew: Option<&'a ThreadPool>,
        start: Instant,
    ) -> PyResult<Self> {
        let (sender, outcomes) = channel();
        let mut core = colony.core(py);
        let subsets = core.ask().to_vec();
        let mut waiting = core.unscored().map_err(from_colony)?;
        // A large subset that started last would leave the other threads idle.
        waiting.sort_by_key(|&ant| Reverse(subsets[ant].len()));
        Ok(Self {
            colony,
            request,
            crew,
            start,
            iteration: core.iteration(),
            subsets,
            waiting: waiting.into(),
            under_way: 0,
            cut: 0,
            must_launch: false,
            stop: None,
            failure: None,
            give_up: None,
            sender,
            outcomes,
        })
    }

    /// Tells the fitness, if it wants to know, that an iteration begins, and what credit was
    /// deposited last.
    fn announce(&mut self, py: Python<'_>) {
        let Some(next_iteration) = &self.request.next_iteration else {
            return;
        };
        if self.waiting.is_empty() {
            return;
        }
        let credited = self.colony.core(py).credited().to_vec();
        match next_iteration.call1(py, (subset_arrays(py, &credited),)) {
            Ok(_) => {}
            Err(error) if error.is_instance_of::<EvaluationCut>(py) && self.has_budget() => {
                self.stop = Some(Stop::TimeBudget);
            }
            Err(error) => self.fail(py, error),
        }
    }

    /// Evaluates until no ant is waiting or the wave must stop, and nothing is under way.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        loop {
            self.look_for_signals(py);
            if self.give_up.is_some_and(|time| Instant::now() >= time) {
                break;
            }
            let is_over = match self.crew {
                None => self.evaluate_here(py),
                Some(crew) => self.evaluate_elsewhere(py, crew),
            };
            if is_over {
                break;
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Evaluates one ant in this thread; `true` if there was none to evaluate.
    fn evaluate_here(&mut self, py: Python<'_>) -> bool {
        let Some(ant) = self.next_ant() else {
            return true;
        };
        let verdict = self
            .request
            .fitness
            .judge(py, &self.subsets[ant], self.named(ant));
        self.settle(py, Outcome { ant, verdict });
        false
    }

    /// Hands waiting ants to idle threads and settles one; `true` if there was none to settle.
    fn evaluate_elsewhere(&mut self, py: Python<'_>, crew: &ThreadPool) -> bool {
        while self.under_way < self.request.n_jobs {
            let Some(ant) = self.next_ant() else { break };
            self.under_way += 1;
            let fitness = self.request.fitness.clone();
            let subset = self.subsets[ant].clone();
            let named = self.named(ant);
            let sender = self.sender.clone();
            crew.spawn(move || {
                let verdict = fitness.judge_in_thread(&subset, named);
                // Nobody listens once an interrupted run has stopped waiting.
                let _ = sender.send(Outcome { ant, verdict });
            });
        }
        if self.under_way == 0 {
            return true;
        }
        let outcomes = &mut self.outcomes;
        match py.detach(move || outcomes.recv_timeout(POLL)) {
            Ok(outcome) => {
                self.under_way -= 1;
                self.settle(py, outcome);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }

    /// The next ant to evaluate, if any still may be.
    fn next_ant(&mut self) -> Option<usize> {
        if self.stop.is_some() || self.failure.is_some() || self.waiting.is_empty() {
            return None;
        }
        let budget = self.request.time_budget;
        if !self.must_launch && budget.is_some_and(|budget| self.start.elapsed() >= budget) {
            self.stop = Some(Stop::TimeBudget);
            return None;
        }
        self.must_launch = false;
        self.waiting.pop_front()
    }

    fn has_budget(&self) -> bool {
        self.request.time_budget.is_some()
    }

    fn named(&self, ant: usize) -> Ant {
        let iteration = self.iteration;
        Ant { iteration, ant }
    }

    /// Whether the iteration is over: ants that were cut where the run ends are left to the next.
    fn is_complete(&self) -> bool {
        let all_settled = self.waiting.is_empty() && self.under_way == 0;
        all_settled && (self.cut == 0 || self.stop.is_none())
    }

    /// Records an evaluation that has ended, and tells the callback.
    fn settle(&mut self, py: Python<'_>, outcome: Outcome) {
        let Outcome { ant, verdict } = outcome;
        let recorded = verdict.and_then(|verdict| {
            let score = self.take_in(py, ant, verdict)?;
            self.call_back(py, ant, score)
        });
        if let Err(error) = recorded {
            self.fail(py, error);
        }
    }

    /// Records a verdict, and returns the ant's score if it has one.
    fn take_in(&mut self, py: Python<'_>, ant: usize, verdict: Verdict) -> PyResult<Option<f64>> {
        if let Verdict::Judged(judgement) = verdict {
            let score = judgement.score;
            let recorded = self.colony.core(py).record(ant, judgement);
            return recorded.map(|()| Some(score)).map_err(from_colony);
        }
        self.cut += self.equals(ant);
        // A fitness that keeps to the budget by a clock of its own, ahead of this one, must not
        // leave holes in iterations that are then closed.
        if matches!(verdict, Verdict::Cut) && self.has_budget() {
            self.stop.get_or_insert(Stop::TimeBudget);
        }
        Ok(None)
    }

    /// How many ants, `ant` included, have its subset.
    fn equals(&self, ant: usize) -> usize {
        let mine = &self.subsets[ant];
        self.subsets.iter().filter(|&subset| subset == mine).count()
    }

    fn call_back(&mut self, py: Python<'_>, ant: usize, score: Option<f64>) -> PyResult<()> {
        let Some(callback) = &self.request.callback else {
            return Ok(());
        };
        let evaluation = self.describe(py, ant, score)?;
        if callback.call1(py, (evaluation,))?.is_truthy(py)? {
            self.stop.get_or_insert(Stop::Callback);
        }
        Ok(())
    }

    fn describe(&self, py: Python<'_>, ant: usize, score: Option<f64>) -> PyResult<Evaluation> {
        let core = self.colony.core(py);
        let open = core.open_summary().map_err(from_colony)?;
        Ok(Evaluation {
            iteration: open.iteration,
            ant,
            n_ants: open.n_ants,
            settled: open.evaluations + open.cache_hits + self.cut,
            score,
            size: self.subsets[ant].len(),
            best_score: open.best_score,
            best_size: open.best_size,
            evaluations: core.evaluations(),
            cache_hits: open.cache_hits,
            elapsed: self.start.elapsed().as_secs_f64(),
        })
    }

    fn look_for_signals(&mut self, py: Python<'_>) {
        if let Err(error) = py.check_signals() {
            self.interrupt(py, error);
        }
    }

    /// Ends the run by what the fitness or the callback raised.
    fn fail(&mut self, py: Python<'_>, error: PyErr) {
        if error.is_instance_of::<PyException>(py) {
            self.failure.get_or_insert(error);
        } else {
            // KeyboardInterrupt, SystemExit or a panic: from a signal's handler, or of their own.
            self.interrupt(py, error);
        }
    }

    /// Ends the run by an exception that is no error: after the grace, or at once if the run was
    /// ending already by a failure or another such exception.
    fn interrupt(&mut self, py: Python<'_>, error: PyErr) {
        if self.failure.is_some() || self.stop == Some(Stop::Interrupted) {
            self.failure = Some(error);
            self.give_up = Some(Instant::now());
            return;
        }
        let grace = self.request.interrupt_grace;
        self.give_up = grace.and_then(|grace| Instant::now().checked_add(grace));
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            self.stop = Some(Stop::Interrupted);
        } else {
            self.failure = Some(error);
        }
    }
}
