//! Why a forest cannot be grown.

use crate::entry::MAX_CLASSES;

/// Why a forest cannot be grown.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// The matrix is empty, or its last row is not whole.
    #[error("{cells} cells do not make rows of {columns} columns")]
    Shape {
        /// Cells found.
        cells: usize,
        /// Columns asked for.
        columns: usize,
    },
    /// Rows of another width than the bins were learned from.
    #[error("rows have {found} columns where the bins were learned from {expected}")]
    Columns {
        /// Columns of the rows.
        found: usize,
        /// Columns of the bins.
        expected: usize,
    },
    /// A cell is NaN or infinite.
    #[error("column {column} holds NaN or infinite values")]
    NotFinite {
        /// The column, counted from 0.
        column: usize,
    },
    /// Another number of labels than rows.
    #[error("{labels} labels for {rows} rows")]
    Labels {
        /// Labels found.
        labels: usize,
        /// Rows they belong to.
        rows: usize,
    },
    /// A label names no class, or there are too many classes.
    #[error("labels must be below {n_classes} classes, of which there may be {MAX_CLASSES}")]
    Classes {
        /// Classes asked for.
        n_classes: usize,
    },
    /// More rows than can be numbered, which for training rows depends on the number of classes.
    #[error("{rows} {kind} rows: at most {limit} can be numbered")]
    TooManyRows {
        /// Training rows, or scored ones.
        kind: &'static str,
        /// Rows given.
        rows: usize,
        /// Rows possible.
        limit: usize,
    },
    /// Groups of twins of another number of rows, or numbered beyond the rows.
    #[error("there must be one group of twins for each of {rows} rows, numbered below {rows}")]
    Twins {
        /// Rows there are.
        rows: usize,
    },
    /// Weights of another number of rows, negative, not finite, or all zero.
    #[error("there must be one weight for each of {rows} rows, none negative, not all zero")]
    RowWeights {
        /// Rows there are.
        rows: usize,
    },
    /// A residual holds NaN or an infinite value.
    #[error("the residual of row {row} and class {class} is NaN or infinite")]
    Residual {
        /// The row, counted from 0.
        row: usize,
        /// The class, counted from 0.
        class: usize,
    },
    /// A residual of another shape than the rows that are judged and their classes.
    #[error("the residual has shape {found:?} where {expected:?} was expected: rows and classes")]
    ResidualShape {
        /// Rows and classes of the residual.
        found: (usize, usize),
        /// Rows judged, and classes there are.
        expected: (usize, usize),
    },
    /// Numbers that make no trees.
    #[error("these numbers make no trees: a child, a column, a class or its shares do not exist")]
    Trees,
    /// A parameter is outside its range.
    #[error("{0}")]
    Parameter(&'static str),
    /// The subset is empty, or names a column that does not exist.
    #[error("a subset must name at least one of {columns} columns, and no other")]
    Subset {
        /// Columns there are.
        columns: usize,
    },
    /// The caller asked for a stop before the forest was done.
    #[error("stopped before the forest was done")]
    Stopped,
}
