//! What a caller can get wrong.

use thiserror::Error;

/// A mistake of the caller: each message says what is wrong, where, and what to do.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ColonyError {
    /// A parameter is outside its range.
    #[error("{name} is {value}: {expected}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// A value of a feature is negative, infinite or not a number.
    #[error("{name}[{feature}] is {value}: every value must be finite and at least 0")]
    Value {
        /// What the values are: `desirability` or `tau0`.
        name: &'static str,
        /// Index of the first offending feature.
        feature: usize,
        /// What was given.
        value: f64,
    },
    /// No feature has a positive value.
    #[error("{name} is 0 for every feature: at least one must be positive")]
    NothingPositive {
        /// What the values are: `desirability` or `tau0`.
        name: &'static str,
    },
    /// There is not one value per feature.
    #[error("{name} has {given} values for {n_features} features: give one per feature")]
    ValueCount {
        /// What the values are.
        name: &'static str,
        /// How many were given.
        given: usize,
        /// How many features the colony has.
        n_features: usize,
    },
    /// Scores were given before any subset was asked for.
    #[error("there is no open iteration to score: call ask first")]
    NothingAsked,
    /// The number of scores differs from the number of ants.
    #[error("{given} scores for {ants} ants: give one score, or none, per ant")]
    ScoreCount {
        /// How many scores were given.
        given: usize,
        /// How many ants the iteration has.
        ants: usize,
    },
    /// A score is infinite or not a number.
    #[error(
        "the score of ant {ant} in iteration {iteration} is {score}: a score must be a finite number"
    )]
    Score {
        /// Index of the ant.
        ant: usize,
        /// Iteration, counted from 0.
        iteration: usize,
        /// What was given.
        score: f64,
    },
    /// A colony that deposits credit was given a score alone.
    #[error(
        "ant {ant} in iteration {iteration} has a score but no credit: this colony deposits \
         credit, so give a number per feature of the ant's subset beside the score"
    )]
    NoCredit {
        /// Index of the ant.
        ant: usize,
        /// Iteration, counted from 0.
        iteration: usize,
    },
    /// There is not one credit per feature of the subset, or one is infinite or not a number.
    #[error(
        "the credit of ant {ant} in iteration {iteration} {problem}: give one finite number per \
         feature of the ant's subset, in ascending order of the features"
    )]
    Credit {
        /// Index of the ant.
        ant: usize,
        /// Iteration, counted from 0.
        iteration: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// An ant's index is not below the number of ants.
    #[error("there is no ant {ant}: the iteration has {ants}")]
    Ant {
        /// What was given.
        ant: usize,
        /// How many ants the iteration has.
        ants: usize,
    },
    /// A saved state cannot be read.
    #[error("the saved colony cannot be restored ({0}): save it again with this version")]
    State(String),
}
