//! What a reply says between the lines: members that mean "expired", "refused" or "taken", as an element lists them.

use serde_json::Value;

use crate::catalog::oauth2::ExpirySign;
use crate::catalog::verification::Accepted;

/// Whether a reply has the sign. `body`: where it was read.
pub fn has(sign: &ExpirySign, status: u16, body: Option<&Value>) -> bool {
    sign.status == status
        && sign.at.as_deref().is_none_or(|at| text_at(body, at).is_some_and(|text| sign.is.contains(&text)))
}

/// Whether a success says what it must. Without texts to compare: anything but nothing, and no.
pub fn accepts(sign: &Accepted, body: Option<&Value>) -> bool {
    match body.and_then(|body| body.pointer(&sign.at)) {
        None | Some(Value::Null | Value::Bool(false)) if sign.is.is_empty() => false,
        Some(Value::String(text)) if sign.is.is_empty() => !text.is_empty(),
        Some(_) if sign.is.is_empty() => true,
        _ => text_at(body, &sign.at).is_some_and(|text| sign.is.contains(&text)),
    }
}

/// Texts, numbers and booleans, which vendors take one for the other.
pub fn text_at(body: Option<&Value>, at: &str) -> Option<String> {
    match body?.pointer(at)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
