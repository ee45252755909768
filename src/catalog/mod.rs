//! Floor 1: elements as data. Everything that differs between vendors is a field here, never code elsewhere.

pub mod address;
pub mod calls;
mod check;
pub mod choice;
pub mod element;
pub mod events;
pub mod load;
pub mod oauth2;
pub mod paging;
pub mod refusals;
pub mod resource;
pub mod scopes;
pub mod secret_places;
pub mod source;
#[cfg(test)]
mod tests;
pub mod variable;
pub mod verification;

pub use load::{Catalog, Complaint};
