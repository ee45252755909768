//! Who calls: users, their passwords, secrets and sessions.

pub mod authenticate;
pub mod bootstrap;
pub(in crate::service) mod form_token;
pub mod passwords;
pub mod proof;
pub mod resets;
pub mod roles;
pub mod sessions;
pub mod sign_in;
pub mod sign_in_limits;
pub mod user_account;
pub mod users;
