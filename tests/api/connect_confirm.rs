//! Links whose end the integrator's back end confirms: whoever opens one can go its way, and only the back end knows whose session it is
//! ("cross-user session fixation", draft-ietf-oauth-security-topics-update).

use chrono::TimeDelta;
use ligand::sandbox::{Failure, Portal, TOKEN_ROUTES};
use serde_json::{Value, json};

use super::audit::actions_of;
use crate::support::browser::{APP, Browser, Page, confirm, confirm_handle, link, set_up, shown};
use crate::support::{Caller, TestServer, on_both, on_sqlite};

const TOKEN: &str = "POST /oauth/2026-03/token";
const KEY_CHECK: &str = "GET /account-info/v3/details";
const KEY_FIELD: &str = "field.hubspot.authorization.apikey";

fn token_calls(server: &TestServer) -> u64 {
    server.sandbox().counts(TOKEN).total
}

async fn confirmed_link(caller: &Caller, more: Value) -> Value {
    let mut body = json!({ "redirectUrl": format!("{APP}/done"), "externalId": "customer-42" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    link(caller, body).await
}

fn handle_of(back: &Page) -> String {
    back.parameter("handle").unwrap_or_else(|| panic!("no handle: {back:?}"))
}

/// What was told of links, the oldest first.
async fn told(caller: &Caller) -> Vec<Value> {
    let all = caller.get("/notifications/deliveries").await.ok();
    let notices = all.as_array().expect("a list").iter().rev().map(|delivery| delivery["notice"].clone());
    notices.filter(|notice| notice["type"].as_str().is_some_and(|kind| kind.starts_with("link."))).collect()
}

async fn listens(caller: &Caller) {
    caller.put("/notifications/webhook", &json!({ "url": "https://app.example/notices" })).await.ok();
}

fn kinds(told: &[Value]) -> Vec<&str> {
    told.iter().map(|notice| notice["type"].as_str().expect("a kind")).collect()
}

/// Five minutes later, and the job was there.
async fn lapse(server: &TestServer) -> usize {
    server.advance(TimeDelta::minutes(5));
    server.services.lapse_held().await.expect("no fault")
}

on_both!(what_comes_back_is_connected_when_the_back_end_says_so, |server| async move {
    let caller = set_up(&server).await;
    let made = confirmed_link(&caller, json!({ "redirectUrl": format!("{APP}/done?order=7") })).await;
    assert_eq!(made["confirm"], true, "{made}");
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&made, &[]).await;
    let callback = browser.get(&to_vendor.location().expect("to the vendor")).await.location().expect("back to us");
    let back = browser.follow(browser.get(&callback).await).await;
    let handle = handle_of(&back);
    assert_eq!(handle.len(), 43, "32 bytes");
    assert_eq!(back.location().unwrap(), format!("{APP}/done?order=7&status=confirm&handle={handle}"));
    // A reload of the vendor's redirect leads the same browser there again, and nobody else.
    assert_eq!(browser.follow(browser.get(&callback).await).await.location(), back.location());
    Browser::new(&server).get(&callback).await.says(400, "Go on in the browser where you began");
    let waiting = shown(&caller, &made).await;
    assert_eq!((&waiting["status"], &waiting["instanceId"]), (&json!("opened"), &Value::Null));
    assert!(waiting["message"].as_str().unwrap().contains("waits until 2026-"), "{waiting}");
    assert!(!waiting.to_string().contains(&handle), "the handle is the browser's alone");
    assert_eq!((token_calls(&server), server.count().await), (0, 0));

    let reply = confirm(&caller, &made, &back).await;
    let actions = actions_of(&server, reply.header("elements-request-id").expect("an id")).await;
    assert_eq!(actions, ["instance.created", "link.authorised"], "in the name of who confirms");
    let connected = reply.ok();
    assert_eq!((&connected["status"], &connected["id"]), (&json!("authorised"), &made["id"]));
    let instance = caller.get(&format!("/instances/{}", connected["instanceId"])).await.ok();
    assert_eq!((&instance["externalId"], &instance["valid"]), (&json!("customer-42"), &json!(true)));
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
    // Again, by a page that is reloaded: the same, also long after.
    for _ in 0..2 {
        let again = confirm_handle(&caller, &made, &handle).await.ok();
        assert_eq!((&again["status"], &again["instanceId"]), (&json!("authorised"), &connected["instanceId"]));
        server.advance(TimeDelta::days(3));
        ligand::jobs::purge(&server.services).await.expect("no fault");
    }
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
    assert_eq!(lapse(&server).await, 0);
});

on_both!(somebody_else_ends_nothing_in_my_name, |server| async move {
    let caller = set_up(&server).await;
    listens(&caller).await;
    // Somebody makes a link for himself and has somebody else agree.
    let made = confirmed_link(&caller, json!({ "origin": APP })).await;
    let url = made["url"].as_str().unwrap();
    let (attacker, victim) = (Browser::new(&server), Browser::new(&server));
    attacker.get(url).await;
    let back = victim.connect(&made).await;
    let handle = handle_of(&back);
    // Whoever has the link asks in vain for what that browser was given.
    for path in ["", "/result", "/result?display=popup", "/status"] {
        let page = attacker.get(&format!("{url}{path}")).await;
        assert!(!page.text().contains(&handle), "{path}: {page:?}");
        assert!(!page.location().is_some_and(|location| location.contains("handle")), "{path}: {page:?}");
    }
    let state = attacker.get(&format!("{url}/status")).await.reply.ok();
    assert_eq!(state, json!({ "status": "opened", "instanceId": null, "reason": null, "away": false }));
    server.advance(TimeDelta::seconds(299));
    assert_eq!(server.services.lapse_held().await.expect("no fault"), 0);
    assert_eq!(kinds(&told(&caller).await), ["link.opened"]);
    // Nobody confirms: the code is never sent, and the attempt is told.
    server.advance(TimeDelta::seconds(1));
    let late = confirm_handle(&caller, &made, &handle).await.fails(410, "handle_lapsed");
    assert!(late.contains("Send the person to the link again."), "{late}");
    assert_eq!(server.services.lapse_held().await.expect("no fault"), 1);
    assert_eq!(server.services.lapse_held().await.expect("no fault"), 0, "told once");
    confirm_handle(&caller, &made, &handle).await.fails(410, "handle_lapsed");
    let told = told(&caller).await;
    assert_eq!(kinds(&told), ["link.opened", "link.lapsed"]);
    let data = json!({
        "instanceId": null, "linkId": made["id"], "elementKey": "hubspotcrm", "externalId": "customer-42",
        "status": "failed", "reason": "not_confirmed",
    });
    assert_eq!(told[1]["data"], data);
    let after = shown(&caller, &made).await;
    assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("not_confirmed")));
    assert_eq!((token_calls(&server), server.count().await), (0, 0));
    victim.get(&format!("{url}/result")).await.says(200, "The connection was not confirmed");
    // The link goes on to work for whom it was made.
    let back = attacker.connect(&made).await;
    confirm(&caller, &made, &back).await.ok();
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
});

on_both!(a_handle_is_good_for_its_own_link, |server| async move {
    let caller = set_up(&server).await;
    let (one, other) = (confirmed_link(&caller, json!({})).await, confirmed_link(&caller, json!({})).await);
    // Two links in two tabs of one browser.
    let browser = Browser::new(&server);
    let (of_one, of_other) = (browser.connect(&one).await, browser.connect(&other).await);
    let (one_handle, other_handle) = (handle_of(&of_one), handle_of(&of_other));
    assert_ne!(one_handle, other_handle);
    confirm_handle(&caller, &one, &other_handle).await.fails(404, "handle_not_found");
    for nothing in [String::new(), "x".repeat(43), one_handle[1..].to_owned(), format!("{one_handle}x")] {
        confirm_handle(&caller, &one, &nothing).await.fails(404, "handle_not_found");
    }
    caller.post(&format!("/connect/links/{}/confirm", one["id"]), &json!({})).await.fails(400, "bad_body");
    // Another organization's is not there; who may make links may end them.
    let stranger = server.stranger().await;
    confirm_handle(&stranger, &one, &one_handle).await.fails(404, "link_not_found");
    assert_eq!(token_calls(&server), 0);
    assert_eq!(confirm(&caller, &other, &of_other).await.ok()["status"], "authorised");
    assert_eq!(confirm(&server.colleague().await, &one, &of_one).await.ok()["status"], "authorised");
    assert_eq!(server.count().await, 2);
});

on_both!(what_lapses_leaves_alone_what_came_back_later, |server| async move {
    let caller = set_up(&server).await;
    listens(&caller).await;
    let made = confirmed_link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let first = handle_of(&browser.connect(&made).await);
    server.advance(TimeDelta::seconds(290));
    let second = handle_of(&browser.connect(&made).await);
    server.advance(TimeDelta::seconds(15));
    assert_eq!(server.services.lapse_held().await.expect("no fault"), 1);
    confirm_handle(&caller, &made, &first).await.fails(410, "handle_lapsed");
    assert_eq!(
        (kinds(&told(&caller).await), &shown(&caller, &made).await["status"]),
        (vec!["link.opened"], &json!("opened"))
    );
    assert_eq!(confirm_handle(&caller, &made, &second).await.ok()["status"], "authorised");
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
});

on_both!(of_two_tabs_the_one_that_is_confirmed_counts, |server| async move {
    let caller = set_up(&server).await;
    let made = confirmed_link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let ways = [browser.submit(&made, &[]).await, browser.submit(&made, &[]).await];
    let mut handles = Vec::new();
    for way in ways {
        handles.push(handle_of(&browser.follow(way).await));
    }
    let connected = confirm_handle(&caller, &made, &handles[0]).await.ok();
    let refused = confirm_handle(&caller, &made, &handles[1]).await.fails(409, "link_ended");
    assert!(refused.contains("another handle"), "{refused}");
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
    listens(&caller).await;
    assert_eq!(lapse(&server).await, 1, "what the other tab left is erased");
    assert!(told(&caller).await.is_empty(), "and nothing is wrong with a link that is connected");
    assert_eq!(confirm_handle(&caller, &made, &handles[0]).await.ok()["instanceId"], connected["instanceId"]);
});

on_both!(a_link_that_came_to_its_end_is_not_confirmed, |server| async move {
    let caller = set_up(&server).await;
    listens(&caller).await;
    let withdrawn = confirmed_link(&caller, json!({})).await;
    let over = confirmed_link(&caller, json!({ "expiresIn": 60 })).await;
    let browser = Browser::new(&server);
    let (of_withdrawn, of_over) = (browser.connect(&withdrawn).await, browser.connect(&over).await);
    caller.delete(&format!("/connect/links/{}", withdrawn["id"])).await.ok();
    server.advance(TimeDelta::seconds(60));
    for (link, back) in [(&withdrawn, &of_withdrawn), (&over, &of_over)] {
        confirm(&caller, link, back).await.fails(409, "link_ended");
    }
    assert_eq!(lapse(&server).await, 2);
    assert!(!kinds(&told(&caller).await).contains(&"link.lapsed"), "{:?}", told(&caller).await);
    assert_eq!((token_calls(&server), server.count().await), (0, 0));
});

on_both!(a_key_waits_too_and_nobody_is_asked_about_it, |server| async move {
    let caller = set_up(&server).await;
    let made = confirmed_link(&caller, json!({ "authenticationType": "apiKey" })).await;
    let browser = Browser::new(&server);
    let checks = || server.sandbox().counts(KEY_CHECK).total;
    // What is missing is said on the page; whether the key is good only the vendor knows.
    let page = browser.submit(&made, &[(KEY_FIELD, " ")]).await;
    assert!(page.reply.status == 400 && page.text().contains("Please enter: API Key."), "{page:?}");
    let back = browser.follow(browser.submit(&made, &[(KEY_FIELD, "wrong-key")]).await).await;
    assert_eq!((checks(), server.count().await), (0, 0));
    let refused = confirm(&caller, &made, &back).await.fails(400, "vendor_refused");
    assert!(!refused.contains("wrong-key"), "{refused}");
    let after = shown(&caller, &made).await;
    assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("vendor_error")));
    confirm(&caller, &made, &back).await.fails(410, "handle_lapsed");
    let key = server.sandbox().settings().api_key.expose().to_owned();
    let back = browser.follow(browser.submit(&made, &[(KEY_FIELD, &key)]).await).await;
    let seen = checks();
    // Of somebody who never comes back it is erased, as a code is.
    let other = confirmed_link(&caller, json!({ "authenticationType": "apiKey" })).await;
    browser.follow(browser.submit(&other, &[(KEY_FIELD, &key)]).await).await;
    let (first, second) = futures_util::join!(confirm(&caller, &made, &back), confirm(&caller, &made, &back));
    let connected = first.ok();
    assert_eq!((&connected["status"], &second.ok()["instanceId"]), (&json!("authorised"), &connected["instanceId"]));
    let instance = caller.get(&format!("/instances/{}", connected["instanceId"])).await.ok();
    assert_eq!(instance["configuration"]["authentication.type"], "apiKey");
    let asked = checks();
    assert!(asked > seen);
    assert_eq!(lapse(&server).await, 1);
    assert_eq!(shown(&caller, &other).await["reason"], "not_confirmed");
    assert_eq!((checks(), server.count().await), (asked, 1));
});

on_both!(the_back_end_hears_what_the_vendor_says, |server| async move {
    let caller = set_up(&server).await;
    listens(&caller).await;
    let browser = Browser::new(&server);
    // An outage: the code may be sent once more while the handle is good.
    let made = confirmed_link(&caller, json!({})).await;
    let back = browser.connect(&made).await;
    server.sandbox().set(|switches| switches.failure = Some(Failure::of(TOKEN_ROUTES, 503, 1)));
    confirm(&caller, &made, &back).await.fails(502, "vendor_unreachable");
    let failed = shown(&caller, &made).await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("vendor_unavailable")));
    assert_eq!(confirm(&caller, &made, &back).await.ok()["status"], "authorised");
    assert_eq!(kinds(&told(&caller).await), ["link.opened", "link.failed", "link.authorised"]);
    // A refusal is an end.
    server.sandbox().set(|switches| switches.code_lifetime = 0);
    let made = confirmed_link(&caller, json!({})).await;
    let back = browser.connect(&made).await;
    confirm(&caller, &made, &back).await.fails(400, "vendor_refused");
    assert_eq!(shown(&caller, &made).await["reason"], "vendor_error");
    let calls = token_calls(&server);
    confirm(&caller, &made, &back).await.fails(410, "handle_lapsed");
    assert_eq!(token_calls(&server), calls);
    server.sandbox().set(|switches| switches.code_lifetime = 600);
    // A scope that must be there: nothing is made, and the grant is given back.
    server.sandbox().set(|switches| switches.withheld_scopes = vec!["files".to_owned()]);
    let live = server.sandbox().live_grants();
    let made = confirmed_link(&caller, json!({ "scopes": "contacts files" })).await;
    let back = browser.connect(&made).await;
    let said = confirm(&caller, &made, &back).await.fails(409, "link_failed");
    assert!(said.contains("files"), "{said}");
    assert_eq!(shown(&caller, &made).await["missingScopes"], json!(["files"]));
    server.services.revoke_due_grants().await.expect("no fault");
    assert_eq!((server.sandbox().live_grants(), server.count().await), (live, 1));
});

on_both!(an_instance_is_authorised_anew_when_that_is_confirmed, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    server.sandbox().set(|switches| switches.developer_account = true);
    let first = confirmed_link(&caller, json!({})).await;
    let before = confirm(&caller, &first, &browser.connect(&first).await).await.ok();
    let path = format!("/instances/{}", before["instanceId"]);
    let token = caller.get(&path).await.ok()["token"].clone();
    let renewal = async || {
        let body = json!({ "instanceId": before["instanceId"], "redirectUrl": format!("{APP}/done") });
        caller.post("/connect/links", &body).await.ok()
    };
    let made = renewal().await;
    let back = browser.connect(&made).await;
    assert_eq!(token_calls(&server), 1);
    let renewed = confirm(&caller, &made, &back).await.ok();
    assert_eq!(renewed["instanceId"], before["instanceId"]);
    assert_eq!(confirm(&caller, &made, &back).await.ok()["instanceId"], before["instanceId"]);
    assert_eq!(caller.get(&path).await.ok()["token"], token);
    assert_eq!((token_calls(&server), server.count().await), (2, 1));
    // Another account does not take the place.
    server.sandbox().set(|switches| switches.account = Portal::Developer);
    let made = renewal().await;
    let back = browser.connect(&made).await;
    let said = confirm(&caller, &made, &back).await.fails(409, "link_failed");
    assert!(said.contains("62515") && said.contains("62516"), "{said}");
    assert_eq!(shown(&caller, &made).await["reason"], "wrong_account");
});

on_both!(what_waits_is_not_pushed_out, |server| async move {
    let caller = set_up(&server).await;
    server.sandbox().set(|switches| switches.code_lifetime = 600);
    let made = confirmed_link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let back = browser.connect(&made).await;
    let other = Browser::new(&server);
    for _ in 0..21 {
        server.advance(TimeDelta::seconds(4));
        other.submit(&made, &[]).await;
    }
    ligand::jobs::purge(&server.services).await.expect("no fault");
    assert_eq!(confirm(&caller, &made, &back).await.ok()["status"], "authorised");
});

on_both!(a_link_that_is_handed_on_says_for_whom_it_is, |server| async move {
    let caller = set_up(&server).await;
    let browser = Browser::new(&server);
    let said = async |more: Value| {
        let made = link(&caller, more).await;
        let page = browser.get(made["url"].as_str().unwrap()).await;
        page.says(200, "Connect Hubspot CRM to example.com");
        (made["confirm"].as_bool(), page.text().to_owned())
    };
    let named = json!({ "customerName": "Acme & Sons", "externalId": "customer-42" });
    let (confirms, page) = said(named.clone()).await;
    assert_eq!(confirms, Some(false));
    assert!(page.contains("This link was made for Acme &amp; Sons.") && !page.contains("customer-42"), "{page}");
    let (_, page) = said(json!({ "externalId": "customer-42" })).await;
    assert!(page.contains("This link was made for customer-42."), "{page}");
    let (_, page) = said(json!({})).await;
    assert!(page.contains("Go on only if example.com itself sent you this link"), "{page}");
    // The back end knows better.
    let mut with_back = named.clone();
    with_back["redirectUrl"] = json!(format!("{APP}/done"));
    let (confirms, page) = said(with_back.clone()).await;
    assert!(confirms == Some(true) && !page.contains("Acme"), "{page}");
    // Whoever chooses that nobody confirms has today's way, with the address of the result.
    with_back["confirm"] = json!(false);
    let (confirms, page) = said(with_back.clone()).await;
    assert!(confirms == Some(false) && page.contains("Acme &amp; Sons"), "{page}");
    let made = link(&caller, with_back).await;
    let end = browser.connect(&made).await.location().expect("a redirect");
    assert!(end.starts_with(&format!("{APP}/done?status=authorised&instanceId=")), "{end}");
    // Without a way to the back end there is nothing to confirm with.
    for more in [json!({ "confirm": true }), json!({ "customerName": "x".repeat(201) })] {
        caller.post("/connect/links", &more).await.fails(400, "bad_link");
    }
});

on_sqlite!(a_popup_hands_over_what_is_to_be_confirmed, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({ "origin": APP })).await;
    assert_eq!(made["confirm"], true);
    let browser = Browser::new(&server);
    let page = browser.get(&format!("{}?display=popup", made["url"].as_str().unwrap())).await;
    let end = browser.follow(browser.send_form(&page, &[]).await).await;
    end.says(200, "Almost done");
    let handle = end.text().split("data-handle=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a handle");
    assert!(end.text().contains("data-status=\"confirm\"") && !end.text().contains("data-back"), "{end:?}");
    assert_eq!(confirm_handle(&caller, &made, handle).await.ok()["status"], "authorised");
    // A window that is no popup has no way to the page, unless the link says which.
    let made = link(&caller, json!({ "origin": APP })).await;
    browser.connect(&made).await.says(200, "example.com was not told");
    assert_eq!(server.count().await, 1);
});
