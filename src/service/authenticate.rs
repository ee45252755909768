//! Who calls: secrets and session tokens to principals, from memory when warm.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use moka::sync::Cache;
use subtle::ConstantTimeEq as _;

use super::Services;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::store::principals::{self, Principal};
use crate::vault::lookup::Purpose;

/// The parts of an `Authorization` header (contract 2.3), as far as they were given.
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
        let refused = || ApiError::from(Code::BadCredentials);
        if let Some(token) = &presented.bearer {
            let (user, generation) = self.session.verify(token, self.now()).ok_or_else(refused)?;
            let principal = self.principal_by_id(user).await?.ok_or_else(refused)?;
            return if principal.session_generation == generation { Ok(principal) } else { Err(refused()) };
        }
        match (&presented.user, &presented.organization) {
            (Some(user), Some(organization)) => {
                let principal = self.principal_by_secret(user).await?.ok_or_else(refused)?;
                let hash = self.lookup.hash(Purpose::OrganizationSecret, organization);
                let fits: bool = hash.ct_eq(&principal.organization_secret_hash).into();
                if fits { Ok(principal) } else { Err(refused()) }
            }
            (None, None) if presented.element.is_none() => Err(missing("User and Organization")),
            (None, _) => Err(missing("User")),
            (_, None) => Err(missing("Organization")),
        }
    }

    async fn principal_by_secret(&self, secret: &Secret) -> Result<Option<Arc<Principal>>, ApiError> {
        let hash = self.lookup.hash(Purpose::UserSecret, secret);
        if let Some(known) = self.principals.by_secret(&hash, self.now().timestamp()) {
            return Ok(Some(known));
        }
        let generation = self.principals.generation();
        let key = hash.clone();
        let found = self.store.read(move |conn| principals::find_by_secret(conn, &key)).await?;
        Ok(found.map(|principal| self.principals.remember(Some(hash), principal, generation)))
    }

    async fn principal_by_id(&self, user: i64) -> Result<Option<Arc<Principal>>, ApiError> {
        if let Some(known) = self.principals.by_user(user, self.now().timestamp()) {
            return Ok(Some(known));
        }
        let generation = self.principals.generation();
        let found = self.store.read(move |conn| principals::find(conn, user)).await?;
        Ok(found.map(|principal| self.principals.remember(None, principal, generation)))
    }
}

fn missing(parts: &str) -> ApiError {
    let message = format!(
        "The Authorization header lacks {parts}: send `Authorization: User <secret>, Organization <secret>`, or `Bearer <token>`."
    );
    ApiError::new(Code::MissingCredentials, message)
}

/// Principals in memory. They do not age: the change feed says what to forget, and when the feed cannot be read the
/// cache is not trusted.
#[derive(Clone)]
pub struct PrincipalCache {
    by_secret: Cache<Vec<u8>, Arc<Principal>>,
    by_user: Cache<i64, Arc<Principal>>,
    /// Counts evictions, so that a row read before one is not remembered after it.
    generation: Arc<AtomicU64>,
    feed_read_at: Arc<AtomicI64>,
}

/// Seconds that the feed may be unreadable before the cache is not trusted.
pub const TRUSTED_FOR: i64 = 5;
const CAPACITY: u64 = 10_000;

impl Default for PrincipalCache {
    fn default() -> Self {
        Self {
            by_secret: Cache::new(CAPACITY),
            by_user: Cache::new(CAPACITY),
            generation: Arc::default(),
            feed_read_at: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }
}

impl PrincipalCache {
    fn trusted(&self, now: i64) -> bool {
        // In both directions: a clock that was set back must not prolong the trust.
        now.saturating_sub(self.feed_read_at.load(Ordering::Relaxed)).unsigned_abs() <= TRUSTED_FOR.unsigned_abs()
    }

    fn by_secret(&self, hash: &Vec<u8>, now: i64) -> Option<Arc<Principal>> {
        self.trusted(now).then(|| self.by_secret.get(hash)).flatten()
    }

    fn by_user(&self, user: i64, now: i64) -> Option<Arc<Principal>> {
        self.trusted(now).then(|| self.by_user.get(&user)).flatten()
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn remember(&self, secret_hash: Option<Vec<u8>>, principal: Principal, read_at: u64) -> Arc<Principal> {
        let principal = Arc::new(principal);
        if self.generation() == read_at {
            match secret_hash {
                Some(hash) => self.by_secret.insert(hash, Arc::clone(&principal)),
                None => self.by_user.insert(principal.user, Arc::clone(&principal)),
            }
            // An eviction that ran between the check and the insertion must win.
            if self.generation() != read_at {
                self.clear();
            }
        }
        principal
    }

    /// Changes of users and organizations are rare: forgetting all of them is cheaper than knowing which.
    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.by_secret.invalidate_all();
        self.by_user.invalidate_all();
    }

    /// The feed was read at this time (epoch seconds).
    pub fn feed_was_read(&self, now: i64) {
        self.feed_read_at.store(now, Ordering::Relaxed);
    }
}
