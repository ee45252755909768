//! The authorization request (RFC 6749 section 4.1.1) as each vendor wants it.

use std::collections::BTreeMap;

use url::Position;
use url::form_urlencoded::byte_serialize;

use crate::catalog::oauth2::OAuth2;
use crate::catalog::scopes::{Scopes, split};
use crate::protocol::fault::VendorFault;
use crate::protocol::variables::Values;

/// What the caller chose. The client secret is not part of it: it has no business in a URL.
pub struct Authorization<'a> {
    pub client_id: &'a str,
    /// As the caller wrote it: vendors compare it letter by letter.
    pub redirect_uri: &'a str,
    pub state: &'a str,
    /// `None`: no scope parameter was given.
    pub scope: Option<&'a str>,
    pub optional_scope: Option<&'a str>,
    pub code_challenge: Option<&'a str>,
    /// What this one request asks for, as far as the element allows it.
    pub wishes: &'a BTreeMap<String, String>,
}

/// Where to send the user.
pub fn url(oauth2: &OAuth2, authorization: &Authorization<'_>, values: Values<'_>) -> Result<String, VendorFault> {
    let url = values.url(&oauth2.authorize.url)?;
    let scope = scope(&oauth2.scopes, authorization.scope);
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    if oauth2.authorize.response_type {
        pairs.push(("response_type", "code"));
    }
    pairs.push((oauth2.name("client_id"), authorization.client_id));
    pairs.push((oauth2.name("redirect_uri"), authorization.redirect_uri));
    if !scope.is_empty() {
        pairs.push((oauth2.name("scope"), &scope));
    }
    let optional =
        authorization.optional_scope.map(|text| split(text).join(&oauth2.scopes.separator)).unwrap_or_default();
    if let Some(name) = oauth2.scopes.optional_parameter.as_deref().filter(|_| !optional.is_empty()) {
        pairs.push((name, &optional));
    }
    pairs.push(("state", authorization.state));
    if let Some(challenge) = authorization.code_challenge {
        pairs.extend([("code_challenge", challenge), ("code_challenge_method", "S256")]);
    }
    let fixed = oauth2.authorize.parameters.iter().filter(|(name, _)| !authorization.wishes.contains_key(*name));
    pairs.extend(fixed.chain(authorization.wishes).map(|(name, value)| (name.as_str(), value.as_str())));
    let mut text = url[..Position::AfterPath].to_owned();
    let mut separator = '?';
    if let Some(fixed) = url.query().filter(|fixed| !fixed.is_empty()) {
        text.extend(["?", fixed]);
        separator = '&';
    }
    for (name, value) in pairs {
        text.push(separator);
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
        separator = '&';
    }
    text.push_str(&url[Position::AfterQuery..]);
    Ok(text)
}

/// The scope to ask for: the caller's, or the element's rule for none and for an empty one.
pub fn scope(rules: &Scopes, given: Option<&str>) -> String {
    let given = given.map(split);
    let mut scopes: Vec<&str> = match &given {
        None => rules.default.iter().map(String::as_str).collect(),
        Some(given) if given.is_empty() => {
            rules.when_empty.as_ref().unwrap_or(&rules.default).iter().map(String::as_str).collect()
        }
        Some(given) => given.clone(),
    };
    for always in &rules.always {
        if !scopes.contains(&always.as_str()) {
            scopes.push(always);
        }
    }
    scopes.join(&rules.separator)
}

/// Percent-encoding with `%20` for a space, which every vendor reads.
fn encode(text: &str, url: &mut String) {
    byte_serialize(text.as_bytes()).for_each(|piece| url.push_str(if piece == "+" { "%20" } else { piece }));
}
