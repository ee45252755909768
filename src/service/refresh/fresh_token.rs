//! A credential that is good for a call to the vendor: from memory when warm, renewed ahead of its expiry, and renewed once
//! when the vendor refuses it early.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use super::single_flight::Wanted;
use super::warm_instances::{Freshness, LiveInstance, withdrawn};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::oauth2::expired::means_expired;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::instance::view::InstanceView;
use crate::service::process::metrics::Cause;

/// A vendor that refuses every token causes one refresh in this time.
const BETWEEN_REFUSALS: TimeDelta = TimeDelta::minutes(1);
/// `?refresh=true` takes a token this young for the one that was asked for.
const JUST_REFRESHED: TimeDelta = TimeDelta::seconds(10);

impl Services {
    /// The instance with a credential that the vendor will take. Waits for the vendor only when there is none.
    pub async fn fresh_token(&self, owner: Owner, id: i64) -> Result<Arc<LiveInstance>, ApiError> {
        self.freshened(self.live_instance(owner, id).await?).await
    }

    /// The same of one that is at hand.
    pub async fn freshened(&self, live: Arc<LiveInstance>) -> Result<Arc<LiveInstance>, ApiError> {
        live.usable()?;
        self.standstill.lets_call()?;
        let now = self.now();
        if live.note_use(now) {
            self.usage.note(live.id, now);
        }
        match live.freshness(now) {
            Freshness::Fresh => Ok(live),
            Freshness::Ageing => {
                if !self.standstill.holds() && self.setback(live.id).is_none() {
                    drop(self.start_refresh(wanted(&live, Cause::Ageing)));
                }
                Ok(live)
            }
            // Boxed, because it is rare: its room would be part of every call.
            Freshness::Expired => Box::pin(self.refreshed_first(live)).await,
        }
    }

    async fn refreshed_first(&self, live: Arc<LiveInstance>) -> Result<Arc<LiveInstance>, ApiError> {
        if !live.refreshable {
            return match self.end_what_is_over(live.owner, live.id).await? {
                Some(reason) => Err(withdrawn(&reason)),
                None => self.newer(&live).await,
            };
        }
        match self.refresh_unless_set_back(&live, Cause::Expired).await {
            Ok(()) => self.newer(&live).await,
            // The token endpoint is down: what is still good is still served.
            Err(error) if live.is_good(self.now()) && error.code != Code::ReauthorizationRequired => Ok(live),
            Err(error) => Err(error),
        }
    }

    /// After the vendor refused a call with this credential: the instance with a newer one, to try once more; or nothing
    /// when the answer has to stand. `body`: the vendor's answer as JSON.
    pub async fn after_refusal(
        &self,
        refused: &LiveInstance,
        status: u16,
        body: Option<&Value>,
    ) -> Result<Option<Arc<LiveInstance>>, ApiError> {
        let oauth2 = refused.element.authentication.oauth2.as_ref();
        if !refused.may_expire(self.now()) || !oauth2.is_some_and(|oauth2| means_expired(oauth2, status, body)) {
            if (200..300).contains(&status) {
                refused.refused_calls.end();
            }
            return Ok(None);
        }
        if !refused.refreshable {
            if !Box::pin(self.is_over(refused)).await {
                return Ok(None);
            }
            return match self.end_refused(refused).await {
                Err(error) if error.code == Code::ReauthorizationRequired => Err(error),
                _ => Ok(None),
            };
        }
        let current = self.live_instance(refused.owner, refused.id).await?;
        current.usable()?;
        if current.version > refused.version {
            return Ok(Some(current));
        }
        let since = current.refused_at.map(|at| self.now().signed_duration_since(at));
        if since.is_some_and(|since| since < BETWEEN_REFUSALS) {
            return Ok(None);
        }
        match self.refresh_unless_set_back(&current, Cause::Refused).await {
            Ok(()) => self.newer(&current).await.map(Some),
            Err(error) if error.code == Code::ReauthorizationRequired => Err(error),
            // The vendor's own answer says more than that its token endpoint is down.
            Err(_) => Ok(None),
        }
    }

    /// `?refresh=true`: the instance after a refresh. A grant that is gone shows in the instance; the second value is a
    /// failure that left a good token in place.
    pub async fn refresh_instance(&self, actor: &Actor, id: i64) -> Result<(InstanceView, Option<ApiError>), ApiError> {
        let owner = actor.owner();
        let stored = self.stored_instance(owner, id).await?;
        let now = self.now();
        let young = stored.refreshed_at().is_some_and(|at| now.signed_duration_since(at).abs() < JUST_REFRESHED);
        let good = stored.expires_at().is_none_or(|end| now < end);
        let needless = (young && good) || stored.instance.invalid_reason.is_some() || !stored.credential.refreshable;
        if needless {
            let ended = !stored.credential.refreshable && self.end_what_is_over(owner, id).await?.is_some();
            let view = if ended { self.get_instance(owner, id).await? } else { self.view(&stored, true)? };
            return Ok((view, None));
        }
        let wanted = Wanted { owner, id, seen: stored.credential.version, cause: Cause::Asked };
        let failure = match self.refresh_credential(wanted).await {
            Err(error) if error.code == Code::ReauthorizationRequired => None,
            Err(error) if good => Some(error),
            outcome => outcome.map(|()| None)?,
        };
        Ok((self.get_instance(owner, id).await?, failure))
    }

    async fn refresh_unless_set_back(&self, live: &LiveInstance, cause: Cause) -> Result<(), ApiError> {
        match self.setback(live.id) {
            Some(error) => Err(error),
            None => self.refresh_credential(wanted(live, cause)).await,
        }
    }

    /// The instance with a credential that is newer than this one.
    async fn newer(&self, old: &LiveInstance) -> Result<Arc<LiveInstance>, ApiError> {
        let live = self.live_instance(old.owner, old.id).await?;
        let live = if live.version > old.version {
            live
        } else {
            // Another process renewed it, and the feed has not said so yet.
            self.warm.forget([&old.id]);
            self.live_instance(old.owner, old.id).await?
        };
        live.usable()?;
        Ok(live)
    }
}

fn wanted(live: &LiveInstance, cause: Cause) -> Wanted {
    Wanted { owner: live.owner, id: live.id, seen: live.version, cause }
}
