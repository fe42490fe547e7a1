//! Every search against a search that counts from scratch.

use super::*;
use crate::bins::MISSING;
use crate::layout::Column;
use crate::purity::combine;
use crate::random::Stream;

const K: usize = 8;

fn alike() -> Weights<'static, K> {
    Weights {
        classes: None,
        units: None,
        least: 0.0,
    }
}

fn by_class(classes: &[f64; K]) -> Weights<'_, K> {
    Weights {
        classes: Some(classes),
        ..alike()
    }
}

/// Rows of one node: bin, class and weight each.
struct Case {
    column: Vec<u8>,
    entries: Vec<Entry>,
    total: [u32; K],
}

impl Case {
    fn node(&self) -> Counted<'_, K> {
        Counted {
            entries: &self.entries,
            total: &self.total,
        }
    }

    fn column(&self, mode: u8) -> Column<'_> {
        Column {
            bins: &self.column,
            strided: &self.column,
            stride: 1,
            mode,
            has_missing: false,
        }
    }

    fn random(stream: &mut Stream, n: usize, n_bins: usize, share_of_mode: usize) -> Self {
        let mut total = [0; K];
        let mode = stream.below(n_bins) as u8;
        let column = (0..n)
            .map(|_| {
                if stream.below(100) < share_of_mode {
                    mode
                } else {
                    stream.below(n_bins) as u8
                }
            })
            .collect();
        let entries = (0..n)
            .map(|row| {
                let (class, weight) = (stream.below(7), 1 + stream.below(16) as u32);
                total[class] += weight;
                Entry::new::<K>(row, class as u8, weight)
            })
            .collect();
        Self {
            column,
            entries,
            total,
        }
    }

    /// Try every cut between two bins, counting from scratch each time.
    fn naive(&self, min_leaf: usize, weights: &[f64; K]) -> Verdict {
        let mut bins = self.column.clone();
        bins.sort_unstable();
        bins.dedup();
        if bins.len() == 1 {
            return Verdict::Constant;
        }
        let mut best = None;
        for pair in bins.windows(2) {
            let (mut sides, mut rows) = ([[0.0; K]; 2], [0; 2]);
            for entry in &self.entries {
                let side = usize::from(self.column[entry.row::<K>()] >= pair[1]);
                let label = entry.label::<K>();
                let class = label.class::<K>();
                sides[side][class] += f64::from(label.weight::<K>()) * weights[class];
                rows[side] += 1;
            }
            if rows[0] < min_leaf || rows[1] < min_leaf {
                continue;
            }
            let [left, right] = sides.map(|side| {
                (
                    side.iter().map(|count| count * count).sum::<f64>(),
                    side.iter().sum::<f64>(),
                )
            });
            let purity = combine(left.0, left.1, right.0, right.1);
            if best.is_none_or(|best: Cut| purity > best.purity) {
                best = Some(Cut {
                    purity,
                    low: pair[0],
                    high: pair[1],
                    missing: Missing::Unseen,
                });
            }
        }
        best.map_or(Verdict::NoCut, Verdict::Cut)
    }
}

#[test]
fn the_best_cut_is_the_best_of_all() {
    let mut stream = Stream::new(1);
    let ones = [1.0; K];
    // Powers of two keep weighted sums exact, so equal cuts stay equal.
    let uneven = [1.0, 2.0, 0.5, 4.0, 1.0, 8.0, 0.25, 1.0];
    for round in 0..3_000 {
        let (n, n_bins) = (1 + stream.below(200), 1 + stream.below(MAX_BINS));
        let share_of_mode = stream.below(101);
        let case = Case::random(&mut stream, n, n_bins, share_of_mode);
        let min_leaf = 1 + round % 3 * stream.below(20);
        let mut splitter = Splitter::<K>::new(min_leaf);
        splitter.reserve(n);
        // Whatever bin is taken for the mode, the verdict is the same.
        for mode in [0, stream.below(n_bins) as u8, (MAX_BINS - 1) as u8] {
            let mut search =
                |weights| splitter.search(case.column(mode), &case.node(), weights, f64::MIN);
            assert_eq!(search(alike()), case.naive(min_leaf, &ones));
            assert_eq!(search(by_class(&ones)), case.naive(min_leaf, &ones));
            assert_eq!(search(by_class(&uneven)), case.naive(min_leaf, &uneven));
        }
    }
}

#[test]
fn a_cut_below_the_floor_is_none() {
    let mut stream = Stream::new(8);
    let case = Case::random(&mut stream, 60, 20, 50);
    let mut splitter = Splitter::<K>::new(1);
    splitter.reserve(60);
    let mut search = |floor| splitter.search(case.column(0), &case.node(), alike(), floor);
    let Verdict::Cut(best) = search(f64::MIN) else {
        panic!("sixty random rows can be cut");
    };
    assert_eq!(search(best.purity), Verdict::Cut(best));
    assert_eq!(search(best.purity.next_up()), Verdict::NoCut);
}

#[test]
fn large_nodes_are_counted_wide() {
    let mut stream = Stream::new(2);
    let case = Case::random(&mut stream, 9_000, 50, 40);
    assert!(Narrow::new(&case.total).is_none());
    let mut splitter = Splitter::<K>::new(1);
    splitter.reserve(9_000);
    let verdict = splitter.search(case.column(3), &case.node(), alike(), f64::MIN);
    assert_eq!(verdict, case.naive(1, &[1.0; K]));
}

#[test]
fn the_best_cut_beside_missing_values_is_the_best_of_all() {
    let mut stream = Stream::new(3);
    for round in 0..1_000 {
        let (n, n_bins) = (1 + stream.below(60), 1 + stream.below(MAX_BINS - 1));
        let mut case = Case::random(&mut stream, n, n_bins, 30);
        for bin in &mut case.column {
            if stream.below(5) == 0 {
                *bin = MISSING;
            }
        }
        let min_leaf = 1 + round % 2 * stream.below(9);
        let mut splitter = Splitter::<K>::new(min_leaf);
        splitter.reserve(n);
        let column = Column {
            has_missing: true,
            ..case.column(0)
        };
        let verdict = splitter.search(column, &case.node(), alike(), f64::MIN);
        // Missing values as the greatest of all, then as the least.
        let right = case.naive(min_leaf, &[1.0; K]);
        let as_least = |&bin: &u8| if bin == MISSING { 0 } else { bin + 1 };
        case.column = case.column.iter().map(as_least).collect();
        let left = case.naive(min_leaf, &[1.0; K]);
        let purity = |verdict| match verdict {
            Verdict::Cut(cut) => cut.purity,
            Verdict::Constant | Verdict::NoCut => f64::NEG_INFINITY,
        };
        let best = purity(right).max(purity(left));
        assert_eq!(purity(verdict).to_bits(), best.to_bits());
        assert_eq!(verdict == Verdict::Constant, right == Verdict::Constant);
        if let Verdict::Cut(cut) = verdict {
            let to_left = cut.missing == Missing::Left;
            assert_eq!(to_left, purity(left) > purity(right));
            assert!(cut.low < cut.high && cut.low != MISSING);
        }
    }
}
