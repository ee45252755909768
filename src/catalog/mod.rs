//! Floor 1: elements as data. Everything that differs between vendors is a field here, never code elsewhere.

pub mod element;
pub mod load;
pub mod oauth2;

pub use load::Catalog;
