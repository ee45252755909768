//! Whose row it is.

use serde::{Deserialize, Serialize};

/// The organization and account that a row belongs to: the first argument of every query on owned rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    pub organization: i64,
    pub account: i64,
}
