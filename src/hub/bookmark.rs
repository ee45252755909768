//! How far a list was read, and the token that tells it: what a caller sends back as `nextPage`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::json::{pointer, text_of};
use crate::catalog::paging::{Paging, PagingStyle};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::protocol::path::can_climb;

/// Bytes of what a vendor says of its next page at most.
pub const LONGEST_POSITION: usize = 8 << 10;
/// Characters of a token that are looked at.
const LONGEST_TOKEN: usize = 16 << 10;
/// Objects that are remembered, the last ones that were given out.
const REMEMBERED: usize = 64;
/// Bytes of the digest by which one is known again.
const DIGEST: usize = 8;

/// What a token belongs to: a list of one instance under one condition.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Where one of the vendor's pages begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    #[serde(rename = "s")]
    Start,
    #[serde(rename = "c")]
    Cursor(String),
    #[serde(rename = "o")]
    Offset(usize),
    /// `size`: what every page was asked to have, because the number counts pages of it.
    #[serde(rename = "n")]
    Page { number: usize, size: usize },
    /// Behind the element's base URL: path and query.
    #[serde(rename = "a")]
    Address(String),
    /// Behind the object with this id.
    #[serde(rename = "b")]
    Behind(String),
}

/// A place in a list: a page of the vendor's, and what of it was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    pub at: Position,
    /// How many of the page's objects are done.
    pub passed: usize,
    /// Which objects were given out last, in their order, by a digest of their ids. Objects come and go between two calls: they tell
    /// better than a number what is done.
    pub seen: Vec<u64>,
    /// Objects of the list that are done, where the vendor gives out no more than so many.
    pub told: usize,
}

/// A bookmark as it is written; what was there before bookmarks had more than a position is not.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    p: Position,
    #[serde(default, skip_serializing_if = "is_zero")]
    d: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    s: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    t: usize,
}

impl Bookmark {
    pub fn at(position: Position) -> Self {
        Self { at: position, passed: 0, seen: Vec::new(), told: 0 }
    }

    /// Opaque to callers. A mere cursor is written as the version before this one wrote it.
    pub fn write(&self, fingerprint: &str) -> String {
        if let (Position::Cursor(cursor), 0, [], 0) = (&self.at, self.passed, self.seen.as_slice(), self.told) {
            return URL_SAFE_NO_PAD.encode(format!("{fingerprint}c{cursor}"));
        }
        let seen: Vec<u8> = self.seen.iter().flat_map(|digest| digest.to_be_bytes()).collect();
        let written = Written { p: self.at.clone(), d: self.passed, s: URL_SAFE_NO_PAD.encode(seen), t: self.told };
        // Texts and numbers always make JSON.
        let json = serde_json::to_string(&written).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{fingerprint}n{json}"))
    }

    pub fn read(token: &str, fingerprint: &str) -> Result<Self, ApiError> {
        let fits = token.len() <= LONGEST_TOKEN;
        let bytes = if fits { URL_SAFE_NO_PAD.decode(token).ok() } else { None };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let read = text.as_deref().and_then(|text| Self::read_text(text.strip_prefix(fingerprint)?));
        read.ok_or_else(|| {
            let message = "nextPage must be the Elements-Next-Page-Token of the page before, unchanged, with the same path, where \
                           and orderBy.";
            ApiError::new(Code::BadNextPage, message)
        })
    }

    fn read_text(text: &str) -> Option<Self> {
        if let Some(cursor) = text.strip_prefix('c') {
            return Some(Self::at(Position::Cursor(cursor.to_owned())));
        }
        if let Some(offset) = text.strip_prefix('o') {
            return offset.parse().ok().map(|offset| Self::at(Position::Offset(offset)));
        }
        let Written { p, d, s, t } = serde_json::from_str(text.strip_prefix('n')?).ok()?;
        let digests = URL_SAFE_NO_PAD.decode(s).ok()?;
        let seen: Vec<u64> =
            digests.chunks(DIGEST).filter_map(|it| it.try_into().ok()).map(u64::from_be_bytes).collect();
        let whole = seen.len().checked_mul(DIGEST)? == digests.len() && seen.len() <= REMEMBERED;
        let stays = match &p {
            Position::Address(address) => address.starts_with(['/', '?']) && !can_climb(path_of(address)),
            _ => true,
        };
        (whole && stays).then_some(Self { at: p, passed: d, seen, told: t })
    }

    /// The same for a list that is read so. A file may have changed since the token was made.
    pub fn fitting(mut self, paging: Option<&Paging>) -> Result<Self, ApiError> {
        let fits = match (paging.map(|paging| (&paging.style, paging)), &self.at) {
            (None, Position::Start) | (Some(_), Position::Start) => true,
            // What the version before this one wrote of a list that comes at once.
            (None, Position::Offset(done)) => {
                self.passed = *done;
                self.at = Position::Start;
                true
            }
            (Some((PagingStyle::Cursor { .. }, _)), Position::Cursor(_))
            | (Some((PagingStyle::Offset { .. }, _)), Position::Offset(_))
            | (Some((PagingStyle::Address { .. }, _)), Position::Address(_))
            | (Some((PagingStyle::LastId { .. }, _)), Position::Behind(_)) => true,
            (Some((PagingStyle::Page { first, .. }, paging)), Position::Page { number, size }) => {
                number >= first && (paging.smallest..=paging.largest).contains(size)
            }
            _ => false,
        };
        if fits {
            return Ok(self);
        }
        let message = "nextPage is of a time when this list was read in another way: begin it anew, without nextPage.";
        Err(ApiError::new(Code::BadNextPage, message))
    }

    /// Remembers objects that were given out; only the last ones are kept. `id`: where they have theirs.
    pub fn remember(&mut self, given: &[&str], id: &str) {
        let last = given.len().saturating_sub(REMEMBERED);
        self.seen.extend(given.iter().skip(last).map(|object| digest(object, id)));
        let over = self.seen.len().saturating_sub(REMEMBERED);
        self.seen.drain(..over);
    }

    /// How many of a page's objects are done, and whether the one that was given out last is among them. None: not one of those that
    /// were given out is on it.
    pub fn done_on(&self, objects: &[&str], id: &str) -> Option<(usize, bool)> {
        let latest = self.seen.last()?;
        let is_latest = |object: &&str| digest(object, id) == *latest;
        // Nothing has changed, as nearly always.
        if self.passed > 0 && objects.get(self.passed.saturating_sub(1)).is_some_and(is_latest) {
            return Some((self.passed, true));
        }
        let known = objects.iter().rposition(|object| self.seen.contains(&digest(object, id)))?;
        Some((known.checked_add(1)?, objects.get(known).is_some_and(is_latest)))
    }

    /// Whether a page is the one before once more.
    pub fn is_repeated_by(&self, objects: &[&str], id: &str) -> bool {
        let mut ends = objects.iter().rev().zip(self.seen.iter().rev());
        !objects.is_empty() && !self.seen.is_empty() && ends.all(|(object, seen)| digest(object, id) == *seen)
    }
}

/// The path of an address without its query.
fn path_of(address: &str) -> &str {
    address.split_once('?').map_or(address, |(path, _)| path)
}

/// By which an object is known again: its id, or all of it where it has none.
fn digest(object: &str, id: &str) -> u64 {
    let named = pointer(object, id).and_then(text_of);
    let hash = Sha256::digest(named.as_deref().unwrap_or(object).as_bytes());
    hash.iter().take(DIGEST).fold(0, |digest, byte| (digest << 8) | u64::from(*byte))
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}
