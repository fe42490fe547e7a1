//! Pheromone on nodes, and the rules that change it.

use serde::{Deserialize, Serialize};

/// Upper bound of the pheromone, where every trail starts (Stützle & Hoos 2000, §3.3).
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

    /// The pheromone of every node.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
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

    /// Whether every value is within its bounds.
    #[must_use]
    pub(crate) fn is_bounded(&self, tau_min: f64) -> bool {
        self.values
            .iter()
            .all(|tau| (tau_min..=TAU_MAX).contains(tau))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
