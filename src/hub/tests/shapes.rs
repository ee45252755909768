//! The vendors' objects in the hub's shape.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json::{Scanner, copy_without_nulls, pointer};
use super::super::shape;
use super::{element, plan};

const CONTACT: &str = r#"{"id":"51","properties":{"email":"a@b.example","age":5,"vip":true,"lastname":null},
    "createdAt":"2019-10-30T03:30:17.883Z","archived":false,"archivedAt":null,
    "associations":{"companies":{"results":[{"id":"1","type":null}]}}}"#;

fn shaped(call: &str, fields: &str, nulls: bool, body: &str) -> Value {
    let element = element("hubspotcrm");
    let plan = plan(&element, call, &[("fields", fields)], Some(json!([]))).unwrap();
    let variable = |name: &str| (name == "portalId").then(|| "62515".to_owned());
    let root = &plan.route.operation.root;
    let text = match plan.route.operation.reply {
        crate::catalog::resource::ReplyShape::Batch => shape::batch(body, root, &plan.shape(nulls, &variable)),
        _ => shape::object(body, root, &plan.shape(nulls, &variable)),
    };
    let text = text.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_contact_has_the_hubs_members_and_the_vendors() {
    let raw = json!({
        "id": "51", "properties": { "email": "a@b.example", "age": 5, "vip": true },
        "createdAt": "2019-10-30T03:30:17.883Z", "archived": false,
        "associations": { "companies": { "results": [{ "id": "1" }] } },
    });
    assert_eq!(
        shaped("GET contacts/51", "", false, CONTACT),
        json!({
            "id": "51", "vid": "51", "is-contact": true, "portal-id": 62515, "email": "a@b.example",
            "properties": { "email": "a@b.example", "age": "5", "vip": "true" },
            "createdAt": "2019-10-30T03:30:17.883Z", "archived": false,
            "associations": { "companies": { "results": [{ "id": "1" }] } },
            "raw": raw,
        })
    );
}

#[test]
fn nulls_stay_where_they_are_wanted() {
    let contact = shaped("GET contacts/51", "", true, CONTACT);
    assert_eq!(contact["properties"]["lastname"], Value::Null);
    assert!(contact["properties"].as_object().unwrap().contains_key("lastname"));
    assert!(contact.as_object().unwrap().contains_key("archivedAt"));
    assert_eq!(contact["raw"], serde_json::from_str::<Value>(CONTACT).unwrap());
}

#[test]
fn fields_cut_an_object_down() {
    assert_eq!(
        shaped("GET contacts/51", "properties.Email,age,createdAt", false, CONTACT),
        json!({
            "id": "51", "vid": "51", "properties": { "email": "a@b.example", "age": "5" },
            "createdAt": "2019-10-30T03:30:17.883Z",
        })
    );
    assert!(shaped("GET contacts/51", "raw", false, CONTACT)["raw"].is_object());
}

#[test]
fn deals_and_companies_have_ids_of_their_own() {
    let body = r#"{"id":"7","archived":true,"properties":{"amount":"350"}}"#;
    let deal = shaped("GET opportunities/7", "", false, body);
    assert_eq!((&deal["id"], &deal["dealId"], &deal["isDeleted"]), (&json!("7"), &json!("7"), &json!(true)));
    assert_eq!(deal["portalId"], 62515);
    assert_eq!(shaped("GET accounts/7", "", false, body)["companyId"], "7");
    // A number stands as text in the normalised id.
    assert_eq!(shaped("GET accounts/7", "", false, r#"{"id":7}"#)["id"], "7");
}

#[test]
fn a_batch_keeps_what_is_around_the_results() {
    let body =
        format!(r#"{{"status":"COMPLETE","numErrors":1,"errors":[{{"x":null}}],"links":null,"results":[{CONTACT}]}}"#);
    let batch = shaped("POST contacts/batch/create", "", false, &body);
    assert_eq!(batch["results"][0]["vid"], "51");
    assert_eq!(
        (&batch["status"], &batch["numErrors"], &batch["errors"]),
        (&json!("COMPLETE"), &json!(1), &json!([{}]))
    );
    assert!(batch.get("links").is_none());
}

#[test]
fn a_batch_may_lie_deeper() {
    let element = element("hubspotcrm");
    let plan = plan(&element, "POST contacts/batch/read", &[], Some(json!([]))).unwrap();
    let shape = plan.shape(false, &|_| None);
    let body = r#"{"status":"x","answer":{"gone":null,"list":[{"id":7}],"errors":[]}}"#;
    let batch: Value = serde_json::from_str(&shape::batch(body, "/answer/list", &shape).unwrap()).unwrap();
    assert_eq!((&batch["status"], &batch["answer"]["list"][0]["vid"]), (&json!("x"), &json!(7)));
    assert_eq!((batch["answer"].get("gone"), &batch["answer"]["errors"]), (None, &json!([])));
    assert_eq!(shape::batch(r#"{"answer":5}"#, "/answer/list", &shape), None);
}

#[test]
fn what_is_no_json_is_noticed() {
    for text in [
        "",
        "{",
        "{\"a\":}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "[1,]",
        "nul",
        "\"\\x\"",
        "\"\u{1}\"",
        "-",
        "1.",
        "{\"a\" 1}",
        "{a:1}",
    ] {
        let mut scanner = Scanner::new(text);
        assert!(scanner.value().is_none() || !scanner.is_at_end(), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(Scanner::new(&deep).value().is_none());
    assert_eq!(pointer(r#"{"a":[{"b/c":5}]}"#, "/a/0/b~1c"), Some("5"));
    assert_eq!(pointer(r#"{"a":5}"#, "/a/b"), None);
}

fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_filter("finite", |it| it.is_finite()).prop_map(|it| json!(it)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

proptest! {
    #[test]
    fn the_scanner_takes_exactly_what_is_json(tree in trees(), text in any::<String>()) {
        for json in [tree.to_string(), serde_json::to_string_pretty(&tree).unwrap()] {
            let mut scanner = Scanner::new(&json);
            prop_assert_eq!(scanner.value(), Some(json.as_str()));
            let mut copy = String::new();
            copy_without_nulls(&json, &mut copy).unwrap();
            // Read back too: the last digit of a number is the reader's.
            let mut expected: Value = serde_json::from_str(&json).unwrap();
            without_nulls(&mut expected);
            prop_assert_eq!(serde_json::from_str::<Value>(&copy).unwrap(), expected);
        }
        let mut scanner = Scanner::new(&text);
        let taken = scanner.value().is_some() && scanner.is_at_end();
        prop_assert_eq!(taken, serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
    }
}
