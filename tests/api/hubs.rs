//! Hub resources through the API, against a vendor that says what it is told to.

use serde_json::{Value, json};

use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::{Caller, Database, TestServer, on_both};

const TOKEN: &str = "/token";
const CONTACTS: &str = "/crm/v3/objects/contacts";

/// A vendor in HubSpot's place.
pub(super) fn hubspot(vendor: &Vendor) -> tempfile::TempDir {
    let base = format!("http://{}", vendor.address);
    let base_url = format!("baseUrl = \"{base}\"");
    let details = json!({ "portalId": 62515 });
    vendor.answers("/account-info/v3/details", 200, details);
    vendor.answers(
        TOKEN,
        200,
        json!({ "access_token": "at-1", "refresh_token": "rt", "expires_in": 1800, "hub_id": 62515 }),
    );
    elements(&[(
        "hubspotcrm",
        // Not the sandbox's.
        &[
            ("id = 168", "id = 10000"),
            ("key = \"hubspotcrm\"", "key = \"ourcrm\""),
            ("baseUrl = \"https://api.hubapi.com\"", base_url.as_str()),
            ("https://api.hubapi.com/oauth/2026-03/token\"\nclient", format!("{base}{TOKEN}\"\nclient").as_str()),
        ],
    )])
}

/// A server with that vendor, and a caller whose token names an instance of it.
pub(super) async fn connected(database: Database, vendor: &Vendor) -> (TestServer, Caller, i64) {
    let directory = hubspot(vendor);
    let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
    let server = TestServer::start(database, setup).await;
    let mut body = crate::support::caller::with_code("Mine", "a-code");
    body["element"]["key"] = json!("ourcrm");
    let created = server.caller().post("/instances", &body).await.ok();
    let caller = server.caller().with_element(created["token"].as_str().expect("a token"));
    let id = created["id"].as_i64().expect("an id");
    (server, caller, id)
}

/// Runs a test with a vendor of its own on both databases.
macro_rules! on_both_with_vendor {
    ($name:ident, |$server:ident, $caller:ident, $instance:ident, $vendor:ident| $body:expr) => {
        on_both!($name, in |database| {
            let runtime = crate::support::database::runtime();
            runtime.block_on(async {
                let $vendor = Vendor::start();
                #[allow(unused_variables, reason = "some tests need only a part")]
                let ($server, $caller, $instance) = connected(database, &$vendor).await;
                $body.await;
            });
            runtime.shutdown_background();
        });
    };
}

fn contact(id: u32) -> Value {
    json!({ "id": id.to_string(), "archived": false, "createdAt": "2019-10-30T03:30:17.883Z",
        "properties": { "email": format!("{id}@b.example"), "lastname": null } })
}

on_both_with_vendor!(contacts_are_listed_read_and_created, |server, caller, instance, vendor| async {
    vendor.answers(
        CONTACTS,
        200,
        json!({ "results": [contact(1), contact(2)], "paging": { "next": { "after": "2" } } }),
    );
    let listed = caller.get("/hubs/crm/contacts?pageSize=2").await;
    let contacts = listed.ok();
    assert_eq!(contacts[1]["id"], "2");
    assert_eq!(contacts[1]["vid"], "2");
    assert_eq!(contacts[1]["portal-id"], 62515, "{contacts}");
    assert_eq!(contacts[1]["properties"], json!({ "email": "2@b.example" }));
    assert_eq!(contacts[1]["email"], "2@b.example");
    assert_eq!(contacts[1]["raw"]["properties"]["email"], "2@b.example");
    assert_eq!(listed.header("elements-returned-count"), Some("2"));
    assert_eq!(listed.header("elements-element-instance-id"), Some(instance.to_string().as_str()));
    let token = listed.header("elements-next-page-token").expect("a further page").to_owned();
    // The last page has no token.
    vendor.answers(CONTACTS, 200, json!({ "results": [contact(3)] }));
    let next = caller.get(&format!("/hubs/crm/contacts?page=2&pageSize=2&nextPage={token}")).await;
    assert_eq!((next.ok()[0]["id"].as_str(), next.header("elements-next-page-token")), (Some("3"), None));

    vendor.answers(&format!("{CONTACTS}/51"), 200, contact(51));
    for path in ["/hubs/crm/contacts/51", "/hubs/documents/contacts/51", "/contacts/51", "/hubs/crm/contacts/51/"] {
        assert_eq!(caller.get(path).await.ok()["vid"], "51", "{path}");
    }
    vendor.answers(CONTACTS, 201, contact(52));
    let created = caller.post("/hubs/crm/contacts", &json!({ "firstName": "Jo", "amount": 5 })).await.ok();
    assert_eq!(created["id"], "52");
    let sent = vendor.requests().pop().expect("a request");
    assert_eq!(sent.body, r#"{"properties":{"firstname":"Jo","amount":"5"}}"#);
});

on_both_with_vendor!(a_deletion_has_no_body_and_an_empty_list_is_a_success, |server, caller, instance, vendor| async {
    vendor.answers(&format!("{CONTACTS}/51"), 204, Value::Null);
    let deleted = caller.delete("/hubs/crm/contacts/51").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (200, ""));
    vendor.answers(CONTACTS, 200, json!({ "results": [] }));
    let listed = caller.get("/hubs/crm/contacts").await;
    assert_eq!((listed.ok(), listed.header("elements-returned-count")), (json!([]), Some("0")));
});

on_both_with_vendor!(nulls_follow_the_instances_configuration_at_once, |server, caller, instance, vendor| async {
    vendor.answers(&format!("{CONTACTS}/1"), 200, contact(1));
    let read = async || caller.get("/hubs/crm/contacts/1").await;
    assert!(!read().await.text.contains("null"));
    let entries = caller.get("/instances/configuration").await.ok();
    let entry = entries.as_array().expect("entries").iter().find(|entry| entry["key"] == "filter.response.nulls");
    let path = format!("/instances/configuration/{}", entry.expect("the entry")["id"]);
    for (value, kept) in [("false", true), ("true", false), ("false", true)] {
        caller.patch(&path, &json!({ "propertyValue": value })).await.ok();
        let contact = read().await.ok();
        assert_eq!(contact["properties"].as_object().expect("properties").contains_key("lastname"), kept, "{value}");
    }
    // Reset to its default.
    caller.patch(&path, &json!({ "propertyValue": null })).await.ok();
    assert!(!read().await.text.contains("null"));
});

on_both_with_vendor!(a_refusal_of_the_vendor_comes_through, |server, caller, instance, vendor| async {
    let path = format!("{CONTACTS}/1");
    for (status, ours, code) in [
        (400, 400, "vendor_bad_request"),
        (401, 401, "vendor_unauthorized"),
        (402, 402, "vendor_payment_required"),
        (403, 403, "vendor_forbidden"),
        (404, 404, "vendor_not_found"),
        (409, 409, "vendor_conflict"),
        (415, 400, "vendor_bad_request"),
        (422, 422, "vendor_unprocessable"),
        (423, 423, "vendor_locked"),
        (429, 429, "vendor_rate_limited"),
        (477, 502, "vendor_unreachable"),
        (500, 502, "vendor_unreachable"),
        (503, 502, "vendor_unreachable"),
        (302, 502, "vendor_answer"),
    ] {
        vendor.answers(&path, status, json!({ "message": "HubSpot's own words", "category": "OTHER" }));
        let reply = caller.get("/hubs/crm/contacts/1").await;
        let message = reply.fails(ours, code);
        assert!(message.contains("HubSpot's own words"), "{message}");
        assert_eq!(reply.json()["providerMessage"], "HubSpot's own words");
        assert_eq!(reply.header("elements-element-instance-id"), Some(instance.to_string().as_str()));
    }
    // A missing scope or seat says nothing about the credential.
    assert_eq!(caller.get(&format!("/instances/{instance}")).await.ok()["valid"], true);
    for garbage in [json!("text"), json!({ "results": 5 }), json!({ "error": "no" })] {
        vendor.answers(CONTACTS, 200, garbage);
        caller.get("/hubs/crm/contacts").await.fails(502, "vendor_answer");
    }
});

on_both_with_vendor!(
    an_expired_token_is_renewed_and_the_call_made_once_more,
    |server, caller, instance, vendor| async {
        vendor.answers(
            &format!("{CONTACTS}/1"),
            401,
            json!({ "category": "EXPIRED_AUTHENTICATION", "message": "expired" }),
        );
        caller.get("/hubs/crm/contacts/1").await.fails(401, "vendor_unauthorized");
        let paths: Vec<String> = vendor.requests().into_iter().map(|request| request.path).collect();
        let object = format!("{CONTACTS}/1");
        assert_eq!(paths[paths.len() - 3..], [object.clone(), TOKEN.to_owned(), object.clone()]);
        // No storm: the second refusal within a minute stands.
        caller.get("/hubs/crm/contacts/1").await.fails(401, "vendor_unauthorized");
        assert_eq!(vendor.requests().last().expect("a request").path, object);
        assert_eq!(vendor.requests().len(), paths.len() + 1);
    }
);

on_both_with_vendor!(an_element_token_is_asked_for_before_anything_else, |server, caller, instance, vendor| async {
    let without = server.caller();
    for path in ["/hubs/crm/contacts", "/hubs/crm/no/such/path/at/all", "/contacts", "/contacts/1", "/objects", "/ping"]
    {
        without.get(path).await.fails(401, "missing_credentials");
        server.anonymous().get(path).await.fails(401, "missing_credentials");
    }
    server.caller().with_element("unknown").get("/hubs/crm/contacts").await.fails(401, "bad_credentials");
    server.stranger().await.with_element("unknown").get("/contacts").await.fails(401, "bad_credentials");
    caller.get("/hubs/crm/no/such/path/at/all").await.fails(404, "resource_not_found");
    // The organization may stay away here, and here only.
    vendor.answers(&format!("{CONTACTS}/1"), 200, contact(1));
    let authorization = caller.authorization.clone().expect("a header");
    let parts: Vec<&str> = authorization.split(", ").filter(|part| !part.starts_with("Organization")).collect();
    let short = caller.with(&parts.join(", "));
    assert_eq!(short.get("/hubs/crm/contacts/1").await.ok()["id"], "1");
    short.get("/instances").await.fails(401, "missing_credentials");
    // What is ours stays ours, token or not.
    assert_eq!(caller.get(&format!("/instances/{instance}")).await.ok()["id"], instance);
    caller.get("/elements/hubspotcrm").await.ok();
});

on_both_with_vendor!(
    a_disabled_instance_calls_nobody_but_tells_its_objects,
    |server, caller, instance, vendor| async {
        caller.delete("/instances/enabled").await.ok();
        caller.get("/hubs/crm/contacts").await.fails(403, "instance_disabled");
        caller.get("/hubs/crm/ping").await.fails(403, "instance_disabled");
        let names = caller.get("/hubs/crm/objects").await.ok();
        for name in ["accounts", "contacts", "opportunities", "owners", "companies", "deals"] {
            assert!(names.as_array().expect("names").contains(&json!(name)), "{name}: {names}");
        }
        caller.put("/instances/enabled", &json!({})).await.ok();
        vendor.answers(CONTACTS, 200, json!({ "results": [] }));
        caller.get("/hubs/crm/contacts").await.ok();
    }
);

on_both_with_vendor!(objects_and_their_fields_are_told, |server, caller, instance, vendor| async {
    let request = caller.request("GET", "/objects").header("elements-version", "Helium");
    let rich = crate::support::caller::read(request).await.ok();
    let rich = rich.as_array().expect("objects");
    assert!(
        rich.contains(&json!({ "name": "accounts", "vendorName": "companies", "type": "ceCanonical" })),
        "{rich:?}"
    );
    assert!(rich.contains(&json!({ "name": "companies", "vendorName": "companies", "type": "vendor" })));
    let email = json!({ "name": "email", "label": "E-mail", "type": "string", "fieldType": "text", "description": "x",
        "hubspotDefined": true, "modificationMetadata": { "readOnlyValue": false } });
    let created = json!({ "name": "createdate", "label": "Created", "type": "datetime",
        "modificationMetadata": { "readOnlyValue": true } });
    vendor.answers("/crm/v3/properties/contacts", 200, json!({ "results": [email, created] }));
    for path in ["/hubs/crm/objects/contacts/metadata", "/objects/contacts/metadata"] {
        let fields = caller.get(path).await.ok()["fields"].clone();
        assert_eq!(
            fields[0],
            json!({ "vendorPath": "properties.email", "type": "string", "vendorDisplayName": "E-mail",
                "vendorNativeType": "string", "vendorReadOnly": false, "vendorRequired": false, "format": "text",
                "description": "x", "filterable": true, "createable": true, "updateable": true, "custom": false })
        );
        assert_eq!((&fields[1]["updateable"], &fields[1]["custom"]), (&json!(false), &json!(true)));
    }
    caller.get("/hubs/crm/objects/a%2Fb/metadata").await.fails(404, "vendor_not_found");
    let owners = caller.get("/hubs/crm/objects/owners/metadata").await.ok();
    assert_eq!(owners["fields"][1]["vendorPath"], "email");
    let pong = caller.get("/hubs/crm/ping").await.ok();
    assert_eq!((&pong["endpoint"], &pong["dateTime"]), (&json!("ourcrm"), &json!("2026-03-01T12:00:00Z")));
});

on_both_with_vendor!(bad_conditions_and_bodies_are_400_and_reach_no_vendor, |server, caller, instance, vendor| async {
    let before = vendor.requests().len();
    let reply = caller.get_with("/hubs/crm/contacts", &[("where", "email = 'a' AND")]).await;
    let message = reply.fails(400, "bad_where");
    assert_eq!(message, "where cannot be read at column 16: the end where the name of a field should be.");
    caller.get("/hubs/crm/contacts?pageSize=0").await.fails(400, "bad_page_size");
    caller.get("/hubs/crm/contacts?page=11&pageSize=200").await.fails(400, "page_too_far");
    caller.get("/hubs/crm/contacts?nextPage=x").await.fails(400, "bad_next_page");
    caller.post("/hubs/crm/contacts", &json!([1])).await.fails(400, "bad_body");
    caller.post("/hubs/crm/contacts/batch/read", &json!({})).await.fails(400, "bad_body");
    caller.get("/hubs/crm").await.fails(404, "route_not_found");
    caller.get("/instances/no/such/path").await.fails(404, "route_not_found");
    caller.put("/hubs/crm/contacts/1", &json!({})).await.fails(405, "method_not_allowed");
    assert_eq!(vendor.requests().len(), before);
});

on_both_with_vendor!(a_wrong_method_names_those_of_the_elements_resource, |server, caller, instance, vendor| async {
    let before = vendor.requests().len();
    let elements_own = server.anonymous().with(caller.authorization.as_deref().expect("a header"));
    let cases = [
        ("PUT", "/contacts/1", "DELETE, GET, PATCH"),
        ("DELETE", "/contacts", "GET, POST"),
        ("PROPFIND", "/contacts", "GET, POST"),
        ("PUT", "/contacts/1/deals", "GET"),
        ("PATCH", "/contacts/batch/read", "GET, POST"),
        ("POST", "/objects", "GET"),
        ("PUT", "/ping", "GET"),
        ("PATCH", "/objects/contacts/metadata", "GET"),
        ("DELETE", "/objects/contacts/docs", "GET"),
    ];
    for (method, path, expected) in cases {
        for path in [path.to_owned(), format!("/hubs/crm{path}")] {
            let reply = elements_own.send(method, &path, &json!({})).await;
            reply.fails(405, "method_not_allowed");
            let mut allowed: Vec<&str> = reply.header("allow").expect("RFC 9110 wants it").split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed.join(", "), expected, "{method} {path}");
        }
    }
    assert_eq!(vendor.requests().len(), before);
});

on_both_with_vendor!(a_keys_portal_is_told_by_its_verification, |server, caller, instance, vendor| async {
    let path = format!("/instances/{instance}");
    vendor.answers(&format!("{CONTACTS}/1"), 200, contact(1));
    let portal = async || caller.get("/hubs/crm/contacts/1").await.ok().get("portal-id").cloned();
    let key = crate::support::caller::with_key("Key")["configuration"].clone();
    let configured = server.caller().patch(&path, &json!({ "configuration": key })).await.ok();
    assert_eq!((configured["vendorAccount"]["id"].as_str(), portal().await), (Some("62515"), Some(json!(62515))));
    // Another account's key.
    vendor.answers("/account-info/v3/details", 200, json!({ "portalId": 7 }));
    let other = json!({ "hubspot.authorization.apikey": "pat-na1-other" });
    server.caller().patch(&path, &json!({ "configuration": other })).await.ok();
    assert_eq!(portal().await, Some(json!(7)));
    // A reply that does not say it.
    vendor.answers("/account-info/v3/details", 200, json!({}));
    let third = json!({ "hubspot.authorization.apikey": "pat-na1-third" });
    server.caller().patch(&path, &json!({ "configuration": third })).await.ok();
    assert_eq!(portal().await, None);
});

/// Other vendors: a list and a get each, so that the mapping is not one vendor's alone.
#[test]
fn other_vendors_have_the_same_shape() {
    let vendor = Vendor::start();
    let base = format!("http://{}", vendor.address);
    let directory = elements(&[
        ("closeio", &[("baseUrl = \"https://api.close.com\"", format!("baseUrl = \"{base}\"").as_str())]),
        ("jira", &[("https://{site}.atlassian.net\"\nmess", format!("{base}/{{site}}\"\nmess").as_str())]),
    ]);
    let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
    run_with(Database::sqlite(), setup, async |server| {
        vendor.answers("/api/v1/me/", 200, json!({}));
        let body = json!({ "name": "Close", "element": { "key": "closeio" },
            "configuration": { "authentication.type": "apiKey", "closeio.api.key": "api_1234" } });
        let created = server.caller().post("/instances", &body).await.ok();
        let caller = server.caller().with_element(created["token"].as_str().unwrap());
        vendor.answers(
            "/api/v1/lead/",
            200,
            json!({ "data": [{ "id": "lead_1", "name": "A" }], "has_more": true, "total_results": 7 }),
        );
        let leads = caller.get("/hubs/crm/leads?pageSize=1").await;
        assert_eq!(leads.ok()[0], json!({ "id": "lead_1", "name": "A", "raw": { "id": "lead_1", "name": "A" } }));
        assert_eq!(leads.header("elements-total-count"), Some("7"));
        assert!(leads.header("elements-next-page-token").is_some());
        vendor.answers("/api/v1/lead/lead_1/", 200, json!({ "id": "lead_1" }));
        assert_eq!(caller.get("/leads/lead_1").await.ok()["id"], "lead_1");
        caller.get_with("/leads", &[("where", "name = 'A'")]).await.fails(400, "bad_where");

        vendor.answers("/acme/rest/api/3/myself", 200, json!({ "accountId": "jo" }));
        let body = json!({ "name": "Jira", "element": { "key": "jira" },
            "configuration": { "jira.site": "acme", "username": "jo@example.com", "password": "token-1" } });
        let created = server.caller().post("/instances", &body).await.ok();
        assert_eq!(created["configuration"]["password"], "********");
        let caller = server.caller().with_element(created["token"].as_str().unwrap());
        vendor.answers(
            "/acme/rest/api/3/search/jql",
            200,
            json!({ "issues": [{ "id": "1", "key": "A-1" }], "isLast": true }),
        );
        let incidents = caller.get("/hubs/helpdesk/incidents").await.ok();
        assert_eq!((&incidents[0]["id"], &incidents[0]["key"]), (&json!("1"), &json!("A-1")));
        vendor.answers("/acme/rest/api/3/issue/A-1", 200, json!({ "id": "1" }));
        assert_eq!(caller.get("/hubs/helpdesk/incidents/A-1").await.ok()["id"], "1");
        vendor.answers("/acme/rest/api/3/issue/A-2", 404, json!({ "errorMessages": ["Issue does not exist"] }));
        let message = caller.get("/hubs/helpdesk/incidents/A-2").await.fails(404, "vendor_not_found");
        assert!(message.contains("Issue does not exist"), "{message}");
    });
}
