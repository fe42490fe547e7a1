//! The random stream of an ant: the very numbers of
//! `numpy.random.PCG64(numpy.random.SeedSequence(seed, spawn_key=(iteration, ant)))`.
//!
//! One stream per (seed, iteration, ant) makes an ant's choices independent of how many numbers
//! the ants before it used, and lets the reference in Python repeat them exactly.
//!
//! Sources: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms
//! for Random Number Generation" (2014), generator PCG-XSL-RR-128/64; the seed sequence is M. E.
//! O'Neill's `seed_seq` alternative (2015), as `numpy.random.SeedSequence` defines it.

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
const POOL: usize = 4;

/// A PCG-XSL-RR-128/64 generator.
#[derive(Debug, Clone)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    /// The stream of `ant` in `iteration` of the colony seeded with `seed`.
    #[must_use]
    pub fn for_ant(seed: u64, iteration: u32, ant: u32) -> Self {
        let words = SeedSequence::new(seed, &[iteration, ant]).generate();
        let wide = |i: usize| u128::from(words[i]) << 64 | u128::from(words[i + 1]);
        let mut rng = Self {
            state: 0,
            increment: wide(2) << 1 | 1,
        };
        rng.step();
        rng.state = rng.state.wrapping_add(wide(0));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self
            .state
            .wrapping_mul(MULTIPLIER)
            .wrapping_add(self.increment);
    }

    /// 64 uniform random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Spreads a seed and a key over a pool of four 32-bit words, each of which depends on all of it.
struct SeedSequence {
    pool: [u32; POOL],
}

impl SeedSequence {
    fn new(seed: u64, key: &[u32]) -> Self {
        let entropy = [seed as u32, (seed >> 32) as u32, 0, 0];
        let mut hash = Hash {
            constant: 0x43b0_d7e5,
            multiplier: 0x931e_8875,
        };
        let mut pool = entropy.map(|word| hash.mix_in(word));
        for source in 0..POOL {
            for target in (0..POOL).filter(|&target| target != source) {
                pool[target] = combine(pool[target], hash.mix_in(pool[source]));
            }
        }
        for &word in key {
            for slot in &mut pool {
                *slot = combine(*slot, hash.mix_in(word));
            }
        }
        Self { pool }
    }

    fn generate(&self) -> [u64; 4] {
        let mut hash = Hash {
            constant: 0x8b51_f9dd,
            multiplier: 0x58f3_8ded,
        };
        let mut words = self
            .pool
            .iter()
            .cycle()
            .map(|&word| u64::from(hash.mix_in(word)));
        std::array::from_fn(|_| {
            let low = words.next().unwrap_or_default();
            let high = words.next().unwrap_or_default();
            high << 32 | low
        })
    }
}

/// A hash whose constant changes with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn mix_in(&mut self, word: u32) -> u32 {
        let mixed = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let mixed = mixed.wrapping_mul(self.constant);
        mixed ^ mixed >> 16
    }
}

fn combine(left: u32, right: u32) -> u32 {
    let mixed = left
        .wrapping_mul(0xca01_f9dd)
        .wrapping_sub(right.wrapping_mul(0x4973_f715));
    mixed ^ mixed >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_repeats_and_differs_from_its_neighbours() {
        let draw = |seed, iteration, ant| Pcg64::for_ant(seed, iteration, ant).next_u64();
        assert_eq!(draw(7, 2, 3), draw(7, 2, 3));
        let neighbours = [
            draw(7, 2, 3),
            draw(8, 2, 3),
            draw(7, 3, 3),
            draw(7, 2, 4),
            draw(7, 3, 2),
        ];
        for (i, left) in neighbours.iter().enumerate() {
            assert!(neighbours[..i].iter().all(|right| left != right));
        }
    }

    #[test]
    fn reals_stay_below_one() {
        let mut rng = Pcg64::for_ant(0, 0, 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.next_f64())));
    }
}
