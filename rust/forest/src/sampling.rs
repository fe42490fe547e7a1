//! What a tree's rows are drawn from: an order of the rows, and how likely each is.

use crate::binning::Cells;
use crate::parallel::{Workers, in_parallel};
use crate::random::{Stream, child_key, mix};

/// The whole weight of all rows, for trees that take every row, in units: a half leaves room for
/// rounding up.
const UNITS: f64 = (1_u64 << 31) as f64;

/// Rows that one worker hashes at a time: their hashes stay in the first cache.
const ROWS_TOGETHER: usize = 2048;

/// What bootstraps draw from.
#[derive(Default)]
pub(crate) struct Urn {
    /// The rows in the order in which they lie; `None`: in that of their numbers.
    order: Option<Vec<u32>>,
    /// The weights of the rows up to each, itself included; `None`: all weigh alike.
    up_to: Option<Vec<f64>>,
}

impl Urn {
    /// Draw a row, of `n_rows`.
    #[inline]
    pub(crate) fn draw(&self, stream: &mut Stream, n_rows: usize) -> usize {
        let place = match &self.up_to {
            None => stream.below(n_rows),
            Some(up_to) => {
                let reached = stream.share() * up_to[n_rows - 1];
                up_to.partition_point(|&weight| weight <= reached)
            }
        };
        match &self.order {
            None => place,
            Some(order) => order[place.min(n_rows - 1)] as usize,
        }
    }

    /// Put the rows in an order that says what they hold in some columns, not where they stand: the
    /// same rows are then drawn from any order of them, and a row of weight 2 is drawn like two rows.
    pub(crate) fn sort(
        &mut self,
        cells: &Cells,
        columns: &[usize],
        labels: &[u8],
        workers: Workers<'_>,
    ) {
        let keys = row_keys(cells, columns, labels, workers);
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        order.sort_by_key(|&row| keys[row as usize]);
        self.order = Some(order);
    }

    /// Draw each row in proportion to its weight.
    pub(crate) fn weigh(&mut self, weights: &[f64]) {
        let mut sum = 0.0;
        let mut add = |row: usize| {
            sum += weights[row];
            sum
        };
        self.up_to = Some(match &self.order {
            None => (0..weights.len()).map(add).collect(),
            Some(order) => order.iter().map(|&row| add(row as usize)).collect(),
        });
    }

    /// Bytes held on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let order = self.order.as_ref().map_or(0, |order| 4 * order.len());
        order + self.up_to.as_ref().map_or(0, |up_to| 8 * up_to.len())
    }
}

/// A number for each row that is the same for rows of the same cells and label, and for no others.
fn row_keys(cells: &Cells, columns: &[usize], labels: &[u8], workers: Workers<'_>) -> Vec<u64> {
    let mut keys: Vec<u64> = labels.iter().map(|&label| mix(u64::from(label))).collect();
    let parts = keys.chunks_mut(ROWS_TOGETHER).enumerate().collect();
    in_parallel(
        parts,
        workers.threads,
        |(part, keys): (usize, &mut [u64])| {
            for (place, &column) in columns.iter().enumerate() {
                // Zobrist's hash: a random number for each bin of each column, all combined.
                let column_key = child_key(0, place as u64);
                let numbers: [u64; 64] =
                    std::array::from_fn(|bin| child_key(column_key, bin as u64));
                let bins = &cells.bins(column)[part * ROWS_TOGETHER..];
                for (key, &bin) in keys.iter_mut().zip(bins) {
                    *key ^= numbers[usize::from(bin) % 64];
                }
            }
        },
    );
    keys
}

/// Weights as whole units of one size, a power of two: whole weights stay in proportion exactly,
/// none that is not zero is lost, and all together fit a `u32`.
pub(crate) fn as_units(weights: &[f64]) -> Vec<u32> {
    let total: f64 = weights.iter().sum();
    let unit = (total / UNITS).log2().ceil().exp2();
    let units = |&weight: &f64| (weight / unit).round().max(f64::from(weight > 0.0)) as u32;
    weights.iter().map(units).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_weights_stay_in_proportion_and_small_ones_are_kept() {
        let units = as_units(&[1.0, 2.0, 0.0, 5.0]);
        assert_eq!(units[1], 2 * units[0]);
        assert_eq!(units[2], 0);
        assert_eq!(units[3], 5 * units[0]);
        assert!(as_units(&[1e-30, 1e30]).iter().all(|&units| units > 0));
        let even = as_units(&vec![0.1; 1 << 20]);
        let total: u64 = even.iter().map(|&units| u64::from(units)).sum();
        assert!(u32::try_from(total).is_ok());
    }

    #[test]
    fn rows_are_drawn_in_proportion_to_their_weights() {
        let mut urn = Urn::default();
        urn.weigh(&[1.0, 0.0, 3.0]);
        let mut stream = Stream::new(1);
        let mut counts = [0; 3];
        for _ in 0..40_000 {
            counts[urn.draw(&mut stream, 3)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((9_500..10_500).contains(&counts[0]));
    }
}
