//! How a training row stands in a tree.

/// Classes that a forest can tell apart.
pub const MAX_CLASSES: usize = 256;

const WEIGHT_BITS: u32 = 4;

/// Row, class and number of draws in one word.
///
/// `K` is the class count rounded up to a power of two, which says how many bits a class takes.
#[derive(Clone, Copy)]
pub(crate) struct Entry(u32);

impl Entry {
    /// A row drawn more often than this stands in several entries, and counts as so many for
    /// `min_samples_leaf`; a bootstrap draws about one row in 10^15 so often.
    pub(crate) const MAX_WEIGHT: u32 = 1 << WEIGHT_BITS;

    const fn row_bits<const K: usize>() -> u32 {
        32 - WEIGHT_BITS - K.ilog2()
    }

    /// Rows that can be told apart.
    pub(crate) const fn max_rows<const K: usize>() -> usize {
        1 << Self::row_bits::<K>()
    }

    pub(crate) fn new<const K: usize>(row: usize, class: u8, weight: u32) -> Self {
        let label = ((weight - 1) << K.ilog2()) | u32::from(class);
        Self((label << Self::row_bits::<K>()) | row as u32)
    }

    pub(crate) fn row<const K: usize>(self) -> usize {
        (self.0 & (Self::max_rows::<K>() as u32 - 1)) as usize
    }

    pub(crate) fn label<const K: usize>(self) -> Label {
        Label(self.0 >> Self::row_bits::<K>())
    }
}

/// The class and the weight of an entry.
#[derive(Clone, Copy)]
pub(crate) struct Label(u32);

impl Label {
    pub(crate) fn class<const K: usize>(self) -> usize {
        self.0 as usize % K
    }

    pub(crate) fn weight<const K: usize>(self) -> u32 {
        (self.0 >> K.ilog2()) + 1
    }
}

/// Class counts are kept in arrays of one of three sizes, so that the compiler knows their length.
pub(crate) fn lanes(n_classes: usize) -> usize {
    match n_classes {
        0..=8 => 8,
        9..=32 => 32,
        _ => MAX_CLASSES,
    }
}

/// Training rows that entries can tell apart where there are `n_classes`.
pub(crate) fn max_rows(n_classes: usize) -> usize {
    match lanes(n_classes) {
        8 => Entry::max_rows::<8>(),
        32 => Entry::max_rows::<32>(),
        _ => Entry::max_rows::<MAX_CLASSES>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_gives_back_what_it_was_made_of() {
        fn check<const K: usize>() {
            let last = Entry::max_rows::<K>() - 1;
            for (row, class, weight) in [
                (0, 0, 1),
                (last, (K - 1) as u8, Entry::MAX_WEIGHT),
                (1, 1, 5),
            ] {
                let entry = Entry::new::<K>(row, class, weight);
                let label = entry.label::<K>();
                assert_eq!(entry.row::<K>(), row);
                assert_eq!(label.class::<K>(), usize::from(class));
                assert_eq!(label.weight::<K>(), weight);
            }
        }
        check::<8>();
        check::<32>();
        check::<256>();
    }
}
