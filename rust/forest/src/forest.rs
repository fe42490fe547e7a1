//! A forest: its parameters, its rows, its votes.

use std::sync::{Mutex, PoisonError};

use crate::binning::{Binning, Cells};
use crate::grow::{Grower, Votes};
use crate::parallel::in_parallel;
use crate::split::Entry;
use crate::{Error, MAX_CLASSES};

/// Trees grown together at most: a column, once in the cache, serves all their nodes that drew it.
const MAX_TREES_TOGETHER: usize = 45;

/// Rows that trees grown together have at most, unless it is one tree alone: 32 MiB of entries.
const MAX_ROWS_TOGETHER: usize = 1 << 23;

/// Trees of a forest at most; sixteen times as many could overflow a vote.
const MAX_TREES: usize = 1 << 20;

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
            let kind = "training";
            return Err(Error::TooManyRows { kind, rows, limit });
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
    /// on neither `threads` nor timing. `stop` is asked from every thread, before each tree and each
    /// column: every few milliseconds where there are tens of thousands of rows.
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
        let n_rows = self.cells.n_rows();
        let n_scored = scored.map_or(n_rows, Cells::n_rows);
        self.check(subset, n_scored, params)?;
        let threads = threads.max(1);
        let rows_of_a_tree = n_rows.max(n_scored).max(params.bootstrap.unwrap_or(0));
        let together = trees_together(params.n_trees.div_ceil(threads), rows_of_a_tree);
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

    fn check(&self, subset: &[usize], n_scored: usize, params: &ForestParams) -> Result<(), Error> {
        let limit = u32::MAX as usize;
        if n_scored > limit {
            let (kind, rows) = ("scored", n_scored);
            return Err(Error::TooManyRows { kind, rows, limit });
        }
        let columns = self.binning.n_columns();
        if subset.is_empty() || subset.iter().any(|&column| column >= columns) {
            return Err(Error::Subset { columns });
        }
        let weights = params.class_weights.as_deref();
        let is_weight = |&weight: &f64| weight > 0.0 && weight.is_finite();
        let wrong = if params.n_trees == 0 {
            "a forest needs at least 1 tree"
        } else if params.n_trees > MAX_TREES {
            "a forest may have at most 2^20 trees"
        } else if params.min_samples_leaf == 0 {
            "a leaf needs at least 1 row"
        } else if params.bootstrap == Some(0) {
            "a tree needs at least 1 row"
        } else if params.bootstrap.is_some_and(|draws| draws > limit) {
            "a tree may draw at most 2^32 - 1 rows"
        } else if weights.is_some_and(|weights| weights.len() != self.n_classes) {
            "there must be one weight a class"
        } else if !weights.is_none_or(|weights| weights.iter().all(is_weight)) {
            "class weights must be positive and finite"
        } else {
            return Ok(());
        };
        Err(Error::Parameter(wrong))
    }
}

/// How many of the trees that a thread grows it grows together.
fn trees_together(trees: usize, rows_of_a_tree: usize) -> usize {
    let most = MAX_TREES_TOGETHER.min(MAX_ROWS_TOGETHER / rows_of_a_tree);
    trees.min(most).max(1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binning::Rows;
    use crate::random::Stream;

    const ROWS: usize = 80;
    const COLUMNS: usize = 12;

    fn training_rows(seed: u64, n_classes: usize) -> TrainingRows {
        let mut stream = Stream::new(seed);
        let values: Vec<f32> = (0..ROWS * COLUMNS)
            .map(|_| stream.below(9).saturating_sub(4) as f32)
            .collect();
        let labels = (0..ROWS).map(|_| stream.below(n_classes) as u8).collect();
        let rows = Rows::new(&values, COLUMNS).expect("whole rows");
        let binned = Binning::learn(rows, 1).expect("finite values");
        TrainingRows::new(binned, labels, n_classes).expect("a label a row")
    }

    fn params() -> ForestParams {
        ForestParams {
            n_trees: 1,
            max_depth: None,
            min_samples_leaf: 1,
            bootstrap: Some(ROWS),
            class_weights: None,
            seed: 0,
        }
    }

    fn never() -> bool {
        false
    }

    const SUBSET: [usize; 4] = [1, 4, 6, 11];

    #[test]
    fn bootstrap_weights_add_up_to_the_draws() {
        let rows = training_rows(1, 5);
        for draws in [1, 17, ROWS, 5_000] {
            // A tree of one leaf votes its class shares: whole numbers of draws, together all.
            let params = ForestParams {
                max_depth: Some(0),
                bootstrap: Some(draws),
                ..params()
            };
            let shares = rows
                .probabilities(&SUBSET, Some(&rows.cells), &params, 1, &never)
                .expect("a forest");
            let counts: Vec<f64> = shares[..5]
                .iter()
                .map(|share| share * draws as f64)
                .collect();
            assert!(
                counts
                    .iter()
                    .all(|count| (count - count.round()).abs() < 1e-6)
            );
            assert!((counts.iter().sum::<f64>() - draws as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn out_of_bag_scores_exactly_the_rows_not_drawn() {
        let rows = training_rows(2, 3);
        let shares = rows
            .probabilities(&SUBSET, None, &params(), 1, &never)
            .expect("a forest");
        let scored = shares.chunks(3).filter(|share| !share[0].is_nan()).count();
        // 80 draws of 80 rows leave out 29.3 on average.
        assert!((15..45).contains(&scored));
        let everything = ForestParams {
            bootstrap: None,
            ..params()
        };
        let shares = rows
            .probabilities(&SUBSET, None, &everything, 1, &never)
            .expect("a forest");
        assert!(shares.iter().all(|share| share.is_nan()));
    }

    #[test]
    fn class_weights_work_like_repeated_rows() {
        let rows = training_rows(3, 2);
        let once = ForestParams {
            max_depth: Some(0),
            bootstrap: None,
            ..params()
        };
        let twice = ForestParams {
            class_weights: Some(vec![1.0, 2.0]),
            ..once.clone()
        };
        let root = |params| {
            rows.probabilities(&SUBSET, Some(&rows.cells), params, 1, &never)
                .expect("a forest")[1]
        };
        let (plain, weighted) = (root(&once), root(&twice));
        assert!((weighted - 2.0 * plain / (1.0 + plain)).abs() < 1e-9);
    }

    #[test]
    fn trees_grown_together_are_bounded_by_their_rows() {
        assert_eq!(trees_together(90, 50_000), MAX_TREES_TOGETHER);
        assert_eq!(trees_together(30, 50_000), 30);
        assert_eq!(trees_together(90, MAX_ROWS_TOGETHER / 10), 10);
        assert_eq!(trees_together(90, usize::MAX), 1);
    }

    #[test]
    fn a_stop_is_an_error_from_any_thread() {
        let rows = training_rows(4, 3);
        let params = ForestParams {
            n_trees: 100,
            ..params()
        };
        for threads in [1, 3] {
            let stopped = rows.probabilities(&SUBSET, None, &params, threads, &|| true);
            assert_eq!(stopped, Err(Error::Stopped));
        }
    }

    #[test]
    fn what_cannot_be_grown_is_refused() {
        let rows = training_rows(5, 3);
        let refusal = |subset: &[usize], params: ForestParams| {
            rows.probabilities(subset, None, &params, 1, &never).err()
        };
        let columns = COLUMNS;
        assert_eq!(refusal(&[], params()), Some(Error::Subset { columns }));
        assert_eq!(refusal(&[12], params()), Some(Error::Subset { columns }));
        for wrong in [
            ForestParams {
                n_trees: 0,
                ..params()
            },
            ForestParams {
                min_samples_leaf: 0,
                ..params()
            },
            ForestParams {
                bootstrap: Some(0),
                ..params()
            },
            ForestParams {
                n_trees: MAX_TREES + 1,
                ..params()
            },
            ForestParams {
                bootstrap: Some(1 << 32),
                ..params()
            },
            ForestParams {
                class_weights: Some(vec![1.0]),
                ..params()
            },
            ForestParams {
                class_weights: Some(vec![1.0, f64::INFINITY, 1.0]),
                ..params()
            },
            ForestParams {
                class_weights: Some(vec![1.0, f64::NAN, 1.0]),
                ..params()
            },
        ] {
            assert!(matches!(refusal(&SUBSET, wrong), Some(Error::Parameter(_))));
        }
        let (kind, limit) = ("scored", u32::MAX as usize);
        assert_eq!(
            rows.check(&SUBSET, limit + 1, &params()),
            Err(Error::TooManyRows {
                kind,
                rows: limit + 1,
                limit
            })
        );
        let binned = || {
            let rows = Rows::new(&[1.0, 2.0], 1).expect("one column");
            Binning::learn(rows, 1).expect("finite values")
        };
        let labels = TrainingRows::new(binned(), vec![0], 2).err();
        assert_eq!(labels, Some(Error::Labels { labels: 1, rows: 2 }));
        let classes = TrainingRows::new(binned(), vec![0, 2], 2).err();
        assert_eq!(classes, Some(Error::Classes { n_classes: 2 }));
    }
}
