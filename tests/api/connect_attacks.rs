//! What somebody might try with connect links, and that nothing comes of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ligand::sandbox::Failure;
use serde_json::json;
use url::Url;

use crate::support::browser::{APP, Browser, COOKIE, Page, link, set_up, shown};
use crate::support::{on_both, on_sqlite};

/// Where the vendor sends the browser back to, not yet followed.
async fn callback_of(browser: &Browser, to_vendor: &Page) -> String {
    let page = browser.get(&to_vendor.location().expect("to the vendor")).await;
    page.location().expect("back to us")
}

on_both!(a_state_is_used_once, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&made, &[]).await;
    let callback = callback_of(&browser, &to_vendor).await;
    let end = browser.get(&callback).await;
    browser.follow(end).await.says(200, "Hubspot CRM is connected");
    // A reload shows what came of it; nothing is done again, with this code or another.
    let calls = server.sandbox().counts("POST /oauth/2026-03/token").total;
    for callback in [callback.clone(), callback.replace("code=", "code=x")] {
        let again = browser.get(&callback).await;
        browser.follow(again).await.says(200, "Hubspot CRM is connected");
    }
    Browser::new(&server).get(&callback).await.says(400, "Go on in the browser where you began");
    assert_eq!(server.sandbox().counts("POST /oauth/2026-03/token").total, calls);
    assert_eq!(server.count().await, 1);
});

on_both!(a_state_belongs_to_one_browser, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    // An attacker begins, and leads somebody else to the end.
    let attacker = Browser::new(&server);
    let to_vendor = attacker.submit(&made, &[]).await;
    let callback = callback_of(&attacker, &to_vendor).await;
    let victim = Browser::new(&server);
    victim.get(&callback).await.says(400, "Go on in the browser where you began");
    victim.get(link(&caller, json!({})).await["url"].as_str().unwrap()).await;
    assert_ne!(victim.cookie(), attacker.cookie());
    victim.get(&callback).await.says(400, "Go on in the browser where you began");
    assert_eq!(server.count().await, 0);
    // Nothing was used up: the one who began may go on.
    let end = attacker.get(&callback).await;
    attacker.follow(end).await.says(200, "Hubspot CRM is connected");
});

on_both!(a_link_is_begun_as_often_as_one_likes_and_leaves_little, |server| async move {
    let caller = set_up(&server).await;
    let [made, other] = [link(&caller, json!({})).await, link(&caller, json!({})).await];
    let browser = Browser::new(&server);
    let elsewhere = callback_of(&browser, &browser.submit(&other, &[]).await).await;
    let mut callbacks = Vec::new();
    for _ in 0..21 {
        // Impatience is limited by itself.
        server.advance(TimeDelta::seconds(4));
        let to_vendor = browser.submit(&made, &[]).await;
        callbacks.push(callback_of(&browser, &to_vendor).await);
    }
    browser.get(&callbacks[0]).await.says(400, "This authorization is not known any more");
    assert_eq!(server.count().await, 0, "its code is not spent");
    let end = browser.get(&callbacks[1]).await;
    browser.follow(end).await.says(200, "Hubspot CRM is connected");
    let end = browser.get(&elsewhere).await;
    browser.follow(end).await.says(200, "Hubspot CRM is connected");
});

on_both!(a_code_of_another_flow_is_worth_nothing, |server| async move {
    let directory = tempfile::tempdir().expect("a directory");
    let built_in = include_str!("../../elements/hubspotcrm.toml");
    let with_pkce = built_in.replacen("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n", 1);
    std::fs::write(directory.path().join("hubspotcrm.toml"), with_pkce).expect("the file is written");
    let setup = crate::support::server::Setup { elements: Some(directory.path().to_owned()), ..Default::default() };
    let server = server.start_beside(setup).await;
    let caller = set_up(&server).await;
    let (mine, theirs) = (link(&caller, json!({})).await, link(&caller, json!({})).await);
    let (me, them) = (Browser::new(&server), Browser::new(&server));
    let (my_way, their_way) = (me.submit(&mine, &[]).await, them.submit(&theirs, &[]).await);
    assert_eq!(my_way.parameter("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(URL_SAFE_NO_PAD.decode(my_way.parameter("code_challenge").unwrap()).unwrap().len(), 32);
    let (my_callback, their_callback) = (callback_of(&me, &my_way).await, callback_of(&them, &their_way).await);
    let parameter = |url: &str, name: &str| {
        let url = Url::parse(url).expect("an address");
        url.query_pairs().find(|(known, _)| known == name).expect("the parameter").1.into_owned()
    };
    // The victim's code under the attacker's own state: the verifier does not fit it.
    let swapped = format!(
        "/connector/callback?code={}&state={}",
        parameter(&their_callback, "code"),
        parameter(&my_callback, "state")
    );
    let page = me.get(&swapped).await;
    me.follow(page).await.says(200, "Hubspot CRM did not connect");
    assert_eq!(shown(&caller, &mine).await["reason"], "vendor_error");
    assert_eq!(server.count().await, 0);
});

on_sqlite!(nobody_is_led_elsewhere, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({ "redirectUrl": format!("{APP}/done"), "origin": APP })).await;
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    // Neither page nor callback takes an address from whoever calls.
    for evil in ["redirectUrl", "redirect_uri", "callbackUrl", "return_to", "next", "url", "origin"] {
        let page = browser.get(&format!("{url}?{evil}=https%3A%2F%2Fevil.example")).await;
        assert!(page.reply.status == 200 && !page.text().contains("evil.example"), "{evil}: {page:?}");
        let page = browser.get(&format!("/connector/callback?state=x&{evil}=https%3A%2F%2Fevil.example")).await;
        assert!(page.location().is_none() && !page.text().contains("evil.example"), "{evil}: {page:?}");
    }
    // What the organization has stopped to allow since then is not followed.
    let to_vendor = browser.submit(&made, &[]).await;
    caller.patch("/organizations/me", &json!({ "allowedOrigins": ["https://new.example"] })).await.ok();
    let end = browser.follow(to_vendor).await;
    end.says(200, "example.com was not told");
    assert!(!end.text().contains(APP) && !end.text().contains("handle"), "{end:?}");
    assert_eq!(server.count().await, 0);
    let state = browser.get(&format!("{url}/status")).await;
    assert_eq!(state.reply.header("access-control-allow-origin"), None);
});

on_sqlite!(every_page_has_its_headers, |server| async move {
    let caller = set_up(&server).await;
    let [open, spent] = [link(&caller, json!({})).await, link(&caller, json!({})).await];
    let browser = Browser::new(&server);
    browser.connect(&spent).await;
    let (open, spent) = (open["url"].as_str().unwrap(), spent["url"].as_str().unwrap());
    let blocked = Browser::without_cookies(&server);
    let pages = [
        (200, browser.get(open).await),
        (200, browser.post(open, &[("display", "popup")]).await),
        (400, blocked.post(open, &[("element", "hubspotcrm")]).await),
        (200, browser.get(&format!("{open}/result")).await),
        (410, browser.get(spent).await),
        (200, browser.get(&format!("{spent}/result")).await),
        (303, browser.post(spent, &[]).await),
        (404, browser.get(&format!("/connect/{}", "x".repeat(43))).await),
        (404, browser.get("/connect/short").await),
        (400, browser.get("/connector/callback").await),
        (400, browser.get("/connector/callback?state=unknown&code=x").await),
        (200, browser.get(&format!("{open}/status")).await),
    ];
    for (status, page) in pages {
        assert_eq!(page.reply.status, status, "{page:?}");
        let header = |name: &str| page.reply.header(name).unwrap_or_else(|| panic!("no {name}: {page:?}"));
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("strict-transport-security"), "max-age=31536000");
        if page.reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let policy = header("content-security-policy");
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"] {
                assert!(policy.contains(part), "{policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*') || policy.contains("localhost:*"), "{policy}");
            for inline in [" style=", "<style", " onclick=", "<script>", "javascript:"] {
                assert!(!page.text().contains(inline), "{inline}: {page:?}");
            }
        }
    }
});

on_sqlite!(the_cookie_has_its_flags, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    let page = browser.get(url).await;
    let set = page.reply.header("set-cookie").expect("a cookie").to_owned();
    let value = browser.cookie().expect("a cookie");
    assert_eq!(set, format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Secure"));
    assert_eq!(value.len(), 43);
    assert!(browser.get(url).await.reply.header("set-cookie").is_none(), "one for all visits");
    assert!(!page.text().contains(&value), "{page:?}");
});

on_sqlite!(without_cookies_a_page_explains_and_nothing_is_stored, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let blocked = Browser::without_cookies(&server);
    blocked.submit(&made, &[]).await.says(400, "Your browser does not keep cookies");
    let stored = shown(&caller, &made).await;
    assert_eq!((&stored["status"], &stored["reason"]), (&json!("opened"), &json!(null)));
    // So does a form of another site, with which no cookie travels.
    let url = made["url"].as_str().unwrap();
    assert!(blocked.post(url, &[("element", "hubspotcrm")]).await.location().is_none());
});

on_sqlite!(a_form_of_another_page_begins_nothing, |server| async move {
    let caller = set_up(&server).await;
    let [made, other] = [link(&caller, json!({})).await, link(&caller, json!({})).await];
    let (browser, attacker) = (Browser::new(&server), Browser::new(&server));
    let url = made["url"].as_str().unwrap();
    browser.get(url).await;
    // Of the attacker's own browser, of another link, and none: the person sees the page and decides.
    let theirs = attacker.get(url).await.form_token();
    let of_other = browser.get(other["url"].as_str().unwrap()).await.form_token();
    for token in [theirs.as_str(), &of_other, ""] {
        let page = browser.post(url, &[("element", "hubspotcrm"), ("form", token)]).await;
        page.says(200, "Connect Hubspot CRM to example.com");
    }
    assert_eq!(browser.submit(&made, &[]).await.reply.status, 303);
});

on_sqlite!(markup_stays_text, |server| async move {
    let caller = set_up(&server).await;
    let brand = json!({ "brand": { "displayName": "R&D \"<\" 'x'" } });
    caller.patch("/organizations/me", &brand).await.ok();
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let to_vendor = browser.submit(&made, &[]).await;
    let state = to_vendor.parameter("state").expect("a state");
    let query = serde_urlencoded::to_string([
        ("state", state.as_str()),
        ("error", "invalid_request"),
        ("error_description", evil),
    ]);
    let page = browser.get(&format!("/connector/callback?{}", query.unwrap())).await;
    let page = browser.follow(page).await;
    page.says(200, "Hubspot CRM did not connect");
    assert!(page.text().contains("Hubspot CRM said: &lt;script&gt;alert(1)") && !page.text().contains("<img src=x"));
    assert!(page.text().contains("R&amp;D &quot;&lt;&quot; 'x'"), "{page:?}");
    // Words of the vendor's token endpoint.
    server.sandbox().set(|switches| {
        let body = json!({ "status": "BAD_AUTH_CODE", "message": evil, "error": "invalid_grant" });
        switches.failure = Some(Failure { body: Some(body), ..Failure::of("/oauth/*/token", 400, 1) });
    });
    let page = browser.connect(&made).await;
    page.says(200, "Hubspot CRM did not connect");
    assert!(page.text().contains("&lt;script&gt;alert(1)") && !page.text().contains("<script>"), "{page:?}");
    // Nor does a query of whoever calls reach the page.
    let url = made["url"].as_str().unwrap();
    for query in ["element=%3Cscript%3E", "display=%22%3E%3Cscript%3E", "error_description=%3Cscript%3E"] {
        assert!(!browser.get(&format!("{url}?{query}")).await.text().contains("<script>"), "{query}");
    }
    let lost = browser.get("/connector/callback?state=x&error_description=Call%20this%20number").await;
    assert!(!lost.text().contains("number"), "nobody puts words on our page: {lost:?}");
});

on_sqlite!(who_guesses_is_told_to_wait, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    let guess = |number: usize| format!("/connect/{number:043}");
    let mut statuses = Vec::new();
    for number in 0..40 {
        statuses.push(
            browser.get(&format!("{}{}", guess(number), ["", "/status", "/result"][number % 3])).await.reply.status,
        );
    }
    assert!(statuses[..30].iter().all(|status| *status == 404), "{statuses:?}");
    assert!(statuses[30..].iter().all(|status| *status == 429), "{statuses:?}");
    let page = browser.get(&guess(0)).await;
    page.says(429, "Too many attempts");
    assert!(page.reply.header("retry-after").is_some());
    assert_eq!(browser.get("/connector/callback?state=x").await.reply.status, 429);
    // Who has a link may sit in the same office.
    browser.get(url).await.says(200, "Connect Hubspot CRM to example.com");
    browser.connect(&made).await.says(200, "Hubspot CRM is connected");
    server.advance(TimeDelta::seconds(61));
    browser.get(&guess(0)).await.says(404, "This link does not exist");
});

on_both!(two_tabs_make_one_instance, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    // A double click on our button, and both ways gone to the end at once.
    browser.get(made["url"].as_str().unwrap()).await;
    let (one, other) = futures_util::join!(browser.submit(&made, &[]), browser.submit(&made, &[]));
    let (one, other) = (callback_of(&browser, &one).await, callback_of(&browser, &other).await);
    assert_ne!(one, other);
    // The token endpoint answers both only when both have asked.
    server.sandbox().set(|switches| {
        switches.reply_delay_ms.insert("/oauth/*/token".to_owned(), 300);
    });
    let (first, second) = futures_util::join!(browser.get(&one), browser.get(&other));
    for page in [first, second] {
        browser.follow(page).await.says(200, "Hubspot CRM is connected");
    }
    assert_eq!(server.count().await, 1);
    let instance = shown(&caller, &made).await["instanceId"].clone();
    // What the second tab got is no way to end the connection that lives.
    server.services.revoke_due_grants().await.expect("no fault");
    caller.get(&format!("/instances/{instance}?refresh=true")).await.ok();
    // A double click on the vendor's button: one code, sent twice at once.
    let made = link(&caller, json!({})).await;
    let to_vendor = browser.submit(&made, &[]).await;
    let callback = callback_of(&browser, &to_vendor).await;
    let (first, second) = futures_util::join!(browser.get(&callback), browser.get(&callback));
    let mut connected = 0;
    for page in [first, second] {
        connected += usize::from(browser.follow(page).await.heading() == "Hubspot CRM is connected");
    }
    assert!(connected >= 1, "the other may still be waiting");
    assert_eq!(server.count().await, 2);
});

on_both!(no_secret_reaches_a_page, |server| async move {
    let caller = set_up(&server).await;
    let made = link(
        &caller,
        json!({
            "configuration": { "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret" },
            "notifyUrl": "https://app.example/secret-notices",
        }),
    )
    .await;
    let browser = Browser::new(&server);
    let url = made["url"].as_str().unwrap();
    let start = browser.get(url).await;
    let end = browser.connect(&made).await;
    end.says(200, "Hubspot CRM is connected");
    let after = shown(&caller, &made).await;
    let instance = caller.get(&format!("/instances/{}", after["instanceId"])).await.ok();
    let token = instance["token"].as_str().unwrap();
    let spent = browser.get(url).await;
    let state = browser.get(&format!("{url}/status")).await;
    let cookie = browser.cookie().expect("a cookie");
    for page in [start, end, spent, state] {
        for secret in ["sandbox-secret", "sandbox-client", token, "secret-notices", &cookie] {
            assert!(!page.text().contains(secret), "{secret}: {page:?}");
        }
    }
});

on_both!(an_answer_of_another_issuer_is_refused, |server| async move {
    let vendor = format!("http://{}", server.vendor_address());
    let authorize = "url = \"https://app.hubspot.com/oauth/authorize\"";
    let own: &[_] = &[
        (authorize, "url = \"https://app.hubspot.com/oauth/authorize\"\nissuer = \"https://issuer.example\""),
        ("key = \"hubspotcrm\"", "key = \"own\""),
        ("id = 168", "id = 10001"),
        ("https://api.hubapi.com", &vendor),
        ("https://app.hubspot.com", &vendor),
    ];
    let directory = crate::support::vendor::elements(&[("hubspotcrm", own)]);
    let setup = crate::support::server::Setup { elements: Some(directory.path().to_owned()), ..Default::default() };
    let other = server.start_beside(setup).await;
    set_up(&server).await;
    let caller = other.caller();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/own/app", &app).await.ok();
    let made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
    let browser = Browser::new(&other);
    for iss in ["", "&iss=https%3A%2F%2Fissuer.example%2F", "&iss=https%3A%2F%2Fevil.example"] {
        let to_vendor = browser.submit(&made, &[]).await;
        let callback = callback_of(&browser, &to_vendor).await;
        let page = browser.get(&format!("{callback}{iss}")).await;
        browser.follow(page).await.says(200, "Hubspot CRM did not connect");
    }
    assert_eq!(server.sandbox().counts("POST /oauth/2026-03/token").total, 0, "no code was spent");
    let to_vendor = browser.submit(&made, &[]).await;
    let callback = callback_of(&browser, &to_vendor).await;
    let page = browser.get(&format!("{callback}&iss=https%3A%2F%2Fissuer.example")).await;
    browser.follow(page).await.says(200, "Hubspot CRM is connected");
});
