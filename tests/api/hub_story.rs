//! Hub resources against the sandbox, which behaves like HubSpot: what was written is found again.

use ligand::sandbox::SandboxSettings;
use serde_json::{Value, json};

use crate::support::caller::with_key;
use crate::support::{Caller, TestServer, on_both};

/// A caller whose token names an instance of hubspotcrm that was authorized at the sandbox.
async fn connected(server: &TestServer) -> Caller {
    let caller = server.caller();
    let created = caller.create_with_code(server.sandbox(), "Mine").await;
    caller.with_element(created["token"].as_str().expect("a token"))
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|object| object["id"].as_str().expect("an id").to_owned()).collect()
}

async fn contacts(caller: &Caller, count: usize) -> Vec<String> {
    let bodies: Vec<Value> = (0..count)
        .map(|number| json!({ "email": format!("c{number}@example.com"), "firstName": format!("N{number}") }))
        .collect();
    let mut made = Vec::new();
    for bodies in bodies.chunks(100) {
        let batch = caller.post("/hubs/crm/contacts/batch/create", &json!(bodies)).await.ok();
        made.extend(ids(&batch["results"]));
    }
    made
}

on_both!(a_contact_lives_through_the_hub, |server| async move {
    let caller = connected(&server).await;
    let body = json!({ "properties": { "firstName": "Jo", "lastName": "Doe", "email": "jo@example.com" } });
    let created = caller.post("/hubs/crm/contacts", &body).await.ok();
    let id = created["id"].as_str().expect("an id").to_owned();
    assert_eq!((&created["vid"], &created["is-contact"]), (&json!(id), &json!(true)));
    assert_eq!(created["portal-id"], 62515);
    let path = format!("/hubs/crm/contacts/{id}");
    let read = caller.get(&path).await.ok();
    assert_eq!((&read["email"], &read["properties"]["lastname"]), (&json!("jo@example.com"), &json!("Doe")));
    assert!(read["properties"].as_object().expect("properties").values().all(Value::is_string), "{read}");
    let changed = caller.patch(&path, &json!({ "firstName": "Joan" })).await.ok();
    assert_eq!(changed["id"], id);
    assert_eq!(caller.get(&path).await.ok()["properties"]["firstname"], "Joan");
    // What was read may be sent back.
    let cut = caller.get(&format!("{path}?fields=email,firstname")).await.ok();
    assert_eq!(cut.as_object().expect("an object").keys().collect::<Vec<_>>(), ["id", "vid", "email", "properties"]);
    caller.patch(&path, &cut).await.ok();
    // What is asked for stands in the object (docs/api.md, Conditions).
    let found = caller.get_with("/hubs/crm/contacts", &[("where", "email = 'jo@example.com'")]).await.ok();
    assert_eq!((ids(&found), &found[0]["email"]), (vec![id.clone()], &json!("jo@example.com")));
    let again = caller.post("/hubs/crm/contacts", &body).await;
    again.fails(409, "vendor_conflict");
    let deleted = caller.delete(&path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (200, ""));
    caller.get(&path).await.fails(404, "vendor_not_found");
    caller.get("/hubs/crm/contacts/999999999").await.fails(404, "vendor_not_found");
});

on_both!(an_instance_with_a_key_knows_its_portal, |server| async move {
    let key = SandboxSettings::default().private_app_token;
    let mut body = with_key("Private app");
    body["configuration"]["hubspot.authorization.apikey"] = json!(key.expose());
    let private_app = server.caller().post("/instances", &body).await.ok();
    body["element"]["key"] = json!("hubspot");
    let marketing = server.caller().post("/instances", &body).await.ok();
    for instance in [server.caller().create_with_key("Old key").await, private_app, marketing] {
        let caller = server.caller().with_element(instance["token"].as_str().expect("a token"));
        let email = format!("jo{}@example.com", instance["id"]);
        let contact = caller.post("/hubs/crm/contacts", &json!({ "email": email })).await.ok();
        assert_eq!(contact["portal-id"], 62515, "{contact}");
        let account = caller.post("/hubs/crm/accounts", &json!({ "name": "Acme" })).await.ok();
        assert_eq!(account["portalId"], 62515, "{account}");
    }
});

on_both!(a_list_is_walked_page_by_page_and_object_by_object, |server| async move {
    let caller = connected(&server).await;
    let before = caller.get("/hubs/crm/contacts").await.ok().as_array().expect("a list").len();
    contacts(&caller, 130).await;
    let page = async |query: &str| ids(&caller.get(&format!("/hubs/crm/contacts?{query}")).await.ok());
    let whole = page("pageSize=200").await;
    assert_eq!(whole.len(), before + 130);
    assert_eq!([page("page=1&pageSize=7").await, page("page=2&pageSize=7").await].concat(), page("pageSize=14").await);
    assert_eq!(page("page=3&pageSize=50").await, whole[100..whole.len().min(150)]);
    let mut walked = Vec::new();
    let mut token = String::new();
    loop {
        let reply = caller.get(&format!("/hubs/crm/contacts?page=1&pageSize=40&nextPage={token}")).await;
        walked.extend(ids(&reply.ok()));
        match reply.header("elements-next-page-token") {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, whole);
    let searched =
        caller.get_with("/hubs/crm/contacts", &[("where", "email LIKE '%example.com'"), ("pageSize", "30")]).await;
    assert_eq!((searched.header("elements-returned-count"), ids(&searched.ok()).len()), (Some("30"), 30));
    assert!(searched.header("elements-total-count").is_some());
});

on_both!(changes_since_a_time_come_newest_first, |server| async move {
    let caller = connected(&server).await;
    for (resource, modified) in [
        ("contacts", "lastmodifieddate"),
        ("accounts", "hs_lastmodifieddate"),
        ("opportunities", "hs_lastmodifieddate"),
    ] {
        let create = async |name: &str| {
            let body = match resource {
                "contacts" => json!({ "email": format!("{name}@example.com") }),
                "accounts" => json!({ "name": name }),
                _ => json!({ "properties": { "dealname": name, "amount": "350" } }),
            };
            caller.post(&format!("/hubs/crm/{resource}"), &body).await.ok()["id"].clone()
        };
        create("older").await;
        server.advance(chrono::TimeDelta::seconds(5));
        let since = server.services.now().to_rfc3339();
        create("first").await;
        server.advance(chrono::TimeDelta::seconds(5));
        let newest = create("second").await;
        let clause = format!("lastmodifieddate='{since}'");
        let found = caller.get_with(&format!("/hubs/crm/{resource}"), &[("where", &clause)]).await.ok();
        assert_eq!((found.as_array().expect("a list").len(), &found[0]["id"]), (2, &newest), "{resource}: {found}");
        for property in ["createdate", modified] {
            assert!(found[0]["properties"][property].is_string(), "{resource}: {found}");
        }
    }
});

on_both!(batches_searches_and_parts_work, |server| async move {
    let caller = connected(&server).await;
    let made = contacts(&caller, 3).await;
    let read =
        caller.post("/hubs/crm/contacts/batch/read", &json!({ "inputs": made, "properties": ["email"] })).await.ok();
    assert_eq!(ids(&read["results"]), made);
    assert_eq!(read["results"][0]["vid"], made[0]);
    let update = json!([{ "id": made[0], "properties": { "firstname": "X" } }, { "id": made[1], "firstName": "Y" }]);
    let updated = caller.post("/hubs/crm/contacts/batch/update", &update).await.ok();
    assert_eq!(updated["results"][1]["properties"]["firstname"], "Y");
    let upsert = json!([{ "id": "c2@example.com", "idProperty": "email", "firstname": "Z" }]);
    assert_eq!(caller.post("/hubs/crm/contacts/batch/upsert", &upsert).await.ok()["results"][0]["id"], made[2]);
    let search =
        json!({ "filterGroups": [{ "filters": [{ "propertyName": "firstname", "operator": "EQ", "value": "Y" }] }] });
    let found = caller.post("/hubs/crm/contacts/search", &search).await.ok();
    assert_eq!((&found["total"], ids(&found["results"])), (&json!(1), vec![made[1].clone()]));
    // One input that is not there fails alone.
    let some = caller.post("/hubs/crm/contacts/batch/read", &json!(["999999999", made[0]])).await.ok();
    assert_eq!((ids(&some["results"]), some["numErrors"].is_number()), (vec![made[0].clone()], true));
    let archived = caller.post("/hubs/crm/contacts/batch/archive", &json!(made)).await;
    assert_eq!((archived.status, archived.text.as_str()), (200, ""));
    caller.get(&format!("/hubs/crm/contacts/{}", made[0])).await.fails(404, "vendor_not_found");
    // Owners, pipelines, properties, groups, other objects.
    assert!(!caller.get("/hubs/crm/owners").await.ok().as_array().expect("owners").is_empty());
    let owner = caller.get("/hubs/crm/owners?pageSize=1").await.ok()[0].clone();
    let email = format!("email = '{}'", owner["email"].as_str().expect("an address"));
    assert_eq!(caller.get_with("/hubs/crm/owners", &[("where", &email)]).await.ok()[0]["id"], owner["id"]);
    let pipelines = caller.get("/hubs/crm/pipelines").await.ok();
    assert_eq!(pipelines[0]["pipelineId"], pipelines[0]["id"]);
    let properties = caller.get("/hubs/crm/contacts/properties").await.ok();
    assert!(ids(&properties).contains(&"email".to_owned()));
    assert_eq!(caller.get("/hubs/crm/contacts/properties/email").await.ok()["id"], "email");
    assert!(!caller.get("/hubs/crm/accounts/propertygroups").await.ok().as_array().expect("groups").is_empty());
    let fields = caller.get("/hubs/crm/objects/contacts/metadata").await.ok();
    let email = fields["fields"].as_array().expect("fields").iter().find(|it| it["vendorPath"] == "properties.email");
    assert_eq!(email.expect("the e-mail address")["createable"], true);
    // The default scopes do not reach tickets; a key does.
    let created = server.caller().create_with_key("Key").await;
    let caller = server.caller().with_element(created["token"].as_str().expect("a token"));
    let ticket = caller.post("/hubs/crm/tickets", &json!({ "subject": "Broken" })).await.ok();
    let path = format!("/hubs/crm/tickets/{}", ticket["id"].as_str().expect("an id"));
    assert_eq!(caller.get(&path).await.ok()["properties"]["subject"], "Broken");
    assert_eq!(caller.get("/hubs/crm/ping").await.ok()["endpoint"], "hubspotcrm");
});

on_both!(a_missing_scope_leaves_the_instance_valid, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let created = caller.post("/instances", &crate::support::caller::with_code("Mine", &code)).await.ok();
    let through = caller.with_element(created["token"].as_str().expect("a token"));
    // The default scopes do not reach products.
    let reply = through.get("/hubs/crm/products").await;
    let message = reply.fails(403, "vendor_forbidden");
    assert!(message.contains("scopes"), "{message}");
    assert!(reply.json()["providerMessage"].is_string());
    assert_eq!(caller.get(&format!("/instances/{}", created["id"])).await.ok()["valid"], true);
});

on_both!(a_revoked_token_is_renewed_behind_the_callers_back, |server| async move {
    let caller = connected(&server).await;
    contacts(&caller, 1).await;
    server.advance(chrono::TimeDelta::minutes(45));
    assert!(!caller.get("/hubs/crm/contacts").await.ok().as_array().expect("a list").is_empty());
});
