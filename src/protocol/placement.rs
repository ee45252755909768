//! A credential where its vendor wants it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::catalog::choice::Given;
use crate::catalog::element::Placement;
use crate::kernel::secret::Secret;

/// The one header or query parameter that carries a credential.
pub enum Carrier<'a> {
    Header { name: &'a str, value: Secret },
    Query { name: &'a str, value: Secret },
}

const AUTHORIZATION: &str = "authorization";

/// Headers that are the transport's, or say whose a cookie is: no configuration names one of them.
const OF_TRANSPORT: [&str; 9] =
    ["connection", "content-length", "cookie", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"];

impl Placement {
    /// With the name that the configuration gives; none where it gives none that could be one.
    pub fn resolved(&self, given: &Given<'_>) -> Option<Self> {
        match self {
            Self::HeaderNamed { by } => Some(Self::Header { name: given(by).filter(|name| is_header(name))? }),
            Self::QueryNamed { by } => Some(Self::Query { name: given(by).filter(|name| !name.is_empty())? }),
            fixed => Some(fixed.clone()),
        }
    }

    /// None: its name hangs on a configuration (`resolved`).
    pub fn carrier(&self, credential: &Secret) -> Option<Carrier<'_>> {
        let text = credential.expose();
        Some(match self {
            Self::HeaderNamed { .. } | Self::QueryNamed { .. } => return None,
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
        })
    }
}

/// A name that a credential may have (RFC 9110 section 5.6.2).
fn is_header(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let shaped = (1..=100).contains(&name.len()) && name.bytes().all(plain);
    shaped && !OF_TRANSPORT.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// `Basic …` (RFC 7617).
pub fn basic(username: &Secret, password: &Secret) -> Secret {
    let pair = Secret::new([username.expose(), ":", password.expose()].concat());
    let encoded = Secret::new(STANDARD.encode(pair.expose()));
    Secret::new(["Basic ", encoded.expose()].concat())
}
