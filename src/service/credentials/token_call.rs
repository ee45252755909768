//! The call to a token endpoint. What the vendor answers cannot be had again (RFC 6749 sections 4.1.2 and 6), so the reply is
//! read to its end, however late: callers give up at their time, the call does not.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::token_hosts;
use super::token_turns::Turn;
use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::oauth2::reply::{self, Token};
use crate::protocol::{VendorFault, VendorRequest};
use crate::service::Services;
use crate::service::process::flight::Lateness;
use crate::service::process::traffic::Purpose;

/// How long a reply is waited for when nobody else does any more.
const LONGEST: Duration = Duration::from_secs(300);
/// Late calls at once without a place among the element's: of an organization, and of those to one host. No organization's
/// calls end another's.
const OF_ORGANIZATION: usize = 16;
const TO_HOST: usize = 4;

/// Who asks, and who waits for it.
pub(in crate::service) struct Asker<'a> {
    pub owner: Owner,
    /// What is sent ("the code").
    pub what: &'static str,
    pub lateness: &'a Lateness,
    /// A place among the element's token calls, given back when nobody waits any more.
    pub turn: Option<Turn>,
}

/// Calls that nobody waits for any more, oldest first.
#[derive(Default)]
pub struct LateCalls(Mutex<VecDeque<Late>>);

struct Late {
    organization: i64,
    host: String,
    closed: CancellationToken,
}

/// A place among the late calls; given back with it.
struct Place<'a> {
    calls: &'a LateCalls,
    closed: CancellationToken,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Tells the entry, which nobody else asks any more.
        self.closed.cancel();
        self.calls.locked().retain(|late| !late.closed.is_cancelled());
    }
}

impl LateCalls {
    fn locked(&self) -> std::sync::MutexGuard<'_, VecDeque<Late>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, while there is one: who has a permit keeps that otherwise, and nothing else begins meanwhile.
    fn try_enter(&self, organization: i64, host: &str) -> Option<Place<'_>> {
        let mut calls = self.locked();
        let open = |to_host: bool| {
            let counts = |late: &&Late| late.organization == organization && (!to_host || late.host == host);
            calls.iter().filter(counts).filter(|late| !late.closed.is_cancelled()).count()
        };
        let room = open(false) < OF_ORGANIZATION && open(true) < TO_HOST;
        room.then(|| self.push(&mut calls, organization, host))
    }

    /// Whoever keeps too many waiting without a permit loses the oldest.
    fn enter(&self, organization: i64, host: &str) -> Place<'_> {
        let mut calls = self.locked();
        let place = self.push(&mut calls, organization, host);
        close_oldest(&calls, OF_ORGANIZATION, |late| late.organization == organization);
        close_oldest(&calls, TO_HOST, |late| late.organization == organization && late.host == host);
        place
    }

    fn push(&self, calls: &mut VecDeque<Late>, organization: i64, host: &str) -> Place<'_> {
        let closed = CancellationToken::new();
        calls.push_back(Late { organization, host: host.to_owned(), closed: closed.clone() });
        Place { calls: self, closed }
    }
}

fn close_oldest(calls: &VecDeque<Late>, most: usize, counts: impl Fn(&Late) -> bool) {
    let open = || calls.iter().filter(|late| counts(late) && !late.closed.is_cancelled());
    let excess = open().count().saturating_sub(most);
    for late in open().take(excess) {
        let (organization, host) = (late.organization, late.host.as_str());
        tracing::error!(
            organization,
            host,
            "a token call that answers late is given up, because too many do: its grant may be lost"
        );
        late.closed.cancel();
    }
}

impl Services {
    pub(in crate::service) async fn token_call(
        &self,
        element: &Arc<Element>,
        oauth2: &OAuth2,
        request: &VendorRequest,
        asker: Asker<'_>,
    ) -> Result<Token, VendorFault> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let server = token_hosts::server_of(element, asker.owner, &request.url);
        let call = self.sender.send_and_wait(request, LONGEST);
        let mut call = pin!(self.metrics.traffic.observe(element, Purpose::Token, call));
        let reply = match tokio::time::timeout(request.timeout, &mut call).await {
            Ok(reply) => reply,
            Err(_) => {
                let Asker { owner, what, lateness, turn } = asker;
                lateness.begin(late_answer(&element.name, what, lateness.instance()));
                let place = match turn {
                    None => Some(self.late_calls.enter(owner.organization, &host)),
                    Some(_) => self.late_calls.try_enter(owner.organization, &host),
                };
                let reply = match place {
                    // With its turn.
                    None => call.await,
                    Some(place) => {
                        drop(turn);
                        tokio::select! {
                            reply = call => reply,
                            () = place.closed.cancelled() => Err(VendorFault::Timeout),
                        }
                    }
                };
                lateness.end();
                reply
            }
        };
        let token = reply.and_then(|reply| reply::read(element, oauth2, request, &reply, self.now()));
        self.token_hosts.note(&server, &token, self.clock.steady());
        token
    }
}

/// What callers learn while the answer is still awaited.
fn late_answer(vendor: &str, what: &str, instance: Option<i64>) -> ApiError {
    let mut error = VendorFault::Timeout.into_error(vendor, what);
    if let Some(id) = instance {
        error.message = format!(
            "{vendor} did not answer in time. Its answer is still awaited, so do not send {what} again: \
             GET /instances/{id} tells what came of it."
        );
    }
    error.with_retry_after(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_for_whoever_exceeds_a_share() {
        let calls = LateCalls::default();
        let mut places: Vec<_> = (0..TO_HOST).map(|_| calls.enter(1, "slow.example")).collect();
        let other = calls.enter(2, "slow.example");
        assert!(places.iter().all(|place| !place.closed.is_cancelled()), "another organization's");
        assert!(calls.try_enter(1, "slow.example").is_none(), "who has a permit keeps it");
        places.push(calls.enter(1, "slow.example"));
        let closed: Vec<_> = places.iter().map(|place| place.closed.is_cancelled()).collect();
        assert_eq!(closed, [true, false, false, false, false], "of the host");
        assert!(!other.closed.is_cancelled());
        drop(places);
        assert!(calls.try_enter(1, "slow.example").is_some());
        let places: Vec<_> = (0..OF_ORGANIZATION).map(|at| calls.enter(2, &format!("{at}.example"))).collect();
        assert!(other.closed.is_cancelled() && places.iter().all(|place| !place.closed.is_cancelled()));
        drop((other, places));
        assert!(calls.locked().is_empty());
    }
}
