//! Floor 3: how callers speak of a hub, without I/O: a caller's call becomes requests to the vendor, and replies become one shape for a hub.
//! What differs between vendors is in the element (`catalog/resource.rs`).

mod body;
pub mod bookmark;
pub mod clause;
pub mod document;
pub mod families;
mod filter;
mod form;
mod json;
pub mod objects;
pub mod page;
pub mod paging;
pub mod plan;
mod print;
pub mod refusal;
pub mod route;
pub mod shape;
mod slots;
mod statement;
mod taking;
#[cfg(test)]
mod tests;
mod vendor_request;
pub mod walk;
