//! Revoking grants at their vendors, of instances that were deleted or that the operator ended. Best effort: twelve tries over
//! three days, then given up.

use std::collections::{HashMap, HashSet};
use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
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
use crate::store::revocations::{self, Revocation};
use crate::store::sealed::REVOCATION;

const TRIES: i64 = 12;
/// Doubled before each try, the first included: longer than a vendor may take for an answer, so that nobody tries again
/// meanwhile.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// What was given up is kept so long, for the operator to see.
const GIVEN_UP_FOR: TimeDelta = TimeDelta::days(30);
/// A pause that a vendor asks for, at most.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(1);
/// At once, and of one organization: a vendor that does not answer holds up those of nobody else.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    at_once: usize,
    of_one: usize,
}

impl Share {
    /// Beside everything else that a server does.
    pub const OF_A_SERVER: Self = Self { at_once: 32, of_one: 8 };
    /// Of a command, whose work this is. Not more: vendors count calls too.
    pub const OF_A_COMMAND: Self = Self { at_once: 32, of_one: 16 };
}

/// Between two looks while something is under way.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What this round has begun.
struct UnderWay {
    share: Share,
    ids: HashSet<i64>,
    by_organization: HashMap<i64, usize>,
}

impl UnderWay {
    /// False when it is under way already, or when enough is.
    fn begin(&mut self, owner: Owner, id: i64) -> bool {
        let of_one = self.by_organization.entry(owner.organization).or_default();
        if self.ids.len() >= self.share.at_once || *of_one >= self.share.of_one || !self.ids.insert(id) {
            return false;
        }
        *of_one = of_one.saturating_add(1);
        true
    }

    fn end(&mut self, owner: Owner, id: i64) {
        self.ids.remove(&id);
        if let Some(of_one) = self.by_organization.get_mut(&owner.organization) {
            *of_one = of_one.saturating_sub(1);
        }
    }

    /// Who has enough under way.
    fn full(&self) -> Vec<i64> {
        self.by_organization.iter().filter(|(_, count)| **count >= self.share.of_one).map(|(id, _)| *id).collect()
    }
}

/// Twice as long after every try.
fn again_at(attempt: i64, now: DateTime<Utc>) -> DateTime<Utc> {
    let factor = u32::try_from(attempt).map_or(i32::MAX, |exponent| 2_i32.saturating_pow(exponent));
    PAUSE.checked_mul(factor).and_then(|pause| now.checked_add_signed(pause)).unwrap_or(now)
}

impl Services {
    /// Revokes everything that is due. How many were dealt with.
    pub async fn revoke_due_grants(&self) -> Result<usize, ApiError> {
        self.revoke_due_grants_until(Share::OF_A_SERVER, pending()).await
    }

    /// The same, but from `stop` on none is begun.
    pub async fn revoke_due_grants_until(
        &self,
        share: Share,
        stop: impl Future<Output = ()>,
    ) -> Result<usize, ApiError> {
        let mut stop = pin!(stop);
        let mut under_way = FuturesUnordered::new();
        let mut taken = UnderWay { share, ids: HashSet::new(), by_organization: HashMap::new() };
        let mut dealt_with: usize = 0;
        // Why none is begun any more. What was begun comes to its end.
        let mut stopped: Option<Result<(), ApiError>> = None;
        loop {
            while stopped.is_none() {
                let passed_over = taken.full().len();
                match self.due_revocations(&taken).await {
                    Ok(due) => {
                        let all = due.len() < share.at_once;
                        let due = due.into_iter().filter(|(owner, revocation)| taken.begin(*owner, revocation.id));
                        under_way.extend(due.map(|(owner, revocation)| async move {
                            (owner, revocation.id, self.try_revocation(owner, revocation).await)
                        }));
                        // Behind those of whom enough is under way by now others may be waiting.
                        if all || taken.full().len() == passed_over {
                            break;
                        }
                    }
                    Err(error) => stopped = Some(Err(error)),
                }
            }
            tokio::select! {
                ended = under_way.next() => {
                    let Some((owner, id, ended)) = ended else { break };
                    taken.end(owner, id);
                    match ended {
                        Ok(made) => dealt_with = dealt_with.saturating_add(usize::from(made)),
                        Err(error) => stopped = Some(Err(error)),
                    }
                }
                () = &mut stop, if stopped.is_none() => stopped = Some(Ok(())),
                () = tokio::time::sleep(LOOK_EVERY), if stopped.is_none() => {}
            }
        }
        stopped.unwrap_or(Ok(())).map(|()| dealt_with)
    }

    async fn due_revocations(&self, taken: &UnderWay) -> Result<Vec<(Owner, Revocation)>, ApiError> {
        let (now, full) = (self.now(), taken.full());
        let room = taken.share.at_once.saturating_sub(taken.ids.len());
        if room == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(taken.share.at_once).unwrap_or(i64::MAX);
        Ok(self.store.read(move |conn| revocations::due(conn, now, &full, limit)).await?)
    }

    /// One attempt, unless another process makes it. Whether it was made here.
    async fn try_revocation(&self, owner: Owner, revocation: Revocation) -> Result<bool, ApiError> {
        let (id, before) = (revocation.id, revocation.attempts);
        let attempt = before.saturating_add(1);
        let again = again_at(attempt, self.now());
        if !self.store.write(move |conn| revocations::take(conn, id, before, again)).await? {
            return Ok(false);
        }
        match self.revoke(owner, &revocation).await {
            Ok(()) => tracing::info!(revocation = id, "a grant was revoked at its vendor"),
            Err(error) if attempt < TRIES && !is_final(&error) => {
                tracing::warn!(revocation = id, attempt, ?error, "a grant could not be revoked yet");
                if let Some(seconds) = error.retry_after.filter(|_| error.code != Code::KeyUnavailable) {
                    // It is tried again later than the vendor asked at worst.
                    if let Err(error) = self.put_off(owner, &revocation, seconds).await {
                        tracing::warn!(revocation = id, ?error, "revocations could not be put off");
                    }
                }
                return Ok(true);
            }
            Err(error) => {
                tracing::warn!(revocation = id, ?error, "a grant could not be revoked, given up");
                let forgotten_at = self.now().checked_add_signed(GIVEN_UP_FOR).unwrap_or(again);
                self.store.write(move |conn| revocations::give_up(conn, id, forgotten_at)).await?;
                return Ok(true);
            }
        }
        self.store.write(move |conn| revocations::delete(conn, id)).await?;
        Ok(true)
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
        element: &Element,
        (oauth2, rule): (&OAuth2, &Revoke),
        client: &Client,
        (token, hint): (&Secret, &str),
        (replied, configuration): (&Replied, &Configuration),
    ) -> Result<(), ApiError> {
        let request = with_values(element, configuration, Some(replied), |values| {
            token::revoke(oauth2, rule, client, (token, hint), values)
        })?;
        let reply =
            self.sender.send(&request).await.map_err(|fault| fault.into_error(&element.name, "the revocation"))?;
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
        let start = DateTime::from_timestamp(1_772_366_400, 0).unwrap();
        let last = (1..TRIES).fold(start, |now, attempt| again_at(attempt, now));
        assert_eq!((last - start).num_hours(), 68);
        assert_eq!(again_at(1, start) - start, TimeDelta::minutes(2));
        assert!(again_at(i64::MAX, start) >= start);
    }
}
