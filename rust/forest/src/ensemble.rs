//! A forest: its trees shared by threads, its votes, the credit of its columns.

use std::sync::{Mutex, PoisonError};

use crate::credit::{Residual, one};
use crate::entry::{MAX_CLASSES, lanes};
use crate::error::Error;
use crate::grow::{Grower, Grown};
use crate::parallel::{Workers, in_parallel};
use crate::plan::Plan;
use crate::votes::Votes;

/// Trees grown together at most: a column, once in the cache, serves all their nodes that drew it.
const MAX_TREES_TOGETHER: usize = 45;

/// Rows that trees grown together have at most, unless it is one tree alone: 32 MiB of entries.
const MAX_ROWS_TOGETHER: usize = 1 << 23;

/// What a forest has to say about the rows that it votes for.
#[derive(Debug, PartialEq)]
pub struct Evaluation {
    /// Class probabilities, row after row: the mean over the trees of the class shares in the leaf
    /// that the row reaches. NaN where no tree voted.
    pub probabilities: Vec<f64>,
    /// What each column of the subset earned against the residual; empty without one.
    pub credit: Vec<f64>,
}

/// Grow a forest for its votes and, where there is a residual, for what its columns earn against it.
///
/// The result depends on neither the number of threads nor timing, the votes not on the residual. No
/// branch is grown that no scored row reaches.
///
/// # Errors
/// If a parameter, the subset or the residual does not fit, or the workers are told to stop.
pub fn evaluate(
    plan: &Plan<'_>,
    residual: Option<&Residual>,
    workers: Workers<'_>,
) -> Result<Evaluation, Error> {
    plan.check()?;
    let n_rows = plan.rows.cells.n_rows();
    let n_scored = plan.scored_cells().n_rows();
    let n_trees = plan.params.n_trees;
    let n_classes = plan.rows.n_classes();
    let expected = (n_scored, n_classes);
    if let Some(found) = residual
        .map(Residual::shape)
        .filter(|&shape| shape != expected)
    {
        return Err(Error::ResidualShape { found, expected });
    }
    let threads = workers.threads.max(1);
    let rows_of_a_tree = n_rows.max(n_scored).max(plan.params.bootstrap.unwrap_or(0));
    let together = trees_together(n_trees.div_ceil(threads), rows_of_a_tree);
    let batches = (0..n_trees)
        .step_by(together)
        .map(|first| first..n_trees.min(first + together))
        .collect();
    let n_credited = residual.map_or(0, |_| plan.subset.len());
    let total = Mutex::new(Grown {
        votes: Votes::new(n_scored, n_classes),
        credit: vec![0; n_credited],
    });
    let done = in_parallel(batches, threads, |trees| {
        let grown = match lanes(n_classes) {
            8 => Grower::<8>::new(*plan, residual, workers.stop).grow(trees),
            32 => Grower::<32>::new(*plan, residual, workers.stop).grow(trees),
            _ => Grower::<MAX_CLASSES>::new(*plan, residual, workers.stop).grow(trees),
        }?;
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.votes.add(&grown.votes);
        for (total, credit) in total.credit.iter_mut().zip(grown.credit) {
            *total += credit;
        }
        Ok(())
    });
    done.into_iter().collect::<Result<(), Error>>()?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let one = residual.map_or(1.0, |residual| one(residual, n_trees));
    Ok(Evaluation {
        probabilities: total.votes.shares(),
        credit: total.credit.iter().map(|&c| c as f64 / one).collect(),
    })
}

/// How many of the trees that a thread grows it grows together.
fn trees_together(trees: usize, rows_of_a_tree: usize) -> usize {
    let most = MAX_TREES_TOGETHER.min(MAX_ROWS_TOGETHER / rows_of_a_tree);
    trees.min(most).max(1)
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
