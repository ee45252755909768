//! What an element says of requests to the token endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::catalog::oauth2::{BodyEncoding, ClientAuthentication, OAuth2, Pkce, TokenMethod};

const AT: &str = "authentication/oauth2";

/// Parameters that a vendor may call otherwise (RFC 6749 sections 4.1 and 6, RFC 7636 section 4.5).
const NAMED: [&str; 7] =
    ["client_id", "client_secret", "code", "code_verifier", "redirect_uri", "refresh_token", "scope"];

pub fn check(oauth2: &OAuth2, findings: &mut Findings) {
    let (token, refresh) = (&oauth2.token, &oauth2.refresh);
    check_names(oauth2, findings);
    check_parameters(oauth2, "token/parameters", &token.parameters, findings);
    if let Some(parameters) = &refresh.parameters {
        check_parameters(oauth2, "refresh/parameters", parameters, findings);
    }
    let all_by_get = token.method == TokenMethod::Get && refresh.method.is_none_or(|method| method == token.method);
    let body = token.body != BodyEncoding::Form;
    findings.demand(!(all_by_get && body), format!("{AT}/token/body"), "a GET has no body");
    // Whoever gets a code of a client without a secret could use it (RFC 9700 section 2.1.1).
    let public = token.client_authentication == ClientAuthentication::None;
    findings.demand(
        !public || oauth2.pkce == Pkce::S256,
        format!("{AT}/token/clientAuthentication"),
        "a client without a secret needs `pkce = \"S256\"`",
    );
    let unused = [
        ("url", refresh.url.is_some()),
        ("clientAuthentication", refresh.client_authentication.is_some()),
        ("method", refresh.method.is_some()),
        ("parameters", refresh.parameters.is_some()),
        ("rotates", refresh.rotates),
        ("idleLimit", refresh.idle_limit.is_some()),
    ];
    for (member, _) in unused.iter().filter(|(_, said)| *said && !refresh.supported) {
        findings.add(format!("{AT}/refresh/{member}"), format!("`{member}` says nothing where `supported` is false"));
    }
}

fn check_names(oauth2: &OAuth2, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (standard, name) in &oauth2.names {
        let at = format!("{AT}/names/{standard}");
        let known = NAMED.contains(&standard.as_str());
        findings.demand(known, &at, format!("`{standard}` is none of {}", NAMED.join(", ")));
        findings.demand(!name.is_empty() && name != standard, &at, format!("`{standard}` has no other name"));
        findings.demand(seen.insert(name), &at, format!("`{name}` is the name of two parameters"));
    }
}

fn check_parameters(oauth2: &OAuth2, member: &str, parameters: &BTreeMap<String, String>, findings: &mut Findings) {
    for name in parameters.keys() {
        let own = NAMED.iter().any(|standard| *standard != "scope" && oauth2.name(standard) == name);
        findings.demand(
            !own && !name.is_empty(),
            format!("{AT}/{member}/{name}"),
            format!("`{name}` is not the element's to set"),
        );
    }
}
