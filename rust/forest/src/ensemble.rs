//! A forest: its trees shared by threads, its votes.

use std::sync::{Mutex, PoisonError};

use crate::entry::{MAX_CLASSES, lanes};
use crate::error::Error;
use crate::grow::{Grower, Votes};
use crate::parallel::{Workers, in_parallel};
use crate::plan::Plan;

/// Trees grown together at most: a column, once in the cache, serves all their nodes that drew it.
const MAX_TREES_TOGETHER: usize = 45;

/// Rows that trees grown together have at most, unless it is one tree alone: 32 MiB of entries.
const MAX_ROWS_TOGETHER: usize = 1 << 23;

/// Grow a forest and return the class probabilities of the rows that it votes for, row after row;
/// NaN where no tree voted.
///
/// A probability is the mean over the trees of the class shares in the leaf that the row reaches.
/// The result depends on neither the number of threads nor timing. No branch is grown that no
/// scored row reaches.
///
/// # Errors
/// If a parameter or the subset is out of range, or the workers are told to stop.
pub fn probabilities(plan: &Plan<'_>, workers: Workers<'_>) -> Result<Vec<f64>, Error> {
    plan.check()?;
    let n_rows = plan.rows.cells.n_rows();
    let n_scored = plan.scored_cells().n_rows();
    let n_trees = plan.params.n_trees;
    let n_classes = plan.rows.n_classes();
    let threads = workers.threads.max(1);
    let rows_of_a_tree = n_rows.max(n_scored).max(plan.params.bootstrap.unwrap_or(0));
    let together = trees_together(n_trees.div_ceil(threads), rows_of_a_tree);
    let batches = (0..n_trees)
        .step_by(together)
        .map(|first| first..n_trees.min(first + together))
        .collect();
    let total = Mutex::new(vec![0; n_scored * n_classes]);
    let done = in_parallel(batches, threads, |trees| {
        let votes = match lanes(n_classes) {
            8 => Grower::<8>::new(*plan, workers.stop).votes(trees),
            32 => Grower::<32>::new(*plan, workers.stop).votes(trees),
            _ => Grower::<MAX_CLASSES>::new(*plan, workers.stop).votes(trees),
        }?;
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        for (total, votes) in total.iter_mut().zip(votes) {
            *total += votes;
        }
        Ok(())
    });
    done.into_iter().collect::<Result<(), Error>>()?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(shares(&total, n_classes))
}

/// How many of the trees that a thread grows it grows together.
fn trees_together(trees: usize, rows_of_a_tree: usize) -> usize {
    let most = MAX_TREES_TOGETHER.min(MAX_ROWS_TOGETHER / rows_of_a_tree);
    trees.min(most).max(1)
}

fn shares(votes: &Votes, n_classes: usize) -> Vec<f64> {
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

    #[test]
    fn trees_grown_together_are_bounded_by_their_rows() {
        assert_eq!(trees_together(90, 50_000), MAX_TREES_TOGETHER);
        assert_eq!(trees_together(30, 50_000), 30);
        assert_eq!(trees_together(90, MAX_ROWS_TOGETHER / 10), 10);
        assert_eq!(trees_together(90, usize::MAX), 1);
    }
}
