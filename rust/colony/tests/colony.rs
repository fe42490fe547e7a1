//! The colony as a Rust user meets it.

use fer_fast_colony::{Colony, ColonyError, Parameters, Subset};

fn colony(seed: u64) -> Colony {
    let desirability: Vec<f64> = (1..=80).map(|j| f64::from(j % 7) / 7.0).collect();
    let parameters = Parameters {
        n_ants: 12,
        q0: 0.5,
        seed,
        ..Parameters::default()
    };
    Colony::new(&desirability, parameters).expect("the parameters are in range")
}

/// Few different scores, so that many subsets tie.
fn score(subset: &Subset) -> f64 {
    f64::from(subset.features().sum::<u32>() % 5)
}

fn iterate(colony: &mut Colony, n_iterations: usize) -> Result<(), ColonyError> {
    for _ in 0..n_iterations {
        let subsets = colony.ask();
        let scores: Vec<_> = subsets.iter().map(|subset| Some(score(subset))).collect();
        colony.tell(&scores)?;
    }
    Ok(())
}

/// One iteration whose ants are recorded one by one, from the first to the last or backwards.
fn record_and_close(colony: &mut Colony, backwards: bool) -> Result<(), ColonyError> {
    let scores: Vec<_> = colony.ask().iter().map(score).collect();
    let mut ants = colony.unscored()?;
    if backwards {
        ants.reverse();
    }
    for ant in ants {
        colony.record(ant, scores[ant])?;
    }
    colony.close()?;
    Ok(())
}

#[test]
fn telling_is_recording_and_closing() -> Result<(), ColonyError> {
    let (mut told, mut recorded) = (colony(3), colony(3));
    iterate(&mut told, 6)?;
    for _ in 0..6 {
        record_and_close(&mut recorded, false)?;
    }
    assert_eq!(told, recorded);
    Ok(())
}

#[test]
fn a_colony_whose_subsets_are_all_known_has_converged() -> Result<(), ColonyError> {
    let parameters = Parameters {
        n_ants: 4,
        ..Parameters::default()
    };
    let mut colony = Colony::new(&[1.0], parameters)?;
    assert!(!colony.has_converged());
    colony.ask();
    assert!(!colony.has_converged());
    iterate(&mut colony, 1)?;
    colony.ask();
    assert!(colony.has_converged());
    Ok(())
}

#[test]
fn the_order_in_which_ants_are_recorded_does_not_show() -> Result<(), ColonyError> {
    let (mut forwards, mut backwards) = (colony(5), colony(5));
    for _ in 0..6 {
        record_and_close(&mut forwards, false)?;
        record_and_close(&mut backwards, true)?;
    }
    assert_eq!(forwards, backwards);
    Ok(())
}

#[test]
fn a_saved_colony_goes_on_from_the_middle_of_an_iteration() -> Result<(), ColonyError> {
    let mut colony = colony(7);
    iterate(&mut colony, 3)?;
    colony.ask();
    colony.record(4, 1.0)?;
    let mut restored = Colony::from_json(&colony.to_json()?)?;
    assert_eq!(restored, colony);
    iterate(&mut restored, 3)?;
    iterate(&mut colony, 3)?;
    assert_eq!(restored, colony);
    Ok(())
}

#[test]
fn subsets_have_the_sizes_that_the_ladder_allows() -> Result<(), ColonyError> {
    let mut colony = colony(9);
    for _ in 0..20 {
        let sizes = colony.sizes();
        for subset in colony.ask() {
            assert_eq!(subset.features().count(), subset.len());
            assert!(sizes.contains(&subset.len()));
            assert!(
                subset
                    .features()
                    .collect::<Vec<_>>()
                    .is_sorted_by(|a, b| a < b)
            );
        }
        colony.tell(&[None::<f64>; 12])?;
        assert!(
            colony
                .pheromone()
                .iter()
                .all(|tau| (0.05..=1.0).contains(tau))
        );
    }
    assert_eq!(colony.best(), None);
    Ok(())
}

#[test]
fn a_refused_call_changes_nothing() {
    let mut colony = colony(11);
    assert_eq!(colony.tell::<f64>(&[]), Err(ColonyError::NothingAsked));
    colony.ask();
    let before = colony.clone();
    let mut scores = [Some(1.0); 12];
    scores[8] = Some(f64::INFINITY);
    assert!(matches!(
        colony.tell(&scores),
        Err(ColonyError::Score { ant: 8, .. })
    ));
    assert_eq!(
        colony.tell(&[None::<f64>]),
        Err(ColonyError::ScoreCount { given: 1, ants: 12 })
    );
    assert_eq!(
        colony.record(12, 1.0),
        Err(ColonyError::Ant { ant: 12, ants: 12 })
    );
    assert_eq!(colony, before);
}
