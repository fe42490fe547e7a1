//! When a subset is better than another.

use serde::{Deserialize, Serialize};

use crate::subset::Subset;

/// The best subset so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl Best {
    /// Whether it is fitter, or as fit and built earlier.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        let is_earlier = (self.iteration, self.ant) < (other.iteration, other.ant);
        self.fitness > other.fitness || (self.fitness >= other.fitness && is_earlier)
    }
}
