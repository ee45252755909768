//! What the token reply leaves open is asked for: a call after the exchange, and the claims of the ID token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{CALLBACK, Own, creation, fresh_code, key, sent_to, setup_of};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::on_both;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;

const RESOURCES: &str = "/oauth/token/accessible-resources";

/// Atlassian's: the site's id is part of the base URL, and stands in the answer to another call alone (Atlassian Developer, "OAuth 2.0 (3LO)
/// apps", section "Make calls to the API using the access token"; PipedreamHQ/pipedream #20188).
fn atlassian() -> Own {
    Own {
        base: "ORIGIN/ex/jira/{cloud}",
        tables: "[variables.cloud]\nverification = \"/0/id\"\n[verification]\n\
                 url = \"ORIGIN/oauth/token/accessible-resources\"\naccount = [\"/0/id\"]\naccountName = [\"/0/name\"]\n\
                 [authentication.oauth2.revoke]\nurl = \"ORIGIN/revoke\"",
        ..Own::default()
    }
}

fn issues(vendor: &Vendor, more: &Value) {
    let mut reply = json!({ "access_token": "at-1", "refresh_token": "rt-1", "expires_in": 600 });
    reply.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    vendor.answers("/token", 200, reply);
    vendor.answers("/revoke", 200, json!({}));
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

on_both!(variables_and_account_are_asked_for_after_the_exchange, in |database| {
    let atlassian = (atlassian(), RESOURCES, json!([{ "id": "site-1", "name": "Acme", "url": "https://acme.example" }]),
        json!({ "id": "site-1", "name": "Acme" }), "/ex/jira/site-1/me");
    // The data centre is part of the host (Mailchimp Developer, "Access User Data with OAuth 2", section "Make requests").
    let mailchimp = (Own {
        base: "http://{dc}:PORT",
        top: "hosts = [\"127.0.0.1\"]",
        tables: "[variables.dc]\nverification = \"/dc\"\n[verification]\nurl = \"ORIGIN/oauth2/metadata\"\n\
                 account = [\"/user_id\"]\naccountName = [\"/accountname\"]",
        ..Own::default()
    }, "/oauth2/metadata", json!({ "dc": "127.0.0.1", "user_id": 7, "accountname": "Freddie" }),
        json!({ "id": "7", "name": "Freddie" }), "/me");
    // The tenant is told below the base URL itself (XeroAPI/xero-node #432, NangoHQ/nango #800).
    let xero = (Own {
        tables: "[verification]\npath = \"/connections\"\naccount = [\"/0/tenantId\"]\naccountName = [\"/0/tenantName\"]",
        ..Own::default()
    }, "/connections", json!([{ "tenantId": "t-1", "tenantName": "Acme" }]),
        json!({ "id": "t-1", "name": "Acme" }), "/me");
    let cases = [atlassian, mailchimp, xero];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, ((_, asked, answer, account, called), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            issues(vendor, &json!({}));
            vendor.answers(asked, 200, answer);
            vendor.answers(called, 200, json!({ "me": true }));
            let mut body = creation(&json!({ "code": fresh_code() }));
            body["element"]["key"] = json!(key(number));
            let created = caller.post("/instances", &body).await.ok();
            assert_eq!(created["vendorAccount"], account, "{asked}");
            let call = sent_to(vendor, asked);
            assert!(call.len() == 1 && call[0].head.to_lowercase().contains("authorization: bearer at-1"), "{call:?}");
            let own = caller.with_element(created["token"].as_str().expect("a token"));
            let reply = crate::support::caller::read(own.request_at_root("GET", "/vendor/me")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(sent_to(vendor, called).len(), 1, "{called}");
        }
    });
});

// It is made for what it tells, and for nothing else.
on_both!(a_call_that_tells_nothing_new_is_not_made, in |database| {
    let vendor = Vendor::start();
    let own = Own {
        tables: "[verification]\npath = \"/connections\"\naccount = [\"/0/id\"]\n\
                 [authentication.oauth2.reply]\naccount = [\"/account\"]",
        ..Own::default()
    };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        issues(&vendor, &json!({ "account": 3 }));
        let created = server.caller().post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok();
        assert_eq!(created["vendorAccount"], json!({ "id": "3", "name": null }));
        // Nor for tokens that are brought, whose import may be of thousands.
        let mut brought = creation(&json!({ "access_token": "at", "expires_in": 600 }));
        brought["externalAuthentication"] = json!("initial");
        server.caller().post("/instances", &brought).await.ok();
        assert!(sent_to(&vendor, "/connections").is_empty());
    });
});

on_both!(without_the_variable_nothing_is_stored_and_the_grant_is_let_go, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = atlassian().setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        issues(&vendor, &json!({}));
        let create = async || caller.post("/instances", &creation(&json!({ "code": fresh_code() }))).await;
        vendor.answers(RESOURCES, 403, json!({ "message": "Scope missing" }));
        let said = create().await.fails(400, "vendor_refused");
        assert!(said.contains("the new access token") && said.contains("Scope missing"), "{said}");
        vendor.answers(RESOURCES, 503, json!({}));
        create().await.fails(502, "vendor_unreachable");
        assert_eq!(sent_to(&vendor, RESOURCES).len(), 3, "an outage is tried once more");
        // No site was agreed to.
        vendor.answers(RESOURCES, 200, json!([]));
        let said = create().await.fails(400, "missing_configuration");
        assert!(said.contains("`cloud`"), "{said}");
        assert_eq!(server.count().await, 0);
        server.services.revoke_due_grants().await.expect("the job runs");
        assert!(!sent_to(&vendor, "/revoke").is_empty());
        // Tokens that are brought need it too.
        vendor.answers(RESOURCES, 200, json!([{ "id": "site-2" }]));
        let mut brought = creation(&json!({ "access_token": "at", "expires_in": 600 }));
        brought["externalAuthentication"] = json!("initial");
        caller.post("/instances", &brought).await.ok();
    });
});

// What a refresh token that is brought has become is lost to its caller otherwise. Atlassian's, Xero's and DocuSign's rotate, and each tells by another
// call what calls need (Atlassian Developer, "OAuth 2.0 (3LO) apps", "Use a refresh token"; Xero Developer, "The standard authorization code flow", "Refreshing
// access tokens"; DocuSign, "How to get an access token with Authorization Code Grant", step 4 and "Refresh tokens").
on_both!(a_brought_token_that_was_renewed_is_not_lost, in |database| {
    let xero = Own {
        top: "headers = { Xero-tenant-id = \"{tenant}\" }",
        tables: "[variables.tenant]\nverification = \"/0/id\"\n[verification]\nurl = \"ORIGIN/oauth/token/accessible-resources\"",
        ..Own::default()
    };
    let docusign = Own {
        base: "{base_uri}/restapi",
        top: "hosts = \"any\"",
        tables: "[variables.base_uri]\nverification = \"/0/uri\"\n[verification]\nurl = \"ORIGIN/oauth/token/accessible-resources\"",
        ..Own::default()
    };
    let cases = [atlassian(), xero, docusign];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, vendor) in vendors.iter().enumerate() {
            let mut body = creation(&json!({ "refresh_token": "rt-0" }));
            body["element"]["key"] = json!(key(number));
            body["externalAuthentication"] = json!("initial");
            for round in 1..4 {
                issues(vendor, &json!({ "refresh_token": format!("rt-{round}") }));
                let away = round < 3;
                vendor.answers(RESOURCES, if away { 503 } else { 200 }, json!([{ "id": "site-1", "uri": "https://acme.example" }]));
                let reply = caller.post("/instances", &body).await;
                if away { drop(reply.fails(502, "vendor_unreachable")) } else { drop(reply.ok()) }
                let sent = sent_to(vendor, "/token").last().expect("a call").field("refresh_token");
                assert_eq!(sent, Some(format!("rt-{}", round - 1)), "{number}");
            }
            assert!(sent_to(vendor, "/revoke").is_empty());
            // Another one that is brought is its own.
            body["providerData"]["refresh_token"] = json!("another");
            caller.post("/instances", &body).await.ok();
            assert_eq!(sent_to(vendor, "/token").last().expect("a call").field("refresh_token").as_deref(), Some("another"));
        }
        let mut other = creation(&json!({ "refresh_token": "rt-0" }));
        other["externalAuthentication"] = json!("initial");
        server.stranger().await.post("/instances", &other).await.ok();
        let sent = sent_to(&vendors[0], "/token").last().expect("a call").field("refresh_token");
        assert_eq!(sent.as_deref(), Some("rt-0"), "another organization's");
    });
});

// The account alone is no reason to lose a good token.
on_both!(a_vendor_that_does_not_say_whose_it_is_is_no_obstacle, in |database| {
    let vendor = Vendor::start();
    let own = Own { tables: "[verification]\npath = \"/connections\"\naccount = [\"/0/id\"]", ..Own::default() };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        issues(&vendor, &json!({}));
        for (status, answer) in [(500, json!({})), (401, json!({})), (404, json!({})), (200, json!("?"))] {
            vendor.answers("/connections", status, answer);
            let created = server.caller().post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok();
            assert_eq!((&created["valid"], &created["vendorAccount"]), (&json!(true), &Value::Null), "{status}");
        }
    });
});

// What a file says is of use: where a person without an account gets one.
on_both!(the_page_of_a_link_says_where_an_account_is_made, in |database| {
    let vendor = Vendor::start();
    let own = Own { top: "signupUrl = \"https://own.example/sign-up?from=ligand\"", ..Own::default() };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        caller.put("/elements/own/app", &json!({ "clientId": "app", "clientSecret": "s" })).await.ok();
        let made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
        let page = Browser::new(&server).get(made["url"].as_str().expect("an address")).await;
        assert!(page.text().contains("href=\"https://own.example/sign-up?from=ligand\""), "{page:?}");
    });
});

// Who is asked knows another account from the same, so a connection is not renewed by a stranger's.
on_both!(a_renewal_by_another_account_is_noticed, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = atlassian().setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        caller.put("/elements/own/app", &json!({ "clientId": "app", "clientSecret": "s" })).await.ok();
        issues(&vendor, &json!({}));
        let mut made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
        for (site, status) in [("site-1", "authorised"), ("site-1", "authorised"), ("site-2", "failed")] {
            vendor.answers(RESOURCES, 200, json!([{ "id": site, "name": site }]));
            let browser = Browser::new(&server);
            let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
            browser.follow(browser.get(&format!("/connector/callback?code={}&state={state}", fresh_code())).await).await;
            let after = shown(&caller, &made).await;
            assert_eq!(after["status"], status, "{after}");
            if status == "failed" {
                assert_eq!(after["reason"], "wrong_account", "{after}");
                break;
            }
            made = caller.post("/connect/links", &json!({ "instanceId": after["instanceId"] })).await.ok();
        }
    });
});

// Microsoft tells the tenant in `tid` (Microsoft identity platform, "ID token claims reference"), Google the account in `sub` and its address in
// `email` (OpenID Connect Core, section 5.1), Auth0 an organization under a URL (Auth0 Docs, "Create Custom Claims").
on_both!(claims_of_the_id_token_are_a_source, in |database| {
    let account = |members: &'static str| Own {
        tables: members,
        oauth2: "reply = { account = [\"/id_token/tid\", \"/id_token/sub\"], accountName = [\"/id_token/email\"] }",
        ..Own::default()
    };
    let of_path = Own { base: "ORIGIN/{org}", tables: "[variables.org]\nreply = \"/id_token/https:~1~1own.example~1org\"", ..Own::default() };
    let cases = [
        (account(""), json!({ "tid": "tenant", "sub": "user" }), json!({ "id": "tenant", "name": null })),
        (account(""), json!({ "sub": "user", "email": "a@b.example" }), json!({ "id": "user", "name": "a@b.example" })),
        (of_path, json!({ "https://own.example/org": "o-1" }), Value::Null),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, ((_, claims, account), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            issues(vendor, &json!({ "id_token": jwt(&claims) }));
            let mut body = creation(&json!({ "code": fresh_code() }));
            body["element"]["key"] = json!(key(number));
            let created = caller.post("/instances", &body).await.ok();
            assert_eq!(created["vendorAccount"], account, "{claims}");
            assert_eq!(created["configuration"]["oauth.callback.url"], CALLBACK);
            vendor.answers("/o-1/me", 200, json!({}));
            let own = caller.with_element(created["token"].as_str().expect("a token"));
            let reply = crate::support::caller::read(own.request_at_root("GET", "/vendor/me")).await;
            assert_eq!(reply.status, if number == 2 { 200 } else { 404 }, "{reply:?}");
        }
    });
});
