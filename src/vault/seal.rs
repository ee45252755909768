//! Sealing: XChaCha20-Poly1305 with a random nonce, bound to table, column, row and owner, so that a ciphertext moved
//! elsewhere, or with its row to somebody else, does not open.
//!
//! Layout: `form | length of key id | key id | 24-byte nonce | ciphertext and tag`.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::key_ring::{Key, KeyRing};
use crate::kernel::code::Code;
use crate::kernel::entropy::{Entropy, public_bytes};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::kernel::stored::Unreadable;

const NONCE: usize = 24;

/// What a ciphertext is bound to. Its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Table, column and row: all that there was at first.
    Unbound,
    /// The owner too.
    Bound,
}

impl Form {
    pub const ALL: [Self; 2] = [Self::Unbound, Self::Bound];

    const fn byte(self) -> u8 {
        match self {
            Self::Unbound => 1,
            Self::Bound => 2,
        }
    }

    /// None: it is no sealed value.
    pub fn of(sealed: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|form| sealed.first() == Some(&form.byte()))
    }
}

/// Where a ciphertext lives, and whose it is. It opens nowhere else, and for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: i64,
    /// The organization. None: it is nobody's, as data keys are.
    pub owner: Option<i64>,
}

/// A ciphertext as it is stored.
pub type Sealed = Vec<u8>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// The operator must put this key back into the ring.
    #[error("the key ring has no key `{0}`")]
    UnknownKey(String),
    #[error(
        "the sealed value of {table}.{column}, row {row}, does not open{}: LIGAND_MASTER_KEY (or the key file) has another \
         key under the same id, the value was altered, or it was sealed for another row or another organization",
        of(*owner)
    )]
    Corrupt { table: &'static str, column: &'static str, row: i64, owner: Option<i64> },
    #[error(
        "the value of {table}.{column}, row {row}, was sealed by `{key}` before seals were bound to their owners, and `{key}` \
         is marked `bound`, so it opens no such value: take the mark away, run `ligand keys rotate`, then mark the key again"
    )]
    Unbound { table: &'static str, column: &'static str, row: i64, key: String },
    #[error("the value is too long to seal")]
    TooLong,
    /// It opens, and is not what is stored there.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A mistake of this program: a document that is none.
    #[error("the document for {table}.{column}, row {row}, cannot be written")]
    Unwritten { table: &'static str, column: &'static str, row: i64 },
}

fn of(owner: Option<i64>) -> String {
    owner.map_or_else(String::new, |id| format!(" for organization {id}"))
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
            VaultFault::Corrupt { .. } => ApiError::from(Code::SecretUnopened).with_source(fault),
            VaultFault::Unbound { .. } => {
                let message =
                    "A stored secret is older than the mark on its key: the operator finds in the log what to do.";
                ApiError::new(Code::SecretUnopened, message).with_source(fault)
            }
            VaultFault::Unreadable(unreadable) => unreadable.clone().into(),
            VaultFault::TooLong | VaultFault::Unwritten { .. } => ApiError::internal(fault),
        }
    }
}

/// The key ring at work.
#[derive(Clone)]
pub struct Vault {
    ring: Arc<KeyRing>,
    entropy: Arc<dyn Entropy>,
    /// Whether the database is sealed in the bound form by now. Once so, it stays so.
    bound: Arc<AtomicBool>,
}

impl Vault {
    pub fn new(ring: KeyRing, entropy: Arc<dyn Entropy>) -> Self {
        Self { ring: Arc::new(ring), entropy, bound: Arc::default() }
    }

    /// From now on everything is sealed in the bound form, in all clones.
    pub fn bind(&self) {
        self.bound.store(true, Ordering::Relaxed);
    }

    pub fn database_is_bound(&self) -> bool {
        self.bound.load(Ordering::Relaxed)
    }

    /// In which form this seals: unbound as long as programs may run beside it that know no other.
    pub fn form(&self) -> Form {
        let marked = self.ring.sealing().is_some_and(|entry| entry.bound);
        if marked || self.database_is_bound() { Form::Bound } else { Form::Unbound }
    }

    pub fn seal(&self, place: Place, plain: &[u8]) -> Result<Sealed, VaultFault> {
        self.seal_as(self.form(), place, plain)
    }

    pub fn seal_as(&self, form: Form, place: Place, plain: &[u8]) -> Result<Sealed, VaultFault> {
        let entry = self.ring.sealing().ok_or_else(|| VaultFault::UnknownKey(String::new()))?;
        // What a marked key would not open it does not make.
        let form = if entry.bound { Form::Bound } else { form };
        let nonce = public_bytes::<NONCE>(self.entropy.as_ref());
        let header = header(form, &entry.id).ok_or(VaultFault::TooLong)?;
        let payload = Payload { msg: plain, aad: &associated(form, &header, place) };
        let ciphertext = cipher(&entry.key).encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultFault::TooLong)?;
        Ok([header.as_slice(), nonce.as_slice(), ciphertext.as_slice()].concat())
    }

    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
        let Place { table, column, row, owner } = place;
        let corrupt = VaultFault::Corrupt { table, column, row, owner };
        let Some(Parts { form, header, id, nonce, ciphertext }) = split(sealed) else { return Err(corrupt) };
        let entry = self.ring.get(id).ok_or_else(|| VaultFault::UnknownKey(id.to_owned()))?;
        if entry.bound && form == Form::Unbound {
            return Err(VaultFault::Unbound { table, column, row, key: id.to_owned() });
        }
        let payload = Payload { msg: ciphertext, aad: &associated(form, header, place) };
        cipher(&entry.key).decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| corrupt)
    }

    /// The same value under the key that seals now, in the bound form.
    pub fn reseal(&self, place: Place, sealed: &[u8]) -> Result<Sealed, VaultFault> {
        self.seal_as(Form::Bound, place, &self.open(place, sealed)?)
    }

    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// `open` for values that were texts.
    pub fn open_text(&self, place: Place, sealed: &[u8]) -> Result<Secret, VaultFault> {
        let plain = self.open(place, sealed)?;
        let Place { table, column, row, owner } = place;
        std::str::from_utf8(&plain).map(Secret::new).map_err(|_| VaultFault::Corrupt { table, column, row, owner })
    }
}

/// How everything begins that this key seals in this form, and nothing else.
pub fn header(form: Form, key_id: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(key_id.len()).ok()?;
    Some([&[form.byte(), length], key_id.as_bytes()].concat())
}

/// Which key sealed this; none for what is no sealed value.
pub fn key_id(sealed: &[u8]) -> Option<&str> {
    split(sealed).map(|parts| parts.id)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

/// The header is authenticated too, so that nobody can relabel a ciphertext with another key id or form.
fn associated(form: Form, header: &[u8], Place { table, column, row, owner }: Place) -> Vec<u8> {
    let mut text = Vec::with_capacity(header.len().saturating_add(96));
    text.extend_from_slice(header);
    // A vector takes whatever is written to it.
    let _ = write!(text, "{table}\0{column}\0{row}");
    let _ = match (form, owner) {
        (Form::Unbound, _) => Ok(()),
        (Form::Bound, Some(id)) => write!(text, "\0org:{id}"),
        (Form::Bound, None) => write!(text, "\0nobody"),
    };
    text
}

struct Parts<'a> {
    form: Form,
    header: &'a [u8],
    id: &'a str,
    nonce: [u8; NONCE],
    ciphertext: &'a [u8],
}

fn split(sealed: &[u8]) -> Option<Parts<'_>> {
    let form = Form::of(sealed)?;
    let (header, rest) = sealed.split_at_checked(usize::from(*sealed.get(1)?).checked_add(2)?)?;
    let id = std::str::from_utf8(header.get(2..)?).ok()?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE)?;
    Some(Parts { form, header, id, nonce: nonce.try_into().ok()?, ciphertext })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    const PLACE: Place = Place { table: "credential", column: "sealed", row: 7, owner: Some(4) };

    fn key(seed: u64) -> String {
        let key = KeyRing::generate(&SeededEntropy::new(seed));
        key.expose().strip_suffix(":bound").unwrap().to_owned()
    }

    fn vault_of(ring: &str) -> Vault {
        Vault::new(KeyRing::parse(&Secret::new(ring)).unwrap(), Arc::new(SeededEntropy::new(9)))
    }

    fn vault(seeds: &[u64]) -> Vault {
        vault_of(&seeds.iter().map(|seed| key(*seed)).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn it_opens_only_in_its_own_place() {
        let vault = vault(&[1]);
        for form in Form::ALL {
            let sealed = vault.seal_as(form, PLACE, b"secret").unwrap();
            assert_eq!(vault.open(PLACE, &sealed).unwrap().as_slice(), b"secret");
            for place in
                [Place { row: 8, ..PLACE }, Place { column: "other", ..PLACE }, Place { table: "other", ..PLACE }]
            {
                assert!(matches!(vault.open(place, &sealed), Err(VaultFault::Corrupt { .. })), "{form:?}");
            }
        }
    }

    #[test]
    fn in_the_bound_form_it_opens_for_its_owner_alone() {
        let vault = vault(&[1]);
        let nobody = Place { owner: None, ..PLACE };
        for place in [PLACE, nobody] {
            let sealed = vault.seal_as(Form::Bound, place, b"secret").unwrap();
            assert!(vault.open(place, &sealed).is_ok());
            // The ends of two owners' texts are no way from one to the other.
            for owner in [None, Some(4), Some(5), Some(44), Some(-4)].into_iter().filter(|it| *it != place.owner) {
                let fault = vault.open(Place { owner, ..PLACE }, &sealed).unwrap_err();
                assert_eq!(fault, VaultFault::Corrupt { table: "credential", column: "sealed", row: 7, owner });
            }
            let older = vault.seal_as(Form::Unbound, place, b"secret").unwrap();
            assert!(vault.open(Place { owner: Some(5), ..PLACE }, &older).is_ok());
            let relabelled = [&[2], &older[1..]].concat();
            assert!(vault.open(place, &relabelled).is_err(), "the form is authenticated");
        }
        let fault = vault.open(PLACE, b"").unwrap_err().to_string();
        assert!(fault.starts_with("the sealed value of credential.sealed, row 7, does not open for organization 4:"));
    }

    #[test]
    fn the_mark_or_the_database_says_which_form_is_written() {
        let (plain, marked) = (vault_of(&key(1)), vault_of(&format!("{}:bound", key(1))));
        let older = plain.seal(PLACE, b"secret").unwrap();
        assert_eq!((Form::of(&older), plain.form()), (Some(Form::Unbound), Form::Unbound));
        assert_eq!(Form::of(&marked.seal(PLACE, b"secret").unwrap()), Some(Form::Bound));
        plain.clone().bind();
        let newer = plain.seal(PLACE, b"secret").unwrap();
        assert_eq!(Form::of(&newer), Some(Form::Bound), "all clones know it");
        assert!(plain.open(PLACE, &older).is_ok());
        // What stands in an old backup is no use once the key is marked.
        assert!(marked.open(PLACE, &newer).is_ok());
        let fault = marked.open(PLACE, &older).unwrap_err();
        assert!(matches!(fault, VaultFault::Unbound { .. }), "{fault}");
        assert!(fault.to_string().contains("`ligand keys rotate`"), "{fault}");
        // The mark is of one key: another one of the ring may still open the older form.
        let both = vault_of(&format!("{}:bound,{}", key(2), key(1)));
        assert!(both.open(PLACE, &older).is_ok());
        assert_eq!(both.form(), Form::Bound);
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let vault = vault(&[1]);
        for form in Form::ALL {
            let sealed = vault.seal_as(form, PLACE, b"secret").unwrap();
            for index in 0..sealed.len() {
                for bit in [1, 2, 3] {
                    let mut changed = sealed.clone();
                    changed[index] ^= bit;
                    assert!(vault.open(PLACE, &changed).is_err(), "{form:?} byte {index}");
                }
                assert!(vault.open(PLACE, &sealed[..index]).is_err(), "{form:?} length {index}");
            }
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
        assert!(sealed.starts_with(&header(Form::Unbound, id).unwrap()));
        let shorter = header(Form::Unbound, &id[..id.len() - 1]).unwrap();
        assert!(!sealed.starts_with(&shorter), "the length stands before the id");
        assert_eq!(key_id(&sealed[..20]), None);
        let resealed = both.reseal(PLACE, &sealed).unwrap();
        assert!(resealed.starts_with(&header(Form::Bound, both.ring().ids().next().unwrap()).unwrap()));
        assert_eq!(vault(&[2]).open(PLACE, &resealed).unwrap().as_slice(), b"secret");
        assert!(matches!(vault(&[2]).reseal(PLACE, &sealed), Err(VaultFault::UnknownKey(_))));
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let vault = vault(&[1]);
        assert_ne!(vault.seal(PLACE, b"secret").unwrap(), vault.seal(PLACE, b"secret").unwrap());
    }
}
