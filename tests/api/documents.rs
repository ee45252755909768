//! API documents of the elements' resources. That they are valid is judged by outside validators (tests/parts/clients).

use std::collections::BTreeSet;

use ligand::service::elements::of_owner::ANYBODY;
use serde_json::{Value, json};

use crate::support::{Caller, TestServer, on_both};

/// The instance's id, and a caller with its token.
async fn connected(server: &TestServer) -> (i64, Caller) {
    let created = server.caller().create_with_key("Mine").await;
    let caller = server.caller().with_element(created["token"].as_str().expect("a token"));
    (created["id"].as_i64().expect("an id"), caller)
}

/// Method and path with each operation.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations").iter();
        item.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    operations.collect()
}

fn names(document: &Value) -> Vec<String> {
    operations(document).into_iter().map(|(name, _)| name).collect()
}

fn parameters(operation: &Value) -> Vec<&str> {
    let list = operation["parameters"].as_array().expect("parameters");
    list.iter().map(|parameter| parameter["name"].as_str().expect("a name")).collect()
}

/// Every `$ref` below.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

on_both!(an_element_lists_the_operations_of_its_document, |server| async move {
    let caller = server.caller();
    for element in caller.get("/elements?pageSize=200").await.ok().as_array().expect("a list") {
        let key = element["key"].as_str().expect("a key");
        assert_eq!(caller.get(&format!("/elements/{key}")).await.ok()["resources"], element["resources"]);
        let document = caller.get(&format!("/elements/{key}/docs")).await.ok();
        let hub = format!("/hubs/{}", element["hub"].as_str().expect("a hub"));
        let mut told: Vec<(String, String)> = operations(&document)
            .into_iter()
            .map(|(name, operation)| (name.replacen(' ', &format!(" {hub}"), 1), operation["operationId"].to_string()))
            .collect();
        let resources = element["resources"].as_array().expect("resources");
        let mut listed: Vec<(String, String)> = resources
            .iter()
            .map(|it| (format!("{} {}", text(it, "method"), text(it, "path")), it["operationId"].to_string()))
            .collect();
        told.sort();
        listed.sort();
        assert_eq!(listed, told, "{key}");
        for (id, resource) in (1..).zip(resources) {
            assert_eq!((&resource["id"], &resource["type"]), (&json!(id), &json!("api")), "{key}");
            for (id, parameter) in (1..).zip(resource["parameters"].as_array().expect("parameters")) {
                assert_eq!((&parameter["id"], &parameter["resourceId"]), (&json!(id), &resource["id"]), "{key}");
            }
        }
    }
    let contacts = caller.get("/elements/hubspotcrm").await.ok()["resources"].clone();
    let find = |id: &str| contacts.as_array().expect("a list").iter().find(|it| it["operationId"] == id).cloned();
    let list = find("GET-contacts").expect("the list of contacts");
    let mut plain = list.clone();
    plain.as_object_mut().expect("an object").retain(|name, _| name != "id" && name != "parameters");
    let expected = json!({
        "operationId": "GET-contacts", "description": "List contacts", "path": "/hubs/crm/contacts", "method": "GET",
        "vendorPath": "/crm/v3/objects/contacts", "vendorMethod": "GET", "type": "api", "rootKey": "|results",
        "nextPageKey": "paging.next.after", "hooks": [], "ownerAccountId": 1,
    });
    assert_eq!(plain, expected);
    let names: Vec<&str> = list["parameters"].as_array().expect("a list").iter().map(|it| text(it, "name")).collect();
    for name in ["where", "orderBy", "fields", "page", "pageSize", "nextPage"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let change = find("PATCH-contacts-id").expect("the change of a contact");
    let kinds: Vec<(&str, &str)> = change["parameters"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (text(it, "name"), text(it, "type")))
        .collect();
    assert_eq!(
        (kinds, &change["rootKey"]),
        (vec![("id", "path"), ("idProperty", "query"), ("body", "body")], &Value::Null)
    );
});

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no {member}: {value}"))
}

fn assert_whole(document: &Value) {
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(document) {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id), "{id} is there twice");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.contains("{name}")), "{name}: no summary");
        for status in ["200", "default"] {
            assert!(operation["responses"][status]["description"].is_string(), "{name}: {status}");
        }
        let told = parameters(operation);
        for variable in name.split(['{', '}']).skip(1).step_by(2) {
            assert!(told.contains(&variable), "{name} does not tell {variable}");
        }
    }
    let mut used = BTreeSet::new();
    references(document, &mut used);
    for reference in used {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} is missing");
    }
}

on_both!(an_element_is_documented_in_both_versions, |server| async move {
    let anonymous = server.anonymous();
    let old = anonymous.get("/elements/hubspotcrm/docs").await.ok();
    assert_eq!((&old["swagger"], &old["info"]["title"]), (&json!("2.0"), &json!("Hubspot CRM")));
    assert_eq!((&old["host"], &old["basePath"]), (&json!("ligand.example"), &json!("/elements/api-v2/hubs/crm")));
    assert_eq!(old["schemes"], json!(["https"]));
    assert_eq!(old["securityDefinitions"]["elementToken"]["name"], "Authorization");
    let list = &old["paths"]["/contacts"]["get"];
    assert_eq!(list["operationId"], "GET-contacts");
    for name in ["where", "orderBy", "fields", "page", "pageSize", "nextPage", "archived"] {
        assert!(parameters(list).contains(&name), "no {name} in {list}");
    }
    for parameter in list["parameters"].as_array().expect("parameters") {
        let told = ["name", "in", "type", "description"].map(|member| parameter[member].is_string());
        assert!(told == [true; 4] && parameter["required"].is_boolean(), "{parameter}");
    }
    assert_eq!(list["responses"]["200"]["schema"]["items"]["$ref"], "#/definitions/contacts");
    assert_eq!(old["definitions"]["contacts"]["properties"]["portal-id"]["type"], "number");
    let create = old["paths"]["/contacts"]["post"]["parameters"].as_array().expect("parameters").last();
    assert_eq!(create.expect("a body")["schema"]["$ref"], "#/definitions/contacts.create");
    // An archive has nothing to say.
    assert!(old["paths"]["/contacts/{id}"]["delete"]["responses"]["200"].get("schema").is_none());

    let new = anonymous.get("/elements/168/docs?version=3.1").await.ok();
    assert_eq!(new["openapi"], "3.1.0");
    assert_eq!(new["servers"], json!([{ "url": "https://ligand.example/elements/api-v2/hubs/crm" }]));
    assert_eq!(names(&new), names(&old));
    let create = &new["paths"]["/contacts"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(create["$ref"], "#/components/schemas/contacts.create");
    for version in ["1.2", "3", "x"] {
        anonymous.get(&format!("/elements/168/docs?version={version}")).await.fails(400, "bad_parameter");
    }
    anonymous.get("/elements/nothing/docs").await.fails(404, "element_not_found");
});

on_both!(every_element_is_documented_with_all_that_its_calls_take, |server| async move {
    let anonymous = server.anonymous();
    for key in anonymous.get("/elements/keys").await.ok().as_array().expect("keys") {
        let path = format!("/elements/{}/docs", key.as_str().expect("a key"));
        for version in ["2.0", "3.1"] {
            assert_whole(&anonymous.get(&format!("{path}?version={version}")).await.ok());
        }
        let document = anonymous.get(&path).await.ok();
        let element = server.services.element_of(ANYBODY, key.as_str().expect("a key")).expect("the element");
        for resource in &element.resources {
            for operation in element.collections[&resource.collection].operations.iter().filter(|it| resource.has(it)) {
                let name = format!("/{}{}", resource.path, operation.path);
                let told = &document["paths"][&name][operation.method.to_lowercase()];
                assert!(told.is_object(), "{key}: {} {name} is not told", operation.method);
            }
        }
    }
});

on_both!(an_instance_is_documented_by_id_and_by_token, |server| async move {
    let (id, caller) = connected(&server).await;
    let whole = server.anonymous().get("/elements/hubspotcrm/docs").await.ok();
    let path = format!("/instances/{id}/docs");
    for path in [path.as_str(), "/instances/docs", "/instances/docs/"] {
        assert_eq!(caller.get(path).await.ok(), whole, "{path}");
    }
    // It needs neither the vendor nor an instance that is enabled.
    caller.delete("/instances/enabled").await.ok();
    assert_eq!(caller.get(&path).await.ok(), whole);
    server.caller().get("/instances/docs").await.fails(401, "missing_credentials");
    server.anonymous().get(&path).await.fails(401, "missing_credentials");
    server.caller().get("/instances/1/docs").await.fails(404, "instance_not_found");
    caller.post("/instances/docs", &json!({})).await.fails(405, "method_not_allowed");
});

on_both!(the_base_url_is_the_callers_to_choose, |server| async move {
    let (id, caller) = connected(&server).await;
    let (instance, object) = (format!("/instances/{id}/docs"), "/hubs/crm/objects/contacts/docs");
    for path in ["/elements/hubspotcrm/docs", &instance, "/instances/docs", "/docs/crm", object] {
        let read = async |query: &str| caller.get(&format!("{path}?{query}")).await.ok();
        let document = read("baseUrl=https://foo.bar").await;
        assert_eq!((&document["host"], &document["schemes"]), (&json!("foo.bar"), &json!(["https"])), "{path}");
        assert_eq!(document["basePath"], "/elements/api-v2/hubs/crm", "{path}");
        let document = read("baseUrl=http://user:secret@foo.bar:8443/crm/?a=b").await;
        assert_eq!((&document["host"], &document["basePath"]), (&json!("foo.bar:8443"), &json!("/crm/hubs/crm")));
        let document = read("baseUrl=https://foo.bar&version=3.1").await;
        assert_eq!(document["servers"][0]["url"], "https://foo.bar/elements/api-v2/hubs/crm", "{path}");
        assert!(read("baseUrl=http://[::1]:8080").await.get("host").is_none());
        for wrong in ["foo.bar", "ftp://foo.bar", "https://%7Bhost%7D"] {
            caller.get(&format!("{path}?baseUrl={wrong}")).await.fails(400, "bad_parameter");
        }
    }
});

on_both!(one_operation_comes_with_what_it_needs, |server| async move {
    let anonymous = server.anonymous();
    let whole = anonymous.get("/elements/hubspotcrm/docs").await.ok();
    for (name, operation) in operations(&whole) {
        let id = operation["operationId"].as_str().expect("an id");
        let one = anonymous.get_with("/elements/hubspotcrm/docs", &[("operationId", id)]).await.ok();
        assert_eq!(names(&one), [name]);
        assert_whole(&one);
        let mut used = BTreeSet::new();
        references(&one, &mut used);
        let defined = one["definitions"].as_object().expect("definitions").keys();
        assert_eq!(used, defined.map(|name| format!("#/definitions/{name}")).collect(), "{id}");
    }
    let message = anonymous.get("/elements/hubspotcrm/docs?operationId=GET-nothing").await;
    assert!(message.fails(404, "resource_not_found").contains("GET-nothing"));
});

on_both!(a_hub_is_what_its_elements_offer_together, |server| async move {
    let anonymous = server.anonymous();
    let hub = anonymous.get("/docs/crm").await.ok();
    assert_whole(&hub);
    let told: BTreeSet<String> = names(&hub).into_iter().collect();
    // Salesforce's accounts and HubSpot's are one resource of the hub.
    for key in ["hubspotcrm", "sfdc", "closeio"] {
        let element = anonymous.get(&format!("/elements/{key}/docs")).await.ok();
        assert_eq!(element["basePath"], hub["basePath"]);
        for name in names(&element) {
            assert!(told.contains(&name), "{key}: {name} is not told");
        }
    }
    let accounts = &hub["definitions"]["accounts"]["properties"];
    assert!(accounts["companyId"].is_object() && accounts["AnnualRevenue"]["type"] == "number", "{accounts}");
    assert_eq!(anonymous.get("/docs/helpdesk/").await.ok()["basePath"], "/elements/api-v2/hubs/helpdesk");
    assert!(anonymous.get("/docs/nothing").await.fails(404, "element_not_found").contains("crm"));
    // At the root stands the page of the API.
    let page = crate::support::caller::read(anonymous.request_at_root("GET", "/docs/")).await;
    assert!(page.headers["content-type"].to_str().expect("a text").starts_with("text/html"), "{page:?}");
});

on_both!(an_object_is_documented_with_the_fields_that_the_vendor_names, |server| async move {
    let (_, caller) = connected(&server).await;
    let plain = caller.get("/hubs/crm/objects/contacts/docs").await;
    assert!(plain.header("elements-element-instance-id").is_some());
    let plain = plain.ok();
    assert_whole(&plain);
    assert!(names(&plain).iter().all(|name| name.contains(" /contacts")), "{:?}", names(&plain));
    let fields =
        |document: &Value| document["definitions"]["contacts"]["properties"]["properties"]["properties"].clone();
    assert_eq!(fields(&plain), Value::Null);

    let discovered = caller.get("/hubs/crm/objects/contacts/docs?discovery=true&basic=true").await.ok();
    assert_whole(&discovered);
    assert_eq!(fields(&discovered)["email"]["type"], "string");
    let metadata = caller.get("/hubs/crm/objects/contacts/metadata").await.ok();
    let told = metadata["fields"].as_array().expect("fields");
    assert_eq!(fields(&discovered).as_object().expect("fields").len(), told.len());
    // Bodies have what can be written.
    let written = &discovered["definitions"]["contacts.create"]["properties"]["properties"]["properties"];
    for field in told {
        let name = field["vendorPath"].as_str().and_then(|path| path.strip_prefix("properties.")).expect("a property");
        assert_eq!(written.get(name).is_some(), field["vendorReadOnly"] == false, "{name}");
    }
    // By the vendor's name, without the hub, and without references.
    assert_eq!(caller.get("/objects/contacts/docs").await.ok(), plain);
    let companies = caller.get("/hubs/crm/objects/companies/docs").await.ok();
    assert!(companies["paths"]["/accounts"].is_object());
    let inline = caller.get("/hubs/crm/objects/contacts/docs?resolveReferences=true&version=3.1").await.ok();
    let mut found = BTreeSet::new();
    references(&inline, &mut found);
    assert_eq!(found, BTreeSet::new());
    // An object of the customer's own.
    let cars = caller.get("/hubs/crm/objects/p_cars/docs").await.ok();
    assert_whole(&cars);
    assert!(cars["paths"]["/p_cars/{id}"]["get"].is_object(), "{:?}", names(&cars));
    caller.get("/hubs/crm/objects/contacts/docs?discovery=x").await.fails(400, "bad_parameter");
    server.caller().get("/hubs/crm/objects/contacts/docs").await.fails(401, "missing_credentials");
});
