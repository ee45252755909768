//! Which account it is: read out of whatever stands around it, and known again after the file reads it elsewhere.

use serde_json::{Value, json};

use super::{Own, creation, fresh_code, key, setup_of};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::server::run_with;
use crate::support::vendor::Vendor;
use crate::support::{Database, on_both};

fn issues(vendor: &Vendor, more: &Value) {
    let mut reply = json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 });
    reply.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    vendor.answers("/token", 200, reply);
}

fn with_key(number: usize) -> Value {
    let mut body = creation(&json!({ "code": fresh_code() }));
    body["element"]["key"] = json!(key(number));
    body
}

on_both!(an_account_is_read_out_of_an_address, in |database| {
    let reads = |oauth2: &'static str| Own { oauth2, ..Own::default() };
    let cases = [
        // Salesforce Help, "Identity URLs".
        (reads("reply = { account = [\"/id/1\"] }"),
            json!({ "id": "https://test.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU" }), "00Dx0000000BV7zEAG"),
        // Calendly Developer, "Create or refresh an access token": `organization` is an address.
        (reads("reply = { account = [\"/organization/1\"] }"),
            json!({ "organization": "https://api.calendly.com/organizations/EBHAAFHDCAEQTSEZ" }), "EBHAAFHDCAEQTSEZ"),
        // Shopify.dev, "Global IDs in Shopify APIs".
        (reads("reply = { account = [\"/shop/id/1\"] }"), json!({ "shop": { "id": "gid://shopify/Shop/548380009" } }), "548380009"),
        // PayPal Developer, "Get user profile info": a claim that is an address.
        (reads("reply = { account = [\"/user_id/4\"] }"),
            json!({ "user_id": "https://www.paypal.com/webapps/auth/identity/user/mWq6_1sU85v5EG9yHdPxJRrhGHrnMJ-1PQKtX6pcsmA" }),
            "mWq6_1sU85v5EG9yHdPxJRrhGHrnMJ-1PQKtX6pcsmA"),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        for (number, ((_, reply, account), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            issues(vendor, &reply);
            let created = server.caller().post("/instances", &with_key(number)).await.ok();
            assert_eq!(created["vendorAccount"], json!({ "id": account, "name": null }), "{reply}");
        }
    });
});

// Wherever the account is read, what an earlier file read there is the same one: at a link, which refuses others, and from then on by
// its new id.
on_both!(an_account_that_an_earlier_file_knew_is_the_same, in |database| {
    let cases = [
        Own { oauth2: "reply = { account = [\"/id\"], accountBefore = [\"/address\"] }", ..Own::default() },
        // RFC 7662 section 2.2
        Own {
            tables: "[authentication.oauth2.introspection]\nurl = \"ORIGIN/asked\"\naccount = [\"/id\"]\naccountBefore = [\"/address\"]",
            ..Own::default()
        },
        Own {
            tables: "[verification]\npath = \"/asked\"\naccount = [\"/id\"]\naccountBefore = [\"/address\"]",
            ..Own::default()
        },
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        let database = Database::at(server.database.url.clone());
        for (number, vendor) in vendors.iter().enumerate() {
            let tells = |id: &str, address: &str| {
                let told = json!({ "active": true, "id": id, "address": address });
                issues(vendor, &if number == 0 { told.clone() } else { json!({}) });
                vendor.answers("/asked", 200, told);
            };
            tells("org-1", "https://acme.example");
            caller.put(&format!("/elements/{}/app", key(number)), &json!({ "clientId": "app", "clientSecret": "s" })).await.ok();
            let created = caller.post("/instances", &with_key(number)).await.ok();
            for (was, id, address, status) in [
                ("https://acme.example", "org-1", "https://acme.example", "authorised"),
                // By its new id.
                ("", "org-1", "https://renamed.example", "authorised"),
                ("https://acme.example", "org-2", "https://other.example", "failed"),
            ] {
                if !was.is_empty() {
                    let old = json!({ "account": { "id": was, "name": null }, "grantedScopes": null });
                    database.execute(&format!("UPDATE instance SET connected = '{old}' WHERE id = {}", created["id"]));
                }
                tells(id, address);
                let made = caller.post("/connect/links", &json!({ "instanceId": created["id"] })).await.ok();
                let browser = Browser::new(&server);
                let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
                browser.follow(browser.get(&format!("/connector/callback?code={}&state={state}", fresh_code())).await).await;
                let after = shown(&caller, &made).await;
                assert_eq!(after["status"], status, "{number} {id}: {after}");
                let account = if status == "authorised" { id } else { was };
                let now = caller.get(&format!("/instances/{}", created["id"])).await.ok();
                assert!(status == "failed" || now["vendorAccount"]["id"] == account, "{number}: {now}");
            }
        }
    });
});
