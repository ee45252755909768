//! `page`, `pageSize` and `nextPage` of hub lists, over however the vendor pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::json::{Scanner, pointer, separate, text_of};
use super::shape::{Shape, Workspace};
use crate::catalog::resource::{Paging, PagingStyle};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::MAX_PAGE_SIZE;

/// Pages of the vendor that one call reads at most.
const MOST_VENDOR_PAGES: usize = 10;

/// How far a list has been read at the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    Start,
    Cursor(String),
    Offset(usize),
}

/// The part of a list that a caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub from: Position,
    /// Objects from there on that are passed over.
    pub skip: usize,
    pub size: usize,
}

/// What a token belongs to: a list of one instance under one condition.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Wanted {
    /// Reads the three parameters as sent; empty ones count as not given. A token wins over `page`.
    pub fn read(
        page: Option<&str>,
        size: Option<&str>,
        token: Option<&str>,
        fingerprint: &str,
    ) -> Result<Self, ApiError> {
        let most = usize::try_from(MAX_PAGE_SIZE).unwrap_or(usize::MAX);
        let size = match size {
            None => most,
            Some(text) => text.parse().ok().filter(|size| (1..=most).contains(size)).ok_or_else(|| {
                ApiError::new(Code::BadPageSize, format!("pageSize must be a whole number from 1 to {most}."))
            })?,
        };
        if let Some(token) = token {
            return Ok(Self { from: read_token(token, fingerprint)?, skip: 0, size });
        }
        let page = match page {
            None => 1,
            Some(text) => text.parse::<usize>().ok().filter(|page| *page > 0).ok_or_else(|| {
                ApiError::new(Code::BadParameter, "page must be a whole number from 1: the first page is 1.")
            })?,
        };
        let skip = (page - 1).checked_mul(size).ok_or_else(too_far)?;
        Ok(Self { from: Position::Start, skip, size })
    }
}

/// A list being read.
pub struct Walk<'a> {
    paging: Option<&'a Paging>,
    root: &'a str,
    fingerprint: String,
    position: Position,
    skip: usize,
    missing: usize,
    asked: usize,
    pages: usize,
    listed: Listed,
}

/// A page of a hub list.
#[derive(Debug, Default)]
pub struct Listed {
    pub text: String,
    pub returned: usize,
    pub total: Option<String>,
    pub next: Option<String>,
}

impl<'a> Walk<'a> {
    pub fn new(
        wanted: Wanted,
        paging: Option<&'a Paging>,
        root: &'a str,
        fingerprint: String,
    ) -> Result<Self, ApiError> {
        let mut skip = wanted.skip;
        let mut position = wanted.from;
        match paging {
            Some(paging) => {
                // Skipping costs nothing where the vendor counts.
                if let (PagingStyle::Offset { .. }, Position::Start) = (&paging.style, &position) {
                    position = Position::Offset(std::mem::take(&mut skip));
                }
                if skip.saturating_add(wanted.size).div_ceil(paging.largest.max(1)) > MOST_VENDOR_PAGES {
                    return Err(too_far());
                }
            }
            // Everything comes at once: what a token says was read is passed over.
            None => {
                if let Position::Offset(read) = position {
                    skip = read;
                }
                position = Position::Offset(0);
            }
        }
        let listed = Listed { text: "[".to_owned(), ..Listed::default() };
        Ok(Self { paging, root, fingerprint, position, skip, missing: wanted.size, asked: 0, pages: 0, listed })
    }

    /// Where the vendor has to begin, and how many objects it is asked for.
    pub fn ask(&mut self) -> (&Position, usize) {
        let Some(paging) = self.paging else { return (&self.position, 0) };
        // Where the vendor does not say whether there is more, one more object tells.
        let beyond = usize::from(matches!(paging.style, PagingStyle::Offset { more: None, .. }));
        self.asked = self.skip.saturating_add(self.missing).saturating_add(beyond).min(paging.largest);
        (&self.position, self.asked)
    }

    /// Takes a page of the vendor's. None: it is not what was expected. True: another page has to be asked for.
    pub fn take(&mut self, body: &str, shape: &Shape<'_>) -> Option<bool> {
        let mut space = Workspace::default();
        let mut count = 0;
        let mut beyond = false;
        if self.missing > 0 {
            self.listed.text.reserve(shape.room(body));
        }
        let rest = around(body, self.root, |scanner| {
            count += 1;
            if count <= self.skip || self.missing == 0 {
                beyond |= count > self.skip;
                return scanner.value().map(drop);
            }
            let mut first = self.listed.returned == 0;
            separate(&mut self.listed.text, &mut first);
            self.listed.returned += 1;
            self.missing -= 1;
            shape.write(scanner, &mut space, &mut self.listed.text)
        })?;
        self.pages += 1;
        let taken = count.min(self.skip);
        self.skip -= taken;
        let Some(paging) = self.paging else {
            self.listed.total = Some(count.to_string());
            if beyond {
                self.next(Position::Offset(taken.saturating_add(self.listed.returned)));
            }
            return Some(false);
        };
        if let Some(total) = paging.total.as_deref().and_then(|to| rest.at(to)) {
            self.listed.total = text_of(total).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        }
        let next = self.successor(paging, &rest, count, beyond);
        Some(self.go_on(next))
    }

    fn successor(&self, paging: &Paging, rest: &Around<'_>, count: usize, beyond: bool) -> Option<Position> {
        match &paging.style {
            PagingStyle::Cursor { next, .. } => {
                let cursor = text_of(rest.at(next)?).filter(|text| !text.is_empty())?;
                // A vendor that repeats itself would be asked forever.
                (self.position != Position::Cursor(cursor.clone())).then_some(Position::Cursor(cursor))
            }
            PagingStyle::Offset { more, .. } => {
                let Position::Offset(from) = self.position else { return None };
                let there_is = match more {
                    Some(more) => rest.at(more) == Some("true"),
                    None => beyond || count >= self.asked,
                };
                let passed = if beyond { count.saturating_sub(1) } else { count };
                (there_is && passed > 0).then(|| Position::Offset(from.saturating_add(passed)))
            }
        }
    }

    fn go_on(&mut self, next: Option<Position>) -> bool {
        let Some(next) = next else { return false };
        self.position = next.clone();
        if self.missing > 0 && self.pages < MOST_VENDOR_PAGES {
            return true;
        }
        self.next(next);
        false
    }

    fn next(&mut self, position: Position) {
        self.listed.next = Some(write_token(&position, &self.fingerprint));
    }

    /// The page, once nothing more has to be asked for.
    pub fn finish(mut self) -> Result<Listed, ApiError> {
        // Pages that are shorter than asked for: what was wanted lies further on than a call goes.
        if self.skip > 0 && self.listed.next.is_some() {
            return Err(too_far());
        }
        self.listed.text.push(']');
        Ok(self.listed)
    }
}

/// What stands around the list in one of the vendor's pages.
struct Around<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Around<'t> {
    fn at(&self, to: &str) -> Option<&'t str> {
        let path = to.strip_prefix('/')?;
        let (name, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        pointer(value, rest)
    }
}

/// Walks the list at the root, once; `each` must pass one object.
fn around<'t>(body: &'t str, root: &str, mut each: impl FnMut(&mut Scanner<'t>) -> Option<()>) -> Option<Around<'t>> {
    let mut rest = Vec::new();
    let mut scanner = Scanner::new(body);
    match root.strip_prefix('/') {
        None => scanner.array(each)?,
        Some(name) => {
            let mut found = false;
            scanner.object(|inner, member| {
                if member != name {
                    rest.push((member, inner.value()?));
                    return Some(());
                }
                found = true;
                inner.array(&mut each)
            })?;
            found.then_some(())?;
        }
    }
    scanner.is_at_end().then_some(Around(rest))
}

fn too_far() -> ApiError {
    let message = format!(
        "This page lies further on than {MOST_VENDOR_PAGES} pages of the vendor: send the Elements-Next-Page-Token of the \
         page before as nextPage."
    );
    ApiError::new(Code::PageTooFar, message)
}

fn write_token(position: &Position, fingerprint: &str) -> String {
    let text = match position {
        Position::Start => String::new(),
        Position::Cursor(cursor) => format!("{fingerprint}c{cursor}"),
        Position::Offset(offset) => format!("{fingerprint}o{offset}"),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn read_token(token: &str, fingerprint: &str) -> Result<Position, ApiError> {
    let foreign = || {
        let message = "nextPage must be the Elements-Next-Page-Token of the page before, unchanged, with the same path, where \
                       and orderBy.";
        ApiError::new(Code::BadNextPage, message)
    };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
    let text = String::from_utf8(bytes).map_err(|_| foreign())?;
    let rest = text.strip_prefix(fingerprint).ok_or_else(foreign)?;
    if let Some(cursor) = rest.strip_prefix('c') {
        return Ok(Position::Cursor(cursor.to_owned()));
    }
    rest.strip_prefix('o').and_then(|text| text.parse().ok()).map(Position::Offset).ok_or_else(foreign)
}
