//! The text: pieces of 64 KiB, each sealed under a nonce that counts them and knows the last one, so that no piece is missing, moved
//! or added.

use std::io::{self, BufRead, Read, Write};

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use super::header;
use super::{AgeFault, FileKey, Identity, Recipient};
use crate::kernel::entropy::{Entropy, bytes};

const PIECE: usize = 64 << 10;
const TAG: usize = 16;
const SALT: usize = 16;

/// The pieces of one file.
struct Pieces {
    cipher: ChaCha20Poly1305,
    number: u64,
}

impl Pieces {
    fn of(key: &FileKey, salt: &[u8; SALT]) -> Self {
        Self { cipher: ChaCha20Poly1305::new((&*key.derived(salt, b"payload")).into()), number: 0 }
    }

    /// Eleven bytes of the number, and whether it is the last.
    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        for (place, byte) in nonce.iter_mut().rev().skip(1).zip(self.number.to_le_bytes()) {
            *place = byte;
        }
        if let Some(place) = nonce.last_mut() {
            *place = u8::from(last);
        }
        self.number = self.number.saturating_add(1);
        nonce.into()
    }
}

/// Encrypts what is written to it. The file is none until `end`.
pub struct Sealing<W> {
    to: W,
    pieces: Pieces,
    held: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealing<W> {
    pub fn begin(mut to: W, recipients: &[Recipient], entropy: &dyn Entropy) -> io::Result<Self> {
        let (key, salt) = (FileKey::draw(entropy), bytes::<SALT>(entropy));
        to.write_all(header::written(&key, recipients, entropy).map_err(io::Error::other)?.as_bytes())?;
        to.write_all(&salt)?;
        Ok(Self { to, pieces: Pieces::of(&key, &salt), held: Zeroizing::new(Vec::with_capacity(PIECE)) })
    }

    /// Writes the last piece, without which nobody opens the file.
    pub fn end(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.pieces.nonce(last);
        let sealed = self.pieces.cipher.encrypt(&nonce, self.held.as_slice());
        self.to.write_all(&sealed.map_err(|_| io::Error::other(AgeFault::Altered))?)?;
        self.held.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // A full piece waits: it may be the last.
        if self.held.len() == PIECE && !text.is_empty() {
            self.seal(false)?;
        }
        let some = text.get(..PIECE.saturating_sub(self.held.len()).min(text.len())).unwrap_or_default();
        self.held.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Gives the text of an encrypted file. What was altered or cut off is an error, before anything of that piece is given.
pub struct Opening<R> {
    from: R,
    pieces: Pieces,
    text: Zeroizing<Vec<u8>>,
    given: usize,
    ended: bool,
}

impl<R: BufRead> Opening<R> {
    pub fn begin(mut from: R, identities: &[Identity]) -> Result<Self, AgeFault> {
        let key = header::read(&mut from, identities)?;
        let mut salt = [0; SALT];
        from.read_exact(&mut salt).map_err(|_| AgeFault::Altered)?;
        let text = Zeroizing::new(Vec::new());
        Ok(Self { from, pieces: Pieces::of(&key, &salt), text, given: 0, ended: false })
    }

    fn open(&mut self) -> io::Result<()> {
        let altered = || io::Error::new(io::ErrorKind::InvalidData, AgeFault::Altered);
        let first = self.pieces.number == 0;
        let mut sealed = Vec::with_capacity(PIECE.saturating_add(TAG));
        let most = u64::try_from(PIECE.saturating_add(TAG)).unwrap_or(u64::MAX);
        self.from.by_ref().take(most).read_to_end(&mut sealed)?;
        self.ended = self.from.fill_buf()?.is_empty();
        let nonce = self.pieces.nonce(self.ended);
        let text = self.pieces.cipher.decrypt(&nonce, sealed.as_slice()).map_err(|_| altered())?;
        // Only a file without any text has an empty piece.
        if text.is_empty() && !(first && self.ended) {
            return Err(altered());
        }
        (self.text, self.given) = (Zeroizing::new(text), 0);
        Ok(())
    }
}

impl<R: BufRead> Read for Opening<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.open()?;
        }
        let rest = self.text.get(self.given..).unwrap_or_default();
        let some = rest.get(..to.len().min(rest.len())).unwrap_or_default();
        if let Some(place) = to.get_mut(..some.len()) {
            place.copy_from_slice(some);
        }
        self.given = self.given.saturating_add(some.len());
        Ok(some.len())
    }
}
