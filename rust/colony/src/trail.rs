//! Pheromone on nodes, and the rules that change it.

use std::iter::zip;

use serde::{Deserialize, Serialize};

/// Where every trail starts, and its upper bound while only the best subset is reinforced (Stützle
/// & Hoos 2000, §3.3).
pub const TAU_MAX: f64 = 1.0;

/// The pheromone of every node, a feature or a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trail {
    values: Vec<f64>,
}

impl Trail {
    /// `n_nodes` nodes at the upper bound.
    #[must_use]
    pub fn new(n_nodes: usize) -> Self {
        Self {
            values: vec![TAU_MAX; n_nodes],
        }
    }

    /// One node for each of some `values`, of which at least one is positive.
    ///
    /// They are scaled so that the `level` largest average [`TAU_MAX`], and none is below `tau_min`.
    #[must_use]
    pub fn from_values(values: &[f64], level: usize, tau_min: f64) -> Self {
        // By the largest first: the sum of numbers near the end of their range is infinite.
        let largest = values.iter().copied().fold(0.0, f64::max);
        let values = values.iter().map(|value| value / largest).collect();
        let mut trail = Self { values };
        trail.scale(level, tau_min);
        trail
    }

    /// The pheromone of every node.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The pheromone of the node that has most.
    #[must_use]
    pub fn largest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// Local update (Dorigo & Gambardella 1997, eq. 5): a node that an ant took loses pheromone,
    /// `tau ← (1 − xi) tau + xi tau_min`, so that the ants behind it look elsewhere. Returns the new value.
    ///
    /// Dorigo & Gambardella pull τ towards its initial value. Where that is the upper bound, the
    /// pull is none in the first iteration, and all ants build nearly one subset.
    /// The maximum keeps a rounding from passing the bound.
    pub fn wear(&mut self, node: usize, xi: f64, tau_min: f64) -> f64 {
        let tau = &mut self.values[node];
        *tau = ((1.0 - xi) * *tau + xi * tau_min).max(tau_min);
        *tau
    }

    /// Global update (Dorigo & Gambardella 1997, eq. 4, bounded as in Stützle & Hoos 2000, §3.2):
    /// `tau ← (1 − rho) tau` everywhere, `rho TAU_MAX` more on the `best` nodes, then all within
    /// `tau_min` and `TAU_MAX`.
    pub fn reinforce(&mut self, best: impl Iterator<Item = usize>, rho: f64, tau_min: f64) {
        for tau in &mut self.values {
            *tau *= 1.0 - rho;
        }
        for node in best {
            self.values[node] += rho * TAU_MAX;
        }
        for tau in &mut self.values {
            *tau = tau.clamp(tau_min, TAU_MAX);
        }
    }

    /// Global update by credit, from ants each of which is a list of nodes and their credit.
    ///
    /// An ant shares the pheromone of its path out again: a node gets the sum over the path, times
    /// the node's part in the ant's positive credit. A node that ants took moves the share `rho`
    /// towards the mean of what they give it; one that none took stays. An ant that earned nothing
    /// gives nothing. If any gave something, all are then scaled so that the `level` largest average [`TAU_MAX`], and none
    /// is below `tau_min`.
    ///
    /// Parts make the credits of strong and of weak company comparable, and since a part is of the
    /// pheromone that the company has, it does not matter how good the company is.
    pub fn share_out<'a, Path>(
        &mut self,
        ants: impl Iterator<Item = (Path, &'a [f64])>,
        rho: f64,
        level: usize,
        tau_min: f64,
    ) where
        Path: Iterator<Item = usize> + Clone,
    {
        let mut given = vec![(0.0, 0u32); self.values.len()];
        for (path, credit) in ants {
            let largest = credit.iter().copied().fold(0.0, f64::max);
            if largest <= 0.0 {
                continue;
            }
            let pheromone: f64 = path.clone().map(|node| self.values[node]).sum();
            // Relative to the largest, so that no sum is infinite.
            let part = |credit: f64| (credit / largest).max(0.0);
            let earned: f64 = credit.iter().copied().map(part).sum();
            for (node, &credit) in zip(path, credit) {
                let (sum, ants) = &mut given[node];
                *sum += part(credit) / earned * pheromone;
                *ants += 1;
            }
        }
        if given.iter().all(|&(_, ants)| ants == 0) {
            // Scaling again would change the last bits of values that are scaled already.
            return;
        }
        for (tau, (sum, ants)) in zip(&mut self.values, given) {
            if ants > 0 {
                *tau = (1.0 - rho) * *tau + rho * (sum / f64::from(ants));
            }
        }
        self.scale(level, tau_min);
    }

    fn scale(&mut self, level: usize, tau_min: f64) {
        let mut descending = self.values.clone();
        descending.sort_unstable_by(|left, right| right.total_cmp(left));
        let sum: f64 = descending[..level].iter().sum();
        let mean = sum / level as f64;
        for tau in &mut self.values {
            *tau = (*tau / mean).max(tau_min);
        }
    }

    /// Whether every value is within its bounds.
    #[must_use]
    pub fn is_bounded(&self, tau_min: f64, tau_max: f64) -> bool {
        self.values
            .iter()
            .all(|tau| (tau_min..=tau_max).contains(tau))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(trail: &Trail, expected: &[f64]) {
        assert_eq!(trail.values().len(), expected.len());
        for (tau, expected) in zip(trail.values(), expected) {
            assert!((tau - expected).abs() < 1e-12, "{trail:?}");
        }
    }

    #[test]
    fn wear_moves_towards_the_lower_bound_and_stops_there() {
        let mut trail = Trail::new(2);
        assert!((trail.wear(0, 0.2, 0.05) - 0.81).abs() < 1e-15);
        for _ in 0..1000 {
            trail.wear(0, 0.2, 0.05);
        }
        assert!((trail.values()[0] - 0.05).abs() < 1e-15);
        assert_eq!(trail.values()[1].to_bits(), TAU_MAX.to_bits());
    }

    #[test]
    fn reinforcement_keeps_the_best_at_the_top_and_lets_the_rest_sink_to_the_bottom() {
        let mut trail = Trail::new(3);
        trail.reinforce([1].into_iter(), 0.2, 0.05);
        assert_eq!(trail.values(), [0.8, 1.0, 0.8]);
        for _ in 0..100 {
            trail.reinforce([1].into_iter(), 0.2, 0.05);
        }
        assert_eq!(trail.values(), [0.05, 1.0, 0.05]);
    }

    #[test]
    fn given_values_keep_their_ratios_down_to_the_lower_bound() {
        let trail = Trail::from_values(&[f64::MAX, f64::MAX / 4.0, 0.0], 2, 0.1);
        assert_close(&trail, &[1.6, 0.4, 0.1]);
    }

    #[test]
    fn ants_share_their_pheromone_out_by_credit() {
        let mut trail = Trail::new(4);
        // The first shares out 2 as 3 to 1, the second 3 as 1 to nothing to 2: the fourth is not
        // taken, and negative credit counts as none.
        let ants: [(&[usize], &[f64]); 2] =
            [(&[0, 1], &[6.0, 2.0]), (&[0, 1, 2], &[5.0, -9.0, 10.0])];
        let ants = ants.map(|(path, credit)| (path.iter().copied(), credit));
        trail.share_out(ants.into_iter(), 0.5, 4, 0.01);
        let raw = [
            0.5 + 0.5 * (1.5 + 1.0) / 2.0,
            0.5 + 0.5 * 0.5 / 2.0,
            0.5 + 0.5 * 2.0,
            1.0,
        ];
        let mean = raw.iter().sum::<f64>() / 4.0;
        assert_close(&trail, &raw.map(|tau| tau / mean));
    }

    #[test]
    fn an_ant_that_earned_nothing_changes_nothing() {
        let mut trail = Trail::from_values(&[0.9, 0.7, 0.3], 3, 0.01);
        let before = trail.clone();
        let ants = [([0, 1].into_iter(), [0.0, -1.0].as_slice())];
        trail.share_out(ants.into_iter(), 1.0, 3, 0.01);
        assert_eq!(trail, before);
    }
}
