//! The master keys: `LIGAND_MASTER_KEY=id:base64[:bound][,id:base64[:bound]…]`. The first seals, all open. A file may give
//! each a line of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::kernel::entropy::{Entropy, bytes, hex};
use crate::kernel::secret::Secret;

pub(super) type Key = Zeroizing<[u8; 32]>;

/// The ring as it was configured. The keys that seal are derived from the configured ones (HKDF-SHA-256, RFC 5869),
/// so that a further purpose later never shares a key with sealing.
pub struct KeyRing {
    keys: Vec<Entry>,
}

pub(super) struct Entry {
    pub id: String,
    pub key: Key,
    /// It neither opens nor makes seals that are not bound to their owner. Said here and not in the database, so that whoever
    /// writes to that cannot bring an old seal back.
    pub bound: bool,
}

/// Behind a key that is marked so.
const MARK: &str = "bound";

/// Why a ring was not accepted. Never repeats the text: it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingFault {
    #[error("the key ring is empty: give `id:base64`, as `ligand keys new` prints it")]
    Empty,
    #[error("key {0} of the ring is not `id:base64`")]
    Shape(usize),
    #[error("key {0} of the ring has an id that is not 1 to 32 letters, digits, `-` or `_`")]
    Id(usize),
    #[error("key {0} of the ring is not 32 bytes in base64")]
    Length(usize),
    #[error("key {0} of the ring has something behind its base64 that is not `:bound`")]
    Mark(usize),
    #[error("key {0} of the ring has the id of an earlier one")]
    Duplicate(usize),
}

impl KeyRing {
    pub fn parse(text: &Secret) -> Result<Self, KeyRingFault> {
        let mut keys: Vec<Entry> = Vec::new();
        let entries = text.expose().split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let place = index.saturating_add(1);
            let (id, rest) = entry.split_once(':').ok_or(KeyRingFault::Shape(place))?;
            let (encoded, mark) = rest.split_once(':').map_or((rest, None), |(key, mark)| (key, Some(mark)));
            if mark.is_some_and(|mark| mark != MARK) {
                return Err(KeyRingFault::Mark(place));
            }
            if !(1..=32).contains(&id.len()) || !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            {
                return Err(KeyRingFault::Id(place));
            }
            if keys.iter().any(|known| known.id == id) {
                return Err(KeyRingFault::Duplicate(place));
            }
            let raw = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyRingFault::Length(place))?);
            let master: [u8; 32] = raw.as_slice().try_into().map_err(|_| KeyRingFault::Length(place))?;
            let key = sealing_key(&Zeroizing::new(master));
            keys.push(Entry { id: id.to_owned(), key, bound: mark.is_some() });
        }
        if keys.is_empty() { Err(KeyRingFault::Empty) } else { Ok(Self { keys }) }
    }

    /// A fresh key in the form that `parse` takes. It has sealed nothing yet, so it is marked.
    pub fn generate(entropy: &dyn Entropy) -> Secret {
        let key = Zeroizing::new(bytes::<32>(entropy));
        Secret::new(format!("k{}:{}:{MARK}", hex::<4>(entropy), STANDARD.encode(key.as_slice())))
    }

    /// The ids of the keys; the first one's key seals.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|entry| entry.id.as_str())
    }

    /// Whether the first key is marked as one whose seals are all bound to their owners.
    pub fn is_marked(&self) -> bool {
        self.sealing().is_some_and(|entry| entry.bound)
    }

    pub(super) fn sealing(&self) -> Option<&Entry> {
        self.keys.first()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.keys.iter().find(|entry| entry.id == id)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn sealing_key(master: &Key) -> Key {
    let mut derived = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, master.as_slice()).expand(b"ligand/seal/1", derived.as_mut_slice());
    debug_assert!(expanded.is_ok(), "32 bytes are always within HKDF's limit");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    #[test]
    fn a_generated_key_parses_and_faults_name_the_place() {
        let key = KeyRing::generate(&SeededEntropy::new(1));
        assert!(KeyRing::parse(&key).unwrap().is_marked());
        let parse = |text: &str| KeyRing::parse(&Secret::new(text)).unwrap_err();
        assert_eq!(parse(" , "), KeyRingFault::Empty);
        assert_eq!(parse("abc"), KeyRingFault::Shape(1));
        assert_eq!(parse("a b:AAAA"), KeyRingFault::Id(1));
        assert_eq!(parse("a:AAAA"), KeyRingFault::Length(1));
        assert_eq!(parse(&format!("{0},{0}", key.expose())), KeyRingFault::Duplicate(2));
        let unmarked = key.expose().strip_suffix(":bound").unwrap();
        assert!(!KeyRing::parse(&Secret::new(unmarked)).unwrap().is_marked());
        assert_eq!(
            parse(&format!("{unmarked},{}", key.expose())),
            KeyRingFault::Duplicate(2),
            "the mark is not the id"
        );
        for mark in ["", "Bound", "bound:", "bound:bound", "other"] {
            assert_eq!(parse(&format!("{unmarked}:{mark}")), KeyRingFault::Mark(1));
        }
    }

    #[test]
    fn commas_and_lines_separate_keys_and_the_first_one_seals() {
        let keys = [1, 2, 3].map(|seed| KeyRing::generate(&SeededEntropy::new(seed)).expose().to_owned());
        let id = |key: &str| key.split_once(':').unwrap().0.to_owned();
        for separator in [",", " , ", "\n", "\r\n", ",\n", "\n\n"] {
            let ring = KeyRing::parse(&Secret::new(keys.join(separator) + "\n")).unwrap();
            assert_eq!(ring.ids().collect::<Vec<_>>(), keys.each_ref().map(|key| id(key)));
            assert_eq!(ring.sealing().unwrap().id, id(&keys[0]));
        }
    }
}
