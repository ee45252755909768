//! What a vendor's refusals say: that a token is over, that a grant is gone, that the app or the vendor itself is at fault.

use serde::{Deserialize, Serialize};

/// An answer to an API call that says "the token has expired".
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpirySign {
    pub status: u16,
    /// JSON pointer into the body; absent: the status is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What stands there, as text.
    #[serde(default)]
    pub is: Vec<String>,
}

/// What the vendor's refusals mean. Compared with what stands at `code`, a text, a number, or an object or a list that holds
/// one; letters of any case, and what follows a colon left aside.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Errors {
    /// In the redirect: the person said no.
    pub denied: Vec<String>,
    /// The grant is gone for good: the user must authorise again.
    pub terminal: Vec<String>,
    /// The OAuth app is set up wrongly: the operator must act, the grant lives.
    pub configuration: Vec<String>,
    /// Overload or an outage, whatever the status: it says nothing of the grant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<String>,
    /// JSON pointers to the vendor's code and words, tried in order.
    pub code: Vec<String>,
    pub message: Vec<String>,
}

impl Default for Errors {
    fn default() -> Self {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            denied: all(&["access_denied"]),
            terminal: all(&["invalid_grant"]),
            configuration: all(&["invalid_client", "unauthorized_client"]),
            unavailable: Vec::new(),
            code: all(&["/error"]),
            message: all(&["/error_description", "/message"]),
        }
    }
}
