//! The parameters of a colony: their only defaults and their only ranges.

use serde::{Deserialize, Serialize};

use crate::error::ColonyError;
use crate::walk::MAX_FEATURES;

/// What an iteration's end deposits, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deposit {
    /// The best subset so far is reinforced (Ant Colony System): for any judge.
    #[default]
    Best,
    /// Every ant shares its path's pheromone out by the credit of its features.
    Credit,
}

/// Where the sizes of the subsets come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizes {
    /// Drawn by a trail of their own, between the least and the largest.
    #[default]
    Learned,
    /// First all features, half of them, a quarter and so on, while that is more than the largest
    /// size; then as learned.
    Annealed,
}

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
    /// Lower bound of the pheromone.
    pub tau_min: f64,
    /// Share φ of the score in the fitness; the rest rewards small subsets.
    pub phi: f64,
    /// What an iteration's end deposits, and where.
    pub deposit: Deposit,
    /// Where the sizes of the subsets come from.
    pub sizes: Sizes,
    /// Size of the smallest subset.
    pub min_features: usize,
    /// Size of the largest subset; `None` stands for all features.
    pub max_features: Option<usize>,
    /// Seed of every random stream.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self::for_deposit(Deposit::default())
    }
}

/// What values a parameter may have; both ends are among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range<T> {
    /// The parameter's name.
    pub name: &'static str,
    /// The least value.
    pub low: T,
    /// The greatest value.
    pub high: T,
}

/// More ants than anyone scores, and few enough for memory.
const N_ANTS: Range<u64> = range("n_ants", 1, 1 << 20);
/// Of these two the number of features is a bound as well.
const SMALLEST: Range<u64> = range("min_features", 1, MAX_FEATURES as u64);
const LARGEST: Range<u64> = range("max_features", 1, MAX_FEATURES as u64);
const SEED: Range<u64> = range("seed", 0, u64::MAX);
const ALPHA: Range<f64> = range("alpha", 0.0, 1e6);
const BETA: Range<f64> = range("beta", 0.0, 1e6);
const Q0: Range<f64> = range("q0", 0.0, 1.0);
const RHO: Range<f64> = range("rho", 0.0, 1.0);
const XI: Range<f64> = range("xi", 0.0, 1.0);
/// Weights have 40 fractional bits, to which all bounds below this are one.
const TAU_MIN: Range<f64> = range("tau_min", 1e-12, 1.0);
const PHI: Range<f64> = range("phi", 0.0, 1.0);

/// The ranges of the parameters that are integers.
pub const INTEGER_RANGES: [Range<u64>; 4] = [N_ANTS, SMALLEST, LARGEST, SEED];

/// The ranges of the parameters that are real numbers.
pub const REAL_RANGES: [Range<f64>; 7] = [ALPHA, BETA, Q0, RHO, XI, TAU_MIN, PHI];

impl Parameters {
    /// The defaults, of which the local update and the bound depend on the deposit.
    ///
    /// Where ants deposit credit, wear would take from a feature what it has earned, and a bound
    /// as high as 0.05 would leave most draws to features that earn nothing.
    #[must_use]
    pub const fn for_deposit(deposit: Deposit) -> Self {
        let (xi, tau_min) = match deposit {
            Deposit::Best => (0.2, 0.05),
            Deposit::Credit => (0.0, 0.01),
        };
        Self {
            n_ants: 20,
            alpha: 1.1,
            beta: 1.5,
            q0: 0.9,
            rho: 0.2,
            xi,
            tau_min,
            phi: 0.99,
            deposit,
            sizes: Sizes::Learned,
            min_features: 1,
            max_features: None,
            seed: 0,
        }
    }

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
        let n_features = n_features as u64;
        range("n_features", 1, MAX_FEATURES as u64).check(n_features)?;
        N_ANTS.check(self.n_ants as u64)?;
        let reals = [
            (ALPHA, self.alpha),
            (BETA, self.beta),
            (Q0, self.q0),
            (RHO, self.rho),
            (XI, self.xi),
            (TAU_MIN, self.tau_min),
            (PHI, self.phi),
        ];
        for (range, value) in reals {
            range.check(value)?;
        }
        let largest = self.max_features.map_or(n_features, |size| size as u64);
        range(LARGEST.name, 1, n_features).check(largest)?;
        range(SMALLEST.name, 1, largest).check(self.min_features as u64)?;
        if self.sizes == Sizes::Annealed && self.deposit != Deposit::Credit {
            return Err(ColonyError::Parameter {
                name: "sizes",
                value: self.sizes.name().into(),
                expected: "only the deposit credit tells the features of a large subset apart"
                    .into(),
            });
        }
        Ok(())
    }
}

impl Deposit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Best, Self::Credit];

    /// Its name: `best` or `credit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Credit => "credit",
        }
    }
}

impl Sizes {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Learned, Self::Annealed];

    /// Its name: `learned` or `annealed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Annealed => "annealed",
        }
    }
}

const fn range<T>(name: &'static str, low: T, high: T) -> Range<T> {
    Range { name, low, high }
}

impl<T: Copy + PartialOrd + ToString> Range<T> {
    fn check(&self, value: T) -> Result<(), ColonyError> {
        if self.low <= value && value <= self.high {
            return Ok(());
        }
        let (low, high) = (self.low.to_string(), self.high.to_string());
        Err(ColonyError::Parameter {
            name: self.name,
            value: value.to_string(),
            expected: format!("it must lie between {low} and {high}"),
        })
    }
}
