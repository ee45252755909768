//! Sealing: XChaCha20-Poly1305 with a random nonce, bound to table, column and row, so that a ciphertext moved
//! elsewhere does not open.
//!
//! Layout: `1 | length of key id | key id | 24-byte nonce | ciphertext and tag`.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::key_ring::{Key, KeyRing};
use crate::kernel::code::Code;
use crate::kernel::entropy::{Entropy, public_bytes};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;

const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Where a ciphertext lives. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: i64,
}

/// A ciphertext as it is stored.
pub type Sealed = Vec<u8>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// The operator must put this key back into the ring.
    #[error("the key ring has no key `{0}`")]
    UnknownKey(String),
    #[error(
        "the sealed value of {table}.{column}, row {row}, does not open: LIGAND_MASTER_KEY (or the key file) has another \
         key under the same id, or the value was altered"
    )]
    Corrupt { table: &'static str, column: &'static str, row: i64 },
    #[error("the value is too long to seal")]
    TooLong,
}

impl From<VaultFault> for ApiError {
    #[track_caller]
    fn from(fault: VaultFault) -> Self {
        match &fault {
            VaultFault::UnknownKey(id) => {
                let message = format!(
                    "The key `{id}` that seals this data is not in LIGAND_MASTER_KEY: the operator must add it."
                );
                ApiError::new(Code::KeyUnavailable, message).with_retry_after(60).with_source(fault)
            }
            _ => ApiError::internal(fault),
        }
    }
}

/// The key ring at work.
#[derive(Clone)]
pub struct Vault {
    ring: Arc<KeyRing>,
    entropy: Arc<dyn Entropy>,
}

impl Vault {
    pub fn new(ring: KeyRing, entropy: Arc<dyn Entropy>) -> Self {
        Self { ring: Arc::new(ring), entropy }
    }

    pub fn seal(&self, place: Place, plain: &[u8]) -> Result<Sealed, VaultFault> {
        let (id, key) = self.ring.sealing().ok_or_else(|| VaultFault::UnknownKey(String::new()))?;
        let nonce = public_bytes::<NONCE>(self.entropy.as_ref());
        let header = header(id).ok_or(VaultFault::TooLong)?;
        let payload = Payload { msg: plain, aad: &associated(&header, place) };
        let ciphertext = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultFault::TooLong)?;
        Ok([header.as_slice(), nonce.as_slice(), ciphertext.as_slice()].concat())
    }

    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
        let corrupt = VaultFault::Corrupt { table: place.table, column: place.column, row: place.row };
        let (header, id, nonce, ciphertext) = split(sealed).ok_or_else(|| corrupt.clone())?;
        let key = self.ring.get(id).ok_or_else(|| VaultFault::UnknownKey(id.to_owned()))?;
        let payload = Payload { msg: ciphertext, aad: &associated(header, place) };
        cipher(key).decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| corrupt)
    }

    /// The same value under the key that seals now.
    pub fn reseal(&self, place: Place, sealed: &[u8]) -> Result<Sealed, VaultFault> {
        self.seal(place, &self.open(place, sealed)?)
    }

    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// `open` for values that were texts.
    pub fn open_text(&self, place: Place, sealed: &[u8]) -> Result<Secret, VaultFault> {
        let plain = self.open(place, sealed)?;
        let corrupt = VaultFault::Corrupt { table: place.table, column: place.column, row: place.row };
        std::str::from_utf8(&plain).map(Secret::new).map_err(|_| corrupt)
    }
}

/// How everything begins that this key seals, and nothing else.
pub fn header(key_id: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(key_id.len()).ok()?;
    Some([&[VERSION, length], key_id.as_bytes()].concat())
}

/// Which key sealed this; none for what is no sealed value.
pub fn key_id(sealed: &[u8]) -> Option<&str> {
    split(sealed).map(|(_, id, ..)| id)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

/// The header is authenticated too, so that nobody can relabel a ciphertext with another key id.
fn associated(header: &[u8], place: Place) -> Vec<u8> {
    let place = format!("{}\0{}\0{}", place.table, place.column, place.row);
    [header, place.as_bytes()].concat()
}

type Parts<'a> = (&'a [u8], &'a str, [u8; NONCE], &'a [u8]);

fn split(sealed: &[u8]) -> Option<Parts<'_>> {
    let [VERSION, length, ..] = *sealed else { return None };
    let (header, rest) = sealed.split_at_checked(usize::from(length).checked_add(2)?)?;
    let id = std::str::from_utf8(header.get(2..)?).ok()?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE)?;
    Some((header, id, nonce.try_into().ok()?, ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    const PLACE: Place = Place { table: "credential", column: "sealed", row: 7 };

    fn vault(seeds: &[u64]) -> Vault {
        let keys: Vec<_> =
            seeds.iter().map(|seed| KeyRing::generate(&SeededEntropy::new(*seed)).expose().to_owned()).collect();
        Vault::new(KeyRing::parse(&Secret::new(keys.join(","))).unwrap(), Arc::new(SeededEntropy::new(9)))
    }

    #[test]
    fn it_opens_only_in_its_own_place() {
        let vault = vault(&[1]);
        let sealed = vault.seal(PLACE, b"secret").unwrap();
        assert_eq!(vault.open(PLACE, &sealed).unwrap().as_slice(), b"secret");
        for place in [Place { row: 8, ..PLACE }, Place { column: "other", ..PLACE }, Place { table: "other", ..PLACE }]
        {
            assert!(matches!(vault.open(place, &sealed), Err(VaultFault::Corrupt { .. })));
        }
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let vault = vault(&[1]);
        let sealed = vault.seal(PLACE, b"secret").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(vault.open(PLACE, &changed).is_err(), "byte {index}");
            assert!(vault.open(PLACE, &sealed[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn the_first_key_seals_all_open_and_an_unknown_one_is_named() {
        let sealed = vault(&[1]).seal(PLACE, b"secret").unwrap();
        assert!(vault(&[2, 1]).open(PLACE, &sealed).is_ok());
        assert!(vault(&[1]).open(PLACE, &vault(&[2, 1]).seal(PLACE, b"x").unwrap()).is_err());
        assert!(matches!(vault(&[2]).open(PLACE, &sealed), Err(VaultFault::UnknownKey(id)) if id.starts_with('k')));
    }

    #[test]
    fn a_value_tells_its_key_and_begins_with_the_header_of_that_key_alone() {
        let (old, both) = (vault(&[1]), vault(&[2, 1]));
        let sealed = old.seal(PLACE, b"secret").unwrap();
        let id = old.ring().ids().next().unwrap();
        assert_eq!(key_id(&sealed), Some(id));
        assert!(sealed.starts_with(&header(id).unwrap()));
        assert!(!sealed.starts_with(&header(&id[..id.len() - 1]).unwrap()), "the length stands before the id");
        assert_eq!(key_id(&sealed[..20]), None);
        let resealed = both.reseal(PLACE, &sealed).unwrap();
        assert_eq!(key_id(&resealed), both.ring().ids().next());
        assert_eq!(vault(&[2]).open(PLACE, &resealed).unwrap().as_slice(), b"secret");
        assert!(matches!(vault(&[2]).reseal(PLACE, &sealed), Err(VaultFault::UnknownKey(_))));
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let vault = vault(&[1]);
        assert_ne!(vault.seal(PLACE, b"secret").unwrap(), vault.seal(PLACE, b"secret").unwrap());
    }
}
