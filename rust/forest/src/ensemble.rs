//! A forest: its trees shared by threads, its votes, the credit of its columns.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::credit::{Residual, one};
use crate::entry::{MAX_CLASSES, lanes};
use crate::error::Error;
use crate::grow::Grower;
use crate::layout::Layout;
use crate::parallel::{Workers, in_parallel};
use crate::plan::Plan;
use crate::record::{Asked, Grown};
use crate::sketch::GrownTree;
use crate::tree::{MAX_COLUMNS, Trees};
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
    /// Rows judged, by all trees together.
    pub n_judged: u64,
}

/// A forest that is kept.
#[derive(Debug, PartialEq)]
pub struct Forest {
    /// Its trees, on rows of the subset's columns alone.
    pub trees: Trees,
    /// The share that each column of the subset has in the decrease of Gini's impurity over the
    /// rows that a tree drew, as scikit-learn defines it: all together one, or all zero.
    pub importances: Vec<f64>,
    /// What it has to say about the rows that it votes for.
    pub evaluation: Evaluation,
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
    let trees = false;
    let (grown, _) = grow(plan, Asked { residual, trees }, workers)?;
    Ok(evaluation(&grown, residual, plan.params.n_trees))
}

/// Grow a forest and keep it, whatever rows it votes for.
///
/// # Errors
/// As [`evaluate`].
pub fn fit(
    plan: &Plan<'_>,
    residual: Option<&Residual>,
    workers: Workers<'_>,
) -> Result<Forest, Error> {
    let n_columns = plan.subset.len();
    if n_columns > MAX_COLUMNS {
        return Err(Error::Parameter("trees can tell 2^30 columns apart"));
    }
    let asked = Asked {
        residual,
        trees: true,
    };
    let (grown, batches) = grow(plan, asked, workers)?;
    let mut trees = Trees::new(n_columns, plan.rows.n_classes());
    for tree in batches.into_iter().flatten() {
        trees.push(&tree.nodes, &tree.shares)?;
    }
    let whole = grown.importances.iter().sum::<u64>().max(1) as f64;
    Ok(Forest {
        trees,
        importances: grown
            .importances
            .iter()
            .map(|&i| i as f64 / whole)
            .collect(),
        evaluation: evaluation(&grown, residual, plan.params.n_trees),
    })
}

fn evaluation(grown: &Grown, residual: Option<&Residual>, n_trees: usize) -> Evaluation {
    let one = residual.map_or(1.0, |residual| one(residual, n_trees));
    Evaluation {
        probabilities: grown.votes.shares(),
        credit: grown.credit.iter().map(|&c| c as f64 / one).collect(),
        n_judged: grown.n_judged,
    }
}

/// Grow all trees: what they left behind together, and the trees of each batch.
fn grow(
    plan: &Plan<'_>,
    asked: Asked<'_>,
    workers: Workers<'_>,
) -> Result<(Grown, Vec<Vec<GrownTree>>), Error> {
    plan.check()?;
    let n_classes = plan.rows.n_classes();
    let expected = (plan.scored_cells().n_rows(), n_classes);
    let shape = asked.residual.map(Residual::shape);
    if let Some(found) = shape.filter(|&shape| shape != expected) {
        return Err(Error::ResidualShape { found, expected });
    }
    let total = Mutex::new(Grown {
        votes: Votes::new(plan.n_scored(), n_classes),
        credit: asked
            .residual
            .map_or_else(Vec::new, |_| vec![0; plan.subset.len()]),
        n_judged: 0,
        trees: Vec::new(),
        importances: vec![0; if asked.trees { plan.subset.len() } else { 0 }],
    });
    let layout = Layout::new(plan, workers);
    let done = in_parallel(batches(plan, workers.threads), workers.threads, |trees| {
        let mut grown = match lanes(n_classes) {
            8 => Grower::<8>::new(*plan, &layout, asked, workers.stop).grow(trees),
            32 => Grower::<32>::new(*plan, &layout, asked, workers.stop).grow(trees),
            _ => Grower::<MAX_CLASSES>::new(*plan, &layout, asked, workers.stop).grow(trees),
        }?;
        let trees = std::mem::take(&mut grown.trees);
        total
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&grown);
        Ok(trees)
    });
    let trees = done.into_iter().collect::<Result<_, Error>>()?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((total, trees))
}

/// The trees that are grown together.
fn batches(plan: &Plan<'_>, threads: usize) -> Vec<Range<usize>> {
    let n_trees = plan.params.n_trees;
    let rows_of_a_tree = plan.rows.cells().n_rows().max(plan.n_scored());
    let rows_of_a_tree = rows_of_a_tree.max(plan.params.bootstrap.unwrap_or(0));
    let together = trees_together(n_trees.div_ceil(threads.max(1)), rows_of_a_tree);
    (0..n_trees)
        .step_by(together)
        .map(|first| first..n_trees.min(first + together))
        .collect()
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
