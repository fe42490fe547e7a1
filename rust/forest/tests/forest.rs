//! The forest as a user meets it: votes, stops, refusals.

use fer_fast_forest::{
    Binning, Cells, Error, ForestParams, Matrix, Plan, TrainingRows, Workers, evaluate,
};

const ROWS: usize = 80;
const COLUMNS: usize = 12;
const SUBSET: [usize; 4] = [1, 4, 6, 11];

/// A linear congruential generator (Knuth's MMIX): the crate's own streams are private.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

fn training_rows(seed: u64, n_classes: usize) -> TrainingRows {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|_| random.below(9).saturating_sub(4) as f32)
        .collect();
    let labels = (0..ROWS).map(|_| random.below(n_classes) as u8).collect();
    let rows = Matrix::new(&values, COLUMNS).expect("whole rows");
    let binned = Binning::learn(rows, 1).expect("finite values");
    TrainingRows::new(binned, labels, n_classes).expect("a label a row")
}

/// One tree of `ROWS` draws.
fn tree() -> ForestParams {
    ForestParams {
        n_trees: 1,
        max_depth: None,
        min_samples_leaf: 1,
        bootstrap: Some(ROWS),
        class_weights: None,
    }
}

fn grow(
    rows: &TrainingRows,
    subset: &[usize],
    scored: Option<&Cells>,
    params: &ForestParams,
) -> Result<Vec<f64>, Error> {
    let plan = Plan {
        rows,
        subset,
        scored,
        params,
        seed: 0,
    };
    let workers = Workers {
        threads: 1,
        stop: &|| false,
    };
    evaluate(&plan, None, workers).map(|evaluation| evaluation.probabilities)
}

#[test]
fn bootstrap_weights_add_up_to_the_draws() {
    let rows = training_rows(1, 5);
    for draws in [1, 17, ROWS, 5_000] {
        // A tree of one leaf votes its class shares: whole numbers of draws, together all.
        let params = ForestParams {
            max_depth: Some(0),
            bootstrap: Some(draws),
            ..tree()
        };
        let shares = grow(&rows, &SUBSET, Some(rows.cells()), &params).expect("a forest");
        let counts: Vec<f64> = shares[..5]
            .iter()
            .map(|share| share * draws as f64)
            .collect();
        assert!(
            counts
                .iter()
                .all(|count| (count - count.round()).abs() < 1e-6)
        );
        assert!((counts.iter().sum::<f64>() - draws as f64).abs() < 1e-6);
    }
}

#[test]
fn out_of_bag_scores_exactly_the_rows_not_drawn() {
    let rows = training_rows(2, 3);
    let shares = grow(&rows, &SUBSET, None, &tree()).expect("a forest");
    let scored = shares.chunks(3).filter(|share| !share[0].is_nan()).count();
    // 80 draws of 80 rows leave out 29.3 on average.
    assert!((15..45).contains(&scored));
    let everything = ForestParams {
        bootstrap: None,
        ..tree()
    };
    let shares = grow(&rows, &SUBSET, None, &everything).expect("a forest");
    assert!(shares.iter().all(|share| share.is_nan()));
}

#[test]
fn class_weights_work_like_repeated_rows() {
    let rows = training_rows(3, 2);
    let once = ForestParams {
        max_depth: Some(0),
        bootstrap: None,
        ..tree()
    };
    let twice = ForestParams {
        class_weights: Some(vec![1.0, 2.0]),
        ..once.clone()
    };
    let root = |params| grow(&rows, &SUBSET, Some(rows.cells()), params).expect("a forest")[1];
    let (plain, weighted) = (root(&once), root(&twice));
    assert!((weighted - 2.0 * plain / (1.0 + plain)).abs() < 1e-9);
}

#[test]
fn a_stop_is_an_error_from_any_thread() {
    let rows = training_rows(4, 3);
    let params = ForestParams {
        n_trees: 100,
        ..tree()
    };
    let plan = Plan {
        rows: &rows,
        subset: &SUBSET,
        scored: None,
        params: &params,
        seed: 0,
    };
    for threads in [1, 3] {
        let stop = &|| true;
        let stopped = evaluate(&plan, None, Workers { threads, stop });
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

#[test]
fn what_cannot_be_grown_is_refused() {
    let rows = training_rows(5, 3);
    let refusal = |subset: &[usize], params: ForestParams| grow(&rows, subset, None, &params).err();
    let columns = COLUMNS;
    assert_eq!(refusal(&[], tree()), Some(Error::Subset { columns }));
    assert_eq!(refusal(&[12], tree()), Some(Error::Subset { columns }));
    let weighted = |weights: &[f64]| ForestParams {
        class_weights: Some(weights.to_vec()),
        ..tree()
    };
    for wrong in [
        ForestParams {
            n_trees: 0,
            ..tree()
        },
        ForestParams {
            min_samples_leaf: 0,
            ..tree()
        },
        ForestParams {
            bootstrap: Some(0),
            ..tree()
        },
        ForestParams {
            n_trees: (1 << 20) + 1,
            ..tree()
        },
        ForestParams {
            bootstrap: Some(1 << 32),
            ..tree()
        },
        weighted(&[1.0]),
        weighted(&[1.0, f64::INFINITY, 1.0]),
        weighted(&[1.0, f64::NAN, 1.0]),
    ] {
        assert!(matches!(refusal(&SUBSET, wrong), Some(Error::Parameter(_))));
    }
    let binned = || {
        let rows = Matrix::new(&[1.0, 2.0], 1).expect("one column");
        Binning::learn(rows, 1).expect("finite values")
    };
    let labels = TrainingRows::new(binned(), vec![0], 2).err();
    assert_eq!(labels, Some(Error::Labels { labels: 1, rows: 2 }));
    let classes = TrainingRows::new(binned(), vec![0, 2], 2).err();
    assert_eq!(classes, Some(Error::Classes { n_classes: 2 }));
}

#[test]
fn what_cannot_be_binned_is_refused() {
    assert!(Matrix::new(&[], 1).is_err());
    assert!(Matrix::new(&[1.0; 5], 2).is_err());
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let rows = [1.0, 2.0, 3.0, value];
        let rows = Matrix::new(&rows, 2).expect("whole rows");
        let error = Binning::learn(rows, 1).err();
        assert_eq!(error, Some(Error::NotFinite { column: 1 }));
    }
}
