//! Finding a row by a secret without storing the secret: HMAC-SHA-256 (RFC 2104) under a data key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::generations::Generations;
use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// What a hash is for. Part of the hashed text, so that one secret never finds a row of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    UserSecret,
    OrganizationSecret,
    InstanceToken,
    /// Which instances hold the same grant at the vendor.
    VendorGrant,
    State,
    /// The secret in a connect link's address.
    LinkToken,
    /// The cookie that binds an authorization to a browser.
    Browser,
    /// What a browser carries to the organization's back end, to end a connect link.
    Handle,
    /// What a form of the console carries, so that no other site can send it: made of the session.
    Form,
    IdempotencyKey,
    /// A code of a vendor's redirect.
    Code,
    /// Whether a repeated request is the same one.
    Request,
    /// Of the audit log (`audit_key.rs`), as all that follow.
    AuditRow,
    AuditChain,
    AuditHead,
    AuditNames,
    AuditCustomer,
}

/// A data key of its own, sealed by the ring and untouched by its rotation.
#[derive(Clone)]
pub struct LookupKey {
    bytes: Zeroizing<[u8; 32]>,
    /// Keyed once: that is half of the work of a hash. It wipes itself too.
    keyed: Hmac<Sha256>,
}

impl LookupKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::of(Zeroizing::new(bytes(entropy)))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Zeroizing::new).map(Self::of)
    }

    fn of(bytes: Zeroizing<[u8; 32]>) -> Self {
        // HMAC fills a key that is shorter than a block with zeros (RFC 2104 section 2).
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
        Self { keyed: Hmac::new((&*block).into()), bytes }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub fn hash(&self, purpose: Purpose, secret: &Secret) -> Vec<u8> {
        self.hash_bytes(purpose, secret.expose().as_bytes())
    }

    pub fn hash_bytes(&self, purpose: Purpose, bytes: &[u8]) -> Vec<u8> {
        let label = match purpose {
            Purpose::UserSecret => "user secret",
            Purpose::OrganizationSecret => "organization secret",
            Purpose::InstanceToken => "instance token",
            Purpose::VendorGrant => "vendor grant",
            Purpose::State => "state",
            Purpose::LinkToken => "link token",
            Purpose::Browser => "browser",
            Purpose::Handle => "handle",
            Purpose::Form => "form",
            Purpose::IdempotencyKey => "idempotency key",
            Purpose::Code => "code",
            Purpose::Request => "request",
            Purpose::AuditRow => "audit row",
            Purpose::AuditChain => "audit chain",
            Purpose::AuditHead => "audit head",
            Purpose::AuditNames => "audit names",
            Purpose::AuditCustomer => "audit customer",
        };
        let mac = self.keyed.clone().chain_update(label).chain_update([0]).chain_update(bytes);
        mac.finalize().into_bytes().to_vec()
    }
}

impl Generations<LookupKey> {
    /// What to store.
    pub fn hash(&self, purpose: Purpose, secret: &Secret) -> Vec<u8> {
        self.known().current(self.clock.as_ref()).key.hash(purpose, secret)
    }

    /// What to look for: a row may have been stored under any generation. The one in use comes first.
    pub fn hashes(&self, purpose: Purpose, secret: &Secret) -> Vec<Vec<u8>> {
        self.under_each(|key| key.hash(purpose, secret))
    }

    /// The same for several texts that belong together.
    pub fn under_each<T>(&self, hash: impl Fn(&LookupKey) -> T) -> Vec<T> {
        let known = self.known();
        let current = known.current(self.clock.as_ref());
        let others = known.all().filter(|generation| generation.number != current.number);
        [current].into_iter().chain(others).map(|generation| hash(&generation.key)).collect()
    }
}

impl std::fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookupKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::kernel::clock::{Clock as _, ManualClock};
    use crate::kernel::entropy::SeededEntropy;
    use crate::vault::generations::{Generation, Known, SPREAD};

    #[test]
    fn hashes_come_under_every_generation_and_the_one_in_use_first() {
        let clock = Arc::new(ManualClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
        let generation = |number: u64, age: TimeDelta| Generation {
            number: i64::try_from(number).unwrap(),
            key: LookupKey::generate(&SeededEntropy::new(number)),
            created_at: clock.now() - age,
            retires_at: None,
        };
        let known = Known::of(vec![generation(1, TimeDelta::days(9)), generation(2, TimeDelta::zero())]).unwrap();
        let keys = Generations::new(clock.clone(), known);
        let secret = Secret::new("secret");
        let [old, new] = [1, 2].map(|number| generation(number, TimeDelta::zero()).key.hash(Purpose::State, &secret));
        assert_eq!(keys.hash(Purpose::State, &secret), old);
        assert_eq!(keys.hashes(Purpose::State, &secret), [old.clone(), new.clone()], "another process may be ahead");
        clock.advance(SPREAD);
        assert_eq!(keys.hash(Purpose::State, &secret), new);
        assert_eq!(keys.hashes(Purpose::State, &secret), [new, old]);
        assert_ne!(keys.hash(Purpose::State, &secret), keys.hash(Purpose::UserSecret, &secret));
    }
}
