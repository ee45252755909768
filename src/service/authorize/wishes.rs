//! What one call wishes of the authorization request beside what every request carries: `login_hint`, `prompt`, and whatever else
//! the element's `authorize.allow` names.

use std::collections::BTreeMap;

use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;

/// Bytes of one value.
const LONGEST: usize = 1000;

/// Names and values, as they go into the address.
pub(in crate::service) type Wishes = BTreeMap<String, String>;

/// What means something in an authorization request: the IANA registry of OAuth parameters, OpenID Connect Core section 3.1.2.1, and
/// what is common beside both.
const OF_AUTHORIZATION: [&str; 29] = [
    "access_type",
    "acr_values",
    "approval_prompt",
    "audience",
    "authorization_details",
    "claims",
    "claims_locales",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "display",
    "domain_hint",
    "dpop_jkt",
    "hd",
    "id_token_hint",
    "include_granted_scopes",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "ui_locales",
];

/// Of parameters as sent those that are wishes: what the element allows or always sends, and what means something in an
/// authorization request, unless an own variable of the element has the name. Others are the call's own, or what programs in the
/// field send along, which means nothing (docs/api.md, Requests and replies). Empty ones count as absent.
pub(super) fn wishes(
    (element, oauth2): (&Element, &OAuth2),
    given: &BTreeMap<String, String>,
) -> Result<Wishes, ApiError> {
    let of_variable = |name: &str| {
        let mut variables = element.variables.values();
        variables.any(|it| it.parameter.as_deref() == Some(name) || it.configuration.as_deref() == Some(name))
    };
    let means_something =
        |name: &str| OF_AUTHORIZATION.contains(&name) || oauth2.authorize.parameters.contains_key(name);
    let is_wish = |name: &str| is_allowed(oauth2, name) || (!of_variable(name) && means_something(name));
    let sent = given.iter().filter(|(name, value)| !value.trim().is_empty() && is_wish(name));
    let wishes = sent.map(|(name, value)| (name.clone(), value.clone())).collect();
    check((element, Some(oauth2)), &wishes, Code::BadParameter)?;
    Ok(wishes)
}

/// Whether the element lets a call wish all this. Nothing can be asked without OAuth. `code`: of the refusal.
pub(in crate::service) fn check(
    (element, oauth2): (&Element, Option<&OAuth2>),
    wishes: &Wishes,
    code: Code,
) -> Result<(), ApiError> {
    for (name, value) in wishes {
        if !oauth2.is_some_and(|oauth2| is_allowed(oauth2, name)) {
            let allowed = oauth2.map(|oauth2| oauth2.authorize.allow.join(", ")).unwrap_or_default();
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed };
            let message =
                format!("`{}` cannot be asked of {}. Allowed for one call: {allowed}.", shortened(name), element.name);
            return Err(ApiError::new(code, message));
        }
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            let message = format!("`{name}` must be at most {LONGEST} bytes without control characters.");
            return Err(ApiError::new(code, message));
        }
    }
    Ok(())
}

fn is_allowed(oauth2: &OAuth2, name: &str) -> bool {
    oauth2.authorize.allow.iter().any(|allowed| allowed == name)
}
