//! Connect links from the integrator's call to the vendor and back.

use chrono::TimeDelta;
use ligand::sandbox::{Consent, EndOfGrant, Failure, Portal, TOKEN_ROUTES};
use serde_json::{Value, json};

use crate::support::browser::{APP, Browser, Page, confirm, confirm_handle, link, set_up, shown};
use crate::support::{Caller, on_both, on_sqlite};

on_both!(a_customer_connects_an_account, |server| async move {
    let caller = set_up(&server).await;
    let redirect = format!("{APP}/connected?step=2");
    let more = json!({ "externalId": "customer-42", "name": "Acme", "tags": ["a", "b"], "redirectUrl": redirect });
    let made = link(&caller, more).await;
    let browser = Browser::new(&server);
    let page = browser.get(made["url"].as_str().unwrap()).await;
    page.says(200, "Connect Hubspot CRM to example.com");
    assert!(page.text().contains("Read and change companies, contacts and deals"), "{page:?}");
    assert_eq!(shown(&caller, &made).await["status"], "opened");
    let to_vendor = browser.submit(&made, &[]).await;
    assert_eq!(to_vendor.reply.status, 303);
    let redirect_uri = caller.get("/elements/hubspotcrm/app").await.ok()["redirectUrl"].clone();
    assert_eq!(to_vendor.parameter("redirect_uri").as_deref(), redirect_uri.as_str());
    assert_eq!(to_vendor.parameter("scope").as_deref(), Some("contacts"));
    assert_eq!(to_vendor.parameter("optional_scope").as_deref(), Some("content reports e-commerce forms"));
    let end = browser.follow(to_vendor).await;
    assert!(end.location().unwrap().starts_with(&format!("{APP}/connected?step=2&status=confirm&handle=")), "{end:?}");
    let after = confirm(&caller, &made, &end).await.ok();
    assert_eq!(after["status"], "authorised", "{after}");
    let id = after["instanceId"].as_i64().expect("an instance");
    let instance = instance(&caller, &after).await;
    assert_eq!((&instance["name"], &instance["tags"]), (&json!("Acme"), &json!(["a", "b"])));
    assert_eq!(instance["externalId"], "customer-42");
    assert_eq!(instance["valid"], true);
    assert_eq!(instance["configuration"]["oauth.callback.url"], redirect_uri);
    let account = json!({ "id": "62515", "name": Portal::Main.domain() });
    assert_eq!((&instance["vendorAccount"], &after["vendorAccount"]), (&account, &account));
    assert_eq!(instance["grantedScopes"], after["grantedScopes"]);
    // It calls the vendor, and renews its token with the organization's app.
    let token = instance["token"].as_str().unwrap();
    caller.with_element(token).get("/hubs/crm/contacts").await.ok();
    caller.get(&format!("/instances/{id}?refresh=true")).await.ok();
    // Spent.
    browser.get(made["url"].as_str().unwrap()).await.says(410, "This link has been used");
    assert_eq!(server.count().await, 1);
    assert_eq!(caller.get("/instances?externalId=customer-42").await.ok()[0]["id"], id);
    caller.get("/instances?externalId=customer-4").await.fails(404, "nothing_found");
});

async fn instance(caller: &Caller, link: &Value) -> Value {
    caller.get(&format!("/instances/{}", link["instanceId"])).await.ok()
}

/// What the page that opened the link is told.
async fn state(browser: &Browser, link: &Value) -> Value {
    let page = browser.get(&format!("{}/status", link["url"].as_str().unwrap())).await;
    assert_eq!(page.reply.header("access-control-allow-origin"), link["origin"].as_str());
    page.reply.ok()
}

on_both!(denied_and_failed_are_not_the_end, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({ "redirectUrl": format!("{APP}/done"), "origin": APP })).await;
    let browser = Browser::new(&server);
    server.sandbox().set(|switches| switches.consent = Consent::Deny);
    let denied = browser.connect(&made).await;
    denied.says(200, "You did not agree");
    assert!(denied.text().contains(&format!("{APP}/done?status=denied\"")), "{denied:?}");
    let told = json!({ "status": "denied", "instanceId": null, "reason": "access_denied", "away": false });
    assert_eq!(state(&browser, &made).await, told);
    server.sandbox().set(|switches| {
        switches.consent = Consent::Grant;
        switches.failure = Some(Failure::of(TOKEN_ROUTES, 500, 1));
    });
    let back = browser.connect(&made).await;
    let told = json!({ "status": "opened", "instanceId": null, "reason": null, "away": false });
    assert_eq!(state(&browser, &made).await, told, "it waits");
    confirm(&caller, &made, &back).await.fails(502, "vendor_unreachable");
    assert_eq!(state(&browser, &made).await["reason"], "vendor_unavailable");
    let page = browser.get(&format!("{}/result", made["url"].as_str().unwrap())).await;
    page.says(200, "Hubspot CRM does not answer");
    let to_vendor = browser.submit(&made, &[]).await;
    let told = json!({ "status": "opened", "instanceId": null, "reason": null, "away": true });
    assert_eq!(state(&browser, &made).await, told);
    let after = confirm(&caller, &made, &browser.follow(to_vendor).await).await.ok();
    let told = json!({ "status": "authorised", "instanceId": after["instanceId"], "reason": null, "away": false });
    assert_eq!(state(&browser, &made).await, told);
    assert_eq!(server.count().await, 1);
});

on_both!(what_was_not_granted_is_named, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    // An optional one: fine.
    server.sandbox().set(|switches| switches.optional_scopes = false);
    let made = link(&caller, json!({})).await;
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
    let after = shown(&caller, &made).await;
    assert_eq!(after["grantedScopes"], json!(["oauth", "contacts"]));
    assert_eq!(instance(&caller, &after).await["grantedScopes"], after["grantedScopes"]);
    // One that must be there: nothing is made, and the grant is given back.
    server.sandbox().set(|switches| switches.withheld_scopes = vec!["files".to_owned()]);
    let live = server.sandbox().live_grants();
    let made = link(&caller, json!({ "scopes": "contacts files" })).await;
    let page = browser.connect(&made).await;
    page.says(200, "A permission is missing");
    assert!(page.text().contains("<code>files</code>") && !page.text().contains("<code>contacts</code>"), "{page:?}");
    let after = shown(&caller, &made).await;
    assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("missing_scope")));
    assert_eq!(after["missingScopes"], json!(["files"]));
    assert_eq!(server.count().await, 1);
    assert_eq!(server.sandbox().live_grants(), live + 1);
    server.services.revoke_due_grants().await.expect("no fault");
    assert_eq!(server.sandbox().live_grants(), live);
    server.sandbox().set(|switches| switches.withheld_scopes = Vec::new());
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
});

/// A connected instance, and a link that renews it.
async fn renewal(caller: &Caller, browser: &Browser, more: Value) -> (Value, Value) {
    let made = link(caller, json!({ "name": "Acme", "externalId": "a" })).await;
    browser.connect(&made).await;
    let before = instance(caller, &shown(caller, &made).await).await;
    let mut body = json!({ "instanceId": before["id"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (before, caller.post("/connect/links", &body).await.ok())
}

on_both!(an_instance_is_authorised_anew, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    let (before, made) = renewal(&caller, &browser, json!({})).await;
    assert_eq!(made["elements"], json!(["hubspotcrm"]));
    assert_eq!(made["externalId"], "a");
    server.sandbox().revoke(EndOfGrant::Uninstalled);
    server.advance(TimeDelta::seconds(11));
    let path = format!("/instances/{}", before["id"]);
    caller.get(&format!("{path}?refresh=true")).await;
    assert_eq!(caller.get(&path).await.ok()["valid"], false);
    let page = browser.get(made["url"].as_str().unwrap()).await;
    page.says(200, "Renew the connection of Hubspot CRM to example.com");
    assert!(page.text().contains(&format!("choose the account {} (62515)", Portal::Main.domain())), "{page:?}");
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
    let after = caller.get(&path).await.ok();
    for member in ["id", "token", "name", "tags", "externalId", "vendorAccount"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!((&after["valid"], &after["invalidReason"]), (&json!(true), &Value::Null));
    assert_eq!(shown(&caller, &made).await["instanceId"], before["id"]);
    caller.with_element(after["token"].as_str().unwrap()).get("/hubs/crm/contacts").await.ok();
    assert_eq!(server.count().await, 1);
    // A spent link never works again.
    let again = browser.post(made["url"].as_str().unwrap(), &[("element", "hubspotcrm")]).await;
    browser.follow(again).await.says(200, "Hubspot CRM is connected");
});

on_both!(another_account_does_not_take_the_place_silently, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    server.sandbox().set(|switches| switches.developer_account = true);
    let (before, made) = renewal(&caller, &browser, json!({})).await;
    server.sandbox().set(|switches| switches.account = Portal::Developer);
    let live = server.sandbox().live_grants();
    let page = browser.connect(&made).await;
    page.says(200, "That was another account");
    for account in ["62515", "62516", Portal::Main.domain(), Portal::Developer.domain()] {
        assert!(page.text().contains(account), "{account}: {page:?}");
    }
    let refused = shown(&caller, &made).await;
    assert_eq!((&refused["status"], &refused["reason"]), (&json!("failed"), &json!("wrong_account")));
    assert_eq!(refused["vendorAccount"]["id"], "62516");
    let path = format!("/instances/{}", before["id"]);
    assert_eq!(caller.get(&path).await.ok()["vendorAccount"]["id"], "62515");
    assert_eq!(server.sandbox().live_grants(), live + 1);
    server.services.revoke_due_grants().await.expect("no fault");
    assert_eq!(server.sandbox().live_grants(), live, "the new grant is given back, the old one lives");
    caller.get(&format!("{path}?refresh=true")).await.ok();
    // Where it is allowed, the old account is let go.
    let body = json!({ "instanceId": before["id"], "allowOtherAccount": true });
    let allowed = caller.post("/connect/links", &body).await.ok();
    browser.connect(&allowed).await.says(200, "Hubspot CRM is connected");
    let after = caller.get(&path).await.ok();
    assert_eq!((&after["vendorAccount"]["id"], &after["token"]), (&json!("62516"), &before["token"]));
    server.services.revoke_due_grants().await.expect("no fault");
    assert_eq!(server.sandbox().live_grants(), live);
});

on_sqlite!(an_instance_that_is_gone_cannot_be_renewed, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    let (before, made) = renewal(&caller, &browser, json!({})).await;
    let to_vendor = browser.submit(&made, &[]).await;
    let live = server.sandbox().live_grants();
    caller.delete(&format!("/instances/{}", before["id"])).await;
    browser.follow(to_vendor).await.says(200, "The connection is gone");
    assert_eq!(shown(&caller, &made).await["reason"], "instance_gone");
    browser.get(made["url"].as_str().unwrap()).await.says(410, "The connection is gone");
    server.services.revoke_due_grants().await.expect("no fault");
    assert!(server.sandbox().live_grants() < live);
    assert_eq!(server.count().await, 0);
});

on_both!(a_key_connects_at_once, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({ "authenticationType": "apiKey" })).await;
    let browser = Browser::new(&server);
    let page = browser.get(made["url"].as_str().unwrap()).await;
    page.says(200, "Connect Hubspot CRM to example.com");
    assert!(page.text().contains("name=\"field.hubspot.authorization.apikey\" type=\"password\""), "{page:?}");
    let field = "field.hubspot.authorization.apikey";
    // A mistake is corrected where it was made, and no key comes back.
    for (key, says) in [("wrong-key", "refused the API key"), (" ", "Please enter: API Key.")] {
        let page = browser.submit(&made, &[(field, key)]).await;
        assert_eq!(page.reply.status, 400);
        assert!(page.text().contains("role=\"alert\"") && page.text().contains(says), "{page:?}");
        assert!(!page.text().contains("wrong-key"), "{page:?}");
    }
    let key = server.sandbox().settings().api_key.expose().to_owned();
    let end = browser.submit(&made, &[(field, &key), ("field.create.bulk.properties", "true")]).await;
    let end = browser.follow(end).await;
    let after = shown(&caller, &made).await;
    assert_eq!(after["status"], "authorised", "{after}");
    end.says(200, "Hubspot CRM is connected");
    let instance = instance(&caller, &after).await;
    assert_eq!(instance["configuration"]["authentication.type"], "apiKey");
    assert_ne!(instance["configuration"]["create.bulk.properties"], "true", "only what was asked for is taken");
    assert_eq!(instance["vendorAccount"]["id"], "62515");
    caller.with_element(instance["token"].as_str().unwrap()).get("/hubs/crm/contacts").await.ok();
});

on_sqlite!(the_person_chooses_among_what_can_be_connected, |server| async move {
    let caller = set_up(&server).await;
    let made = caller.post("/connect/links", &json!({})).await.ok();
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    let page = browser.get(&format!("{url}?display=popup")).await;
    page.says(200, "Connect an account to example.com");
    let offers = |page: &Page, key: &str| page.text().contains(&format!("?element={key}&amp;display=popup\""));
    assert!(offers(&page, "hubspotcrm") && offers(&page, "freshdesk"), "{page:?}");
    assert!(!offers(&page, "sfdc"), "it has no app: {page:?}");
    browser.get(&format!("{url}?element=freshdesk")).await.says(200, "Connect Freshdesk to example.com");
    browser.get(&format!("{url}?element=sfdc")).await.says(200, "Connect an account to example.com");
    let named = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm", "freshdesk"] })).await.ok();
    let page = browser.get(named["url"].as_str().unwrap()).await;
    assert_eq!(page.text().matches("?element=").count(), 2, "{page:?}");
    // The app may go away after the link was made.
    let single = link(&caller, json!({})).await;
    caller.delete("/elements/hubspotcrm/app").await;
    browser.get(single["url"].as_str().unwrap()).await.says(409, "This connection is not set up yet");
});

on_sqlite!(scopes_are_the_links_then_the_configurations_then_the_apps, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    let asked = async |more: Value| {
        let made = link(&caller, more).await;
        let page = browser.submit(&made, &[]).await;
        (page.parameter("scope").unwrap_or_default(), page.parameter("optional_scope").unwrap_or_default())
    };
    let both = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(asked(json!({})).await, both("contacts", "content reports e-commerce forms"));
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret", "scopes": "of.app", "optionalScopes": "" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    assert_eq!(asked(json!({})).await, both("of.app", ""));
    let configured = json!({ "configuration": { "Scopes": "of.configuration", "OptionalScopes": "maybe" } });
    assert_eq!(asked(configured.clone()).await, both("of.configuration", "maybe"));
    let mut linked = configured;
    linked["scopes"] = json!("of.link");
    assert_eq!(asked(linked.clone()).await, both("of.link", "maybe"));
    let (mandatory, optional) = asked(json!({ "preset": "granular" })).await;
    assert!(mandatory.contains("crm.objects.companies.read") && mandatory.ends_with("files"), "{mandatory}");
    assert!(optional.contains("crm.objects.line_items.read") && optional.ends_with("tickets"), "{optional}");
});

on_both!(time_ends_a_link_at_any_page, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({ "expiresIn": 600, "origin": APP })).await;
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&made, &[]).await;
    server.advance(TimeDelta::seconds(600));
    browser.follow(to_vendor).await.says(410, "This link has expired");
    let url = made["url"].as_str().unwrap();
    browser.get(url).await.says(410, "This link has expired");
    let page = browser.post(url, &[("element", "hubspotcrm")]).await;
    browser.follow(page).await.says(410, "This link has expired");
    assert_eq!(state(&browser, &made).await["status"], "expired");
    assert_eq!(server.count().await, 0);
    // Who takes longer than an hour at the vendor has lost the way back, and may begin again.
    let made = link(&caller, json!({})).await;
    let to_vendor = browser.submit(&made, &[]).await;
    server.advance(TimeDelta::minutes(61));
    browser.follow(to_vendor).await.says(400, "This authorization is not known any more");
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
});

on_sqlite!(a_popup_tells_the_page_that_opened_it, |server| async move {
    let caller = set_up(&server).await;
    let more = json!({ "origin": APP, "redirectUrl": format!("{APP}/done"), "elements": ["hubspotcrm"] });
    let made = link(&caller, more).await;
    let browser = Browser::new(&server);
    let url = format!("{}?display=popup", made["url"].as_str().unwrap());
    let page = browser.get(&url).await;
    assert!(page.text().contains("name=\"display\" value=\"popup\""), "{page:?}");
    let page = browser.send_form(&page, &[]).await;
    let end = browser.follow(page).await;
    end.says(200, "Almost done");
    assert!(end.text().contains("<script src=\"/connect/assets/result.js\" defer></script>"), "{end:?}");
    let handle = end.text().split("data-handle=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a handle");
    let back = format!("{APP}/done?status=confirm&amp;handle={handle}");
    let told = format!(
        "<div id=\"result\" data-link=\"{}\" data-status=\"confirm\" data-handle=\"{handle}\" data-back=\"{back}\" \
         data-origin=\"{APP}\"></div>",
        made["id"]
    );
    assert!(end.text().contains(&told), "{told}: {end:?}");
    let id = &confirm_handle(&caller, &made, handle).await.ok()["instanceId"];
    let end = browser.get(end.url.as_str()).await;
    let told = format!(
        "<div id=\"result\" data-link=\"{}\" data-status=\"authorised\" data-instance=\"{id}\" data-origin=\"{APP}\"></div>",
        made["id"]
    );
    assert!(end.text().contains(&told), "{told}: {end:?}");
    let script = browser.get("/connect/assets/result.js").await;
    assert!(script.reply.header("content-type").unwrap().starts_with("text/javascript"));
    assert!(!script.text().contains("'*'") && !script.text().contains("\"*\""), "never to anybody's page");
});

on_sqlite!(the_pages_look_as_the_organization_does, |server| async move {
    let caller = set_up(&server).await;
    let brand = json!({ "displayName": "Ärger & Co", "logoUrl": "https://cdn.example/logo.svg", "colour": "#ffee00" });
    caller.patch("/organizations/me", &json!({ "brand": brand })).await.ok();
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    let page = browser.get(url).await;
    page.says(200, "Connect Hubspot CRM to Ärger &amp; Co");
    assert!(page.text().contains("<img src=\"https://cdn.example/logo.svg\" alt=\"\""), "{page:?}");
    let style = browser.get(&format!("{url}/brand.css")).await;
    assert_eq!(style.reply.header("content-type"), Some("text/css; charset=utf-8"));
    // Yellow on white cannot be read.
    assert!(style.text().contains("--accent:") && !style.text().starts_with(":root { --accent: #ffee00"), "{style:?}");
    assert_eq!(browser.get("/connect/assets/page.css").await.reply.status, 200);
    assert_eq!(browser.get("/connect/assets/other.css").await.reply.status, 404);
});

on_both!(what_happens_to_a_link_is_told, |server| async move {
    let caller = set_up(&server).await;
    caller.put("/notifications/webhook", &json!({ "url": "https://app.example/notices" })).await.ok();
    let more = json!({ "externalId": "customer-42", "notifyUrl": "https://app.example/of-link" });
    let made = link(&caller, more).await;
    let browser = Browser::new(&server);
    server.sandbox().set(|switches| switches.consent = Consent::Deny);
    browser.connect(&made).await.says(200, "You did not agree");
    server.sandbox().set(|switches| switches.consent = Consent::Grant);
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
    let told = caller.get("/notifications/deliveries").await.ok();
    let told = told.as_array().unwrap();
    let kinds = |to: &Value| -> Vec<&str> {
        // The newest come first.
        let to = told.iter().rev().filter(|notice| notice["notifyLinkId"] == *to);
        to.map(|notice| notice["type"].as_str().unwrap()).collect()
    };
    let of_link = ["link.opened", "link.denied", "link.opened", "link.authorised"];
    assert_eq!(kinds(&made["id"]), of_link);
    assert_eq!(kinds(&Value::Null), [&of_link[..3], &["instance.created", "link.authorised"]].concat());
    let denied = told.iter().find(|notice| notice["type"] == "link.denied").unwrap();
    let data = json!({
        "instanceId": null, "linkId": made["id"], "elementKey": "hubspotcrm", "externalId": "customer-42",
        "status": "denied", "reason": "access_denied",
    });
    assert_eq!(denied["notice"]["data"], data);
    let authorised = told.iter().find(|notice| notice["type"] == "link.authorised").unwrap();
    assert_eq!(authorised["notice"]["data"]["instanceId"], shown(&caller, &made).await["instanceId"]);
});
