//! Where lists end, and which tokens and addresses are followed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use url::Url;

use super::super::bookmark::{Bookmark, Position};
use super::super::page::Places;
use super::super::walk::Walk;
use super::plan;
use super::vendors::{Vendor, Way, list, taken, with_paging};
use crate::catalog::element::Element;
use crate::kernel::secret::Secret;

fn refused(element: &Element, token: &str) -> String {
    let plan = plan(element, "GET leads", &[("nextPage", token)], None).map_err(|error| error.message);
    let plan = match plan {
        Ok(plan) => plan,
        Err(message) => return message,
    };
    let walk = Walk::new(plan.wanted.clone().unwrap(), plan.route.operation, "/id", plan.fingerprint.clone());
    walk.err().map(|error| error.message).unwrap_or_default()
}

#[test]
fn tokens_of_another_way_and_addresses_elsewhere_are_refused() {
    let element = with_paging(&Way::Address.paging(true, 100, 1));
    let fingerprint = plan(&element, "GET leads", &[], None).unwrap().fingerprint;
    let token = |at: Position| Bookmark::at(at).write(&fingerprint);
    assert_eq!(refused(&element, &token(Position::Address("/a?b=c".to_owned()))), "");
    for at in ["/../x", "/%2e%2e/x", "https://evil.example/", "//evil.example/x", "x"] {
        let said = refused(&element, &token(Position::Address(at.to_owned())));
        // A second slash stays a path below the base.
        assert_eq!(said.is_empty(), at.starts_with("//"), "{at}: {said}");
    }
    for at in [Position::Offset(5), Position::Cursor("5".to_owned()), Position::Page { number: 1, size: 5 }] {
        assert!(refused(&element, &token(at)).contains("begin it anew"));
    }
    // What the version before this one wrote.
    let old = |text: &str| URL_SAFE_NO_PAD.encode(format!("{fingerprint}{text}"));
    let (cursor, offset) =
        (with_paging(&Way::Cursor.paging(true, 100, 1)), with_paging(&Way::Offset.paging(true, 100, 1)));
    assert_eq!((refused(&cursor, &old("cabc")), refused(&offset, &old("o50"))), (String::new(), String::new()));
    assert!(refused(&cursor, &old("o50")).contains("begin it anew"));
}

#[test]
fn an_address_stays_below_the_base_and_carries_no_secret() {
    let (asked, base) = (
        Url::parse("https://api.vendor.example/v1/items?key=SECRET&page=1").unwrap(),
        Url::parse("https://api.vendor.example/v1").unwrap(),
    );
    let secrets = [Secret::new("SECRET")];
    let places = Places { asked: &asked, base: &base, secrets: &secrets, parameter: Some("key") };
    for (told, kept) in [
        ("https://api.vendor.example/v1/items?page=2&key=SECRET", Some("/items?page=2")),
        // Behind proxies that end TLS vendors write http (RFC 7239 section 5.4 is for that).
        ("http://api.vendor.example:8080/v1/items?page=2#x", Some("/items?page=2")),
        ("?page=2&key=OTHER", Some("/items?page=2")),
        ("/v1/items?a=b%26c&token=SECRET", Some("/items?a=b%26c")),
        ("https://user@api.vendor.example/v1/items", Some("/items")),
        ("https://evil.example/v1/items?page=2", None),
        ("//evil.example/v1/items", None),
        ("https://api.vendor.example/v2/items", None),
        ("https://api.vendor.example/v10/items", None),
        ("/v1/../admin", None),
        ("/v1/%2e%2e/admin", None),
        ("javascript:alert(1)", None),
        ("https://api.vendor.example.evil.example/v1/items", None),
    ] {
        assert_eq!(places.kept(told).ok().as_deref(), kept, "{told}");
    }
}

/// The vendor's limit is said at the place where it is met, whether the vendor ends there or refuses.
#[test]
fn a_vendors_depth_is_told() {
    let mut paging = Way::Cursor.paging(true, 40, 1);
    paging["deepest"] = json!(100);
    for (objects, whole) in [(99u32, true), (100, false), (250, false)] {
        let keys = (0..objects).collect();
        let mut vendor = Vendor { way: Way::Cursor, keys, least: 1, most: 40, empty: 0, asked: 0 };
        let element = with_paging(&paging);
        let (mut found, mut token) = (0, None::<String>);
        let ended = loop {
            let mut query = vec![("pageSize", "30")];
            query.extend(token.as_deref().map(|token| ("nextPage", token)));
            match list(&element, &query, &mut vendor) {
                Ok(listed) => {
                    found += listed.returned;
                    let Some(next) = listed.next else { break None };
                    token = Some(next);
                }
                Err(error) => break Some(error),
            }
        };
        assert_eq!(found, usize::try_from(objects.min(100)).unwrap());
        assert_eq!(ended.is_none(), whole);
        if let Some(error) = ended {
            assert_eq!(error.code.name(), "page_too_far");
            assert!(error.message.contains("first 100 objects"), "{}", error.message);
        }
        let far = list(&element, &[("page", "4"), ("pageSize", "50")], &mut vendor).unwrap_err();
        assert_eq!(far.code.name(), "page_too_far");
    }
}

/// A `more` flag, and not the cursor, says that the list ends; and what stands for no cursor is none (agilecrm/rest-api 25,
/// dlt-hub/dlt 2816, HubSpot/hubspot-php 115; Twitter API v1.1, "Using cursors": `next_cursor` 0).
#[test]
fn a_list_ends_where_the_vendor_says_so() {
    let mut vendor =
        Vendor { way: Way::FlaggedCursor, keys: (0..60).collect(), least: 1, most: 10, empty: 0, asked: 0 };
    let element = with_paging(&Way::FlaggedCursor.paging(true, 10, 1));
    let listed = list(&element, &[], &mut vendor).unwrap();
    assert_eq!((listed.returned, listed.next, vendor.asked), (60, None, 6));
    let element = with_paging(&Way::Cursor.paging(true, 10, 1));
    for none in ["0", "\"0\"", "-1", "\"\"", "null", "false"] {
        let plan = plan(&element, "GET leads", &[], None).unwrap();
        let mut walk =
            Walk::new(plan.wanted.clone().unwrap(), plan.route.operation, "/id", plan.fingerprint.clone()).unwrap();
        walk.ask();
        let body = format!("{{\"result\":{{\"items\":[{{\"data\":{{\"id\":1}}}}]}},\"paging\":{{\"next\":{none}}}}}");
        assert_eq!(taken(&mut walk, &body, &plan.shape(false, &|_| None)), Ok(false), "{none}");
        assert_eq!(walk.finish().unwrap().next, None, "{none}");
    }
}
