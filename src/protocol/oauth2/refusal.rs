//! What a token endpoint refuses, and what it means: the error of RFC 6749 section 5.2, and what vendors made of it.

use serde_json::Value;

use crate::catalog::oauth2::OAuth2;
use crate::protocol::fault::VendorFault;
use crate::protocol::request::{VendorReply, VendorRequest};
use crate::protocol::words;

/// Where an error is when it is not where the element says.
const ENVELOPES: [&str; 5] = ["/error", "/errors", "/fault", "/data/error", "/data/errors"];
/// Members of an error that is an object: its code, the more exact first, and its words.
const CODES: [&str; 8] = ["code", "error", "errorCode", "error_code", "status", "type", "reason", "name"];
const WORDS: [&str; 5] = ["error_description", "message", "description", "faultstring", "detail"];
/// What an outage is called, whatever its status (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
const OUTAGES: [&str; 3] = ["server_error", "temporarily_unavailable", "slow_down"];
/// How deep an envelope is looked into, and how many of a list.
const DEEPEST: u8 = 4;
const MOST: usize = 4;

/// `at`: the member of the element's file that has the address.
pub(super) fn refusal(
    oauth2: &OAuth2,
    at: &'static str,
    request: &VendorRequest,
    reply: &VendorReply,
    body: Option<&Value>,
) -> VendorFault {
    let status = reply.status;
    let codes: Vec<String> = codes(oauth2, body).iter().map(|code| request.mask(code)).collect();
    let message = message(oauth2, body).map(|text| request.mask(text)).or_else(|| codes.first().cloned());
    let message = message.or_else(|| words::of(&[], request, reply));
    let listed = |list: &[String]| codes.iter().find(|code| list.iter().any(|known| means(code, known))).cloned();
    let outage = codes.iter().any(|code| is_outage(code, oauth2));
    let (configuration, terminal) = (listed(&oauth2.errors.configuration), listed(&oauth2.errors.terminal));
    // A fault of the server that names a refusal is one (micronaut-security #235); that it is asked too often is not.
    let named = (500..600).contains(&status) && (configuration.is_some() || terminal.is_some());
    if (reply.is_transient() && !named) || outage {
        return VendorFault::Unavailable { status, retry_after: reply.retry_after, message };
    }
    // Nobody has looked at what was sent.
    if (300..400).contains(&status) {
        return VendorFault::Strange { what: "a redirect", at, seen: reply.seen(request) };
    }
    if let Some(code) = configuration {
        return VendorFault::Configuration { status, code: Some(code), message };
    }
    let known = terminal.is_some();
    let code = terminal.or_else(|| codes.first().cloned());
    VendorFault::Refused { status, code, message, hint: None, terminal: known }
}

/// Whether the body names an error at all.
pub(super) fn is_told(oauth2: &OAuth2, body: &Value) -> bool {
    !codes(oauth2, Some(body)).is_empty()
}

/// Whether a code is the one that an element lists, however it is written: its letters, its separators, text behind a colon.
pub fn means(code: &str, known: &str) -> bool {
    let plain = |text: &str| text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    let head = code.split_once(':').map_or(code, |(head, _)| head);
    [code, head].into_iter().any(|said| plain(said) == plain(known))
}

/// Whether a code tells of trouble at the vendor, and nothing of what was sent: by the standard, or as the element knows.
pub fn is_outage(code: &str, oauth2: &OAuth2) -> bool {
    let listed = oauth2.errors.unavailable.iter().map(String::as_str);
    OUTAGES.into_iter().chain(listed).any(|known| means(code, known))
}

/// What stands where the element looks for it; in an envelope, where nothing does.
fn codes(oauth2: &OAuth2, body: Option<&Value>) -> Vec<String> {
    let mut codes = Vec::new();
    let Some(body) = body else { return codes };
    for value in oauth2.errors.code.iter().filter_map(|pointer| body.pointer(pointer)) {
        collect(value, &mut codes, 0);
    }
    if codes.is_empty() {
        for value in ENVELOPES.iter().filter_map(|pointer| body.pointer(pointer)) {
            collect(value, &mut codes, 0);
        }
    }
    codes
}

fn collect(value: &Value, codes: &mut Vec<String>, depth: u8) {
    let deeper = depth.saturating_add(1);
    match value {
        Value::String(text) if !text.trim().is_empty() => codes.push(text.clone()),
        // Zero is how some say that there is none.
        Value::Number(number) if number.as_f64() != Some(0.0) => codes.push(number.to_string()),
        Value::Array(items) if depth < DEEPEST => items.iter().take(MOST).for_each(|item| collect(item, codes, deeper)),
        Value::Object(members) if depth < DEEPEST => {
            let inner = CODES.iter().filter_map(|name| members.get(*name));
            inner.for_each(|member| collect(member, codes, deeper));
        }
        _ => {}
    }
}

fn message<'a>(oauth2: &OAuth2, body: Option<&'a Value>) -> Option<&'a str> {
    let body = body?;
    let named = oauth2.errors.message.iter().find_map(|pointer| body.pointer(pointer)?.as_str());
    named.or_else(|| {
        let mut envelopes = ENVELOPES.iter().filter_map(|pointer| body.pointer(pointer));
        envelopes.find_map(|value| words_in(value, 0))
    })
}

fn words_in(value: &Value, depth: u8) -> Option<&str> {
    let deeper = depth.saturating_add(1);
    match value {
        _ if depth >= DEEPEST => None,
        Value::Array(items) => items.first().and_then(|item| words_in(item, deeper)),
        Value::Object(members) => {
            let text = |name: &&str| members.get(*name)?.as_str().filter(|text| !text.is_empty());
            let inner =
                || CODES.iter().filter_map(|name| members.get(*name)).find_map(|member| words_in(member, deeper));
            WORDS.iter().find_map(text).or_else(inner)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_as_what_they_mean() {
        let element =
            crate::catalog::Catalog::load(None).unwrap().get("hubspotcrm").unwrap().authentication.oauth2.clone();
        let mut oauth2 = element.unwrap();
        for code in ["access_denied", "Access_Denied", "access-denied", " ACCESS DENIED ", "access_denied: by the user"]
        {
            assert!(means(code, "access_denied") && !is_outage(code, &oauth2), "{code}");
        }
        for code in ["temporarily_unavailable", "server_error", "Server-Error", "slow_down"] {
            assert!(is_outage(code, &oauth2) && !means(code, "access_denied"), "{code}");
        }
        assert!(!is_outage("", &oauth2) && !is_outage("invalid_request", &oauth2));
        oauth2.errors.unavailable = vec!["internal_error".to_owned(), "-1".to_owned()];
        assert!(["Internal-Error", "-1", "server_error"].iter().all(|code| is_outage(code, &oauth2)));
        assert!(!is_outage("1", &oauth2));
    }
}
