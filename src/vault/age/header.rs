//! The header: the file's key, wrapped for each recipient, and a sum under that key.

use std::io::{BufRead, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::{AgeFault, FileKey, Identity, Recipient, derived};
use crate::kernel::entropy::{Entropy, bytes};

/// How every file begins.
pub const BEGIN: &str = "age-encryption.org/v1\n";
const STANZA: &str = "-> ";
const X25519: &str = "X25519";
const END: &str = "---";
const INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// Letters of a full line of a stanza's body.
const FULL: usize = 64;
/// Bytes of a header at most: some hundred recipients.
const LONGEST: u64 = 64 << 10;

/// The header of a new file.
pub fn written(key: &FileKey, recipients: &[Recipient], entropy: &dyn Entropy) -> Result<String, AgeFault> {
    if recipients.is_empty() {
        return Err(AgeFault::NoRecipient);
    }
    let mut header = BEGIN.to_owned();
    for recipient in recipients {
        // One key for each stanza, of which nobody keeps the secret part.
        let own = StaticSecret::from(*Zeroizing::new(bytes::<32>(entropy)));
        let share = PublicKey::from(&own).to_bytes();
        let wrapping = wrapping_key(&own.diffie_hellman(&PublicKey::from(recipient.0)), share, recipient.0);
        let cipher = ChaCha20Poly1305::new((&*wrapping.ok_or(AgeFault::BadRecipient)?).into());
        let body = cipher.encrypt(&Nonce::default(), key.0.as_slice()).map_err(|_| AgeFault::BadRecipient)?;
        let (share, body) = (STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(body));
        header.push_str(&format!("{STANZA}{X25519} {share}\n{body}\n"));
    }
    header.push_str(END);
    let sum = STANDARD_NO_PAD.encode(sum(key, header.as_bytes())?);
    header.push_str(&format!(" {sum}\n"));
    Ok(header)
}

/// The file's key. `file` stands behind the header afterwards.
pub fn read(file: &mut impl BufRead, identities: &[Identity]) -> Result<FileKey, AgeFault> {
    let mut header = String::new();
    let mut stanzas: Vec<(String, String)> = Vec::new();
    let mut left = LONGEST;
    let mut next = |header: &mut String| {
        let begun = header.len();
        let read = file.by_ref().take(left).read_line(header).map_err(|_| AgeFault::NoAgeFile)?;
        left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        let line = header.get(begun..).and_then(|line| line.strip_suffix('\n'));
        line.map(str::to_owned).ok_or(AgeFault::NoAgeFile)
    };
    if next(&mut header)? != BEGIN.trim_end() {
        return Err(AgeFault::NoAgeFile);
    }
    let said = loop {
        let line = next(&mut header)?;
        if let Some(sum) = line.strip_prefix(END) {
            let begun = header.len().saturating_sub(line.len().saturating_add(1)).saturating_add(END.len());
            header.truncate(begun);
            break sum.strip_prefix(' ').and_then(decoded::<32>).ok_or(AgeFault::NoAgeFile)?;
        }
        let named = line.strip_prefix(STANZA).ok_or(AgeFault::NoAgeFile)?.to_owned();
        let mut body = String::new();
        loop {
            let line = next(&mut header)?;
            body.push_str(&line);
            if line.len() < FULL {
                break;
            }
        }
        stanzas.push((named, body));
    };
    let ours = stanzas.iter().filter_map(|(named, body)| {
        let share = named.strip_prefix(X25519)?.strip_prefix(' ').and_then(decoded::<32>)?;
        Some((share, decoded::<32>(body)?))
    });
    let ours: Vec<([u8; 32], [u8; 32])> = ours.collect();
    let keys = ours.iter().flat_map(|(share, body)| identities.iter().filter_map(|key| unwrapped(key, *share, body)));
    let key = keys.into_iter().next().ok_or(AgeFault::OtherRecipient)?;
    match bool::from(sum(&key, header.as_bytes())?.ct_eq(&said)) {
        true => Ok(key),
        false => Err(AgeFault::Altered),
    }
}

fn unwrapped(identity: &Identity, share: [u8; 32], body: &[u8]) -> Option<FileKey> {
    let shared = identity.0.diffie_hellman(&PublicKey::from(share));
    let wrapping = wrapping_key(&shared, share, identity.recipient().0)?;
    let cipher = ChaCha20Poly1305::new((&*wrapping).into());
    let key = Zeroizing::new(cipher.decrypt(&Nonce::default(), body).ok()?);
    key.as_slice().try_into().ok().map(|key| FileKey(Zeroizing::new(key)))
}

/// None: the other side's key is one that makes the same of every secret.
fn wrapping_key(shared: &SharedSecret, share: [u8; 32], recipient: [u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let salt = [share, recipient].concat();
    shared.was_contributory().then(|| derived(shared.as_bytes(), &salt, INFO))
}

fn sum(key: &FileKey, header: &[u8]) -> Result<[u8; 32], AgeFault> {
    let under = key.derived(b"", b"header");
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(under.as_slice()).map_err(|_| AgeFault::Altered)?;
    Ok(mac.chain_update(header).finalize().into_bytes().into())
}

/// As nobody else writes the same bytes.
fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}
