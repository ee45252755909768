//! Who calls: secrets and session tokens to principals, from memory when warm.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::kernel::code::Code;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::proof::Proof;
use crate::service::keys::unopened::unless_unopened;
use crate::service::process::memory::{FeedTrust, Memory};
use crate::store::principals::{self, Found, Principal};
use crate::store::sealed::{ORGANIZATION_SECRET, USER_SECRET};
use crate::store::sessions;
use crate::vault::lookup::Purpose;
use crate::vault::{Audience, MemoryHash, MemoryKey, Session};

/// The parts of an `Authorization` header (docs/api.md, Authentication), as far as they were given.
#[derive(Debug, Clone, Default)]
pub struct Presented {
    pub user: Option<Secret>,
    pub organization: Option<Secret>,
    pub element: Option<Secret>,
    pub bearer: Option<Secret>,
}

impl Presented {
    pub fn is_empty(&self) -> bool {
        self.user.is_none() && self.organization.is_none() && self.element.is_none() && self.bearer.is_none()
    }
}

impl Services {
    /// The caller behind a user secret with its organization secret, or behind a session token.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Arc<Principal>, ApiError> {
        self.prove(presented).await.map(|(principal, _)| principal)
    }

    /// As `authenticate`; without an organization secret the user's is meant.
    pub async fn authenticate_for_hub(&self, presented: &Presented) -> Result<Arc<Principal>, ApiError> {
        self.prove_for_hub(presented).await.map(|(principal, _)| principal)
    }

    /// As `authenticate`, with what the caller was known by.
    pub async fn prove(&self, presented: &Presented) -> Result<(Arc<Principal>, Proof), ApiError> {
        match (&presented.bearer, &presented.user, &presented.organization) {
            (None, None, None) if presented.element.is_none() => Err(missing("User and Organization")),
            (None, Some(_), None) => Err(missing("Organization")),
            _ => self.prove_for_hub(presented).await,
        }
    }

    /// Whatever is presented must be right, and of one user.
    async fn prove_for_hub(&self, presented: &Presented) -> Result<(Arc<Principal>, Proof), ApiError> {
        let refused = || ApiError::from(Code::BadCredentials);
        if let Some(token) = &presented.bearer {
            let found = self.principal_of_session(Audience::Api, token).await?;
            let (principal, session) = found.ok_or_else(refused)?;
            let agree = match (&presented.user, &presented.organization) {
                (None, None) => true,
                (None, Some(organization)) => self.is_organization_secret(&principal, organization)?,
                (Some(user), organization) => {
                    let other = self.principal_by_secrets(user, organization.as_ref()).await?;
                    other.is_some_and(|other| other.user == principal.user)
                }
            };
            return if agree {
                Ok((principal, Proof::Session { session, audience: Audience::Api }))
            } else {
                Err(refused())
            };
        }
        let user = presented.user.as_ref().ok_or_else(|| missing("User"))?;
        let found = self.principal_by_secrets(user, presented.organization.as_ref()).await?;
        found.map(|principal| (principal, Proof::Secrets)).ok_or_else(refused)
    }

    /// Who signed in; none when the session is over.
    pub async fn principal_of_session(
        &self,
        of: Audience,
        token: &Secret,
    ) -> Result<Option<(Arc<Principal>, Session)>, ApiError> {
        let Some(session) = self.session.verify(of, token, self.now()) else { return Ok(None) };
        let Some(known) = self.signed_in(session.user).await? else { return Ok(None) };
        let ended = session.id.as_ref().is_some_and(|id| known.ended.contains(id));
        let holds = !ended && known.principal.session_generation == session.generation;
        Ok(holds.then(|| (Arc::clone(&known.principal), session)))
    }

    async fn principal_by_secrets(
        &self,
        user: &Secret,
        organization: Option<&Secret>,
    ) -> Result<Option<Arc<Principal>>, ApiError> {
        let known = &self.principals.by_secrets;
        let both = self.principals.hash(user, organization);
        if let Some(known) = known.get(&both).filter(|_| self.principals.trust.holds(self.now().timestamp())) {
            return Ok(Some(known));
        }
        let generation = known.generation();
        let hashes = self.lookup.hashes(Purpose::UserSecret, user);
        let found = self.store.read(move |conn| principals::find_by_secret(conn, &hashes)).await?;
        let Some(principal) = found.map_or(Ok(None), |found| self.genuine(found, Some(user)))? else { return Ok(None) };
        let fits = organization.map_or(Ok(true), |secret| self.is_organization_secret(&principal, secret))?;
        Ok(fits.then(|| known.remember(both, principal, generation)))
    }

    /// Whoever writes to the database could put a user of theirs into another organization, or the hash of their own secret
    /// into another user's row: the sealed copy opens for the organization that the row was made in, and is what was presented.
    fn genuine(&self, found: Found, presented: Option<&Secret>) -> Result<Option<Principal>, ApiError> {
        let Found { principal, secret_sealed } = found;
        let place = USER_SECRET.place(principal.owner.organization, principal.user);
        let opened = self.vault.open_text(place, &secret_sealed).map_err(|fault| fault.into());
        let Some(secret) = unless_unopened(opened)? else { return Ok(None) };
        if presented.is_none_or(|presented| *presented == secret) {
            return Ok(Some(principal));
        }
        tracing::error!(
            user = principal.user,
            "app_user.secret_hash is not the hash of the user's secret: it was altered"
        );
        Ok(None)
    }

    fn is_organization_secret(&self, principal: &Principal, presented: &Secret) -> Result<bool, ApiError> {
        let organization = principal.owner.organization;
        let place = ORGANIZATION_SECRET.place(organization, organization);
        let opened = self.vault.open_text(place, &principal.organization_secret_sealed);
        Ok(unless_unopened(opened.map_err(|fault| fault.into()))?.is_some_and(|secret| secret == *presented))
    }

    async fn signed_in(&self, user: i64) -> Result<Option<Arc<SignedIn>>, ApiError> {
        let known = &self.principals.by_user;
        if let Some(known) = known.get(&user).filter(|_| self.principals.trust.holds(self.now().timestamp())) {
            return Ok(Some(known));
        }
        let generation = known.generation();
        let found = self.store.read(move |conn| {
            let Some(found) = principals::find(conn, user)? else { return Ok(None) };
            Ok(Some((found, sessions::ended(conn, user)?)))
        });
        let Some((found, ended)) = found.await? else { return Ok(None) };
        let principal = self.genuine(found, None)?.map(Arc::new);
        Ok(principal.map(|principal| known.remember(user, SignedIn { principal, ended }, generation)))
    }
}

fn missing(parts: &str) -> ApiError {
    let message = format!(
        "The Authorization header lacks {parts}: send `Authorization: User <secret>, Organization <secret>`, or `Bearer <token>`."
    );
    ApiError::new(Code::MissingCredentials, message)
}

/// A user, and which of the sessions are over before their time.
struct SignedIn {
    principal: Arc<Principal>,
    ended: Vec<String>,
}

/// Principals in memory.
#[derive(Clone)]
pub struct PrincipalCache {
    /// By one hash of both secrets, once both were found right: what is warm is the most of all calls.
    by_secrets: Memory<MemoryHash, Principal>,
    by_user: Memory<i64, SignedIn>,
    trust: FeedTrust,
    key: MemoryKey,
}

const CAPACITY: u64 = 10_000;

impl PrincipalCache {
    pub fn new(trust: FeedTrust) -> Self {
        let key = MemoryKey::generate(&SystemEntropy);
        Self { by_secrets: Memory::of(CAPACITY), by_user: Memory::of(CAPACITY), trust, key }
    }

    fn hash(&self, user: &Secret, organization: Option<&Secret>) -> MemoryHash {
        match organization {
            Some(organization) => self.key.hash(&[user, organization]),
            None => self.key.hash(&[user]),
        }
    }

    /// How many entries each memory has.
    pub(in crate::service) fn counts(&self) -> [(&'static str, u64); 2] {
        [("principals by secrets", self.by_secrets.count()), ("principals by user", self.by_user.count())]
    }

    /// Who changed, or belongs to what changed. Others are remembered, whoever changes as fast as they can.
    pub fn forget(&self, users: &BTreeSet<i64>, organizations: &BTreeSet<i64>) {
        if users.is_empty() && organizations.is_empty() {
            return;
        }
        let fits = |known: &Principal| users.contains(&known.user) || organizations.contains(&known.owner.organization);
        self.by_secrets.forget_where(fits);
        self.by_user.forget_where(|known| fits(&known.principal));
    }

    pub fn forget_user(&self, id: i64) {
        self.forget(&BTreeSet::from([id]), &BTreeSet::new());
    }

    pub fn forget_organization(&self, id: i64) {
        self.forget(&BTreeSet::new(), &BTreeSet::from([id]));
    }

    pub fn clear(&self) {
        self.by_secrets.clear();
        self.by_user.clear();
    }
}
