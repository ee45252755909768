//! How an instance begins, changes and ends.

pub mod change;
mod change_entry;
pub mod create;
pub mod delete;
pub mod end_grants;
pub mod export;
pub mod forget;
pub mod import;
pub mod import_line;
mod kept_token;
pub(in crate::service) mod new_host;
pub(in crate::service) mod rows;
