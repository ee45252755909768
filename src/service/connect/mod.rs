//! Connect links: one customer's invitation to connect one account, from the integrator's call to the vendor and back.

mod begin;
mod confirm;
mod finish;
mod hold;
mod lapse;
pub mod limits;
pub mod link_input;
pub mod link_view;
pub mod links;
mod offer;
pub mod presentation;
mod renew;
mod settle;
pub mod strays;

pub use super::links::Link;
pub use super::links::outcome::{Outcome, Reason};
pub use super::links::status::Status;
pub use begin::{Chosen, Next, is_correctable};
pub use offer::{Field, Offer};
