//! Saving a colony and restoring it, so that it goes on exactly where it stopped.

use serde::{Deserialize, Serialize};

use crate::colony::{Colony, check_desirability};
use crate::error::ColonyError;
use crate::weight::desirability_powers;

/// Raised whenever the format changes, or the meaning of anything in it.
const VERSION: u32 = 1;

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
        let n_features = self.n_features();
        self.parameters.check(n_features)?;
        check_desirability(&self.desirability)?;
        let tau_min = self.parameters.tau_min;
        let has_trail = self.pheromone().len() == n_features
            && self.size_pheromone().len() == self.sizes().len()
            && self.pheromone.is_bounded(tau_min)
            && self.size_pheromone.is_bounded(tau_min);
        let has_best = self.best.iter().all(|best| {
            best.subset.fits(n_features) && best.subset.len() == best.size && best.score.is_finite()
        });
        let n_ants = self.parameters.n_ants;
        let has_open = self.open.iter().all(|open| {
            open.subsets.len() == n_ants
                && open.scores.len() == n_ants
                && open.subsets.iter().all(|subset| subset.fits(n_features))
                && open.scores.iter().flatten().all(|score| score.is_finite())
                && open.evaluations <= open.scores.iter().flatten().count()
        });
        if has_trail && has_best && has_open && self.cache.is_sound(n_features) {
            Ok(())
        } else {
            Err(ColonyError::State("its parts contradict each other".into()))
        }
    }
}
