//! The twelve operations of a published HubSpot connector (`ballerinax/hubspot.crm.obj.deals` 1.0.2), request by request as
//! it sends them, with the passthrough as its service URL.

use ligand::sandbox::{PresentedCredential, SandboxSettings};
use serde_json::{Value, json};

use crate::support::caller::{read, with_key};
use crate::support::{Caller, Reply, TestServer, on_both};

const BASE: &str = "/vendor/crm/v3/objects/deals";

/// The connector with its one credential: `BearerTokenConfig`, or `ApiKeysConfig`, which sends `private-app` alone.
struct Connector {
    caller: Caller,
    header: &'static str,
    credential: String,
}

impl Connector {
    async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = self
            .caller
            .request_at_root(method, &format!("{BASE}{path}"))
            .header(self.header, &self.credential)
            .header("user-agent", "ballerina")
            // It would rather speak HTTP/2, and says so on every connection in clear text.
            .header("connection", "Upgrade, HTTP2-Settings")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA");
        let request = if body.is_null() {
            request
        } else {
            request.header("content-type", "application/json").body(body.to_string())
        };
        read(request).await
    }

    async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        let reply = self.send("POST", path, body).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    }
}

/// Ids of the results of a batch.
fn ids(reply: &Value) -> Vec<&str> {
    let results = reply["results"].as_array().unwrap_or_else(|| panic!("{reply}"));
    results.iter().map(|result| result["id"].as_str().expect("an id")).collect()
}

async fn twelve_operations(connector: &Connector) {
    // create: to the base with a slash at its end.
    let sent =
        json!({"associations": [], "properties": {"dealname": "One", "amount": "1500", "dealstage": "contractsent"}});
    let created = connector.post("/", sent, 201).await;
    let id = created["id"].as_str().expect("an id").to_owned();

    // list: the defaults are always sent, arrays as repeated parameters.
    let query = "?after=0&propertiesWithHistory=dealstage&associations=contacts&limit=10&archived=false\
                 &properties=dealname&properties=amount";
    let page = connector.send("GET", &format!("/{query}"), Value::Null).await.ok();
    assert_eq!((ids(&page), &page["results"][0]["properties"]["amount"]), (vec![id.as_str()], &json!("1500")));

    // get, update
    let one = connector.send("GET", &format!("/{id}?archived=false&properties=dealname"), Value::Null).await.ok();
    assert_eq!(one["properties"]["dealname"], "One");
    let change = json!({"properties": {"amount": "2000"}});
    let changed = connector.send("PATCH", &format!("/{id}"), change).await.ok();
    assert_eq!(changed["properties"]["amount"], "2000");

    // batch/create, batch/read, batch/update
    let inputs = json!([{"properties": {"dealname": "Two"}, "associations": []}, {"properties": {"dealname": "Three"}, "associations": []}]);
    let batch = connector.post("/batch/create", json!({"inputs": inputs}), 201).await;
    let [two, three] = ids(&batch)[..] else { panic!("{batch}") };
    let asked = json!({"inputs": [{"id": two}, {"id": three}], "properties": ["dealname"], "propertiesWithHistory": ["dealname"]});
    let found = connector.post("/batch/read?archived=false", asked, 200).await;
    assert_eq!((ids(&found), &found["status"]), (vec![two, three], &json!("COMPLETE")));
    let asked = json!({"inputs": [{"id": two}, {"id": "1"}], "properties": [], "propertiesWithHistory": []});
    let partly = connector.post("/batch/read?archived=false", asked, 207).await;
    assert_eq!((&partly["numErrors"], &partly["errors"][0]["category"]), (&json!(1), &json!("OBJECT_NOT_FOUND")));
    let inputs = json!([{"id": two, "properties": {"amount": "7"}}, {"id": three, "properties": {"amount": "8"}}]);
    let changed = connector.post("/batch/update", json!({"inputs": inputs}), 200).await;
    assert_eq!(changed["results"][1]["properties"]["amount"], "8");

    // search
    let search = json!({
        "query": "t", "limit": 10, "after": "0", "sorts": ["amount"], "properties": ["dealname", "amount"],
        "filterGroups": [{"filters": [{"propertyName": "amount", "operator": "LT", "value": "100"}]}],
    });
    let found = connector.post("/search", search, 200).await;
    assert_eq!((&found["total"], ids(&found)), (&json!(2), vec![two, three]));

    // batch/upsert: by a property of the account's own, whose values are unique.
    let inputs = json!([
        {"id": "X1", "idProperty": "order_number", "properties": {"dealname": "Four"}},
        {"id": "X1", "idProperty": "order_number", "properties": {"dealname": "Still four"}},
    ]);
    let upserted = connector.post("/batch/upsert", json!({"inputs": inputs}), 200).await;
    let [four, again] = ids(&upserted)[..] else { panic!("{upserted}") };
    assert_eq!(
        (four, &upserted["results"][0]["new"], &upserted["results"][1]["new"]),
        (again, &json!(true), &json!(false))
    );

    // merge
    let merged = connector.post("/merge", json!({"objectIdToMerge": three, "primaryObjectId": two}), 200).await;
    assert_eq!((&merged["id"], &merged["properties"]["hs_merged_object_ids"]), (&json!(two), &json!(three)));

    // archive, batch/archive
    let gone = connector.send("DELETE", &format!("/{id}"), Value::Null).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    connector.post("/batch/archive", json!({"inputs": [{"id": two}, {"id": four}]}), 204).await;
    let page = connector.send("GET", "/?limit=10&archived=false", Value::Null).await.ok();
    assert!(ids(&page).is_empty(), "{page}");
    let missing = connector.send("GET", &format!("/{id}?archived=false"), Value::Null).await;
    assert_eq!((missing.status, &missing.json()["category"]), (404, &json!("OBJECT_NOT_FOUND")));
    assert!(missing.header("elements-error").is_none());
}

/// The account's own property that the upsert needs.
async fn add_property(caller: &Caller, token: &str) {
    let property = json!({
        "name": "order_number", "label": "Order number", "type": "string", "fieldType": "text",
        "groupName": "dealinformation", "hasUniqueValue": true,
    });
    let request = caller.request_at_root("POST", "/vendor/crm/v3/properties/deals");
    let request = request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    assert_eq!(read(request.body(property.to_string())).await.status, 201);
}

async fn run(server: &TestServer, instance: &Value, header: &'static str) {
    let token = instance["token"].as_str().expect("a token");
    add_property(&server.anonymous(), token).await;
    server.sandbox().forget_calls();
    let credential = if header == "authorization" { format!("Bearer {token}") } else { token.to_owned() };
    twelve_operations(&Connector { caller: server.anonymous(), header, credential }).await;
    let calls = server.sandbox().calls();
    assert_eq!(calls.len(), 15);
    let own = PresentedCredential::new("Bearer", token);
    for call in calls {
        let presented = call.authorization.expect("a credential");
        assert!(presented.scheme == "Bearer" && presented != own, "{}: {presented:?}", call.route);
    }
}

on_both!(the_twelve_operations_work_with_oauth2, |server| async move {
    let instance = server.caller().create_with_code(server.sandbox(), "Deals").await;
    run(&server, &instance, "authorization").await;
});

on_both!(the_twelve_operations_work_with_a_private_app_token, |server| async move {
    let mut body = with_key("Deals");
    let key = SandboxSettings::default().private_app_token;
    body["configuration"]["hubspot.authorization.apikey"] = json!(key.expose());
    let instance = server.caller().post("/instances", &body).await.ok();
    run(&server, &instance, "private-app").await;
});
