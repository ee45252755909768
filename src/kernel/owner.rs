//! Whose row it is.

use serde::{Deserialize, Serialize};

/// The organization and account that a row belongs to: the first argument of every query on owned rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    pub organization: i64,
    pub account: i64,
}

impl Owner {
    /// Nobody's: what an operator does to the whole server.
    pub const SERVER: Self = Self { organization: 0, account: 0 };
}
