//! What is drawn: a tree's rows, a node's columns.

use crate::random::{Stream, child_key};
use crate::sampling::Urn;

/// The part of a tree's key that is no child of its root.
const BOOTSTRAP: u64 = u64::MAX;

/// How often a tree with this key draws each of `n_rows` rows; `None` draws every row once.
pub(crate) fn row_counts(key: u64, n_rows: usize, draws: Option<usize>, urn: &Urn) -> Vec<u32> {
    let Some(draws) = draws else {
        return vec![1; n_rows];
    };
    let mut counts = vec![0; n_rows];
    let mut stream = Stream::new(child_key(key, BOOTSTRAP));
    for _ in 0..draws {
        counts[urn.draw(&mut stream, n_rows)] += 1;
    }
    counts
}

/// The rows that a tree did not draw, nor a twin of them.
pub(crate) fn not_drawn(counts: &[u32], twins: Option<&[u32]>) -> Vec<u32> {
    let is_drawn: Vec<bool> = match twins {
        None => counts.iter().map(|&count| count > 0).collect(),
        Some(twins) => {
            let mut groups = vec![false; counts.len()];
            for (&group, &count) in twins.iter().zip(counts) {
                groups[group as usize] |= count > 0;
            }
            twins.iter().map(|&group| groups[group as usize]).collect()
        }
    };
    (0..counts.len() as u32)
        .filter(|&row| !is_drawn[row as usize])
        .collect()
}

/// Columns drawn one after another without replacement, by their positions in the subset.
pub(crate) struct Draw {
    n_columns: usize,
    stream: Stream,
    is_drawn: Vec<u64>,
    drawn: Vec<u32>,
}

impl Draw {
    pub(crate) fn new(n_columns: usize) -> Self {
        Self {
            n_columns,
            stream: Stream::new(0),
            is_drawn: vec![0; n_columns.div_ceil(64)],
            drawn: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, key: u64) {
        self.stream = Stream::new(key);
        for position in self.drawn.drain(..) {
            self.is_drawn[position as usize / 64] = 0;
        }
    }

    /// The first `n` columns drawn, or all there are.
    pub(crate) fn first(&mut self, n: usize) -> &[u32] {
        let n = n.min(self.n_columns);
        while self.drawn.len() < n {
            let position = self.stream.below(self.n_columns);
            let (word, bit) = (position / 64, 1 << (position % 64));
            if self.is_drawn[word] & bit == 0 {
                self.is_drawn[word] |= bit;
                self.drawn.push(position as u32);
            }
        }
        &self.drawn[..n]
    }
}

/// Sort the draws of all nodes by column: where each column starts, and the nodes that drew it.
pub(crate) fn by_column(
    drawn: &[u32],
    n_columns: usize,
    per_node: usize,
) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; n_columns + 1];
    for &position in drawn {
        starts[position as usize + 1] += 1;
    }
    for position in 0..n_columns {
        starts[position + 1] += starts[position];
    }
    let mut next = starts.clone();
    let mut order = vec![0; drawn.len()];
    for (node, drawn) in drawn.chunks_exact(per_node).enumerate() {
        for &position in drawn {
            let slot = &mut next[position as usize];
            order[*slot] = node as u32;
            *slot += 1;
        }
    }
    (starts, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_takes_every_column_once() {
        for n in [1, 2, 63, 64, 65, 300] {
            let mut draw = Draw::new(n);
            for key in 0..5 {
                draw.start(key);
                let some = draw.first(n / 2).to_vec();
                let mut all = draw.first(n + 10).to_vec();
                assert!(all.starts_with(&some));
                all.sort_unstable();
                assert!(all.iter().copied().eq(0..n as u32));
            }
        }
    }

    #[test]
    fn columns_are_drawn_about_equally_often() {
        let mut draw = Draw::new(40);
        let mut counts = [0_u32; 40];
        for key in 0..20_000 {
            draw.start(child_key(key, 0));
            for &position in draw.first(6) {
                counts[position as usize] += 1;
            }
        }
        // 3,000 each, with a standard deviation of 50.
        assert!(counts.iter().all(|count| (2_750..3_250).contains(count)));
    }
}
