//! What callers send and what becomes of it at the vendors.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::bookmark::Position;
use super::super::families::Form;
use super::{element, first, plan, refused, request};

#[test]
fn contacts_are_listed_read_and_written_at_hubspot() {
    let element = element("hubspotcrm");
    let send = |call: &str, query: &[(&str, &str)], body| first(&element, call, query, body);
    let objects = "/crm/v3/objects/contacts";
    assert_eq!(send("GET contacts", &[("pageSize", "20")], None), ("GET".into(), format!("{objects}?limit=20"), None));
    assert_eq!(
        send("GET contacts", &[("fields", "id,email,firstName,raw"), ("page", "2"), ("pageSize", "5")], None).1,
        format!("{objects}?properties=hs_object_id%2Cemail%2Cfirstname&limit=10")
    );
    assert_eq!(send("GET contacts/51", &[], None).1, format!("{objects}/51"));
    let flat = json!({ "firstName": "Jo", "age": 5, "vip": true, "gone": null, "id": "9", "raw": {}, "vid": "9" });
    let written = json!({ "properties": { "firstname": "Jo", "age": "5", "vip": "true", "gone": "" } });
    assert_eq!(send("POST contacts", &[], Some(flat)), ("POST".into(), objects.into(), Some(written)));
    let nested = json!({ "properties": { "Email": "a@b.example" }, "associations": [], "vid": "1" });
    let written = json!({ "associations": [], "properties": { "email": "a@b.example" } });
    assert_eq!(send("POST contacts", &[], Some(nested)).2, Some(written));
    let update = send("PATCH contacts/51", &[("idProperty", "email")], Some(json!({ "email": "x" })));
    assert_eq!((update.0.as_str(), update.1), ("PATCH", format!("{objects}/51?idProperty=email")));
    assert_eq!(update.2, Some(json!({ "properties": { "email": "x" } })));
    assert_eq!(send("DELETE contacts/51", &[], None).0, "DELETE");
}

#[test]
fn a_batch_takes_lists_and_ids() {
    let element = element("hubspotcrm");
    let body = |call: &str, body| first(&element, call, &[], Some(body)).2.unwrap();
    assert_eq!(
        body("POST opportunities/batch/create", json!([{ "dealname": "A", "amount": 350 }])),
        json!({ "inputs": [{ "properties": { "dealname": "A", "amount": "350" } }] })
    );
    assert_eq!(
        body("POST contacts/batch/update", json!({ "inputs": [{ "id": "1", "properties": { "email": "x" } }] })),
        json!({ "inputs": [{ "id": "1", "properties": { "email": "x" } }] })
    );
    assert_eq!(
        body("POST contacts/batch/read", json!({ "properties": ["email"], "inputs": ["1", 2, { "id": "3" }] })),
        json!({ "properties": ["email"], "inputs": [{ "id": "1" }, { "id": "2" }, { "id": "3" }] })
    );
    assert_eq!(body("POST contacts/batch/archive", json!(["1"])), json!({ "inputs": [{ "id": "1" }] }));
    let wrong = plan(&element, "POST contacts/batch/archive", &[], Some(json!({ "ids": [] }))).err().unwrap();
    assert_eq!(wrong.message, "The body must be a list of objects, or an object with a list `inputs`.");
}

#[test]
fn resources_have_the_vendors_names() {
    let crm = element("hubspotcrm");
    let path = |call: &str| first(&crm, call, &[], None).1;
    for (call, expected) in [
        ("GET accounts/1", "/crm/v3/objects/companies/1"),
        ("GET leads/1", "/crm/v3/objects/contacts/1"),
        ("GET opportunities/1", "/crm/v3/objects/deals/1"),
        ("GET line-items/1", "/crm/v3/objects/line_items/1"),
        ("GET products/1", "/crm/v3/objects/products/1"),
        ("GET tickets/1", "/crm/v3/objects/tickets/1"),
        ("GET 2-1234567/1", "/crm/v3/objects/2-1234567/1"),
        ("GET owners/1", "/crm/v3/owners/1"),
        ("GET pipelines", "/crm/v3/pipelines/deals"),
        ("GET pipelines/default", "/crm/v3/pipelines/deals/default"),
        ("GET accounts/properties", "/crm/v3/properties/companies"),
        ("GET opportunities/properties/amount", "/crm/v3/properties/deals/amount"),
        ("GET tickets/propertygroups", "/crm/v3/properties/tickets/groups"),
        ("GET contacts/1/accounts", "/crm/v4/objects/contacts/1/associations/companies?limit=200"),
    ] {
        assert_eq!(path(call), expected, "{call}");
    }
    let marketing = element("hubspot");
    assert_eq!(first(&marketing, "GET deals/1", &[], None).1, "/crm/v3/objects/deals/1");
    let stages = json!({ "label": "P", "stages": [{ "label": "S", "probability": 0.5 }] });
    assert_eq!(
        first(&crm, "PUT pipelines/7", &[], Some(stages)).2,
        Some(json!({ "label": "P", "stages": [{ "label": "S", "metadata": { "probability": "0.5" } }] }))
    );
}

#[test]
fn conditions_become_filter_groups() {
    let element = element("hubspotcrm");
    let body = |query: &[(&str, &str)]| {
        let (method, path, body) = first(&element, "GET accounts", query, None);
        assert_eq!((method.as_str(), path.as_str()), ("POST", "/crm/v3/objects/companies/search"));
        body.unwrap()
    };
    let filters = |clause: &str| body(&[("where", clause)])["filterGroups"].clone();
    let filter =
        |name: &str, operator: &str, value: &str| json!({ "propertyName": name, "operator": operator, "value": value });
    assert_eq!(
        filters("Name = 'it''s' AND (id >= 5 OR companyId IS NOT NULL)"),
        json!([
            { "filters": [filter("name", "EQ", "it's"), filter("hs_object_id", "GTE", "5")] },
            { "filters": [filter("name", "EQ", "it's"), { "propertyName": "hs_object_id", "operator": "HAS_PROPERTY" }] },
        ])
    );
    assert_eq!(
        filters("properties.domain LIKE '%acme%' AND type IN ('a', 'b') AND x IS NULL"),
        json!([{ "filters": [
            filter("domain", "CONTAINS_TOKEN", "*acme*"),
            { "propertyName": "type", "operator": "IN", "values": ["a", "b"] },
            { "propertyName": "x", "operator": "NOT_HAS_PROPERTY" },
        ] }])
    );
    // Since then, newest first.
    let since = body(&[("where", "lastmodifieddate='2018-01-15T01:00:00+01:00'"), ("pageSize", "3")]);
    assert_eq!(
        since,
        json!({
            "filterGroups": [{ "filters": [filter("hs_lastmodifieddate", "GTE", "1515974400000")] }],
            "sorts": [{ "propertyName": "hs_lastmodifieddate", "direction": "DESCENDING" }],
            "limit": 3,
        })
    );
    let ordered = body(&[("orderBy", "name desc"), ("fields", "name")]);
    assert_eq!(ordered["filterGroups"], json!([]));
    assert_eq!(ordered["sorts"], json!([{ "propertyName": "name", "direction": "DESCENDING" }]));
    assert_eq!(ordered["properties"], json!(["name"]));
}

#[test]
fn what_the_vendor_cannot_do_is_said() {
    let crm = element("hubspotcrm");
    let why = |call: &str, clause: &str| refused(&crm, call, &[("where", clause)]);
    assert_eq!(
        why("GET accounts", "a=1 OR b=1 OR c=1 OR d=1 OR e=1 OR f=1"),
        "bad_where: where cannot be read at column 1: the vendor takes 5 alternatives of 6 conditions each, 18 conditions in \
         all: simplify it."
    );
    assert_eq!(
        why("GET owners", "email = 'x' AND firstName = 'y'"),
        "bad_where: where cannot be read at column 17: no condition on the field `firstName` is possible; possible: email."
    );
    assert_eq!(
        why("GET owners", "email LIKE 'x%'"),
        "bad_where: where cannot be read at column 1: the vendor compares `email` for equality only."
    );
    assert_eq!(why("GET pipelines", "a = 1"), "bad_where: /pipelines takes no where: leave it out.");
    assert_eq!(
        first(&crm, "GET owners", &[("where", "email = 'a&b@c'")], None).1,
        "/crm/v3/owners?email=a%26b%40c&limit=100"
    );
    assert_eq!(
        refused(&crm, "GET accounts", &[("orderBy", "name, createdate desc")]),
        "bad_where: orderBy cannot be read at column 7: the vendor orders by one field only."
    );
    let closeio = element("closeio");
    assert!(refused(&closeio, "GET tickets", &[]).starts_with("resource_not_found: Close has no resource /tickets"));
    assert!(
        refused(&closeio, "DELETE leads/1", &[]).starts_with("method_not_allowed: Close takes GET here, not DELETE")
    );
}

#[test]
fn other_vendors_are_told_in_their_own_way() {
    let sfdc = element("sfdc");
    let soql = |query: &[(&str, &str)]| {
        let (_, path, _) = first(&sfdc, "GET accounts", query, None);
        let (path, query) = path.split_once('?').unwrap();
        assert_eq!(path, "/services/data/v61.0/query");
        url::form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned()
    };
    assert_eq!(soql(&[]), "SELECT FIELDS(STANDARD) FROM Account ORDER BY Id ASC");
    assert_eq!(
        soql(&[("orderBy", "Name desc, Id desc")]),
        "SELECT FIELDS(STANDARD) FROM Account ORDER BY Name DESC, Id DESC"
    );
    assert_eq!(
        soql(&[
            ("where", "Name LIKE 'O''R\\%' AND AnnualRevenue > '5' AND Phone = '5'"),
            ("page", "3"),
            ("pageSize", "10")
        ]),
        "SELECT FIELDS(STANDARD) FROM Account WHERE Name LIKE 'O\\'R\\\\%' AND AnnualRevenue > 5 AND Phone = '5' ORDER \
         BY Id ASC"
    );
    assert_eq!(
        soql(&[("where", "lastmodifieddate='2018-01-15T00:00:00Z'"), ("fields", "Name,raw")]),
        "SELECT Id, Name FROM Account WHERE LastModifiedDate >= 2018-01-15T00:00:00Z ORDER BY LastModifiedDate DESC, Id \
         ASC"
    );
    assert_eq!(first(&sfdc, "GET accounts/001", &[], None).1, "/services/data/v61.0/sobjects/Account/001");
    assert_eq!(
        refused(&sfdc, "GET accounts", &[("where", "`Name = 'x' OR Id` != ''")]),
        "bad_where: where cannot be read at column 1: the vendor has no fields of such a name."
    );
    let jira = element("jira");
    let jql = |query: &[(&str, &str)]| {
        let (_, path, _) = first(&jira, "GET incidents", query, None);
        let pairs: Vec<_> =
            url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        pairs.into_iter().find(|(name, _)| name == "jql").unwrap().1
    };
    assert_eq!(jql(&[]), "created >= \"1970-01-01\"");
    assert_eq!(
        jql(&[("where", "project = 'A\"B' AND summary LIKE '%x%' AND assignee IS NULL"), ("orderBy", "created desc")]),
        "\"project\" = \"A\\\"B\" AND \"summary\" ~ \"x\" AND \"assignee\" IS EMPTY ORDER BY \"created\" DESC"
    );
    assert_eq!(jql(&[("where", "updated > '2018-01-15T10:30:00+01:00'")]), "\"updated\" > \"2018-01-15 09:30\"");
    assert_eq!(first(&jira, "GET incidents/A-1", &[], None).1, "/rest/api/3/issue/A-1");
    let closeio = element("closeio");
    assert_eq!(
        first(&closeio, "GET leads", &[("page", "2"), ("pageSize", "50"), ("fields", "name")], None).1,
        "/api/v1/lead/?_fields=id%2Cname&_skip=50&_limit=50"
    );
    assert_eq!(first(&closeio, "GET leads/lead_1", &[], None).1, "/api/v1/lead/lead_1/");
}

/// What a file accepts is sent: each of these was accepted once, and lost.
#[test]
fn every_place_of_a_value_is_filled() {
    let mut element = crate::catalog::element::Element::clone(&element("closeio"));
    let operation = json!({
        "name": "create", "summary": "x", "method": "POST", "vendorPath": "//graph/{version}/{vendorName}.json", "body": {},
        "timeout": 120,
        "parameters": [
            { "from": "value", "value": "v2", "description": "x", "to": { "in": "path", "name": "version" } },
            { "from": "value", "value": "query {}", "description": "x", "to": { "in": "body", "name": "query" } },
            { "name": "size", "description": "x", "to": { "in": "body", "name": "/variables/page/first" } },
            { "name": "kind", "from": "body", "description": "x", "to": { "in": "header", "name": "X-Kind" } },
        ],
    });
    let objects = element.collections.get_mut("objects").unwrap();
    objects.operations.push(serde_json::from_value(operation).unwrap());
    let sent = json!({ "name": "A", "kind": "lead", "variables": { "x": 1 } });
    let plan = plan(&element, "POST leads", &[("size", "5")], Some(sent)).unwrap();
    let request = request(&plan, &Position::Start, 0);
    assert_eq!(request.url.as_str(), "https://api.close.com/graph/v2/lead.json");
    assert_eq!(request.timeout.as_secs(), 120);
    let body: Value = serde_json::from_str(request.body.as_ref().unwrap().expose()).unwrap();
    assert_eq!(body, json!({ "name": "A", "variables": { "x": 1, "page": { "first": "5" } }, "query": "query {}" }));
    assert!(request.headers.iter().any(|(name, value)| name == "X-Kind" && value.expose() == "lead"));
    // Beside HubSpot's conditions, too.
    let mut hubspot = crate::catalog::element::Element::clone(&super::element("hubspotcrm"));
    let objects = hubspot.collections.get_mut("objects").unwrap();
    let search = objects.operations.iter_mut().find(|operation| operation.filtered).unwrap();
    let fixed = json!({ "from": "value", "value": "x", "description": "x", "to": { "in": "body", "name": "query" } });
    search.parameters.push(serde_json::from_value(fixed).unwrap());
    let (_, _, body) = first(&hubspot, "GET contacts", &[("where", "email = 'a'")], None);
    let body = body.unwrap();
    assert_eq!((&body["query"], &body["filterGroups"][0]["filters"][0]["value"]), (&json!("x"), &json!("a")));
}

#[test]
fn a_path_cannot_climb() {
    let element = element("hubspotcrm");
    for id in [".", "..", ""] {
        let path = ["contacts".to_owned(), id.to_owned()];
        let found = super::super::route::find(&element, Form::InHub, "GET", &path, false).unwrap();
        assert_eq!(found.operation.name, "get");
    }
    let climbing = plan(&element, "GET contacts/..", &[], None).unwrap();
    let values = crate::protocol::variables::Values {
        element: &element,
        parameters: &|_| None,
        configuration: &|_| None,
        replied: None,
    };
    assert_eq!(climbing.request(values, &Position::Start, 0).unwrap_err().code.name(), "bad_parameter");
    assert!(refused(&element, "GET ../1", &[]).starts_with("bad_parameter"));
}

/// A marker that would be seen outside of its place.
const PROBE: &str = "'\"\\`&=#?/%2F{limit}\r\nHost: x";

proptest! {
    /// Whatever a caller writes, a request goes to the same host and path, and a value comes out as it went in.
    #[test]
    fn nothing_leaves_its_place(id in ".{1,20}", value in ".{0,20}", field in "f[a-z]{0,8}") {
        let hubspot = element("hubspotcrm");
        let id = format!("{id}{PROBE}");
        let path = vec!["contacts".to_owned(), id.clone()];
        let call = super::super::plan::Call {
            form: Form::InHub,
            method: "GET", path: &path, query: &|_| None, header: &|_| None, configuration: &|_| None, body: None, instance: 1,
        };
        let sent = request(&super::super::plan::Plan::of(&hubspot, call).unwrap(), &Position::Start, 0);
        prop_assert_eq!(sent.url.host_str(), Some("api.hubapi.com"));
        prop_assert_eq!(sent.url.query(), None);
        let segments: Vec<_> = sent.url.path_segments().unwrap().collect();
        prop_assert_eq!(segments.len(), 5);
        prop_assert_eq!(percent_encoding::percent_decode_str(segments[4]).decode_utf8().unwrap(), id);

        let value = format!("{value}{PROBE}");
        let clause = format!("{field} = '{}'", value.replace('\'', "''"));
        let (_, path, body) = first(&hubspot, "GET contacts", &[("where", &clause)], None);
        prop_assert_eq!(path, "/crm/v3/objects/contacts/search");
        prop_assert_eq!(&body.unwrap()["filterGroups"][0]["filters"][0]["value"], &Value::from(value.as_str()));

        let sfdc = element("sfdc");
        let (_, path, _) = first(&sfdc, "GET accounts", &[("where", &clause)], None);
        let query = path.split_once('?').unwrap().1;
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        prop_assert_eq!(pairs.len(), 1);
        // Without its escapes the literal has no quote left that would end it.
        let statement = &pairs[0].1;
        let (before, rest) = statement.split_once('\'').unwrap();
        prop_assert_eq!(before, format!("SELECT FIELDS(STANDARD) FROM Account WHERE {field} = "));
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == '\'' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let end = end.unwrap().0;
        prop_assert_eq!(&rest[end..], "' ORDER BY Id ASC");
    }
}
