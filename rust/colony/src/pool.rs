//! Drawing a feature in proportion to its weight, without replacement.

use crate::rng::Pcg64;
use crate::subset::Marks;

/// Children per node of the tree: 16 counters are two cache lines.
const FAN: usize = 16;

/// The weights of all features, and the sums of each 16, of each 16 × 16, and so on.
#[derive(Debug, Clone)]
pub struct SumTree {
    levels: Vec<Vec<u64>>,
}

impl SumTree {
    /// A tree over `weights`, whose sum must fit 64 bits.
    #[must_use]
    pub fn new(weights: &[u64]) -> Self {
        let mut levels = vec![weights.to_vec()];
        while let Some(below) = levels.last().filter(|level| level.len() > FAN) {
            let sums = below.chunks(FAN).map(|block| block.iter().sum()).collect();
            levels.push(sums);
        }
        Self { levels }
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.levels.last().map_or(0, |top| top.iter().sum())
    }

    /// Gives `feature` another weight.
    pub fn set(&mut self, feature: u32, weight: u64) {
        let mut node = feature as usize;
        let change = weight.wrapping_sub(self.levels[0][node]);
        for level in &mut self.levels {
            level[node] = level[node].wrapping_add(change);
            node /= FAN;
        }
    }

    /// The first feature at which the running sum of the weights exceeds `target`.
    ///
    /// `target` must be below the total.
    #[must_use]
    pub fn find(&self, mut target: u64) -> u32 {
        let mut node = 0;
        for level in self.levels.iter().rev() {
            node *= FAN;
            while level[node] <= target {
                target -= level[node];
                node += 1;
            }
        }
        node as u32
    }
}

/// One ant's draws from a [`SumTree`].
///
/// A visited feature stays in the tree, and a draw that hits it is repeated, until such features
/// hold more than half of the weight; then all of them leave it together. Every draw is in
/// proportion to the weights of the unvisited features, takes two attempts on average at most,
/// and no feature leaves the tree twice.
#[derive(Debug)]
pub struct Pool<'a> {
    tree: &'a mut SumTree,
    total: u64,
    visited_weight: u64,
    visited: Vec<u32>,
}

impl<'a> Pool<'a> {
    /// A pool of all features of the tree.
    pub fn new(tree: &'a mut SumTree) -> Self {
        Self {
            total: tree.total(),
            visited_weight: 0,
            visited: Vec::new(),
            tree,
        }
    }

    /// Says that `feature` of weight `weight` has been visited.
    pub fn visit(&mut self, feature: u32, weight: u64) {
        self.visited_weight += weight;
        self.visited.push(feature);
    }

    /// Draws an unvisited feature; `None` when those left weigh nothing.
    pub fn draw(&mut self, rng: &mut Pcg64, visited: &Marks) -> Option<u32> {
        if self.visited_weight > self.total - self.visited_weight {
            for feature in self.visited.drain(..) {
                self.tree.set(feature, 0);
            }
            self.total -= self.visited_weight;
            self.visited_weight = 0;
        }
        if self.total == 0 {
            return None;
        }
        loop {
            let feature = self.tree.find(rng.next_below(self.total));
            if !visited.contains(feature) {
                return Some(feature);
            }
        }
    }
}

/// Draws an index in proportion to `weights`, which must not all be 0.
#[must_use]
pub fn roulette(weights: &[u64], rng: &mut Pcg64) -> usize {
    SumTree::new(weights).find(rng.next_below(weights.iter().sum())) as usize
}
