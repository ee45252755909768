//! A request to a vendor, and its reply, as values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::content::{self, media_type};
use super::fault::{Seen, VendorFault};
use super::placement::{Carrier, basic};
use super::variables::Values;
use super::words;
use crate::catalog::element::Placement;
use crate::catalog::oauth2::BodyEncoding;
use crate::kernel::plain_text::limited;
use crate::kernel::secret::Secret;
use crate::kernel::text_template::TextTemplate;

/// Token replies and profiles are small.
const LARGEST_REPLY: usize = 1 << 20;

/// What to send. Its `Debug` shows neither header values nor body nor query.
#[derive(Clone)]
pub struct VendorRequest {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, Secret)>,
    pub body: Option<Secret>,
    pub timeout: Duration,
    /// Bytes of the reply that are read at most.
    pub largest_reply: usize,
    /// Everything in it that must never come back in an error text.
    pub secrets: Vec<Secret>,
}

/// What came back. The body is unpacked and bounded by the sender.
#[derive(Clone, Default)]
pub struct VendorReply {
    pub status: u16,
    pub content_type: String,
    /// Where a redirect leads, as the vendor wrote it.
    pub location: Option<String>,
    /// All of them, where somebody reads more than what stands beside.
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Seconds, where the vendor said so.
    pub retry_after: Option<u64>,
}

impl VendorRequest {
    /// A request with the element's headers.
    pub fn new(values: Values<'_>, method: &str, url: Url) -> Result<Self, VendorFault> {
        let element = values.element;
        let mut request = Self {
            method: method.to_owned(),
            url,
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(element.timeout),
            largest_reply: LARGEST_REPLY,
            secrets: Vec::new(),
        };
        request.set_header("Accept", Secret::new("application/json"));
        request.set_headers(&element.headers, values)?;
        Ok(request)
    }

    /// Headers of the element's file, with the values of their variables.
    pub fn set_headers(
        &mut self,
        headers: &BTreeMap<String, TextTemplate>,
        values: Values<'_>,
    ) -> Result<(), VendorFault> {
        for header in values.headers(headers) {
            let (name, value) = header?;
            self.set_header(name, Secret::new(value));
        }
        let named = headers.values().flat_map(|header| header.variables());
        self.secrets
            .extend(named.filter(|name| values.is_secret(name)).filter_map(|name| values.value(name)).map(Secret::new));
        Ok(())
    }

    pub fn set_header(&mut self, name: &str, value: Secret) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }

    /// Puts a credential where the vendor wants it.
    pub fn place(&mut self, placement: &Placement, credential: &Secret) {
        match placement.carrier(credential) {
            // The element's file was checked, and the name looked for.
            None => return,
            Some(Carrier::Header { name, value }) => {
                // What Basic encodes is a secret of its own.
                self.secrets.extend(value.expose().strip_prefix("Basic ").map(Secret::new));
                self.set_header(name, value);
            }
            Some(Carrier::Query { name, value }) => {
                self.url.query_pairs_mut().append_pair(name, value.expose());
            }
        }
        if let (Placement::Pair, Some((_, password))) = (placement, credential.expose().split_once(':')) {
            self.secrets.push(Secret::new(password));
        }
        self.secrets.push(credential.clone());
    }

    /// `Authorization: Basic` (RFC 7617).
    pub fn basic(&mut self, username: &Secret, password: &Secret) {
        let value = basic(username, password);
        self.secrets.extend(value.expose().strip_prefix("Basic ").map(Secret::new));
        self.set_header("Authorization", value);
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
        for secret in self.secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= 4) {
            // A vendor may repeat the form or the query as it came.
            let travelled = Zeroizing::new(byte_serialize(secret.as_bytes()).collect::<String>());
            masked = masked.replace(secret, "***").replace(&*travelled, "***");
            masked = masked.replace(&*Zeroizing::new(travelled.replace('+', "%20")), "***");
        }
        limited(&masked, LONGEST)
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

    /// The body as a value: JSON, or a form as an object of texts.
    pub fn json(&self) -> Option<Value> {
        content::json(&self.body, &self.content_type)
    }

    /// Where a redirect leads, without what may be secret.
    pub fn redirect(&self, request: &VendorRequest) -> Option<String> {
        let to = request.url.join(self.location.as_deref()?).ok()?;
        let place = format!("{}{}", to.origin().ascii_serialization(), to.path());
        (300..400).contains(&self.status).then(|| request.mask(&place))
    }

    /// What is to be said of an answer that nobody expected.
    pub fn seen(&self, request: &VendorRequest) -> Box<Seen> {
        let words = match self.json() {
            Some(Value::Object(members)) => words::names(&members).map(|names| format!("an object with {names}")),
            Some(_) => None,
            None => words::beginning(&self.text()).map(|words| format!("\u{201c}{words}\u{201d}")),
        };
        Box::new(Seen {
            status: self.status,
            content_type: Some(media_type(&self.content_type)).filter(|it| !it.is_empty()),
            has_body: !self.body.is_empty(),
            redirect: self.redirect(request),
            words: words.map(|words| request.mask(&words)),
        })
    }

    pub fn text(&self) -> Cow<'_, str> {
        content::text(&self.body, &self.content_type)
    }

    /// The same without a copy where the body is what it nearly always is.
    pub fn into_text(self) -> String {
        if !content::is_plain(&self.body, content::charset(&self.content_type)) {
            return self.text().into_owned();
        }
        String::from_utf8(self.body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(secrets: &[&str]) -> VendorRequest {
        VendorRequest {
            method: "GET".to_owned(),
            url: Url::parse("https://user:pw@vendor.example/path?hapikey=hunter2").unwrap(),
            headers: vec![("Authorization".to_owned(), Secret::new("Bearer hunter2"))],
            body: Some(Secret::new("client_secret=hunter2")),
            timeout: Duration::from_secs(1),
            largest_reply: LARGEST_REPLY,
            secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
        }
    }

    #[test]
    fn debug_shows_where_a_request_goes_and_nothing_secret() {
        assert_eq!(format!("{:?}", request(&[])), "GET https://vendor.example/path");
    }

    #[test]
    fn a_mask_hides_every_occurrence_and_keeps_texts_short_and_plain() {
        let request = request(&["hunter2", "a:b c", "abc"]);
        assert_eq!(request.mask("hunter2 is hunter2, a:b c"), "*** is ***, ***");
        assert_eq!(request.mask("abc"), "abc", "too short to be a secret, and too common to be masked");
        assert_eq!(request.mask("a\nb\u{7}\u{1b}[31m"), "ab[31m");
        assert_eq!(request.mask(&"ü".repeat(600)).chars().count(), 500);
        // Masked before it is cut: half a secret is one too.
        let cut = request.mask(&format!("{}hunter2", "x".repeat(497)));
        assert!(cut.ends_with("x***"), "{cut}");
    }

    #[test]
    fn secrets_are_masked_also_as_they_travelled() {
        let mut request = request(&[]);
        request.secrets = vec![Secret::new("p&ss wörd")];
        for travelled in ["p&ss wörd", "p%26ss+w%C3%B6rd", "p%26ss%20w%C3%B6rd"] {
            assert_eq!(request.mask(&format!("bad: {travelled}")), "bad: ***", "{travelled}");
        }
    }

    #[test]
    fn a_header_is_sent_once_whatever_its_case() {
        let mut request = request(&[]);
        request.set_header("authorization", Secret::new("Bearer other"));
        assert_eq!(request.headers.len(), 1);
        assert_eq!(request.headers[0].1.expose(), "Bearer other");
    }
}
