//! Randomness is injected, so that snapshots are exact.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::sync::Mutex;

use super::secret::Secret;

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// For what everybody may see (request ids, nonces): it may be drawn ahead, many at once.
    fn fill_public(&self, bytes: &mut [u8]) {
        self.fill(bytes);
    }
}

/// Bytes that are drawn ahead: a system call for each request id would cost more than the id.
const AHEAD: usize = 1024;

thread_local! {
    static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one place where real randomness enters")]
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness no nonce and no token is safe: going on would be worse than stopping.
            tracing::error!(%error, "the operating system gives no random bytes");
            std::process::abort();
        }
    }

    fn fill_public(&self, bytes: &mut [u8]) {
        DRAWN.with_borrow_mut(|drawn| {
            if drawn.len() < bytes.len() {
                drawn.resize(AHEAD.max(bytes.len()), 0);
                self.fill(drawn);
            }
            let rest = drawn.len().saturating_sub(bytes.len());
            bytes.iter_mut().zip(drawn.drain(rest..)).for_each(|(to, from)| *to = from);
        });
    }
}

/// A repeatable sequence for tests: SHA-256 over a seed and a counter.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut counter = self.counter.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for chunk in bytes.chunks_mut(32) {
            *counter += 1;
            let block =
                Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(counter.to_be_bytes()).finalize();
            chunk.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        }
    }
}

/// `N` random bytes.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// `N` random bytes that are no secret.
pub fn public_bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill_public(&mut bytes);
    bytes
}

/// Lower-case hex of `N` random bytes.
pub fn hex<const N: usize>(entropy: &dyn Entropy) -> String {
    hex_of(&bytes::<N>(entropy))
}

pub fn hex_of(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

/// 44 characters of base64 text (docs/api.md, Authentication), drawn again until it has neither `+` nor `/`: such a
/// secret survives a URL, a shell and a careless client.
pub fn base64_token(entropy: &dyn Entropy) -> Secret {
    const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());
    loop {
        let text = PADDED.encode(bytes::<32>(entropy));
        if !text.contains(['+', '/']) {
            return Secret::new(text);
        }
    }
}

/// A code verifier of RFC 7636 section 4.1, and the shape of every state and link that we make: 43 URL-safe characters.
pub fn url_token(entropy: &dyn Entropy) -> Secret {
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes::<32>(entropy)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_that_was_drawn_ahead_is_given_twice() {
        let drawn: BTreeSet<[u8; 24]> = (0..AHEAD).map(|_| public_bytes(&SystemEntropy)).collect();
        assert_eq!(drawn.len(), AHEAD);
        let longer = public_bytes::<{ AHEAD + 1 }>(&SystemEntropy);
        assert!(longer.iter().any(|byte| *byte != 0));
    }

    #[test]
    fn a_seed_gives_the_same_sequence_whatever_it_is_for() {
        let (one, other) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(public_bytes::<12>(&one), bytes::<12>(&other));
        assert_eq!(hex::<24>(&one), hex::<24>(&other));
        assert_eq!(hex_of(&[0, 0x0f, 0xf0, 0xff]), "000ff0ff");
    }
}
