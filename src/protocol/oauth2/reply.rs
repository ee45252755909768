//! Reading what a token endpoint answered: the success of RFC 6749 section 5.1, the error of 5.2, and what vendors made
//! of both.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::granted;
use super::lifetime::{self, expiry};
use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::secret::Secret;
use crate::protocol::account::{self, VendorAccount};
use crate::protocol::fault::VendorFault;
use crate::protocol::request::{VendorReply, VendorRequest};
use crate::protocol::variables::{self, Replied};
use crate::protocol::words;

/// A token reply in our words.
#[derive(Debug, Clone)]
pub struct Token {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    /// Seconds; none where neither the vendor nor the element says.
    pub lifetime: Option<i64>,
    /// None: until the vendor refuses it.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the refresh token ends; none where the vendor does not say.
    pub ends_at: Option<DateTime<Utc>>,
    pub scopes: Option<Vec<String>>,
    pub account: Option<VendorAccount>,
    pub replied: Replied,
}

pub fn read(
    element: &Element,
    oauth2: &OAuth2,
    request: &VendorRequest,
    reply: &VendorReply,
    now: DateTime<Utc>,
) -> Result<Token, VendorFault> {
    let body = reply.json();
    if !reply.is_success() {
        return Err(refusal(oauth2, "token.url", request, reply, body.as_ref()));
    }
    let strange = |what| VendorFault::Strange { what, at: "reply", seen: reply.seen(request) };
    let body = body.ok_or_else(|| strange("a token reply that is neither JSON nor a form"))?;
    let Some(access_token) = text_at(&body, &oauth2.reply.access_token) else {
        // Some vendors answer 200 with an error inside.
        let told = text_at(&body, &oauth2.errors.code).is_some();
        let fault = || refusal(oauth2, "token.url", request, reply, Some(&body));
        return Err(if told { fault() } else { strange("a token reply without an access token") });
    };
    let told = |pointers: &[String]| all_at(&body, pointers).find_map(|value| lifetime::read(value, now));
    let lifetime = told(&oauth2.reply.expires_in).or(default_lifetime(oauth2));
    Ok(Token {
        access_token: Secret::new(access_token),
        refresh_token: text_at(&body, &oauth2.reply.refresh_token).map(Secret::new),
        lifetime,
        expires_at: lifetime.and_then(|seconds| expiry(now, seconds)),
        ends_at: told(&oauth2.reply.refresh_token_expires_in).and_then(|seconds| expiry(now, seconds)),
        scopes: first_at(&body, &oauth2.reply.scope).and_then(granted::names),
        account: account::read(&oauth2.reply.account, &oauth2.reply.account_name, Some(&body)),
        replied: variables::given_by_reply(element, &body),
    })
}

/// `at`: the member of the element's file that has the address.
pub(super) fn refusal(
    oauth2: &OAuth2,
    at: &'static str,
    request: &VendorRequest,
    reply: &VendorReply,
    body: Option<&Value>,
) -> VendorFault {
    let status = reply.status;
    let all = |pointers: &[String]| -> Vec<String> {
        let texts = pointers.iter().filter_map(|pointer| body?.pointer(pointer)?.as_str());
        texts.map(|text| request.mask(text)).collect()
    };
    let codes = all(&oauth2.errors.code);
    let message = all(&oauth2.errors.message).into_iter().next().or_else(|| codes.first().cloned());
    let message = message.or_else(|| words::of(&[], request, reply));
    if reply.is_transient() {
        return VendorFault::Unavailable { status, retry_after: reply.retry_after, message };
    }
    // Nobody has looked at what was sent.
    if (300..400).contains(&status) {
        return VendorFault::Strange { what: "a redirect", at, seen: reply.seen(request) };
    }
    let listed = |list: &[String]| codes.iter().find(|code| list.contains(code)).cloned();
    if let Some(code) = listed(&oauth2.errors.configuration) {
        return VendorFault::Configuration { status, code: Some(code), message };
    }
    let terminal = listed(&oauth2.errors.terminal);
    let known = terminal.is_some();
    let code = terminal.or_else(|| codes.first().cloned());
    VendorFault::Refused { status, code, message, hint: None, terminal: known }
}

pub(super) fn first_at<'a>(body: &'a Value, pointers: &[String]) -> Option<&'a Value> {
    all_at(body, pointers).next()
}

fn all_at<'a>(body: &'a Value, pointers: &[String]) -> impl Iterator<Item = &'a Value> {
    pointers.iter().filter_map(|pointer| body.pointer(pointer).filter(|value| !value.is_null()))
}

fn text_at(body: &Value, pointers: &[String]) -> Option<String> {
    first_at(body, pointers)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn default_lifetime(oauth2: &OAuth2) -> Option<i64> {
    oauth2.refresh.default_lifetime.and_then(|seconds| i64::try_from(seconds).ok())
}
