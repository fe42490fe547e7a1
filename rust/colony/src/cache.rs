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

    /// Every subset whose score is known, and its score.
    pub fn iter(&self) -> impl Iterator<Item = (&Subset, f64)> {
        self.scores.iter().map(|(subset, &score)| (subset, score))
    }
}
