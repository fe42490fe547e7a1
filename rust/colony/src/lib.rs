//! Ant colony for feature subset selection, without Python.
//!
//! A node-based Ant Colony System (Dorigo & Gambardella 1997) whose pheromone is held above a bound
//! as in the MAX–MIN Ant System (Stützle & Hoos 2000). Each ant builds one subset of the features;
//! the caller judges it; what it says moves the pheromone. There are two rules for that:
//!
//! - [`Deposit::Best`], for any judge: the best subset so far is reinforced.
//! - [`Deposit::Credit`], for a judge that also says how much each feature of a subset earned: every
//!   ant shares its path's pheromone out by its features' credit.
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
//! The same by credit, three features exactly: the ants need not be told which subset is good, only
//! which of its features are.
//!
//! ```
//! use fer_fast_colony::{Colony, Deposit, Judgement, Parameters};
//!
//! let parameters = Parameters {
//!     min_features: 3,
//!     max_features: Some(3),
//!     ..Parameters::for_deposit(Deposit::Credit)
//! };
//! let mut colony = Colony::new(&[1.0; 40], parameters)?;
//! for _ in 0..20 {
//!     let judge = |feature: u32| f64::from(u8::from([7, 8, 30].contains(&feature)));
//!     let judgements: Vec<_> = colony
//!         .ask()
//!         .iter()
//!         .map(|subset| {
//!             let credit: Vec<f64> = subset.features().map(judge).collect();
//!             Some(Judgement { score: credit.iter().sum(), credit: Some(credit) })
//!         })
//!         .collect();
//!     colony.tell(&judgements)?;
//! }
//! let answer = colony.answer().expect("every ant was scored");
//! assert_eq!(answer.features().collect::<Vec<_>>(), [7, 8, 30]);
//! # Ok::<(), fer_fast_colony::ColonyError>(())
//! ```
//!
//! One module, one rule; each uses only modules above it:
//!
//! | module | what it decides |
//! | --- | --- |
//! | `error` | what a caller can get wrong |
//! | `subset` | a set of features |
//! | `walk` | how an ant chooses its features |
//! | `parameters` | the parameters, their defaults and their ranges |
//! | `sizes` | the sizes a subset may have, and how many ants walk |
//! | `trail` | evaporation, deposit, bounds, local update |
//! | `cache` | scores of subsets seen before |
//! | `best` | when a subset is better than another |
//! | `iteration` | the subsets of one iteration and what is known of them |
//! | `colony` | the loop: ask, record, close |
//! | `state` | saving and restoring all of it |

mod best;
mod cache;
mod colony;
mod error;
mod iteration;
mod parameters;
mod sizes;
mod state;
mod subset;
mod trail;
mod walk;

pub use best::Best;
pub use colony::Colony;
pub use error::ColonyError;
pub use iteration::{IterationSummary, Judgement};
pub use parameters::{Deposit, INTEGER_RANGES, Parameters, REAL_RANGES, Range, Sizes};
pub use subset::Subset;
