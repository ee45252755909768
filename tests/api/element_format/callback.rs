//! What the vendor's redirect says beside `code` and `state`.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::{CALLBACK, Own, creation, fresh_code, key, sent_to, setup_of};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::caller::read;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;
use crate::support::{Caller, on_both};

/// The company's id is part of every address, and stands in the redirect alone (NangoHQ/nango #328, trycompai/comp PR 3257).
fn quickbooks() -> Own {
    Own { base: "ORIGIN/v3/company/{realm}", tables: "[variables.realm]\ncallback = \"realmId\"", ..Own::default() }
}

/// The redirect says at which of the vendor's hosts the code is good (asciisd/zoho #18, flexprice/flexprice PR 2513).
fn zoho() -> Own {
    Own {
        top: "hosts = [\"127.0.0.1\"]",
        oauth2: "oneAppForAllHosts = true",
        token_url: "http://{accounts}:PORT/token",
        tables: "[variables.accounts]\ncallback = \"accounts-server\"\n[sources]\n\
                 oneAppForAllHosts = \"https://www.zoho.com/accounts/protocol/oauth/multi-dc.html\"",
        ..Own::default()
    }
}

fn answers(vendor: &Vendor) {
    vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
    for called in ["/me", "/v3/company/4620/me"] {
        vendor.answers(called, 200, json!({}));
    }
}

async fn app(caller: &Caller, element: &str) {
    let app = json!({ "clientId": "app", "clientSecret": "hush" });
    caller.put(&format!("/elements/{element}/app"), &app).await.ok();
}

/// A link's whole way, with this redirect; what became of the link.
async fn connected(server: &crate::support::TestServer, caller: &Caller, element: &str, redirect: &str) -> Value {
    let made = caller.post("/connect/links", &json!({ "elements": [element] })).await.ok();
    let browser = Browser::new(server);
    let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
    let redirect = redirect.replace("STATE", &state).replace("code=c&", &format!("code={}&", fresh_code()));
    browser.follow(browser.get(&format!("/connector/callback?{redirect}")).await).await;
    shown(caller, &made).await
}

async fn calls(caller: &Caller, instance: &Value) -> u16 {
    let instance = caller.get(&format!("/instances/{instance}")).await.ok();
    let own = caller.with_element(instance["token"].as_str().expect("a token"));
    read(own.request_at_root("GET", "/vendor/me")).await.status
}

on_both!(the_redirect_tells_variables_in_every_flow, in |database| {
    // The code of the second goes to the host that the redirect names; of the third there is another name (amzn/selling-partner-api-models
    // #4093).
    let amazon = Own { oauth2: "callback = { code = \"spapi_oauth_code\" }", ..Own::default() };
    let cases = [
        (quickbooks(), "code=c&state=STATE&realmId=4620", "/v3/company/4620/me"),
        (zoho(), "code=c&state=STATE&location=eu&accounts-server=127.0.0.1", "/me"),
        (amazon, "spapi_oauth_code=c&state=STATE&selling_partner_id=A1", "/me"),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        for (number, ((_, redirect, called), vendor)) in cases.iter().zip(&vendors).enumerate() {
            answers(vendor);
            let element = key(number);
            app(&caller, &element).await;
            let after = connected(&server, &caller, &element, redirect).await;
            assert_eq!(after["status"], "authorised", "{after}");
            assert_eq!(calls(&caller, &after["instanceId"]).await, 200, "{called}");
            // It is there after a refresh, which does not repeat it.
            server.advance(TimeDelta::hours(1));
            assert_eq!(calls(&caller, &after["instanceId"]).await, 200, "{called}");
            // Forwarded by `oauth/url/default`, unchanged, and used whatever the caller makes of it.
            let path = format!("/elements/{element}/oauth/url/default");
            let asked = caller.get_with(&path, &[("callbackUrl", CALLBACK), ("state", "mine")]).await.ok();
            let address = Url::parse(asked["oauthUrl"].as_str().expect("an address")).expect("a URL");
            let state = address.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
            let forwarded = Browser::new(&server)
                .get(&format!("/connector/callback?{}", redirect.replace("STATE", &state)))
                .await
                .location()
                .expect("a redirect");
            let forwarded = Url::parse(&forwarded).expect("a URL");
            let brought: Vec<(String, String)> = forwarded.query_pairs().into_owned().collect();
            let sent: Vec<(String, String)> = url::form_urlencoded::parse(redirect.as_bytes()).into_owned().collect();
            assert_eq!(brought[..2], [("code".to_owned(), "c".to_owned()), ("state".to_owned(), "mine".to_owned())]);
            let rest: Vec<_> = sent.into_iter().filter(|(name, _)| name != "code" && name != "state").collect();
            assert_eq!(brought[2..], rest);
            // A code of somebody else's is passed on under no name.
            let asked_anew = caller.get_with(&path, &[("callbackUrl", CALLBACK)]).await.ok();
            let address = Url::parse(asked_anew["oauthUrl"].as_str().expect("an address")).expect("a URL");
            let state = address.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
            let foreign = redirect.replace("STATE", &state).replace("code=c", "code=of-another") + "&iss=https://evil.example";
            let refused = Browser::new(&server).get(&format!("/connector/callback?{foreign}")).await.location();
            let refused = refused.expect("a redirect");
            assert!(number == 1 || refused.contains("error=invalid_issuer") && !refused.contains("of-another"), "{refused}");
            let secret = &asked["configuration"]["secret"];
            let body = json!({
                "element": { "key": element }, "name": "Default",
                "providerData": { "code": "c", "secret": secret, "realmId": "of the caller's" },
            });
            let created = caller.post("/instances", &body).await.ok();
            assert_eq!(calls(&caller, &created["id"]).await, 200, "{called}");
            // Behind a callback of the caller's own it passes on what came.
            let mut body = creation(&json!({ "code": fresh_code(), "realmId": 4620, "accounts-server": "127.0.0.1" }));
            body["element"]["key"] = json!(element);
            let created = caller.post("/instances", &body).await.ok();
            assert_eq!(calls(&caller, &created["id"]).await, 200, "{called}");
            assert_eq!(sent_to(vendor, called).len(), 4, "{called}");
        }
    });
});

// Nothing is spent before everything is there that is needed, nor at a host that is none of the vendor's.
on_both!(what_the_redirect_lacks_costs_no_code, in |database| {
    let vendors = [Vendor::start(), Vendor::start()];
    let (_directory, setup) = setup_of(&[(&quickbooks(), &vendors[0]), (&zoho(), &vendors[1])]);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        vendors.iter().for_each(answers);
        let said = caller.post("/instances", &creation(&json!({ "code": fresh_code() }))).await.fails(400, "missing_configuration");
        assert!(said.contains("providerData.realmId"), "{said}");
        app(&caller, "own").await;
        app(&caller, "own1").await;
        for (element, redirect, said) in [
            ("own", "code=c&state=STATE", "without `realmId`"),
            ("own1", "code=c&state=STATE", "without `accounts-server`"),
            ("own1", "code=c&state=STATE&accounts-server=127.0.0.2", "is not one of Own"),
            ("own", "auth_code=c&state=STATE&realmId=1", "The answer had no code."),
        ] {
            let after = connected(&server, &caller, element, redirect).await;
            assert_eq!(after["status"], "failed", "{after}");
            let message = after["message"].as_str().expect("a text");
            assert!(message.contains(said) && !message.contains("Own said"), "{message}");
        }
        assert!(vendors.iter().all(|vendor| sent_to(vendor, "/token").is_empty()));
        // Tokens that are brought need it, too.
        let mut brought = creation(&json!({ "access_token": "at", "expires_in": 600, "realmId": "4620" }));
        brought["externalAuthentication"] = json!("initial");
        let created = caller.post("/instances", &brought).await.ok();
        assert_eq!(calls(&caller, &created["id"]).await, 200);
    });
});

// A host that a redirect names is the word of whoever sits before the browser: an app goes where it was stored for, and secrets of a link stay here.
on_both!(a_redirect_chooses_no_host_for_a_secret, in |database| {
    let vendor = Vendor::start();
    let bound = Own { oauth2: "", tables: "[variables.accounts]\ncallback = \"accounts-server\"", ..zoho() };
    let bound = Own { top: "hosts = [\"127.0.0.1\", \"127.0.0.2\"]", ..bound };
    let (_directory, setup) = bound.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        answers(&vendor);
        let app = json!({ "clientId": "app", "clientSecret": "hush", "hosts": ["127.0.0.1"] });
        caller.put("/elements/own/app", &app).await.ok();
        let after = connected(&server, &caller, "own", "code=c&state=STATE&accounts-server=127.0.0.2").await;
        assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("vendor_configuration")), "{after}");
        let after = connected(&server, &caller, "own", "code=c&state=STATE&accounts-server=127.0.0.1").await;
        assert_eq!(after["status"], "authorised", "{after}");
        let own = json!({ "oauth.api.key": "own", "oauth.api.secret": "OWN-SECRET" });
        let body = json!({ "elements": ["own"], "configuration": own });
        let said = caller.post("/connect/links", &body).await.fails(400, "bad_configuration");
        assert!(said.contains("accounts-server"), "{said}");
        // Nor does the secret of an instance's own client go where whoever renews it says.
        let created = caller.post("/instances", &creation(&json!({ "code": fresh_code(), "accounts-server": "127.0.0.1" }))).await.ok();
        caller.delete("/elements/own/app").await.ok_empty();
        let asked = sent_to(&vendor, "/token").len();
        let made = caller.post("/connect/links", &json!({ "instanceId": created["id"] })).await.ok();
        let browser = Browser::new(&server);
        let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
        let redirect = format!("/connector/callback?code={}&state={state}&accounts-server=127.0.0.2", fresh_code());
        browser.follow(browser.get(&redirect).await).await;
        let after = shown(&caller, &made).await;
        assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("vendor_configuration")), "{after}");
        assert_eq!(sent_to(&vendor, "/token").len(), asked);
    });
});

// Strava says in the redirect alone what was ticked (dblock/slack-strava #84, strava/developers.strava.com PR 90).
on_both!(granted_scopes_may_stand_in_the_redirect, in |database| {
    let vendor = Vendor::start();
    let strava = Own {
        oauth2: "callback = { scope = \"scope\" }",
        tables: "[authentication.oauth2.scopes]\ndefault = [\"read\", \"activity:read\"]\nseparator = \",\"\ncomplete = true",
        ..Own::default()
    };
    let (_directory, setup) = strava.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        answers(&vendor);
        app(&caller, "own").await;
        let after = connected(&server, &caller, "own", "code=c&state=STATE&scope=read,activity:read").await;
        assert_eq!((&after["status"], &after["grantedScopes"]), (&json!("authorised"), &json!(["read", "activity:read"])));
        let after = connected(&server, &caller, "own", "code=c&state=STATE&scope=read").await;
        assert_eq!((&after["status"], &after["missingScopes"]), (&json!("failed"), &json!(["activity:read"])), "{after}");
        // What the token reply says counts.
        vendor.answers("/token", 200, json!({ "access_token": "at", "expires_in": 600, "scope": "read activity:read" }));
        let after = connected(&server, &caller, "own", "code=c&state=STATE&scope=read").await;
        assert_eq!(after["status"], "authorised", "{after}");
    });
});

fn signed(parameters: &[(&str, &str)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    sorted.sort();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").expect("a key");
    mac.update(sorted.join("&").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}&hmac={hex}",
        parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    )
}

// Shopify.dev, "Verify the installation request".
on_both!(a_redirect_that_the_vendor_did_not_sign_is_refused, in |database| {
    let vendor = Vendor::start();
    let shopify = Own { oauth2: "callback = { hmac = \"hmac\" }", ..Own::default() };
    let (_directory, setup) = shopify.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        answers(&vendor);
        app(&caller, "own").await;
        for forged in [false, true] {
            let made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
            let browser = Browser::new(&server);
            let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
            let of_link = fresh_code();
            let query = signed(&[("code", &of_link), ("shop", "a.example"), ("state", &state), ("timestamp", "1")]);
            let query = if forged { query.replace("a.example", "b.example") } else { query };
            browser.follow(browser.get(&format!("/connector/callback?{query}")).await).await;
            let after = shown(&caller, &made).await;
            assert_eq!(after["status"], if forged { "failed" } else { "authorised" }, "{after}");
            // Forwarded without its code, where it is forwarded.
            let asked = caller.get_with("/elements/own/oauth/url/default", &[("callbackUrl", CALLBACK)]).await.ok();
            let address = Url::parse(asked["oauthUrl"].as_str().expect("an address")).expect("a URL");
            let state = address.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
            let code = fresh_code();
            let query = signed(&[("code", &code), ("shop", "a.example"), ("state", &state), ("timestamp", "1")]);
            let query = if forged { query.replace("timestamp=1", "timestamp=2") } else { query };
            let forwarded = browser.get(&format!("/connector/callback?{query}")).await.location().expect("a redirect");
            assert_eq!(forwarded.contains(&format!("code={code}")), !forged, "{forwarded}");
            assert_eq!(forwarded.contains("error=invalid_response"), forged, "{forwarded}");
            if forged {
                // Nor does whoever began it get anything for the code that somebody else's redirect had.
                let body = json!({
                    "element": { "key": "own" }, "name": "Forged",
                    "providerData": { "code": code, "secret": asked["configuration"]["secret"] },
                });
                let said = caller.post("/instances", &body).await.fails(400, "unknown_grant");
                assert!(said.contains("not the one that this authorization brought"), "{said}");
            }
        }
        assert_eq!(sent_to(&vendor, "/token").len(), 1);
    });
});
