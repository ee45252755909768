//! Whether an answer to an API call means that the access token has expired, as the element says.

use serde_json::Value;

use crate::catalog::oauth2::OAuth2;

/// `body`: the answer's JSON, where it was read.
pub fn means_expired(oauth2: &OAuth2, status: u16, body: Option<&Value>) -> bool {
    oauth2.expired.iter().filter(|sign| sign.status == status).any(|sign| match &sign.at {
        None => true,
        Some(pointer) => match body.and_then(|body| body.pointer(pointer)) {
            Some(Value::String(text)) => sign.is.contains(text),
            Some(Value::Number(number)) => sign.is.contains(&number.to_string()),
            _ => false,
        },
    })
}
