//! Keys, clients and addresses as people paste them. Copying from a page, a mail, a terminal or a command brings what is no
//! part of them, and a client of HTTP refuses to send it.

use serde_json::{Value, json};

use super::external_tokens::{external, own_tokens};
use crate::support::caller::{CALLBACK, with_code, with_key};
use crate::support::on_both;

const VERIFY: &str = "GET /account-info/v3/details";
const KEY: &str = "hubspot.authorization.apikey";

on_both!(a_key_is_taken_without_what_copying_added, |server| async move {
    let caller = server.caller();
    let key = server.sandbox().settings().private_app_token.expose().to_owned();
    for (pasted, source) in [
        (format!("{key}\n"), "a terminal's line end (`pbpaste`, `cat key.txt`)"),
        (format!("\u{feff}{key}"), "a file with a byte order mark (RFC 3629, section 6)"),
        (format!("\u{200b}{key}\u{a0}"), "a page that breaks long words and pads its fields"),
        (format!("Bearer {key}"), "a line of documentation (RFC 6750, section 2.1)"),
        (format!("Authorization: Bearer {key}\r\n"), "a header out of a developer tool"),
        (format!("\"{key}\""), "a value out of JSON or of an .env file"),
        (format!("\u{201c}{key}\u{201d}"), "a word processor"),
    ] {
        let mut body = with_key("Pasted");
        body["configuration"][KEY] = pasted.into();
        server.sandbox().forget_calls();
        let made = caller.post("/instances", &body).await.ok();
        assert_eq!(server.sandbox().calls().len(), 1, "{source}");
        assert_eq!(made["valid"], true, "{source}");
        let changed = json!({ "configuration": { KEY: body["configuration"][KEY] } });
        caller.patch(&format!("/instances/{}", made["id"]), &changed).await.ok();
    }
});

on_both!(a_key_that_cannot_be_one_is_named_and_nothing_is_sent, |server| async move {
    let caller = server.caller();
    let mut body = with_key("Pasted");
    for pasted in ["pat-na1-a\npat-na1-b", "pat-na1-a b", "pat\u{2013}na1\u{2013}a"] {
        body["configuration"][KEY] = pasted.into();
        let said = caller.post("/instances", &body).await.fails(400, "bad_configuration");
        assert!(said.contains(KEY) && said.contains("paste it alone"), "{said}");
        assert!(!said.contains("na1"), "{said}");
    }
    assert_eq!(server.sandbox().counts(VERIFY).total, 0);
    assert_eq!(server.count().await, 0);
});

on_both!(a_code_and_a_client_are_taken_without_what_copying_added, |server| async move {
    let caller = server.caller();
    let mut body = with_code("Pasted", &format!(" {}\n", caller.code(server.sandbox()).await));
    for key in ["oauth.api.key", "oauth.api.secret"] {
        let text = body["configuration"][key].as_str().expect("a text").to_owned();
        body["configuration"][key] = format!("\u{feff}{text}\r\n").into();
    }
    let made = caller.post("/instances", &body).await.ok();
    assert_eq!(made["valid"], true);
    // The same of the organization's app, and of tokens that somebody brings.
    let settings = server.sandbox().settings().clone();
    let app = json!({
        "clientId": format!("{}\n", settings.client_id), "clientSecret": format!("\t{}\n", settings.client_secret.expose()),
    });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let mut by_app = with_code("App", &caller.code(server.sandbox()).await);
    for key in ["oauth.api.key", "oauth.api.secret"] {
        by_app["configuration"].as_object_mut().expect("an object").remove(key);
    }
    caller.post("/instances", &by_app).await.ok();
});

on_both!(tokens_that_are_brought_are_read_like_keys, |server| async move {
    let caller = server.caller();
    let (_, refresh_token) = own_tokens(&server).await;
    let token = |text: &str| external(json!({ "oauth.user.refresh_token": text }));
    // The vendor takes it, which knows it without what was added.
    caller.post("/instances", &token(&format!("\u{feff}Bearer {refresh_token}\n"))).await.ok();
    server.sandbox().forget_calls();
    let said = caller.post("/instances", &token("a\nb")).await.fails(400, "bad_configuration");
    assert!(said.starts_with("oauth.user.refresh_token "), "{said}");
    assert!(server.sandbox().calls().is_empty());
});

on_both!(of_a_pasted_address_the_part_that_is_wanted_is_taken, |server| async move {
    let caller = server.caller();
    let url = |value: &str| {
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        format!("/elements/sfdc/oauth/url?apiKey=app&callbackUrl={CALLBACK}&siteAddress={value}")
    };
    for pasted in ["https://acme.my.salesforce.com/home?a=b", "acme.my.salesforce.com", "ACME.my.salesforce.com\n"] {
        let reply = caller.get(&url(pasted)).await.ok();
        let address = url::Url::parse(reply["oauthUrl"].as_str().expect("a text")).expect("an address");
        assert_eq!(address.host_str(), Some("acme.my.salesforce.com"), "{pasted}");
    }
    caller.get(&url("https://acme.my.salesforce.com.evil.example/")).await.fails(400, "vendor_host");
    // A label alone is wanted: what is wrong with more is told, before anybody is asked.
    let said = caller.post("/instances", &at_freshdesk("acme_test")).await.fails(400, "vendor_host");
    assert!(said.contains("`.freshdesk.com`"), "{said}");
});

fn at_freshdesk(account: &str) -> Value {
    let configuration = json!({ "subdomain": account, "freshdesk.api.key": "a-key" });
    json!({ "name": "Desk", "element": { "key": "freshdesk" }, "configuration": configuration })
}
