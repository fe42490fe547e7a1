//! Histogram random forest over pre-binned columns, without Python.
//!
//! Made for wrapper feature selection, where a forest is grown to be scored once on known rows and
//! thrown away: columns are binned once and shared by all forests, a subset of the columns is never
//! copied, trees are stored only if asked for, and otherwise no branch is grown that no scored row
//! reaches.
//!
//! ```
//! use fer_fast_forest::{
//!     BinParams, Binning, ForestParams, Matrix, Plan, Scored, TrainingRows, Workers, evaluate, fit,
//! };
//!
//! let workers = Workers::new(2);
//! // Column 0 tells the classes apart, column 1 does not.
//! let rows = [0.1, 5.0, 0.2, 3.0, 0.3, 4.0, 0.7, 4.0, 0.8, 5.0, 0.9, 3.0];
//! let binned = Binning::learn(Matrix::new(&rows, 2)?, &BinParams::default(), workers)?;
//! let rows = TrainingRows::new(binned, vec![0, 0, 0, 1, 1, 1], 2)?;
//! let others = Matrix::new(&[0.0, 4.0, 1.0, 4.0], 2)?;
//!
//! // Grown for the votes alone ...
//! let scored = rows.binning().apply(others, workers)?;
//! let params = ForestParams { n_trees: 20, ..ForestParams::default() };
//! let scored = Scored::Rows(&scored);
//! let plan = Plan { rows: &rows, subset: &[0], scored, params: &params, seed: 0 };
//! assert_eq!(evaluate(&plan, None, workers)?.probabilities, [1.0, 0.0, 0.0, 1.0]);
//!
//! // ... or kept.
//! let forest = fit(&Plan { scored: Scored::Nothing, ..plan }, None, workers)?;
//! let others = Matrix::new(&[0.0, 1.0], 1)?;
//! assert_eq!(forest.trees.probabilities(others, workers)?, [1.0, 0.0, 0.0, 1.0]);
//! assert_eq!(forest.importances, [1.0]);
//! # Ok::<(), fer_fast_forest::Error>(())
//! ```
//!
//! One module, one rule; each uses only modules above it:
//!
//! | module | what it decides |
//! | --- | --- |
//! | `error` | why a forest cannot be grown |
//! | `random`, `parallel`, `machine` | streams of random numbers, threads, instructions |
//! | `matrix`, `params`, `column`, `binning`, `bins` | how a column is cut into bins |
//! | `entry`, `sampling`, `rows` | how a training row is kept and drawn |
//! | `plan`, `layout` | what is to be grown, and its cells as growing trees read them |
//! | `purity`, `weights`, `split` | the best cut of a node by a column, and what its rows weigh |
//! | `draw` | the rows of a tree, the columns of a node |
//! | `votes`, `credit` | what leaves say of rows, and cuts of columns |
//! | `tree`, `sketch` | a tree that is kept, while it grows and after |
//! | `node`, `tree_weights`, `record`, `grow` | a tree from its root to its leaves, and what it leaves behind |
//! | `ensemble` | all trees, and the threads that share them |

mod binning;
mod bins;
mod column;
mod credit;
mod draw;
mod ensemble;
mod entry;
mod error;
mod grow;
mod layout;
mod machine;
mod matrix;
mod node;
mod parallel;
mod params;
mod plan;
mod purity;
mod random;
mod record;
mod rows;
mod sampling;
mod sketch;
mod split;
mod tree;
mod tree_weights;
mod votes;
mod weights;

pub use binning::{Binning, Cells};
pub use bins::MAX_BINS;
pub use credit::Residual;
pub use ensemble::{Evaluation, Forest, evaluate, fit};
pub use entry::MAX_CLASSES;
pub use error::Error;
pub use matrix::Matrix;
pub use parallel::Workers;
pub use params::{BinParams, ClassWeights, ForestParams};
pub use plan::{Plan, Scored};
pub use rows::TrainingRows;
pub use tree::{TreeParts, Trees};
