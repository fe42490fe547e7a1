//! Votes of trees for rows.

/// A tree's whole vote. Whole numbers add up to the same sum in any order, which makes the result
/// independent of how trees are shared among threads.
const ONE_VOTE: u64 = 1 << 40;

/// The votes for each class of each row, row after row.
#[derive(Debug, PartialEq)]
pub(crate) struct Votes {
    counts: Vec<u64>,
    n_classes: usize,
}

impl Votes {
    pub(crate) fn new(n_rows: usize, n_classes: usize) -> Self {
        Self {
            counts: vec![0; n_rows * n_classes],
            n_classes,
        }
    }

    /// Give these rows a leaf's class shares.
    pub(crate) fn give<const K: usize>(
        &mut self,
        rows: &[u32],
        total: &[u32; K],
        weights: &[f64; K],
    ) {
        let weighted = |class: usize| f64::from(total[class]) * weights[class];
        let whole: f64 = (0..self.n_classes).map(weighted).sum();
        for class in (0..self.n_classes).filter(|&class| total[class] > 0) {
            let share = (weighted(class) / whole * ONE_VOTE as f64).round() as u64;
            for &row in rows {
                self.counts[row as usize * self.n_classes + class] += share;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    /// Each row's votes as shares of all that it got; NaN where it got none.
    pub(crate) fn shares(&self) -> Vec<f64> {
        let mut shares = Vec::with_capacity(self.counts.len());
        for votes in self.counts.chunks_exact(self.n_classes) {
            let total = votes.iter().sum::<u64>() as f64;
            shares.extend(votes.iter().map(|&vote| vote as f64 / total));
        }
        shares
    }
}
