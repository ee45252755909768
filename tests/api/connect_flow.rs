//! Connect links from the integrator's call to the vendor and back.

use chrono::TimeDelta;
use ligand::sandbox::{Consent, Failure};
use serde_json::json;

use crate::support::browser::{APP, Browser, COOKIE, link, set_up, shown};
use crate::support::{on_both, on_sqlite};

on_both!(a_customer_connects_an_account, |server| async move {
    let caller = set_up(&server).await;
    let redirect = format!("{APP}/connected?step=2");
    let more = json!({ "externalId": "customer-42", "name": "Acme", "tags": ["a", "b"], "redirectUrl": redirect });
    let made = link(&caller, more).await;
    assert_eq!(made["status"], "pending");
    assert_eq!(made["elementKey"], "hubspotcrm");
    let browser = Browser::new(&server);
    let page = browser.get(made["url"].as_str().unwrap()).await;
    page.says(200, "Connect Hubspot CRM to example.com");
    assert_eq!(shown(&caller, &made).await["status"], "opened");
    let to_vendor = browser.submit(&made, &[]).await;
    assert_eq!(to_vendor.reply.status, 303);
    assert_eq!(to_vendor.parameter("redirect_uri").as_deref(), Some("https://ligand.example/connector/callback"));
    assert_eq!(to_vendor.parameter("scope").as_deref(), Some("contacts"));
    assert_eq!(to_vendor.parameter("optional_scope").as_deref(), Some("content reports e-commerce forms"));
    let end = browser.follow(to_vendor).await;
    let after = shown(&caller, &made).await;
    assert_eq!(after["status"], "authorised", "{after}");
    let id = after["instanceId"].as_i64().expect("an instance");
    assert_eq!(end.location().unwrap(), format!("{APP}/connected?step=2&status=authorised&instanceId={id}"));
    let instance = caller.get(&format!("/instances/{id}")).await.ok();
    assert_eq!((&instance["name"], &instance["tags"]), (&json!("Acme"), &json!(["a", "b"])));
    assert_eq!(instance["externalId"], "customer-42");
    assert_eq!(instance["valid"], true);
    assert_eq!(instance["configuration"]["oauth.callback.url"], "https://ligand.example/connector/callback");
    assert_eq!(instance["vendorAccount"], after["vendorAccount"]);
    assert!(instance["vendorAccount"]["id"].is_string(), "{instance}");
    // It calls the vendor.
    let token = instance["token"].as_str().unwrap();
    caller.with_element(token).get("/hubs/crm/contacts").await.ok();
    // Spent.
    browser.get(made["url"].as_str().unwrap()).await.says(410, "This link has been used");
    assert_eq!(server.count().await, 1);
});
