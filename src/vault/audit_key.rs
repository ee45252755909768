//! The key of the audit log: what is hashed under it was written by a process of ours, in this order.

use super::generations::{Generation, Generations};
use super::lookup::{LookupKey, Purpose};
use crate::kernel::entropy::Entropy;

/// What is hashed. Part of the hashed text, so that no hash passes for one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Row,
    Chain,
    Head,
    Names,
    Customer,
}

/// A data key of its own, sealed by the ring and untouched by its rotation.
#[derive(Debug, Clone)]
pub struct AuditKey(LookupKey);

impl AuditKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(LookupKey::generate(entropy))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        LookupKey::from_bytes(bytes).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// HMAC-SHA-256 (RFC 2104), 32 bytes.
    pub fn hash(&self, part: Part, text: &[u8]) -> Vec<u8> {
        let purpose = match part {
            Part::Row => Purpose::AuditRow,
            Part::Chain => Purpose::AuditChain,
            Part::Head => Purpose::AuditHead,
            Part::Names => Purpose::AuditNames,
            Part::Customer => Purpose::AuditCustomer,
        };
        self.0.hash_bytes(purpose, text)
    }
}

impl Generations<AuditKey> {
    /// The one to write with.
    pub fn in_use(&self) -> Generation<AuditKey> {
        self.known().current(self.clock.as_ref()).clone()
    }

    /// What something was written with.
    pub fn numbered(&self, number: i64) -> Option<AuditKey> {
        self.known().all().find(|generation| generation.number == number).map(|generation| generation.key.clone())
    }

    /// A customer as rows of any generation have it.
    pub fn customer_hashes(&self, external_id: &str) -> Vec<Vec<u8>> {
        self.known().all().map(|generation| generation.key.hash(Part::Customer, external_id.as_bytes())).collect()
    }
}
