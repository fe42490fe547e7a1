//! Kept trees: refused, or trees that say something of every row.
#![no_main]

use arbitrary::Arbitrary;
use fer_fast_forest::{Matrix, TreeParts, Trees, Workers};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Parts {
    nodes: Vec<u32>,
    starts: Vec<u64>,
    shares: Vec<f32>,
    n_columns: u8,
    n_classes: u8,
}

fuzz_target!(|parts: Parts| {
    let parts = TreeParts {
        nodes: parts.nodes,
        starts: parts.starts,
        shares: parts.shares,
        n_columns: parts.n_columns.into(),
        n_classes: parts.n_classes.into(),
    };
    if let Ok(trees) = Trees::from_parts(&parts) {
        let again = Trees::from_parts(&trees.to_parts()).expect("their own parts make them again");
        assert_eq!(again.n_nodes(), trees.n_nodes());
        if parts.n_columns > 0 {
            let values = [f32::NAN, 0.0, -1.5, 3e38];
            let values: Vec<f32> = values
                .iter()
                .copied()
                .cycle()
                .take(7 * parts.n_columns)
                .collect();
            let rows = Matrix::new(&values, parts.n_columns).expect("whole rows");
            let said = trees
                .probabilities(rows, Workers::new(1))
                .expect("as many columns");
            assert_eq!(said.len(), 7 * parts.n_classes);
        }
    }
});
