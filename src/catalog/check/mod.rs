//! Cross-checks: what the types of an element cannot say. Each finding names the member it is about.

mod authentication;
mod callback;
mod calls;
mod choices;
mod configuration;
mod granted;
mod paging;
mod resources;
mod suffixes;
mod templates;
mod token_requests;

use std::collections::BTreeMap;

use super::element::Element;
use crate::kernel::text_template::TextTemplate;

/// Path segments of the API that share the place of an element's key (docs/api.md, Elements), and `api-v2` of its base path.
const RESERVED_KEYS: [&str; 5] = ["keys", "metadata", "api-v2", "oauthProxies", "convert"];

/// Something wrong with an element.
#[derive(Debug)]
pub struct Finding {
    /// The member, as a path into the file: `configuration/3/default`.
    pub at: String,
    pub reason: String,
    pub weight: Weight,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The element is not served.
    Fault,
    /// The element is served as if the member were not there, as earlier versions did without a word.
    NoEffect,
}

/// Findings as they are collected.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, at: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Finding { at: at.into(), reason: reason.into(), weight: Weight::Fault });
    }

    /// Of a member that earlier versions accepted, and that does nothing.
    fn without_effect(&mut self, at: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Finding { at: at.into(), reason: reason.into(), weight: Weight::NoEffect });
    }

    /// Adds unless a demand is met.
    fn demand(&mut self, met: bool, at: impl Into<String>, reason: impl Into<String>) {
        if !met {
            self.add(at, reason);
        }
    }
}

/// Everything that is wrong with an element; its id is judged where it is placed beside others.
pub fn check_element(element: &Element) -> Vec<Finding> {
    let mut findings = Findings::default();
    check_identity(element, &mut findings);
    templates::check(element, &mut findings);
    suffixes::check(element, &mut findings);
    authentication::check(element, &mut findings);
    configuration::check(element, &mut findings);
    choices::check(element, &mut findings);
    resources::check(element, &mut findings);
    calls::check(element, &mut findings);
    findings.0
}

fn check_identity(element: &Element, findings: &mut Findings) {
    let key = &element.key;
    findings.demand(
        is_key(key) && key.bytes().any(|byte| byte.is_ascii_lowercase()),
        "key",
        format!("the key `{key}` is not lower-case letters and digits with at least one letter"),
    );
    if RESERVED_KEYS.iter().any(|reserved| reserved.eq_ignore_ascii_case(key)) {
        findings.add("key", format!("the key `{key}` is a path of the API"));
    }
    let texts = [
        ("name", &element.name),
        ("hookName", &element.hook_name),
        ("description", &element.description),
        ("configDescription", &element.config_description),
    ];
    for (at, text) in texts {
        findings.demand(!text.trim().is_empty(), at, format!("`{at}` is empty"));
    }
    if !element.signup_url.as_deref().is_none_or(is_private_address) {
        findings.without_effect("signupUrl", "`signupUrl` is no address that begins with https://");
    }
    findings.demand(is_key(&element.hub), "hub", "`hub` is not lower-case letters and digits");
    findings.demand((1..=300).contains(&element.timeout), "timeout", "`timeout` is outside 1–300 seconds");
    check_headers("headers", &element.headers, findings);
    for method in &element.events.methods {
        let known = matches!(method.as_str(), "polling" | "webhook");
        findings.demand(known, "events/methods", format!("`{method}` is neither polling nor webhook"));
    }
    let polls = element.events.methods.iter().any(|method| method == "polling");
    findings.demand(
        polls != element.events.polling.is_empty(),
        "events",
        "the method `polling` and `events.polling` need each other",
    );
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_private_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.scheme() == "https")
}

/// Headers that the credential or the transport sets.
const OWN_HEADERS: [&str; 5] = ["authorization", "connection", "content-length", "host", "transfer-encoding"];

fn check_headers(at: &str, headers: &BTreeMap<String, TextTemplate>, findings: &mut Findings) {
    for (name, value) in headers {
        let at = format!("{at}/{name}");
        findings.demand(is_token(name), &at, format!("`{name}` is no header name"));
        let own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        findings.demand(!own, &at, format!("the header `{name}` is not the element's to set"));
        let value = value.as_str();
        let fits = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim() == value;
        findings.demand(fits, &at, format!("the value of the header `{name}` is not plain visible ASCII"));
    }
}

/// A token of HTTP (RFC 9110 section 5.6.2): header names, authentication schemes, methods.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
