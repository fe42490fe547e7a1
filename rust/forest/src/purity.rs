//! How pure the two sides of a cut are: Gini's criterion.

use std::ops::Add;

use crate::machine::sums;

/// How pure a node would become, given the class counts of one side of a cut.
pub(crate) trait Purity<const K: usize> {
    /// A class count.
    type Count: Copy + Default + Add<Output = Self::Count>;

    /// Gini's criterion; NaN where a side is empty.
    fn of(&self, side: &[Self::Count; K]) -> f64;

    /// What the lighter side weighs.
    fn lightest(&self, side: &[Self::Count; K]) -> f64;
}

/// Unweighted counts of nodes of at most `i16::MAX` draws: any x86-64 multiplies eight at a time.
pub(crate) struct Narrow<const K: usize> {
    total: [u16; K],
    drawn: i32,
}

impl<const K: usize> Narrow<K> {
    /// None where the node is too large.
    pub(crate) fn new(total: &[u32; K]) -> Option<Self> {
        let drawn: u32 = total.iter().sum();
        i16::try_from(drawn).is_ok().then(|| Self {
            total: total.map(|count| count as u16),
            drawn: drawn.cast_signed(),
        })
    }
}

impl<const K: usize> Purity<K> for Narrow<K> {
    type Count = u16;

    #[inline]
    fn of(&self, side: &[u16; K]) -> f64 {
        let [squares, other_squares, drawn] = sums(side, &self.total);
        combine(
            f64::from(squares),
            f64::from(drawn),
            f64::from(other_squares),
            f64::from(self.drawn - drawn),
        )
    }

    fn lightest(&self, side: &[u16; K]) -> f64 {
        let [_, _, drawn] = sums(side, &self.total);
        f64::from(drawn.min(self.drawn - drawn))
    }
}

/// Counts of any size, weighted by class.
pub(crate) struct Wide<'a, const K: usize> {
    total: &'a [u32; K],
    weights: &'a [f64; K],
}

impl<'a, const K: usize> Wide<'a, K> {
    pub(crate) fn new(total: &'a [u32; K], weights: &'a [f64; K]) -> Self {
        Self { total, weights }
    }
}

impl<const K: usize> Purity<K> for Wide<'_, K> {
    type Count = u32;

    fn of(&self, side: &[u32; K]) -> f64 {
        let (mut squares, mut other_squares, mut weight, mut other_weight) = (0.0, 0.0, 0.0, 0.0);
        for ((&here, &total), &class_weight) in side.iter().zip(self.total).zip(self.weights) {
            let there = f64::from(total - here) * class_weight;
            let here = f64::from(here) * class_weight;
            squares += here * here;
            other_squares += there * there;
            weight += here;
            other_weight += there;
        }
        combine(squares, weight, other_squares, other_weight)
    }

    fn lightest(&self, side: &[u32; K]) -> f64 {
        let (mut weight, mut other_weight) = (0.0, 0.0);
        for ((&here, &total), &class_weight) in side.iter().zip(self.total).zip(self.weights) {
            weight += f64::from(here) * class_weight;
            other_weight += f64::from(total - here) * class_weight;
        }
        weight.min(other_weight)
    }
}

/// One division for `squares / weight + other_squares / other_weight`.
#[inline]
pub(crate) fn combine(squares: f64, weight: f64, other_squares: f64, other_weight: f64) -> f64 {
    (squares * other_weight + other_squares * weight) / (weight * other_weight)
}

/// What no cut of these class counts can better: each class whole on one side or the other.
///
/// A purity is convex in the counts of a side, so its greatest value lies where each is 0 or all.
pub(crate) fn bound<const K: usize>(total: &[u32; K], weights: &[f64; K]) -> f64 {
    let mut classes = [0; 3];
    let mut present = 0;
    for (class, _) in total.iter().enumerate().filter(|&(_, &count)| count > 0) {
        if present == classes.len() {
            return f64::INFINITY;
        }
        classes[present] = class;
        present += 1;
    }
    // Of three classes or fewer, one stands alone on a side.
    classes[..present]
        .iter()
        .map(|&alone| {
            let mut side = [0; K];
            side[alone] = total[alone];
            Wide::new(total, weights).of(&side)
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cut_betters_the_bound_and_the_perfect_one_meets_it() {
        let total = [3, 0, 5, 2, 0, 0, 0, 0_u32];
        let bound = bound(&total, &[1.0; 8]);
        let mut best = f64::NEG_INFINITY;
        for side in 0..4 * 6 * 3 {
            let side = [side % 4, 0, side / 4 % 6, side / 24, 0, 0, 0, 0];
            let purity = Wide::new(&total, &[1.0; 8]).of(&side);
            best = best.max(purity);
        }
        assert!((best - bound).abs() < 1e-12);
    }
}
