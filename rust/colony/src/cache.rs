//! Scores of subsets seen before: equal subsets are never evaluated twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::subset::Subset;

/// The score of every subset that was ever scored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cache {
    scores: BTreeMap<Subset, f64>,
}

impl Cache {
    /// The score of `subset`, if it is known.
    #[must_use]
    pub fn get(&self, subset: &Subset) -> Option<f64> {
        self.scores.get(subset).copied()
    }

    /// Remembers the score of `subset`; the first one stays.
    pub fn insert(&mut self, subset: &Subset, score: f64) {
        self.scores.entry(subset.clone()).or_insert(score);
    }

    /// The number of subsets whose score is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether no score is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Whether every subset fits `n_features` features and every score is finite.
    #[must_use]
    pub(crate) fn is_sound(&self, n_features: usize) -> bool {
        self.scores
            .iter()
            .all(|(subset, score)| subset.fits(n_features) && score.is_finite())
    }
}
