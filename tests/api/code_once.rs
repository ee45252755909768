//! A code is sent to the vendor once (RFC 6749 section 4.1.2), whichever way it comes. A front end that runs its effect twice posts
//! it twice (soofstad/react-oauth2-pkce #50, FusionAuth/fusionauth-react-sdk #25, where at times both fail, auth0/auth0-spa-js #850,
//! thelinmichael/spotify-web-api-node #501).

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::sandbox::{Failure, TOKEN_ROUTES};
use serde_json::{Value, json};

use crate::support::browser::{Browser, link, set_up, shown};
use crate::support::caller::with_code;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

fn token_calls(server: &TestServer) -> u64 {
    server.sandbox().counts(TOKEN).total
}

on_both!(a_double_click_makes_one_instance, |server| async move {
    let caller = server.caller();
    let body = with_code("Clicked", &caller.code(server.sandbox()).await);
    server.sandbox().patch(&json!({ "delayMs": { "*": 300 } })).expect("a switch");
    let made = join_all((0..8).map(|_| caller.post("/instances", &body))).await;
    let first = made[0].ok();
    assert!(made.iter().all(|reply| reply.ok() == first), "{made:?}");
    // Whoever reloads the page later, with the code in its address.
    caller.patch(&format!("/instances/{}", first["id"]), &json!({ "name": "Renamed" })).await.ok();
    server.advance(TimeDelta::hours(23));
    let again = caller.post("/instances", &body).await.ok();
    assert_eq!((&again["id"], &again["token"], &again["name"]), (&first["id"], &first["token"], &"Renamed".into()));
    assert_eq!(caller.post("/elements/hubspotcrm/instances", &body).await.ok()["id"], first["id"]);
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
    // Another organization's code may happen to be the same text.
    server.stranger().await.post("/instances", &body).await.fails(400, "vendor_refused");
    assert_eq!(token_calls(&server), 2);
});

on_both!(another_request_with_the_same_code_is_told_which_instance_has_it, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let first = caller.post("/instances", &with_code("One", &code)).await.ok();
    let other = caller.create_with_code(server.sandbox(), "Other").await;
    let calls = token_calls(&server);
    let mut of_customer = with_code("One", &code);
    of_customer["externalId"] = "another customer".into();
    let change = json!({ "providerData": { "code": code } });
    let path = format!("/instances/{}", other["id"]);
    let replies = [
        caller.post("/instances", &with_code("Two", &code)).await,
        caller.post("/instances", &of_customer).await,
        caller.patch(&path, &change).await,
        caller.put(&path, &change).await,
        caller.put(&format!("{path}?reAuthenticate=true"), &change).await,
    ];
    for reply in &replies {
        let said = reply.fails(409, "code_used");
        assert!(
            said.contains(&format!("the instance {}", first["id"])) && said.contains("again for a new one"),
            "{said}"
        );
        assert_eq!(reply.json()["instanceId"], first["id"]);
        assert!(!reply.text.contains(first["token"].as_str().expect("a token")));
    }
    assert_eq!((token_calls(&server), server.count().await), (calls, 2));
    caller.delete(&format!("/instances/{}", first["id"])).await.ok_empty();
    let said = caller.post("/instances", &with_code("One", &code)).await.fails(409, "code_used");
    assert!(said.contains("deleted since"), "{said}");
});

on_both!(a_change_that_is_sent_twice_is_one_change, |server| async move {
    let caller = server.caller();
    let path = format!("/instances/{}", caller.create_with_code(server.sandbox(), "Renewed").await["id"]);
    for method in ["PATCH", "PUT"] {
        let body = json!({ "name": method, "providerData": { "code": caller.code(server.sandbox()).await } });
        let calls = token_calls(&server);
        server.sandbox().patch(&json!({ "delayMs": { "*": 300 } })).expect("a switch");
        let changed = join_all((0..4).map(|_| caller.send(method, &path, &body))).await;
        for reply in &changed {
            assert_eq!((&reply.ok()["name"], &reply.ok()["valid"]), (&method.into(), &true.into()));
        }
        assert_eq!(token_calls(&server), calls + 1, "{method}");
        caller
            .send(method, &path, &json!({ "name": "Other", "providerData": body["providerData"] }))
            .await
            .fails(409, "code_used");
        server.sandbox().patch(&json!({ "delayMs": { "*": 0 } })).expect("a switch");
    }
});

on_both!(the_code_of_a_link_makes_nothing_else, |server| async move {
    let caller = set_up(&server).await;
    let link = link(&caller, json!({ "elements": ["hubspotcrm"] })).await;
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&link, &[]).await.location().expect("a redirect");
    let callback = browser.get(&to_vendor).await.location().expect("a redirect");
    // A prefetch and the person, both with the cookie.
    let (one, two) = tokio::join!(browser.get(&callback), browser.get(&callback));
    for page in [browser.follow(one).await, browser.follow(two).await] {
        assert!(page.reply.status == 200, "{page:?}");
    }
    let connected = shown(&caller, &link).await;
    assert_eq!(connected["status"], "authorised");
    let callback = url::Url::parse(&callback).expect("an address");
    let code = callback.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let said = caller.post("/instances", &with_code("By hand", &code)).await.fails(409, "code_used");
    assert!(said.contains(&format!("the instance {}", connected["instanceId"])), "{said}");
    assert_eq!((token_calls(&server), server.count().await), (1, 1));
});

on_both!(a_refused_code_is_not_sent_again, |server| async move {
    let caller = server.caller();
    let body = with_code("Refused", "unknown");
    caller.post("/instances", &body).await.fails(400, "vendor_refused");
    for body in [body, with_code("Another", "unknown")] {
        let said = caller.post("/instances", &body).await.fails(409, "code_used");
        assert_eq!(
            said,
            "Hubspot CRM was sent this code before, and refused it: send the user to the vendor again for a new one."
        );
    }
    assert_eq!(token_calls(&server), 1);
    // To another element's vendor it may mean something.
    let mut body = with_code("Elsewhere", "unknown");
    body["element"]["key"] = "hubspot".into();
    caller.post("/instances", &body).await.fails(400, "vendor_refused");
    server.advance(TimeDelta::hours(25));
    ligand::jobs::purge(&server.services).await.expect("the job runs");
    caller.post("/instances", &with_code("Refused", "unknown")).await.fails(400, "vendor_refused");
});

on_both!(a_code_that_the_vendor_did_not_look_at_is_as_good_as_before, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let mut wrong = with_code("Once", &code);
    wrong["configuration"]["oauth.api.secret"] = "wrong".into();
    caller.post("/instances", &wrong).await.fails(400, "vendor_configuration");
    for status in [503, 429] {
        server.sandbox().set(|switches| switches.failure = Some(Failure::of(TOKEN_ROUTES, status, 1)));
        caller.post("/instances", &with_code("Once", &code)).await.fails(502, "vendor_unreachable");
    }
    caller.post("/instances", &with_code("Once", &code)).await.ok();
});

on_both!(of_those_who_wait_none_goes_on_by_itself, |server| async move {
    let caller = server.caller();
    let body = with_code("Once", &caller.code(server.sandbox()).await);
    server.sandbox().patch(&json!({ "delayMs": { "*": 400 } })).expect("a switch");
    server.sandbox().set(|switches| switches.failure = Some(Failure::of(TOKEN_ROUTES, 503, 1)));
    let replies = join_all((0..6).map(|_| caller.post("/instances", &body))).await;
    let failed = replies.iter().filter(|reply| reply.status == 502).count();
    assert_eq!(failed, 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 502) {
        assert!(reply.fails(409, "code_used").contains("send the code again"), "{reply:?}");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    assert_eq!(token_calls(&server), 1, "one call meets an outage, and not one of each");
    caller.post("/instances", &body).await.ok();
});

/// What a second token call would have met: Slack, Microsoft Entra ID and Google answer so to a code that is used up.
fn second_answers() -> [(u16, Value); 3] {
    [
        (200, json!({ "ok": false, "error": "code_already_used" })),
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "AADSTS54005: OAuth2 Authorization code was already redeemed" }),
        ),
        (400, json!({ "error": "invalid_grant", "error_description": "Code was already redeemed." })),
    ]
}

on_both!(what_came_of_a_code_is_said_without_asking_the_vendor, in |database| {
    let vendor = Vendor::start();
    let token = format!("http://{}/token", vendor.address);
    let copies = elements(&[("sfdc", &[("https://{site_address}/services/oauth2/token", &token)])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let body = |code: &str| {
            let mut body = with_code("Sales", code);
            body["element"]["key"] = "sfdc".into();
            body
        };
        let (own, foreign) = ("https://acme.my.salesforce.com", "https://evil.example");
        for (number, (status, second)) in second_answers().into_iter().enumerate() {
            let calls = vendor.requests().len();
            let code = |what: &str| format!("{what} {number}");
            let kept = body(&code("kept"));
            vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "instance_url": own }));
            let first = caller.post("/instances", &kept).await.ok();
            vendor.answers("/token", 200, json!({ "access_token": "at", "instance_url": foreign }));
            caller.post("/instances", &body(&code("foreign"))).await.fails(400, "vendor_host");
            vendor.answers("/token", 200, json!("nonsense"));
            caller.post("/instances", &body(&code("unread"))).await.fails(502, "vendor_answer");
            vendor.answers("/token", status, second);
            assert_eq!(caller.post("/instances", &kept).await.ok()["id"], first["id"]);
            for (what, words) in [("foreign", "what it brought was not kept"), ("unread", "nobody knows whether it took it")] {
                let said = caller.post("/instances", &body(&code(what))).await.fails(409, "code_used");
                assert!(said.contains(words), "{said}");
            }
            assert_eq!(vendor.requests().len() - calls, 3, "one of each code");
        }
    });
});
