//! Whether an answer to an API call means that the access token has expired, as the element says.

use serde_json::Value;

use crate::catalog::oauth2::OAuth2;
use crate::protocol::signs;

/// `body`: the answer's JSON, where it was read.
pub fn means_expired(oauth2: &OAuth2, status: u16, body: Option<&Value>) -> bool {
    oauth2.expired.iter().any(|sign| signs::has(sign, status, body))
}
