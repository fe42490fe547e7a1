//! How an ant chooses its features.

use crate::greedy::{Cursor, Order};
use crate::pool::{Pool, SumTree};
use crate::rng::Pcg64;
use crate::subset::Marks;
use crate::weight::{rank, ranked_feature, ranked_weight};

/// The weights that the next ant finds.
#[derive(Debug, Clone)]
pub struct Field {
    weights: Vec<u64>,
    order: Order,
    tree: SumTree,
}

/// The features that an ant took.
#[derive(Debug, Clone)]
pub struct Walk {
    /// In the order in which they were taken.
    pub taken: Vec<u32>,
    /// The same, as marks.
    pub visited: Marks,
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
    /// `size` must not exceed the number of features.
    pub fn walk(&mut self, size: usize, q0: f64, rng: &mut Pcg64) -> Walk {
        let mut taken = Vec::with_capacity(size);
        let mut visited = Marks::new(self.weights.len());
        let mut cursor = Cursor::default();
        let mut pool = Pool::new(&mut self.tree);
        while taken.len() < size {
            let is_greedy = rng.next_f64() < q0;
            let drawn = if is_greedy {
                None
            } else {
                pool.draw(rng, &visited)
            };
            let (feature, weight) = if let Some(feature) = drawn {
                (feature, self.weights[feature as usize])
            } else if let Some(best) = self.order.best(&mut cursor, &visited) {
                (ranked_feature(best), ranked_weight(best))
            } else {
                break;
            };
            visited.insert(feature);
            pool.visit(feature, weight);
            taken.push(feature);
        }
        Walk { taken, visited }
    }

    /// Gives the features of the last `walk` their new weights.
    pub fn change(&mut self, walk: &Walk, mut weight: impl FnMut(u32) -> u64) {
        let mut ranks = Vec::with_capacity(walk.taken.len());
        for &feature in &walk.taken {
            let weight = weight(feature);
            self.weights[feature as usize] = weight;
            self.tree.set(feature, weight);
            ranks.push(rank(weight, feature));
        }
        self.order.change(&walk.visited, ranks);
    }
}
