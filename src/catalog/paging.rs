//! How a long list is read in pages. All ways have one reader (`hub/paging.rs`).

use serde::{Deserialize, Serialize};

use super::resource::Slot;

/// Without it the vendor sends everything at once.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Paging {
    /// Takes the number of objects wanted. Absent: the vendor's pages have the size that they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Slot>,
    /// How many objects a page of the vendor's has at most …
    pub largest: usize,
    /// … and how many have to be asked for at least.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub smallest: usize,
    pub style: PagingStyle,
    /// Says that another page follows. A text or a number is one, but for `false`, `no`, `0` and nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Told>,
    /// Says that this page is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Told>,
    /// How many there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Told>,
    /// How many objects of one list the vendor gives out at most, page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deepest: Option<usize>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum PagingStyle {
    /// The reply names its successor at `next`, which goes to `to`.
    Cursor { next: Told, to: Slot },
    /// The number of objects to skip goes to `to`. `more` as in [`Paging`], where it stood first.
    Offset {
        to: Slot,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<Told>,
    },
    /// The number of the page goes to `to`; the first one is `first`. `pages`: how many there are.
    Page {
        to: Slot,
        #[serde(default = "one")]
        first: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<Told>,
    },
    /// The reply has the address of the next page, whole or relative; of the header `Link` the one with `rel="next"` (RFC 8288).
    Address { next: Told },
    /// What the last object of a page has at `at` goes to `to`. Absent: its id.
    LastId {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        to: Slot,
    },
}

/// Where a reply says something: a JSON pointer into its body, or a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a JSON pointer, or { header = \"…\" }")]
pub enum Told {
    Body(String),
    Header(InHeader),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InHeader {
    pub header: String,
}

impl Paging {
    pub fn more(&self) -> Option<&Told> {
        match &self.style {
            PagingStyle::Offset { more: Some(more), .. } => Some(more),
            _ => self.more.as_ref(),
        }
    }

    /// Where the position goes that a page begins at; an address has its own.
    pub fn to(&self) -> Option<&Slot> {
        match &self.style {
            PagingStyle::Cursor { to, .. }
            | PagingStyle::Offset { to, .. }
            | PagingStyle::Page { to, .. }
            | PagingStyle::LastId { to, .. } => Some(to),
            PagingStyle::Address { .. } => None,
        }
    }

    /// Everything that is read around the list, by the member that says where.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &Told)> {
        let of_style = match &self.style {
            PagingStyle::Cursor { next, .. } | PagingStyle::Address { next } => Some(next),
            PagingStyle::Page { pages, .. } => pages.as_ref(),
            PagingStyle::Offset { more, .. } => more.as_ref(),
            PagingStyle::LastId { .. } => None,
        };
        let all = [
            ("style", of_style),
            ("more", self.more.as_ref()),
            ("last", self.last.as_ref()),
            ("total", self.total.as_ref()),
        ];
        all.into_iter().filter_map(|(member, told)| Some((member, told?)))
    }
}

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}
