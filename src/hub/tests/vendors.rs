//! Vendors of every way of paging, with pages that are not what was asked for, whose objects come and go between two calls.

use std::collections::BTreeSet;

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::super::bookmark::{Bookmark, Position};
use super::super::page::{Places, Unusable};
use super::super::paging::{Listed, Reply};
use super::super::shape::Shape;
use super::super::walk::Walk;
use super::{element, plan, request};
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::protocol::VendorRequest;

/// Takes a page without headers.
pub fn taken(walk: &mut Walk<'_>, body: &str, shape: &Shape<'_>) -> Result<bool, Unusable> {
    let url = Url::parse("https://acme.my.salesforce.com/").unwrap();
    let places = Places { asked: &url, base: &url, secrets: &[], parameter: None };
    walk.take(&Reply { body, headers: &HeaderMap::new(), places }, shape)
}

/// How vendors page. Each is seen at the vendors that its file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// HubSpot, "CRM API: paging.next.after".
    Cursor,
    /// Slack's `response_metadata.next_cursor` with `has_more`, which stays when there is nothing more.
    FlaggedCursor,
    /// Square's and Confluent's in a header; Docker Hub's lists.
    CursorInHeader,
    /// Close, "Pagination: _skip, _limit, has_more".
    Offset,
    /// Pipedrive v1: `start`, and nothing that says whether there is more.
    BareOffset,
    /// Zendesk Sell and Freshdesk: `page`, `per_page`.
    Page,
    /// WordPress REST API handbook, "Pagination": `X-WP-TotalPages`.
    CountedPages,
    /// GitHub REST API, "Using pagination": `Link`.
    Link,
    /// Microsoft Graph, "Paging": `@odata.nextLink`.
    Address,
    /// Stripe API reference, "Pagination": `starting_after`, `has_more`.
    LastId,
    /// Everything at once.
    None,
}

const WAYS: [Way; 11] = [
    Way::Cursor,
    Way::FlaggedCursor,
    Way::CursorInHeader,
    Way::Offset,
    Way::BareOffset,
    Way::Page,
    Way::CountedPages,
    Way::Link,
    Way::Address,
    Way::LastId,
    Way::None,
];

impl Way {
    pub fn paging(self, sized: bool, largest: usize, smallest: usize) -> Value {
        let query = |name: &str| json!({ "in": "query", "name": name });
        let mut paging = match self {
            Self::Cursor => json!({ "style": { "cursor": { "next": "/paging/next", "to": query("at") } } }),
            Self::FlaggedCursor => {
                json!({ "style": { "cursor": { "next": "/paging/next", "to": query("at") } }, "more": "/has_more" })
            }
            Self::CursorInHeader => {
                json!({ "style": { "cursor": { "next": { "header": "X-Next" }, "to": query("at") } } })
            }
            Self::Offset => json!({ "style": { "offset": { "to": query("skip") } }, "more": "/has_more" }),
            Self::BareOffset => json!({ "style": { "offset": { "to": query("skip") } } }),
            Self::Page => json!({ "style": { "page": { "to": query("page"), "first": 0 } } }),
            Self::CountedPages => {
                json!({ "style": { "page": { "to": query("page"), "pages": { "header": "X-Pages" } } } })
            }
            Self::Link => json!({ "style": { "address": { "next": { "header": "Link" } } } }),
            Self::Address => json!({ "style": { "address": { "next": "/next" } } }),
            Self::LastId => json!({ "style": { "lastId": { "to": query("after") } }, "more": "/has_more" }),
            Self::None => return Value::Null,
        };
        paging["largest"] = json!(largest);
        if sized {
            paging["size"] = query("limit");
            paging["smallest"] = json!(smallest);
        }
        paging
    }

    fn counts(self) -> bool {
        matches!(self, Self::Offset | Self::BareOffset | Self::Page | Self::CountedPages)
    }
}

#[derive(Debug, Clone)]
pub struct Vendor {
    pub way: Way,
    /// In the order of the list.
    pub keys: BTreeSet<u32>,
    /// What a page has, whatever is asked for.
    pub least: usize,
    pub most: usize,
    /// Every so many pages an empty one comes first, where the vendor names the next one.
    pub empty: usize,
    pub asked: usize,
}

impl Vendor {
    fn answer(&mut self, request: &VendorRequest) -> (Value, HeaderMap) {
        self.asked += 1;
        let given = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        let number = |name: &str| given(name).map(|text| text.parse::<usize>().unwrap());
        let all = self.way == Way::None;
        let size = number("limit").unwrap_or(self.most).max(self.least).min(self.most);
        let size = if all { usize::MAX } else { size };
        let from = given("at").or(given("after"));
        let was_empty = from.as_ref().is_some_and(|from| from.ends_with('e'));
        let behind: Option<u32> = from
            .as_deref()
            .map(|from| from.trim_end_matches('e'))
            .filter(|key| *key != "-1")
            .map(|key| key.parse().unwrap());
        let names_next =
            matches!(self.way, Way::Cursor | Way::FlaggedCursor | Way::CursorInHeader | Way::Link | Way::Address);
        let is_empty = names_next && !was_empty && self.empty > 0 && self.asked.is_multiple_of(self.empty);
        let first = number("skip").or(number("page").map(|page| {
            let first = if self.way == Way::Page { 0 } else { 1 };
            (page - first) * size
        }));
        let rest: Vec<u32> = match first {
            Some(first) => self.keys.iter().copied().skip(first).collect(),
            None => self.keys.iter().copied().filter(|key| behind.is_none_or(|behind| *key > behind)).collect(),
        };
        let page: Vec<u32> = if is_empty { Vec::new() } else { rest.iter().copied().take(size).collect() };
        let more = rest.len() > page.len();
        let last = page.last().map(|key| key.to_string());
        let mut next = last.or(behind.map(|key| key.to_string())).unwrap_or("-1".to_owned());
        if is_empty {
            next.push('e');
        }
        let items: Vec<Value> = page.iter().map(|key| json!({ "data": { "id": key, "n": key } })).collect();
        let mut body = json!({ "result": { "items": items } });
        let mut headers = HeaderMap::new();
        if self.way == Way::CountedPages {
            headers.insert("x-pages", self.keys.len().div_ceil(size.max(1)).to_string().parse().unwrap());
        }
        if matches!(self.way, Way::Offset | Way::LastId | Way::FlaggedCursor) {
            body["has_more"] = json!(more);
        }
        // The credential is repeated, as Meta's Graph API does in `paging.next`.
        let address = format!("https://api.close.com/api/v1/lead/?at={next}&access_token=SECRET&limit={size}");
        match self.way {
            Way::FlaggedCursor => body["paging"] = json!({ "next": next }),
            Way::Cursor if more => body["paging"] = json!({ "next": next }),
            Way::Cursor => body["paging"] = json!({ "next": "" }),
            Way::CursorInHeader if more => drop(headers.insert("x-next", next.parse().unwrap())),
            Way::Link if more => {
                let link = format!("<https://api.close.com/>; rel=\"first\", <{address}>; rel=\"next\"");
                headers.insert("link", link.parse().unwrap());
            }
            Way::Address if more => body["next"] = json!(address),
            _ => {}
        }
        (body, headers)
    }
}

pub fn with_paging(paging: &Value) -> Element {
    let mut element = Element::clone(&element("closeio"));
    let list = &mut element.collections.get_mut("objects").unwrap().operations[0];
    list.paging = serde_json::from_value(paging.clone()).unwrap();
    list.root = "/result/items".to_owned();
    list.item = Some("/data".to_owned());
    element
}

pub fn list(element: &Element, query: &[(&str, &str)], vendor: &mut Vendor) -> Result<Listed, ApiError> {
    let plan = plan(element, "GET leads", query, None)?;
    let wanted = plan.wanted.clone().unwrap();
    let mut walk = Walk::new(wanted, plan.route.operation, &plan.route.collection.id, plan.fingerprint.clone())?;
    let base = Url::parse("https://api.close.com").unwrap();
    loop {
        let (from, size) = walk.ask();
        let sent = request(&plan, from, size);
        assert!(!sent.url.as_str().contains("SECRET"), "{}", sent.url);
        let (body, headers) = vendor.answer(&sent);
        let secrets = [crate::kernel::secret::Secret::new("SECRET")];
        let places = Places { asked: &sent.url, base: &base, secrets: &secrets, parameter: None };
        let reply = Reply { body: &body.to_string(), headers: &headers, places };
        if !walk.take(&reply, &plan.shape(false, &|_| None)).expect("a list") {
            return walk.finish();
        }
    }
}

fn ids(listed: &Listed) -> Vec<u32> {
    let objects: Vec<Value> = serde_json::from_str(&listed.text).unwrap();
    assert_eq!(objects.len(), listed.returned);
    // The id is text everywhere, the vendor's own members keep their type.
    objects
        .iter()
        .map(|object| (object["id"].as_str().unwrap().parse().unwrap(), &object["n"]))
        .map(|(id, n): (u32, _)| {
            assert_eq!(*n, json!(id));
            id
        })
        .collect()
}

#[derive(Debug, Clone)]
struct Change {
    made: Vec<u32>,
    deleted: Vec<prop::sample::Index>,
}

fn changes() -> impl Strategy<Value = Change> {
    let made = prop::collection::vec(0u32..10_000, 0..3);
    let deleted = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (made, deleted).prop_map(|(made, deleted)| Change { made, deleted })
}

fn vendors() -> impl Strategy<Value = Vendor> {
    let keys = prop::collection::btree_set(0u32..10_000, 0..120);
    (0..WAYS.len(), keys, 1usize..30, 0usize..30, 0usize..4).prop_map(|(way, keys, least, further, empty)| Vendor {
        way: WAYS[way],
        keys,
        least,
        most: least + further,
        empty: if empty == 1 { 2 } else { empty },
        asked: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    /// Whatever a vendor's pages are: what was there all the time comes once, and nothing comes twice.
    #[test]
    fn a_walk_loses_nothing(
        vendor in vendors(),
        sizes in prop::collection::vec(1usize..60, 1..8),
        moving in prop::collection::vec(changes(), 0..6),
        known in any::<bool>(),
        sized in any::<bool>(),
    ) {
        let mut vendor = vendor;
        // What the file says of the vendor's pages may be right or not.
        let (largest, smallest) = if known { (vendor.most, vendor.least) } else { (100, 1) };
        let sized = sized || (vendor.way.counts() && !known);
        let element = with_paging(&vendor.way.paging(sized, largest, smallest));
        let mut throughout = vendor.keys.clone();
        let mut found: Vec<u32> = Vec::new();
        let mut token: Option<String> = None;
        let mut moving = moving.into_iter();
        for call in 0.. {
            prop_assert!(call < 400, "no end: {} of {}", found.len(), vendor.keys.len());
            let size = sizes[call % sizes.len()].to_string();
            let mut query = vec![("pageSize", size.as_str())];
            query.extend(token.as_deref().map(|token| ("nextPage", token)));
            let listed = list(&element, &query, &mut vendor).unwrap();
            prop_assert!(listed.returned <= sizes[call % sizes.len()]);
            found.extend(ids(&listed));
            let Some(next) = listed.next else { break };
            prop_assert!(next.len() < 2_000, "{}", next.len());
            token = Some(next);
            let change = moving.next().unwrap_or(Change { made: Vec::new(), deleted: Vec::new() });
            for index in &change.deleted {
                let keys: Vec<u32> = vendor.keys.iter().copied().collect();
                let Some(gone) = (!keys.is_empty()).then(|| *index.get(&keys)) else { continue };
                vendor.keys.remove(&gone);
                throughout.remove(&gone);
            }
            vendor.keys.extend(change.made.iter().filter(|made| !found.contains(made)));
        }
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let count = sorted.len();
        sorted.dedup();
        prop_assert_eq!(count, sorted.len(), "twice: {:?}", found);
        let lost: Vec<&u32> = throughout.iter().filter(|key| !found.contains(key)).collect();
        prop_assert!(lost.is_empty(), "lost: {:?} of {:?}", lost, found);
    }

    /// Whatever a vendor answers: a page, or a complaint.
    #[test]
    fn no_answer_panics(
        way in 0..WAYS.len(),
        text in any::<String>(),
        items in "(\\[|\\]|\\{|\\}|,|:|null|1|\"data\"|\"id\"|\"a\"|\"next\"|\"has_more\"){0,30}",
        token in any::<String>(),
    ) {
        let element = with_paging(&WAYS[way].paging(true, 10, 1));
        for body in [&text, &items, &format!("{{\"result\":{{\"items\":{items}}},\"next\":{text:?}}}")] {
            let plan = plan(&element, "GET leads", &[("pageSize", "3")], None).unwrap();
            let mut walk =
                Walk::new(plan.wanted.clone().unwrap(), plan.route.operation, "/id", plan.fingerprint.clone()).unwrap();
            walk.ask();
            let _ = taken(&mut walk, body, &plan.shape(false, &|_| None));
        }
        prop_assert!(Bookmark::read(&token, "").is_err() || !token.is_empty());
    }

    /// A token says what was written, and nothing else is one.
    #[test]
    fn a_bookmark_is_read_as_it_was_written(
        number in any::<usize>(), size in any::<usize>(), passed in any::<usize>(), text in any::<String>(),
        seen in prop::collection::vec(any::<u64>(), 0..64), which in 0..6,
    ) {
        let at = match which {
            0 => Position::Start,
            1 => Position::Cursor(text),
            2 => Position::Offset(number),
            3 => Position::Page { number, size },
            4 => Position::Address(format!("/a?{text}")),
            _ => Position::Behind(text),
        };
        let bookmark = Bookmark { at, passed, seen, told: size };
        let token = bookmark.write("f");
        prop_assert_eq!(Bookmark::read(&token, "f").ok(), Some(bookmark));
        prop_assert!(Bookmark::read(&token, "g").is_err());
        prop_assert!(Bookmark::read(&token[1..], "f").is_err());
    }

    /// Any page of any vendor by its number.
    #[test]
    fn pages_by_number_follow_each_other(vendor in vendors(), page in 1usize..4, size in 1usize..40) {
        let mut vendor = vendor;
        let element = with_paging(&vendor.way.paging(true, vendor.most, vendor.least));
        let whole: Vec<u32> = vendor.keys.iter().copied().collect();
        let (page_text, size_text) = (page.to_string(), size.to_string());
        match list(&element, &[("page", &page_text), ("pageSize", &size_text)], &mut vendor) {
            Ok(listed) => {
                let at: Vec<u32> = whole.iter().copied().skip((page - 1) * size).take(size).collect();
                let found = ids(&listed);
                // Empty pages of the vendor's may use up what one call reads; the token goes on then.
                prop_assert!(at.starts_with(&found), "{:?} of {:?}", found, at);
                prop_assert!(found.len() == at.len() || listed.next.is_some());
            }
            Err(error) => prop_assert_eq!(error.code.name(), "page_too_far"),
        }
    }
}
