//! A forest: its parameters, its rows, its votes.

use std::sync::{Mutex, PoisonError};

use crate::binning::{Binning, Cells};
use crate::grow::{Grower, Votes};
use crate::parallel::in_parallel;
use crate::split::Entry;
use crate::{Error, MAX_CLASSES};

/// Trees grown together at most: a column, once in the cache, serves all their nodes that drew it.
const MAX_TREES_TOGETHER: usize = 45;

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
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// What a forest learns from.
pub struct TrainingRows {
    pub(crate) binning: Binning,
    pub(crate) cells: Cells,
    pub(crate) labels: Vec<u8>,
    n_classes: usize,
}

impl TrainingRows {
    /// Put binned rows and their labels together.
    ///
    /// # Errors
    /// If a row has no label or more than one, or a label is not below `n_classes`.
    pub fn new(
        (binning, cells): (Binning, Cells),
        labels: Vec<u8>,
        n_classes: usize,
    ) -> Result<Self, Error> {
        let rows = cells.n_rows();
        if labels.len() != rows {
            return Err(Error::Labels {
                labels: labels.len(),
                rows,
            });
        }
        let known = labels.iter().all(|&label| usize::from(label) < n_classes);
        if n_classes > MAX_CLASSES || !known {
            return Err(Error::Classes { n_classes });
        }
        let limit = match lanes(n_classes) {
            8 => Entry::max_rows::<8>(),
            32 => Entry::max_rows::<32>(),
            _ => Entry::max_rows::<MAX_CLASSES>(),
        };
        if rows > limit {
            return Err(Error::TooManyRows { rows, limit });
        }
        Ok(Self {
            binning,
            cells,
            labels,
            n_classes,
        })
    }

    /// How the columns are cut.
    #[must_use]
    pub fn binning(&self) -> &Binning {
        &self.binning
    }

    /// How many classes there are.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.cells.bytes() + self.binning.bytes() + self.labels.len()
    }

    /// Grow a forest on the columns `subset` and return the class probabilities of the rows
    /// `scored`, or out of bag of the training rows, row after row; NaN where no tree voted.
    ///
    /// A probability is the mean over the trees of the class shares in the leaf that the row
    /// reaches. The result depends on the position of a column in `subset`, not on its number, and
    /// on neither `threads` nor timing. `stop` is asked from every thread, at least every few
    /// milliseconds.
    ///
    /// # Errors
    /// If a parameter or the subset is out of range, or `stop` says so.
    pub fn probabilities(
        &self,
        subset: &[usize],
        scored: Option<&Cells>,
        params: &ForestParams,
        threads: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<f64>, Error> {
        self.check(subset, params)?;
        let threads = threads.max(1);
        let together = params.n_trees.div_ceil(threads).min(MAX_TREES_TOGETHER);
        let batches = (0..params.n_trees)
            .step_by(together)
            .map(|first| first..params.n_trees.min(first + together))
            .collect();
        let total = Mutex::new(Votes::new());
        let done = in_parallel(batches, threads, |trees| {
            let votes = match lanes(self.n_classes) {
                8 => Grower::<8>::new(self, subset, scored, params, stop).votes(trees),
                32 => Grower::<32>::new(self, subset, scored, params, stop).votes(trees),
                _ => Grower::<MAX_CLASSES>::new(self, subset, scored, params, stop).votes(trees),
            }?;
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.resize(votes.len(), 0);
            for (total, votes) in total.iter_mut().zip(votes) {
                *total += votes;
            }
            Ok(())
        });
        done.into_iter().collect::<Result<(), Error>>()?;
        let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(shares(&total, self.n_classes))
    }

    fn check(&self, subset: &[usize], params: &ForestParams) -> Result<(), Error> {
        let columns = self.binning.n_columns();
        if subset.is_empty() || subset.iter().any(|&column| column >= columns) {
            return Err(Error::Subset { columns });
        }
        let weights = params.class_weights.as_deref();
        let wrong = if params.n_trees == 0 {
            "a forest needs at least 1 tree"
        } else if params.min_samples_leaf == 0 {
            "a leaf needs at least 1 row"
        } else if params.bootstrap == Some(0) {
            "a tree needs at least 1 row"
        } else if weights.is_some_and(|weights| weights.len() != self.n_classes) {
            "there must be one weight a class"
        } else if !weights.is_none_or(|weights| weights.iter().all(|&weight| weight > 0.0)) {
            "class weights must be positive"
        } else {
            return Ok(());
        };
        Err(Error::Parameter(wrong))
    }
}

/// Class counts are kept in arrays of one of three sizes, so that the compiler knows their length.
fn lanes(n_classes: usize) -> usize {
    match n_classes {
        0..=8 => 8,
        9..=32 => 32,
        _ => MAX_CLASSES,
    }
}

fn shares(votes: &[u64], n_classes: usize) -> Vec<f64> {
    votes
        .chunks_exact(n_classes)
        .flat_map(|votes| {
            let total = votes.iter().sum::<u64>() as f64;
            votes.iter().map(move |&vote| vote as f64 / total)
        })
        .collect()
}
