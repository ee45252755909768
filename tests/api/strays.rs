//! Who comes to the callback in another way than by a GET with a state: by a form of the vendor's page, with a refusal that forgot the
//! state, or with a code that nobody here asked for.

use serde_json::{Value, json};

use super::element_format::{Own, sent_to};
use crate::support::browser::{APP, Browser, Page, link, set_up, shown};
use crate::support::caller::fresh_code;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;
use crate::support::{Caller, TestServer, on_both};

const CALLBACK: &str = "/connector/callback";
const HOME: &str = "https://app.example/connections?from=vendor";

/// As a form of another site comes: without the cookie, which is `Lax`.
async fn posted_by_vendor(server: &TestServer, fields: &[(&str, &str)]) -> Page {
    Browser::without_cookies(server).post(CALLBACK, fields).await
}

/// Microsoft's, Apple's and oidc-provider's pages post what others redirect with (element-hq/matrix-authentication-service PR 3521, Apple's
/// "Configuring your webpage for Sign in with Apple"; zorn-v/nextcloud-social-login #539; team-alembic/ash_authentication PR 1187).
fn by_form() -> Own {
    Own { authorize: "parameters = { response_mode = \"form_post\" }", ..Own::default() }
}

fn answers(vendor: &Vendor) {
    vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
}

async fn begun(server: &TestServer, caller: &Caller) -> (Browser, Value, String) {
    let app = json!({ "clientId": "app", "clientSecret": "secret" });
    caller.put("/elements/own/app", &app).await.ok();
    let made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
    let browser = Browser::new(server);
    let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
    (browser, made, state)
}

on_both!(a_form_of_the_vendors_page_ends_what_a_link_began, in |database| {
    let vendor = Vendor::start();
    answers(&vendor);
    let (_directory, setup) = by_form().setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        // Apple says the name once, as JSON with quotation marks; Microsoft a `session_state`.
        let (browser, made, state) = begun(&server, &caller).await;
        let (code, user) = (fresh_code(), "{\"name\":{\"firstName\":\"Jo & Co\"}}");
        let fields = [("state", state.as_str()), ("code", code.as_str()), ("user", user), ("session_state", "")];
        let page = posted_by_vendor(&server, &fields).await;
        page.says(200, "One moment");
        assert!(!page.url.as_str().contains(&code) && page.location().is_none(), "{page:?}");
        assert!(page.text().contains("Jo &amp; Co") && page.text().contains("/connect/assets/send_on.js"), "{page:?}");
        assert!(sent_to(&vendor, "/token").is_empty(), "nothing is spent by it");
        // From here the browser sends the same with its cookie.
        let end = browser.send_form(&page, &[]).await;
        browser.follow(end).await.says(200, "Own is connected");
        assert_eq!(shown(&caller, &made).await["status"], "authorised");
        // A vendor of the same site, or one whose form has the cookie, needs no page between.
        let (browser, made, state) = begun(&server, &caller).await;
        let code = fresh_code();
        let end = browser.post(CALLBACK, &[("state", &state), ("code", &code)]).await;
        browser.follow(end).await.says(200, "Own is connected");
        // No is said by a form, too.
        let (browser, denied, state) = begun(&server, &caller).await;
        let page = posted_by_vendor(&server, &[("state", &state), ("error", "access_denied")]).await;
        let end = browser.send_form(&page, &[]).await;
        browser.follow(end).await.says(200, "You did not agree");
        assert_eq!(shown(&caller, &denied).await["status"], "denied");
        assert_eq!(shown(&caller, &made).await["status"], "authorised");
        assert_eq!(sent_to(&vendor, "/token").len(), 2);
    });
});

on_both!(a_form_of_another_site_ends_nothing_of_this_browser, in |database| {
    let vendor = Vendor::start();
    answers(&vendor);
    let (_directory, setup) = by_form().setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        let (browser, made, state) = begun(&server, &caller).await;
        let code = fresh_code();
        let page = posted_by_vendor(&server, &[("state", &state), ("code", &code)]).await;
        // Somebody else's browser, whatever it makes of the page; and one that forged our mark.
        for other in [Browser::new(&server), Browser::without_cookies(&server)] {
            other.send_form(&page, &[]).await.says(400, "Go on in the browser where you began");
        }
        let forged = [("state", state.as_str()), ("code", code.as_str()), ("ligand-sent-on", "1")];
        posted_by_vendor(&server, &forged).await.says(400, "Go on in the browser where you began");
        assert!(sent_to(&vendor, "/token").is_empty());
        let end = browser.send_form(&page, &[]).await;
        browser.follow(end).await.says(200, "Own is connected");
        assert_eq!(shown(&caller, &made).await["status"], "authorised");
    });
});

on_both!(what_a_form_says_is_forwarded_to_who_waits_elsewhere, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = by_form().setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        caller.put("/elements/own/app", &json!({ "clientId": "app", "clientSecret": "secret" })).await.ok();
        let begun = caller.get(&format!("/elements/own/oauth/url/default?callbackUrl={APP}/back&state=mine")).await.ok();
        let url = url::Url::parse(begun["oauthUrl"].as_str().expect("an address")).expect("an address");
        let asked = |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        assert_eq!(asked("response_mode").as_deref(), Some("form_post"));
        let state = asked("state").expect("a state");
        let page = posted_by_vendor(&server, &[("state", &state), ("code", "c"), ("user", "Jo")]).await;
        let end = Browser::new(&server).send_form(&page, &[]).await;
        assert_eq!(end.location().as_deref(), Some("https://app.example/back?code=c&state=mine&user=Jo"));
    });
});

// OAuth servers that send a refusal without its state, against RFC 6749 section 4.1.2.1: a person who closes the page of an app that was
// not asked for from here, and vendors' own pages (`error=user_cancelled_login`, LinkedIn's "Authorization Code Flow").
on_both!(a_refusal_without_a_state_has_its_page_and_changes_nothing, |server| async move {
    let caller = set_up(&server).await;
    caller.patch("/organizations/me", &json!({ "applicationUrl": HOME })).await.ok();
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    browser.submit(&made, &[]).await;
    for refusal in
        ["error=access_denied", "error=user_cancelled_login&state=", "error=consent_required&error_description=x"]
    {
        let page = browser.get(&format!("{CALLBACK}?{refusal}")).await;
        page.says(200, "No access was given");
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token");
        // The browser remembers what it began.
        assert!(
            page.text().contains(&format!("href=\"/connect/{token}\"")) && page.text().contains("Try again"),
            "{page:?}"
        );
        assert!(!page.text().contains("error_description") && !page.text().contains(">x<"), "{page:?}");
        // Another one goes where the organization wants people.
        let page = Browser::new(&server).get(&format!("{CALLBACK}?{refusal}")).await;
        assert!(!page.text().contains(token), "{page:?}");
        assert!(
            page.text().contains(&format!("href=\"{HOME}\"")) && page.text().contains("Go to example.com"),
            "{page:?}"
        );
    }
    assert_eq!(shown(&caller, &made).await["status"], "opened", "anybody can send a browser here");
    // What the browser began first is what it ends.
    let end = browser.connect(&made).await;
    end.says(200, "Hubspot CRM is connected");
    let page = browser.get(&format!("{CALLBACK}?error=access_denied")).await;
    assert!(!page.text().contains("Try again"), "the link works no more: {page:?}");
});

// Begun at the vendor: Slack's directory without a state (api.slack.com, "Installing with OAuth"), GitHub, where an owner must agree first
// (docs.github.com, "About the setup URL": `setup_action=request`), Shopify's listing (Shopify.dev, "Verify the installation request"), Stripe
// (PostHog/posthog PR 56289) and Zoom (iamfatness/CoreVideo PR 179).
on_both!(an_installation_begun_at_the_vendor_is_sent_to_the_application, |server| async move {
    let caller = set_up(&server).await;
    caller.patch("/organizations/me", &json!({ "applicationUrl": HOME })).await.ok();
    for begun in [
        "code=c&state=",
        "installation_id=7&setup_action=request",
        "code=c&hmac=00&host=aG9zdA&shop=acme.myshopify.example&timestamp=1",
        "code=c&scope=read_write",
    ] {
        let page = Browser::new(&server).get(&format!("{CALLBACK}?{begun}")).await;
        page.says(200, "Now connect from the application");
        assert!(page.text().contains(&format!("href=\"{HOME}\"")), "{page:?}");
        assert_eq!(page.reply.header("cache-control"), Some("no-store"));
    }
    // By a form, too.
    let page = posted_by_vendor(&server, &[("code", "c")]).await;
    Browser::new(&server).send_form(&page, &[]).await.says(200, "Now connect from the application");
    // A state that nobody knows is something else.
    let page = Browser::new(&server).get(&format!("{CALLBACK}?code=c&state=unknown")).await;
    page.says(400, "This authorization is not known any more");
    assert!(page.text().contains(&format!("href=\"{HOME}\"")), "{page:?}");
    assert_eq!(server.count().await, 0);
    // Of several organizations nobody knows which one is meant.
    server.stranger().await;
    let page = Browser::new(&server).get(&format!("{CALLBACK}?code=c")).await;
    page.says(200, "Now connect from the application");
    assert!(!page.text().contains("app.example"), "{page:?}");
    // But for the browser that began something there.
    let browser = Browser::new(&server);
    browser.submit(&link(&caller, json!({})).await, &[]).await;
    let page = browser.get(&format!("{CALLBACK}?code=c")).await;
    assert!(
        page.text().contains(&format!("href=\"{HOME}\"")) && page.text().contains("Open the link again"),
        "{page:?}"
    );
});

on_both!(the_address_of_the_application_is_one_that_browsers_may_go_to, |server| async move {
    let (caller, me) = (server.caller(), "/organizations/me");
    assert_eq!(caller.get(me).await.ok()["applicationUrl"], Value::Null);
    for odd in [
        "",
        "app.example",
        "http://app.example",
        "javascript:alert(1)",
        "https://jo:x@app.example",
        "ftp://app.example",
    ] {
        caller.patch(me, &json!({ "applicationUrl": odd })).await.fails(400, "bad_body");
    }
    for fine in ["https://app.example/", "http://localhost:3000/connections"] {
        assert_eq!(caller.patch(me, &json!({ "applicationUrl": fine })).await.ok()["applicationUrl"], fine);
    }
    // What is not sent stays, and `null` removes it.
    let kept = caller.patch(me, &json!({ "vendorBearer": true })).await.ok();
    assert_eq!(kept["applicationUrl"], "http://localhost:3000/connections");
    assert_eq!(caller.patch(me, &json!({ "applicationUrl": null })).await.ok()["applicationUrl"], Value::Null);
    server.colleague().await.patch(me, &json!({ "applicationUrl": HOME })).await.fails(403, "not_allowed");
});

on_both!(whoever_comes_too_often_without_a_state_waits, |server| async move {
    let caller = server.anonymous();
    let mut last = 0;
    for _ in 0..40 {
        last = crate::support::caller::read(caller.request_at_root("GET", &format!("{CALLBACK}?code=c"))).await.status;
    }
    assert_eq!(last, 429);
});
