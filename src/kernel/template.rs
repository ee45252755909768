//! URL templates: `https://{subdomain}.freshdesk.com`, `{instance_url}`. A variable can never choose another host than
//! the element allows, nor leave its place in the path.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

/// A parsed template. Spelled as a text in element files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

/// Why a template gave no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    #[error("a `{{` is never closed, or a variable has no name")]
    Syntax,
    #[error("the variable `{0}` has no value")]
    Missing(String),
    /// The value of a variable names a host that the element does not list.
    #[error("the host of `{0}` is not one of the element's")]
    Host(String),
    /// A dot segment would climb out of its place in the path.
    #[error("the value of `{0}` is not a path segment")]
    Segment(String),
    #[error("it does not make an absolute http or https URL")]
    NotAUrl,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateFault::Syntax)?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) {
                return Err(TemplateFault::Syntax);
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL with every variable filled in.
    ///
    /// * A variable that opens the template is an origin: an absolute https URL whose host ends in one of `hosts`.
    /// * A variable inside the host is one DNS label, or a host that ends in one of `hosts`.
    /// * A variable further right is percent-encoded.
    pub fn url(&self, value_of: impl Fn(&str) -> Option<String>, hosts: &[String]) -> Result<Url, TemplateFault> {
        let mut text = String::new();
        for part in &self.parts {
            let name = match part {
                Part::Text(fixed) => {
                    text.push_str(fixed);
                    continue;
                }
                Part::Variable(name) => name,
            };
            let value =
                value_of(name).filter(|value| !value.is_empty()).ok_or_else(|| TemplateFault::Missing(name.clone()))?;
            if text.is_empty() {
                text.push_str(&origin(name, &value, hosts)?);
            } else if text.matches('/').count() < 3 {
                let known = is_label(&value) || (is_host_name(&value) && has_suffix(&value, hosts));
                text.push_str(known.then_some(&value).ok_or_else(|| TemplateFault::Host(name.clone()))?);
            } else if matches!(value.as_str(), "." | "..") {
                return Err(TemplateFault::Segment(name.clone()));
            } else {
                text.extend(percent_encoded(&value));
            }
        }
        let url = Url::parse(&text).map_err(|_| TemplateFault::NotAUrl)?;
        (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(url).ok_or(TemplateFault::NotAUrl)
    }
}

/// Scheme, host and port of a URL that a vendor or a user gave, without its trailing slash.
fn origin(name: &str, value: &str, hosts: &[String]) -> Result<String, TemplateFault> {
    let refused = || TemplateFault::Host(name.to_owned());
    let url = Url::parse(value).map_err(|_| refused())?;
    let bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let known = match url.host() {
        Some(Host::Domain(host)) => has_suffix(host, hosts),
        _ => false,
    };
    if url.scheme() != "https" || !bare || !known {
        return Err(refused());
    }
    Ok(url.origin().ascii_serialization())
}

fn has_suffix(host: &str, suffixes: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    suffixes
        .iter()
        .any(|suffix| host == suffix.trim_start_matches('.') || (suffix.starts_with('.') && host.ends_with(suffix)))
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn percent_encoded(value: &str) -> impl Iterator<Item = char> + '_ {
    url::form_urlencoded::byte_serialize(value.as_bytes())
        .flat_map(|piece| if piece == "+" { "%20" } else { piece }.chars())
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|fault| serde::de::Error::custom(format!("template `{text}`: {fault}")))
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(template: &str, value: &str) -> Result<String, TemplateFault> {
        let hosts = [".salesforce.com".to_owned(), "login.example.com".to_owned()];
        Template::parse(template).unwrap().url(|_| Some(value.to_owned()), &hosts).map(String::from)
    }

    #[test]
    fn a_label_fills_a_host() {
        assert_eq!(url("https://{d}.freshdesk.com/api", "acme").unwrap(), "https://acme.freshdesk.com/api");
        for value in ["evil.com/", "evil.com#", "a.b", "user@evil", "-a", "a b", "evil.com:80", "%2f"] {
            assert_eq!(url("https://{d}.freshdesk.com/api", value), Err(TemplateFault::Host("d".into())), "{value}");
        }
    }

    #[test]
    fn a_whole_host_must_be_listed() {
        assert_eq!(url("https://{h}/x", "test.salesforce.com").unwrap(), "https://test.salesforce.com/x");
        assert_eq!(url("https://{h}/x", "login.example.com").unwrap(), "https://login.example.com/x");
        for value in ["evil.com", "evilsalesforce.com", "x.login.example.com", "salesforce.com.evil.com"] {
            assert_eq!(url("https://{h}/x", value), Err(TemplateFault::Host("h".into())), "{value}");
        }
    }

    #[test]
    fn an_origin_must_be_https_and_listed() {
        assert_eq!(url("{o}/v1", "https://na1.salesforce.com/ignored").unwrap(), "https://na1.salesforce.com/v1");
        for value in
            ["http://na1.salesforce.com", "https://evil.com", "https://a@na1.salesforce.com", "https://10.0.0.1", "x"]
        {
            assert_eq!(url("{o}/v1", value), Err(TemplateFault::Host("o".into())), "{value}");
        }
    }

    #[test]
    fn a_path_variable_stays_in_its_place() {
        assert_eq!(url("https://a.example/x/{p}/y", "../?#b c").unwrap(), "https://a.example/x/..%2F%3F%23b%20c/y");
        assert_eq!(url("https://a.example/x/{p}/y", ".."), Err(TemplateFault::Segment("p".into())));
    }
}
