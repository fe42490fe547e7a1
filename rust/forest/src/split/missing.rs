//! The best cut by a column in which values are missing.

use super::{Cut, Missing, Side, Verdict, View};
use crate::bins::{MAX_BINS, MISSING};
use crate::entry::Entry;
use crate::purity::Purity;

impl View<'_> {
    /// The best cut where values may be missing: these go right in every cut, then left in every cut,
    /// and the first of equal cuts wins, as in scikit-learn.
    pub(super) fn best_cut_beside_missing<P: Purity<K>, const K: usize>(
        &mut self,
        gini: &P,
        histogram: &mut [[P::Count; K]; MAX_BINS],
        count: impl Fn(Entry) -> P::Count,
        floor: f64,
    ) -> Verdict {
        let (touched, _) = self.count(histogram, count);
        let values = touched.below(MISSING);
        let ways: &[Missing] = if touched.contains(MISSING) {
            &[Missing::Right, Missing::Left]
        } else {
            &[Missing::Unseen]
        };
        let mut best = None;
        let mut most = f64::NEG_INFINITY;
        for &missing in ways {
            let mut side = Side::default();
            if missing == Missing::Left {
                side.add(
                    &histogram[usize::from(MISSING)],
                    self.rows[usize::from(MISSING)],
                );
            }
            let mut bins = values;
            while let Some(low) = bins.pop_first() {
                side.add(&histogram[usize::from(low)], self.rows[usize::from(low)]);
                let high = match bins.first() {
                    Some(high) => high,
                    None if missing == Missing::Right => MISSING,
                    None => break,
                };
                let purity = self.rate(gini, &side);
                if purity > most {
                    most = purity;
                    best = Some(Cut {
                        purity,
                        low,
                        high,
                        missing,
                    });
                }
            }
        }
        let mut bins = touched;
        while let Some(bin) = bins.pop_first() {
            histogram[usize::from(bin)] = [P::Count::default(); K];
            self.rows[usize::from(bin)] = 0;
        }
        match best {
            _ if touched.is_single() => Verdict::Constant,
            Some(cut) if cut.purity >= floor => Verdict::Cut(cut),
            _ => Verdict::NoCut,
        }
    }
}
