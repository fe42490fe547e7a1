//! The parameters of a colony and their ranges.

use serde::{Deserialize, Serialize};

use crate::error::ColonyError;
use crate::weight::MAX_FEATURES;

/// Subsets that an iteration may build: far more than anyone scores, and few enough for memory.
const MAX_ANTS: usize = 1 << 20;

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
        check_integer("n_ants", self.n_ants, 1, MAX_ANTS)?;
        check_exponent("alpha", self.alpha)?;
        check_exponent("beta", self.beta)?;
        check_share("q0", self.q0)?;
        check_share("rho", self.rho)?;
        check_share("xi", self.xi)?;
        let tau_min = self.tau_min;
        check(tau_min > 0.0 && tau_min <= 1.0, "tau_min", &tau_min, || {
            "it must be above 0 and at most 1".into()
        })?;
        check_share("phi", self.phi)?;
        check_integer("max_features", self.largest(n_features), 1, n_features)?;
        let largest = self.largest(n_features);
        check_integer("min_features", self.min_features, 1, largest)
    }
}

fn check_share(name: &'static str, value: f64) -> Result<(), ColonyError> {
    check((0.0..=1.0).contains(&value), name, &value, || {
        "it must lie between 0 and 1".into()
    })
}

fn check_exponent(name: &'static str, value: f64) -> Result<(), ColonyError> {
    check((0.0..=f64::MAX).contains(&value), name, &value, || {
        "it must be finite and at least 0".into()
    })
}

fn check_integer(
    name: &'static str,
    value: usize,
    low: usize,
    high: usize,
) -> Result<(), ColonyError> {
    check((low..=high).contains(&value), name, &value, || {
        format!("it must lie between {low} and {high}")
    })
}

fn check(
    is_valid: bool,
    name: &'static str,
    value: &impl ToString,
    expected: impl FnOnce() -> String,
) -> Result<(), ColonyError> {
    if is_valid {
        return Ok(());
    }
    Err(ColonyError::Parameter {
        name,
        value: value.to_string(),
        expected: expected(),
    })
}
