//! What leads to this machine by its very name or address.

use url::Host;

/// `localhost`, as people write it.
pub fn is_localhost(host: Option<Host<&str>>) -> bool {
    host == Some(Host::Domain("localhost"))
}

/// That, or an address of the loopback.
pub fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        named => is_localhost(named),
    }
}

/// Every name that resolvers answer with the loopback: `localhost` and what is below it (RFC 6761 section 6.3). In lower case, as
/// parsed URLs have it.
pub fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn three_questions_have_three_answers() {
        for (url, localhost, loopback, name) in [
            ("http://localhost:3000", true, true, true),
            ("http://LOCALHOST", true, true, true),
            ("http://localhost.", false, false, true),
            ("http://inner.localhost", false, false, true),
            ("http://127.0.0.9", false, true, false),
            ("http://[::1]", false, true, false),
            ("http://localhost.example", false, false, false),
            ("http://10.0.0.1", false, false, false),
        ] {
            let url = Url::parse(url).unwrap();
            let answers =
                (is_localhost(url.host()), is_loopback(url.host()), is_loopback_name(url.host_str().unwrap()));
            assert_eq!(answers, (localhost, loopback, name), "{url}");
        }
        assert!(!is_loopback(None));
    }
}
