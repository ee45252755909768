//! Which hosts a variable of a URL may name.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use super::template::is_loopback;

const ANY: &str = "any";

/// Spelled as a list, or as `"any"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    /// `login.example.com` exactly, `.example.com` with everything below it.
    Listed(Vec<String>),
    /// A vendor whose customers run it themselves: whatever the guard of outgoing calls lets through, with a port and a path.
    Any,
}

impl Default for AllowedHosts {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl AllowedHosts {
    pub fn listed(&self) -> &[String] {
        match self {
            Self::Listed(hosts) => hosts,
            Self::Any => &[],
        }
    }

    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }

    pub fn is_empty(&self) -> bool {
        !self.is_any() && self.listed().is_empty()
    }

    pub(super) fn have(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let fits = |suffix: &String| {
            host == suffix.trim_start_matches('.') || (suffix.starts_with('.') && host.ends_with(suffix.as_str()))
        };
        self.listed().iter().any(fits)
    }

    /// Scheme, host and port of a URL that a vendor or a user gave, without its trailing slash, where the host is listed.
    pub(super) fn origin_of(&self, value: &str) -> Option<String> {
        let url = parsed(value)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        let known = match url.host() {
            Some(Host::Domain(host)) => self.have(host),
            _ => false,
        };
        (url.scheme() == "https" && bare && known).then(|| url.origin().ascii_serialization())
    }

    /// What tells one server of the element from another: the host; and where these are the customer's to choose the port, and the scheme
    /// where it is plain http. On this machine that is harmless.
    pub fn server_of(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        if !self.is_any() {
            return host.to_owned();
        }
        let scheme = if url.scheme() == "http" && !is_loopback(url) { "http://" } else { "" };
        match url.port() {
            Some(port) => format!("{scheme}{host}:{port}"),
            None => format!("{scheme}{host}"),
        }
    }
}

/// The address that a customer gave of a server of its own; without its trailing slash where more follows. In the clear only by number: the guard lets
/// that through where the operator listed it.
pub(super) fn own_address(value: &str, whole: bool) -> Option<String> {
    let url = parsed(value)?;
    let by_number = matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    let private = url.scheme() == "https" || (url.scheme() == "http" && by_number);
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let fits = private && bare && url.has_host();
    let path = if whole && url.path() != "/" { url.path() } else { url.path().trim_end_matches('/') };
    fits.then(|| format!("{}{path}", url.origin().ascii_serialization()))
}

/// Browsers' address bars leave the scheme away.
fn parsed(value: &str) -> Option<Url> {
    if value.contains("://") { Url::parse(value).ok() } else { Url::parse(&format!("https://{value}")).ok() }
}

/// A host, with a port or without.
pub(super) fn own_host(value: &str) -> Option<String> {
    let plain = !value.contains(['/', '\\', '@', '?', '#']) && !value.chars().any(char::is_whitespace);
    // What is left of `ftp://…` is no host.
    let plain = plain && !value.ends_with(':');
    let address = plain.then(|| own_address(&format!("https://{value}"), false)).flatten()?;
    address.strip_prefix("https://").map(str::to_owned)
}

impl<'de> Deserialize<'de> for AllowedHosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelled;
        impl<'de> Visitor<'de> for Spelled {
            type Value = AllowedHosts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of hosts, or \"any\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AllowedHosts, E> {
                match text {
                    ANY => Ok(AllowedHosts::Any),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<AllowedHosts, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(AllowedHosts::Listed)
            }
        }
        deserializer.deserialize_any(Spelled)
    }
}

impl Serialize for AllowedHosts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Listed(hosts) => hosts.serialize(serializer),
            Self::Any => serializer.serialize_str(ANY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_customers_own_is_scheme_host_port_and_path() {
        for (value, address) in [
            ("https://git.acme.example", Some("https://git.acme.example")),
            ("https://git.acme.example:8443/gitlab/", Some("https://git.acme.example:8443/gitlab")),
            ("https://git.acme.example/a/../b", Some("https://git.acme.example/b")),
            ("http://10.0.0.5:8080/jira", Some("http://10.0.0.5:8080/jira")),
            ("http://[fd00::5]/jira", Some("http://[fd00::5]/jira")),
            ("http://git.acme.example", None),
            ("https://user:x@git.acme.example", None),
            ("https://git.acme.example/?x=1", None),
            ("https://git.acme.example/#x", None),
            ("ftp://git.acme.example", None),
            ("git.acme.example/gitlab", Some("https://git.acme.example/gitlab")),
            ("file:///etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(own_address(value, false).as_deref(), address, "{value}");
        }
        // Some token endpoints are nowhere but behind their slash.
        let whole = own_address("https://git.acme.example/oauth/token/", true);
        assert_eq!(whole.as_deref(), Some("https://git.acme.example/oauth/token/"));
        assert_eq!(own_address("https://git.acme.example/", true).as_deref(), Some("https://git.acme.example"));
        for (value, host) in [
            ("git.acme.example", Some("git.acme.example")),
            ("git.acme.example:8443", Some("git.acme.example:8443")),
            ("10.0.0.5:80", Some("10.0.0.5:80")),
            ("git.acme.example/x", None),
            ("a@git.acme.example", None),
            ("git.acme.example#", None),
            ("a b", None),
            ("ftp:", None),
            ("", None),
        ] {
            assert_eq!(own_host(value).as_deref(), host, "{value}");
        }
    }

    #[test]
    fn what_is_said_in_the_clear_is_another_server() {
        for (url, listed, any) in [
            ("https://10.0.0.5/x", "10.0.0.5", "10.0.0.5"),
            ("http://10.0.0.5/x", "10.0.0.5", "http://10.0.0.5"),
            ("https://10.0.0.5:8443/", "10.0.0.5", "10.0.0.5:8443"),
            ("http://10.0.0.5:8443/", "10.0.0.5", "http://10.0.0.5:8443"),
            ("http://127.0.0.1:8443/", "127.0.0.1", "127.0.0.1:8443"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(AllowedHosts::default().server_of(&url), listed, "{url}");
            assert_eq!(AllowedHosts::Any.server_of(&url), any, "{url}");
        }
    }

    #[test]
    fn it_is_a_list_or_any() {
        let read = |text: &str| serde_json::from_str::<AllowedHosts>(text);
        assert_eq!(read("\"any\"").unwrap(), AllowedHosts::Any);
        assert_eq!(read("[\"a.example\"]").unwrap(), AllowedHosts::Listed(vec!["a.example".to_owned()]));
        for wrong in ["\"all\"", "1", "[1]", "{}"] {
            let fault = read(wrong).unwrap_err().to_string();
            assert!(wrong == "[1]" || fault.contains("a list of hosts, or \"any\""), "{fault}");
        }
        for text in ["\"any\"", "[\"a.example\"]"] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
    }
}
