//! What nobody should send: each with an error of its own, and nothing stored.

use serde_json::{Value, json};

use crate::support::caller::{read, with_code, with_key};
use crate::support::{Caller, Reply, on_both};

async fn post(caller: &Caller, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Reply {
    let mut request = caller.request("POST", "/instances").body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    read(request).await
}

fn without(member: &str) -> Value {
    let mut body = with_key("Bad");
    body.as_object_mut().expect("an object").remove(member);
    body
}

fn with(member: &str, value: Value) -> Value {
    let mut body = with_key("Bad");
    body[member] = value;
    body
}

on_both!(members_that_are_missing_or_wrong, |server| async move {
    let caller = server.caller();
    for (body, status, code, part) in [
        (without("name"), 400, "bad_name", "missing"),
        (with("name", Value::Null), 400, "bad_name", "null"),
        (with("name", json!(7)), 400, "bad_body", "`name`"),
        (with("name", json!({ "a": 1 })), 400, "bad_body", "`name`"),
        (without("element"), 400, "missing_element", "element"),
        (with("element", Value::Null), 400, "missing_element", "element"),
        (with("element", json!({})), 400, "missing_element", "element"),
        (with("element", json!("hubspotcrm")), 400, "bad_body", "`element`"),
        (with("element", json!({ "key": 7 })), 400, "bad_body", "`element.key`"),
        (with("element", json!({ "id": 1e30 })), 400, "bad_body", "`element.id`"),
        (with("element", json!({ "key": "nosuch" })), 404, "element_not_found", "nosuch"),
        (with("element", json!({ "key": "" })), 404, "element_not_found", "No element found"),
        (with("element", json!({ "id": 424_242 })), 404, "element_not_found", "424242"),
        (with("element", json!({ "id": -1 })), 404, "element_not_found", "-1"),
        (without("configuration"), 400, "missing_configuration", "oauth.api.key"),
        (with("configuration", json!([])), 400, "bad_body", "`configuration`"),
        (with("configuration", json!("x")), 400, "bad_body", "`configuration`"),
        (with("providerData", json!("code")), 400, "bad_body", "`providerData`"),
        (with("externalAuthentication", json!("always")), 400, "bad_body", "externalAuthentication"),
        (with("tags", json!(vec!["x"; 10_000])), 400, "bad_tags", "10000 were sent"),
        (with("tags", json!(["a\u{0}", "\u{0}"])), 400, "bad_tags", "Nothing is left"),
        (with("name", json!("\u{0}\u{0}")), 400, "bad_name", "Nothing is left"),
        (with("externalId", json!("\u{0}")), 400, "bad_body", "externalId"),
    ] {
        let reply = caller.post("/instances", &body).await;
        let said = reply.fails(status, code);
        assert!(said.contains(part), "{said}");
    }
    for path in ["/elements/nosuch/instances", "/elements/0/instances", "/elements/99999999999999999999/instances"] {
        caller.post(path, &with_key("Bad")).await.fails(404, "element_not_found");
    }
    assert_eq!(server.count().await, 0);
    assert!(server.sandbox().calls().is_empty(), "nobody asked the vendor");
});

on_both!(bodies_that_are_not_json, |server| async move {
    let caller = server.caller();
    let json = Some("application/json");
    let good = with_key("Good").to_string();
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        "\"x\"".to_owned(),
        "{".to_owned(),
        good.replace('}', ""),
        format!("{good}{good}"),
        format!("{good} x"),
        "{\"name\": \"\\ud800\"}".to_owned(),
        "{\"name\": \"\\udc00\\ud800\"}".to_owned(),
        "{\"configuration\": {\"a\": \"\\ud800 lone\"}}".to_owned(),
        "{\"tags\": [\"\\udfff\"]}".to_owned(),
        "{\"name\": \"raw\u{0}null\"}".to_owned(),
        "{\"name\": NaN}".to_owned(),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{\"configuration\": {{\"a\": {}1{}}}}}", "[".repeat(10_000), "]".repeat(10_000)),
    ] {
        let shown: String = body.chars().take(60).collect();
        let reply = post(&caller, json, body).await;
        assert_eq!(reply.status, 400, "{shown}: {reply:?}");
        reply.fails(400, "bad_body");
    }
    let mut bytes = good.clone().into_bytes();
    let at = good.find("Good").expect("the name");
    bytes[at] = 0xff;
    post(&caller, json, bytes).await.fails(400, "bad_body");
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("json"), Some("")] {
        let said = post(&caller, content_type, good.clone()).await.fails(415, "unsupported_media_type");
        assert!(said.contains("application/json"), "{said}");
    }
    assert_eq!(server.count().await, 0);
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"] {
        post(&caller, Some(content_type), good.clone()).await.ok();
    }
});

on_both!(a_wrong_type_is_named_by_place_and_never_repeated, |server| async move {
    let body = json!({ "name": { "oops": "hunter2" }, "element": { "key": "hubspotcrm" } });
    let reply = server.caller().post("/instances", &body).await;
    reply.fails(400, "bad_body");
    assert!(!reply.text.contains("hunter2"), "{}", reply.text);
});

on_both!(bodies_that_are_too_large, |server| async move {
    let caller = server.caller();
    let large = with("configuration", json!({ "a": "x".repeat(10_000_000) })).to_string();
    post(&caller, Some("application/json"), large).await.fails(413, "body_too_large");
    assert_eq!(server.count().await, 0);
});

on_both!(a_code_is_good_for_one_instance, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    caller.post("/instances", &with_code("First", &code)).await.ok();
    caller.post("/instances", &with_code("Second", &code)).await.fails(409, "code_used");
    assert_eq!(server.count().await, 1);
});

on_both!(without_credentials_nothing_happens, |server| async move {
    let anonymous = server.anonymous();
    let admin = server.caller().authorization.expect("credentials");
    let (user, organization) = admin.split_once(", ").expect("two parts");
    for (authorization, code) in [
        (None, "missing_credentials"),
        (Some("nonsense"), "bad_credentials"),
        (Some("Basic eDp5"), "bad_credentials"),
        (Some(user), "missing_credentials"),
        (Some("User x, Organization y"), "bad_credentials"),
        (Some(&format!("{user}, Organization wrong")), "bad_credentials"),
        (Some(&format!("User wrong, {organization}")), "bad_credentials"),
    ] {
        let caller = authorization.map_or_else(|| anonymous.clone(), |authorization| anonymous.with(authorization));
        for (method, path) in [("POST", "/instances"), ("GET", "/instances"), ("DELETE", "/instances/1")] {
            let reply = caller.send(method, path, &with_key("Bad")).await;
            assert_eq!(reply.status, 401, "{authorization:?} {method} {path}: {reply:?}");
            reply.fails(401, code);
        }
    }
    assert_eq!(server.count().await, 0);
});

#[test]
fn large_bodies_share_a_budget_and_small_ones_need_none() {
    use crate::support::caller::{BASE, with_key};
    use crate::support::server::{Setup, run_with};
    use ligand::service::process::budget::Budget;
    use tokio::io::AsyncWriteExt as _;

    let setup = Setup { bodies: Budget::of(1 << 20), ..Setup::default() };
    run_with(crate::support::Database::sqlite(), setup, |server| async move {
        let caller = server.caller();
        let of_size = |size: usize| {
            let mut body = with_key("Large");
            body["configuration"]["note"] = "x".repeat(size).into();
            body
        };
        // Announced, begun and not ended.
        let address = server.url.trim_start_matches("http://");
        let mut slow = tokio::net::TcpStream::connect(address).await.expect("the server listens");
        let authorization = caller.authorization.as_deref().expect("a header");
        let head = format!(
            "POST {BASE}/instances HTTP/1.1\r\nhost: ligand\r\nauthorization: {authorization}\r\n\
             content-type: application/json\r\ncontent-length: 780000\r\n\r\n"
        );
        slow.write_all(head.as_bytes()).await.expect("the server reads");
        slow.write_all(&[b' '; 1000]).await.expect("the server reads");
        let refused = loop {
            // Until the other one's body has come.
            let reply = caller.post("/instances", &of_size(50_000)).await;
            if reply.status != 200 {
                break reply;
            }
        };
        refused.fails(503, "busy");
        assert_eq!(refused.header("retry-after"), Some("1"));
        caller.post("/instances", &of_size(1000)).await.ok();
        // One organization leaves a part to the others.
        server.stranger().await.post("/instances", &of_size(50_000)).await.ok();
        drop(slow);
        caller.post("/instances", &of_size(50_000)).await.ok();
        // Few bytes can be many values.
        let many = format!("{{\"name\":[{}0]}}", "0,".repeat(220_000));
        let request = caller.request("POST", "/instances").header("content-type", "application/json").body(many);
        crate::support::caller::read(request).await.fails(413, "body_too_large");
        let fields = "&".repeat(5000);
        caller.get(&format!("/instances?{fields}")).await.fails(400, "bad_parameter");
    });
}
