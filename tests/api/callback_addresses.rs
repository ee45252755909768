//! Each app has a redirect URI of its own, and what comes to another one's reaches no token endpoint: whoever runs a vendor, or stores an app,
//! could else have a code of somebody else's sent to an endpoint of theirs (RFC 9700 section 4.4.2.2, Mix-Up Defense via Distinct Redirect
//! URIs).

use serde_json::{Value, json};
use url::Url;

use crate::support::browser::{APP, Browser, Page, link, set_up, shown};
use crate::support::{Caller, TestServer, on_both};

const OF_ALL: &str = "https://ligand.example/connector/callback";
const WRONG: &str = "This answer came to the wrong address";

fn token_calls(server: &TestServer) -> u64 {
    server.sandbox().counts("POST /oauth/2026-03/token").total
}

async fn redirect_url(caller: &Caller, element: &str) -> String {
    let app = caller.get(&format!("/elements/{element}/app")).await.ok();
    app["redirectUrl"].as_str().expect("an address").to_owned()
}

/// Where the vendor sends the browser back to, not yet followed.
async fn callback_of(browser: &Browser, made: &Value) -> Url {
    let to_vendor = browser.submit(made, &[]).await;
    let page: Page = browser.get(&to_vendor.location().expect("to the vendor")).await;
    Url::parse(&page.location().expect("back to us")).expect("a URL")
}

/// The same answer at another address.
fn moved(callback: &Url, to: &str) -> String {
    format!("{to}?{}", callback.query().expect("a query"))
}

on_both!(what_comes_to_another_apps_address_is_not_exchanged, |server| async move {
    let caller = set_up(&server).await;
    let other = json!({ "clientId": "other", "clientSecret": "other-secret" });
    caller.put("/elements/closeio/app", &other).await.ok();
    let (own, of_other) = (redirect_url(&caller, "hubspotcrm").await, redirect_url(&caller, "closeio").await);
    // The same vendor's app of another organization.
    let stranger = server.stranger().await;
    let of_stranger = redirect_url(&stranger, "hubspotcrm").await;
    for one in [&own, &of_other, &of_stranger] {
        assert_eq!([&own, &of_other, &of_stranger].iter().filter(|it| *it == &one).count(), 1, "{one}");
    }
    let browser = Browser::new(&server);
    let made = link(&caller, json!({})).await;
    let callback = callback_of(&browser, &made).await;
    assert!(callback.as_str().starts_with(&format!("{own}?")), "{callback}");
    for wrong in [of_other.as_str(), &of_stranger, OF_ALL, &format!("{own}x"), &format!("{OF_ALL}/x")] {
        browser.get_at(&moved(&callback, wrong)).await.says(409, WRONG);
        // Nor is a refusal believed that comes there.
        let state = callback.query_pairs().find(|(name, _)| name == "state").expect("a state").1;
        browser.get_at(&format!("{wrong}?error=access_denied&state={state}")).await.says(409, WRONG);
    }
    assert_eq!((token_calls(&server), server.count().await), (0, 0));
    assert_eq!(shown(&caller, &made).await["status"], "opened");
    // Nothing was used up.
    browser.follow(browser.get(callback.as_str()).await).await.says(200, "Hubspot CRM is connected");
    // A reload at the wrong one says nothing of what came of it.
    browser.get_at(&moved(&callback, &of_other)).await.says(409, WRONG);
    // A caller's own flow is forwarded from its app's address alone.
    let path = "/elements/hubspotcrm/oauth/url/default";
    let asked = caller.get_with(path, &[("callbackUrl", &format!("{APP}/auth"))]).await.ok();
    let address = Url::parse(asked["oauthUrl"].as_str().expect("an address")).expect("a URL");
    let state = address.query_pairs().find(|(name, _)| name == "state").expect("a state").1;
    for (to, status) in [(of_other.as_str(), 409), (OF_ALL, 409), (&own, 303)] {
        let page = browser.get_at(&format!("{to}?code=a-code&state={state}")).await;
        assert_eq!(page.reply.status, status, "{to}: {page:?}");
    }
    assert_eq!(token_calls(&server), 1);
});

// OAuth 2.0 Form Post Response Mode: the browser brings the code in a form, and first without its cookie.
on_both!(what_is_posted_to_another_apps_address_is_not_exchanged, |server| async move {
    let caller = set_up(&server).await;
    caller.put("/elements/closeio/app", &json!({ "clientId": "other", "clientSecret": "other-secret" })).await.ok();
    let (own, of_other) = (redirect_url(&caller, "hubspotcrm").await, redirect_url(&caller, "closeio").await);
    let browser = Browser::new(&server);
    let made = link(&caller, json!({})).await;
    let callback = callback_of(&browser, &made).await;
    let fields: Vec<_> = callback.query_pairs().into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for wrong in [of_other.as_str(), OF_ALL] {
        browser.post_at(wrong, &fields).await.says(409, WRONG);
        let page = Browser::without_cookies(&server).post_at(wrong, &fields).await;
        browser.send_form(&page, &[]).await.says(409, WRONG);
    }
    assert_eq!((token_calls(&server), server.count().await), (0, 0));
    // The page that sends the form on sends it to the address that it came to.
    let page = Browser::without_cookies(&server).post_at(&own, &fields).await;
    let path = Url::parse(&own).expect("a URL").path().to_owned();
    assert!(page.text().contains(&format!("action=\"{path}\"")), "{page:?}");
    browser.follow(browser.send_form(&page, &[]).await).await.says(200, "Hubspot CRM is connected");
    assert_eq!(token_calls(&server), 1);
});

on_both!(an_app_that_registered_the_address_of_all_keeps_it, |server| async move {
    let caller = set_up(&server).await;
    let path = "/elements/hubspotcrm/app";
    let own = redirect_url(&caller, "hubspotcrm").await;
    let app = |more: Value| {
        let mut body = json!({ "clientId": "sandbox-client" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    for nonsense in [format!("{OF_ALL}/"), "https://evil.example/".to_owned(), own.replace("-hubspotcrm", "-closeio")] {
        caller.put(path, &app(json!({ "redirectUrl": nonsense }))).await.fails(400, "bad_body");
    }
    let named = caller.put(path, &app(json!({ "redirectUrl": OF_ALL }))).await.ok();
    assert_eq!(named["redirectUrl"], OF_ALL);
    let changed = caller.put(path, &app(json!({ "clientSecret": "sandbox-secret" }))).await.ok();
    assert_eq!(changed["redirectUrl"], OF_ALL, "it stays");
    let browser = Browser::new(&server);
    let made = link(&caller, json!({})).await;
    let callback = callback_of(&browser, &made).await;
    assert!(callback.as_str().starts_with(&format!("{OF_ALL}?")), "{callback}");
    browser.get_at(&moved(&callback, &own)).await.says(409, WRONG);
    assert_eq!(token_calls(&server), 0);
    browser.follow(browser.get(callback.as_str()).await).await.says(200, "Hubspot CRM is connected");
    // What is on its way when the app changes comes back to where it was sent.
    let made = link(&caller, json!({})).await;
    let callback = callback_of(&browser, &made).await;
    caller.put(path, &app(json!({ "redirectUrl": own }))).await.ok();
    browser.follow(browser.get(callback.as_str()).await).await.says(200, "Hubspot CRM is connected");
    assert_eq!(server.count().await, 2);
});
