//! Addresses in headers of a vendor's answer. What lies below the element's base goes on through `/vendor`, so that a client
//! that follows it takes the instance's token to us and not to the vendor. What lies elsewhere stays as it is. What a client
//! could read as an address of this server, where the caller's credentials count, goes nowhere.

use url::Url;

use super::links::{self, Target};
use crate::protocol::destination::Destination;
use crate::protocol::path::{below, can_climb};

/// Headers with addresses, in lower case, and how they write them.
pub const WITH_ADDRESSES: [(&str, Shape); 6] = [
    // Where long operations are looked at: Microsoft's "REST API Guidelines" and Azure Resource Manager.
    ("azure-asyncoperation", Shape::One),
    ("content-location", Shape::One),
    ("link", Shape::Links),
    ("location", Shape::One),
    ("operation-location", Shape::One),
    ("refresh", Shape::Refresh),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    /// `<address>; rel=next, …` (RFC 8288 section 3).
    Links,
    /// `5; url=address` (HTML, "shared declarative refresh steps").
    Refresh,
}

impl Shape {
    pub fn of(name: &str) -> Option<Self> {
        WITH_ADDRESSES.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
    }
}

/// A header as the caller gets it.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewritten {
    AsItIs,
    /// With other addresses; nothing where none is left.
    Changed {
        text: Option<String>,
        dropped: bool,
    },
}

/// From where an address is looked at.
pub struct Places<'a> {
    pub vendor: &'a Destination,
    /// The path that was asked for, behind the vendor's prefix.
    pub asked: &'a str,
    /// This server, as the caller wrote it: scheme and authority.
    pub here: &'a str,
    /// The same as `LIGAND_PUBLIC_URL` has it.
    pub public: &'a Url,
    /// Its path, without a slash at the end.
    pub path: &'a str,
}

/// Schemes of addresses that act within the page that has them.
const OF_A_PAGE: [&str; 7] = ["about", "blob", "data", "filesystem", "javascript", "vbscript", "view-source"];

impl Places<'_> {
    pub fn header(&self, shape: Shape, value: &[u8]) -> Rewritten {
        let Ok(text) = std::str::from_utf8(value) else { return Rewritten::Changed { text: None, dropped: true } };
        let text = text.trim_matches([' ', '\t']);
        match shape {
            Shape::One => match self.address(text) {
                Target::AsItIs => Rewritten::AsItIs,
                Target::Below(address) => Rewritten::Changed { text: Some(address), dropped: false },
                Target::Dropped => Rewritten::Changed { text: None, dropped: true },
            },
            Shape::Links => links::links(text, &|address| self.address(address)),
            Shape::Refresh => links::refresh(text, &|address| self.address(address)),
        }
    }

    fn address(&self, text: &str) -> Target {
        if text.is_empty() || (text.starts_with('#') && !has_oddities(text)) {
            // This very address.
            return Target::AsItIs;
        }
        if has_oddities(text) {
            return Target::Dropped;
        }
        let Some(base) = self.asked_url() else { return Target::Dropped };
        match scheme(text) {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
                let rest = text.get(scheme.len()..).unwrap_or_default();
                // With fewer or more slashes it is relative to some clients.
                if !rest.starts_with("://") || rest.starts_with(":///") {
                    return Target::Dropped;
                }
                Url::parse(text).map_or(Target::Dropped, |url| self.absolute(&url))
            }
            Some(scheme) if OF_A_PAGE.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => Target::Dropped,
            Some(_) => Target::AsItIs,
            None if text.starts_with("///") => Target::Dropped,
            None if text.starts_with("//") => base.join(text).map_or(Target::Dropped, |url| self.absolute(&url)),
            None => base.join(text).map_or(Target::Dropped, |url| self.relative(&url)),
        }
    }

    /// What the caller asked for, at the vendor.
    fn asked_url(&self) -> Option<Url> {
        Url::parse(&[&**self.vendor.origin(), self.vendor.prefix(), self.asked].concat()).ok()
    }

    fn absolute(&self, url: &Url) -> Target {
        let at_vendor = Url::parse(self.vendor.origin()).is_ok_and(|vendor| is_same_place(&vendor, url));
        if at_vendor && let Some(rest) = self.rest(url) {
            return Target::Below([self.here, &rest].concat());
        }
        let here = Url::parse(self.here).is_ok_and(|here| is_same_place(&here, url));
        if here || is_same_place(self.public, url) { Target::Dropped } else { Target::AsItIs }
    }

    /// A relative address is ours to whoever reads it: it leads below `/vendor`, or nowhere.
    fn relative(&self, url: &Url) -> Target {
        self.rest(url).map_or(Target::Dropped, Target::Below)
    }

    /// Path, query and fragment behind our origin.
    fn rest(&self, url: &Url) -> Option<String> {
        let path = below(url.path(), self.vendor.prefix()).filter(|path| !can_climb(path))?;
        let query = url.query().map(|query| ["?", query].concat()).unwrap_or_default();
        let fragment = url.fragment().map(|fragment| ["#", fragment].concat()).unwrap_or_default();
        Some([self.path, "/vendor", path, &query, &fragment].concat())
    }
}

/// Characters that clients read differently: browsers take a backslash for a slash and pass over tabs and line feeds.
fn has_oddities(text: &str) -> bool {
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    text.chars().any(char::is_control) || before_query.contains('\\')
}

/// RFC 3986 section 3.1.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut characters = scheme.chars();
    let begins = characters.next()?.is_ascii_alphabetic();
    (begins && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).then_some(scheme)
}

/// Whether two addresses are of one server: the scheme does not matter, because a server with TLS is there without it, too.
fn is_same_place(one: &Url, other: &Url) -> bool {
    let port = |url: &Url| url.port_or_known_default().unwrap_or_default();
    let usual = |port: u16| matches!(port, 80 | 443);
    let same_port = port(one) == port(other) || (usual(port(one)) && usual(port(other)));
    same_port && is_same_host(one, other)
}

fn is_same_host(one: &Url, other: &Url) -> bool {
    let name = |url: &Url| url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
    name(one) == name(other) || (is_this_machine(one) && is_this_machine(other))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => match ip.to_canonical() {
            std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_unspecified(),
            std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(base: &str, asked: &str, shape: Shape, value: &str) -> Rewritten {
        let places = Places {
            vendor: &Destination::of(&base.parse().unwrap()),
            asked,
            here: "http://ligand.internal:8080",
            public: &"https://ligand.example".parse().unwrap(),
            path: "",
        };
        places.header(shape, value.as_bytes())
    }

    /// `None`: dropped.
    fn location(base: &str, value: &str) -> Option<String> {
        match rewritten(base, "/crm/lists", Shape::One, value) {
            Rewritten::AsItIs => Some(value.to_owned()),
            Rewritten::Changed { text: Some(text), dropped: false } => Some(text),
            Rewritten::Changed { text: None, dropped: true } => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_lies_below_the_base_goes_on_through_us() {
        let base = "https://api.vendor.example";
        for (said, becomes) in [
            ("/instances", "/vendor/instances"),
            ("/instances?a=%2f#x", "/vendor/instances?a=%2f#x"),
            ("1", "/vendor/crm/1"),
            ("?after=2", "/vendor/crm/lists?after=2"),
            ("../../../instances", "/vendor/instances"),
            ("/vendor/../instances", "/vendor/instances"),
            ("https://api.vendor.example/x?y", "http://ligand.internal:8080/vendor/x?y"),
            ("HTTP://API.VENDOR.example./x", "http://ligand.internal:8080/vendor/x"),
            ("https://api.vendor.example:443/x", "http://ligand.internal:8080/vendor/x"),
            ("//api.vendor.example/x", "http://ligand.internal:8080/vendor/x"),
            ("https://api.vendor.example", "http://ligand.internal:8080/vendor/"),
        ] {
            assert_eq!(location(base, said).as_deref(), Some(becomes), "{said}");
        }
        let base = "https://api.vendor.example/tenant/42/";
        for (said, becomes) in [
            ("/tenant/42/x", Some("/vendor/x")),
            ("/tenant/42", Some("/vendor")),
            ("x", Some("/vendor/crm/x")),
            ("https://api.vendor.example/tenant/42/x", Some("http://ligand.internal:8080/vendor/x")),
            ("https://api.vendor.example/tenant/420/x", Some("https://api.vendor.example/tenant/420/x")),
            ("/tenant/420/x", None),
            ("/instances", None),
            ("../../../instances", None),
            ("/tenant/42/../../instances", None),
        ] {
            assert_eq!(location(base, said).as_deref(), becomes, "{said}");
        }
    }

    #[test]
    fn what_lies_elsewhere_is_left_alone_and_what_is_ours_goes_nowhere() {
        let base = "https://api.vendor.example";
        for foreign in [
            "https://files.vendor.example/x",
            "https://api.vendor.example:8443/x",
            "//cdn.example/x",
            "https://ligand.example.evil.example/",
            "https://ligand.example@evil.example/",
            "https://ligand.example:8080/",
            "mailto:jo@example.com",
            "myapp://callback",
            "#part",
            "",
        ] {
            assert_eq!(location(base, foreign).as_deref(), Some(foreign));
        }
        for ours in [
            "https://ligand.example/instances",
            "HTTPS://LIGAND.example./instances",
            "http://ligand.example/instances",
            "https://ligand.example:443/vendor/x",
            "//ligand.example/instances",
            "//ligand.internal:8080/instances",
            "https://x@ligand.example/instances",
            "https://ligand%2eexample/instances",
            "https://ligand\u{3002}example/instances",
            "http://ligand.internal:8080/console",
            "https:/instances",
            "https:instances",
            "https:///instances",
            "http:\\\\ligand.example/instances",
            "///instances",
            "/\\evil.example/instances",
            "\\instances",
            "\t//ligand.example\n/instances",
            "/\u{1}/instances",
            "/..%2finstances",
            "/x/%252e%252e/%252e%252e/instances",
            "/..;/instances",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
        ] {
            assert_eq!(location(base, ours), None, "{ours}");
        }
    }

    #[test]
    fn every_name_of_this_machine_is_this_machine() {
        let places = |here: &str, said: &str| {
            let vendor = Destination::of(&"http://127.0.0.1:9090".parse().unwrap());
            let public = "http://localhost:8080".parse().unwrap();
            Places { vendor: &vendor, asked: "/", here, public: &public, path: "" }.header(Shape::One, said.as_bytes())
        };
        let dropped = Rewritten::Changed { text: None, dropped: true };
        for host in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "[::1]",
            "[::ffff:7f00:1]",
            "0.0.0.0",
            "a.localhost.",
        ] {
            let said = format!("http://{host}:8080/instances");
            assert_eq!(places("http://127.0.0.1:8080", &said), dropped, "{said}");
            let vendor = Rewritten::Changed { text: Some("http://127.0.0.1:8080/vendor/x".to_owned()), dropped: false };
            assert_eq!(places("http://127.0.0.1:8080", &format!("http://{host}:9090/x")), vendor);
            let other = format!("http://{host}:9091/x");
            assert_eq!(places("http://127.0.0.1:8080", &other), Rewritten::AsItIs);
        }
    }

    #[test]
    fn bytes_that_are_no_text_go_nowhere() {
        let vendor = Destination::of(&"https://api.vendor.example".parse().unwrap());
        let public = "https://ligand.example".parse().unwrap();
        let places = Places { vendor: &vendor, asked: "/", here: "http://x", public: &public, path: "" };
        assert_eq!(places.header(Shape::One, b"/\xff"), Rewritten::Changed { text: None, dropped: true });
    }
}
