//! Histogram random forest over pre-binned columns, without Python.
//!
//! Made for wrapper feature selection, where a forest is grown to be scored once on known rows and
//! thrown away: columns are binned once and shared by all forests, a subset of the columns is never
//! copied, trees are never stored, and no branch is grown that no scored row reaches.
//!
//! ```
//! use fer_fast_forest::{Binning, ForestParams, Matrix, Plan, TrainingRows, Workers, evaluate};
//!
//! // Column 0 tells the classes apart, column 1 does not.
//! let rows = [0.1, 5.0, 0.2, 3.0, 0.3, 4.0, 0.7, 4.0, 0.8, 5.0, 0.9, 3.0];
//! let binned = Binning::learn(Matrix::new(&rows, 2)?, 1)?;
//! let rows = TrainingRows::new(binned, vec![0, 0, 0, 1, 1, 1], 2)?;
//! let scored = rows.binning().apply(Matrix::new(&[0.0, 4.0, 1.0, 4.0], 2)?, 1)?;
//!
//! let params = ForestParams {
//!     n_trees: 20,
//!     max_depth: None,
//!     min_samples_leaf: 1,
//!     bootstrap: None,
//!     class_weights: None,
//! };
//! let plan = Plan { rows: &rows, subset: &[0], scored: Some(&scored), params: &params, seed: 0 };
//! let workers = Workers { threads: 2, stop: &|| false };
//! let evaluation = evaluate(&plan, None, workers)?;
//! assert_eq!(evaluation.probabilities, [1.0, 0.0, 0.0, 1.0]);
//! # Ok::<(), fer_fast_forest::Error>(())
//! ```
//!
//! One module, one rule; each uses only modules above it:
//!
//! | module | what it decides |
//! | --- | --- |
//! | `error` | why a forest cannot be grown |
//! | `random`, `parallel`, `machine` | streams of random numbers, threads, instructions |
//! | `matrix`, `binning`, `bins` | how a column is cut into bins |
//! | `entry`, `rows` | how a training row is kept |
//! | `params`, `plan` | what is to be grown |
//! | `purity`, `split` | the best cut of a node by a column |
//! | `draw` | the rows of a tree, the columns of a node |
//! | `votes`, `credit` | what leaves say of rows, and cuts of columns |
//! | `node`, `grow` | a tree from its root to its leaves |
//! | `ensemble` | all trees, and the threads that share them |

mod binning;
mod bins;
mod credit;
mod draw;
mod ensemble;
mod entry;
mod error;
mod grow;
mod machine;
mod matrix;
mod node;
mod parallel;
mod params;
mod plan;
mod purity;
mod random;
mod rows;
mod split;
mod votes;

pub use binning::{Binning, Cells};
pub use bins::MAX_BINS;
pub use credit::Residual;
pub use ensemble::{Evaluation, evaluate};
pub use entry::MAX_CLASSES;
pub use error::Error;
pub use matrix::Matrix;
pub use parallel::Workers;
pub use params::ForestParams;
pub use plan::Plan;
pub use rows::TrainingRows;
