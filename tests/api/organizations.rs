//! `/organizations/me`: allowed origins and brand.

use serde_json::{Value, json};

use crate::support::copies::owner;
use crate::support::server::user;
use crate::support::{Caller, on_both};

const ME: &str = "/organizations/me";

fn brand(name: Value, logo: Value, colour: Value) -> Value {
    json!({ "displayName": name, "logoUrl": logo, "colour": colour })
}

on_both!(an_organization_starts_without_origins_and_brand, |server| async move {
    let shown = server.caller().get(ME).await.ok();
    assert_eq!(shown["allowedOrigins"], json!([]));
    assert_eq!(shown["brand"], brand(Value::Null, Value::Null, Value::Null));
    assert_eq!(shown["vendorBearer"], true);
});

on_both!(what_is_sent_changes_and_the_rest_stays, |server| async move {
    let caller = server.caller();
    let origins = json!([
        "https://App.Example.com/",
        "http://localhost:*",
        "https://app.example.com:443",
        "http://localhost:3000"
    ]);
    let changed = caller.patch(ME, &json!({ "allowedOrigins": origins })).await.ok();
    let expected = json!(["https://app.example.com", "http://localhost:*", "http://localhost:3000"]);
    assert_eq!(changed["allowedOrigins"], expected);
    let whole = brand("<b>Acme</b> & Co".into(), "https://cdn.example.com/logo.svg".into(), "#2A5BD7".into());
    let changed = caller.patch(ME, &json!({ "brand": whole })).await.ok();
    assert_eq!(changed["allowedOrigins"], expected);
    let kept = brand("Acme & Co".into(), "https://cdn.example.com/logo.svg".into(), "#2a5bd7".into());
    assert_eq!(changed["brand"], kept);
    let changed = caller.patch(ME, &json!({ "brand": { "logoUrl": null, "colour": "#000000" } })).await.ok();
    assert_eq!(changed["brand"], brand("Acme & Co".into(), Value::Null, "#000000".into()));
    let changed = caller.patch(ME, &json!({ "vendorBearer": false, "brand": null, "allowedOrigins": null })).await.ok();
    assert_eq!((&changed["vendorBearer"], &changed["allowedOrigins"]), (&json!(false), &expected));
    assert_eq!(caller.get(ME).await.ok(), changed);
    assert_eq!(caller.patch(ME, &json!({ "allowedOrigins": [] })).await.ok()["allowedOrigins"], json!([]));
    assert_eq!(server.stranger().await.get(ME).await.ok()["brand"]["colour"], Value::Null);
});

on_both!(what_is_no_origin_and_no_brand_is_refused, |server| async move {
    let caller = server.caller();
    for origin in
        ["*", "https://*.example.com", "http://app.example.com", "https://app.example.com/path", "localhost:3000", ""]
    {
        let body = json!({ "allowedOrigins": ["https://fine.example.com", origin] });
        let said = caller.patch(ME, &body).await.fails(400, "bad_body");
        assert!(said.contains(&format!("`{origin}` is no origin")), "{said}");
    }
    caller.patch(ME, &json!({ "allowedOrigins": vec!["https://a.example"; 101] })).await.fails(400, "bad_body");
    caller.patch(ME, &json!({ "allowedOrigins": "https://a.example" })).await.fails(400, "bad_body");
    for (member, value) in [
        ("displayName", json!("")),
        ("displayName", json!("<script></script>")),
        ("displayName", json!("x".repeat(101))),
        ("displayName", json!(7)),
        ("logoUrl", json!("http://cdn.example.com/logo.svg")),
        ("logoUrl", json!("javascript:alert(1)")),
        ("logoUrl", json!("data:image/svg+xml,x")),
        ("logoUrl", json!("https://user@cdn.example.com/logo.svg")),
        ("logoUrl", json!("/logo.svg")),
        ("colour", json!("red")),
        ("colour", json!("#12345")),
        ("colour", json!("#12345g")),
        ("colour", json!("#123456;background:url(//evil.example)")),
    ] {
        caller.patch(ME, &json!({ "brand": { member: value } })).await.fails(400, "bad_body");
    }
    let shown = caller.get(ME).await.ok();
    assert_eq!((&shown["allowedOrigins"], &shown["brand"]["colour"]), (&json!([]), &Value::Null));
});

on_both!(only_an_administrator_changes_it, |server| async move {
    let of = owner(&server.services).await;
    let created = server.services.create_user(user("colleague@example.com", false), Some(of)).await.expect("a user");
    let colleague: Caller = server.anonymous().signed(&created);
    let change = json!({ "allowedOrigins": ["https://evil.example"] });
    colleague.patch(ME, &change).await.fails(403, "not_allowed");
    server.anonymous().patch(ME, &change).await.fails(401, "missing_credentials");
    assert_eq!(colleague.get(ME).await.ok()["allowedOrigins"], json!([]));
});

on_both!(changes_at_once_lose_nothing, |server| async move {
    let caller = server.caller();
    let changes = [
        json!({ "allowedOrigins": ["https://a.example"] }),
        json!({ "brand": { "displayName": "Acme" } }),
        json!({ "brand": { "colour": "#123456" } }),
        json!({ "vendorBearer": false }),
    ];
    for reply in futures_util::future::join_all(changes.iter().map(|change| caller.patch(ME, change))).await {
        reply.ok();
    }
    let shown = caller.get(ME).await.ok();
    assert_eq!(shown["brand"], brand("Acme".into(), Value::Null, "#123456".into()));
    assert_eq!((&shown["allowedOrigins"], &shown["vendorBearer"]), (&json!(["https://a.example"]), &json!(false)));
});
