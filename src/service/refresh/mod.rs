//! How a credential stays fresh.

pub(in crate::service) mod attempt;
pub mod due;
pub mod ends;
pub mod fresh_token;
mod kept;
mod outcomes;
mod refusals;
pub mod refused_calls;
pub mod single_flight;
pub mod warm_instances;
