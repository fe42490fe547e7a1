//! Scoring ants with a Python callable, on threads that the main thread watches over.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use fer_fast_colony::Subset;
use pyo3::exceptions::{
    PyException, PyKeyboardInterrupt, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::call::call;
use super::{Colony, subset_array, to_python};
use crate::errors::{EvaluationCut, ParameterError};

/// How often the calling thread looks for signals.
const POLL: Duration = Duration::from_millis(50);

/// What the caller of `run` wants.
pub struct Request {
    fitness: Arc<Py<PyAny>>,
    n_iterations: usize,
    n_jobs: usize,
    time_budget: Option<Duration>,
    callback: Option<Py<PyAny>>,
    interrupt_grace: Option<Duration>,
}

impl Request {
    pub fn new(
        py: Python<'_>,
        fitness: Py<PyAny>,
        n_iterations: usize,
        n_jobs: isize,
        time_budget: Option<f64>,
        callback: Option<Py<PyAny>>,
        interrupt_grace: Option<f64>,
    ) -> PyResult<Self> {
        for (name, value) in [("fitness", Some(&fitness)), ("callback", callback.as_ref())] {
            if value.is_some_and(|value| !value.bind(py).is_callable()) {
                return Err(PyTypeError::new_err(format!("{name} must be callable")));
            }
        }
        let n_jobs = match n_jobs {
            -1 => std::thread::available_parallelism().map_or(1, usize::from),
            1.. => n_jobs.unsigned_abs(),
            _ => {
                return Err(ParameterError::new_err(format!(
                    "n_jobs is {n_jobs}: it must be at least 1, or -1 for one thread per core"
                )));
            }
        };
        Ok(Self {
            fitness: Arc::new(fitness),
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
    /// Number of ants per iteration.
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

/// An ant whose evaluation has ended; a score of `None` says that it was cut.
struct Outcome {
    ant: usize,
    score: PyResult<Option<f64>>,
}

/// Runs the iterations; the caller has the colony's turn.
pub fn run(py: Python<'_>, colony: &Colony, request: &Request) -> PyResult<Stop> {
    let n_ants = colony.core(py).parameters().n_ants;
    let pool = ThreadPoolBuilder::new()
        .num_threads(request.n_jobs.min(n_ants))
        .thread_name(|worker| format!("fer-fast-ant-{worker}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("no threads to run ants: {error}")))?;
    let start = Instant::now();
    let mut is_first = true;
    for _ in 0..request.n_iterations {
        colony.build(py);
        let has_converged = colony.core(py).has_converged();
        let mut wave = Wave::new(py, colony, request, &pool, start, is_first)?;
        is_first = false;
        wave.finish(py)?;
        if wave.is_complete() {
            colony.core(py).close().map_err(to_python)?;
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

/// The evaluations of one iteration.
struct Wave<'a> {
    colony: &'a Colony,
    request: &'a Request,
    pool: &'a ThreadPool,
    start: Instant,
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
        colony: &'a Colony,
        request: &'a Request,
        pool: &'a ThreadPool,
        start: Instant,
        must_launch: bool,
    ) -> PyResult<Self> {
        let (sender, outcomes) = channel();
        let mut core = colony.core(py);
        let subsets = core.ask().to_vec();
        let mut waiting = core.unscored().map_err(to_python)?;
        // A large subset that started last would leave the other threads idle.
        waiting.sort_by_key(|&ant| Reverse(subsets[ant].len()));
        Ok(Self {
            colony,
            request,
            pool,
            start,
            subsets,
            waiting: waiting.into(),
            under_way: 0,
            cut: 0,
            must_launch,
            stop: None,
            failure: None,
            give_up: None,
            sender,
            outcomes,
        })
    }

    /// Evaluates until no ant is waiting or the wave must stop, and nothing is under way.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        loop {
            self.look_for_signals(py);
            if self.give_up.is_some_and(|time| Instant::now() >= time) {
                break;
            }
            self.launch(py);
            if self.under_way == 0 {
                break;
            }
            let outcomes = &mut self.outcomes;
            match py.detach(move || outcomes.recv_timeout(POLL)) {
                Ok(outcome) => self.settle(py, outcome),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.cut > 0 && self.is_over_budget() {
            self.stop.get_or_insert(Stop::TimeBudget);
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Whether the iteration is over: ants that were cut where the run ends are left to the next.
    fn is_complete(&self) -> bool {
        let all_settled = self.waiting.is_empty() && self.under_way == 0;
        all_settled && (self.cut == 0 || self.stop.is_none())
    }

    fn is_over_budget(&self) -> bool {
        let budget = self.request.time_budget;
        budget.is_some_and(|budget| self.start.elapsed() >= budget)
    }

    /// Hands waiting ants to idle threads.
    fn launch(&mut self, py: Python<'_>) {
        while self.under_way < self.request.n_jobs && self.may_launch() {
            let Some(ant) = self.waiting.pop_front() else {
                return;
            };
            self.must_launch = false;
            self.under_way += 1;
            let fitness = Arc::clone(&self.request.fitness);
            let subset = self.subsets[ant].clone();
            let iteration = self.colony.core(py).iteration();
            let sender = self.sender.clone();
            self.pool.spawn(move || {
                let score = evaluate(fitness, &subset, iteration, ant);
                // Nobody listens once an interrupted run has stopped waiting.
                let _ = sender.send(Outcome { ant, score });
            });
        }
    }

    fn may_launch(&mut self) -> bool {
        if self.stop.is_some() || self.failure.is_some() || self.waiting.is_empty() {
            return false;
        }
        if self.is_over_budget() && !self.must_launch {
            self.stop = Some(Stop::TimeBudget);
        }
        self.stop.is_none()
    }

    /// Records an evaluation that has ended, and tells the callback.
    fn settle(&mut self, py: Python<'_>, outcome: Outcome) {
        self.under_way -= 1;
        let Outcome { ant, score } = outcome;
        let recorded = score.and_then(|score| {
            match score {
                Some(score) => self.colony.core(py).record(ant, score).map_err(to_python)?,
                None => self.cut += self.equals(ant),
            }
            self.call_back(py, ant, score)
        });
        match recorded {
            Ok(()) => {}
            Err(error) if error.is_instance_of::<PyException>(py) => {
                self.failure.get_or_insert(error);
            }
            // A signal came while the callback ran.
            Err(error) => self.interrupt(py, error),
        }
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
        let open = core.open_summary().map_err(to_python)?;
        Ok(Evaluation {
            iteration: open.iteration,
            ant,
            n_ants: core.parameters().n_ants,
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

    /// Ends the run by what a signal's handler raised: after the grace, or at once if the run was
    /// ending already by a failure or another signal.
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

/// Calls the fitness in a thread of its own right; nothing that it does may end that thread.
fn evaluate(
    fitness: Arc<Py<PyAny>>,
    subset: &Subset,
    iteration: usize,
    ant: usize,
) -> PyResult<Option<f64>> {
    let call = || {
        Python::try_attach(|py| {
            let score = call_fitness(py, &fitness, subset, iteration, ant);
            // Dropped here, while attached: later would leave the reference for someone else.
            drop(fitness);
            score
        })
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Some(score)) => score,
        Ok(None) => Err(PyRuntimeError::new_err("the interpreter is shutting down")),
        Err(_) => Err(PyRuntimeError::new_err(format!(
            "the evaluation of ant {ant} in iteration {iteration} panicked: this is a defect of \
             fer-fast or of a native module that the fitness calls"
        ))),
    }
}

fn call_fitness(
    py: Python<'_>,
    fitness: &Py<PyAny>,
    subset: &Subset,
    iteration: usize,
    ant: usize,
) -> PyResult<Option<f64>> {
    let arguments = (subset_array(py, subset),).into_pyobject(py)?;
    let returned = match call(fitness.bind(py), &arguments) {
        Ok(returned) => returned,
        Err(error) if error.is_instance_of::<EvaluationCut>(py) => return Ok(None),
        Err(error) => return Err(error),
    };
    let described = || -> PyResult<String> {
        let kind = returned.get_type().name()?;
        Ok(format!(
            "the fitness returned {} ({kind}) for ant {ant} in iteration {iteration}: it must \
             return a finite number, higher is better",
            returned.repr()?
        ))
    };
    match returned.extract::<f64>() {
        Ok(score) if score.is_finite() => Ok(Some(score)),
        Ok(_) => Err(PyValueError::new_err(described()?)),
        Err(cause) => {
            let error = PyTypeError::new_err(described()?);
            error.set_cause(py, Some(cause));
            Err(error)
        }
    }
}
