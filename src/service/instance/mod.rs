//! What an instance is, as it is stored and as callers see it.

pub mod answer;
pub mod brought;
pub mod changed_element;
pub mod configuration;
pub mod connected;
pub mod creations;
pub mod idempotency;
pub mod input;
pub mod list;
pub mod overview;
pub mod rendered;
pub mod schedule;
pub mod standing;
pub mod stored;
pub mod token_sight;
pub mod usage;
pub mod vendor_values;
pub mod view;
