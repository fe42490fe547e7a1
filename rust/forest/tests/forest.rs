//! The forest as a user meets it: votes, stops, refusals.

use fer_fast_forest::{
    BinParams, Binning, ClassWeights, Error, ForestParams, Matrix, Plan, Residual, Scored,
    TrainingRows, Trees, Workers, evaluate, fit,
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
    let binned =
        Binning::learn(rows, &BinParams::default(), Workers::new(1)).expect("finite values");
    TrainingRows::new(binned, labels, n_classes).expect("a label a row")
}

/// One tree of `ROWS` draws.
fn tree() -> ForestParams {
    ForestParams {
        n_trees: 1,
        bootstrap: Some(ROWS),
        ..ForestParams::default()
    }
}

fn grow(
    rows: &TrainingRows,
    subset: &[usize],
    scored: Scored<'_>,
    params: &ForestParams,
) -> Result<Vec<f64>, Error> {
    let plan = Plan {
        rows,
        subset,
        scored,
        params,
        seed: 0,
    };
    let workers = Workers::new(1);
    evaluate(&plan, None, workers).map(|evaluation| evaluation.probabilities)
}

/// Rows that each have a class of their own: a tree of one leaf tells how often it drew each.
fn told_apart(seed: u64) -> TrainingRows {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|_| random.below(9) as f32)
        .collect();
    let rows = Matrix::new(&values, COLUMNS).expect("whole rows");
    let binned =
        Binning::learn(rows, &BinParams::default(), Workers::new(1)).expect("finite values");
    TrainingRows::new(binned, (0..ROWS as u8).collect(), ROWS).expect("a label a row")
}

fn one_leaf(draws: Option<usize>) -> ForestParams {
    ForestParams {
        max_depth: Some(0),
        bootstrap: draws,
        ..tree()
    }
}

#[test]
fn a_bootstrap_draws_every_row_with_the_same_chance() {
    let rows = told_apart(1);
    for draws in [1, 17, ROWS, 50_000] {
        let params = one_leaf(Some(draws));
        let shares = grow(&rows, &SUBSET, Scored::Rows(rows.cells()), &params).expect("a forest");
        let counts: Vec<f64> = shares[..ROWS]
            .iter()
            .map(|share| share * draws as f64)
            .collect();
        assert!(
            counts
                .iter()
                .all(|count| (count - count.round()).abs() < 1e-6)
        );
        assert!((counts.iter().sum::<f64>() - draws as f64).abs() < 1e-6);
        if draws == 50_000 {
            // Pearson's statistic: about its 79 degrees of freedom, give or take 4 of its
            // standard deviations of 12.6.
            let expected = draws as f64 / ROWS as f64;
            let statistic: f64 = counts
                .iter()
                .map(|count| (count - expected).powi(2) / expected)
                .sum();
            assert!((29.0..129.0).contains(&statistic), "{statistic}");
        }
    }
}

#[test]
fn out_of_bag_scores_exactly_the_rows_not_drawn() {
    let rows = told_apart(2);
    let params = one_leaf(Some(ROWS));
    let counted = grow(&rows, &SUBSET, Scored::Rows(rows.cells()), &params).expect("a forest");
    let scored = grow(&rows, &SUBSET, Scored::OutOfBag, &params).expect("a forest");
    let is_drawn: Vec<bool> = counted[..ROWS].iter().map(|&share| share > 0.0).collect();
    let is_scored: Vec<bool> = scored
        .chunks(ROWS)
        .map(|shares| !shares[0].is_nan())
        .collect();
    assert!(
        is_drawn
            .iter()
            .zip(&is_scored)
            .all(|(drawn, scored)| drawn != scored)
    );
    assert!(is_scored.contains(&true) && is_scored.contains(&false));
    let shares = grow(&rows, &SUBSET, Scored::OutOfBag, &one_leaf(None)).expect("a forest");
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
        class_weights: ClassWeights::Given(vec![1.0, 2.0]),
        ..once.clone()
    };
    let root =
        |params| grow(&rows, &SUBSET, Scored::Rows(rows.cells()), params).expect("a forest")[1];
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
        scored: Scored::OutOfBag,
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
    let refusal = |subset: &[usize], params: ForestParams| {
        grow(&rows, subset, Scored::OutOfBag, &params).err()
    };
    let columns = COLUMNS;
    assert_eq!(refusal(&[], tree()), Some(Error::Subset { columns }));
    assert_eq!(refusal(&[12], tree()), Some(Error::Subset { columns }));
    let weighted = |weights: &[f64]| ForestParams {
        class_weights: ClassWeights::Given(weights.to_vec()),
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
        Binning::learn(rows, &BinParams::default(), Workers::new(1)).expect("finite values")
    };
    let labels = TrainingRows::new(binned(), vec![0], 2).err();
    assert_eq!(labels, Some(Error::Labels { labels: 1, rows: 2 }));
    let sorted = TrainingRows::new(binned(), vec![0, 1], 2).expect("a label a row");
    let sorted = sorted.sorted(&[1], Workers::new(1)).err();
    assert_eq!(sorted, Some(Error::Subset { columns: 1 }));
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
        let error = Binning::learn(rows, &BinParams::default(), Workers::new(1)).err();
        assert_eq!(error, Some(Error::NotFinite { column: 1 }));
    }
}

/// The probabilities of kept trees for rows of a matrix.
fn predict(trees: &Trees, values: &[f32], columns: usize, threads: usize) -> Vec<f64> {
    let rows = Matrix::new(values, columns).expect("whole rows");
    let workers = Workers::new(threads);
    trees.probabilities(rows, workers).expect("rows that fit")
}

/// Rows of small whole numbers, one cell in eight missing.
fn values_with_gaps(random: &mut Random) -> Vec<f32> {
    (0..ROWS * COLUMNS)
        .map(|_| match random.below(40) {
            0..5 => f32::NAN,
            value => value as f32,
        })
        .collect()
}

#[test]
fn kept_trees_vote_as_they_did_while_they_grew() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let n_classes = [2, 5, 11][seed as usize % 3];
        let values = values_with_gaps(&mut random);
        let labels = (0..ROWS).map(|_| random.below(n_classes) as u8).collect();
        let params = BinParams {
            allow_missing: true,
            ..BinParams::default()
        };
        let matrix = Matrix::new(&values, COLUMNS).expect("whole rows");
        let binned = Binning::learn(matrix, &params, Workers::new(1)).expect("no infinite values");
        let rows = TrainingRows::new(binned, labels, n_classes).expect("a label a row");
        let params = ForestParams {
            n_trees: 7,
            min_samples_leaf: 1 + seed as usize % 3,
            ..tree()
        };
        let plan = Plan {
            rows: &rows,
            subset: &(0..COLUMNS).collect::<Vec<_>>(),
            scored: Scored::Rows(rows.cells()),
            params: &params,
            seed,
        };
        let workers = Workers::new(2);
        let forest = fit(&plan, None, workers).expect("a forest");
        let kept = predict(&forest.trees, &values, COLUMNS, 1);
        for (kept, grown) in kept.iter().zip(&forest.evaluation.probabilities) {
            assert!((kept - grown).abs() < 1e-6);
        }
        assert_eq!(predict(&forest.trees, &values, COLUMNS, 3), kept);
        let again = Trees::from_parts(&forest.trees.to_parts()).expect("sound trees");
        assert_eq!(again, forest.trees);
        assert!((forest.importances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_order_of_the_rows_does_not_matter_to_sorted_rows() {
    let mut random = Random(8);
    let values: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|_| random.below(50) as f32)
        .collect();
    let labels: Vec<u8> = (0..ROWS).map(|_| random.below(3) as u8).collect();
    let grow = |order: &[usize]| {
        let shuffled: Vec<f32> = order
            .iter()
            .flat_map(|&row| values[row * COLUMNS..][..COLUMNS].to_vec())
            .collect();
        let matrix = Matrix::new(&shuffled, COLUMNS).expect("whole rows");
        let binned =
            Binning::learn(matrix, &BinParams::default(), Workers::new(1)).expect("finite values");
        let labels = order.iter().map(|&row| labels[row]).collect();
        let rows = TrainingRows::new(binned, labels, 3)
            .expect("a label a row")
            .sorted(&SUBSET, Workers::new(2))
            .expect("columns there are");
        let params = ForestParams {
            n_trees: 5,
            ..tree()
        };
        let plan = Plan {
            rows: &rows,
            subset: &SUBSET,
            scored: Scored::Nothing,
            params: &params,
            seed: 1,
        };
        let workers = Workers::new(1);
        fit(&plan, None, workers).expect("a forest")
    };
    let straight: Vec<usize> = (0..ROWS).collect();
    let crossed: Vec<usize> = (0..ROWS).map(|row| row * 37 % ROWS).collect();
    assert_eq!(grow(&straight), grow(&crossed));
}

#[test]
fn numbers_that_make_no_trees_are_refused() {
    let rows = training_rows(6, 3);
    let plan = Plan {
        rows: &rows,
        subset: &SUBSET,
        scored: Scored::Nothing,
        params: &tree(),
        seed: 0,
    };
    let workers = Workers::new(1);
    let parts = fit(&plan, None, workers)
        .expect("a forest")
        .trees
        .to_parts();
    assert!(Trees::from_parts(&parts).is_ok());
    for wrong in 0..6 {
        let mut parts = parts.clone();
        match wrong {
            0 => parts.nodes[1] = COLUMNS as u32,
            1 => parts.nodes[2] = u32::MAX,
            2 => parts.nodes[2] = 0,
            3 => parts.starts[0] = 1,
            4 => parts.nodes.truncate(parts.nodes.len() - 3),
            _ => parts.n_classes = 0,
        }
        assert_eq!(Trees::from_parts(&parts), Err(Error::Trees));
    }
}

#[test]
fn a_residual_of_another_shape_is_refused() {
    let rows = training_rows(7, 3);
    let residual = Residual::new(&[0.0; 6], 3).expect("two rows of three classes");
    let plan = Plan {
        rows: &rows,
        subset: &SUBSET,
        scored: Scored::OutOfBag,
        params: &tree(),
        seed: 0,
    };
    let workers = Workers::new(1);
    let (found, expected) = ((2, 3), (ROWS, 3));
    let refusal = evaluate(&plan, Some(&residual), workers).err();
    assert_eq!(refusal, Some(Error::ResidualShape { found, expected }));
}
