//! How a notice is sent: one attempt, by whichever process claimed it. A receiver that is slow, or one subject that is stuck,
//! holds up nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::request_of;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::{VendorFault, VendorReply, standard_webhooks};
use crate::service::Services;
use crate::service::work::dispatcher::Dispatcher;
use crate::service::work::schedule::{GivenUp, Schedule};
use crate::service::work::{Ended, Kind, Limits, Refusal};
use crate::store::StoreFault;
use crate::store::notices::{self, Delivery};
use crate::store::work::Row;

pub const SCHEDULE: Schedule = Schedule {
    first_pause: TimeDelta::seconds(5),
    longest_pause: TimeDelta::hours(1),
    longest_asked: TimeDelta::hours(1),
    parked_after: Some(TimeDelta::hours(1)),
    given_up: GivenUp::AtAge(TimeDelta::days(1)),
    kept_for: None,
};

pub static KIND: Kind = Kind {
    name: notices::WORK,
    limits: |_, _| Limits::of(128, 32, 8),
    schedule: SCHEDULE,
    // A receiver has 15 s.
    within: Duration::from_secs(60),
    led_before_by: Some("job/notices"),
    is_to_be_handed_over: |_, conn, _| notices::is_without_work(conn),
    hand_over: |_, conn, _| notices::hand_over(conn),
    run: |services, row| Box::pin(async move { services.send_notice(&row).await }),
    record: |conn, row, attempt, now| notices::settle(conn, row.about, attempt, now),
};

/// A notice that cannot be read now is looked at again so much later.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

fn refused(reply: &VendorReply) -> Refusal {
    let error = match reply.status {
        300..=399 => format!("The receiver answered {}: redirects are not followed.", reply.status),
        410 => "The receiver answered 410: it wants no more of these.".to_owned(),
        status => format!("The receiver answered {status}."),
    };
    Refusal { status: Some(reply.status), retry_after: reply.retry_after, error, last: reply.status == 410 }
}

impl Services {
    /// Sends what is due, and what becomes due meanwhile, until nothing is left.
    pub async fn send_due_notices(&self) -> Result<(), ApiError> {
        self.do_due_work(&Arc::new(Dispatcher::of(&[&KIND]))).await.map(drop)
    }

    async fn send_notice(&self, row: &Row) -> Ended {
        let (owner, id) = (row.owner(), row.about);
        let not_yet = |due_at: DateTime<Utc>, parked| Ended::NotYet { due_at, parked };
        let notice = match self.store.read(move |conn| notices::find(conn, owner, id)).await {
            Ok(notice) if !notice.waits() => return Ended::Done { status: None },
            // The version before this one has tried meanwhile.
            Ok(notice) if self.now() < notice.due_at.into() => return not_yet(notice.due_at.into(), notice.parked),
            Ok(notice) => notice,
            Err(StoreFault::NotFound) => return Ended::Done { status: None },
            Err(fault) => {
                tracing::warn!(notice = id, %fault, "a notice cannot be read");
                return not_yet(self.now().checked_add_signed(LOOK_AGAIN).unwrap_or_default(), row.is_parked());
            }
        };
        // Of the call that caused it, so that what becomes of a notice can be found by it.
        let request = request_of(&notice.message).unwrap_or_else(|| self.request_id());
        request.scope(self.attempt_of_notice(&notice)).await
    }

    async fn attempt_of_notice(&self, notice: &Delivery) -> Ended {
        let started = Instant::now();
        let tried = self.try_notice(notice).await;
        let (id, kind) = (notice.id, notice.kind.as_str());
        let (tries, elapsed_ms) = (notice.attempts.saturating_add(1), started.elapsed().as_millis());
        match tried {
            Ok(reply) => {
                let status = Some(reply.status);
                tracing::info!(notice = id, kind, tries, status, elapsed_ms, "notice delivered");
                Ended::Done { status }
            }
            Err(refusal) => {
                tracing::warn!(notice = id, kind, tries, status = refusal.status, elapsed_ms, "notice not delivered");
                Ended::Failed(refusal)
            }
        }
    }

    async fn try_notice(&self, notice: &Delivery) -> Result<VendorReply, Refusal> {
        let (address, secrets) = self.receiver_of(notice).await.map_err(|error| {
            tracing::warn!(notice = notice.id, ?error, "a receiver cannot be read");
            Refusal::of("The receiver's address and secrets could not be read: see the server's log.")
        })?;
        let url = address.and_then(|address| Url::parse(address.expose()).ok());
        let removed = || Refusal { last: true, ..Refusal::of("The receiver's address was removed.") };
        let url = url.ok_or_else(removed)?;
        let request = standard_webhooks::request(url, &notice.message, &notice.payload, self.now(), &secrets);
        let reply = self.sender.tell(&request).await.map_err(|fault| {
            tracing::debug!(notice = notice.id, %fault, "a receiver did not answer");
            Refusal::of(why(&fault))
        })?;
        if reply.is_success() { Ok(reply) } else { Err(refused(&reply)) }
    }

    /// Where the notice goes by now, and what it is signed with.
    async fn receiver_of(&self, notice: &Delivery) -> Result<(Option<Secret>, Vec<Secret>), ApiError> {
        let (address, secrets) = self.webhook_receiver(notice.organization_id).await?;
        match notice.link_id {
            None => Ok((address, secrets)),
            Some(link) => {
                let settings = self.link(notice.owner(), link).await?.settings;
                Ok((settings.notify_url.map(Secret::new), secrets))
            }
        }
    }
}

fn why(fault: &VendorFault) -> &'static str {
    match fault {
        VendorFault::Timeout => "The receiver did not answer within 15 s.",
        VendorFault::Address(_) => "The receiver's address may not be called from this server (LIGAND_OUTBOUND_ALLOW).",
        _ => "The receiver could not be reached.",
    }
}
