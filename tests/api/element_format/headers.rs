//! Headers of an element with values of its variables.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Own, creation, fresh_code, key, sent_to, setup_of};
use crate::support::caller::read;
use crate::support::on_both;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};

const EMAIL: &str = "[variables.email]\nconfiguration = \"email\"\n[[configuration]]\nkey = \"email\"\nname = \"E-mail\"\n\
                     description = \"The user's.\"\ntype = \"TEXTFIELD_128\"\nrequired = true";

fn issues(vendor: &Vendor, more: &Value) {
    let mut reply = json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 });
    reply.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    vendor.answers("/token", 200, reply);
}

fn header(vendor: &Vendor, path: &str, name: &str) -> Vec<Option<String>> {
    let value = |head: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    sent_to(vendor, path).iter().map(|request| value(&request.head)).collect()
}

on_both!(a_header_has_the_value_of_its_variable, in |database| {
    let cases = [
        // The tenant is told by another call (Xero Developer, "The standard authorization code flow", step 5 and 6).
        (Own {
            top: "headers = { Xero-tenant-id = \"{tenant}\" }",
            tables: "[variables.tenant]\nverification = \"/0/tenantId\"\n[verification]\npath = \"/connections\"",
            ..Own::default()
        }, "Xero-tenant-id", json!({}), "t-1", [None, Some("t-1")]),
        // By the token reply (Stripe API reference, "Connected accounts": `Stripe-Account`).
        (Own {
            top: "headers = { Stripe-Account = \"{account}\" }",
            tables: "[variables.account]\nreply = \"/stripe_user_id\"",
            ..Own::default()
        }, "Stripe-Account", json!({ "stripe_user_id": "acct_1" }), "acct_1", [None, Some("acct_1")]),
        // By the person (Copper Developer API, "Requests": `X-PW-UserEmail` beside the key).
        (Own { top: "headers = { X-PW-UserEmail = \"{email}\" }", tables: EMAIL, ..Own::default() },
            "X-PW-UserEmail", json!({}), "a@b.example", [Some("a@b.example"), Some("a@b.example")]),
        // Among braces that are none (Dropbox for HTTP Developers, "Dropbox-API-Path-Root").
        (Own {
            top: "headers = { Dropbox-API-Path-Root = '{\".tag\": \"root\", \"root\": \"{root}\"}' }",
            tables: "[variables.root]\nreply = \"/root_info/root_namespace_id\"",
            ..Own::default()
        }, "Dropbox-API-Path-Root", json!({ "root_info": { "root_namespace_id": 7 } }), "{\".tag\": \"root\", \"root\": \"7\"}",
            [None, Some("{\".tag\": \"root\", \"root\": \"7\"}")]),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, ((_, name, reply, value, of_tokens), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            issues(vendor, &reply);
            vendor.answers("/connections", 200, json!([{ "tenantId": "t-1" }]));
            vendor.answers("/me", 200, json!({}));
            let mut body = creation(&json!({ "code": fresh_code() }));
            body["element"]["key"] = json!(key(number));
            if name.starts_with("X-PW") {
                body["configuration"]["email"] = json!(" a@b.example\n");
            }
            let created = caller.post("/instances", &body).await.ok();
            let own = caller.with_element(created["token"].as_str().expect("a token"));
            assert_eq!(read(own.request_at_root("GET", "/vendor/me")).await.status, 200);
            assert_eq!(header(vendor, "/me", name), [Some(value.to_owned())], "{name}");
            // A token request has it as soon as it is known.
            server.advance(TimeDelta::hours(1));
            caller.get(&format!("/instances/{}?refresh=true", created["id"])).await.ok();
            assert_eq!(header(vendor, "/token", name), of_tokens.map(|it| it.map(str::to_owned)), "{name}");
        }
        assert_eq!(header(&vendors[0], "/connections", "Xero-tenant-id"), [None]);
    });
});

on_both!(a_hub_sends_it_too, in |database| {
    let vendor = Vendor::start();
    let origin = format!("http://{}", vendor.address);
    let here = format!("baseUrl = \"{origin}\"\nheaders = {{ X-Site = \"{{site}}\" }}");
    let copies = elements(&[("jira", &[("baseUrl = \"https://{site}.atlassian.net\"", &here)])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        vendor.answers("/rest/api/3/myself", 200, json!({ "accountId": "jo" }));
        vendor.answers("/rest/api/3/search/jql", 200, json!({ "issues": [], "isLast": true }));
        let body = json!({ "name": "Jira", "element": { "key": "jira" },
            "configuration": { "jira.site": "acme", "username": "jo@example.com", "password": "token-1" } });
        let created = caller.post("/instances", &body).await.ok();
        let own = caller.with_element(created["token"].as_str().expect("a token"));
        own.get("/hubs/helpdesk/incidents").await.ok();
        let has = |head: &str| head.to_lowercase().contains("x-site: acme");
        let sent: Vec<_> = vendor.requests().iter().map(|request| (request.path.clone(), has(&request.head))).collect();
        assert!(sent.len() > 1 && sent.iter().all(|(_, has)| *has), "{sent:?}");
    });
});

on_both!(without_what_the_vendor_was_to_tell_nothing_is_stored, in |database| {
    let vendor = Vendor::start();
    let own = Own {
        top: "headers = { Xero-tenant-id = \"{tenant}\", X-Site = \"{site}\" }",
        tables: "[variables.tenant]\nverification = \"/0/tenantId\"\n[verification]\npath = \"/connections\"\n\
                 [variables.site]\nconfiguration = \"site\"\n[[configuration]]\nkey = \"site\"\nname = \"Site\"\n\
                 description = \"One of several.\"\ntype = \"TEXTFIELD_128\"",
        ..Own::default()
    };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        issues(&vendor, &json!({}));
        vendor.answers("/connections", 200, json!([]));
        let body = || creation(&json!({ "code": fresh_code() }));
        let said = server.caller().post("/instances", &body()).await.fails(400, "missing_configuration");
        assert!(said.contains("`tenant`"), "{said}");
        vendor.answers("/connections", 503, json!({}));
        server.caller().post("/instances", &body()).await.fails(502, "vendor_unreachable");
        assert_eq!(server.count().await, 0);
        vendor.answers("/connections", 200, json!([{ "tenantId": "t" }]));
        // What a caller gives breaks out of no header, and what need not be given is not sent.
        let mut evil = body();
        evil["configuration"]["site"] = json!("a\r\nX-Evil: b");
        server.caller().post("/instances", &evil).await.fails(400, "bad_configuration");
        let created = server.caller().post("/instances", &body()).await.ok();
        vendor.answers("/me", 200, json!({}));
        let own = server.caller().with_element(created["token"].as_str().expect("a token"));
        assert_eq!(read(own.request_at_root("GET", "/vendor/me")).await.status, 200);
        assert_eq!(header(&vendor, "/me", "X-Site"), [None]);
        assert!(vendor.requests().iter().all(|request| !request.head.contains("X-Evil")));
    });
});
