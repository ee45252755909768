//! What a vendor's answers to calls mean where status and usual headers do not say it.

use serde::{Deserialize, Serialize};

/// A success that is a failure: by what stands in its body.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failure {
    /// A JSON pointer into the body.
    pub at: String,
    /// What stands there, as text; absent: something, which is neither false nor empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
    /// The status that it stands for.
    pub status: u16,
}

/// A header that says when to come again, where `Retry-After` does not.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Wait {
    pub header: String,
    #[serde(rename = "as")]
    pub unit: WaitUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitUnit {
    /// From now on; a part of one counts as one.
    Seconds,
    Milliseconds,
    /// A point in time, since 1970.
    EpochSeconds,
    EpochMilliseconds,
}
