//! How a credential comes to be and ends: exchanges, checks, apps, revocations.

mod app_address;
mod app_hosts;
mod app_input;
pub mod app_view;
mod code_use;
pub(in crate::service) mod follow_up;
pub(in crate::service) mod introspect;
mod key_check;
mod newer_token;
pub mod partner_app;
pub mod provision;
pub mod revocations;
pub mod revoke_grants;
pub mod scope_choice;
mod started_by_caller;
mod started_by_default;
pub mod token_call;
pub mod token_hosts;
pub(in crate::service) mod token_turns;
mod told_by_redirect;
pub(in crate::service) mod told_hosts;
mod unproven;
