//! An instance's configuration: one sealed document of keys and texts, with an id for every entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::address::ADDRESS_KEYS;
use crate::catalog::element::{AuthenticationType, ConfigurationEntry, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::pasted::trimmed;
use crate::kernel::secret::MASK;
use crate::protocol::pasted::{self, Unfit};

/// The key whose value chooses between the element's authentication types.
pub const AUTHENTICATION_TYPE: &str = "authentication.type";
/// The redirect URI of the authorization that an instance was connected with.
pub const CALLBACK_URL: &str = "oauth.callback.url";
pub const CLIENT_ID: &str = "oauth.api.key";
pub const CLIENT_SECRET: &str = "oauth.api.secret";
/// An entry's value at most, in bytes: poller configurations are a few kilobytes.
const LONGEST_VALUE: usize = 64 * 1024;
const MOST_ENTRIES: usize = 500;
/// Keys and values together, in bytes: lists show two hundred of them.
const LARGEST_DOCUMENT: usize = 256 * 1024;
/// Refusals that one reply names at most.
const MOST_REASONS: usize = 20;

/// One entry of the document. Ids are unique within the instance and stay with the key.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    id: i64,
    key: String,
    value: Option<String>,
    /// A secret to the element as it was when this was stored: a later file does not show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
}

impl Entry {
    fn size(&self) -> usize {
        self.value.as_ref().map_or(0, String::len).saturating_add(self.key.len())
    }
}

/// The document. It holds secrets: no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configuration(Vec<Entry>);

impl Configuration {
    /// Every declared key with its default.
    pub fn of(element: &Element) -> Self {
        let mut configuration = Self(Vec::new());
        configuration.declare(element);
        configuration
    }

    /// With keys that the element declared since this was stored, and their defaults.
    pub(in crate::service) fn with_declared(mut self, element: Option<&Element>) -> Self {
        if let Some(element) = element {
            self.declare(element);
        }
        self
    }

    /// Bytes, about as many as its document has.
    pub(in crate::service) fn bytes(&self) -> usize {
        self.0.iter().map(Entry::size).fold(0, usize::saturating_add)
    }

    fn declare(&mut self, element: &Element) {
        for declared in &element.configuration {
            if !self.0.iter().any(|entry| entry.key == declared.key) {
                self.append(&declared.key, declared.default.clone());
            }
        }
        self.mark_secrets(element);
    }

    fn mark_secrets(&mut self, element: &Element) {
        for entry in &mut self.0 {
            entry.secret |= entry.value.is_some() && is_secret(element.entry(&entry.key), &entry.key);
        }
    }

    /// Whether a value is shown as asterisks: it is a secret by now, or was one when it was stored.
    pub fn is_secret(&self, element: &Element, key: &str) -> bool {
        let kept = self.0.iter().any(|entry| entry.key == key && entry.secret);
        kept || is_secret(element.entry(key), key)
    }

    fn append(&mut self, key: &str, value: Option<String>) {
        let last = self.0.iter().map(|entry| entry.id).max().unwrap_or(0);
        self.0.push(Entry { id: last.saturating_add(1), key: key.to_owned(), value, secret: false });
    }

    /// The value, unless it is unset or empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.0.iter().find(|entry| entry.key == key)?;
        entry.value.as_deref().filter(|value| !value.is_empty())
    }

    pub fn set(&mut self, key: &str, value: Option<String>) {
        match self.0.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => {
                entry.value = value;
                entry.secret = false;
            }
            None => self.append(key, value),
        }
    }

    /// Ids, keys and values in order, without the keys that are never shown.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &str, Option<&str>)> {
        let shown = self.0.iter().filter(|entry| !ADDRESS_KEYS.contains(&entry.key.as_str()));
        shown.map(|entry| (entry.id, entry.key.as_str(), entry.value.as_deref()))
    }

    /// Takes over what the caller sent. `null` resets to the default, a masked secret is left alone, internal keys are
    /// ignored. What was sent for keys that exist but have no effect yet is named in the reply's `Elements-Error`.
    pub fn merge(&mut self, element: &Element, sent: Map<String, Value>) -> Result<Vec<String>, ApiError> {
        if sent.len() > MOST_ENTRIES {
            let message = format!("At most {MOST_ENTRIES} configuration keys are accepted, {} were sent.", sent.len());
            return Err(ApiError::new(Code::BadConfiguration, message));
        }
        let mut refused = Vec::new();
        let mut without_effect = Vec::new();
        for (key, value) in sent {
            let declared = element.entry(&key);
            if declared.is_some_and(|declared| declared.internal) {
                continue;
            }
            let Some(text) = text_of(value) else {
                match declared {
                    Some(declared) => self.set(&key, declared.default.clone()),
                    None => self.0.retain(|entry| entry.key != key),
                }
                continue;
            };
            if trimmed(&text) == MASK && self.is_secret(element, &key) {
                continue;
            }
            let text = alone(element, &key, &text).map_err(|unfit| format!("{key} {unfit}"));
            match text.and_then(|text| check(declared, &key, text)) {
                Ok(text) => {
                    if declared.is_some_and(|declared| declared.without_effect.contains(&text)) {
                        without_effect.push(format!("{key}={text}"));
                    }
                    self.set(&key, Some(text));
                }
                Err(reason) => refused.push(reason),
            }
        }
        self.mark_secrets(element);
        if self.0.len() > MOST_ENTRIES {
            refused.push(format!("at most {MOST_ENTRIES} keys are accepted"));
        }
        if self.0.iter().map(Entry::size).sum::<usize>() > LARGEST_DOCUMENT {
            refused.push(format!("all keys and values together must not exceed {LARGEST_DOCUMENT} bytes"));
        }
        if refused.is_empty() {
            return Ok(without_effect);
        }
        refused.truncate(MOST_REASONS);
        Err(ApiError::new(Code::BadConfiguration, format!("Configuration is not acceptable: {}.", refused.join("; "))))
    }

    /// The instance's authentication type.
    pub fn authentication_type(&self, element: &Element) -> Result<AuthenticationType, ApiError> {
        let offered = element.authentication_types();
        let Some(text) = self.get(AUTHENTICATION_TYPE) else { return Ok(element.authentication.default) };
        AuthenticationType::read(text).filter(|read| offered.contains(read)).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|offered| offered.as_str()).collect();
            let message = format!("{} offers the {AUTHENTICATION_TYPE} {}.", element.name, names.join(" and "));
            ApiError::new(Code::BadAuthenticationType, message)
        })
    }

    /// Fails with the names of all required keys that have no value, `except` some.
    pub fn require(&self, element: &Element, of: AuthenticationType, except: &[&str]) -> Result<(), ApiError> {
        let given = |key: &str| self.get(key).map(str::to_owned);
        let needed = element
            .configuration
            .iter()
            .filter(|entry| entry.required && !entry.internal && entry.applies_to(of) && entry.is_chosen(&given));
        let missing: Vec<_> = needed
            .map(|entry| entry.key.as_str())
            .filter(|key| !except.contains(key) && self.get(key).is_none_or(|value| value == MASK))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("Required configuration is missing for {}: {}.", of.as_str(), missing.join(", "));
        Err(ApiError::new(Code::MissingConfiguration, message))
    }

    /// The values that differ from `other`'s, by key: what a change touched.
    pub fn differing<'a>(&'a self, other: &'a Self) -> BTreeMap<&'a str, Option<&'a str>> {
        let changed = self.0.iter().filter(|entry| other.get(&entry.key) != self.get(&entry.key));
        changed.map(|entry| (entry.key.as_str(), entry.value.as_deref())).collect()
    }
}

/// Whether a value is shown as asterisks. Undeclared keys are judged by their names.
pub fn is_secret(declared: Option<&ConfigurationEntry>, key: &str) -> bool {
    const SIGNS: &[&str] = &["secret", "password", "token", "key"];
    match declared {
        Some(declared) => declared.is_secret(),
        None => {
            let key = key.to_lowercase();
            SIGNS.iter().any(|sign| key.contains(sign))
        }
    }
}

/// Values of any JSON type are kept as text; null is none.
pub(in crate::service) fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// A text as it was meant, where it is a key, a client or an address: copying adds what is no part of one.
fn alone(element: &Element, key: &str, text: &str) -> Result<String, Unfit> {
    let api_key = element.authentication.api_key.as_ref();
    let is_variable = || element.variables.values().any(|variable| variable.configuration.as_deref() == Some(key));
    match api_key.filter(|declared| declared.configuration == key) {
        Some(declared) => pasted::api_key(declared, text),
        None if api_key.is_some_and(|declared| declared.keys().any(|its| its == key)) => pasted::one_line(text),
        None if matches!(key, CLIENT_ID | CLIENT_SECRET) || is_variable() => pasted::one_line(text),
        None => Ok(text.to_owned()),
    }
}

fn check(declared: Option<&ConfigurationEntry>, key: &str, text: String) -> Result<String, String> {
    if key.is_empty() || key.len() > 200 || key.chars().any(char::is_control) {
        return Err("a key must have 1 to 200 characters, none of them a control character".to_owned());
    }
    if text.len() > LONGEST_VALUE {
        return Err(format!("{key} is longer than {LONGEST_VALUE} bytes"));
    }
    let Some(declared) = declared else { return Ok(text) };
    let Some(allowed) = declared.allowed_values() else { return Ok(text) };
    if text.is_empty() && !declared.required {
        return Ok(text);
    }
    let fitting = allowed.iter().find(|value| value.eq_ignore_ascii_case(&text));
    fitting.map(|value| (*value).to_owned()).ok_or_else(|| format!("{key} must be one of {}", allowed.join(", ")))
}
