//! Renewing what is used before anybody has to wait for it. Instances that nobody used for a day cost nothing, but for
//! refresh tokens that would die of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::single_flight::Wanted;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::service::elements::of_owner::ANYBODY;
use crate::service::instance::schedule::idle_at;
use crate::service::process::metrics::Cause;
use crate::service::work::dispatcher::Dispatcher;
use crate::service::work::schedule::{GivenUp, Schedule};
use crate::service::work::{Ended, Kind, Limits};
use crate::store::refreshes::{self, Due};
use crate::store::work::Row;
use crate::store::{AnyConn, StoreFault};

/// An instance that was used so long ago is idle.
const RECENT: TimeDelta = TimeDelta::days(1);
/// Before a failed refresh is tried again, and before one that was put off because somebody else is at it.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// What was handed over is looked at again by then, whatever became of it.
const HANDED_OVER_FOR: TimeDelta = TimeDelta::hours(1);

pub static KIND: Kind = Kind {
    name: refreshes::WORK,
    limits: |services, element| services.limits_of_refreshes(element),
    schedule: Schedule {
        first_pause: AGAIN,
        longest_pause: AGAIN,
        longest_asked: AGAIN,
        parked_after: None,
        given_up: GivenUp::AfterTries(1),
        kept_for: None,
    },
    // A token endpoint's reply is read for five.
    within: Duration::from_secs(600),
    led_before_by: Some("job/refresh_due"),
    // What waits for the operator's word is not put off either: it is due when that comes.
    is_to_be_handed_over: |services, conn, now| Ok(!services.standstill.holds() && refreshes::any_due(conn, now)?),
    hand_over: |services, conn, now| services.hand_over_due_refreshes(conn, now),
    run: |services, row| Box::pin(async move { services.refresh_one_due(&row).await }),
    // The credential says itself when it is due again.
    record: |_, _, _, _| Ok(()),
};

impl Services {
    /// Refreshes what is due, and what becomes due meanwhile, until nothing is left. How many.
    pub async fn refresh_due(&self) -> Result<usize, ApiError> {
        self.do_due_work(&Arc::new(Dispatcher::of(&[&KIND]))).await
    }

    /// Some token calls are left for callers who wait: of each organization, and to a host that all customers share.
    fn limits_of_refreshes(&self, element: i64) -> Limits {
        let Some(element) = self.element_by_id(ANYBODY, element) else { return Limits::of(512, 512, 1) };
        let share = element.concurrency().div_ceil(4).saturating_mul(3).max(1);
        let shared = !element.authentication.oauth2.as_ref().is_some_and(|it| it.refresh_url().has_variable_host());
        Limits { of_party: if shared { share } else { usize::MAX }, ..Limits::of(512, 512, share) }
    }

    /// What is due and was used becomes work; what was not is put off.
    fn hand_over_due_refreshes(&self, conn: &mut AnyConn, now: DateTime<Utc>) -> Result<(), StoreFault> {
        let (mut wanted, mut idle) = (Vec::new(), Vec::new());
        for row in refreshes::due(conn, now)? {
            if !row.refreshable {
                // It ends, whether somebody uses it or not.
                wanted.push(row);
                continue;
            }
            let element = self.element_by_id(row.owner(), row.element_id).filter(|element| element.refresh().is_some());
            match element.map_or(Some(None), |element| wanted_until(&element, &row, now)) {
                Some(until) => idle.push((row, until)),
                None => wanted.push(row),
            }
        }
        // Everybody locks rows in the order of their ids.
        idle.sort_by_key(|(row, _)| row.instance_id);
        for (row, until) in idle {
            refreshes::put_off(conn, (row.instance_id, row.version), until)?;
        }
        let until = now.checked_add_signed(HANDED_OVER_FOR).unwrap_or(now);
        refreshes::hand_over(conn, &wanted, (now, until))
    }

    async fn refresh_one_due(&self, row: &Row) -> Ended {
        let (owner, id) = (row.owner(), row.about);
        let not_yet =
            || Ended::NotYet { due_at: self.now().checked_add_signed(AGAIN).unwrap_or_default(), parked: false };
        if self.standstill.holds() {
            return not_yet();
        }
        let version = match self.store.read(move |conn| refreshes::version(conn, owner, id)).await {
            // Somebody needed a token meanwhile, and the credential says itself when it is due again.
            Ok(Some((version, _))) if row.body.parse().is_ok_and(|due: i64| due < version) => {
                return Ended::Done { status: None };
            }
            Ok(Some((_, false))) => {
                return self
                    .end_what_is_over(owner, id)
                    .await
                    .map_or_else(|_| not_yet(), |_| Ended::Done { status: None });
            }
            Ok(Some((version, true))) => version,
            Ok(None) => return Ended::Done { status: None },
            Err(fault) => {
                tracing::warn!(instance = id, %fault, "a due refresh cannot be begun");
                return not_yet();
            }
        };
        let wanted = Wanted { owner, id, seen: version, cause: Cause::Due };
        let Err(error) = self.refresh_credential(wanted).await else { return Ended::Done { status: None } };
        // The reason is in the log already. A grant that is gone is nothing to come back to.
        let gone = error.code == Code::ReauthorizationRequired;
        let until = self.now().checked_add_signed(AGAIN).filter(|_| !gone);
        let put_off = self.store.write(move |conn| refreshes::put_off(conn, (id, version), until)).await;
        if let Err(fault) = put_off {
            tracing::warn!(%fault, "a due refresh could not be put off");
        }
        Ended::Done { status: None }
    }
}

/// Nothing when it is to be refreshed now; otherwise until when it is put off.
#[expect(clippy::option_option, reason = "put off for ever is an answer, too")]
fn wanted_until(element: &Element, row: &Due, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
    let used_recently = row.last_used_at.is_some_and(|at| now.signed_duration_since(at.0) < RECENT);
    let idle_at = element.refresh().and_then(|rules| idle_at(rules, row.refreshed_at.map(Into::into)));
    let refresh = used_recently || idle_at.is_some_and(|at| at <= now);
    (!refresh).then_some(idle_at)
}
