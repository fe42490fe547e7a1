//! Which feature is the best one left.

use crate::subset::Marks;
use crate::weight::{rank, ranked_feature};

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
            has_changed: Marks::new(weights.len()),
        }
    }

    /// The rank of the best feature that is not `visited`; `None` when all are.
    #[must_use]
    pub fn best(&self, cursor: &mut Cursor, visited: &Marks) -> Option<u64> {
        let initial = skip(&self.initial, &mut cursor.initial, |feature| {
            visited.contains(feature) || self.has_changed.contains(feature)
        });
        let changed = skip(&self.changed, &mut cursor.changed, |feature| {
            visited.contains(feature)
        });
        match (initial, changed) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        }
    }

    /// Gives the `visited` features their new `ranks`.
    pub fn change(&mut self, visited: &Marks, mut ranks: Vec<u64>) {
        for &rank in &ranks {
            self.has_changed.insert(ranked_feature(rank));
        }
        ranks.sort_unstable();
        self.changed
            .retain(|&rank| !visited.contains(ranked_feature(rank)));
        self.changed = merge(&self.changed, &ranks);
    }
}

/// Moves `position` to the first rank whose feature is not to be passed over, and returns it.
fn skip(ranks: &[u64], position: &mut usize, pass: impl Fn(u32) -> bool) -> Option<u64> {
    while let Some(&rank) = ranks.get(*position) {
        if !pass(ranked_feature(rank)) {
            return Some(rank);
        }
        *position += 1;
    }
    None
}

fn merge(mut left: &[u64], mut right: &[u64]) -> Vec<u64> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some(&a), Some(&b)) = (left.first(), right.first()) {
        let from_left = a < b;
        merged.push(if from_left { a } else { b });
        left = &left[usize::from(from_left)..];
        right = &right[usize::from(!from_left)..];
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    merged
}
