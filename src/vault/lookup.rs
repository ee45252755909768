//! Finding a row by a secret without storing the secret: HMAC-SHA-256 (RFC 2104) under a data key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

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
    IdempotencyKey,
    /// Whether a repeated request is the same one.
    Request,
}

/// A data key of its own, sealed by the ring and untouched by its rotation.
#[derive(Clone)]
pub struct LookupKey(Zeroizing<[u8; 32]>);

impl LookupKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(bytes(entropy)))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Zeroizing::new).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
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
            Purpose::IdempotencyKey => "idempotency key",
            Purpose::Request => "request",
        };
        // HMAC takes keys of any length; the fallback can only differ for a key that cannot exist.
        Hmac::<Sha256>::new_from_slice(self.0.as_slice()).map_or_else(
            |_| Vec::new(),
            |mac| mac.chain_update(label).chain_update([0]).chain_update(bytes).finalize().into_bytes().to_vec(),
        )
    }
}

impl std::fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookupKey(***)")
    }
}
