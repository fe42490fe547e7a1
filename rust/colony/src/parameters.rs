//! The parameters of a colony and their ranges.

use serde::{Deserialize, Serialize};

use crate::error::ColonyError;
use crate::weight::MAX_FEATURES;

/// The parameters of a colony.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Subsets built per iteration.
    pub n_ants: usize,
    /// Exponent α of the pheromone in a feature's weight.
    pub alpha: f64,
    /// Exponent β of the desirability in a feature's weight.
    pub beta: f64,
    /// Probability of taking the best feature left rather than drawing one.
    pub q0: f64,
    /// Share ρ of the pheromone that evaporates per iteration.
    pub rho: f64,
    /// Share ξ of the way towards `tau_min` that a feature's pheromone goes when an ant takes it.
    pub xi: f64,
    /// Lower bound of the pheromone; the upper bound is 1.
    pub tau_min: f64,
    /// Share φ of the score in the fitness; the rest rewards small subsets.
    pub phi: f64,
    /// Size of the smallest subset.
    pub min_features: usize,
    /// Size of the largest subset; `None` stands for all features.
    pub max_features: Option<usize>,
    /// Seed of every random stream.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            n_ants: 20,
            alpha: 1.1,
            beta: 1.5,
            q0: 0.9,
            rho: 0.2,
            xi: 0.2,
            tau_min: 0.05,
            phi: 0.99,
            min_features: 1,
            max_features: None,
            seed: 0,
        }
    }
}

impl Parameters {
    /// The largest size of a subset among `n_features` features.
    #[must_use]
    pub fn largest(&self, n_features: usize) -> usize {
        self.max_features.unwrap_or(n_features)
    }

    /// Checks every range, for a colony over `n_features` features.
    ///
    /// # Errors
    ///
    /// [`ColonyError::Parameter`] names the first parameter that is out of range.
    pub fn check(&self, n_features: usize) -> Result<(), ColonyError> {
        check_integer("n_features", n_features, 1, MAX_FEATURES)?;
        check_integer("n_ants", self.n_ants, 1, u32::MAX as usize)?;
        check_real("alpha", self.alpha, 0.0, f64::MAX)?;
        check_real("beta", self.beta, 0.0, f64::MAX)?;
        check_real("q0", self.q0, 0.0, 1.0)?;
        check_real("rho", self.rho, 0.0, 1.0)?;
        check_real("xi", self.xi, 0.0, 1.0)?;
        check_real("tau_min", self.tau_min, f64::MIN_POSITIVE, 1.0)?;
        check_real("phi", self.phi, 0.0, 1.0)?;
        check_integer("max_features", self.largest(n_features), 1, n_features)?;
        let largest = self.largest(n_features);
        check_integer("min_features", self.min_features, 1, largest)
    }
}

fn check_real(name: &'static str, value: f64, low: f64, high: f64) -> Result<(), ColonyError> {
    // A NaN is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let expected = if high == f64::MAX {
        format!("it must be finite and at least {low}")
    } else if low == f64::MIN_POSITIVE {
        format!("it must be above 0 and at most {high}")
    } else {
        format!("it must lie between {low} and {high}")
    };
    Err(ColonyError::Parameter {
        name,
        value: value.to_string(),
        expected,
    })
}

fn check_integer(
    name: &'static str,
    value: usize,
    low: usize,
    high: usize,
) -> Result<(), ColonyError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ColonyError::Parameter {
        name,
        value: value.to_string(),
        expected: format!("it must lie between {low} and {high}"),
    })
}
