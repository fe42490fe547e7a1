//! Which feature is the best one left.

use super::weight::{rank, unrank};
use crate::subset::Marks;

/// The features of an iteration by descending weight, ties by ascending index.
///
/// An ant changes the weights of the features that it took, so those leave the order that was
/// sorted at the iteration's start for a second, shorter one. The best feature left heads one of
/// the two; an ant that takes k features costs a sort of k and a merge of what earlier ants took.
#[derive(Debug, Clone)]
pub struct Order {
    initial: Vec<u64>,
    changed: Vec<u64>,
    has_changed: Marks,
    // Kept for their capacity alone.
    visited: Vec<u64>,
    merged: Vec<u64>,
}

/// How far an ant has come in an [`Order`].
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    initial: usize,
    changed: usize,
}

impl Order {
    /// The order of all features by `weights`.
    #[must_use]
    pub fn new(weights: &[u64]) -> Self {
        let mut initial: Vec<u64> = weights.iter().zip(0..).map(|(&w, j)| rank(w, j)).collect();
        initial.sort_unstable();
        Self {
            initial,
            changed: Vec::new(),
            visited: Vec::new(),
            merged: Vec::new(),
            has_changed: Marks::new(weights.len()),
        }
    }

    /// The best feature that is not `visited`, and its weight; `None` when all are.
    #[must_use]
    pub fn best(&self, cursor: &mut Cursor, visited: &Marks) -> Option<(u32, u64)> {
        let initial = skip(&self.initial, &mut cursor.initial, |feature| {
            visited.contains(feature) || self.has_changed.contains(feature)
        });
        let changed = skip(&self.changed, &mut cursor.changed, |feature| {
            visited.contains(feature)
        });
        initial.into_iter().chain(changed).min().map(unrank)
    }

    /// Gives the `visited` features their new `weights`.
    pub fn change(&mut self, visited: &Marks, weights: &[u64]) {
        let ranked = visited
            .iter()
            .map(|feature| rank(weights[feature as usize], feature));
        self.visited.clear();
        self.visited.extend(ranked);
        self.visited.sort_unstable();
        self.has_changed.insert_all(visited);
        let is_left = |rank: &u64| !visited.contains(unrank(*rank).0);
        merge(&self.changed, is_left, &self.visited, &mut self.merged);
        std::mem::swap(&mut self.changed, &mut self.merged);
    }
}

/// Moves `position` to the first rank whose feature is not to be passed over, and returns it.
fn skip(ranks: &[u64], position: &mut usize, pass: impl Fn(u32) -> bool) -> Option<u64> {
    while let Some(&rank) = ranks.get(*position) {
        if !pass(unrank(rank).0) {
            return Some(rank);
        }
        *position += 1;
    }
    None
}

/// Merges the ranks of `left` that satisfy `is_left` with those of `right`.
fn merge(left: &[u64], is_left: impl Fn(&u64) -> bool, right: &[u64], merged: &mut Vec<u64>) {
    merged.clear();
    let mut right = right.iter().copied().peekable();
    for &rank in left.iter().filter(|rank| is_left(rank)) {
        while let Some(smaller) = right.next_if(|&other| other < rank) {
            merged.push(smaller);
        }
        merged.push(rank);
    }
    merged.extend(right);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::rng::Pcg64;

    #[test]
    fn the_order_is_that_of_a_scan_for_ant_after_ant() {
        let n = 200;
        let mut rng = Pcg64::for_ant(1, 0, 0);
        // Few different weights, so that many tie.
        let mut weights: Vec<u64> = (0..n).map(|_| rng.next_u64() % 9).collect();
        let mut order = Order::new(&weights);
        for _ in 0..30 {
            let mut visited = Marks::new(n);
            let mut cursor = Cursor::default();
            for _ in 0..rng.next_u64() % n as u64 {
                if rng.next_u64().is_multiple_of(3) {
                    visited.insert((rng.next_u64() % n as u64) as u32);
                }
                let left = (0..n as u32).filter(|&feature| !visited.contains(feature));
                let best = left.max_by_key(|&j| (weights[j as usize], std::cmp::Reverse(j)));
                let expected = best.map(|j| (j, weights[j as usize]));
                assert_eq!(order.best(&mut cursor, &visited), expected);
                if let Some(feature) = best {
                    visited.insert(feature);
                }
            }
            for feature in visited.iter() {
                weights[feature as usize] = rng.next_u64() % 9;
            }
            order.change(&visited, &weights);
        }
    }
}
