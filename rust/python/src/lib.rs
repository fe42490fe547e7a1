//! Python bindings of the colony and the forest: the extension module `fer_fast._core`.

mod binned;
mod call;
mod colony;
mod convert;
mod errors;
mod forest;
mod parameters;
mod request;
mod run;
mod shared;
mod signals;
mod trees;

use pyo3::prelude::*;

/// The extension module: the exceptions, then one `register` per crate that it binds.
#[pymodule]
mod _core {
    use super::{PyModule, PyResult};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::errors::register(module)?;
        super::colony::register(module)?;
        super::binned::register(module)?;
        super::forest::register(module)?;
        super::trees::register(module)
    }
}
