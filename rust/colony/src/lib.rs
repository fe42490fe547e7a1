//! Ant Colony System for feature subset selection, without Python.
//!
//! A node-based Ant Colony System (Dorigo & Gambardella 1997) whose pheromone is held between
//! bounds as in the MAX–MIN Ant System (Stützle & Hoos 2000). Each ant builds one subset of the
//! features; the caller scores it; the best subset so far is reinforced.
//!
//! ```
//! use fer_fast_colony::{Colony, Parameters, Subset};
//!
//! // Features 0 and 3 look useful; a subset scores one point for each of the two that it holds.
//! let desirability = [1.0, 0.1, 0.1, 0.9, 0.1];
//! let parameters = Parameters { n_ants: 8, ..Parameters::default() };
//! let mut colony = Colony::new(&desirability, parameters)?;
//! for _ in 0..10 {
//!     let score = |subset: &Subset| [0, 3].iter().filter(|&&j| subset.contains(j)).count() as f64;
//!     let scores: Vec<_> = colony.ask().iter().map(|subset| Some(score(subset))).collect();
//!     colony.tell(&scores)?;
//! }
//! let best = colony.best().expect("every ant was scored");
//! assert_eq!(best.subset.features().collect::<Vec<_>>(), [0, 3]);
//! # Ok::<(), fer_fast_colony::ColonyError>(())
//! ```
//!
//! One module, one rule:
//!
//! | module | what it decides |
//! | --- | --- |
//! | [`rng`] | the random stream of an ant |
//! | [`weight`] | how τ and η become a weight |
//! | [`greedy`] | which feature is the best one left |
//! | [`pool`] | drawing a feature in proportion to its weight, without replacement |
//! | [`transition`] | when an ant is greedy and when it draws |
//! | [`trail`] | evaporation, deposit, bounds, local update |
//! | [`sizes`] | the sizes a subset may have |
//! | [`cache`] | scores of subsets seen before |
//! | [`colony`] | the loop: ask, tell |
//! | [`state`] | saving and restoring all of it |

pub mod cache;
pub mod colony;
pub mod error;
pub mod greedy;
pub mod parameters;
pub mod pool;
pub mod rng;
pub mod sizes;
pub mod state;
pub mod subset;
pub mod trail;
pub mod transition;
pub mod weight;

pub use colony::{Best, Colony, IterationSummary};
pub use error::ColonyError;
pub use parameters::Parameters;
pub use subset::Subset;
