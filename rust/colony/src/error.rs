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
    /// A desirability is negative, infinite or not a number.
    #[error("desirability[{feature}] is {value}: every desirability must be finite and at least 0")]
    Desirability {
        /// Index of the first offending feature.
        feature: usize,
        /// What was given.
        value: f64,
    },
    /// No feature has any desirability.
    #[error("the desirability is 0 for every feature: at least one must be positive")]
    NoDesirability,
    /// Scores were given before any subset was asked for.
    #[error("there is no open iteration to score: call ask first")]
    NothingAsked,
    /// The number of scores differs from the number of ants.
    #[error("{given} scores for {ants} ants: give one score, or none, per ant")]
    ScoreCount {
        /// How many scores were given.
        given: usize,
        /// How many ants the colony has.
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
    /// An ant's index is not below the number of ants.
    #[error("there is no ant {ant}: the colony has {ants}")]
    Ant {
        /// What was given.
        ant: usize,
        /// How many ants the colony has.
        ants: usize,
    },
    /// A saved state cannot be read.
    #[error("the saved colony cannot be restored ({0}): save it again with this version")]
    State(String),
}
