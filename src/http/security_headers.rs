//! What a browser may do with an answer of ours: one set for all of them. A vendor's answer has its own (`vendor_reply`).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::urls::DOCS;

/// An answer that says otherwise itself keeps what it says.
const EVERYWHERE: [(HeaderName, HeaderValue); 5] = [
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

const POLICY: HeaderName = HeaderName::from_static("content-security-policy");
/// Data, which loads nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Swagger UI: scripts of ours, styles that it writes itself, and calls to the API.
const OF_DOCS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const STRICT: HeaderName = HeaderName::from_static("strict-transport-security");
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What an answer may load where it does not say so itself.
pub fn policy_of(path: &str) -> HeaderValue {
    if path.starts_with(DOCS) { OF_DOCS } else { NOTHING }
}

/// The set, but for what an answer may load. `https`: of the server's public address. The promise is made only where it is kept
/// (RFC 6797 section 7.2).
pub fn all(https: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    EVERYWHERE.into_iter().chain(https.then_some((STRICT, A_YEAR)))
}

pub fn add(headers: &mut HeaderMap, policy: HeaderValue, https: bool) {
    // A page says what it may load, and may say more of the rest. Whatever else there is says nothing or the same.
    let own = headers.contains_key(&POLICY);
    for (name, value) in all(https) {
        if !(own && headers.contains_key(&name)) {
            headers.insert(name, value);
        }
    }
    if !own {
        headers.insert(POLICY, policy);
    }
}
