//! A request to a vendor, and its reply, as values.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::catalog::element::{Element, Placement};
use crate::catalog::oauth2::BodyEncoding;
use crate::kernel::secret::Secret;

/// What to send. Its `Debug` shows neither header values nor body nor query.
#[derive(Clone)]
pub struct VendorRequest {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, Secret)>,
    pub body: Option<Secret>,
    pub timeout: Duration,
    /// Everything in it that must never come back in an error text.
    pub secrets: Vec<Secret>,
}

/// What came back. The body is bounded by the sender.
#[derive(Clone)]
pub struct VendorReply {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
    /// Seconds, where the vendor said so.
    pub retry_after: Option<u64>,
}

impl VendorRequest {
    /// A request with the element's fixed headers.
    pub fn new(element: &Element, method: &str, url: Url) -> Self {
        let mut request = Self {
            method: method.to_owned(),
            url,
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(element.timeout),
            secrets: Vec::new(),
        };
        request.set_header("Accept", Secret::new("application/json"));
        for (name, value) in &element.headers {
            request.set_header(name, Secret::new(value));
        }
        request
    }

    pub fn set_header(&mut self, name: &str, value: Secret) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }

    /// Puts a credential where the vendor wants it.
    pub fn place(&mut self, placement: &Placement, credential: &Secret) {
        let text = credential.expose();
        match placement {
            Placement::Authorization { scheme } if scheme.is_empty() => {
                self.set_header("Authorization", credential.clone())
            }
            Placement::Authorization { scheme } => {
                self.set_header("Authorization", Secret::new(format!("{scheme} {text}")))
            }
            Placement::Header { name } => self.set_header(name, credential.clone()),
            Placement::Query { name } => {
                self.url.query_pairs_mut().append_pair(name, text);
            }
            Placement::Basic { username, password } => {
                let fill = |part: &str| part.replace("{credential}", text);
                self.basic(&Secret::new(fill(username)), &Secret::new(fill(password)));
            }
        }
        self.secrets.push(credential.clone());
    }

    /// `Authorization: Basic` (RFC 7617).
    pub fn basic(&mut self, username: &Secret, password: &Secret) {
        let pair = Secret::new(format!("{}:{}", username.expose(), password.expose()));
        let encoded = Secret::new(STANDARD.encode(pair.expose()));
        self.set_header("Authorization", Secret::new(format!("Basic {}", encoded.expose())));
        self.secrets.push(encoded);
    }

    /// Fields as a form or as a JSON object.
    pub fn set_fields(&mut self, encoding: BodyEncoding, fields: &[(&str, &Secret)]) {
        let (content_type, body) = match encoding {
            BodyEncoding::Form => {
                let pairs = fields.iter().map(|(name, value)| (*name, value.expose()));
                ("application/x-www-form-urlencoded", Serializer::new(String::new()).extend_pairs(pairs).finish())
            }
            BodyEncoding::Json => {
                let members: Map<String, Value> =
                    fields.iter().map(|(name, value)| ((*name).to_owned(), value.expose().into())).collect();
                ("application/json", Value::Object(members).to_string())
            }
        };
        self.set_header("Content-Type", Secret::new(content_type));
        self.body = Some(Secret::new(body));
    }

    /// A vendor's words without anything of ours in them, short enough for a reply and a log line.
    pub fn mask(&self, text: &str) -> String {
        const LONGEST: usize = 500;
        let mut masked = text.to_owned();
        for secret in self.secrets.iter().filter(|secret| secret.expose().len() >= 4) {
            masked = masked.replace(secret.expose(), "***");
        }
        masked.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
    }
}

impl VendorReply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Worth trying again later: overload, outage, and HubSpot's 477 (a migration under way).
    pub fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 477 | 500..=599)
    }

    /// The body as JSON; a form-encoded one (RFC 6749 does not allow it, GitHub sends it) as an object of texts.
    pub fn json(&self) -> Option<Value> {
        if self.content_type.starts_with("application/x-www-form-urlencoded") {
            let pairs = url::form_urlencoded::parse(&self.body);
            return Some(Value::Object(
                pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect(),
            ));
        }
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for VendorRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

impl fmt::Debug for VendorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {} ({} bytes of {})", self.status, self.body.len(), self.content_type)
    }
}
