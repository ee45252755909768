//! An instance's configuration: what is checked, what is kept, what is shown.

use ligand::sandbox::PresentedCredential;
use serde_json::{Value, json};

use crate::support::caller::{with_code, with_key};
use crate::support::{Caller, TestServer, on_both};

const VERIFY: &str = "GET /account-info/v3/details";

async fn create(server: &TestServer, configuration: Value) -> Value {
    let mut body = with_key("Configured");
    let given = configuration.as_object().expect("an object").clone();
    body["configuration"].as_object_mut().expect("an object").extend(given);
    server.caller().post("/instances", &body).await.ok()
}

async fn configure(caller: &Caller, instance: &Value, configuration: Value) -> Value {
    let body = json!({ "configuration": configuration });
    caller.patch(&format!("/instances/{}", instance["id"]), &body).await.ok()["configuration"].clone()
}

on_both!(booleans_and_choices_are_checked_all_at_once, |server| async move {
    let mut body = with_key("Wrong");
    body["configuration"]["create.bulk.properties"] = "maybe".into();
    body["configuration"]["filter.response.nulls"] = 7.into();
    body["configuration"]["authentication.type"] = "carrier pigeon".into();
    let said = server.caller().post("/instances", &body).await.fails(400, "bad_configuration");
    for part in [
        "create.bulk.properties must be one of true, false",
        "filter.response.nulls must be one of true, false",
        "authentication.type must be one of oauth2, apiKey",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("maybe") && !said.contains("pigeon"), "a value may be a secret in the wrong place: {said}");
    assert_eq!(server.count().await, 0);
    let instance = create(&server, json!({ "authentication.type": "APIKEY", "filter.response.nulls": "False" })).await;
    assert_eq!(instance["configuration"]["authentication.type"], "apiKey");
    assert_eq!(instance["configuration"]["filter.response.nulls"], "false");
});

on_both!(what_one_body_can_cost_is_bounded, |server| async move {
    let caller = server.caller();
    let mut body = with_key("Bounds");
    for at in 0..501 {
        body["configuration"][format!("k{at}")] = json!("v");
    }
    caller.post("/instances", &body).await.fails(400, "bad_configuration");
    let mut body = with_key("Bounds");
    for at in 0..5 {
        body["configuration"][format!("k{at}")] = json!("v".repeat(60_000));
    }
    let said = caller.post("/instances", &body).await.fails(400, "bad_configuration");
    assert!(said.contains("together"), "{said}");
    for raw in ["<a".repeat(200_000), "<".repeat(100_000) + &"b>".repeat(100_000)] {
        caller.post("/instances", &with_key(&raw)).await.fails(400, "bad_name");
    }
    assert_eq!(server.count().await, 0);
});

on_both!(everything_that_is_missing_is_named_at_once, |server| async move {
    let caller = server.caller();
    let mut body = with_code("Missing", "code");
    body["configuration"] = json!({});
    let said = caller.post("/instances", &body).await.fails(400, "missing_configuration");
    assert!(said.contains("oauth.callback.url, oauth.api.key, oauth.api.secret"), "{said}");
    assert!(!said.contains("hubspot.authorization.apikey"), "not of this authentication type: {said}");
    body["configuration"] = json!({ "oauth.api.key": "", "oauth.api.secret": "********", "oauth.callback.url": null });
    let again = caller.post("/instances", &body).await.fails(400, "missing_configuration");
    assert_eq!(again, said, "empty, masked and null are no values");
    body["configuration"] = json!({ "authentication.type": "apiKey" });
    let said = caller.post("/instances", &body).await.fails(400, "missing_configuration");
    assert!(said.contains("apiKey: hubspot.authorization.apikey."), "{said}");
    let mut body = with_code("Missing", "");
    assert!(caller.post("/instances", &body).await.fails(400, "missing_code").contains("providerData.code"));
    body.as_object_mut().expect("an object").remove("providerData");
    caller.post("/instances", &body).await.fails(400, "missing_code");
    assert_eq!(server.count().await, 0);
    assert!(server.sandbox().calls().is_empty());
});

on_both!(keys_of_the_other_type_are_stored_and_never_sent, |server| async move {
    let other =
        json!({ "oauth.api.key": "client", "oauth.api.secret": "shh", "oauth.callback.url": "https://a.example" });
    let instance = create(&server, other).await;
    assert_eq!(instance["configuration"]["oauth.api.key"], "********");
    assert_eq!(instance["configuration"]["oauth.callback.url"], "https://a.example");
    assert_eq!(server.sandbox().calls().len(), 1, "the key was verified, nothing else was asked");
});

on_both!(undeclared_keys_are_kept_and_masked_by_name, |server| async move {
    let sent = json!({
        "username": "jo@example.com", "password": "p", "provisioning": "x", "My.Secret": "s", "some.TOKEN": "t",
        "my.key": "k", "event.poller.configuration": { "contacts": { "url": "/x" } }, "empty.password": "",
    });
    let shown = create(&server, sent).await["configuration"].clone();
    for masked in ["password", "My.Secret", "some.TOKEN", "my.key"] {
        assert_eq!(shown[masked], "********", "{masked}");
    }
    assert_eq!(shown["username"], "jo@example.com");
    assert_eq!(shown["provisioning"], "x");
    assert_eq!(shown["empty.password"], "");
    assert_eq!(shown["event.poller.configuration"], r#"{"contacts":{"url":"/x"}}"#);
});

on_both!(values_of_any_type_become_text, |server| async move {
    let sent = json!({ "a": true, "b": 7, "c": 1.5, "d": [1, "x"], "e": { "f": null }, "g": "text", "h": "nu\u{0}ll" });
    let shown = create(&server, sent).await["configuration"].clone();
    let texts = [("a", "true"), ("b", "7"), ("c", "1.5"), ("d", r#"[1,"x"]"#), ("e", r#"{"f":null}"#), ("g", "text")];
    for (key, text) in texts {
        assert_eq!(shown[key], text);
    }
    assert_eq!(shown["h"], "nu\u{0}ll", "sealed values may hold anything");
});

on_both!(our_own_keys_are_not_the_callers_to_set, |server| async move {
    let sent = json!({
        "oauth.user.token": "mine", "hubspot.webhook.workflow.id": "mine", "base.url": "http://127.0.0.1",
        "oauth.token.url": "http://127.0.0.1",
    });
    let shown = create(&server, sent).await["configuration"].clone();
    assert_eq!(shown["oauth.user.token"], Value::Null);
    assert_eq!(shown["hubspot.webhook.workflow.id"], Value::Null);
    assert_eq!(shown.get("base.url"), None);
    assert_eq!(shown.get("oauth.token.url"), None);
});

on_both!(a_change_merges_and_null_resets, |server| async move {
    let caller = server.caller();
    let instance = create(&server, json!({ "event.poller.urls": "deals", "mine": "1" })).await;
    let shown = configure(&caller, &instance, json!({ "filter.response.nulls": false })).await;
    assert_eq!(shown["filter.response.nulls"], "false");
    assert_eq!(shown["event.poller.urls"], "deals", "other keys keep their values");
    let resets = json!({ "event.poller.urls": null, "filter.response.nulls": null, "mine": null });
    let shown = configure(&caller, &instance, resets).await;
    assert_eq!(shown["event.poller.urls"], "contacts\naccounts");
    assert_eq!(shown["filter.response.nulls"], "true");
    assert_eq!(shown.get("mine"), None);
    let body = json!({ "configuration": { "hubspot.authorization.apikey": null } });
    let path = format!("/instances/{}", instance["id"]);
    caller.patch(&path, &body).await.fails(400, "missing_configuration");
});

on_both!(a_masked_value_leaves_the_secret_alone, |server| async move {
    let caller = server.caller();
    let instance = create(&server, json!({})).await;
    let masked = json!({ "hubspot.authorization.apikey": "********", "filter.response.nulls": "false" });
    configure(&caller, &instance, masked).await;
    assert_eq!(server.sandbox().counts(VERIFY).total, 1, "nothing changed that the vendor must see");
    // The key that is verified anew is the one from before.
    let path = format!("/instances/{}?reAuthenticate=true", instance["id"]);
    caller.put(&path, &json!({})).await.ok();
    let call = server.sandbox().calls().pop().expect("a verification");
    let key = server.sandbox().settings().api_key.clone();
    assert_eq!(call.authorization, Some(PresentedCredential::new("hapikey", key.expose())));
});

on_both!(entries_have_ids_that_stay, |server| async move {
    let caller = server.caller();
    let instance = create(&server, json!({ "mine": "1", "my.secret": "2" })).await;
    let base = format!("/instances/{}/configuration", instance["id"]);
    let entries = caller.get(&base).await.ok();
    let list = entries.as_array().expect("an array");
    assert_eq!(list.len(), 22);
    let mut ids: Vec<_> = list.iter().map(|entry| entry["id"].as_i64().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 22);
    for entry in list {
        assert_eq!(entry["propertyValue"], instance["configuration"][entry["key"].as_str().expect("a key")]);
        assert_eq!(caller.get(&format!("{base}/{}", entry["id"])).await.ok(), *entry);
    }
    let find = |key: &str| list.iter().find(|entry| entry["key"] == key).expect("the entry").clone();
    let mut nulls = find("filter.response.nulls");
    insta::assert_json_snapshot!("instance_configuration_entry", nulls);
    let one = format!("{base}/{}", nulls["id"]);
    nulls["propertyValue"] = "false".into();
    assert_eq!(caller.patch(&one, &nulls).await.ok(), nulls, "the full entry is a fine body");
    assert_eq!(caller.patch(&one, &json!({ "propertyValue": true })).await.ok()["propertyValue"], "true");
    assert_eq!(caller.patch(&one, &json!({ "propertyValue": null })).await.ok()["propertyValue"], "true");
    caller.patch(&one, &json!({ "propertyValue": "maybe" })).await.fails(400, "bad_configuration");
    assert!(caller.patch(&one, &json!({ "value": "x" })).await.fails(400, "bad_body").contains("propertyValue"));
    let bulk = format!("{base}/{}", find("create.bulk.properties")["id"]);
    let reply = caller.patch(&bulk, &json!({ "propertyValue": true })).await;
    assert!(reply.header("elements-error").is_some_and(|said| said.contains("create.bulk.properties=true")));
    let secret = format!("{base}/{}", find("my.secret")["id"]);
    assert_eq!(caller.patch(&secret, &json!({ "propertyValue": "3" })).await.ok()["propertyValue"], "********");
    configure(&caller, &instance, json!({ "mine": null, "another": "x" })).await;
    let after = caller.get(&base).await.ok();
    for entry in after.as_array().expect("an array").iter().filter(|entry| entry["key"] != "another") {
        assert_eq!(entry["id"], find(entry["key"].as_str().expect("a key"))["id"]);
    }
    for id in ["0", "999999", "-1", "x", "99999999999999999999"] {
        caller.get(&format!("{base}/{id}")).await.fails(404, "configuration_not_found");
        let path = format!("{base}/{id}");
        caller.patch(&path, &json!({ "propertyValue": "x" })).await.fails(404, "configuration_not_found");
    }
});

on_both!(the_key_is_proven_through_its_entry_too, |server| async move {
    let caller = server.caller();
    let instance = create(&server, json!({})).await;
    let base = format!("/instances/{}/configuration", instance["id"]);
    let entries = caller.get(&base).await.ok();
    let mut list = entries.as_array().expect("an array").iter();
    let entry = list.find(|entry| entry["key"] == "hubspot.authorization.apikey").expect("the key");
    let path = format!("{base}/{}", entry["id"]);
    caller.patch(&path, &json!({ "propertyValue": "wrong" })).await.fails(400, "vendor_refused");
    let token = server.sandbox().settings().private_app_token.clone();
    caller.patch(&path, &json!({ "propertyValue": token.expose() })).await.ok();
    assert_eq!(server.sandbox().counts(VERIFY).total, 3);
});

on_both!(there_is_an_end_to_keys_and_values, |server| async move {
    let mut body = with_key("Much");
    body["configuration"]["long"] = "x".repeat(70_000).into();
    let said = server.caller().post("/instances", &body).await.fails(400, "bad_configuration");
    assert!(said.contains("long is longer than 65536 bytes"), "{said}");
    let mut body = with_key("Many");
    let many = (0..600).map(|number| (format!("key {number}"), json!(number)));
    body["configuration"].as_object_mut().expect("an object").extend(many);
    server.caller().post("/instances", &body).await.fails(400, "bad_configuration");
    for key in ["", "a\u{0}b", "a\nb", &"x".repeat(201)] {
        let mut body = with_key("Odd");
        body["configuration"][key] = "x".into();
        server.caller().post("/instances", &body).await.fails(400, "bad_configuration");
    }
    assert_eq!(server.count().await, 0);
});
