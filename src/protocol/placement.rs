//! A credential where its vendor wants it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::api_key::form_of;
use super::credential::Credential;
use crate::catalog::element::{Element, Placement};
use crate::kernel::secret::Secret;

/// The one header or query parameter that carries a credential.
pub enum Carrier<'a> {
    Header { name: &'a str, value: Secret },
    Query { name: &'a str, value: Secret },
}

const AUTHORIZATION: &str = "authorization";

impl Placement {
    pub fn carrier(&self, credential: &Secret) -> Carrier<'_> {
        let text = credential.expose();
        match self {
            Self::Authorization { scheme } if scheme.is_empty() => {
                Carrier::Header { name: AUTHORIZATION, value: credential.clone() }
            }
            Self::Authorization { scheme } => {
                Carrier::Header { name: AUTHORIZATION, value: Secret::new([scheme, " ", text].concat()) }
            }
            Self::Header { name } => Carrier::Header { name, value: credential.clone() },
            Self::Query { name } => Carrier::Query { name, value: credential.clone() },
            Self::Pair => {
                let (username, password) = text.split_once(':').unwrap_or((text, ""));
                Carrier::Header { name: AUTHORIZATION, value: basic(&Secret::new(username), &Secret::new(password)) }
            }
            Self::Basic { username, password } => {
                let fill = |part: &str| part.replace("{credential}", text);
                let (username, password) = (Secret::new(fill(username)), Secret::new(fill(password)));
                Carrier::Header { name: AUTHORIZATION, value: basic(&username, &password) }
            }
        }
    }
}

/// `Basic …` (RFC 7617).
pub fn basic(username: &Secret, password: &Secret) -> Secret {
    let pair = Secret::new([username.expose(), ":", password.expose()].concat());
    let encoded = Secret::new(STANDARD.encode(pair.expose()));
    Secret::new(["Basic ", encoded.expose()].concat())
}

/// How an element's own credential travels; nothing where the element has no place for it (its file changed since).
pub fn carrier_of<'a>(element: &'a Element, credential: &Credential) -> Option<Carrier<'a>> {
    placement_of(element, credential).map(|(placement, secret)| placement.carrier(secret))
}

/// Where a credential goes, and its text.
pub fn placement_of<'a, 'c>(element: &'a Element, credential: &'c Credential) -> Option<(&'a Placement, &'c Secret)> {
    match credential {
        Credential::OAuth2 { access_token, .. } => {
            Some((&element.authentication.oauth2.as_ref()?.placement, access_token))
        }
        Credential::ApiKey { key, .. } => {
            Some((&form_of(element.authentication.api_key.as_ref()?, key)?.placement, key))
        }
    }
}
