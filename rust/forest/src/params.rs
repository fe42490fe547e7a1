//! How columns are cut and a forest is grown: parameters and their ranges.

use crate::bins::MAX_BINS;
use crate::error::Error;

/// Trees of a forest at most; sixteen times as many could overflow a vote.
const MAX_TREES: usize = 1 << 20;

/// Draws of a tree at most.
const MAX_DRAWS: usize = u32::MAX as usize;

/// How columns are cut.
#[derive(Clone, Debug)]
pub struct BinParams {
    /// Bins of a column, 2 to [`MAX_BINS`]; missing values take one of them.
    pub max_bins: usize,
    /// Whether NaN is a value of its own, or an error.
    pub allow_missing: bool,
}

impl Default for BinParams {
    fn default() -> Self {
        Self {
            max_bins: MAX_BINS,
            allow_missing: false,
        }
    }
}

impl BinParams {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if (2..=MAX_BINS).contains(&self.max_bins) {
            return Ok(());
        }
        Err(Error::Parameter("a column may have 2 to 64 bins"))
    }
}

/// What the rows of a class weigh.
#[derive(Clone, Debug, Default)]
pub enum ClassWeights {
    /// As much as any other.
    #[default]
    Alike,
    /// So much each.
    Given(Vec<f64>),
    /// The inverse of how often their class is among the rows that a tree drew.
    BalancedByTree,
}

/// How a forest is grown; what is not said here is scikit-learn's default.
#[derive(Clone, Debug)]
pub struct ForestParams {
    /// Trees of the forest.
    pub n_trees: usize,
    /// Depth bound of a tree; `None` grows it until its leaves are pure.
    pub max_depth: Option<u32>,
    /// Distinct training rows that a node must have to be cut.
    pub min_samples_split: usize,
    /// Distinct training rows that each side of a cut must keep.
    pub min_samples_leaf: usize,
    /// The share in the weight of a tree's rows that each side of a cut must keep.
    pub min_weight_fraction_leaf: f64,
    /// Columns that a node draws before it settles for what it found; `None` is the square root
    /// of how many there are.
    pub max_features: Option<usize>,
    /// Rows that a tree draws with replacement; `None` gives it every row once.
    pub bootstrap: Option<usize>,
    /// What the rows of a class weigh.
    pub class_weights: ClassWeights,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self {
            n_trees: 100,
            max_depth: None,
            min_samples_split: 2,
            min_samples_leaf: 1,
            min_weight_fraction_leaf: 0.0,
            max_features: None,
            bootstrap: None,
            class_weights: ClassWeights::Alike,
        }
    }
}

impl ForestParams {
    pub(crate) fn check(&self, n_classes: usize) -> Result<(), Error> {
        let is_weight = |&weight: &f64| weight > 0.0 && weight.is_finite();
        let weights = match &self.class_weights {
            ClassWeights::Given(weights) => Some(weights),
            _ => None,
        };
        let wrong = if self.n_trees == 0 {
            "a forest needs at least 1 tree"
        } else if self.n_trees > MAX_TREES {
            "a forest may have at most 2^20 trees"
        } else if self.min_samples_split < 2 {
            "a node needs at least 2 rows to be cut"
        } else if self.min_samples_leaf == 0 {
            "a leaf needs at least 1 row"
        } else if !(0.0..=0.5).contains(&self.min_weight_fraction_leaf) {
            "a side of a cut may have to keep from none to half of the weight"
        } else if self.max_features == Some(0) {
            "a node must draw at least 1 column"
        } else if self.bootstrap == Some(0) {
            "a tree needs at least 1 row"
        } else if self.bootstrap.is_some_and(|draws| draws > MAX_DRAWS) {
            "a tree may draw at most 2^32 - 1 rows"
        } else if weights.is_some_and(|weights| weights.len() != n_classes) {
            "there must be one weight a class"
        } else if !weights.is_none_or(|weights| weights.iter().all(is_weight)) {
            "class weights must be positive and finite"
        } else {
            return Ok(());
        };
        Err(Error::Parameter(wrong))
    }
}
