//! `page`, `pageSize` and `nextPage` of hub lists, and what is made of them.

use http::HeaderMap;

use super::bookmark::{Bookmark, Position};
use super::page::Places;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::MAX_PAGE_SIZE;

/// Pages of the vendor that one call reads at most.
pub const MOST_VENDOR_PAGES: usize = 10;

/// The part of a list that a caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub from: Bookmark,
    /// Objects from there on that are passed over.
    pub skip: usize,
    pub size: usize,
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
            return Ok(Self { from: Bookmark::read(token, fingerprint)?, skip: 0, size });
        }
        let page = match page {
            None => 1,
            Some(text) => text.parse::<usize>().ok().filter(|page| *page > 0).ok_or_else(|| {
                ApiError::new(Code::BadParameter, "page must be a whole number from 1: the first page is 1.")
            })?,
        };
        let skip = (page - 1).checked_mul(size).ok_or_else(too_far)?;
        Ok(Self { from: Bookmark::at(Position::Start), skip, size })
    }
}

/// One of the vendor's replies.
pub struct Reply<'t> {
    pub body: &'t str,
    pub headers: &'t HeaderMap,
    pub places: Places<'t>,
}

/// A page of a hub list.
#[derive(Debug, Default)]
pub struct Listed {
    pub text: String,
    pub returned: usize,
    pub total: Option<String>,
    pub next: Option<String>,
}

pub fn too_far() -> ApiError {
    let message = format!(
        "This page lies further on than {MOST_VENDOR_PAGES} pages of the vendor: send the Elements-Next-Page-Token of the \
         page before as nextPage."
    );
    ApiError::new(Code::PageTooFar, message)
}

pub fn too_deep(deepest: usize) -> ApiError {
    let message = format!(
        "The vendor gives out the first {deepest} objects of a list and no more: narrow where, for instance to what lies behind \
         the last object that you have."
    );
    ApiError::new(Code::PageTooFar, message)
}
