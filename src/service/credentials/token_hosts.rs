//! Token endpoints that are down. While one is, a single call a second looks whether it is back; everybody else is told when
//! to come again. By the server, because that is what fails: not an instance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use crate::catalog::element::Element;
use crate::kernel::owner::Owner;
use crate::protocol::VendorFault;

/// Failures in a row after which the host is taken for down, and not one tenant's place on it.
const DOWN_AFTER: u32 = 2;
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// Hosts that nobody asks any more make room for others.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// A bound on what the customers' own hosts may take.
const MOST: usize = 10_000;

#[derive(Default)]
pub struct TokenHosts(Mutex<HashMap<String, Failing>>);

struct Failing {
    in_a_row: u32,
    probe_at: Instant,
}

/// What a token endpoint is known by: host and port. Where customers name servers of their own, what one organization finds out of an
/// address says nothing to another.
pub(in crate::service) fn server_of(element: &Element, owner: Owner, url: &Url) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    match element.hosts.is_any() {
        true => format!("{}/{}/{host}:{port}", owner.organization, element.id),
        false => format!("{host}:{port}"),
    }
}

/// Whether a call to a host makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Way {
    /// Nothing is known against it.
    Open,
    /// It is down, and this call may look whether it is back.
    Probe,
    /// It is down; somebody looks again so soon.
    Shut(Duration),
}

impl TokenHosts {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the way, and takes the probe where one is due.
    pub(in crate::service) fn way(&self, host: &str, now: Instant) -> Way {
        let mut hosts = self.locked();
        match hosts.get_mut(host) {
            Some(failing) if failing.in_a_row >= DOWN_AFTER => {
                let rest = failing.probe_at.saturating_duration_since(now);
                if !rest.is_zero() {
                    return Way::Shut(rest);
                }
                failing.probe_at = now.checked_add(BETWEEN_PROBES).unwrap_or(now);
                Way::Probe
            }
            _ => Way::Open,
        }
    }

    /// How long until a call makes sense, without taking the probe. None: the host is not known to fail.
    pub(in crate::service) fn rest(&self, host: &str, now: Instant) -> Option<Duration> {
        let hosts = self.locked();
        let failing = hosts.get(host)?;
        Some(match failing.in_a_row >= DOWN_AFTER {
            true => failing.probe_at.saturating_duration_since(now),
            false => Duration::MAX,
        })
    }

    /// How a call ended: any answer but one of an outage shows that the host is there.
    pub(in crate::service) fn note<T>(&self, host: &str, outcome: &Result<T, VendorFault>, now: Instant) {
        let mut hosts = self.locked();
        if !outcome.as_ref().err().is_some_and(is_outage) {
            hosts.remove(host);
            return;
        }
        if hosts.len() >= MOST && !hosts.contains_key(host) {
            hosts.retain(|_, failing| now.saturating_duration_since(failing.probe_at) < FORGOTTEN_AFTER);
            if hosts.len() >= MOST {
                return;
            }
        }
        let probe_at = now.checked_add(BETWEEN_PROBES).unwrap_or(now);
        let failing = hosts.entry(host.to_owned()).or_insert(Failing { in_a_row: 0, probe_at });
        failing.in_a_row = failing.in_a_row.saturating_add(1);
        failing.probe_at = failing.probe_at.max(probe_at);
    }
}

/// Of the endpoint, and not about what was sent.
fn is_outage(fault: &VendorFault) -> bool {
    match fault {
        VendorFault::Unavailable { status, .. } => *status >= 500,
        VendorFault::Timeout | VendorFault::Unreachable { .. } | VendorFault::Proxy(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::kernel::allowed_hosts::AllowedHosts;

    #[test]
    fn nobody_finds_out_for_another_at_a_port_or_server_of_its_own() {
        let catalog = Catalog::load(None).unwrap();
        let fixed = Element::clone(catalog.get("sfdc").unwrap());
        let own = Element { hosts: AllowedHosts::Any, ..fixed.clone() };
        let owner = |organization| Owner { organization, account: 1 };
        let at = |element: &Element, organization, url: &str| {
            server_of(element, owner(organization), &Url::parse(url).unwrap())
        };
        let vendor = "https://login.salesforce.com/token";
        assert_eq!(at(&fixed, 1, vendor), at(&fixed, 2, "https://login.salesforce.com:443/other"));
        assert_ne!(at(&fixed, 1, vendor), at(&fixed, 1, "https://login.salesforce.com:1/token"));
        assert_ne!(at(&own, 1, vendor), at(&own, 2, vendor));
        assert_ne!(at(&own, 1, vendor), at(&fixed, 1, vendor));
    }

    #[test]
    fn one_looks_each_second_and_one_answer_opens_the_way_for_all() {
        let hosts = TokenHosts::default();
        let now = Instant::now();
        let down: Result<(), _> = Err(VendorFault::Timeout);
        hosts.note("a", &down, now);
        assert_eq!(hosts.way("a", now), Way::Open, "one failure may be one tenant's");
        hosts.note("a", &down, now);
        assert!(matches!(hosts.way("a", now), Way::Shut(_)));
        let later = now + BETWEEN_PROBES;
        assert_eq!(hosts.way("a", later), Way::Probe);
        assert!(matches!(hosts.way("a", later), Way::Shut(_)), "one at a time");
        assert_eq!(hosts.way("b", later), Way::Open);
        hosts.note("a", &Ok(()), later);
        assert_eq!((hosts.way("a", later), hosts.rest("a", later)), (Way::Open, None));
    }
}
