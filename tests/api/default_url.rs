//! `oauth/url/default` (docs/api.md, OAuth addresses): the organization's own app, our redirect URI, and a secret that holds the
//! two ends of one user's flow together.

use chrono::TimeDelta;
use ligand::sandbox::Consent;
use serde_json::{Value, json};
use url::Url;

use crate::support::caller::read;
use crate::support::server::{Setup, run_with};
use crate::support::{Caller, Reply, TestServer, on_both};

const URL: &str = "/elements/hubspotcrm/oauth/url/default";
const CALLBACK: &str = "https://www.mycoolapp.com/auth?from=hubspot";

/// What is registered at the vendor for the organization's app.
async fn redirect_url(caller: &Caller) -> String {
    caller.get("/elements/hubspotcrm/app").await.ok()["redirectUrl"].as_str().expect("an address").to_owned()
}

/// The organization has an app, and may be called back at its own site.
async fn set_up(caller: &Caller) {
    caller.patch("/organizations/me", &json!({ "allowedOrigins": ["https://www.mycoolapp.com"] })).await.ok();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
}

async fn ask(caller: &Caller, more: &[(&str, &str)]) -> Reply {
    caller.get_with(URL, &[&[("callbackUrl", CALLBACK)], more].concat()).await
}

fn address(asked: &Value) -> Url {
    Url::parse(asked["oauthUrl"].as_str().expect("an address")).expect("a URL")
}

fn secret(asked: &Value) -> &str {
    asked["configuration"]["secret"].as_str().expect("a secret")
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// What a browser is told by a page, whether it is a redirect or a page that leads on.
fn location(reply: &Reply) -> Option<Url> {
    reply.header("location").map(|text| Url::parse(text).expect("a whole address"))
}

async fn open(server: &TestServer, at: &Url) -> Reply {
    let path = format!("{}?{}", at.path(), at.query().unwrap_or_default());
    let host = match at.host_str() {
        Some("ligand.example") => server.url.clone(),
        _ => at.origin().ascii_serialization(),
    };
    read(Caller::anonymous(&host).request_at_root("GET", &path)).await
}

/// The vendor's redirect to us, as a user who decides so causes it.
async fn decided(server: &TestServer, asked: &Value, consent: Consent) -> Url {
    server.sandbox().set(|switches| switches.consent = consent);
    let redirect = location(&open(server, &address(asked)).await).expect("a redirect");
    assert!(redirect.as_str().starts_with("https://ligand.example/connector/callback/"), "{redirect}");
    redirect
}

/// The address that the caller gets its user back at.
async fn forwarded(server: &TestServer, asked: &Value, consent: Consent) -> Url {
    let reply = open(server, &decided(server, asked, consent).await).await;
    for (header, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(reply.header(header), Some(value), "{header}");
    }
    location(&reply).unwrap_or_else(|| panic!("a redirect: {reply:?}"))
}

async fn code(server: &TestServer, asked: &Value) -> String {
    parameter(&forwarded(server, asked, Consent::Grant).await, "code").expect("a code")
}

fn creation(code: &str, secret: &str) -> Value {
    json!({
        "name": "By default", "element": { "key": "hubspotcrm" }, "providerData": { "code": code, "secret": secret },
    })
}

on_both!(the_whole_story_with_the_organizations_app, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[("state", "mine & yours")]).await.ok();
    assert_eq!(asked["element"], "hubspotcrm");
    assert_eq!(asked.as_object().expect("an object").len(), 3, "{asked}");
    let url = address(&asked);
    let redirect_url = redirect_url(&caller).await;
    for (name, value) in [
        ("client_id", "sandbox-client"),
        ("redirect_uri", redirect_url.as_str()),
        ("response_type", "code"),
        ("scope", "contacts"),
        ("optional_scope", "content reports e-commerce forms"),
    ] {
        assert_eq!(parameter(&url, name).as_deref(), Some(value), "{name}");
    }
    assert_ne!(parameter(&url, "state").as_deref(), Some("mine & yours"), "ours is our own");
    let arrived = forwarded(&server, &asked, Consent::Grant).await;
    assert!(arrived.as_str().starts_with("https://www.mycoolapp.com/auth?from=hubspot&code="), "{arrived}");
    assert_eq!(parameter(&arrived, "state").as_deref(), Some("mine & yours"));
    let code = parameter(&arrived, "code").expect("a code");
    let reply = caller.post("/instances", &creation(&code, secret(&asked))).await;
    let instance = reply.ok();
    assert_eq!(instance["vendorAccount"]["id"], "62515");
    assert_eq!(instance["configuration"]["oauth.callback.url"], redirect_url);
    assert!(instance["configuration"]["oauth.api.key"].is_null(), "the app is not copied");
    assert!(!reply.text.contains(secret(&asked)));
    server.advance(TimeDelta::hours(1));
    let path = format!("/instances/{}", instance["id"]);
    assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
    caller.patch(&path, &json!({ "name": "Renamed" })).await.ok();
});

on_both!(the_call_counts_before_the_app, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    for (given, scope, optional) in [
        (
            vec![("preset", "granular")],
            None,
            Some(
                "crm.objects.line_items.read crm.objects.line_items.write \
            crm.schemas.line_items.read e-commerce tickets",
            ),
        ),
        (
            vec![("scope", "files crm.lists.read")],
            Some("files crm.lists.read"),
            Some("content reports e-commerce forms"),
        ),
        (vec![("scope", ""), ("optionalScope", "tickets")], Some("contacts"), Some("tickets")),
    ] {
        let url = address(&ask(&caller, &given).await.ok());
        let granular = "crm.objects.companies.read crm.objects.companies.write crm.objects.contacts.read \
                        crm.objects.contacts.write crm.objects.deals.read crm.objects.deals.write crm.objects.owners.read \
                        crm.schemas.companies.read crm.schemas.contacts.read crm.schemas.deals.read \
                        settings.currencies.read files";
        assert_eq!(parameter(&url, "scope").as_deref(), Some(scope.unwrap_or(granular)), "{given:?}");
        assert_eq!(parameter(&url, "optional_scope").as_deref(), optional, "{given:?}");
    }
    let app = json!({ "clientId": "sandbox-client", "preset": "granular", "optionalScopes": "" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let url = address(&ask(&caller, &[("scope", "contacts crm.objects.deals.read")]).await.ok());
    assert_eq!(parameter(&url, "scope").as_deref(), Some("contacts crm.objects.deals.read"));
    assert_eq!(parameter(&url, "optional_scope"), None);
    let warned = ask(&caller, &[("scope", "contacts crm.objects.deals.read")]).await.ok();
    assert!(warned["warning"].as_str().expect("a warning").contains("To roll back, "));
    ask(&caller, &[("preset", "unknown")]).await.fails(400, "bad_scopes");
    // The older address keeps its own table.
    let query = [("apiKey", "K"), ("callbackUrl", CALLBACK)];
    let older = address(&caller.get_with("/elements/hubspotcrm/oauth/url", &query).await.ok());
    assert_eq!(parameter(&older, "scope").as_deref(), Some("contacts timeline files"));
});

on_both!(what_must_be_there_first_is_said, |server| async move {
    let caller = server.caller();
    server.anonymous().get_with(URL, &[("callbackUrl", CALLBACK)]).await.fails(401, "missing_credentials");
    caller.get(URL).await.fails(400, "missing_parameter");
    ask(&caller, &[]).await.fails(400, "address_not_allowed");
    caller.patch("/organizations/me", &json!({ "allowedOrigins": ["https://www.mycoolapp.com"] })).await.ok();
    let said = ask(&caller, &[]).await.fails(404, "app_not_found");
    assert!(said.contains("PUT /elements/hubspotcrm/app"), "{said}");
    set_up(&caller).await;
    ask(&caller, &[]).await.ok();
    ask(&caller, &[("state", &"x".repeat(1001))]).await.fails(400, "bad_parameter");
    let query = [("callbackUrl", CALLBACK)];
    caller.get_with("/elements/freshdesk/oauth/url/default", &query).await.fails(400, "no_oauth");
    caller.get_with("/elements/unknown/oauth/url/default", &query).await.fails(404, "element_not_found");
    server.stranger().await.get_with(URL, &query).await.fails(400, "address_not_allowed");
});

on_both!(nobody_is_sent_to_a_foreign_site, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    for foreign in [
        "https://evil.example/auth",
        "http://www.mycoolapp.com/auth",
        "https://www.mycoolapp.com.evil.example/auth",
        "https://www.mycoolapp.com:8443/auth",
        "https://www.mycoolapp.com@evil.example/auth",
        "https://user:x@www.mycoolapp.com/auth",
        "https://evil.example\\@www.mycoolapp.com/auth",
        "https://evil.example?https://www.mycoolapp.com/auth",
    ] {
        let reply = caller.get_with(URL, &[("callbackUrl", foreign)]).await;
        reply.fails(400, "address_not_allowed");
    }
    for nonsense in ["//www.mycoolapp.com/auth", "/auth", "javascript:alert(1)", "https://www.mycoolapp.com/a#b"] {
        caller.get_with(URL, &[("callbackUrl", nonsense)]).await.fails(400, "bad_callback_url");
    }
    // Nor to one that was withdrawn while the user was at the vendor.
    let asked = ask(&caller, &[]).await.ok();
    let redirect = decided(&server, &asked, Consent::Grant).await;
    caller.patch("/organizations/me", &json!({ "allowedOrigins": [] })).await.ok();
    let reply = open(&server, &redirect).await;
    assert!(reply.status >= 400 && location(&reply).is_none(), "{reply:?}");
    assert!(!reply.text.contains("mycoolapp"), "{}", reply.text);
});

on_both!(a_denial_is_forwarded_too, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[]).await.ok();
    let arrived = forwarded(&server, &asked, Consent::Deny).await;
    assert_eq!(parameter(&arrived, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&arrived, "state").as_deref(), Some("hubspotcrm"), "as with oauth/url");
    assert_eq!(parameter(&arrived, "code"), None);
    caller.post("/instances", &creation("made-up", secret(&asked))).await.fails(400, "unknown_grant");
    assert_eq!(server.count().await, 0);
});

on_both!(a_code_of_another_flow_is_refused, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let (victim, attacker) = (ask(&caller, &[]).await.ok(), ask(&caller, &[]).await.ok());
    let (of_victim, of_attacker) = (code(&server, &victim).await, code(&server, &attacker).await);
    let exchanges = server.sandbox().counts("POST /oauth/2026-03/token").total;
    for (code, secret) in [(&of_attacker, secret(&victim)), (&of_victim, secret(&attacker))] {
        let said = caller.post("/instances", &creation(code, secret)).await.fails(400, "unknown_grant");
        assert!(said.contains("is not the one that this authorization brought"), "{said}");
    }
    // Nor does one go without the secret, by naming our callback as one's own.
    let mut bare = creation(&of_attacker, "");
    caller.post("/instances", &bare).await.fails(400, "missing_configuration");
    for ours in ["https://ligand.example/connector/callback", &redirect_url(&caller).await] {
        bare["configuration"] = json!({ "oauth.callback.url": ours });
        caller.post("/instances", &bare).await.fails(400, "unknown_grant");
    }
    bare["configuration"]["oauth.api.key"] = "sandbox-client".into();
    bare["configuration"]["oauth.api.secret"] = "sandbox-secret".into();
    caller.post("/instances", &bare).await.fails(400, "unknown_grant");
    assert_eq!(server.sandbox().counts("POST /oauth/2026-03/token").total, exchanges, "the vendor is not asked");
    // Each with its own.
    caller.post("/instances", &creation(&of_victim, secret(&victim))).await.ok();
    caller.post("/instances", &creation(&of_attacker, secret(&attacker))).await.ok();
});

on_both!(a_secret_serves_its_owner_once, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[]).await.ok();
    let code = code(&server, &asked).await;
    let (id, proof) = secret(&asked).split_once('.').expect("an id and a proof");
    for wrong in ["x", ".", "1.x", id, &format!("{id}."), &format!("{id}.{proof}x"), proof, &format!("0{proof}")] {
        caller.post("/instances", &creation(&code, wrong)).await.fails(400, "unknown_grant");
    }
    let stranger = server.stranger().await;
    set_up(&stranger).await;
    stranger.post("/instances", &creation(&code, secret(&asked))).await.fails(400, "unknown_grant");
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspot/app", &app).await.ok();
    let mut other = creation(&code, secret(&asked));
    other["element"]["key"] = "hubspot".into();
    caller.post("/instances", &other).await.fails(400, "unknown_grant");
    let made = caller.post("/instances", &creation(&code, secret(&asked))).await.ok();
    assert_eq!(caller.post("/instances", &creation(&code, secret(&asked))).await.ok()["id"], made["id"]);
    // Another user's secret with this code is another request.
    let other = ask(&caller, &[]).await.ok();
    caller.post("/instances", &creation(&code, secret(&other))).await.fails(409, "code_used");
    assert_eq!(server.count().await, 1);
});

on_both!(the_vendors_redirect_counts_once_and_for_an_hour, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[]).await.ok();
    let redirect = decided(&server, &asked, Consent::Grant).await;
    // A reload, and a state that somebody caught.
    assert!(location(&open(&server, &redirect).await).is_some());
    let again = open(&server, &redirect).await;
    assert!(again.status >= 400 && location(&again).is_none(), "{again:?}");
    let asked = ask(&caller, &[]).await.ok();
    let late = decided(&server, &asked, Consent::Grant).await;
    server.advance(TimeDelta::hours(1));
    let reply = open(&server, &late).await;
    assert!(reply.status >= 400 && location(&reply).is_none(), "{reply:?}");
    let made_up = Url::parse("https://ligand.example/connector/callback?code=x&state=made-up").expect("a URL");
    assert!(location(&open(&server, &made_up).await).is_none());
});

on_both!(a_repeated_creation_gets_the_first_answer, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[]).await.ok();
    let body = creation(&code(&server, &asked).await, secret(&asked)).to_string();
    let create = async || {
        let request = caller.request("POST", "/instances").header("content-type", "application/json");
        read(request.header("idempotency-key", "once").body(body.clone())).await.ok()
    };
    assert_eq!(create().await, create().await);
});

on_both!(an_instance_is_connected_again_by_it, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let before = caller.create_with_code(server.sandbox(), "Own app").await;
    let path = format!("/instances/{}", before["id"]);
    let asked = ask(&caller, &[]).await.ok();
    let change = json!({
        "configuration": { "oauth.api.key": null, "oauth.api.secret": null },
        "providerData": { "code": code(&server, &asked).await, "secret": secret(&asked) },
    });
    let after = caller.patch(&path, &change).await.ok();
    assert_eq!((&after["id"], &after["token"]), (&before["id"], &before["token"]));
    assert_eq!(after["grantedScopes"], json!(["oauth", "contacts", "content", "reports", "e-commerce", "forms"]));
    assert_eq!(caller.patch(&path, &change).await.ok(), after);
    assert_eq!(caller.get(&path).await.ok(), after);
});

on_both!(an_app_that_was_exchanged_meanwhile_is_noticed, |server| async move {
    let caller = server.caller();
    set_up(&caller).await;
    let asked = ask(&caller, &[]).await.ok();
    let body = creation(&code(&server, &asked).await, secret(&asked));
    caller.put("/elements/hubspotcrm/app", &json!({ "clientId": "other", "clientSecret": "x" })).await.ok();
    let said = caller.post("/instances", &body).await.fails(400, "unknown_grant");
    assert!(said.contains("was exchanged meanwhile"), "{said}");
    set_up(&caller).await;
    caller.post("/instances", &body).await.ok();
});

on_both!(the_verifier_of_pkce_is_kept_with_it, in |database| {
    let pkce = ("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n");
    let copies = crate::support::vendor::elements(&[("hubspotcrm", &[pkce])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        set_up(&caller).await;
        let asked = ask(&caller, &[]).await.ok();
        assert_eq!(parameter(&address(&asked), "code_challenge_method").as_deref(), Some("S256"));
        let code = code(&server, &asked).await;
        caller.post("/instances", &creation(&code, secret(&asked))).await.ok();
    });
});
