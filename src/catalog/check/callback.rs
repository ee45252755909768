//! What an element says of the vendor's redirect.

use super::Findings;
use crate::catalog::oauth2::OAuth2;

const AT: &str = "authentication/oauth2/callback";

/// What every redirect may say (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).
const STANDARD: [&str; 6] = ["code", "error", "error_description", "error_uri", "iss", "state"];

pub fn check(oauth2: &OAuth2, findings: &mut Findings) {
    let callback = &oauth2.callback;
    for (member, name) in [("code", &callback.code), ("scope", &callback.scope), ("hmac", &callback.hmac)] {
        if let Some(name) = name {
            check_parameter(&format!("{AT}/{member}"), name, findings);
        }
    }
    let signed = callback.hmac.is_some();
    findings.demand(
        !(signed && oauth2.has_public_clients()),
        format!("{AT}/hmac"),
        "the clients are public: there is no secret to sign with",
    );
}

pub fn check_parameter(at: &str, name: &str, findings: &mut Findings) {
    let own = STANDARD.contains(&name) || name.is_empty();
    findings.demand(!own, at, format!("`{name}` is not the vendor's own parameter"));
}
