//! Calls to a vendor, through an instance.

pub mod document;
pub mod hub;
pub mod pass_through;
pub mod vendor;
