//! Revoking grants at their vendors, of instances that were deleted or that the operator ended. Best effort: twelve tries over
//! three days, then given up.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::provision::with_values;
use super::revocations::{GrantToEnd, token_to_revoke};
use crate::catalog::element::Element;
use crate::catalog::oauth2::{OAuth2, Revoke};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::token;
use crate::protocol::request::VendorReply;
use crate::protocol::variables::Replied;
use crate::service::Services;
use crate::service::instance::configuration::Configuration;
use crate::service::process::traffic::Purpose;
use crate::service::work::dispatcher::Dispatcher;
use crate::service::work::schedule::{GivenUp, Schedule};
use crate::service::work::{Ended, Kind, Limits, Refusal};
use crate::store::AnyConn;
use crate::store::revocations::{self, Revocation};
use crate::store::sealed::REVOCATION;
use crate::store::work;

/// A pause that a vendor asks for, at most.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(1);

pub static KIND: Kind = Kind {
    name: revocations::WORK,
    // A vendor that does not answer holds up those of nobody else.
    limits: |_, _| Limits::of(32, 8, 8),
    schedule: SCHEDULE,
    // Longer than any element's vendor may take.
    within: Duration::from_secs(300),
    // The version before this one compares attempts, as this one does.
    led_before_by: None,
    is_to_be_handed_over: |_, conn, _| revocations::is_without_work(conn),
    hand_over: |_, conn, _| revocations::hand_over(conn),
    run: |services, row| Box::pin(async move { services.try_revocation(&row).await }),
    record: |conn, row, attempt, now| revocations::settle(conn, row.about, attempt, now),
};

/// Of a command, whose work this is. Not more: vendors count calls too.
pub const OF_A_COMMAND: Limits = Limits::of(32, 16, 16);

const SCHEDULE: Schedule = Schedule {
    // Longer than a vendor may take for an answer, so that a process of the version before does not try again meanwhile.
    first_pause: TimeDelta::minutes(2),
    longest_pause: TimeDelta::days(3),
    longest_asked: LONGEST_ASKED,
    parked_after: None,
    given_up: GivenUp::AfterTries(12),
    kept_for: None,
};

impl Services {
    /// Revokes everything that is due. How many attempts were made here.
    pub async fn revoke_due_grants(&self) -> Result<usize, ApiError> {
        self.do_due_work(&Arc::new(Dispatcher::of(&[&KIND]))).await
    }

    /// The same, with so many at once.
    pub async fn revoke_due_grants_within(&self, limits: Limits) -> Result<usize, ApiError> {
        self.do_due_work(&Arc::new(Dispatcher::limited(&KIND, limits))).await
    }

    /// One attempt, unless another process makes it.
    async fn try_revocation(&self, row: &work::Row) -> Ended {
        let (owner, id, made, now) = (row.owner(), row.about, row.attempts, self.now());
        let soon = || now.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(now);
        let begin = move |conn: &mut AnyConn| {
            let Some((revocation, due_at)) = revocations::find(conn, id)? else { return Ok(Begun::Gone) };
            // The version before this one has tried meanwhile.
            if now < due_at && revocation.attempts >= made {
                return Ok(Begun::Later(due_at));
            }
            let attempts = revocation.attempts;
            let again = SCHEDULE.pause(id, attempts.saturating_add(1));
            let again = now.checked_add_signed(again).unwrap_or(now);
            Ok(match revocations::take(conn, id, attempts, again)? {
                true => Begun::Mine(revocation),
                false => Begun::Later(again),
            })
        };
        let revocation = match self.store.write(begin).await {
            Ok(Begun::Mine(revocation)) => revocation,
            Ok(Begun::Later(due_at)) => return Ended::NotYet { due_at, parked: false },
            Ok(Begun::Gone) => return Ended::Done { status: None },
            Err(fault) => {
                tracing::warn!(revocation = id, %fault, "a revocation cannot be read");
                return Ended::NotYet { due_at: soon(), parked: false };
            }
        };
        let Err(error) = self.revoke(owner, &revocation).await else {
            tracing::info!(revocation = id, "a grant was revoked at its vendor");
            return Ended::Done { status: None };
        };
        let (attempt, last) = (row.attempts, is_final(&error));
        tracing::warn!(
            revocation = id,
            attempt,
            ?error,
            "a grant could not be revoked{}",
            if last { "" } else { " yet" }
        );
        let retry_after = error.retry_after.filter(|_| error.code != Code::KeyUnavailable && !last);
        if let Some(seconds) = retry_after
            // Others are tried again later than the vendor asked at worst.
            && let Err(error) = self.put_off(owner, &revocation, seconds).await
        {
            tracing::warn!(revocation = id, ?error, "revocations could not be put off");
        }
        Ended::Failed(Refusal { retry_after, last, ..Refusal::of(&error.message) })
    }

    /// For as long as the vendor asks, with the others that the same organization has at the same host: it would say so of each.
    async fn put_off(&self, owner: Owner, revocation: &Revocation, seconds: u64) -> Result<(), ApiError> {
        let asked = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(LONGEST_ASKED);
        let now = self.now();
        let until = now.checked_add_signed(asked.min(LONGEST_ASKED)).unwrap_or(now);
        let element = self.element_by_id(owner, revocation.element_id);
        let oauth2 = element.as_ref().and_then(|element| element.authentication.oauth2.as_ref());
        let rule = oauth2.and_then(|oauth2| oauth2.revoke.as_ref());
        let one_host = rule.is_some_and(|rule| !rule.url.has_variable_host());
        let (id, element) = (revocation.id, one_host.then_some(revocation.element_id));
        let put_off = move |conn: &mut _| revocations::put_off(conn, owner.organization, (id, element), (now, until));
        Ok(self.store.write(put_off).await?)
    }

    async fn revoke(&self, owner: Owner, revocation: &Revocation) -> Result<(), ApiError> {
        let place = REVOCATION.place(owner.organization, revocation.id);
        let remembered: GrantToEnd = self.vault.open_document(place, &revocation.sealed)?;
        // Another process may know it: a command that was given no directory of elements must not settle this.
        let Some(element) = &self.element_by_id(owner, revocation.element_id) else {
            return Err(Code::ElementNotFound.into());
        };
        // Its rule may be gone by now: then there is nothing to do.
        let Some(oauth2) = &element.authentication.oauth2 else { return Ok(()) };
        let Some(rule) = &oauth2.revoke else { return Ok(()) };
        self.refuse_changed_element(element, remembered.given_for.as_deref())?;
        let client = self.client_of(owner, element, &remembered.configuration).await?;
        let GrantToEnd { token, hint, replied, configuration, .. } = &remembered;
        self.send_revocation(element, (oauth2, rule), &client, (token, hint), (replied, configuration)).await
    }

    /// Revokes a grant without asking the database, where the element says how.
    pub(in crate::service) async fn revoke_now(
        &self,
        (owner, element): (Owner, i64),
        credential: &Credential,
        configuration: &Configuration,
        client: &Client,
    ) -> Result<(), ApiError> {
        let Some(element) = &self.element_by_id(owner, element) else { return Ok(()) };
        let Some(oauth2) = &element.authentication.oauth2 else { return Ok(()) };
        let Some(rule) = &oauth2.revoke else { return Ok(()) };
        self.refuse_changed_element(element, credential.given_for())?;
        let Credential::OAuth2 { access_token, refresh_token, replied, .. } = credential else { return Ok(()) };
        let token = token_to_revoke(access_token, refresh_token.as_ref());
        self.send_revocation(element, (oauth2, rule), client, token, (replied, configuration)).await
    }

    async fn send_revocation(
        &self,
        element: &Arc<Element>,
        (oauth2, rule): (&OAuth2, &Revoke),
        client: &Client,
        (token, hint): (&Secret, &str),
        (replied, configuration): (&Replied, &Configuration),
    ) -> Result<(), ApiError> {
        let request = with_values(element, configuration, Some(replied), |values| {
            token::revoke(oauth2, rule, client, (token, hint), values)
        })?;
        let reply = self.metrics.traffic.observe(element, Purpose::Revocation, self.sender.send(&request)).await;
        let reply = reply.map_err(|fault| fault.into_error(&element.name, "the revocation"))?;
        if reply.is_transient() {
            let error = ApiError::internal(format!("the vendor answered {}", reply.status));
            return Err(match reply.retry_after {
                Some(seconds) => error.with_retry_after(seconds),
                None => error,
            });
        }
        if !ended_by(&request.method, &reply) {
            return Err(
                ApiError::from(Code::VendorRefused).with_source(format!("the vendor answered {}", reply.status))
            );
        }
        Ok(())
    }
}

/// How an attempt begins.
enum Begun {
    Mine(Revocation),
    Later(DateTime<Utc>),
    /// Nothing is left to be revoked.
    Gone,
}

/// Whether the grant is gone. A token that the vendor does not know any more is one that was ended (RFC 7009 section 2.2);
/// errors of the client or of the request (RFC 6749 section 5.2) say nothing of the token.
fn ended_by(method: &str, reply: &VendorReply) -> bool {
    const NOT_OF_THE_TOKEN: [&str; 4] =
        ["invalid_client", "unauthorized_client", "invalid_request", "unsupported_token_type"];
    match reply.status {
        200..=299 => true,
        400 => {
            let body = reply.json();
            let error = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
            !error.is_some_and(|error| NOT_OF_THE_TOKEN.contains(&error))
        }
        // The address is the token's own.
        404 | 410 => method == "DELETE",
        _ => false,
    }
}

/// Whether another try would end no better.
fn is_final(error: &ApiError) -> bool {
    matches!(error.code, Code::VendorRefused | Code::SecretNeededForNewHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tries_span_a_weekend() {
        let span = |id| (1..12).fold(TimeDelta::zero(), |sum, attempt| sum + SCHEDULE.pause(id, attempt)).num_hours();
        assert!((0..100).all(|id| (61..=68).contains(&span(id))), "{}", span(1));
    }
}
