//! The subsets of one iteration, and what is known of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ColonyError;
use crate::subset::Subset;

/// What a judge says of a subset; a number alone is its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// How good the subset is: higher is better.
    pub score: f64,
    /// What each of its features earned, in ascending order of the features: only their ratios
    /// matter, and what is not positive counts as nothing.
    pub credit: Option<Vec<f64>>,
}

impl From<f64> for Judgement {
    fn from(score: f64) -> Self {
        Self {
            score,
            credit: None,
        }
    }
}

/// What happened in an iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Ants of the iteration.
    pub n_ants: usize,
    /// Subsets of the iteration that the caller scored.
    pub evaluations: usize,
    /// Ants of the iteration whose score was known from an equal subset.
    pub cache_hits: usize,
    /// Ants of the iteration whose credit was deposited.
    pub credited: usize,
    /// Whether every ant has its score.
    pub complete: bool,
}

/// The subsets of an iteration that has not been closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    pub subsets: Vec<Subset>,
    pub scores: Vec<Option<f64>>,
    /// Of the ants that were scored in this iteration, where the colony deposits credit.
    pub credits: Vec<Option<Arc<[f64]>>>,
    pub evaluations: usize,
}

impl Iteration {
    /// An iteration of the given subsets, whose `scores` are those of subsets seen before.
    pub fn new(subsets: Vec<Subset>, scores: Vec<Option<f64>>) -> Self {
        Self {
            credits: vec![None; subsets.len()],
            subsets,
            scores,
            evaluations: 0,
        }
    }

    /// Checks that there is such an ant, and that a judgement of its subset is one: a finite score,
    /// and if there is a credit, a finite number per feature.
    pub fn check(
        &self,
        ant: usize,
        judgement: &Judgement,
        iteration: usize,
    ) -> Result<(), ColonyError> {
        let ants = self.subsets.len();
        let subset = self.subsets.get(ant);
        let subset = subset.ok_or(ColonyError::Ant { ant, ants })?;
        let score = judgement.score;
        if !score.is_finite() {
            return Err(ColonyError::Score {
                ant,
                iteration,
                score,
            });
        }
        let Some(credit) = &judgement.credit else {
            return Ok(());
        };
        let (given, size) = (credit.len(), subset.len());
        let problem = if given == size {
            let place = credit.iter().position(|value| !value.is_finite());
            let Some(place) = place else { return Ok(()) };
            format!("holds {} at place {place}", credit[place])
        } else {
            format!("has {given} values for {size} features")
        };
        Err(ColonyError::Credit {
            ant,
            iteration,
            problem,
        })
    }

    /// The ants without a score, and of several ants with equal subsets the first.
    pub fn unscored(&self) -> Vec<usize> {
        let mut firsts = BTreeMap::new();
        for ant in (0..self.subsets.len()).filter(|&ant| self.scores[ant].is_none()) {
            firsts.entry(&self.subsets[ant]).or_insert(ant);
        }
        let mut ants: Vec<usize> = firsts.into_values().collect();
        ants.sort_unstable();
        ants
    }

    /// Whether every ant had its score before one was given.
    pub fn is_known(&self) -> bool {
        self.evaluations == 0 && self.scores.iter().all(Option::is_some)
    }

    /// Gives a score, and maybe a credit, to `ant` and all that have an equal subset; returns the
    /// first of them.
    pub fn record(&mut self, ant: usize, score: f64, credit: Option<&[f64]>) -> usize {
        self.evaluations += 1;
        let credit: Option<Arc<[f64]>> = credit.map(Arc::from);
        let mut first = ant;
        for other in 0..self.subsets.len() {
            if self.subsets[other] == self.subsets[ant] {
                self.scores[other] = Some(score);
                self.credits[other].clone_from(&credit);
                first = first.min(other);
            }
        }
        first
    }

    /// The subsets that have a credit, with it, in the order of their ants.
    pub fn credited(&self) -> impl Iterator<Item = (&Subset, &[f64])> {
        std::iter::zip(&self.subsets, &self.credits)
            .filter_map(|(subset, credit)| Some((subset, credit.as_deref()?)))
    }
}
