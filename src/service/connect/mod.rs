//! Connect links: one customer's invitation to connect one account, from the integrator's call to the vendor and back.

mod begin;
mod finish;
pub mod limits;
pub mod link_input;
pub mod link_view;
pub mod links;
mod offer;
pub mod presentation;
mod renew;
mod settle;

use chrono::{DateTime, Utc};
use super::Services;
use super::not_found;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::store::links::{self as rows, LinkRow};
use crate::store::sealed::{LINK_SETTINGS, LINK_TOKEN};
use crate::vault::lookup::Purpose;
pub use super::links::Link;
pub use super::links::outcome::{Outcome, Reason};
pub use super::links::status::Status;
pub use begin::{Chosen, Next, is_correctable};
pub use offer::{Field, Offer};
