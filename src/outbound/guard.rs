//! Which addresses may be called: none of our own network, in the URL as well as after DNS (server-side request forgery).

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::kernel::loopback::is_loopback_name;
use crate::protocol::VendorFault;

/// `LIGAND_OUTBOUND_ALLOW`, and the sandbox's socket.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
    sandbox: Option<SocketAddr>,
    /// A proxy resolves the names, so that their addresses are never seen here.
    unresolved: bool,
    /// Nobody is called.
    closed: bool,
}

impl Guard {
    pub fn new(allowed: Vec<IpNet>, sandbox: Option<SocketAddr>) -> Self {
        Self { allowed: allowed.into(), sandbox, unresolved: false, closed: false }
    }

    /// One that lets nothing through.
    pub fn closed() -> Self {
        Self { closed: true, ..Self::default() }
    }

    /// Whether this is called at all.
    pub(super) fn admit(&self, url: &Url) -> Result<(), VendorFault> {
        if self.closed { Err(VendorFault::Clone) } else { self.check(url).map_err(VendorFault::Address) }
    }

    /// The same for calls through a proxy: what is the loopback by its very name (RFC 6761 section 6.3) counts as such.
    #[must_use]
    pub(super) fn through(self, proxy: Option<&str>) -> Self {
        Self { unresolved: proxy.is_some(), ..self }
    }

    /// Checks what the URL itself says; names are checked again after DNS, by the resolver. The reason is for the log.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        let port = url.port_or_known_default().unwrap_or_default();
        match (url.scheme(), url.host()) {
            ("https", Some(Host::Domain(host)))
                if self.unresolved && is_loopback_name(host) && !self.lists_loopback() =>
            {
                Err(format!("https://{host}"))
            }
            ("https", Some(Host::Domain(_))) => Ok(()),
            ("http", Some(Host::Domain(host))) => Err(format!("http://{host}: names are called by https only")),
            (scheme @ ("http" | "https"), Some(host)) => {
                let ip = match host {
                    Host::Ipv4(ip) => IpAddr::V4(ip),
                    Host::Ipv6(ip) => IpAddr::V6(ip),
                    Host::Domain(_) => return Err("unreachable".to_owned()),
                };
                let listed = self.lists(ip) || self.sandbox == Some(SocketAddr::new(ip, port));
                // In the clear only to an address that the operator listed.
                if listed || (scheme == "https" && is_public(ip)) {
                    Ok(())
                } else {
                    Err(format!("{scheme}://{ip}:{port}"))
                }
            }
            _ => Err("neither http nor https, or no host".to_owned()),
        }
    }

    fn lists_loopback(&self) -> bool {
        self.lists(Ipv4Addr::LOCALHOST.into()) || self.lists(Ipv6Addr::LOCALHOST.into())
    }

    fn lists(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|net| net.contains(&ip))
    }

    fn accepts(&self, ip: IpAddr) -> bool {
        self.lists(ip) || is_public(ip)
    }
}

impl Guard {
    /// Those that may be called. They are dialled as they are: a name that changes its mind changes it too late.
    pub(super) fn good(&self, found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        found.filter(|address| self.accepts(address.ip())).collect()
    }

    /// The addresses of a name that may be called.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let good = self.good(tokio::net::lookup_host((name, 0)).await?);
        if good.is_empty() { Err(RefusedAddress(name.to_owned()).into()) } else { Ok(good) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses: Addrs = Box::new(guard.resolve(name.as_str()).await?.into_iter());
            Ok(addresses)
        })
    }
}

/// A name that leads to no address that may be called.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no public address")]
struct RefusedAddress(String);

/// The refusal among an error's causes, if that is why it happened.
pub(super) fn refused_address(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<RefusedAddress>() {
            return Some(refused.to_string());
        }
        cause = inner.source();
    }
    None
}

/// Addresses of the open internet: nothing that the special-purpose registries (RFC 6890) set aside.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => embedded_v4(ip).map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let set_aside = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99);
    !set_aside
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Only 2000::/3 is given out; of that, documentation and Teredo lead nowhere good.
    let [first, second, ..] = ip.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0 || second == 0xdb8)) && first != 0x3fff
}

/// The IPv4 address inside a mapped, compatible, translated or 6to4 one.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff | 0] | [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0] => join(g, h),
        [0x2002, ..] => join(b, c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, url: &str) -> bool {
        guard.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn inner_addresses_are_refused_in_every_spelling() {
        let guard = Guard::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
        ] {
            assert!(!check(&guard, &format!("https://{host}/")), "{host}");
        }
        assert!(check(&guard, "https://1.1.1.1/"));
        assert!(check(&guard, "https://[2606:4700::1111]/"));
        assert!(check(&guard, "https://api.hubapi.com/"));
        assert!(!check(&guard, "http://api.hubapi.com/"));
        assert!(!check(&guard, "http://1.1.1.1/"));
        assert!(!check(&guard, "ftp://1.1.1.1/"));
    }

    #[test]
    fn what_the_operator_lists_is_fine_and_the_sandbox_is_one_socket() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()], None);
        assert!(check(&guard, "http://127.0.0.1:9/"));
        let guard = Guard::new(Vec::new(), Some("127.0.0.1:8081".parse().unwrap()));
        assert!(check(&guard, "http://127.0.0.1:8081/oauth"));
        assert!(!check(&guard, "http://127.0.0.1:8080/"));
        assert!(!check(&guard, "http://127.0.0.2:8081/"));
    }

    #[test]
    fn behind_a_proxy_the_loopbacks_names_are_refused_too() {
        let unresolved = Guard::default().through(Some("http://proxy.example:3128"));
        for host in ["localhost", "LocalHost.", "inner.localhost"] {
            assert!(!check(&unresolved, &format!("https://{host}/")), "{host}");
        }
        assert!(check(&unresolved, "https://localhost.example/"));
        let listed = Guard::new(vec!["127.0.0.0/8".parse().unwrap()], None).through(Some("http://proxy.example:3128"));
        assert!(check(&listed, "https://localhost/"));
    }
}
