//! The loop: ask for subsets, tell their scores.

use std::collections::BTreeSet;
use std::iter::zip;

use serde::{Deserialize, Serialize};

use crate::best::Best;
use crate::cache::Cache;
use crate::error::ColonyError;
use crate::iteration::{Iteration, IterationSummary, Judgement};
use crate::parameters::{Deposit, Parameters};
use crate::sizes::{annealed, ladder, most_ants};
use crate::subset::Subset;
use crate::trail::{TAU_MAX, Trail};
use crate::walk::{Field, Pcg64, PheromonePower, desirability_powers, fixed_point, roulette};

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
    pub(crate) credited: Vec<Subset>,
    pub(crate) open: Option<Iteration>,
}

impl Colony {
    /// A colony over as many features as `desirability` has values, each finite and at least 0.
    ///
    /// # Errors
    ///
    /// [`ColonyError`] names the first parameter or desirability that is out of its range.
    pub fn new(desirability: &[f64], parameters: Parameters) -> Result<Self, ColonyError> {
        parameters.check(desirability.len())?;
        check_values("desirability", desirability)?;
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
            credited: Vec::new(),
            open: None,
        })
    }

    /// The colony with pheromone in proportion to `tau0`, one value per feature, each finite and at
    /// least 0: a hint that the ants may unlearn, where desirability stays.
    ///
    /// It is meant for a colony that has not begun. Where the best subset is reinforced, the most
    /// pheromone is 1; where credit is, the mean of as many features as a subset has.
    ///
    /// # Errors
    ///
    /// [`ColonyError`] names the first value that is out of its range.
    pub fn with_trail(mut self, tau0: &[f64]) -> Result<Self, ColonyError> {
        let (given, n_features) = (tau0.len(), self.n_features());
        let name = "tau0";
        if given != n_features {
            return Err(ColonyError::ValueCount {
                name,
                given,
                n_features,
            });
        }
        check_values(name, tau0)?;
        let level = match self.parameters.deposit {
            Deposit::Best => 1,
            Deposit::Credit => self.level(),
        };
        self.pheromone = Trail::from_values(tau0, level, self.parameters.tau_min);
        Ok(self)
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

    /// The sizes a subset may have, ascending; while sizes are annealed, subsets are larger.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        ladder(self.parameters.min_features, self.largest())
    }

    fn largest(&self) -> usize {
        self.parameters.largest(self.n_features())
    }

    /// The pheromone of every size.
    #[must_use]
    pub fn size_pheromone(&self) -> &[f64] {
        self.size_pheromone.values()
    }

    /// The fittest subset so far of those whose size is allowed; `None` until one is scored.
    #[must_use]
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The subset to take; `None` until one is scored.
    ///
    /// It is the best, once a subset of an allowed size is scored. Where ants deposit credit on
    /// subsets of one size it is until then what an ant takes that never draws: the features of
    /// the largest weight, which larger subsets have told already.
    #[must_use]
    pub fn answer(&self) -> Option<Subset> {
        if let Some(best) = &self.best {
            return Some(best.subset.clone());
        }
        let size = self.largest();
        let is_fixed = self.parameters.min_features == size && !self.credited.is_empty();
        is_fixed.then(|| {
            let mut field = Field::new(self.weights(&mut self.power()));
            let rng = Pcg64::for_ant(self.parameters.seed, 0, 0);
            field.walk(size, 1.0, rng).to_subset()
        })
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

    /// The subsets whose credit was deposited last, one per ant, in the order of the ants.
    ///
    /// They are those of the last closed iteration in which any credit was given: a judge whose
    /// credit depends on what the ants before have found need know no more than these.
    #[must_use]
    pub fn credited(&self) -> &[Subset] {
        &self.credited
    }

    /// The subsets of the open iteration, one per ant; opens one if none is.
    ///
    /// Ants are built one after another: each finds the pheromone as the local updates of the
    /// ants before it left it.
    pub fn ask(&mut self) -> &[Subset] {
        let open = self.open.take().unwrap_or_else(|| self.build());
        &self.open.insert(open).subsets
    }

    /// The most ants that an iteration may have.
    #[must_use]
    pub fn most_ants(&self) -> usize {
        most_ants(&self.parameters)
    }

    /// The number of ants of an iteration, counted from 0.
    #[must_use]
    pub fn ants_of(&self, iteration: usize) -> usize {
        let annealed = annealed(&self.parameters, self.n_features(), iteration);
        annealed.map_or(self.parameters.n_ants, |(_, ants)| ants)
    }

    fn build(&mut self) -> Iteration {
        let mut power = self.power();
        let mut field = Field::new(self.weights(&mut power));
        let parameters = &self.parameters;
        let sizes = self.sizes();
        let shares: Vec<u64> = self
            .size_pheromone
            .values()
            .iter()
            .map(|&tau| fixed_point(tau))
            .collect();
        let iteration = self.iteration();
        let annealed = annealed(parameters, self.n_features(), iteration);
        let n_ants = self.ants_of(iteration);
        let mut subsets = Vec::with_capacity(n_ants);
        for ant in 0..n_ants as u32 {
            let mut rng = Pcg64::for_ant(parameters.seed, iteration as u32, ant);
            let size = match annealed {
                Some((size, _)) => size,
                None => sizes[roulette(&shares, &mut rng)],
            };
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
        Iteration::new(subsets, scores)
    }

    /// τ^α relative to the largest τ there may be, or where there is no bound, to that there is.
    fn power(&self) -> PheromonePower {
        let largest = match self.parameters.deposit {
            Deposit::Best => TAU_MAX,
            Deposit::Credit => self.pheromone.largest(),
        };
        PheromonePower::new(self.parameters.alpha, largest)
    }

    fn weights(&self, power: &mut PheromonePower) -> Vec<u64> {
        zip(self.pheromone.values(), &self.desirability_powers)
            .map(|(&tau, &desirability)| power.weight(tau, desirability))
            .collect()
    }

    /// The ants of the open iteration whose subsets must be scored: those without a known score,
    /// and of several ants with equal subsets the first.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open.
    pub fn unscored(&self) -> Result<Vec<usize>, ColonyError> {
        Ok(self.opened()?.unscored())
    }

    /// Whether none of the open iteration's subsets was new; `false` if none is open.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        self.open.as_ref().is_some_and(Iteration::is_known)
    }

    /// Scores the subset of `ant` in the open iteration, and every equal one.
    ///
    /// A score is a pure function of the subset: one that has a score keeps it. Of equally fit
    /// subsets the one of the earlier iteration, then of the lower ant, is the best, in whatever
    /// order they are recorded. Credit is deposited when the iteration is closed, in the order of
    /// the ants; a colony that does not deposit it takes no notice of it.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open, [`ColonyError::Ant`] if there is no
    /// such ant, [`ColonyError::Score`] if the score is not finite, [`ColonyError::NoCredit`] or
    /// [`ColonyError::Credit`] if the credit is missing or not one finite number per feature of
    /// the subset.
    pub fn record(
        &mut self,
        ant: usize,
        judgement: impl Into<Judgement>,
    ) -> Result<(), ColonyError> {
        let judgement = judgement.into();
        let iteration = self.iteration();
        let open = self.opened()?;
        open.check(ant, &judgement, iteration)?;
        if open.scores[ant].is_none() {
            self.check_credited(ant, &judgement)?;
            self.keep(ant, &judgement);
        }
        Ok(())
    }

    fn check_credited(&self, ant: usize, judgement: &Judgement) -> Result<(), ColonyError> {
        let iteration = self.iteration();
        if self.parameters.deposit == Deposit::Credit && judgement.credit.is_none() {
            return Err(ColonyError::NoCredit { ant, iteration });
        }
        Ok(())
    }

    /// Keeps a judgement that has been checked, of an ant that has none.
    fn keep(&mut self, ant: usize, judgement: &Judgement) {
        let iteration = self.iteration();
        let Some(open) = &mut self.open else { return };
        let is_credited = self.parameters.deposit == Deposit::Credit;
        let credit = judgement.credit.as_deref().filter(|_| is_credited);
        let score = judgement.score;
        let first = open.record(ant, score, credit);
        let subset = open.subsets[ant].clone();
        self.cache.insert(&subset, score);
        let size = subset.len();
        if !self.allows(size) {
            return;
        }
        let candidate = Best {
            fitness: self.fitness(score, size),
            subset,
            size,
            score,
            iteration,
            ant: first,
        };
        if self.best.as_ref().is_none_or(|best| candidate.beats(best)) {
            self.best = Some(candidate);
        }
    }

    /// Whether a subset of this size may be the best: those of annealed iterations are larger.
    pub(crate) fn allows(&self, size: usize) -> bool {
        (self.parameters.min_features..=self.largest()).contains(&size)
    }

    pub(crate) fn fitness(&self, score: f64, size: usize) -> f64 {
        let phi = self.parameters.phi;
        phi * score + (1.0 - phi) * (1.0 - size as f64 / self.n_features() as f64)
    }

    /// Closes the open iteration by the global update of the pheromone.
    ///
    /// # Errors
    ///
    /// [`ColonyError::NothingAsked`] if no iteration is open.
    pub fn close(&mut self) -> Result<(), ColonyError> {
        let open = self.open.take().ok_or(ColonyError::NothingAsked)?;
        self.history.push(self.summarise(&open));
        let sizes = self.sizes();
        let level = self.level();
        let Parameters { rho, tau_min, .. } = self.parameters;
        match self.parameters.deposit {
            Deposit::Best => {
                let features = self.best.iter().flat_map(|best| nodes(&best.subset));
                self.pheromone.reinforce(features, rho, tau_min);
            }
            Deposit::Credit => {
                let ants = open
                    .credited()
                    .map(|(subset, credit)| (nodes(subset), credit));
                self.pheromone.share_out(ants, rho, level, tau_min);
                let credited: Vec<Subset> = open.credited().map(|ant| ant.0.clone()).collect();
                if !credited.is_empty() {
                    self.credited = credited;
                }
            }
        }
        let rung = self
            .best
            .iter()
            .filter_map(|best| sizes.iter().position(|&s| s == best.size));
        self.size_pheromone.reinforce(rung, rho, tau_min);
        Ok(())
    }

    /// How many of the largest values of a trail of credit average 1: as many as a subset has
    /// features, as far as that is known.
    fn level(&self) -> usize {
        match &self.best {
            Some(best) => best.size,
            None => self.largest(),
        }
    }

    /// Scores the ants of the open iteration and closes it.
    ///
    /// `None` stands for an ant that was not evaluated; where an equal subset has a score, the ant
    /// takes it.
    ///
    /// # Errors
    ///
    /// [`ColonyError`] if no iteration is open, if the number of scores is not that of the ants, or
    /// if one of them could not be recorded; the colony is then as it was.
    pub fn tell<J>(&mut self, judgements: &[Option<J>]) -> Result<(), ColonyError>
    where
        J: Clone + Into<Judgement>,
    {
        let open = self.opened()?;
        let (given, ants) = (judgements.len(), open.subsets.len());
        if given != ants {
            return Err(ColonyError::ScoreCount { given, ants });
        }
        let judgements: Vec<(usize, Judgement)> = zip(0.., judgements)
            .filter_map(|(ant, judgement)| Some((ant, judgement.clone()?.into())))
            .collect();
        let mut seen = BTreeSet::new();
        for (ant, judgement) in &judgements {
            open.check(*ant, judgement, self.iteration())?;
            if open.scores[*ant].is_none() && seen.insert(&open.subsets[*ant]) {
                self.check_credited(*ant, judgement)?;
            }
        }
        for (ant, judgement) in judgements {
            self.record(ant, judgement)?;
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
            n_ants: open.subsets.len(),
            evaluations: open.evaluations,
            cache_hits: scores.len() - open.evaluations,
            credited: open.credited().count(),
            complete: scores.len() == open.subsets.len(),
        }
    }
}

/// The features of a subset, as indices.
fn nodes(subset: &Subset) -> impl Iterator<Item = usize> + Clone + '_ {
    subset.features().map(|feature| feature as usize)
}

pub(crate) fn check_values(name: &'static str, values: &[f64]) -> Result<(), ColonyError> {
    for (feature, &value) in values.iter().enumerate() {
        if !(0.0..=f64::MAX).contains(&value) {
            return Err(ColonyError::Value {
                name,
                feature,
                value,
            });
        }
    }
    if values.iter().all(|&value| value <= 0.0) {
        return Err(ColonyError::NothingPositive { name });
    }
    Ok(())
}
