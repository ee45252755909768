//! Refusals that no list of the element names, and tokens that nothing renews: what they make of an instance.

use std::sync::Arc;

use super::single_flight::Wanted;
use super::warm_instances::{LiveInstance, withdrawn};
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::VendorFault;
use crate::protocol::fault::ended;
use crate::service::Services;
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::instance::standing::{Standing, not_renewed};
use crate::service::notices::{self, Event, Kind};
use crate::service::process::flight::Lateness;
use crate::store::instances::Stored;
use crate::store::{StoreFault, leases, refreshes};

/// What a failed attempt to renew a token means for the grant.
pub(super) enum Verdict {
    /// It is gone, for this reason.
    Gone { reason: String, standing: Option<Standing> },
    /// It may be gone.
    Refused(Standing),
    /// Nothing: the vendor is away, or refuses the app.
    Nothing,
}

impl Services {
    /// `unsettled`: an earlier attempt may have lost the newer token.
    pub(super) fn verdict(&self, element: &Element, stored: &Stored, fault: &VendorFault, unsettled: bool) -> Verdict {
        let VendorFault::Refused { status, code, message, terminal, .. } = fault else { return Verdict::Nothing };
        let said = message.as_deref().or(code.as_deref());
        if *terminal {
            return Verdict::Gone { reason: reason_of(&element.name, said, unsettled), standing: None };
        }
        // Without a code only the status of a refused grant is an answer (RFC 6749 section 5.2): a 401 is the client's, a 403 or a
        // 404 may be a firewall's, and a redirect leads elsewhere.
        if code.is_none() && *status != 400 {
            return Verdict::Nothing;
        }
        let said = said.map_or_else(|| format!("status {status}."), |said| ended(said.to_owned()));
        let standing = Standing::of(&stored.credential).refused(said, self.now());
        let end = standing.failing.as_ref().filter(|failing| failing.is_end(self.now()));
        match end.map(|failing| failing.reason(&element.name)) {
            Some(reason) => Verdict::Gone { reason, standing: Some(standing) },
            None => Verdict::Refused(standing),
        }
    }

    /// Writes the refusal down, tells of the first one, and gives the lease back. False: the lease is still there.
    pub(super) async fn note_refusal(
        &self,
        name: &Arc<str>,
        wanted: Wanted,
        stored: &Stored,
        (standing, unsettled): (Standing, bool),
        lateness: &Lateness,
    ) -> bool {
        let (Some(text), Some(failing)) = (standing.text(), &standing.failing) else { return false };
        let event = Event::of_instance(Kind::InstanceFailing, &stored.instance, Some(&failing.said));
        let told = if failing.is_first() { self.notices(wanted.owner, &event, None) } else { Vec::new() };
        let (owner, about, process) = (wanted.owner, (wanted.id, stored.credential.version), self.process);
        let lease = Arc::clone(name);
        let noting = self.commit_until_decided(owner, "a refused refresh", move |conn| {
            // Once: a commit whose acknowledgement was lost is tried again.
            if refreshes::note_standing(conn, owner, about, &text)? {
                notices::enqueue(conn, &told)?;
            }
            if unsettled {
                leases::leave_unsettled(conn, &lease, process)
            } else {
                leases::release(conn, &lease, process)
            }
        });
        lateness.within(PATIENCE, || waits_for_database(None), noting).await.is_ok()
    }

    /// The end of a token that nothing renews, when that is over: why its instance is invalid. None: it is not over, or another
    /// one took its place.
    pub(super) async fn end_what_is_over(&self, owner: Owner, id: i64) -> Result<Option<String>, ApiError> {
        let stored = self.stored_instance(owner, id).await?;
        if let Some(reason) = stored.instance.invalid_reason {
            return Ok(Some(reason));
        }
        let element = self.element_of_row(&stored.instance)?;
        match Standing::of(&stored.credential).ended(&element.name, self.now()) {
            Some(reason) => self.end_token(owner, &stored, reason).await,
            None => Ok(None),
        }
    }

    /// The vendor refused a token whose assumed time was over and that nothing renews.
    pub(super) async fn end_refused(&self, live: &LiveInstance) -> Result<(), ApiError> {
        let stored = self.stored_instance(live.owner, live.id).await?;
        if stored.credential.version > live.version {
            return Ok(());
        }
        let reason = not_renewed(&format!("{} refuses the access token", live.element.name));
        match self.end_token(live.owner, &stored, reason).await? {
            Some(reason) => Err(withdrawn(&reason)),
            None => Ok(()),
        }
    }

    async fn end_token(&self, owner: Owner, stored: &Stored, reason: String) -> Result<Option<String>, ApiError> {
        let (id, now, version) = (stored.instance.id, self.now(), stored.credential.version);
        let event = Event::of_instance(Kind::InstanceInvalid, &stored.instance, Some(&reason));
        let (told, words) = (self.notices(owner, &event, None), reason.clone());
        let ended = self.commit(owner, move |conn| {
            if refreshes::mark_invalid(conn, owner, id, version, &words, now)? {
                notices::enqueue(conn, &told)?;
            }
            Ok(())
        });
        let ended = ended.await;
        self.warm.forget([&id]);
        match ended {
            Ok(()) => {
                tracing::warn!(
                    instance = id,
                    element = stored.instance.element_key,
                    "a token is over, and nothing renews it"
                );
                Ok(Some(reason))
            }
            // Somebody put in another credential meanwhile: that one counts.
            Err(StoreFault::Conflict(_) | StoreFault::NotFound) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }
}

fn reason_of(vendor: &str, said: Option<&str>, unsettled: bool) -> String {
    let said = said.map_or(String::new(), |said| format!(" ({})", said.trim_end_matches('.')));
    let why = match unsettled {
        true => ", and the outcome of the refresh before is unknown: its new token may be lost",
        false => "",
    };
    format!("{vendor} refused the refresh token{said}{why}. The user must authorise again.")
}
