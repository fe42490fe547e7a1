//! How an ant chooses its features.

use super::greedy::{Cursor, Order};
use super::pool::{Pool, SumTree};
use super::rng::Pcg64;
use crate::subset::Marks;

/// The weights that the next ant finds.
#[derive(Debug, Clone)]
pub struct Field {
    weights: Vec<u64>,
    order: Order,
    tree: SumTree,
}

impl Field {
    /// A field of the given weights.
    #[must_use]
    pub fn new(weights: Vec<u64>) -> Self {
        Self {
            order: Order::new(&weights),
            tree: SumTree::new(&weights),
            weights,
        }
    }

    /// Takes `size` different features by the pseudo-random-proportional rule (Dorigo & Gambardella
    /// 1997, eq. 3): with probability `q0` the unvisited feature of the largest weight, ties by the
    /// lowest index, else one drawn in proportion to the weights of the unvisited. Where nothing of
    /// positive weight is left to draw, the unvisited feature of the lowest index is taken.
    ///
    /// `rng` gives a coin per step first, then a number per attempt to draw.
    ///
    /// `size` must not exceed the number of features.
    pub fn walk(&mut self, size: usize, q0: f64, mut rng: Pcg64) -> Marks {
        let coins: Vec<bool> = (0..size).map(|_| rng.next_f64() < q0).collect();
        let mut visited = Marks::new(self.weights.len());
        let mut cursor = Cursor::default();
        let mut pool = Pool::new(&mut self.tree, rng);
        for is_greedy in coins {
            let drawn = if is_greedy {
                None
            } else {
                pool.draw(&visited, &self.weights)
            };
            let best = || self.order.best(&mut cursor, &visited);
            let Some((feature, weight)) = drawn.or_else(best) else {
                break;
            };
            visited.insert(feature);
            pool.visit(feature, weight);
        }
        visited
    }

    /// Gives the features `visited` on the last walk their new weights.
    pub fn change(&mut self, visited: &Marks, mut weight: impl FnMut(u32) -> u64) {
        for feature in visited.iter() {
            self.weights[feature as usize] = weight(feature);
        }
        let count = visited.len();
        self.tree.update(visited.iter(), count, |feature| {
            self.weights[feature as usize]
        });
        self.order.change(visited, &self.weights);
    }
}
