//! How long ants take: `cargo bench -p fer-fast-colony`.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fer_fast_colony::{Colony, Deposit, Judgement, Parameters};

const SIZES: [usize; 3] = [5_120, 102_400, 1_000_000];

/// A colony whose ants take a tenth of `n` features of different desirability.
fn colony(n: usize, parameters: &Parameters) -> Colony {
    let desirability: Vec<f64> = (0..n)
        .map(|feature| (feature * 7_919 % n + 1) as f64)
        .collect();
    let parameters = Parameters {
        min_features: n / 10,
        max_features: Some(n / 10),
        ..parameters.clone()
    };
    Colony::new(&desirability, parameters).expect("the parameters are in range")
}

/// The subsets of an iteration, built by greedy ants and by ants that always draw.
fn ask(criterion: &mut Criterion) {
    for (n_ants, q0) in [(1, 0.9), (1, 0.0), (20, 0.9)] {
        let mut group = criterion.benchmark_group(format!("ask {n_ants} ants q0={q0}"));
        group.sample_size(10);
        for n in SIZES {
            let parameters = Parameters {
                n_ants,
                q0,
                ..Parameters::default()
            };
            let colony = colony(n, &parameters);
            group.throughput(Throughput::Elements((n_ants * n / 10) as u64));
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter_batched_ref(
                    || colony.clone(),
                    |colony| colony.ask().len(),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

/// The deposit of twenty ants' credit.
fn close(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deposit the credit of 20 ants");
    group.sample_size(10);
    for n in SIZES {
        let mut colony = colony(n, &Parameters::for_deposit(Deposit::Credit));
        let credit: Vec<f64> = (0..n / 10).map(|place| place as f64).collect();
        for ant in 0..colony.ask().len() {
            let judgement = Judgement {
                score: 1.0,
                credit: Some(credit.clone()),
            };
            colony.record(ant, judgement).expect("the credit fits");
        }
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter_batched_ref(
                || colony.clone(),
                |colony| colony.close().expect("an iteration is open"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(kernels, ask, close);
criterion_main!(kernels);
