//! Reading what a token endpoint answered: the success of RFC 6749 section 5.1, the error of 5.2, and what vendors made
//! of both.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::granted;
use super::lifetime::{self, expiry};
use super::refusal::{is_told, refusal};
use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::secret::Secret;
use crate::protocol::account::{self, VendorAccount};
use crate::protocol::fault::VendorFault;
use crate::protocol::request::{VendorReply, VendorRequest};
use crate::protocol::variables::{self, Replied};

/// A token reply in our words.
#[derive(Debug, Clone)]
pub struct Token {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    /// Seconds; none where neither the vendor nor the element says.
    pub lifetime: Option<i64>,
    /// By the vendor, in this reply.
    pub lifetime_named: bool,
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
        let told = is_told(oauth2, &body);
        let fault = || refusal(oauth2, "token.url", request, reply, Some(&body));
        return Err(if told { fault() } else { strange("a token reply without an access token") });
    };
    let told = |pointers: &[String]| all_at(&body, pointers).find_map(|value| lifetime::read(value, now));
    let named = told(&oauth2.reply.expires_in);
    let lifetime = named.or(default_lifetime(oauth2));
    Ok(Token {
        access_token: Secret::new(access_token),
        refresh_token: text_at(&body, &oauth2.reply.refresh_token).map(Secret::new),
        lifetime,
        lifetime_named: named.is_some(),
        expires_at: lifetime.and_then(|seconds| expiry(now, seconds)),
        ends_at: told(&oauth2.reply.refresh_token_expires_in).and_then(|seconds| expiry(now, seconds)),
        scopes: first_at(&body, &oauth2.reply.scope).and_then(granted::names),
        account: account::read(oauth2.reply.account(), Some(&body)),
        replied: variables::given_by_reply(element, &body),
    })
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
