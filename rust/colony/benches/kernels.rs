//! The kernels of subset construction: `cargo bench -p fer-fast-colony`.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fer_fast_colony::pool::SumTree;
use fer_fast_colony::rng::Pcg64;
use fer_fast_colony::transition::Field;
use fer_fast_colony::{Colony, Parameters};

const SIZES: [usize; 3] = [5_120, 102_400, 1_000_000];

fn weights(n: usize) -> Vec<u64> {
    let mut rng = Pcg64::for_ant(0, 0, 0);
    (0..n).map(|_| rng.next_u64() >> 25).collect()
}

/// Sixteen draws from the sum tree.
fn draw(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw 16");
    group.throughput(Throughput::Elements(16));
    for n in SIZES {
        let tree = SumTree::new(&weights(n));
        let mut rng = Pcg64::for_ant(1, 0, 0);
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter(|| tree.find([(); 16].map(|()| rng.next_u64() % tree.total())));
        });
    }
    group.finish();
}

/// One ant that takes a tenth of the features.
fn walk(criterion: &mut Criterion) {
    for q0 in [0.9, 0.0] {
        let mut group = criterion.benchmark_group(format!("walk q0={q0}"));
        group.sample_size(20);
        for n in SIZES {
            let field = Field::new(weights(n));
            group.throughput(Throughput::Elements(n as u64 / 10));
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter_batched_ref(
                    || field.clone(),
                    |field| field.walk(n / 10, q0, Pcg64::for_ant(2, 0, 0)),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

/// All subsets of an iteration of 20 ants.
fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask 20 ants");
    group.sample_size(10);
    for n in SIZES {
        let desirability: Vec<f64> = weights(n).into_iter().map(|weight| weight as f64).collect();
        let parameters = Parameters {
            min_features: n / 10,
            max_features: Some(n / 10),
            ..Parameters::default()
        };
        let colony = Colony::new(&desirability, parameters).expect("the parameters are in range");
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

criterion_group!(kernels, draw, walk, ask);
criterion_main!(kernels);
