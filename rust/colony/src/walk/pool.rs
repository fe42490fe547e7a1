//! Drawing a feature in proportion to its weight, without replacement.

use super::rng::Pcg64;
use crate::subset::Marks;

/// Children per node of the tree: 16 counters are two cache lines.
const FAN: usize = 16;

/// Running sums of the weights of siblings: the last one is their parent's weight.
///
/// Aligned, so that looking a target up touches two cache lines and not three.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(128))]
struct Block([u64; FAN]);

impl Block {
    fn fill(&mut self, mut weights: impl Iterator<Item = u64>) {
        let mut running = 0;
        for sum in &mut self.0 {
            running += weights.next().unwrap_or(0);
            *sum = running;
        }
    }

    fn total(&self) -> u64 {
        self.0[FAN - 1]
    }

    fn weight(&self, child: usize) -> u64 {
        self.0[child] - if child == 0 { 0 } else { self.0[child - 1] }
    }

    /// The first child at which the running sum exceeds `target`, and the sum before that child.
    fn child_at(&self, target: u64) -> (usize, u64) {
        let (mut child, mut before) = (0, 0);
        // Where a random target falls cannot be predicted: no branch depends on it.
        for step in [8, 4, 2, 1] {
            let sum = self.0[child + step - 1];
            let is_passed = sum <= target;
            child += if is_passed { step } else { 0 };
            before = if is_passed { sum } else { before };
        }
        (child, before)
    }
}

/// The weights of all features, summed by 16, by 16 × 16, and so on.
#[derive(Debug, Clone)]
pub struct SumTree {
    /// From the leaves to the root, a single block; absent nodes weigh 0.
    levels: Vec<Vec<Block>>,
    n_features: usize,
}

impl SumTree {
    /// A tree over `weights`, whose sum must fit 64 bits.
    #[must_use]
    pub fn new(weights: &[u64]) -> Self {
        let mut levels = Vec::new();
        let mut width = weights.len();
        while width > 1 || levels.is_empty() {
            width = width.div_ceil(FAN);
            levels.push(vec![Block::default(); width]);
        }
        let mut tree = Self {
            levels,
            n_features: weights.len(),
        };
        tree.rebuild(|feature| weights[feature as usize]);
        tree
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.levels.last().map_or(0, |top| top[0].total())
    }

    /// Gives the `marked` features, `count` of them, the weights that `weight` returns; for all
    /// others it must return the weight that they have.
    pub fn update(
        &mut self,
        marked: impl Iterator<Item = u32>,
        count: usize,
        weight: impl Fn(u32) -> u64,
    ) {
        // Past this share one pass over everything, in order, beats scattered changes.
        if count > self.n_features / FAN {
            self.rebuild(weight);
        } else {
            marked.for_each(|feature| self.set(feature, weight(feature)));
        }
    }

    fn rebuild(&mut self, weight: impl Fn(u32) -> u64) {
        let mut features = 0..self.n_features as u32;
        for block in &mut self.levels[0] {
            block.fill(features.by_ref().map(&weight));
        }
        for upper in 1..self.levels.len() {
            let (below, above) = self.levels.split_at_mut(upper);
            let mut sums = below[upper - 1].iter().map(Block::total);
            for block in &mut above[0] {
                block.fill(sums.by_ref());
            }
        }
    }

    fn set(&mut self, feature: u32, weight: u64) {
        let mut node = feature as usize;
        let change = weight.wrapping_sub(self.levels[0][node / FAN].weight(node % FAN));
        for level in &mut self.levels {
            for sum in &mut level[node / FAN].0[node % FAN..] {
                *sum = sum.wrapping_add(change);
            }
            node /= FAN;
        }
    }

    /// For each target, the first feature at which the running sum of all weights exceeds it, and
    /// that feature's weight.
    ///
    /// Every target must be below the total.
    #[must_use]
    pub fn find<const N: usize>(&self, mut targets: [u64; N]) -> [(u32, u64); N] {
        let mut hits = [(0, 0); N];
        for level in self.levels.iter().rev() {
            // Level by level, so that the caches fetch the blocks of all targets at once.
            for ((node, weight), target) in hits.iter_mut().zip(&mut targets) {
                let block = &level[*node as usize];
                let (child, before) = block.child_at(*target);
                *node = *node * FAN as u32 + child as u32;
                *weight = block.0[child] - before;
                *target -= before;
            }
        }
        hits
    }
}

/// Attempts that are looked up together.
const BATCH: usize = 16;

/// One ant's draws from a [`SumTree`].
///
/// A visited feature stays in the tree, and a draw that hits it is repeated, until such features
/// hold more than half of the weight; then all of them leave it together. So every draw is in
/// proportion to the weights of the unvisited features, takes two attempts on average at most, and
/// no feature leaves the tree twice.
#[derive(Debug)]
pub struct Pool<'a> {
    tree: &'a mut SumTree,
    rng: Pcg64,
    total: u64,
    /// Features that were visited and are still in the tree, and their weight.
    stale: Vec<u32>,
    stale_weight: u64,
    /// The coming attempts: their random bits, and the features that these hit, with their weights.
    bits: [u64; BATCH],
    hits: [(u32, u64); BATCH],
    /// The first attempt that was not made.
    next: usize,
}

impl<'a> Pool<'a> {
    /// A pool of all features of the tree, whose n-th attempt takes the n-th number of `rng`.
    pub fn new(tree: &'a mut SumTree, rng: Pcg64) -> Self {
        Self {
            total: tree.total(),
            tree,
            rng,
            stale: Vec::new(),
            stale_weight: 0,
            bits: [0; BATCH],
            hits: [(0, 0); BATCH],
            next: BATCH,
        }
    }

    /// Says that `feature` of weight `weight` has been visited.
    pub fn visit(&mut self, feature: u32, weight: u64) {
        self.stale_weight += weight;
        self.stale.push(feature);
    }

    /// Draws an unvisited feature of some weight; `None` when those left weigh nothing.
    ///
    /// `weights` are those of all features.
    pub fn draw(&mut self, visited: &Marks, weights: &[u64]) -> Option<(u32, u64)> {
        if self.stale_weight > self.total - self.stale_weight {
            self.refresh(visited, weights);
        }
        if self.total == 0 {
            return None;
        }
        loop {
            if self.next == BATCH {
                self.bits = std::array::from_fn(|_| self.rng.next_u64());
                self.next = 0;
                self.look_up();
            }
            let hit = self.hits[self.next];
            self.next += 1;
            if !visited.contains(hit.0) {
                return Some(hit);
            }
        }
    }

    fn look_up(&mut self) {
        self.hits = self
            .tree
            .find(self.bits.map(|bits| share(bits, self.total)));
    }

    /// Takes the visited features out of the tree.
    fn refresh(&mut self, visited: &Marks, weights: &[u64]) {
        let count = self.stale.len();
        self.tree.update(self.stale.drain(..), count, |feature| {
            if visited.contains(feature) {
                0
            } else {
                weights[feature as usize]
            }
        });
        self.total -= self.stale_weight;
        self.stale_weight = 0;
        if self.total > 0 {
            self.look_up();
        }
    }
}

/// The integer below `bound` that lies where `bits` lie below 2⁶⁴.
///
/// For uniform bits, the probability of a range of m integers is m / `bound` to within 2⁻⁶⁴.
fn share(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Draws an index in proportion to `weights`, which must not all be 0.
#[must_use]
pub fn roulette(weights: &[u64], rng: &mut Pcg64) -> usize {
    let tree = SumTree::new(weights);
    let [(index, _)] = tree.find([share(rng.next_u64(), tree.total())]);
    index as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights over several orders of magnitude, a tenth of them 0.
    fn some_weights(n: usize, seed: u64) -> Vec<u64> {
        let mut rng = Pcg64::for_ant(seed, 0, 0);
        let weight = |bits: u64| {
            if bits.is_multiple_of(10) {
                0
            } else {
                bits >> (24 + bits % 30)
            }
        };
        (0..n).map(|_| weight(rng.next_u64())).collect()
    }

    /// The definition of `find`, one feature after another.
    fn found_by_scanning(weights: &[u64], mut target: u64) -> (u32, u64) {
        for (&weight, feature) in weights.iter().zip(0..) {
            if target < weight {
                return (feature, weight);
            }
            target -= weight;
        }
        unreachable!("the target is below the total")
    }

    #[test]
    fn the_tree_finds_what_a_scan_finds_after_any_change() {
        for n in [1, 2, 15, 16, 17, 255, 256, 257, 5000] {
            let mut weights = some_weights(n, 1);
            weights[n - 1] = 7;
            let mut tree = SumTree::new(&weights);
            let mut rng = Pcg64::for_ant(2, 0, 0);
            // Few changes are made one by one, many by a rebuild.
            for count in [0, 1, n / 20, n / 2] {
                let changed: Vec<u32> = (0..count as u32).map(|i| i * 2).collect();
                for &feature in &changed {
                    weights[feature as usize] = rng.next_u64() >> 30;
                }
                let weight = |feature: u32| weights[feature as usize];
                tree.update(changed.iter().copied(), count, weight);
                let total: u64 = weights.iter().sum();
                assert_eq!(tree.total(), total);
                let inside = share(rng.next_u64(), total);
                for target in [0, inside, total - 1] {
                    assert_eq!(tree.find([target]), [found_by_scanning(&weights, target)]);
                }
            }
        }
    }

    #[test]
    fn a_pool_gives_every_feature_of_some_weight_once() {
        let weights = some_weights(700, 3);
        let mut tree = SumTree::new(&weights);
        let mut pool = Pool::new(&mut tree, Pcg64::for_ant(4, 0, 0));
        let mut visited = Marks::new(weights.len());
        while let Some((feature, weight)) = pool.draw(&visited, &weights) {
            assert!(!visited.contains(feature));
            assert_eq!(weight, weights[feature as usize]);
            visited.insert(feature);
            pool.visit(feature, weight);
        }
        let drawable = weights.iter().filter(|&&weight| weight > 0).count();
        assert_eq!(visited.len(), drawable);
    }
}
