//! Pages of the hub over pages of the vendors.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::bookmark::Position;
use super::super::paging::Listed;
use super::super::walk::Walk;
use super::{element, plan, vendors};
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;

/// A vendor with this many objects, each its own number, and how often it was asked.
struct Vendor {
    objects: usize,
    asked: usize,
}

/// Lists as the service does.
fn list(element: &Element, call: &str, query: &[(&str, &str)], vendor: &mut Vendor) -> Result<Listed, ApiError> {
    let plan = plan(element, call, query, None)?;
    let operation = plan.route.operation;
    let wanted = plan.wanted.clone().unwrap();
    let mut walk = Walk::new(wanted, operation, &plan.route.collection.id, plan.fingerprint.clone())?;
    loop {
        let (from, size) = walk.ask();
        let start = match from {
            Position::Start => 0,
            Position::Cursor(cursor) => cursor.parse().unwrap(),
            Position::Offset(offset) => *offset,
            Position::Address(address) => address.rsplit_once('-').unwrap().1.parse().unwrap(),
            other => panic!("{other:?}"),
        };
        vendor.asked += 1;
        let size = if operation.paging.is_some() { size } else { usize::MAX };
        let end = vendor.objects.min(start.saturating_add(size));
        let objects: Vec<Value> =
            (start..end).map(|number| json!({ "id": number.to_string(), "Id": number })).collect();
        let root = operation.root.trim_start_matches('/');
        let mut reply = json!({ root: objects, "has_more": end < vendor.objects, "total_results": vendor.objects,
            "done": end >= vendor.objects });
        if end < vendor.objects {
            reply["paging"] = json!({ "next": { "after": end.to_string() } });
            reply["nextPageToken"] = json!(end.to_string());
            reply["nextRecordsUrl"] = json!(format!("/services/data/v61.0/query/01g-{end}"));
        }
        let more = vendors::taken(&mut walk, &reply.to_string(), &plan.shape(false, &|_| None));
        if !more.expect("a list") {
            return walk.finish();
        }
    }
}

fn ids(listed: &Listed) -> Vec<usize> {
    let objects: Vec<Value> = serde_json::from_str(&listed.text).unwrap();
    assert_eq!(objects.len(), listed.returned);
    objects.iter().map(|object| object["id"].as_str().unwrap().parse().unwrap()).collect()
}

const LISTS: [(&str, &str); 5] = [
    ("hubspotcrm", "GET contacts"),
    ("hubspotcrm", "GET pipelines"),
    ("closeio", "GET leads"),
    ("sfdc", "GET accounts"),
    ("jira", "GET incidents"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_follow_each_other(which in 0..LISTS.len(), objects in 0usize..350, size in 1usize..=200, page in 1usize..4) {
        let (key, call) = LISTS[which];
        let element = element(key);
        let vendor = &mut Vendor { objects, asked: 0 };
        let size_text = size.to_string();
        let whole: Vec<usize> = (0..objects).collect();
        let at = |page: usize, size: usize| whole.iter().copied().skip((page - 1) * size).take(size).collect::<Vec<_>>();
        // Any page by its number.
        let listed = list(&element, call, &[("page", &page.to_string()), ("pageSize", &size_text)], vendor).unwrap();
        prop_assert_eq!(ids(&listed), at(page, size));
        prop_assert_eq!(listed.next.is_some(), page * size < objects, "{} {} {}", objects, size, page);
        // The whole list, token by token, with `page` beside it as clients send it.
        let mut found = Vec::new();
        let mut token = String::new();
        for page in 1.. {
            let page = page.to_string();
            let query = [("nextPage", token.as_str()), ("page", page.as_str()), ("pageSize", size_text.as_str())];
            let query = if token.is_empty() { &query[2..] } else { &query[..] };
            let listed = list(&element, call, query, vendor).unwrap();
            found.extend(ids(&listed));
            match listed.next {
                Some(next) => token = next,
                None => break,
            }
        }
        prop_assert_eq!(found, whole);
    }
}

#[test]
fn page_one_of_twice_the_size_is_pages_one_and_two() {
    let element = element("hubspotcrm");
    let vendor = &mut Vendor { objects: 90, asked: 0 };
    let mut page = |page: &str, size: &str| {
        ids(&list(&element, "GET contacts", &[("page", page), ("pageSize", size)], vendor).unwrap())
    };
    assert_eq!([page("1", "30"), page("2", "30")].concat(), page("1", "60"));
    // Three pages of the vendor at most: the second one was asked for both at once.
    assert_eq!(vendor.asked, 3);
}

#[test]
fn ten_pages_of_the_vendor_are_enough() {
    let element = element("hubspotcrm");
    let vendor = &mut Vendor { objects: 5_000, asked: 0 };
    let listed = list(&element, "GET contacts", &[("page", "5"), ("pageSize", "200")], vendor).unwrap();
    assert_eq!((ids(&listed)[0], vendor.asked), (800, 10));
    let error = list(&element, "GET contacts", &[("page", "6"), ("pageSize", "200")], vendor).unwrap_err();
    assert_eq!((error.code.name(), vendor.asked), ("page_too_far", 10));
    assert!(error.message.contains("nextPage"), "{}", error.message);
    // Where the vendor counts, it skips.
    let closeio = super::element("closeio");
    let listed = list(&closeio, "GET leads", &[("page", "20"), ("pageSize", "100")], vendor).unwrap();
    assert_eq!((ids(&listed)[0], vendor.asked, listed.total.as_deref()), (1_900, 11, Some("5000")));
}

#[test]
fn a_token_belongs_to_its_list() {
    let element = element("hubspotcrm");
    let vendor = &mut Vendor { objects: 50, asked: 0 };
    let token = list(&element, "GET contacts", &[("pageSize", "10")], vendor).unwrap().next.unwrap();
    let mut with = |call: &str, token: &str, more: &[(&str, &str)]| {
        let query = [&[("nextPage", token), ("pageSize", "10")], more].concat();
        list(&element, call, &query, vendor).map(|listed| ids(&listed)[0]).map_err(|error| error.code.name())
    };
    assert_eq!(with("GET contacts", &token, &[]), Ok(10));
    assert_eq!(with("GET accounts", &token, &[]), Err("bad_next_page"));
    assert_eq!(with("GET contacts", &token, &[("where", "a = 1")]), Err("bad_next_page"));
    for foreign in ["x", "YWZ0ZXI6NQ", "%00", &format!("{token}x")[1..]] {
        assert_eq!(with("GET contacts", foreign, &[]), Err("bad_next_page"), "{foreign}");
    }
    for size in ["0", "201", "x", "-1"] {
        let error = list(&element, "GET contacts", &[("pageSize", size)], vendor).unwrap_err();
        assert_eq!(error.code.name(), "bad_page_size");
    }
    assert_eq!(list(&element, "GET contacts", &[("page", "0")], vendor).unwrap_err().code.name(), "bad_parameter");
}
