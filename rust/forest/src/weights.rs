//! What a training row weighs in a tree, beside how often it was drawn.

use crate::entry::Entry;

/// What rows weigh in one tree.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a, const K: usize> {
    /// By class; `None`: all alike.
    pub(crate) classes: Option<&'a [f64; K]>,
    /// By row, in trees that take every row once; `None`: all alike.
    pub(crate) units: Option<&'a [u32]>,
    /// What the rows on each side of a cut must weigh.
    pub(crate) least: f64,
}

impl<'a, const K: usize> Weights<'a, K> {
    /// How often a row counts in its class's total.
    #[inline]
    pub(crate) fn count(self, entry: Entry) -> u32 {
        count::<K>(self.units, entry)
    }

    /// What each class weighs.
    #[inline]
    pub(crate) fn of_classes(self) -> &'a [f64; K] {
        self.classes.unwrap_or(const { &[1.0; K] })
    }
}

/// How often a row counts in its class's total, of rows that have `units`, or are all alike.
#[inline]
pub(crate) fn count<const K: usize>(units: Option<&[u32]>, entry: Entry) -> u32 {
    match units {
        None => entry.label::<K>().weight::<K>(),
        Some(units) => units[entry.row::<K>()],
    }
}
