//! The addresses to which a user is sent.

pub mod default_url;
pub mod url;
pub(in crate::service) mod wishes;
