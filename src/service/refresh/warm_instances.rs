//! Instances in memory, with the credential that calls to the vendor carry: what a warm call needs, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::refused_calls::RefusedCalls;
use crate::catalog::element::{Element, Placement};
use crate::kernel::code::Code;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::protocol::api_key::form_of;
use crate::protocol::destination::Destination;
use crate::protocol::placement::Carrier;
use crate::protocol::variables::Replied;
use crate::service::credentials::provision::with_values;
use crate::service::instance::configuration::Configuration;
use crate::service::instance::schedule::ageing_from;
use crate::service::instance::standing::Standing;
use crate::service::process::memory::{FeedTrust, Memory};
use crate::service::{Services, not_found};
use crate::store::StoreFault;
use crate::store::instances::{self, NamedByToken, Stored};
use crate::store::organization_settings::OrganizationSettings;
use crate::store::sealed::INSTANCE_TOKEN;
use crate::vault::lookup::Purpose;
use crate::vault::{MemoryHash, MemoryKey};

/// How many are remembered at most.
const CAPACITY: u64 = 150_000;

/// An instance as calls through it need it. The refresh token stays in the database.
pub struct LiveInstance {
    pub id: i64,
    pub owner: Owner,
    pub element: Arc<Element>,
    pub credential: Credential,
    /// How a key travels; none where the element has no place for it (its file changed since).
    key_placement: Option<Box<Placement>>,
    /// Where the vendor is; or why nobody knows, because the element's file changed since.
    destination: Result<Arc<Destination>, Arc<ApiError>>,
    /// Of the credential.
    pub version: i64,
    pub refreshable: bool,
    pub expires_at: Option<DateTime<Utc>>,
    /// From then on a use causes a refresh, ahead of the expiry; or it is the end, where the vendor named one and nothing renews
    /// the token.
    pub ageing_from: Option<DateTime<Utc>>,
    /// When a refusal of the vendor last caused a refresh.
    pub refused_at: Option<DateTime<Utc>>,
    pub enabled: bool,
    pub invalid_reason: Option<Box<str>>,
    /// Configuration that calls need: what the element's addresses and resources name, unless it is empty.
    configuration: Box<[(Box<str>, Box<str>)]>,
    token_hash: Box<[u8]>,
    /// The hour (since 1970) in which its use was noted last.
    pub noted_hour: AtomicI64,
    pub refused_calls: RefusedCalls,
}

/// How far a credential is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// Good, but not for long.
    Ageing,
    /// Over, or so nearly that it might not arrive in time.
    Expired,
}

/// `false`: replies of hub calls keep members that are null. All elements know it, declared or not.
const FILTER_NULLS: &str = "filter.response.nulls";

/// Seconds that a call may be under way before the vendor looks at the token.
const ON_THE_WAY: TimeDelta = TimeDelta::seconds(5);

impl LiveInstance {
    pub fn freshness(&self, now: DateTime<Utc>) -> Freshness {
        let (Some(expires_at), Some(ageing_from)) = (self.expires_at, self.ageing_from) else {
            return Freshness::Fresh;
        };
        if now < ageing_from {
            Freshness::Fresh
        } else if now.checked_add_signed(ON_THE_WAY).is_some_and(|arrival| arrival < expires_at) {
            Freshness::Ageing
        } else {
            Freshness::Expired
        }
    }

    /// Whether the vendor would still take the token.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether a refusal of the vendor may mean that the token's time is over: it can be renewed, or that time was assumed
    /// alone and has gone.
    pub fn may_expire(&self, now: DateTime<Utc>) -> bool {
        self.refreshable || !self.is_good(now)
    }

    /// A disabled instance and a grant that is gone serve nobody.
    pub fn usable(&self) -> Result<(), ApiError> {
        if let Some(reason) = &self.invalid_reason {
            return Err(withdrawn(reason));
        }
        if !self.enabled {
            let message = format!("The instance {} is disabled: enable it first.", self.id);
            return Err(ApiError::new(Code::InstanceDisabled, message));
        }
        Ok(())
    }

    pub fn destination(&self) -> Result<&Arc<Destination>, ApiError> {
        self.destination.as_ref().map_err(|error| error.copy())
    }

    /// Where the credential goes, and its text; none where the element has no place for it.
    pub fn placed(&self) -> Option<(&Placement, &Secret)> {
        match &self.credential {
            Credential::OAuth2 { access_token, .. } => {
                Some((&self.element.authentication.oauth2.as_ref()?.placement, access_token))
            }
            Credential::ApiKey { key, .. } => Some((self.key_placement.as_deref()?, key)),
        }
    }

    /// What carries the credential.
    pub fn carrier(&self) -> Option<Carrier<'_>> {
        self.placed().and_then(|(placement, secret)| placement.carrier(secret))
    }

    /// Every place where a credential of the element travels, the one that the configuration names among them.
    pub fn placements(&self) -> impl Iterator<Item = &Placement> {
        self.element.placements().chain(self.key_placement.as_deref())
    }

    /// A configuration value that calls to the vendor need.
    pub fn configuration(&self, key: &str) -> Option<&str> {
        self.configuration.iter().find(|(known, _)| **known == *key).map(|(_, value)| &**value)
    }

    /// Whether replies of hub calls keep members that are null (docs/api.md, Hubs and resources).
    pub fn keeps_nulls(&self) -> bool {
        self.configuration(FILTER_NULLS) == Some("false")
    }

    /// The value of one of the element's variables.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.with_values(|values| values.value(name))
    }

    /// Whether this use is the first one in its hour.
    pub fn note_use(&self, now: DateTime<Utc>) -> bool {
        let hour = now.timestamp().div_euclid(3600);
        // A load first: the line is shared by all cores, and a store would take it from them.
        self.noted_hour.load(Ordering::Relaxed) != hour && self.noted_hour.swap(hour, Ordering::Relaxed) != hour
    }
}

pub(in crate::service) fn withdrawn(reason: &str) -> ApiError {
    ApiError::new(Code::ReauthorizationRequired, reason)
}

#[derive(Clone)]
pub struct WarmInstances {
    by_id: Memory<i64, LiveInstance>,
    by_token: Memory<MemoryHash, NamedByToken>,
    /// Where in `by_token` an instance is: changes name it by its id.
    token_of: Memory<i64, MemoryHash>,
    key: MemoryKey,
    pub(in crate::service) organizations: Memory<i64, OrganizationSettings>,
    /// Whether an organization is told what happens.
    pub(in crate::service) webhooks: Memory<i64, bool>,
    /// Of elements whose address is the same for every instance.
    fixed_destinations: Memory<i64, Destination>,
    trust: FeedTrust,
}

impl WarmInstances {
    pub fn new(trust: FeedTrust) -> Self {
        Self {
            by_id: Memory::of(CAPACITY),
            by_token: Memory::of(CAPACITY),
            token_of: Memory::of(CAPACITY),
            key: MemoryKey::generate(&SystemEntropy),
            fixed_destinations: Memory::of(10_000),
            organizations: Memory::of(CAPACITY),
            webhooks: Memory::of(CAPACITY),
            trust,
        }
    }

    pub fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a i64> + Clone) {
        self.by_id.forget(ids.clone());
        let tokens: Vec<_> = ids.clone().into_iter().filter_map(|id| self.token_of.get(id)).collect();
        self.by_token.forget(tokens.iter().map(AsRef::as_ref));
        self.token_of.forget(ids);
    }

    /// How many entries each memory has.
    pub(in crate::service) fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("instances", self.by_id.count()),
            ("tokens", self.by_token.count()),
            ("tokens of instances", self.token_of.count()),
            ("organizations", self.organizations.count()),
            ("webhooks", self.webhooks.count()),
        ]
    }

    /// These, or all.
    pub fn forget_settings(&self, changed: Option<&[i64]>) {
        match changed {
            Some(changed) => {
                self.organizations.forget(changed);
                self.webhooks.forget(changed);
            }
            None => {
                self.organizations.clear();
                self.webhooks.clear();
            }
        }
    }

    pub(in crate::service) fn organization(&self, id: i64, now: i64) -> Option<Arc<OrganizationSettings>> {
        self.organizations.get(&id).filter(|_| self.trust.holds(now))
    }

    pub(in crate::service) fn has_webhook(&self, organization: i64, now: i64) -> Option<Arc<bool>> {
        self.webhooks.get(&organization).filter(|_| self.trust.holds(now))
    }

    pub fn clear(&self) {
        self.forget_settings(None);
        self.by_id.clear();
        self.by_token.clear();
        self.token_of.clear();
    }
}

impl Services {
    /// The owner's instance with this id, from memory when warm.
    pub async fn live_instance(&self, owner: Owner, id: i64) -> Result<Arc<LiveInstance>, ApiError> {
        let known = match self.warm.by_id.get(&id) {
            Some(known) if self.warm.trust.holds(self.now().timestamp()) => {
                return if known.owner == owner {
                    Ok(known)
                } else {
                    Err(crate::service::of_instance(id)(StoreFault::NotFound))
                };
            }
            stale => stale,
        };
        let generation = self.warm.by_id.generation();
        let stored = self.stored_instance(owner, id).await?;
        let mut live = self.live(&stored)?;
        if let Some(before) = known.filter(|known| known.version == live.version) {
            live.refused_calls = before.refused_calls.carried();
        }
        Ok(self.warm.by_id.remember(id, live, generation))
    }

    /// The owner's instance that an Element token names.
    pub async fn instance_of_token(&self, owner: Owner, token: &Secret) -> Result<i64, ApiError> {
        let (id, found) = self.owner_of_token(token).await?;
        if found == owner { Ok(id) } else { Err(Code::BadCredentials.into()) }
    }

    /// The instance that a token names, and whose it is.
    pub async fn owner_of_token(&self, token: &Secret) -> Result<(i64, Owner), ApiError> {
        match self.known_by_token(token).await {
            Ok(live) => Ok((live.id, live.owner)),
            Err(key) => self.named_by_token(key, token).await,
        }
    }

    /// The same with what calls through it need.
    pub async fn live_instance_of_token(&self, token: &Secret) -> Result<Arc<LiveInstance>, ApiError> {
        match self.known_by_token(token).await {
            Ok(live) => Ok(live),
            Err(key) => {
                let (id, owner) = self.named_by_token(key, token).await?;
                self.live_instance(owner, id).await
            }
        }
    }

    /// From memory; or the token's place there.
    async fn known_by_token(&self, token: &Secret) -> Result<Arc<LiveInstance>, MemoryHash> {
        let key = self.warm.key.hash(&[token]);
        if let Some(named) = self.warm.by_token.get(&key)
            && let Ok(live) = self.live_instance(named.owner, named.id).await
            && *live.token_hash == *named.token_hash
        {
            return Ok(live);
        }
        Err(key)
    }

    async fn named_by_token(&self, key: MemoryHash, token: &Secret) -> Result<(i64, Owner), ApiError> {
        let generation = self.warm.by_token.generation();
        let of_instances = self.warm.token_of.generation();
        let hashes = self.lookup.hashes(Purpose::InstanceToken, token);
        let read = self.store.read(move |conn| instances::find_by_token(conn, &hashes)).await;
        let (found, sealed) =
            read.map_err(not_found(Code::BadCredentials, || Code::BadCredentials.sentence().to_owned()))?;
        // The hash alone is no proof against whoever writes to the database.
        let kept = self.vault.open_text(INSTANCE_TOKEN.place(found.owner.organization, found.id), &sealed)?;
        if kept != *token {
            tracing::error!(instance = found.id, "instance.token_hash is not the hash of the token: it was altered");
            return Err(Code::BadCredentials.into());
        }
        // First where it will be, so that a deletion in between finds it.
        self.warm.token_of.remember(found.id, key, of_instances);
        let named = self.warm.by_token.remember(key, found, generation);
        Ok((named.id, named.owner))
    }

    fn live(&self, stored: &Stored) -> Result<LiveInstance, ApiError> {
        let (row, kept) = (&stored.instance, &stored.credential);
        let element = self.element_of_row(row)?;
        let credential = self.credential_of(row, kept)?;
        let may_go = self.refuse_changed_element(&element, credential.given_for());
        let credential = match credential {
            Credential::OAuth2 { access_token, replied, .. } => {
                Credential::OAuth2 { access_token, refresh_token: None, replied, scopes: None, given_for: None }
            }
            key => key,
        };
        let configuration = self.configuration_of(stored)?;
        let filter_nulls = [FILTER_NULLS].into_iter().filter(|key| configuration.get(key) == Some("false"));
        let called = element.called_configuration().into_iter().chain(filter_nulls);
        let called = called.filter_map(|key| Some((key.into(), configuration.get(key)?.into())));
        let given = |key: &str| configuration.get(key).map(str::to_owned);
        let key_placement = match (&credential, &element.authentication.api_key) {
            (Credential::ApiKey { key, .. }, Some(declared)) => {
                form_of(declared, key, &given).and_then(|form| form.placement.resolved(&given)).map(Box::new)
            }
            _ => None,
        };
        let refreshable = kept.refreshable && element.refresh().is_some();
        let expires_at = stored.expires_at();
        Ok(LiveInstance {
            id: row.id,
            owner: Owner { organization: row.organization_id, account: row.account_id },
            destination: may_go
                .and_then(|()| self.destination(&element, &configuration, credential.replied()))
                .map_err(Arc::new),
            credential,
            key_placement,
            version: kept.version,
            refreshable,
            expires_at,
            ageing_from: match refreshable {
                true => expires_at.map(|end| ageing_from(end, stored.refreshed_at())),
                false => Standing::of(kept).ends_at,
            },
            refused_at: kept.refused_at.map(Into::into),
            enabled: row.enabled,
            invalid_reason: row.invalid_reason.as_deref().map(Into::into),
            configuration: called.collect(),
            token_hash: row.token_hash.as_slice().into(),
            noted_hour: AtomicI64::new(0),
            refused_calls: RefusedCalls::default(),
            element,
        })
    }
}

impl Services {
    fn destination(
        &self,
        element: &Element,
        configuration: &Configuration,
        replied: &Replied,
    ) -> Result<Arc<Destination>, ApiError> {
        let of = || {
            with_values(element, configuration, Some(replied), |values| values.url(&element.base_url))
                .map(|base| Arc::new(Destination::of(&base)))
        };
        if element.base_url.variables().next().is_some() {
            return of();
        }
        // One for all instances of the element.
        if let Some(known) = self.warm.fixed_destinations.get(&element.id) {
            return Ok(known);
        }
        let destination = of()?;
        let generation = self.warm.fixed_destinations.generation();
        Ok(self.warm.fixed_destinations.share(element.id, destination, generation))
    }
}
