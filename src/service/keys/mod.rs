//! The keys that seal and sign: made, rotated, counted.

pub mod data_keys;
pub mod rotate_data_keys;
pub mod rotate_keys;
pub mod status;
pub(in crate::service) mod unopened;
