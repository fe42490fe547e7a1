//! What each column earns: by how much its cuts move the rows they are judged on towards a residual.
//!
//! A cut of a node `v` moves the class shares that a row `i` would be given from those of `v` to
//! those of the child that it goes to. Against a residual `R` of rows and classes it earns
//!
//! ```text
//! sum over the judged rows i that reach v, over the classes c, of R(i, c) (p_child(i)(c) - p_v(c))
//! ```
//!
//! With `R(i, c) = [y_i = c]` over the rows that the tree did not draw this is the out-of-bag mean
//! decrease of impurity (Li, Wang, Basu, Kumbier & Yu 2019, "A debiased MDI feature importance
//! measure for random forests"); with `R = y - P` it is the step along the negative
//! gradient of the Brier loss of the probabilities `P`.

use crate::entry::lanes;
use crate::error::Error;
use crate::rows::TrainingRows;

/// The residual against which cuts are judged, one number for each row and class.
pub struct Residual {
    /// Row after row, each padded with zeros to the lanes of its classes.
    values: Vec<f32>,
    n_rows: usize,
    n_classes: usize,
    /// The greatest of all, regardless of sign.
    greatest: f32,
}

impl Residual {
    /// Take over the numbers of `n_classes` classes for each row that is judged.
    ///
    /// # Errors
    /// If the last row is not whole, or a number is not finite.
    pub fn new(values: &[f64], n_classes: usize) -> Result<Self, Error> {
        if n_classes == 0 || !values.len().is_multiple_of(n_classes) {
            return Err(Error::Shape {
                cells: values.len(),
                columns: n_classes,
            });
        }
        let n_rows = values.len() / n_classes;
        let width = lanes(n_classes);
        let mut padded = vec![0.0; n_rows * width];
        let mut greatest = 0.0_f32;
        for (row, values) in values.chunks_exact(n_classes).enumerate() {
            for (class, &value) in values.iter().enumerate() {
                let value = value as f32;
                if !value.is_finite() {
                    return Err(Error::Residual { row, class });
                }
                padded[row * width + class] = value;
                greatest = greatest.max(value.abs());
            }
        }
        Ok(Self {
            values: padded,
            n_rows,
            n_classes,
            greatest,
        })
    }

    /// Whether a row is of a class: what a cut earns is then the gain in the probability of the
    /// true class.
    #[must_use]
    pub fn labels(rows: &TrainingRows) -> Self {
        let width = lanes(rows.n_classes());
        let mut values = vec![0.0; rows.labels.len() * width];
        for (row, &label) in rows.labels.iter().enumerate() {
            values[row * width + usize::from(label)] = 1.0;
        }
        Self {
            values,
            n_rows: rows.labels.len(),
            n_classes: rows.n_classes(),
            greatest: 1.0,
        }
    }

    /// How many rows and classes it has.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.n_rows, self.n_classes)
    }
}

/// The classes' rows of a node, and what each weighs.
pub(crate) struct Shares<'a, const K: usize> {
    pub(crate) total: &'a [u32; K],
    pub(crate) weights: &'a [f64; K],
}

impl<const K: usize> Shares<'_, K> {
    /// The mean of `sums`, each class by its share.
    fn mean(&self, sums: &[f64; K]) -> f64 {
        let (mut sum, mut whole) = (0.0, 0.0);
        for ((&count, &weight), &value) in self.total.iter().zip(self.weights).zip(sums) {
            let weight = f64::from(count) * weight;
            sum += weight * value;
            whole += weight;
        }
        sum / whole
    }
}

/// Adds up what each column of a subset earns. As the votes it counts in whole numbers: they add up
/// to the same sum however trees are shared among threads.
pub(crate) struct Credit<'a, const K: usize> {
    residual: &'a [[f32; K]],
    /// What one is worth in whole numbers.
    one: f64,
    earned: Vec<i64>,
}

impl<'a, const K: usize> Credit<'a, K> {
    pub(crate) fn new(residual: &'a Residual, n_columns: usize, n_trees: usize) -> Self {
        Self {
            residual: residual.values.as_chunks().0,
            one: one(residual, n_trees),
            earned: vec![0; n_columns],
        }
    }

    /// Credit a column with a cut of `node` into two sides, each with the judged rows that reach it.
    pub(crate) fn add(
        &mut self,
        column: usize,
        node: &Shares<'_, K>,
        sides: &[(Shares<'_, K>, &[u32]); 2],
    ) {
        let mut all = [0.0; K];
        let mut gain = 0.0;
        for (side, rows) in sides {
            let sums = self.sums(rows);
            for (all, sum) in all.iter_mut().zip(&sums) {
                *all += sum;
            }
            gain += side.mean(&sums);
        }
        gain -= node.mean(&all);
        self.earned[column] += (gain * self.one).round() as i64;
    }

    /// The residual of some rows, summed by class.
    #[inline]
    fn sums(&self, rows: &[u32]) -> [f64; K] {
        let mut sums = [0.0; K];
        for &row in rows {
            for (sum, &value) in sums.iter_mut().zip(&self.residual[row as usize]) {
                *sum += f64::from(value);
            }
        }
        sums
    }

    pub(crate) fn earned(self) -> Vec<i64> {
        self.earned
    }
}

/// What one is worth in whole numbers: no forest overflows in which rows are judged by every tree
/// on paths of up to 128 cuts that each turn the shares over.
pub(crate) fn one(residual: &Residual, n_trees: usize) -> f64 {
    let most = f64::from(residual.greatest.max(f32::MIN_POSITIVE));
    (1_u64 << 54) as f64 / (most * n_trees as f64 * residual.n_rows.max(1) as f64)
}
