//! A colony that deposits credit, as a Rust user meets it.

use fer_fast_colony::{Colony, ColonyError, Deposit, Judgement, Parameters, Sizes, Subset};

const N: usize = 64;

fn parameters(size: Option<usize>) -> Parameters {
    Parameters {
        n_ants: 6,
        min_features: size.unwrap_or(1),
        max_features: size,
        seed: 3,
        ..Parameters::for_deposit(Deposit::Credit)
    }
}

fn colony(parameters: Parameters) -> Colony {
    Colony::new(&[1.0; N], parameters).expect("the parameters are in range")
}

/// Every eighth feature from the fourth on earns much, the others little or less than nothing.
fn worth(feature: u32) -> f64 {
    match feature % 8 {
        3 => 1.0,
        5 => -1.0,
        rest => f64::from(rest) / 100.0,
    }
}

fn judge(subset: &Subset) -> Judgement {
    let credit: Vec<f64> = subset.features().map(worth).collect();
    Judgement {
        score: credit.iter().sum(),
        credit: Some(credit),
    }
}

fn iterate(colony: &mut Colony, n_iterations: usize) -> Result<(), ColonyError> {
    for _ in 0..n_iterations {
        let judgements: Vec<_> = colony.ask().iter().map(|s| Some(judge(s))).collect();
        colony.tell(&judgements)?;
    }
    Ok(())
}

#[test]
fn the_answer_holds_the_features_that_earn_most() -> Result<(), ColonyError> {
    for sizes in [Sizes::Learned, Sizes::Annealed] {
        let mut colony = colony(Parameters {
            sizes,
            ..parameters(Some(8))
        });
        assert_eq!(colony.answer(), None);
        iterate(&mut colony, 40)?;
        let answer = colony.answer().expect("ants were scored");
        assert!(answer.features().eq((3..64).step_by(8)), "{sizes:?}");
    }
    Ok(())
}

#[test]
fn where_sizes_are_learned_the_answer_is_the_best_subset() -> Result<(), ColonyError> {
    let mut colony = colony(parameters(None));
    iterate(&mut colony, 5)?;
    let best = colony.best().map(|best| best.subset.clone());
    assert!(best.is_some());
    assert_eq!(colony.answer(), best);
    Ok(())
}

#[test]
fn annealed_sizes_are_halved_and_only_allowed_ones_are_best() -> Result<(), ColonyError> {
    let mut colony = colony(Parameters {
        sizes: Sizes::Annealed,
        ..parameters(Some(5))
    });
    let mut seen = Vec::new();
    for _ in 0..6 {
        let subsets = colony.ask();
        seen.push((subsets[0].len(), subsets.len()));
        assert!(
            subsets
                .iter()
                .all(|subset| subset.len() == subsets[0].len())
        );
        iterate(&mut colony, 1)?;
        let has_best = colony.best().is_some();
        assert_eq!(has_best, colony.iteration() > 4);
        assert!(colony.answer().is_some_and(|answer| answer.len() == 5));
    }
    assert_eq!(seen, [(64, 1), (32, 2), (16, 4), (8, 8), (5, 6), (5, 6)]);
    let n_ants: Vec<_> = colony.history().iter().map(|row| row.n_ants).collect();
    assert_eq!(n_ants, [1, 2, 4, 8, 6, 6]);
    Ok(())
}

#[test]
fn the_largest_average_one_and_none_is_below_the_bound() -> Result<(), ColonyError> {
    let mut colony = colony(parameters(Some(4)));
    for _ in 0..30 {
        iterate(&mut colony, 1)?;
        let mut pheromone = colony.pheromone().to_vec();
        pheromone.sort_by(|left, right| right.total_cmp(left));
        let mean = pheromone[..4].iter().sum::<f64>() / 4.0;
        assert!((mean - 1.0).abs() < 1e-12);
        assert!(pheromone.iter().all(|&tau| tau >= 0.01));
    }
    Ok(())
}

#[test]
fn a_saved_colony_goes_on_from_the_middle_of_an_iteration() -> Result<(), ColonyError> {
    for (size, sizes) in [(None, Sizes::Learned), (Some(9), Sizes::Annealed)] {
        let mut colony = colony(Parameters {
            sizes,
            ..parameters(size)
        });
        iterate(&mut colony, 2)?;
        let subset = colony.ask()[1].clone();
        colony.record(1, judge(&subset))?;
        let mut restored = Colony::from_json(&colony.to_json()?)?;
        assert_eq!(restored, colony);
        iterate(&mut restored, 4)?;
        iterate(&mut colony, 4)?;
        assert_eq!(restored, colony);
    }
    Ok(())
}

#[test]
fn the_order_in_which_ants_are_recorded_does_not_show() -> Result<(), ColonyError> {
    let (mut forwards, mut backwards) = (colony(parameters(None)), colony(parameters(None)));
    for _ in 0..6 {
        for (colony, reverse) in [(&mut forwards, false), (&mut backwards, true)] {
            let subsets = colony.ask().to_vec();
            let mut ants = colony.unscored()?;
            if reverse {
                ants.reverse();
            }
            for ant in ants {
                colony.record(ant, judge(&subsets[ant]))?;
            }
            colony.close()?;
        }
    }
    assert_eq!(forwards, backwards);
    Ok(())
}

#[test]
fn the_credited_are_those_of_the_last_iteration_that_had_news() -> Result<(), ColonyError> {
    let mut colony = colony(parameters(Some(8)));
    assert!(colony.credited().is_empty());
    let first = colony.ask().to_vec();
    colony.record(2, judge(&first[2]))?;
    colony.record(1, judge(&first[1]))?;
    colony.close()?;
    assert_eq!(colony.credited(), &first[1..3]);
    // An iteration whose ants were all cut changes neither them nor the pheromone.
    let before = colony.pheromone().to_vec();
    colony.ask();
    colony.close()?;
    assert_eq!(colony.credited(), &first[1..3]);
    assert_eq!(colony.pheromone(), before);
    Ok(())
}

#[test]
fn a_starting_trail_guides_the_first_ants() -> Result<(), ColonyError> {
    let tau0: Vec<f64> = (0..N).map(|j| if j < 8 { 1e300 } else { 0.0 }).collect();
    for deposit in [Deposit::Best, Deposit::Credit] {
        let parameters = Parameters {
            n_ants: 1,
            q0: 1.0,
            ..Parameters {
                deposit,
                ..parameters(Some(8))
            }
        };
        let mut colony = colony(parameters).with_trail(&tau0)?;
        assert!(
            colony.pheromone()[..8]
                .iter()
                .all(|&tau| (tau - 1.0).abs() < 1e-12)
        );
        assert!(
            colony.pheromone()[8..]
                .iter()
                .all(|&tau| (tau - 0.01).abs() < 1e-12)
        );
        assert!(colony.ask()[0].features().eq(0..8));
    }
    Ok(())
}

#[test]
fn a_refused_judgement_changes_nothing() {
    let mut colony = colony(parameters(Some(3)));
    let judged = judge(&colony.ask()[0]);
    let before = colony.clone();
    let with = |credit: Option<Vec<f64>>| Judgement { credit, score: 1.0 };
    let refused = [
        (with(None), "no credit"),
        (with(Some(vec![1.0; 2])), "has 2 values for 3 features"),
        (with(Some(vec![0.0, f64::NAN, 0.0])), "holds NaN at place 1"),
    ];
    for (judgement, says) in refused {
        let error = colony
            .record(1, judgement.clone())
            .expect_err("it is wrong");
        assert!(error.to_string().contains(says), "{error}");
        let mut judgements = vec![None; 6];
        judgements[0] = Some(judged.clone());
        judgements[1] = Some(judgement);
        let error = colony.tell(&judgements).expect_err("it is wrong");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(colony, before);
}

#[test]
fn a_colony_that_reinforces_the_best_takes_no_notice_of_credit() -> Result<(), ColonyError> {
    let parameters = || Parameters {
        deposit: Deposit::Best,
        ..parameters(None)
    };
    let (mut with, mut without) = (colony(parameters()), colony(parameters()));
    iterate(&mut with, 3)?;
    for _ in 0..3 {
        let scores: Vec<_> = without.ask().iter().map(|s| Some(judge(s).score)).collect();
        without.tell(&scores)?;
    }
    assert_eq!(with, without);
    Ok(())
}

#[test]
fn annealing_without_credit_and_a_wrong_trail_are_refused() {
    let annealed = Parameters {
        sizes: Sizes::Annealed,
        deposit: Deposit::Best,
        ..parameters(Some(4))
    };
    let error = Colony::new(&[1.0; N], annealed).expect_err("nothing is credited");
    assert!(error.to_string().contains("deposit credit"), "{error}");
    for (tau0, says) in [
        (vec![1.0; N - 1], "tau0 has 63 values for 64 features"),
        (vec![-1.0; N], "tau0[0] is -1"),
        (vec![0.0; N], "tau0 is 0 for every feature"),
    ] {
        let error = colony(parameters(None))
            .with_trail(&tau0)
            .expect_err("it is wrong");
        assert!(error.to_string().contains(says), "{error}");
    }
}
