//! The sizes that a subset may have, and how many ants build subsets of a given size.

use crate::parameters::{Parameters, Sizes};

/// Most ants of an iteration whose size is annealed.
const MOST_ANNEALED: usize = 8;

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

/// The one size of an iteration's subsets, and its number of ants: one ant takes all features, two
/// take half of them, four a quarter, then eight an eighth and less, while that is more than the
/// largest size allowed. `None` where sizes are drawn from the ladder.
///
/// A forest on all features tells what each is worth beside all others, but blurs it: every halving
/// drops what has earned least and lets more ants measure the rest again.
#[must_use]
pub fn annealed(
    parameters: &Parameters,
    n_features: usize,
    iteration: usize,
) -> Option<(usize, usize)> {
    if parameters.sizes == Sizes::Learned {
        return None;
    }
    let shift = u32::try_from(iteration).ok()?;
    let size = n_features.checked_shr(shift)?;
    let ants = MOST_ANNEALED.min(1usize.checked_shl(shift)?);
    (size > parameters.largest(n_features)).then_some((size, ants))
}

/// The most ants that an iteration may have.
#[must_use]
pub fn most_ants(parameters: &Parameters) -> usize {
    match parameters.sizes {
        Sizes::Learned => parameters.n_ants,
        Sizes::Annealed => parameters.n_ants.max(MOST_ANNEALED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Deposit;

    #[test]
    fn the_ladder_holds_both_ends_and_climbs() {
        assert_eq!(ladder(1, 10), [1, 2, 4, 8, 10]);
        assert_eq!(ladder(3, 24), [3, 6, 12, 24]);
        assert_eq!(ladder(7, 7), [7]);
        assert_eq!(ladder(1, 1), [1]);
    }

    #[test]
    fn sizes_are_halved_down_to_the_largest_allowed() {
        let mut parameters = Parameters {
            max_features: Some(100),
            sizes: Sizes::Annealed,
            ..Parameters::for_deposit(Deposit::Credit)
        };
        let stages: Vec<_> = (0..)
            .map_while(|iteration| annealed(&parameters, 5_121, iteration))
            .collect();
        assert_eq!(
            stages,
            [
                (5_121, 1),
                (2_560, 2),
                (1_280, 4),
                (640, 8),
                (320, 8),
                (160, 8)
            ]
        );
        assert_eq!(annealed(&parameters, 5_121, usize::MAX), None);
        parameters.max_features = None;
        assert_eq!(annealed(&parameters, 5_121, 0), None);
    }
}
