//! A connect link survives what happens to servers while somebody is at the vendor: another replica answers, or a restart.

use serde_json::json;

use crate::support::browser::{Browser, set_up, shown};
use crate::support::server::Setup;
use crate::support::vendor::elements;
use crate::support::{TestServer, on_both};

/// Another server on the same database, whose `own` element has the first one's vendor.
async fn beside(first: &TestServer) -> TestServer {
    let vendor = format!("http://{}", first.vendor_address());
    let own: &[_] = &[
        ("key = \"hubspotcrm\"", "key = \"own\""),
        ("id = 168", "id = 10001"),
        ("https://api.hubapi.com", &vendor),
        ("https://app.hubspot.com", &vendor),
        ("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n"),
    ];
    let directory = elements(&[("hubspotcrm", own)]);
    first.start_beside(Setup { elements: Some(directory.path().to_owned()), ..Setup::default() }).await
}

on_both!(another_replica_ends_what_one_began, |server| async move {
    let caller = set_up(&server).await;
    let replicas = [beside(&server).await, beside(&server).await];
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    replicas[0].caller().put("/elements/own/app", &app).await.ok();
    let made = replicas[0].caller().post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
    let here = Browser::new(&replicas[0]);
    let to_vendor = here.submit(&made, &[]).await;
    let callback = here.get(&to_vendor.location().unwrap()).await;
    let there = here.at(&replicas[1]);
    there.follow(callback).await.says(200, "Hubspot CRM is connected");
    let after = shown(&caller, &made).await;
    let instance = replicas[0].caller().get(&format!("/instances/{}", after["instanceId"])).await.ok();
    let called = replicas[0].caller().with_element(instance["token"].as_str().unwrap());
    called.get("/hubs/crm/contacts").await.ok();
});

on_both!(a_restart_between_redirect_and_callback_loses_nothing, |server| async move {
    let caller = set_up(&server).await;
    let before = beside(&server).await;
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    before.caller().put("/elements/own/app", &app).await.ok();
    let made = before.caller().post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
    let browser = Browser::new(&before);
    let to_vendor = browser.submit(&made, &[]).await;
    drop(before);
    let callback = browser.get(&to_vendor.location().unwrap()).await;
    let after = beside(&server).await;
    browser.at(&after).follow(callback).await.says(200, "Hubspot CRM is connected");
    assert_eq!(shown(&caller, &made).await["status"], "authorised");
});
