//! What a caller learns when the vendor does not do what it was asked for.

use super::json::{pointer, says_nothing, text_of};
use crate::catalog::calls::Failure;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::protocol::{VendorReply, VendorRequest, words};

/// The vendor's failure as ours: its refusals keep their status, its troubles become a 502.
pub fn refusal(element: &Element, request: &VendorRequest, reply: &VendorReply) -> ApiError {
    let (code, what) = match reply.status {
        401 => (Code::VendorUnauthorized, "refused the credential"),
        402 => (Code::VendorPaymentRequired, "wants to be paid for this"),
        403 => (Code::VendorForbidden, "does not allow this"),
        404 | 410 => (Code::VendorNotFound, "has no such object"),
        409 | 412 => (Code::VendorConflict, "has something that contradicts this"),
        422 => (Code::VendorUnprocessable, "cannot do this"),
        423 => (Code::VendorLocked, "has locked the object: try again in a few seconds"),
        429 => (Code::VendorRateLimited, "takes no more calls for the moment: try again later"),
        _ if reply.is_transient() => (Code::VendorUnreachable, "is not available at the moment: try again later"),
        400..=499 => (Code::VendorBadRequest, "refused the call"),
        _ => (Code::VendorAnswer, "answered in a way that cannot be used"),
    };
    let said = words::of(&element.messages, request, reply);
    let name = &element.name;
    let message = match &said {
        Some(said) => format!("{name} {what}: {said}"),
        None => format!("{name} {what}."),
    };
    let source = format!("the vendor answered with status {}", reply.status);
    let error = ApiError::new(code, message).with_provider_message(said).with_source(source);
    match reply.retry_after {
        Some(seconds) => error.with_retry_after(seconds),
        None => error,
    }
}

/// The status that a success stands for, where the element says that its body speaks of a failure.
pub fn failure_of(element: &Element, reply: &VendorReply) -> Option<u16> {
    if element.failures.is_empty() {
        return None;
    }
    let text = reply.text();
    let has = |failure: &&Failure| match pointer(&text, &failure.at) {
        None => false,
        Some(value) if failure.is.is_empty() => !says_nothing(value),
        Some(value) => text_of(value).is_some_and(|text| failure.is.contains(&text)),
    };
    element.failures.iter().find(has).map(|failure| failure.status)
}

/// A success that is not what the element says. `why`: a predicate, whose subject is the answer.
pub fn malformed(element: &Element, why: &str) -> ApiError {
    let message = format!("{} answered in a way that cannot be used: the answer {why}.", element.name);
    ApiError::new(Code::VendorAnswer, message).with_source(format!("the vendor's reply {why}"))
}
