//! The sizes that a subset may have.

/// A geometric ladder from `smallest` to `largest`, both included: each rung doubles the one
/// before, and the last is `largest`.
///
/// Doubling keeps the ladder short (14 rungs for 5,120 features), so that a few iterations of a
/// few ants suffice to learn which rung is worth its features; and it is exact in integers.
#[must_use]
pub fn ladder(smallest: usize, largest: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(smallest), |size| size.checked_mul(2));
    let mut rungs: Vec<usize> = doubled.take_while(|&size| size < largest).collect();
    rungs.push(largest);
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_holds_both_ends_and_climbs() {
        assert_eq!(ladder(1, 10), [1, 2, 4, 8, 10]);
        assert_eq!(ladder(3, 24), [3, 6, 12, 24]);
        assert_eq!(ladder(7, 7), [7]);
        assert_eq!(ladder(1, 1), [1]);
    }
}
