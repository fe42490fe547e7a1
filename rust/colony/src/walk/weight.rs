//! How pheromone and desirability become a feature's weight.
//!
//! w = τ^α · η^β (Dorigo & Gambardella 1997, eq. 1), as an integer with 40 fractional bits. With
//! integers a sum does not depend on its order, a removal leaves no rounding behind, and the
//! reference in Python reaches the same pick even where its power function rounds otherwise.

/// Number of features up to which the sum of all weights fits 64 bits, and a weight and an index
/// fit one 64-bit [`rank`].
pub const MAX_FEATURES: usize = 1 << INDEX_BITS;

const FRACTION_BITS: u32 = 40;
const INDEX_BITS: u32 = 24;
const LARGEST: u64 = (1 << FRACTION_BITS) - 1;

/// `share`, a number in [0, 1], as an integer with 40 fractional bits.
///
/// It is rounded up, so that nothing positive loses its chance, and capped at 2⁴⁰ − 1.
#[must_use]
pub fn fixed_point(share: f64) -> u64 {
    ((share * (1u64 << FRACTION_BITS) as f64).ceil() as u64).min(LARGEST)
}

/// (τ/τ₀)^α for the largest τ₀, computed once for each of the few different τ that a trail holds at a time.
#[derive(Debug)]
pub struct PheromonePower {
    alpha: f64,
    largest: f64,
    /// The bits of a τ and its power, in the slot that the bits hash to.
    known: Vec<(u64, f64)>,
}

impl PheromonePower {
    const SLOT_BITS: u32 = 8;

    /// A memory of powers, with exponent `alpha`, of τ relative to the `largest`.
    #[must_use]
    pub fn new(alpha: f64, largest: f64) -> Self {
        // The bits of a NaN, which no pheromone is.
        let nothing = (u64::MAX, 0.0);
        Self {
            alpha,
            largest,
            known: vec![nothing; 1 << Self::SLOT_BITS],
        }
    }

    /// The weight of a feature of pheromone `tau`, given η^β: 0 only where that is.
    pub fn weight(&mut self, tau: f64, desirability_power: f64) -> u64 {
        let bits = tau.to_bits();
        // Fibonacci hashing: neighbouring numbers land far apart.
        let hash = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let slot = &mut self.known[(hash >> (64 - Self::SLOT_BITS)) as usize];
        if slot.0 != bits {
            *slot = (bits, (tau / self.largest).powf(self.alpha));
        }
        let is_possible = desirability_power > 0.0;
        fixed_point(slot.1 * desirability_power).max(u64::from(is_possible))
    }
}

/// η^β for every feature, η scaled so that the largest is 1; 0 only where η is.
#[must_use]
pub fn desirability_powers(desirability: &[f64], beta: f64) -> Vec<f64> {
    let largest = desirability.iter().copied().fold(0.0, f64::max);
    desirability
        .iter()
        .map(|&eta| {
            let power = (eta / largest).powf(beta);
            // A power of something positive may round to nothing.
            if eta > 0.0 {
                power.max(f64::MIN_POSITIVE)
            } else {
                power
            }
        })
        .collect()
}

/// A key that sorts features by descending weight, then by ascending index.
#[must_use]
pub fn rank(weight: u64, feature: u32) -> u64 {
    (LARGEST - weight) << INDEX_BITS | u64::from(feature)
}

/// The feature of a [`rank`], and its weight.
#[must_use]
pub fn unrank(rank: u64) -> (u32, u64) {
    let feature = rank & (MAX_FEATURES as u64 - 1);
    (feature as u32, LARGEST - (rank >> INDEX_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_sorts_by_weight_then_feature_and_holds_both() {
        let pairs = [(LARGEST, 0), (LARGEST, 5), (9, 2), (1, 0), (0, 0xff_ffff)];
        let ranks = pairs.map(|(weight, feature)| rank(weight, feature));
        assert!(ranks.is_sorted());
        for (rank, pair) in ranks.into_iter().zip(pairs) {
            assert_eq!(unrank(rank), (pair.1, pair.0));
        }
    }

    #[test]
    fn a_remembered_power_is_the_computed_one() {
        let mut powers = PheromonePower::new(1.1, 1.0);
        // More different pheromones than slots, twice, so that slots are taken over.
        for i in (0..1000).chain(0..1000) {
            let tau = 0.05 + f64::from(i) * 0.95 / 1000.0;
            assert_eq!(powers.weight(tau, 0.7), fixed_point(tau.powf(1.1) * 0.7));
        }
    }

    #[test]
    fn what_a_power_rounds_to_nothing_keeps_a_chance() {
        let powers = desirability_powers(&[1.0, 0.01, 1e-300, 0.0], 200.0);
        let mut pheromone = PheromonePower::new(200.0, 50.0);
        let weights = powers.iter().map(|&power| pheromone.weight(0.01, power));
        assert_eq!(weights.collect::<Vec<_>>(), [1, 1, 1, 0]);
    }

    #[test]
    fn only_zero_has_no_chance() {
        assert_eq!(fixed_point(0.0), 0);
        assert_eq!(fixed_point(f64::MIN_POSITIVE), 1);
        assert_eq!(fixed_point(0.5), 1 << 39);
        assert_eq!(fixed_point(1.0), LARGEST);
    }
}
