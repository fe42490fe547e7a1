//! The exceptions that the extension raises: those of Rust, and those of Python that it borrows.

use fer_fast_colony::ColonyError;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::{create_exception, import_exception};

create_exception!(
    fer_fast._core,
    EvaluationCut,
    PyException,
    "Raised by a fitness to say that it has not evaluated this subset: a choice, not a fault."
);

create_exception!(
    fer_fast._core,
    EvaluationLost,
    EvaluationCut,
    "Raised by a fitness to say that this subset cannot be evaluated, however much time there is."
);

import_exception!(fer_fast.errors, ParameterError);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("EvaluationCut", module.py().get_type::<EvaluationCut>())?;
    module.add("EvaluationLost", module.py().get_type::<EvaluationLost>())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
pub fn from_colony(error: ColonyError) -> PyErr {
    match error {
        ColonyError::NothingAsked => PyRuntimeError::new_err(error.to_string()),
        _ => ParameterError::new_err(error.to_string()),
    }
}
