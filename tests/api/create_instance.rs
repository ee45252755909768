//! `POST /instances`: the reply member by member, how the element is named, names and tags.

use serde_json::{Value, json};

use crate::support::caller::{BASE, read, with_code, with_key};
use crate::support::on_both;

/// The instance token is random: a snapshot shows its shape instead (docs/api.md, Authentication).
fn without_token(mut instance: Value) -> Value {
    let token = instance["token"].as_str().expect("a token").to_owned();
    assert_eq!(token.len(), 44);
    assert!(token.ends_with('=') && !token.contains(['+', '/']), "{token}");
    instance["token"] = "<44 characters base64>".into();
    instance
}

on_both!(the_whole_instance_with_a_code, |server| async move {
    let instance = server.caller().create_with_code(server.sandbox(), "API Instance").await;
    insta::assert_json_snapshot!("instance_oauth2", without_token(instance.clone()));
    let members = |value: &Value| value.as_object().expect("an object").len();
    assert_eq!(members(&instance["element"]), 25);
    assert_eq!(members(&instance["configuration"]), 20);
    let read = server.caller().get(&format!("/instances/{}", instance["id"])).await.ok();
    assert_eq!(read, instance, "what is read later is what the creation answered");
});

on_both!(the_whole_instance_with_a_key, |server| async move {
    let instance = server.caller().create_with_key("API Instance").await;
    insta::assert_json_snapshot!("instance_api_key", without_token(instance.clone()));
    assert_eq!(instance["configuration"].as_object().expect("an object").len(), 20);
    let read = server.caller().get(&format!("/instances/{}", instance["id"])).await.ok();
    assert_eq!(read, instance);
});

on_both!(authentication_type_may_be_left_out, |server| async move {
    let code = server.caller().code(server.sandbox()).await;
    let mut body = with_code("Default", &code);
    body["configuration"].as_object_mut().expect("an object").remove("authentication.type");
    let instance = server.caller().post("/instances", &body).await.ok();
    assert_eq!(instance["configuration"]["authentication.type"], "oauth2");
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
});

on_both!(the_element_is_named_by_key_or_id_in_path_or_body, |server| async move {
    let caller = server.caller();
    let mut body = with_key("Named");
    for (path, element) in [
        ("/instances", json!({ "key": "hubspotcrm" })),
        ("/instances", json!({ "id": 168 })),
        ("/instances/", json!({ "key": "hubspotcrm", "name": "Hubspot CRM", "active": true })),
        ("/elements/hubspotcrm/instances", json!({ "key": "hubspotcrm" })),
        ("/elements/hubspotcrm/instances", json!({ "id": 168 })),
        ("/elements/168/instances", json!({ "key": "hubspotcrm" })),
        ("/elements/168/instances", Value::Null),
    ] {
        body["element"] = element;
        assert_eq!(caller.post(path, &body).await.ok()["element"]["key"], "hubspotcrm", "{path}");
    }
    body.as_object_mut().expect("an object").remove("element");
    assert_eq!(caller.post("/elements/hubspotcrm/instances", &body).await.ok()["elementId"], 168);
    let before = server.count().await;
    for element in [json!({ "key": "hubspot" }), json!({ "id": 43 }), json!({ "key": "nosuch" })] {
        body["element"] = element;
        caller.post("/elements/hubspotcrm/instances", &body).await.fails(400, "id_mismatch");
    }
    assert_eq!(server.count().await, before);
});

on_both!(the_base_path_may_be_left_out, |server| async move {
    let caller = server.caller();
    for path in ["/instances", "/elements/hubspotcrm/instances"] {
        let request = caller.request_at_root("POST", path).header("content-type", "application/json");
        let created = read(request.body(with_key("Root").to_string())).await.ok();
        let at_root = read(caller.request_at_root("GET", &format!("/instances/{}", created["id"]))).await;
        let below_base = read(caller.request_at_root("GET", &format!("{BASE}/instances/{}", created["id"]))).await;
        assert_eq!(at_root.ok(), below_base.ok());
    }
});

on_both!(names_and_tags_become_plain_text, |server| async move {
    let caller = server.caller();
    for (name, plain) in [
        ("R&D", "R&D"),
        ("<a href=\"#\">my name</a>", "my name"),
        ("  a < b  ", "a < b"),
        ("Ärger \u{1F980}", "Ärger \u{1F980}"),
        ("nu\u{0}ll", "null"),
    ] {
        let mut body = with_key(name);
        body.as_object_mut().expect("an object").remove("tags");
        let instance = caller.post("/instances", &body).await.ok();
        assert_eq!(instance["name"], plain);
        assert_eq!(instance["tags"], json!([plain]), "without tags the name is the one tag");
    }
    let before = server.count().await;
    for name in ["", "  ", "<br/>", "<<b>script>", "\u{0}"] {
        let said = caller.post("/instances", &with_key(name)).await.fails(400, "bad_name");
        assert!(said.contains("Nothing is left"), "{said}");
    }
    caller.post("/instances", &with_key(&"x".repeat(256))).await.fails(400, "bad_name");
    assert_eq!(server.count().await, before);
});

on_both!(tags_are_one_text_or_many, |server| async move {
    let caller = server.caller();
    let mut body = with_key("Tagged");
    for (tags, shown) in [
        (json!("Docs"), json!(["Docs"])),
        (json!(["b", "a"]), json!(["b", "a"])),
        (json!(["a", "b", "a", "<i>b</i>"]), json!(["a", "b"])),
        (json!(["<a href=\"#\">@label</a>", "R&D"]), json!(["@label", "R&D"])),
        (json!([{ "id": 1, "name": "old" }]), json!(["old"])),
        (json!([]), json!([])),
        (Value::Null, json!([])),
    ] {
        body["tags"] = tags;
        assert_eq!(caller.post("/instances", &body).await.ok()["tags"], shown);
    }
    let before = server.count().await;
    for tags in [json!(["ok", "<br>"]), json!(["x".repeat(256)]), json!(vec!["x"; 101])] {
        body["tags"] = tags;
        caller.post("/instances", &body).await.fails(400, "bad_tags");
    }
    for tags in [json!(7), json!([7]), json!({ "a": 1 })] {
        body["tags"] = tags;
        assert!(caller.post("/instances", &body).await.fails(400, "bad_body").contains("`tags`"));
    }
    assert_eq!(server.count().await, before);
});

on_both!(an_external_id_is_kept, |server| async move {
    let caller = server.caller();
    let mut body = with_key("Customer");
    body["externalId"] = "customer-7".into();
    assert_eq!(caller.post("/instances", &body).await.ok()["externalId"], "customer-7");
    body["externalId"] = "".into();
    assert_eq!(caller.post("/instances", &body).await.ok()["externalId"], Value::Null);
    for wrong in ["x".repeat(256), "a\nb".to_owned()] {
        body["externalId"] = wrong.into();
        assert!(caller.post("/instances", &body).await.fails(400, "bad_body").contains("externalId"));
    }
});

on_both!(debug_is_answered_with_a_trace_id, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let mut body = with_code("Traced", &code);
    body["providerData"]["debug"] = true.into();
    let reply = caller.post("/instances", &body).await;
    reply.ok();
    assert!(reply.header("elements-trace-id").is_some_and(|id| !id.is_empty()));
    let reply = caller.post("/instances", &with_key("Untraced")).await;
    assert_eq!(reply.header("elements-trace-id"), None);
});

on_both!(what_has_no_effect_is_said, |server| async move {
    let caller = server.caller();
    let reply = caller.post("/instances", &with_key("Plain")).await;
    assert_eq!(reply.header("elements-error"), None);
    let mut body = with_key("Ahead of time");
    body["configuration"]["create.bulk.properties"] = true.into();
    body["configuration"]["event.notification.enabled"] = "true".into();
    let reply = caller.post("/instances", &body).await;
    let instance = reply.ok();
    let said = reply.header("elements-error").expect("a soft error");
    for part in ["ignored", "create.bulk.properties=true", "event.notification.enabled=true"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(instance["configuration"]["create.bulk.properties"], "true", "stored all the same");
    assert_eq!(instance["eventsEnabled"], true);
});
