//! Asking a vendor what a token is good for (RFC 7662).

use serde_json::Value;

use super::granted;
use super::refusal::refusal;
use super::reply::first_at;
use crate::catalog::oauth2::{Introspection, OAuth2};
use crate::protocol::account::{self, VendorAccount};
use crate::protocol::fault::VendorFault;
use crate::protocol::request::{VendorReply, VendorRequest};

/// What the vendor says of a token that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspected {
    pub scopes: Option<Vec<String>>,
    pub account: Option<VendorAccount>,
}

pub fn read(
    oauth2: &OAuth2,
    rules: &Introspection,
    request: &VendorRequest,
    reply: &VendorReply,
) -> Result<Introspected, VendorFault> {
    let body = reply.json();
    if !reply.is_success() {
        return Err(refusal(oauth2, "introspection.url", request, reply, body.as_ref()));
    }
    let body = body.ok_or_else(|| {
        let what = "an introspection that is not JSON";
        VendorFault::Strange { what, at: "introspection", seen: reply.seen(request) }
    })?;
    if body.pointer("/active") == Some(&Value::Bool(false)) {
        return Err(VendorFault::Malformed("an introspection that calls a new token inactive"));
    }
    Ok(Introspected {
        scopes: first_at(&body, &rules.scope).and_then(granted::names),
        account: account::read(rules.account(), Some(&body)),
    })
}
