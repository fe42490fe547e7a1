//! Random numbers keyed by what they decide, so that the order of work never changes a result.

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of `SplitMix64` (Steele, Lea & Flood, OOPSLA 2014): a bijection that mixes all bits.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Derive the key of a part (a tree of a forest, a child of a node) from the key of the whole.
pub(crate) fn child_key(key: u64, part: u64) -> u64 {
    mix(mix(key ^ STEP).wrapping_add(part.wrapping_mul(STEP)))
}

/// A `SplitMix64` stream.
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(key: u64) -> Self {
        Self(key)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `n`; the bias of the multiply-shift is below `n / 2^32`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (((self.next() >> 32) * n as u64) >> 32) as usize
    }

    /// A number from 0 up to 1; of `n`, as large a share as `below(n)` counts whole.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 32) as f64 / (1_u64 << 32) as f64
    }
}
