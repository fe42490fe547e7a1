//! The loop: ask for subsets, tell their scores.

use std::collections::BTreeMap;
use std::iter::zip;

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::error::ColonyError;
use crate::parameters::Parameters;
use crate::pool::roulette;
use crate::rng::Pcg64;
use crate::sizes::ladder;
use crate::subset::Subset;
use crate::trail::Trail;
use crate::transition::Field;
use crate::weight::{PheromonePower, desirability_powers, fixed_point};

/// A colony of ants that choose features.
///
/// [`ask`](Self::ask) opens an iteration and returns its subsets; [`tell`](Self::tell) scores them
/// all and closes it. In between, [`record`](Self::record) scores one ant at a time, and
/// [`close`](Self::close) ends an iteration whether or not all its ants were scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colony {
    pub(crate) parameters: Parameters,
    pub(crate) desirability: Vec<f64>,
    /// η^β, which never changes.
    #[serde(skip)]
    pub(crate) desirability_powers: Vec<f64>,
    pub(crate) pheromone: Trail,
    pub(crate) size_pheromone: Trail,
    pub(crate) cache: Cache,
    pub(crate) best: Option<Best>,
    pub(crate) history: Vec<IterationSummary>,
    pub(crate) open: Option<Iteration>,
}

/// The best subset so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The subset.
    pub subset: Subset,
    /// Its size.
    pub size: usize,
    /// What the caller said of it.
    pub score: f64,
    /// φ · score + (1 − φ)(1 − size / n).
    pub fitness: f64,
    /// The iteration that built it, counted from 0.
    pub iteration: usize,
    /// The ant that built it, counted from 0.
    pub ant: usize,
}

/// What happened in an iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationSummary {
    /// Counted from 0.
    pub iteration: usize,
    /// Score of the best subset up to the iteration's end.
    pub best_score: Option<f64>,
    /// Fitness of the best subset up to the iteration's end.
    pub best_fitness: Option<f64>,
    /// Size of the best subset up to the iteration's end.
    pub best_size: Option<usize>,
    /// Mean score of the iteration's scored ants.
    pub mean_score: Option<f64>,
    /// Mean size of the iteration's subsets.
    pub mean_size: f64,
    /// Subsets of the iteration that the caller scored.
    pub evaluations: usize,
    /// Ants of the iteration whose score was known from an equal subset.
    pub cache_hits: usize,
    /// Whether every ant has its score.
    pub complete: bool,
}

/// The subsets of an iteration that has not been closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Iteration {
    pub(crate) subsets: Vec<Subset>,
    pub(crate) scores: Vec<Option<f64>>,
    pub(crate) evaluations: usize,
}

impl Colony {
    /// A colony over as many features as `desirability` has values, each finite and at least 0.
    ///
    /// # Errors
    ///
    /// [`ColonyError`] names the first parameter or desirability that is out of its range.
    pub fn new(desirability: &[f64], parameters: Parameters) -> Result<Self, ColonyError> {
        parameters.check(desirability.len())?;
        check_desirability(desirability)?;
        let sizes = ladder(
            parameters.min_features,
            parameters.largest(desirability.len()),
        );
        Ok(Self {
            pheromone: Trail::new(desirability.len()),
            size_pheromone: Trail::new(sizes.len()),
            desirability_powers: desirability_powers(desirability, parameters.beta),
            desirability: desirability.to_vec(),
            parameters,
            cache: Cache::default(),
            best: None,
            history: Vec::new(),
            open: None,
        })
    }

    /// The colony's parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.desirability.len()
    }

    /// The pheromone of every feature.
    #[must_use]
    pub fn pheromone(&self) -> &[f64] {
        self.pheromone.values()
    }

    /// The sizes a subset may have, ascending.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        ladder(
            self.parameters.min_features,
            self.parameters.largest(self.n_features()),
        )
    }

    /// The pheromone of every size.
    #[must_use]
    pub fn size_pheromone(&self) -> &[f64] {
        self.size_pheromone.values()
    }

    /// The best subset so far; `None` until one is scored.
    #[must_use]
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The number of closed iterations.
    #[must_use]
    pub fn iteration(&self) -> usize {
        self.history.len()
    }

    /// The number of subsets that were scored.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.cache.len()
    }

    /// A summary per iteration, the open one included once one of its ants has a score.
    #[must_use]
    pub fn history(&self) -> Vec<IterationSummary> {
        let open = self.open_summary().ok();
        let begun = open.filter(|open| open.evaluations + open.cache_hits > 0);
        self.history.iter().cloned().chain(begun).collect()
    }

    /// A summary of the open iteration as it stands.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open.
    pub fn open_summary(&self) -> Result<IterationSummary, ColonyError> {
        Ok(self.summarise(self.opened()?))
    }

    /// The subsets of the open iteration, one per ant; opens one if none is.
    ///
    /// Ants are built one after another: each finds the pheromone as the local updates of the
    /// ants before it left it.
    pub fn ask(&mut self) -> &[Subset] {
        let open = self.open.take().unwrap_or_else(|| self.build());
        &self.open.insert(open).subsets
    }

    fn build(&mut self) -> Iteration {
        let parameters = &self.parameters;
        let mut power = PheromonePower::new(parameters.alpha);
        let weights = zip(self.pheromone.values(), &self.desirability_powers)
            .map(|(&tau, &desirability)| power.weight(tau, desirability))
            .collect();
        let mut field = Field::new(weights);
        let sizes = self.sizes();
        let shares: Vec<u64> = self
            .size_pheromone
            .values()
            .iter()
            .map(|&tau| fixed_point(tau))
            .collect();
        let iteration = self.iteration() as u32;
        let mut subsets = Vec::with_capacity(parameters.n_ants);
        for ant in 0..parameters.n_ants as u32 {
            let mut rng = Pcg64::for_ant(parameters.seed, iteration, ant);
            let size = sizes[roulette(&shares, &mut rng)];
            let visited = field.walk(size, parameters.q0, rng);
            let pheromone = &mut self.pheromone;
            field.change(&visited, |feature| {
                let node = feature as usize;
                let tau = pheromone.wear(node, parameters.xi, parameters.tau_min);
                power.weight(tau, self.desirability_powers[node])
            });
            subsets.push(visited.to_subset());
        }
        let scores = subsets
            .iter()
            .map(|subset| self.cache.get(subset))
            .collect();
        Iteration {
            subsets,
            scores,
            evaluations: 0,
        }
    }

    /// The ants of the open iteration whose subsets must be scored: those without a known score,
    /// and of several ants with equal subsets the first.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open.
    pub fn unscored(&self) -> Result<Vec<usize>, ColonyError> {
        let open = self.opened()?;
        let mut firsts = BTreeMap::new();
        for ant in (0..open.subsets.len()).filter(|&ant| open.scores[ant].is_none()) {
            firsts.entry(&open.subsets[ant]).or_insert(ant);
        }
        let mut ants: Vec<usize> = firsts.into_values().collect();
        ants.sort_unstable();
        Ok(ants)
    }

    /// Whether none of the open iteration's subsets was new; `false` if none is open.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        let is_known = |open: &Iteration| open.scores.iter().all(Option::is_some);
        self.open
            .as_ref()
            .is_some_and(|open| open.evaluations == 0 && is_known(open))
    }

    /// Scores the subset of `ant` in the open iteration, and every equal one.
    ///
    /// A score is a pure function of the subset: one that has a score keeps it. Of equally fit
    /// subsets the one of the earlier iteration, then of the lower ant, is the best, in whatever
    /// order they are recorded.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open, [`ColonyError::Ant`] if there is no
    /// such ant, [`ColonyError::Score`] if the score is not finite.
    pub fn record(&mut self, ant: usize, score: f64) -> Result<(), ColonyError> {
        let iteration = self.iteration();
        let n_features = self.n_features();
        let open = self.open.as_mut().ok_or(ColonyError::NothingAsked)?;
        let ants = open.subsets.len();
        let known = open.scores.get(ant).ok_or(ColonyError::Ant { ant, ants })?;
        if !score.is_finite() {
            return Err(ColonyError::Score {
                ant,
                iteration,
                score,
            });
        }
        if known.is_some() {
            return Ok(());
        }
        let subset = open.subsets[ant].clone();
        self.cache.insert(&subset, score);
        open.evaluations += 1;
        let equals = open
            .subsets
            .iter()
            .enumerate()
            .filter(|(_, other)| **other == subset);
        let mut first = ant;
        for (other, _) in equals {
            open.scores[other] = Some(score);
            first = first.min(other);
        }
        let size = subset.len();
        let phi = self.parameters.phi;
        let fitness = phi * score + (1.0 - phi) * (1.0 - size as f64 / n_features as f64);
        let candidate = Best {
            subset,
            size,
            score,
            fitness,
            iteration,
            ant: first,
        };
        if self.best.as_ref().is_none_or(|best| candidate.beats(best)) {
            self.best = Some(candidate);
        }
        Ok(())
    }

    /// Closes the open iteration: the global update reinforces the best subset so far.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open.
    pub fn close(&mut self) -> Result<(), ColonyError> {
        let summary = self.summarise(self.opened()?);
        self.open = None;
        self.history.push(summary);
        let sizes = self.sizes();
        let Parameters { rho, tau_min, .. } = self.parameters;
        let features = self.best.iter().flat_map(|best| best.subset.features());
        self.pheromone
            .reinforce(features.map(|feature| feature as usize), rho, tau_min);
        let rung = self
            .best
            .iter()
            .filter_map(|best| sizes.iter().position(|&s| s == best.size));
        self.size_pheromone.reinforce(rung, rho, tau_min);
        Ok(())
    }

    /// Scores the ants of the open iteration and closes it.
    ///
    /// `None` stands for an ant that was not evaluated; where an equal subset has a score, the ant
    /// takes it.
    ///
    /// # Errors
    ///
    /// [`ColonyError`] if no iteration is open, if the number of scores is not that of the ants, or
    /// if a score is not finite; the colony is then as it was.
    pub fn tell(&mut self, scores: &[Option<f64>]) -> Result<(), ColonyError> {
        let iteration = self.iteration();
        let ants = self.opened()?.subsets.len();
        if scores.len() != ants {
            let given = scores.len();
            return Err(ColonyError::ScoreCount { given, ants });
        }
        let given = || {
            scores
                .iter()
                .enumerate()
                .filter_map(|(ant, score)| Some((ant, (*score)?)))
        };
        if let Some((ant, score)) = given().find(|(_, score)| !score.is_finite()) {
            return Err(ColonyError::Score {
                ant,
                iteration,
                score,
            });
        }
        for (ant, score) in given() {
            self.record(ant, score)?;
        }
        self.close()
    }

    fn opened(&self) -> Result<&Iteration, ColonyError> {
        self.open.as_ref().ok_or(ColonyError::NothingAsked)
    }

    fn summarise(&self, open: &Iteration) -> IterationSummary {
        let scores: Vec<f64> = open.scores.iter().copied().flatten().collect();
        let sizes = open.subsets.iter().map(Subset::len);
        let best = self.best.as_ref();
        IterationSummary {
            iteration: self.iteration(),
            best_score: best.map(|best| best.score),
            best_fitness: best.map(|best| best.fitness),
            best_size: best.map(|best| best.size),
            mean_score: (!scores.is_empty())
                .then(|| scores.iter().sum::<f64>() / scores.len() as f64),
            mean_size: sizes.sum::<usize>() as f64 / open.subsets.len() as f64,
            evaluations: open.evaluations,
            cache_hits: scores.len() - open.evaluations,
            complete: scores.len() == open.subsets.len(),
        }
    }
}

impl Best {
    fn beats(&self, other: &Self) -> bool {
        let is_earlier = (self.iteration, self.ant) < (other.iteration, other.ant);
        self.fitness > other.fitness || (self.fitness >= other.fitness && is_earlier)
    }
}

pub(crate) fn check_desirability(desirability: &[f64]) -> Result<(), ColonyError> {
    for (feature, &value) in desirability.iter().enumerate() {
        if !(0.0..=f64::MAX).contains(&value) {
            return Err(ColonyError::Desirability { feature, value });
        }
    }
    if desirability.iter().all(|&value| value <= 0.0) {
        return Err(ColonyError::NoDesirability);
    }
    Ok(())
}
