//! How a call names its instance, and what becomes of the token.

use serde_json::json;

use super::{AUTHORIZATION, Passthrough, run};
use crate::support::Reply;
use crate::support::caller::read;
use crate::support::wire::json as answer;

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert!(reply.text.contains(&format!("\"code\":\"{code}\"")), "{}", reply.text);
    // Nobody takes it for the vendor's own refusal.
    assert_eq!(reply.headers["elements-error"], code);
}

async fn call(through: &Passthrough, authorization: &str) -> Reply {
    read(through.server.anonymous().with(authorization).request_at_root("GET", "/vendor/x?a=1")).await
}

fn basic(text: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

#[test]
fn a_token_is_taken_where_the_vendors_credential_would_travel() {
    run(async {
        let through = Passthrough::start(|_, _| answer("{}")).await;
        let token = &through.token;
        let admin = through.server.caller().authorization.expect("secrets");
        for authorization in [
            format!("Element {token}"),
            format!("element {token}"),
            format!("{admin}, Element {token}"),
            format!("Bearer {token}"),
            format!("SSWS {token}"),
            token.clone(),
            basic(&format!("{token}:")),
            basic(&format!("x:{token}")),
        ] {
            assert_eq!(call(&through, &authorization).await.status, 200, "{authorization}");
            let arrived = through.vendor.last();
            assert_eq!(arrived.headers("authorization").collect::<Vec<_>>(), [AUTHORIZATION]);
            assert!(!arrived.head.contains(token) && arrived.target() == "/x?a=1", "{}", arrived.head);
        }
    });
}

#[test]
fn a_header_or_a_parameter_of_the_element_holds_it_too_and_is_replaced() {
    let basic = r#"placement = { in = "basic", username = "{credential}", password = "" }"#;
    run(async {
        let header = (basic, r#"placement = { in = "header", name = "X-Api-Key" }"#);
        let through = Passthrough::with(&[header], |_, _| answer("{}")).await;
        let request = through.server.anonymous().request_at_root("GET", "/vendor/x");
        read(request.header("x-api-key", &through.token)).await.ok();
        assert_eq!(through.vendor.last().headers("x-api-key").collect::<Vec<_>>(), ["the key"]);
        assert!(through.vendor.last().header("authorization").is_none());

        let query = (basic, r#"placement = { in = "query", name = "api_key" }"#);
        let through = Passthrough::with(&[query], |_, _| answer("{}")).await;
        let path = format!("/vendor/x?a=%2f&api_key={}&b=+", through.token);
        read(through.server.anonymous().request_at_root("GET", &path)).await.ok();
        assert_eq!(through.vendor.last().target(), "/x?a=%2f&b=+&api_key=the+key");
        // In two places it travels from neither, and a name of another element hides nothing.
        let request = through
            .server
            .anonymous()
            .request_at_root("GET", &format!("/vendor/x?hapikey=1&api_key={}", through.token));
        read(request.header("private-app", "something else")).await.ok();
        assert_eq!(through.vendor.last().target(), "/x?hapikey=1&api_key=the+key");
        read(through.caller().request_at_root("GET", &path)).await.ok();
        assert!(!through.vendor.last().head.contains(&through.token));
        // A caller who guesses at the parameter does not get past the instance's own key.
        read(through.caller().request_at_root("GET", "/vendor/x?api%5Fkey=other")).await.ok();
        assert_eq!(through.vendor.last().target(), "/x?api_key=the+key");
    });
}

#[test]
fn without_a_good_token_nothing_reaches_the_vendor() {
    run(async {
        let through = Passthrough::start(|_, _| answer("{}")).await;
        let (server, token) = (&through.server, &through.token);
        let nobody = read(server.anonymous().request_at_root("GET", "/vendor/x")).await;
        refused(&nobody, 401, "missing_credentials");
        let admin = server.caller().authorization.expect("secrets");
        refused(&call(&through, &admin).await, 401, "missing_credentials");
        let stranger = server.stranger().await.authorization.expect("secrets");
        for authorization in [
            "Element nobodys".to_owned(),
            "Bearer nobodys".to_owned(),
            format!("{stranger}, Element {token}"),
            format!("User wrong, Organization wrong, Element {token}"),
            format!("Element {token}, Element {token}"),
            "Basic !!!".to_owned(),
        ] {
            let reply = call(&through, &authorization).await;
            assert_eq!(reply.status, 401, "{authorization}");
            assert!(reply.headers.contains_key("elements-error"), "{authorization}");
        }
        // Not this element's place: the header belongs to HubSpot, the parameter too.
        for request in [
            server.anonymous().request_at_root("GET", "/vendor/x").header("private-app", token),
            server.anonymous().request_at_root("GET", &format!("/vendor/x?hapikey={token}")),
        ] {
            refused(&read(request).await, 401, "bad_credentials");
        }
        assert_eq!(through.arrived().len(), 0);
    });
}

#[test]
fn an_organization_may_insist_on_the_element_header() {
    run(async {
        let through = Passthrough::start(|_, _| answer("{}")).await;
        let (admin, token) = (through.server.caller(), &through.token);
        assert_eq!(call(&through, &format!("Bearer {token}")).await.status, 200);
        let changed = admin.patch("/organizations/me", &json!({ "vendorBearer": false })).await.ok();
        assert_eq!(changed["vendorBearer"], false);
        assert_eq!(admin.get("/organizations/me").await.ok(), changed);
        refused(&call(&through, &format!("Bearer {token}")).await, 401, "bad_credentials");
        assert_eq!(call(&through, &format!("Element {token}")).await.status, 200);
        admin.patch("/organizations/me", &json!({ "vendorBearer": true })).await.ok();
        assert_eq!(call(&through, &format!("Bearer {token}")).await.status, 200);
    });
}

#[test]
fn only_an_administrator_changes_the_organization() {
    run(async {
        let through = Passthrough::start(|_, _| answer("{}")).await;
        let server = &through.server;
        let owner = crate::support::copies::owner(&server.services).await;
        let input = crate::support::server::user("member@example.com", false);
        let member = server.services.create_user(input, Some(owner)).await.expect("a user");
        let member = server.anonymous().signed(&member);
        let reply = member.patch("/organizations/me", &json!({ "vendorBearer": false })).await;
        assert_eq!(reply.status, 403, "{}", reply.text);
        assert_eq!(member.get("/organizations/me").await.ok()["vendorBearer"], true);
    });
}

#[test]
fn a_disabled_or_deleted_instance_serves_nobody() {
    run(async {
        let through = Passthrough::start(|_, _| answer("{}")).await;
        let (admin, path) = (through.server.caller(), format!("/instances/{}", through.id));
        let element = format!("Element {}", through.token);
        admin.delete(&format!("{path}/enabled")).await;
        refused(&call(&through, &element).await, 403, "instance_disabled");
        admin.put(&format!("{path}/enabled"), &json!({})).await;
        assert_eq!(call(&through, &element).await.status, 200);
        admin.delete(&path).await;
        refused(&call(&through, &element).await, 401, "bad_credentials");
        assert_eq!(through.arrived().len(), 1);
    });
}
