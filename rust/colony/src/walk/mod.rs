//! How an ant chooses its features: random numbers, weights, and the choice between the best and a
//! draw. Everything here is private to the crate, and knows neither trails nor iterations.

mod greedy;
mod pool;
mod rng;
mod transition;
mod weight;

pub(crate) use pool::roulette;
pub(crate) use rng::Pcg64;
pub(crate) use transition::Field;
pub(crate) use weight::{MAX_FEATURES, PheromonePower, desirability_powers, fixed_point};
