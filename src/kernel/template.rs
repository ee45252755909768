//! URL templates: `https://{subdomain}.freshdesk.com`, `{instance_url}`. A variable can never choose another host than
//! the element allows, nor leave its place in the path.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use super::allowed_hosts::{AllowedHosts, own_address, own_host};
use crate::kernel::pasted;

/// A parsed template. Spelled as a text in element files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
    /// Without variables there is one URL, parsed once.
    fixed: Option<Url>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

/// Where a variable stands, which decides what may fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Opens the template: a whole origin.
    Origin,
    /// Inside the host, with a fixed domain after it: one label, or a listed host.
    Label,
    /// Ends the host: only a listed host, since a lone label (`localhost`, `2130706433`) is an address of its own.
    Host,
    /// After the host.
    Path,
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
    /// Where customers have servers of their own: the value is no address of one.
    #[error("the value of `{0}` is no address")]
    Address(String),
    /// The same where the host alone is wanted.
    #[error("the value of `{0}` is no host")]
    Server(String),
    /// More than the label was given, and no host that ends in the domain which the template has.
    #[error("`{0}` is not the part before `{1}` alone")]
    Label(String, String),
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
        Ok(Self::of(text.to_owned(), parts))
    }

    fn of(text: String, parts: Vec<Part>) -> Self {
        let varies = parts.iter().any(|part| matches!(part, Part::Variable(_)));
        let fixed = if varies { None } else { web_address(&text).ok() };
        Self { text, parts, fixed }
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

    /// Every variable with the place where it stands, from left to right.
    pub fn places(&self) -> impl Iterator<Item = (&str, Place)> {
        self.placed().filter_map(|(part, place)| match part {
            Part::Variable(name) => Some((name.as_str(), place)),
            Part::Text(_) => None,
        })
    }

    /// Scheme, host and port, with their variables.
    pub fn origin(&self) -> &str {
        let host = self.text.find("://").map_or(0, |at| at.saturating_add(3));
        let path = self.text.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map(|at| host.saturating_add(at));
        path.and_then(|end| self.text.get(..end)).unwrap_or(&self.text)
    }

    /// Whether its host depends on who is called.
    pub fn has_variable_host(&self) -> bool {
        self.places().any(|(_, place)| place != Place::Path)
    }

    fn placed(&self) -> impl Iterator<Item = (&Part, Place)> {
        let mut slashes = 0;
        self.parts.iter().enumerate().map(move |(at, part)| {
            let place = match part {
                _ if at == 0 => Place::Origin,
                _ if slashes >= 3 => Place::Path,
                _ if self.domain_follows(at) => Place::Label,
                _ => Place::Host,
            };
            slashes += match part {
                Part::Text(fixed) => fixed.matches('/').count(),
                // An origin brings the two slashes of its scheme.
                Part::Variable(_) if at == 0 => 2,
                Part::Variable(_) => 0,
            };
            (part, place)
        })
    }

    /// Whether fixed text right of a part still belongs to the host and holds a domain (`.freshdesk.com`).
    fn domain_follows(&self, at: usize) -> bool {
        let fixed = self.parts.iter().skip(at + 1).filter_map(|part| match part {
            Part::Text(fixed) => Some(fixed.as_str()),
            Part::Variable(_) => None,
        });
        let fixed: String = fixed.collect();
        let host = fixed.split(['/', '?', '#']).next().unwrap_or_default();
        host.split_once('.').is_some_and(|(_, domain)| domain.contains(|c: char| c.is_ascii_alphabetic()))
    }

    /// What the host has before and behind its only variable (`""` and `.freshdesk.com`).
    fn around(&self, name: &str) -> Option<(&str, &str)> {
        let (before, after) = self.text.split_once(&format!("{{{name}}}"))?;
        let before = before.split_once("://").map_or(before, |(_, host)| host);
        let after = after.split([':', '/', '?', '#']).next().unwrap_or_default();
        (!before.contains('{') && !after.contains('{')).then_some((before, after))
    }

    /// What fills a label or a host: people paste the whole address where a part of it is wanted.
    fn part_of_host<'a>(&self, name: &str, value: &'a str) -> &'a str {
        let host = pasted::host(value);
        let Some((before, domain)) = self.around(name) else { return host };
        let at = host.len().saturating_sub(domain.len());
        let label = host.split_at_checked(at).filter(|(_, end)| end.eq_ignore_ascii_case(domain));
        let label = label.map(|(label, _)| label.strip_prefix(before).unwrap_or(label));
        label.filter(|label| !label.is_empty()).unwrap_or(host)
    }

    fn unfit_host(&self, name: &str, place: Place) -> TemplateFault {
        match self.around(name) {
            Some((_, domain)) if place == Place::Label => TemplateFault::Label(name.to_owned(), domain.to_owned()),
            _ => TemplateFault::Host(name.to_owned()),
        }
    }

    /// The URL with every variable filled in.
    ///
    /// * A variable that opens the template is an origin: an absolute https URL whose host ends in one of `hosts`; where any is
    ///   allowed, also with a port and a path.
    /// * A variable inside the host is one DNS label, or a host that ends in one of `hosts`; the latter alone where
    ///   nothing fixed follows it in the host, and there, where any is allowed, one with a port too.
    /// * A variable further right is percent-encoded.
    pub fn url(&self, value_of: impl Fn(&str) -> Option<String>, hosts: &AllowedHosts) -> Result<Url, TemplateFault> {
        match &self.fixed {
            Some(fixed) => Ok(fixed.clone()),
            None => web_address(&self.filled(value_of, hosts)?),
        }
    }

    /// The same as it is written: issuers are compared letter by letter.
    pub fn filled(
        &self,
        value_of: impl Fn(&str) -> Option<String>,
        hosts: &AllowedHosts,
    ) -> Result<String, TemplateFault> {
        let mut text = String::new();
        for (part, place) in self.placed() {
            let name = match part {
                Part::Text(fixed) => {
                    text.push_str(fixed);
                    continue;
                }
                Part::Variable(name) => name,
            };
            let value =
                value_of(name).filter(|value| !value.is_empty()).ok_or_else(|| TemplateFault::Missing(name.clone()))?;
            if place == Place::Path {
                if matches!(value.as_str(), "." | "..") {
                    return Err(TemplateFault::Segment(name.clone()));
                }
                text.extend(percent_encoded(&value));
                continue;
            }
            let value = pasted::trimmed(&value);
            let own = match place {
                Place::Origin if hosts.is_any() => {
                    Some(own_address(&value, self.parts.len() == 1).ok_or_else(|| TemplateFault::Address(name.clone())))
                }
                Place::Host if hosts.is_any() => {
                    Some(own_host(pasted::host(&value)).ok_or_else(|| TemplateFault::Server(name.clone())))
                }
                _ => None,
            };
            if let Some(own) = own {
                text.push_str(&own?);
                continue;
            }
            if place == Place::Origin {
                text.push_str(&hosts.origin_of(&value).ok_or_else(|| TemplateFault::Host(name.clone()))?);
                continue;
            }
            let part = self.part_of_host(name, &value);
            match is_host_name(part) && hosts.have(part) || place == Place::Label && is_label(part) {
                true => text.push_str(part),
                false => return Err(self.unfit_host(name, place)),
            }
        }
        Ok(text)
    }

    /// Whether some value leads to this host, which may have a port where any host is allowed.
    pub fn may_lead_to(&self, host: &str, hosts: &AllowedHosts) -> bool {
        let mut chosen = self.places().filter(|(_, place)| *place != Place::Path);
        let Some((name, place)) = chosen.next() else { return false };
        let value = match (self.around(name), place) {
            (_, Place::Origin) if host.starts_with("http://") => Some(host.to_owned()),
            (_, Place::Origin) => Some(format!("https://{host}")),
            // What is fixed around it must be around it.
            (Some((before, after)), _) if chosen.next().is_none() => {
                host.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).map(str::to_owned)
            }
            _ => return is_host_name(host) && host.contains('.'),
        };
        let value = value.unwrap_or_default();
        let url = self.url(|asked| Some(if asked == name { value.clone() } else { "x".to_owned() }), hosts);
        url.is_ok_and(|url| hosts.server_of(&url) == host)
    }

    /// The same path and query at another origin (`http://127.0.0.1:8081`); variables of the old host fall away.
    pub fn at_origin(&self, origin: &str) -> Self {
        let mut path = String::new();
        let mut kept = Vec::new();
        for (part, place) in self.placed() {
            match (part, place) {
                (_, Place::Path) => kept.push(part.clone()),
                (Part::Variable(_), _) => {}
                // The text in which the host ends: what follows the third slash of the template is path.
                (Part::Text(fixed), _) => {
                    let rest = fixed.split_once("://").map_or(fixed.as_str(), |(_, rest)| rest);
                    path = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default().to_owned();
                }
            }
        }
        let mut parts = vec![Part::Text(format!("{}{path}", origin.trim_end_matches('/')))];
        parts.append(&mut kept);
        let text = parts.iter().map(ToString::to_string).collect();
        Self::of(text, parts)
    }
}

fn web_address(text: &str) -> Result<Url, TemplateFault> {
    let url = Url::parse(text).map_err(|_| TemplateFault::NotAUrl)?;
    (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(url).ok_or(TemplateFault::NotAUrl)
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(fixed) => f.write_str(fixed),
            Self::Variable(name) => write!(f, "{{{name}}}"),
        }
    }
}

/// Whether a URL leads to this very machine, where plain http is harmless.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
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
mod tests;
