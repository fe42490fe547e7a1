//! A node that is still to be cut, and the cut it chose.

use std::ops::Range;

use crate::split::{Cut, Missing};

/// A node that is still to be cut, or to vote: with up to 8 classes, one cache line.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Node<const K: usize> {
    pub(crate) entries: Span,
    pub(crate) reached: Span,
    pub(crate) key: u64,
    pub(crate) depth: u32,
    /// Where it stands in a tree that is kept.
    pub(crate) slot: u32,
    /// How often its rows were drawn, by class.
    pub(crate) total: [u32; K],
}

impl<const K: usize> Node<K> {
    /// Whether all its rows are of one class.
    pub(crate) fn is_pure(&self) -> bool {
        self.total.iter().filter(|&&count| count > 0).count() == 1
    }
}

/// Half a `Range<usize>`.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    first: u32,
    end: u32,
}

impl Span {
    pub(crate) fn new(first: usize, end: usize) -> Self {
        Self {
            first: first as u32,
            end: end as u32,
        }
    }

    pub(crate) fn len(self) -> usize {
        (self.end - self.first) as usize
    }

    /// The first `n`, and the rest.
    pub(crate) fn split_at(self, n: usize) -> (Self, Self) {
        let middle = self.first + n as u32;
        let before = Self {
            end: middle,
            ..self
        };
        let rest = Self {
            first: middle,
            ..self
        };
        (before, rest)
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.first as usize..self.end as usize
    }
}

/// A cut and the column that makes it, by its position in the subset.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) cut: Cut,
    pub(crate) position: u32,
}

impl Choice {
    /// Less pure than any cut.
    pub(crate) const NONE: Self = Self {
        cut: Cut {
            purity: f64::MIN,
            low: 0,
            high: 0,
            missing: Missing::Unseen,
        },
        position: 0,
    };

    pub(crate) fn is_none(&self) -> bool {
        self.cut.purity <= f64::MIN
    }
}

/// Move the items that go left before the others, each side in its old order; return their number.
pub(crate) fn partition<T: Copy>(
    items: &mut [T],
    spare: &mut [T],
    mut goes_left: impl FnMut(T) -> bool,
) -> usize {
    let (mut left, mut right) = (0, 0);
    for index in 0..items.len() {
        let item = items[index];
        let is_left = goes_left(item);
        items[left] = item;
        spare[right] = item;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    items[left..].copy_from_slice(&spare[..right]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_keeps_both_orders() {
        let mut items: Vec<u32> = (0..100).map(|item| item * 37 % 101).collect();
        let whole = items.clone();
        let is_left = |item: u32| item.is_multiple_of(3);
        let left = partition(&mut items, &mut [0; 100], is_left);
        let expected = whole.iter().copied().filter(|&item| is_left(item));
        assert!(items[..left].iter().copied().eq(expected));
        let expected = whole.iter().copied().filter(|&item| !is_left(item));
        assert!(items[left..].iter().copied().eq(expected));
    }
}
