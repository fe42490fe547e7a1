//! A colony's parameters as Python names them.

use fer_fast_colony::{Deposit, INTEGER_RANGES, Parameters, REAL_RANGES, Sizes};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::ParameterError;

/// The deposit of a name.
pub fn deposit_named(name: &str) -> PyResult<Deposit> {
    choice("deposit", name, Deposit::ALL, Deposit::name)
}

/// The origin of sizes of a name.
pub fn sizes_named(name: &str) -> PyResult<Sizes> {
    choice("sizes", name, Sizes::ALL, Sizes::name)
}

fn choice<T: Copy>(
    parameter: &str,
    given: &str,
    choices: [T; 2],
    name: impl Fn(T) -> &'static str,
) -> PyResult<T> {
    let found = choices.into_iter().find(|&choice| name(choice) == given);
    found.ok_or_else(|| {
        let [first, second] = choices.map(name);
        ParameterError::new_err(format!(
            "{parameter} is {given:?}: it must be \"{first}\" or \"{second}\""
        ))
    })
}

/// Every parameter by its name.
pub fn parameter_dict<'py>(
    py: Python<'py>,
    parameters: &Parameters,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("n_ants", parameters.n_ants)?;
    dict.set_item("alpha", parameters.alpha)?;
    dict.set_item("beta", parameters.beta)?;
    dict.set_item("q0", parameters.q0)?;
    dict.set_item("rho", parameters.rho)?;
    dict.set_item("xi", parameters.xi)?;
    dict.set_item("tau_min", parameters.tau_min)?;
    dict.set_item("phi", parameters.phi)?;
    dict.set_item("deposit", parameters.deposit.name())?;
    dict.set_item("sizes", parameters.sizes.name())?;
    dict.set_item("min_features", parameters.min_features)?;
    dict.set_item("max_features", parameters.max_features)?;
    dict.set_item("seed", parameters.seed)?;
    Ok(dict)
}

/// The least and the greatest value of every number among the parameters, by its name.
pub fn range_dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for range in INTEGER_RANGES {
        dict.set_item(range.name, (range.low, range.high))?;
    }
    for range in REAL_RANGES {
        dict.set_item(range.name, (range.low, range.high))?;
    }
    Ok(dict)
}
