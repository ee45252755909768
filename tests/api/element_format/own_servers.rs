//! Vendors at the customer's own address, with port and path; and whose answer a redirect is there.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Own, creation, fresh_code, key, sent_to, setup_of};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::caller::read;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, TestServer, on_both};

const ADDRESS: &str = "[variables.address]\nconfiguration = \"address\"\nparameter = \"address\"\n\
                       [[configuration]]\nkey = \"address\"\nname = \"Address\"\ndescription = \"Of your own.\"\n\
                       type = \"TEXTFIELD_1000\"\nrequired = true\n";

/// GitLab below a path (airbytehq/airbyte #6453, gitpod-io/gitpod #5305; GitLab Docs, "Install GitLab under a relative URL").
fn gitlab() -> Own {
    Own {
        base: "{address}/api/v4",
        top: "hosts = \"any\"",
        authorize_url: "{address}/oauth/authorize",
        token_url: "{address}/oauth/token",
        tables: ADDRESS,
        ..Own::default()
    }
}

fn answers(vendor: &Vendor, path: &str) {
    vendor.answers(
        &format!("{path}/token"),
        200,
        json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }),
    );
}

fn address(vendor: &Vendor, path: &str) -> String {
    format!("http://{}{path}", vendor.address)
}

async fn calls(caller: &Caller, instance: &Value) -> u16 {
    let instance = caller.get(&format!("/instances/{instance}")).await.ok();
    let own = caller.with_element(instance["token"].as_str().expect("a token"));
    read(own.request_at_root("GET", "/vendor/user")).await.status
}

/// A link's whole way to this address; what became of the link.
async fn connected(server: &TestServer, caller: &Caller, (element, address): (&str, &str), iss: &str) -> Value {
    let made = caller.post("/connect/links", &json!({ "elements": [element] })).await.ok();
    let browser = Browser::new(server);
    let page = browser.submit(&made, &[("field.address", address)]).await;
    if page.reply.status != 200 && page.reply.status != 400 {
        let state = page.parameter("state").expect("a state");
        assert!(page.location().expect("an address").starts_with(address.trim_end_matches('/')), "{page:?}");
        browser
            .follow(browser.get(&format!("/connector/callback?code={}&state={state}{iss}", fresh_code())).await)
            .await;
    }
    shown(caller, &made).await
}

on_both!(a_customers_own_server_is_called_at_its_port_and_path, in |database| {
    let [git, other] = [Vendor::start(), Vendor::start()];
    let (_directory, setup) = gitlab().setup(&git);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        answers(&git, "/gitlab/oauth");
        git.answers("/gitlab/api/v4/user", 200, json!({}));
        // An organization's app is for the servers that it names, to the port.
        let app = |host: &str| json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": [host] });
        for odd in ["https://git.acme.example", "git.acme.example/gitlab", "git.acme.example:x", "a b"] {
            caller.put("/elements/own/app", &app(odd)).await.fails(400, "bad_body");
        }
        caller.put("/elements/own/app", &app(&git.address.to_string())).await.ok();
        let after = connected(&server, &caller, ("own", &address(&git, "/gitlab/")), "").await;
        assert_eq!(after["status"], "authorised", "{after}");
        assert_eq!(calls(&caller, &after["instanceId"]).await, 200);
        server.advance(TimeDelta::hours(1));
        assert_eq!(calls(&caller, &after["instanceId"]).await, 200);
        assert_eq!(sent_to(&git, "/gitlab/oauth/token").len(), 2);
        let after = connected(&server, &caller, ("own", &address(&other, "/gitlab")), "").await;
        assert_ne!(after["status"], "authorised", "another port is another server: {after}");
        assert!(other.requests().is_empty());
        // An app of the customer's own goes where the customer says: Jira Data Center has a context path (Atlassian, "Configure Jira to
        // run on a different context path").
        answers(&other, "/jira/oauth");
        other.answers("/jira/api/v4/user", 200, json!({}));
        let mut body = creation(&json!({ "code": fresh_code() }));
        body["configuration"]["address"] = json!(address(&other, "/jira"));
        let created = caller.post("/instances", &body).await.ok();
        assert_eq!(calls(&caller, &created["id"]).await, 200);
        // What was given for one server does not go to another one, nor to another port or path.
        let path = format!("/instances/{}", created["id"]);
        for moved in [address(&git, "/jira"), address(&other, "/other")] {
            let body = json!({ "configuration": { "address": moved } });
            caller.patch(&path, &body).await.fails(409, "secret_needed_for_new_host");
        }
    });
});

// Odoo and its like take a key at whatever address the customer has (Odoo Documentation, "External API", section "API Keys").
on_both!(a_key_goes_to_the_customers_own_server, in |database| {
    let vendor = Vendor::start();
    let odoo = Own {
        oauth2: "[authentication.apiKey]\ndescription = \"For one.\"\nconfiguration = \"own.key\"\n\
                 [[authentication.apiKey.forms]]\nplacement = { in = \"header\", name = \"X-Api-Key\" }\n\
                 [verification]\npath = \"/me\"\n\
                 [[configuration]]\nkey = \"own.key\"\nname = \"Key\"\ndescription = \"The key.\"\ntype = \"PASSWORD\"\n\
                 required = true\nauthentication = \"apiKey\"\n\
                 [[configuration]]\nkey = \"authentication.type\"\nname = \"Type\"\ndescription = \"How.\"\ntype = \"COMBO\"\n\
                 default = \"oauth2\"\ngroupControl = true\n\
                 options = [{ value = \"oauth2\", description = \"O\" }, { value = \"apiKey\", description = \"K\" }]",
        base: "{address}/odoo",
        ..gitlab()
    };
    let (_directory, setup) = odoo.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        vendor.answers("/shop/odoo/me", 200, json!({}));
        let body = |address: &str| {
            let configuration = json!({ "authentication.type": "apiKey", "own.key": "the-key", "address": address });
            json!({ "element": { "key": "own" }, "name": "Odoo", "configuration": configuration })
        };
        caller.post("/instances", &body(&address(&vendor, "/shop"))).await.ok();
        assert!(sent_to(&vendor, "/shop/odoo/me")[0].head.to_lowercase().contains("x-api-key: the-key"));
        for (odd, said) in [
            ("ftp://odoo.acme.example", "whole address of your own Own"),
            ("http://odoo.acme.example", "by https"),
            ("https://odoo.acme.example/?db=x", "nothing behind the path"),
            ("https://user:pw@odoo.acme.example", "whole address"),
            ("file:///etc/passwd", "whole address"),
        ] {
            let message = caller.post("/instances", &body(odd)).await.fails(400, "bad_configuration");
            assert!(message.contains(said), "{odd}: {message}");
        }
    });
});

// Whatever address is named, the guard of outgoing calls looks at it.
on_both!(an_address_inside_is_not_called, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = gitlab().setup(&vendor);
    run_with(database, Setup { allow_loopback: false, ..setup }, |server| async move {
        answers(&vendor, "/oauth");
        for inside in [
            address(&vendor, ""),
            format!("https://localhost:{}", vendor.address.port()),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "https://10.0.0.5:8443/gitlab".to_owned(),
            "https://[::ffff:127.0.0.1]/".to_owned(),
            "https://0x7f.1/".to_owned(),
        ] {
            let mut body = creation(&json!({ "code": fresh_code() }));
            body["configuration"]["address"] = json!(inside);
            let reply = server.caller().post("/instances", &body).await;
            assert_eq!((reply.status >= 400, reply.json()["code"].as_str()), (true, Some("vendor_address_refused")), "{inside}");
        }
        assert!(vendor.requests().is_empty());
    });
});

// RFC 9207 section 2.4: the issuer is the one to which this person was sent. Microsoft's has the tenant in it (Microsoft identity platform, "OpenID
// Connect on the Microsoft identity platform", `issuer` of the metadata), Zendesk's and Okta's customers have hosts of their own.
on_both!(the_issuer_is_the_customers_own, in |database| {
    let vendors = [Vendor::start(), Vendor::start()];
    let declared = Own { authorize: "issuer = \"{address}/v2.0\"", ..gitlab() };
    let (_directory, setup) = setup_of(&[(&gitlab(), &vendors[0]), (&declared, &vendors[1])]);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        for (number, vendor) in vendors.iter().enumerate() {
            answers(vendor, "/oauth");
            let app = json!({ "clientId": "app", "clientSecret": "s", "hosts": [vendor.address.to_string()] });
            caller.put(&format!("/elements/{}/app", key(number)), &app).await.ok();
            let ours = address(vendor, "");
            for (iss, status) in [
                (String::new(), ["authorised", "failed"]),
                (format!("&iss={ours}"), ["authorised", "failed"]),
                (format!("&iss={ours}/v2.0"), ["authorised", "authorised"]),
                (format!("&iss={ours}/v2.0/"), ["authorised", "failed"]),
                ("&iss=https://other.example/v2.0".to_owned(), ["failed", "failed"]),
            ] {
                let after = connected(&server, &caller, (&key(number), &ours), &iss).await;
                assert_eq!(after["status"], status[number], "{iss}: {after}");
            }
        }
    });
});
