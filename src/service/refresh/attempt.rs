//! The token call of a refresh, under the lease, with everything that its outcome entails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::outcomes::Outcome;
use super::refusals::Verdict;
use super::single_flight::{Failure, Wanted};
use super::warm_instances::withdrawn;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::reply::Token;
use crate::protocol::oauth2::token;
use crate::protocol::{Credential, VendorFault, VendorRequest};
use crate::service::Services;
use crate::service::credentials::provision::with_values;
use crate::service::credentials::token_call::Asker;
use crate::service::credentials::token_hosts::{self, Way};
use crate::service::credentials::token_turns::{Party, Turn};
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::instance::connected::Connected;
use crate::service::instance::schedule::{due_at, renewed_end};
use crate::service::instance::standing::Standing;
use crate::service::notices::{self, Event};
use crate::service::process::flight::Lateness;
use crate::service::process::metrics::Cause;
use crate::service::unstored::entry::{Act, Entry};
use crate::store::instances::{CredentialRow, InstanceRow, Stored};
use crate::store::leases::{self, Lease};
use crate::store::sealed::CREDENTIAL;
use crate::store::time::UtcTime;
use crate::store::{AnyConn, StoreFault, Whose, refreshes};
use crate::vault::lookup::Purpose;

/// So long after it was asked for a lease is certainly ours.
const STILL_OURS: Duration = Duration::from_secs(1);

/// Everything that the call needs, read under the lease.
pub(super) struct Call {
    pub stored: Stored,
    element: Arc<Element>,
    pub credential: Credential,
    client: Client,
    request: VendorRequest,
}

impl Services {
    /// Refreshes, unless somebody else did before the lease was ours. The version that there is now.
    pub(super) async fn refresh_under(
        &self,
        name: &Arc<str>,
        (lease, asked): (Lease, Instant),
        stored: Stored,
        wanted: Wanted,
        (lateness, turn): (&Lateness, Turn),
    ) -> Result<i64, Failure> {
        let started = Instant::now();
        let version = stored.credential.version;
        if version > wanted.seen {
            self.release(name, lateness).await;
            return Ok(version);
        }
        // Until something is sent what an earlier holder left unsettled stays so.
        let call = match self.prepare(stored, wanted).await {
            Ok(call) => call,
            Err(error) => {
                self.let_go(name, lease.unsettled, lateness).await;
                return Err(error.into());
            }
        };
        let element = Arc::clone(&call.element);
        let host: Arc<str> = token_hosts::server_of(&element, wanted.owner, &call.request.url).into();
        if let Way::Shut(rest) = self.way_to(&host, wanted) {
            self.let_go(name, lease.unsettled, lateness).await;
            let error =
                ApiError::new(Code::VendorUnreachable, format!("{} is not available at the moment.", element.name));
            return Err(Failure { error: error.with_retry_after(rest.as_secs()), host: Some(host) });
        }
        // A process that stood still for a while may have been taken for dead.
        if asked.elapsed() > STILL_OURS {
            match self.still_holds(name).await {
                Ok(true) => {}
                Ok(false) => return Ok(version),
                Err(error) => {
                    self.let_go(name, lease.unsettled, lateness).await;
                    return Err(error.into());
                }
            }
        }
        let asker = Asker { owner: wanted.owner, what: "the refresh token", lateness, turn: Some(turn) };
        let reply = self.while_beating(name, async {
            let oauth2 = element.authentication.oauth2.as_ref();
            let oauth2 = oauth2.ok_or(VendorFault::Malformed("an element without OAuth 2.0"))?;
            self.token_call(&element, oauth2, &call.request, asker).await
        });
        let reply = reply.await;
        let settling = self.settle_attempt(name, lease, wanted, call, reply, lateness);
        let (outcome, settled) = self.while_beating(name, settling).await;
        outcome.note(&self.metrics, &element, wanted, started.elapsed());
        let down = || self.token_hosts.rest(&host, self.clock.steady()).is_some_and(|rest| rest < Duration::MAX);
        settled.map_err(|error| Failure { host: down().then(|| Arc::clone(&host)), error })
    }

    /// Whoever asks by `?refresh=true` may always try.
    fn way_to(&self, host: &str, wanted: Wanted) -> Way {
        if wanted.cause == Cause::Asked { Way::Open } else { self.token_hosts.way(host, self.clock.steady()) }
    }

    /// Whose turn it is about. A credential that cannot be read has no host, and fails under the lease.
    pub(in crate::service) fn party(&self, stored: &Stored, element: &Element) -> Party {
        let host = || {
            let url = element.authentication.oauth2.as_ref()?.refresh_url();
            if !url.has_variable_host() {
                return None;
            }
            let credential = self.credential_of(&stored.instance, &stored.credential).ok()?;
            let configuration = self.configuration_of(stored).ok()?;
            let url =
                with_values(element, &configuration, Some(credential.replied()), |values| values.url(url)).ok()?;
            url.host_str().map(Into::into)
        };
        Party { organization: stored.instance.organization_id, host: host() }
    }

    async fn prepare(&self, stored: Stored, wanted: Wanted) -> Result<Call, ApiError> {
        if let Some(reason) = &stored.instance.invalid_reason {
            return Err(withdrawn(reason));
        }
        let element = self.element_of_row(&stored.instance)?;
        let credential = self.credential_of(&stored.instance, &stored.credential)?;
        self.refuse_changed_element(&element, credential.given_for())?;
        let Credential::OAuth2 { refresh_token: Some(refresh_token), replied, .. } = &credential else {
            return Err(not_refreshable(&element));
        };
        let oauth2 = element.authentication.oauth2.as_ref().ok_or_else(|| not_refreshable(&element))?;
        let configuration = self.configuration_of(&stored)?;
        let client = self.client_of(wanted.owner, &element, &configuration).await?;
        let request = with_values(&element, &configuration, Some(replied), |values| {
            token::refresh(oauth2, &client, refresh_token, values)
        })?;
        Ok(Call { stored, element: Arc::clone(&element), credential, client, request })
    }

    async fn settle_attempt(
        &self,
        name: &Arc<str>,
        lease: Lease,
        wanted: Wanted,
        call: Call,
        reply: Result<Token, VendorFault>,
        lateness: &Lateness,
    ) -> (Outcome, Result<i64, ApiError>) {
        let fault = match reply {
            Ok(token) => return self.keep_token(name, wanted, call, token, lateness).await,
            Err(fault) => fault,
        };
        let transient = Outcome::Transient { fault: fault.to_string() };
        match self.verdict(&call.element, &call.stored, &fault, lease.unsettled) {
            Verdict::Gone { reason, standing } => {
                let code = if let VendorFault::Refused { code, .. } = fault { code } else { None };
                let outcome = Outcome::Terminal { code };
                let marking = self.mark_invalid(name, wanted, &call.stored, (&reason, standing));
                match lateness.within(PATIENCE, || waits_for_database(None), marking).await {
                    // Somebody put in another credential meanwhile: that one counts.
                    Err(StoreFault::Conflict(_) | StoreFault::NotFound) => {
                        self.release(name, lateness).await;
                        (Outcome::Overtaken, self.version_of(wanted).await)
                    }
                    Err(fault) => {
                        self.release(name, lateness).await;
                        (outcome, Err(fault.into()))
                    }
                    Ok(()) => (outcome, Err(withdrawn(&reason))),
                }
            }
            Verdict::Refused(standing) => {
                let standing = (standing, lease.unsettled);
                if !self.note_refusal(name, wanted, &call.stored, standing, lateness).await {
                    self.let_go(name, lease.unsettled, lateness).await;
                }
                (transient, Err(fault.into_error(&call.element.name, "the refresh token")))
            }
            Verdict::Nothing => {
                self.let_go(name, lease.unsettled || may_have_rotated(&fault), lateness).await;
                (transient, Err(fault.into_error(&call.element.name, "the refresh token")))
            }
        }
    }

    /// Stores the new token, whatever the database does meanwhile: it cannot be had again.
    async fn keep_token(
        &self,
        name: &Arc<str>,
        wanted: Wanted,
        call: Call,
        token: Token,
        lateness: &Lateness,
    ) -> (Outcome, Result<i64, ApiError>) {
        let (owner, id, now) = (wanted.owner, wanted.id, self.now());
        let row = &call.stored.instance;
        let before = row.connected.as_deref();
        // A token that was spent is stored, whatever stands beside it.
        let connected = Connected::of_row_or_unknown(row).renewed(&token).text();
        // A row that says the same is not written.
        let connected = connected.filter(|now| before != Some(now.as_str()));
        let credential = match self.renewed(&call, token, wanted.cause, now) {
            Ok(credential) => credential,
            Err(error) => {
                self.let_go(name, true, lateness).await;
                return (Outcome::Dropped { reason: format!("{error:?}") }, Err(error));
            }
        };
        let instance = InstanceRow { connected, ..call.stored.instance.clone() };
        let lease = Some((Arc::clone(name), self.process));
        let recovers = Standing::of(&call.stored.credential).failing.is_some();
        let entry = Entry { lease, recovers, ..Entry::new(owner, Act::Renew, instance, credential) };
        let mut entry = self.telling(entry);
        let fault = loop {
            let _held = self.unstored.hold(Arc::clone(&entry), call.client.clone());
            let fault = match self.store_entry(&entry, true, lateness).await {
                Ok(_) => return (Outcome::Refreshed, Ok(entry.credential.version.saturating_add(1))),
                Err(fault) => fault,
            };
            match self.stored_once_readable(owner, id).await {
                // The acknowledgement of our own commit was lost.
                Ok(stored) if stored.credential.sealed == entry.credential.sealed => {
                    self.release(name, lateness).await;
                    return (Outcome::Refreshed, Ok(stored.credential.version));
                }
                Ok(stored) if self.kept_what_was_sent(&call, &stored) => {
                    match self.with_newer_refresh_token(&entry, &stored) {
                        Ok(newer) => entry = Arc::new(newer),
                        Err(error) => return (Outcome::Dropped { reason: format!("{error:?}") }, Err(error)),
                    }
                }
                Ok(stored) if stored.credential.version > entry.credential.version => {
                    // The operator ended it meanwhile, and what that ended was the token before. First: who waits for the
                    // end of the lease then finds this.
                    if stored.instance.invalid_reason.is_some() {
                        self.revoke_entry(&entry).await;
                    }
                    self.release(name, lateness).await;
                    return (Outcome::Overtaken, Ok(stored.credential.version));
                }
                // A failover or a restore brought an older one back: ours is still the newest.
                Ok(stored) if stored.credential.version < entry.credential.version => {
                    let version = stored.credential.version;
                    let credential = CredentialRow { version, ..entry.credential.clone() };
                    entry = Arc::new(Entry { credential, ..Entry::clone(&entry) });
                }
                // The instance was deleted meanwhile: the new token must not live on at the vendor.
                Err(gone) if gone.code == Code::InstanceNotFound => {
                    self.release(name, lateness).await;
                    self.revoke_entry(&entry).await;
                    return (Outcome::Overtaken, Err(gone));
                }
                Ok(_) | Err(_) => break fault,
            }
        };
        self.release(name, lateness).await;
        (Outcome::Dropped { reason: fault.to_string() }, Err(fault.into()))
    }

    /// The credential's row with the new token.
    fn renewed(&self, call: &Call, token: Token, cause: Cause, now: DateTime<Utc>) -> Result<CredentialRow, ApiError> {
        let Credential::OAuth2 { refresh_token: sent, replied: before, scopes, given_for, .. } =
            call.credential.clone()
        else {
            return Err(not_refreshable(&call.element));
        };
        let mut replied = before.clone().renewed(token.replied);
        let configuration = self.configuration_of(&call.stored)?;
        let own_host = with_values(&call.element, &configuration, Some(&replied), |values| {
            values.url(&call.element.base_url).map(drop)
        });
        if own_host.is_err() {
            tracing::warn!(instance = call.stored.instance.id, "the reply to a refresh names a foreign host: ignored");
            replied = before;
        }
        let row = &call.stored.credential;
        let kept = token.refresh_token.is_none() || token.refresh_token == sent;
        let before = (row.ends_at.map(Into::into), row.tell_end_at.map(Into::into));
        let (ends_at, tell_end_at) = renewed_end(before, token.ends_at, kept, now);
        let credential = Credential::OAuth2 {
            access_token: token.access_token,
            refresh_token: token.refresh_token.or(sent),
            replied,
            scopes: token.scopes.or(scopes),
            given_for,
        };
        let id = row.instance_id;
        let grant = credential.grant().map(|grant: &Secret| self.lookup.hash(Purpose::VendorGrant, grant));
        let refused_at = if cause == Cause::Refused { Some(UtcTime(now)) } else { row.refused_at };
        Ok(CredentialRow {
            sealed: self
                .vault
                .seal_document(CREDENTIAL.place(call.stored.instance.organization_id, id), &credential)?,
            grant_hash: grant,
            lifetime: token.lifetime,
            expires_at: token.expires_at.map(UtcTime),
            refreshed_at: Some(UtcTime(now)),
            due_at: call
                .element
                .refresh()
                .and_then(|rules| due_at(rules, id, token.expires_at, Some(now)))
                .map(UtcTime),
            refused_at,
            ends_at: ends_at.map(UtcTime),
            tell_end_at: tell_end_at.map(UtcTime),
            standing: None,
            ..row.clone()
        })
    }

    async fn mark_invalid(
        &self,
        name: &Arc<str>,
        wanted: Wanted,
        stored: &Stored,
        (reason, standing): (&str, Option<Standing>),
    ) -> Result<(), StoreFault> {
        let (owner, id, now, process) = (wanted.owner, wanted.id, self.now(), self.process);
        let (lease, reason, version) = (Arc::clone(name), reason.to_owned(), stored.credential.version);
        let standing = standing.and_then(|standing| standing.text());
        let event = Event::of_instance(notices::Kind::InstanceInvalid, &stored.instance, Some(&reason));
        let told = self.notices(owner, &event, None);
        let marked = self.commit_until_decided(owner, "the end of a grant", move |conn| {
            // The instance first, as everybody who writes both; and once: a commit whose acknowledgement was lost is tried again.
            if refreshes::mark_invalid(conn, owner, id, version, &reason, now)? {
                notices::enqueue(conn, &told)?;
            }
            if let Some(standing) = standing {
                refreshes::note_standing(conn, owner, (id, version), &standing)?;
            }
            leases::release(conn, &lease, process)
        });
        let marked = marked.await;
        self.warm.forget([&id]);
        marked
    }

    async fn version_of(&self, wanted: Wanted) -> Result<i64, ApiError> {
        Ok(self.stored_instance(wanted.owner, wanted.id).await?.credential.version)
    }

    async fn still_holds(&self, name: &Arc<str>) -> Result<bool, ApiError> {
        let (lease, process) = (Arc::clone(name), self.process);
        Ok(self.store.write(move |conn| leases::beat(conn, &lease, process)).await?)
    }

    /// Without a result. `unsettled`: the vendor may have given a token that nobody has. The flight lasts until the database
    /// takes it: a lease that rots would look like a death.
    async fn let_go(&self, name: &Arc<str>, unsettled: bool, lateness: &Lateness) {
        let (lease, process) = (Arc::clone(name), self.process);
        let write = move |conn: &mut AnyConn| match unsettled {
            true => leases::leave_unsettled(conn, &lease, process),
            false => leases::release(conn, &lease, process),
        };
        let let_go = self.commit_until_decided(Whose::SERVER, "the end of a lease", write);
        let _ = lateness.within(PATIENCE, || waits_for_database(None), let_go).await;
    }

    async fn release(&self, name: &Arc<str>, lateness: &Lateness) {
        self.let_go(name, false, lateness).await;
    }
}

/// Whether the vendor may have renewed the token although we did not get it.
fn may_have_rotated(fault: &VendorFault) -> bool {
    match fault {
        VendorFault::Timeout | VendorFault::Malformed(_) => true,
        VendorFault::Unreachable { sent, .. } => *sent,
        VendorFault::Unavailable { status, .. } => *status >= 500,
        // A redirect says that nothing was done.
        VendorFault::Strange { seen, .. } => !(300..400).contains(&seen.status),
        _ => false,
    }
}

fn not_refreshable(element: &Element) -> ApiError {
    let message = format!("This credential of {} has no refresh token.", element.name);
    ApiError::new(Code::ReauthorizationRequired, message)
}
