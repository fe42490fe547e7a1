//! How a forest is grown: its parameters and their ranges.

use crate::error::Error;

/// Trees of a forest at most; sixteen times as many could overflow a vote.
const MAX_TREES: usize = 1 << 20;

/// Draws of a tree at most.
const MAX_DRAWS: usize = u32::MAX as usize;

/// How a forest is grown; what is not said here is scikit-learn's default.
#[derive(Clone, Debug)]
pub struct ForestParams {
    /// Trees of the forest.
    pub n_trees: usize,
    /// Depth bound of a tree; `None` grows it until its leaves are pure.
    pub max_depth: Option<u32>,
    /// Distinct training rows that each side of a cut must keep.
    pub min_samples_leaf: usize,
    /// Rows that a tree draws with replacement; `None` gives it every row once.
    pub bootstrap: Option<usize>,
    /// The weight of each class's rows; `None` weighs all alike.
    pub class_weights: Option<Vec<f64>>,
}

impl ForestParams {
    /// Whether a forest of `n_classes` can be grown so.
    ///
    /// # Errors
    /// If a parameter is out of range.
    pub(crate) fn check(&self, n_classes: usize) -> Result<(), Error> {
        let weights = self.class_weights.as_deref();
        let is_weight = |&weight: &f64| weight > 0.0 && weight.is_finite();
        let wrong = if self.n_trees == 0 {
            "a forest needs at least 1 tree"
        } else if self.n_trees > MAX_TREES {
            "a forest may have at most 2^20 trees"
        } else if self.min_samples_leaf == 0 {
            "a leaf needs at least 1 row"
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
