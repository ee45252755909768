//! The age file format, version 1 (`https://c2sp.org/age`), for X25519 recipients: what leaves a server is opened by the `age` command,
//! and what that wrote is read here. As readers and writers over others, so that nothing is held as a whole.

mod bech32;
mod header;
mod stream;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::kernel::entropy::{Entropy, bytes};

pub use header::BEGIN;
pub use stream::{Opening, Sealing};

const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";

/// To whom a file is encrypted: `age1…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// What opens it: `AGE-SECRET-KEY-1…`. No `Debug`.
#[derive(Clone)]
pub struct Identity(StaticSecret);

/// Why a file is not opened, or not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeFault {
    #[error("it is no file of age, version 1")]
    NoAgeFile,
    #[error("none of the keys opens it")]
    OtherRecipient,
    #[error("it was altered, or is cut off")]
    Altered,
    #[error("nobody is named to whom it is encrypted")]
    NoRecipient,
    #[error("the recipient is none that can be encrypted to")]
    BadRecipient,
}

impl std::str::FromStr for Recipient {
    type Err = AgeFault;

    fn from_str(text: &str) -> Result<Self, AgeFault> {
        bech32::read(text.trim(), RECIPIENT).map(|key| Self(*key)).ok_or(AgeFault::BadRecipient)
    }
}

impl std::str::FromStr for Identity {
    type Err = AgeFault;

    fn from_str(text: &str) -> Result<Self, AgeFault> {
        let key = bech32::read(text.trim(), IDENTITY).ok_or(AgeFault::OtherRecipient)?;
        Ok(Self(StaticSecret::from(*key)))
    }
}

impl Identity {
    /// To whom a file is encrypted that this opens.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }
}

/// What encrypts a file, and reaches nobody without one of its recipients' keys.
struct FileKey(Zeroizing<[u8; 16]>);

impl FileKey {
    fn draw(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(bytes(entropy)))
    }

    /// A key that follows from it (RFC 5869, with SHA-256).
    fn derived(&self, salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
        derived(self.0.as_slice(), salt, info)
    }
}

fn derived(from: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = hkdf::Hkdf::<sha2::Sha256>::new(Some(salt), from).expand(info, key.as_mut_slice());
    debug_assert!(expanded.is_ok(), "32 bytes are always within HKDF's limit");
    key
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    // What `age-keygen -y`, version 1.1.1, says of it, and what `age -r` made of a line.
    const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    const FILE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA1NHlUZ25YcitqUW5Ybk5qNGdjYjFrSjAwNWhmT2YyODFNMDN2eFoybVFjCmFPMDd6ODRFMmMrQjVPMDZibDU0b1VvSWI3QUJwd0IwT0RPNWhqRkNVbFEKLS0tIFdwcll0b3RjNWpNNVJjS3lQK3VFSWFYZ3NwUDMzSkczb3R5Q0dxQ2dJNlkKhTjZKqVxlvYxw7uBqkSiX9gye9hitzSVzJsT35jKkYdtWycu2bll";

    fn identity(byte: u8) -> Identity {
        Identity(StaticSecret::from([byte; 32]))
    }

    fn sealed(text: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let entropy = SeededEntropy::new(7);
        let mut sealing = Sealing::begin(Vec::new(), recipients, &entropy).unwrap();
        for piece in text.chunks(10_007) {
            sealing.write_all(piece).unwrap();
        }
        sealing.end().unwrap()
    }

    fn opened(file: &[u8], identities: &[Identity]) -> Result<Vec<u8>, String> {
        let mut opening = Opening::begin(file, identities).map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        opening.read_to_end(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn what_is_sealed_opens_whatever_its_length() {
        let (ours, other) = (identity(1), identity(2));
        for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let text: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let file = sealed(&text, &[other.recipient(), ours.recipient()]);
            assert_eq!(opened(&file, std::slice::from_ref(&ours)).unwrap(), text, "{length}");
            assert_eq!(opened(&file, &[identity(3)]), Err(AgeFault::OtherRecipient.to_string()));
        }
    }

    #[test]
    fn what_was_altered_or_cut_off_does_not_open() {
        let ours = identity(1);
        let text = vec![7; 70_000];
        let file = sealed(&text, &[ours.recipient()]);
        let payload = file.len() - (70_000 + 2 * 16);
        for at in (0..file.len()).step_by(4_999).chain([30, 80, payload - 1, payload, file.len() - 1]) {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(opened(&altered, std::slice::from_ref(&ours)).is_err(), "{at}");
        }
        for length in (0..file.len()).step_by(4_999).chain([payload, payload + 65_552, file.len() - 1]) {
            assert!(opened(&file[..length], std::slice::from_ref(&ours)).is_err(), "{length}");
        }
        assert!(opened(&[file.as_slice(), b"x"].concat(), std::slice::from_ref(&ours)).is_err());
    }

    #[test]
    fn keys_read_as_they_are_written_and_no_others() {
        for bad in ["", "age1", "age1qqqq", "AGE-SECRET-KEY-1QQQQ"] {
            assert!(bad.parse::<Recipient>().is_err() && bad.parse::<Identity>().is_err(), "{bad}");
        }
        let identity: Identity = KEY.parse().unwrap();
        assert_eq!(RECIPIENT.parse(), Ok(identity.recipient()));
        let file = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, FILE).unwrap();
        assert_eq!(opened(&file, &[identity]).unwrap(), b"a line\n");
        let lower = KEY.to_ascii_lowercase();
        assert!(lower.parse::<Identity>().is_ok(), "one case, whichever");
        for bad in [KEY.replace("GFPQ", "gfpq"), KEY.replace("GFPQ", "GFPP"), RECIPIENT.replace("age1", "AGE1")] {
            assert!(bad.parse::<Identity>().is_err() && bad.parse::<Recipient>().is_err(), "{bad}");
        }
    }
}
