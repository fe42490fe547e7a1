//! Saving a colony and restoring it, so that it goes on exactly where it stopped.

use serde::{Deserialize, Serialize};

use crate::colony::{Colony, check_values};
use crate::error::ColonyError;
use crate::iteration::Iteration;
use crate::parameters::Deposit;
use crate::trail::TAU_MAX;
use crate::walk::desirability_powers;

/// Raised whenever the format changes, or the meaning of anything in it.
const VERSION: u32 = 2;

/// What is read first, to tell a foreign version from a broken file.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Serialize)]
struct SavedRef<'a> {
    version: u32,
    colony: &'a Colony,
}

#[derive(Deserialize)]
struct Saved {
    colony: Colony,
}

impl Colony {
    /// The whole colony as JSON: trails, cache, history, best subset and the open iteration.
    ///
    /// # Errors
    ///
    /// [`ColonyError::State`] if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, ColonyError> {
        let saved = SavedRef {
            version: VERSION,
            colony: self,
        };
        serde_json::to_string(&saved).map_err(|error| ColonyError::State(error.to_string()))
    }

    /// The colony that [`to_json`](Self::to_json) saved; it goes on exactly as that one would have.
    ///
    /// # Errors
    ///
    /// [`ColonyError::State`] if `text` is not such a colony, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, ColonyError> {
        let unreadable = |error: serde_json::Error| ColonyError::State(error.to_string());
        let header: Header = serde_json::from_str(text).map_err(unreadable)?;
        if header.version != VERSION {
            let found = header.version;
            return Err(ColonyError::State(format!(
                "it has version {found} where {VERSION} is read"
            )));
        }
        let Saved { mut colony } = serde_json::from_str(text).map_err(unreadable)?;
        colony.check()?;
        colony.desirability_powers =
            desirability_powers(&colony.desirability, colony.parameters.beta);
        Ok(colony)
    }

    /// Checks what the types do not say, so that no later call can fail on a restored colony.
    fn check(&self) -> Result<(), ColonyError> {
        self.parameters.check(self.n_features())?;
        check_values("desirability", &self.desirability)?;
        let parts = [
            ("its pheromone", self.has_sound_trails()),
            ("its known scores", self.has_sound_cache()),
            ("its best subset", self.has_sound_best()),
            ("its history", self.has_sound_history()),
            ("its open iteration", self.has_sound_open()),
            ("its credited subsets", self.has_sound_credited()),
        ];
        match parts.iter().find(|(_, is_sound)| !is_sound) {
            None => Ok(()),
            Some((part, _)) => {
                let problem = format!("{part} cannot be that of such a colony");
                Err(ColonyError::State(problem))
            }
        }
    }

    fn has_sound_trails(&self) -> bool {
        let n_features = self.n_features();
        let tau_min = self.parameters.tau_min;
        let tau_max = match self.parameters.deposit {
            Deposit::Best => TAU_MAX,
            // As many values as a subset has average 1, or a rounding more.
            Deposit::Credit => n_features as f64 + 1.0,
        };
        self.pheromone().len() == n_features
            && self.size_pheromone().len() == self.sizes().len()
            && self.pheromone.is_bounded(tau_min, tau_max)
            && self.size_pheromone.is_bounded(tau_min, TAU_MAX)
    }

    fn has_sound_cache(&self) -> bool {
        let mut known = self.cache.iter();
        known.all(|(subset, score)| subset.fits(self.n_features()) && score.is_finite())
    }

    /// Whether it is the best of the known subsets of an allowed size.
    fn has_sound_best(&self) -> bool {
        let mut allowed = self.cache.iter().filter(|known| self.allows(known.0.len()));
        let Some(best) = &self.best else {
            return allowed.next().is_none();
        };
        self.allows(best.size)
            && best.subset.len() == best.size
            && self.cache.get(&best.subset) == Some(best.score)
            && self
                .fitness(best.score, best.size)
                .total_cmp(&best.fitness)
                .is_eq()
            && allowed.all(|(subset, score)| self.fitness(score, subset.len()) <= best.fitness)
            && best.iteration <= self.iteration()
            && best.ant < self.ants_of(best.iteration)
    }

    fn has_sound_history(&self) -> bool {
        let rows = self.history.iter().enumerate();
        let evaluations: usize = self.history.iter().map(|row| row.evaluations).sum();
        let open = self.open.as_ref().map_or(0, |open| open.evaluations);
        evaluations + open == self.evaluations()
            && rows.into_iter().all(|(number, row)| {
                let scored = row.evaluations + row.cache_hits;
                row.iteration == number
                    && row.n_ants == self.ants_of(number)
                    && scored <= row.n_ants
                    && row.credited <= scored
                    && row.complete == (scored == row.n_ants)
            })
    }

    fn has_sound_open(&self) -> bool {
        self.open.iter().all(|open| {
            let ants = self.ants_of(self.iteration());
            let has_ants = [open.subsets.len(), open.scores.len(), open.credits.len()] == [ants; 3];
            has_ants
                && (0..ants).all(|ant| self.has_sound_ant(open, ant))
                && open.evaluations <= open.scores.iter().flatten().count()
        })
    }

    fn has_sound_ant(&self, open: &Iteration, ant: usize) -> bool {
        let subset = &open.subsets[ant];
        let has_credit = match &open.credits[ant] {
            None => true,
            Some(credit) => {
                self.parameters.deposit == Deposit::Credit
                    && open.scores[ant].is_some()
                    && credit.len() == subset.len()
                    && credit.iter().all(|value| value.is_finite())
            }
        };
        subset.fits(self.n_features()) && open.scores[ant] == self.cache.get(subset) && has_credit
    }

    fn has_sound_credited(&self) -> bool {
        let is_known = |subset| self.cache.get(subset).is_some();
        self.credited.iter().all(is_known)
            && (self.credited.is_empty() || self.parameters.deposit == Deposit::Credit)
    }
}
