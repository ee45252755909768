//! How a credential comes to be and ends: exchanges, checks, apps, revocations.

pub(in crate::service) mod app_hosts;
pub mod changed_element;
pub(in crate::service) mod introspect;
pub(in crate::service) mod new_host;
pub mod partner_app;
pub mod provision;
pub mod revoke_grants;
pub mod scope_choice;
pub mod token_call;
pub mod token_hosts;
pub(in crate::service) mod token_turns;
