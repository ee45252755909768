//! Finding what this process remembers by a secret, without remembering the secret: SipHash-2-4 with 128 bits (Aumasson and
//! Bernstein 2012), a pseudorandom function under its key and many times faster than a cryptographic hash on texts this
//! short. Who sends secrets sees no hash and has one guess a call, of 2^128. Such a hash is never stored.

use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip128::{Hasher128 as _, SipHasher24};
use zeroize::Zeroizing;

use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

pub type MemoryHash = u128;

/// Drawn at the start of the process. It wipes itself.
#[derive(Clone)]
pub struct MemoryKey(Arc<Zeroizing<[u8; 16]>>);

impl MemoryKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(Arc::new(Zeroizing::new(bytes::<16>(entropy))))
    }

    /// Of secrets that are presented together. No header holds a null byte, so none runs into the next.
    pub fn hash(&self, secrets: &[&Secret]) -> MemoryHash {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for secret in secrets {
            hasher.write(secret.expose().as_bytes());
            hasher.write(&[0]);
        }
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    #[test]
    fn every_secret_every_boundary_and_every_key_counts() {
        let (key, other) = (MemoryKey::generate(&SeededEntropy::new(1)), MemoryKey::generate(&SeededEntropy::new(2)));
        let [a, ab, b, bc, c] = ["a", "ab", "b", "bc", "c"].map(Secret::new);
        assert_eq!(key.hash(&[&a, &bc]), key.clone().hash(&[&a, &bc]));
        assert_ne!(key.hash(&[&a, &bc]), key.hash(&[&ab, &c]));
        assert_ne!(key.hash(&[&a, &b]), key.hash(&[&b, &a]));
        assert_ne!(key.hash(&[&a]), other.hash(&[&a]));
    }
}
