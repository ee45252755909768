//! The catalogue, as callers see it.

pub mod list;
pub mod metadata;
pub mod of_owner;
pub mod view;
