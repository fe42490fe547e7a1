//! Bins and sets of them.

/// Bins a column may have: as many as a word has bits. Four times as many make trees no better.
pub const MAX_BINS: usize = 64;

/// The bin of missing values, in a column that has any.
pub(crate) const MISSING: u8 = MAX_BINS as u8 - 1;

/// A set of bins, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BinSet(u64);

const _: () = assert!(MAX_BINS == u64::BITS as usize);

impl BinSet {
    pub(crate) fn up_to(last: u8) -> Self {
        Self(u64::MAX >> (MISSING - last))
    }

    #[inline]
    pub(crate) fn insert(&mut self, bin: u8) {
        self.0 |= 1 << bin;
    }

    #[inline]
    pub(crate) fn contains(self, bin: u8) -> bool {
        // No bin reaches MAX_BINS, so the shift is never cut short.
        self.0.wrapping_shr(u32::from(bin)) & 1 == 1
    }

    pub(crate) fn above(self, floor: u8) -> Self {
        Self(self.0 & (u64::MAX << floor << 1))
    }

    pub(crate) fn below(self, ceiling: u8) -> Self {
        Self(self.0 & !(u64::MAX << ceiling))
    }

    pub(crate) fn first(self) -> Option<u8> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as u8)
    }

    pub(crate) fn last(self) -> Option<u8> {
        self.0.checked_ilog2().map(|bin| bin as u8)
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<u8> {
        let first = self.first()?;
        self.0 &= self.0 - 1;
        Some(first)
    }

    #[inline]
    pub(crate) fn pop_last(&mut self) -> Option<u8> {
        let last = self.last()?;
        self.0 ^= 1 << last;
        Some(last)
    }

    pub(crate) fn is_single(self) -> bool {
        self.0.is_power_of_two()
    }
}
