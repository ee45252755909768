//! Signing in and out.

use chrono::TimeDelta;
use ligand::service::change_feed::FeedPosition;
use ligand::store::sessions;
use serde_json::json;

use super::person::{Person, assert_says};
use crate::support::Database;
use crate::support::caller::Reply;
use crate::support::server::{PASSWORD, Setup, run_with};
use crate::support::{on_both, on_sqlite};

on_both!(a_person_signs_in_goes_on_where_they_were_and_signs_out, |server| async move {
    let mut person = Person::nobody(&server);
    let reply = person.get("/console/links?status=pending").await;
    assert_eq!(reply.status, 303);
    let sign_in = reply.header("location").expect("a location").to_owned();
    assert_eq!(sign_in, "/console/sign-in?return=%2Fconsole%2Flinks%3Fstatus%3Dpending");
    let page = person.shown(&sign_in).await;
    assert_says(&page, &["Sign in", "name=\"return\" value=\"/console/links?status=pending\"", "type=\"password\""]);

    let fields = [("email", "admin@example.com"), ("password", PASSWORD), ("return", "/console/links?status=pending")];
    let reply = person.send("/console/sign-in", &fields).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/console/links?status=pending")));
    let page = person.shown("/console/links?status=pending").await;
    assert_says(&page, &["admin@example.com", "Sign out", "Connect links"]);
    let signed_in = person.get(&sign_in).await;
    assert_eq!(signed_in.header("location"), Some("/console/links?status=pending"), "nobody signs in twice");

    let reply = person.send("/console/sign-out", &[]).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/console/sign-in")));
    assert!(person.cookies.is_empty(), "{:?}", person.cookies);
    assert_eq!(person.get("/console").await.status, 303);
});

on_both!(a_copied_cookie_ends_with_its_session_on_every_server, |server| async move {
    let other = server.start_beside(Setup::default()).await;
    let mut position = FeedPosition::default();
    other.services.follow_changes(&mut position).await;
    let (mut person, mut elsewhere) = (Person::admin(&server).await, Person::admin(&server).await);
    let (mut copy, mut beside) = (Person::nobody(&server), Person::nobody(&other));
    copy.cookies.clone_from(&person.cookies);
    beside.cookies.clone_from(&person.cookies);
    for thief in [&mut copy, &mut beside] {
        thief.shown("/console").await;
    }
    let credentials = json!({ "username": "admin@example.com", "password": PASSWORD });
    let bearer = server.anonymous().post("/authentication", &credentials).await.ok()["token"].clone();

    assert_eq!(person.send("/console/sign-out", &[]).await.status, 303);
    assert_eq!(copy.get("/console").await.header("location"), Some("/console/sign-in?return=%2Fconsole"));
    // A process reads the feed once a second.
    other.services.follow_changes(&mut position).await;
    assert_eq!(beside.get("/console").await.status, 303);
    for thief in [&mut copy, &mut beside] {
        let reply = thief.send("/console/organization", &[("do", "save"), ("displayName", "Stolen")]).await;
        assert_eq!((reply.status, reply.header("location").unwrap().contains("/sign-in")), (303, true), "{reply:?}");
    }
    // One that starts afterwards learns it from the database.
    let later = server.start_beside(Setup::default()).await;
    let mut late = Person::nobody(&later);
    late.cookies.clone_from(&copy.cookies);
    assert_eq!(late.get("/console").await.status, 303);
    // Nothing else of this person ends.
    elsewhere.shown("/console").await;
    server.anonymous().with(&format!("Bearer {}", bearer.as_str().unwrap())).get("/instances/count").await.ok();
});

on_both!(ended_sessions_are_kept_until_they_end_by_themselves, |server| async move {
    let mut person = Person::admin(&server).await;
    let cookies = person.cookies.clone();
    server.advance(TimeDelta::hours(12) - TimeDelta::seconds(2));
    person.send("/console/sign-out", &[]).await;
    ligand::jobs::purge(&server.services).await.expect("it purges");
    let mut copy = Person::nobody(&server);
    copy.cookies = cookies;
    assert_eq!(copy.get("/console").await.status, 303);
    server.advance(TimeDelta::seconds(2));
    ligand::jobs::purge(&server.services).await.expect("it purges");
    let rest =
        server.services.store.write(|conn| sessions::purge(conn, chrono::DateTime::<chrono::Utc>::MAX_UTC)).await;
    assert_eq!(rest.unwrap(), 0);
});

on_both!(a_signed_in_page_needs_no_database_to_know_the_session, |server| async move {
    let mut person = Person::admin(&server).await;
    // Behind everybody's back: who remembers does not see it.
    server.database.execute("UPDATE app_user SET session_generation = 7");
    person.shown("/console/elements").await;
});

on_sqlite!(the_cookies_are_of_this_host_and_out_of_reach_of_scripts, |server| async move {
    let mut person = Person::nobody(&server);
    let before = person.get("/console/sign-in").await;
    // No more and no less: no Domain, and no time beyond this visit of the browser.
    let flags = "Path=/; HttpOnly; SameSite=Lax; Secure";
    let set = cookies_set(&before);
    let [cookie] = set.as_slice() else { panic!("{set:?}") };
    assert!(cookie.0.starts_with("__Host-ligand-sign-in=") && cookie.1 == flags, "{set:?}");
    let reply = person.send("/console/sign-in", &[("email", "admin@example.com"), ("password", PASSWORD)]).await;
    let set = cookies_set(&reply);
    let [session, gone] = set.as_slice() else { panic!("{set:?}") };
    assert!(session.0.starts_with("__Host-ligand-console=ey") && session.1 == flags, "{set:?}");
    let removed = format!("{flags}; Max-Age=0");
    // A browser lets nothing else replace such a cookie.
    assert_eq!(gone, &("__Host-ligand-sign-in=".to_owned(), removed.clone()));
    assert!(!reply.text.contains("ey"), "the session is in the cookie alone");
    assert_eq!(reply.header("cache-control"), Some("no-store"));

    // Without its prefix, as a neighbour of ours could set it, it is nobody's.
    let token = person.cookies["__Host-ligand-console"].clone();
    let mut tossed = Person::nobody(&server);
    tossed.cookies.insert("ligand-console".to_owned(), token);
    assert_eq!(tossed.get("/console").await.status, 303);

    person.shown("/console").await;
    let reply = person.send("/console/sign-out", &[]).await;
    let both = ["__Host-ligand-console=", "__Host-ligand-console-use="];
    assert_eq!(cookies_set(&reply), both.map(|cookie| (cookie.to_owned(), removed.clone())));
});

#[test]
fn on_plain_http_the_cookies_are_what_browsers_take_there() {
    let setup = Setup { at_localhost: true, ..Setup::default() };
    run_with(Database::sqlite(), setup, |server| async move {
        let mut person = Person::nobody(&server);
        let before = person.get("/console/sign-in").await;
        let set = cookies_set(&before);
        assert!(set[0].0.starts_with("ligand-sign-in=") && set[0].1 == "Path=/; HttpOnly; SameSite=Lax", "{set:?}");
        assert_eq!(before.header("strict-transport-security"), None);
    });
}

/// Pairs and attributes.
fn cookies_set(reply: &Reply) -> Vec<(String, String)> {
    let texts = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("a plain text"));
    texts
        .map(|text| text.split_once("; ").map(|(pair, rest)| (pair.to_owned(), rest.to_owned())).expect("a cookie"))
        .collect()
}

on_both!(a_session_of_the_console_is_none_of_the_api, |server| async move {
    let mut person = Person::admin(&server).await;
    let session = person.cookies["__Host-ligand-console"].clone();
    server.anonymous().with(&format!("Bearer {session}")).get("/instances/count").await.fails(401, "bad_credentials");
    let credentials = json!({ "username": "admin@example.com", "password": PASSWORD });
    let bearer =
        server.anonymous().post("/authentication", &credentials).await.ok()["token"].as_str().unwrap().to_owned();
    server.anonymous().with(&format!("Bearer {bearer}")).get("/instances/count").await.ok();
    person.cookies.insert("__Host-ligand-console".to_owned(), bearer);
    assert_eq!(person.get("/console").await.status, 303);
});

on_sqlite!(a_wrong_password_is_said_and_never_comes_back, |server| async move {
    let mut person = Person::nobody(&server);
    person.get("/console/sign-in").await;
    for (email, password) in
        [("admin@example.com", "wrong horse battery"), ("nobody@example.com", PASSWORD), ("", ""), ("a\0b", PASSWORD)]
    {
        let fields = [("email", email), ("password", password), ("return", "/console/links")];
        let page = person.fails("/console/sign-in", &fields, 401).await;
        assert_says(&page, &["role=\"alert\"", "The user name or the password is wrong.", "/console/links"]);
        assert!(password.is_empty() || !page.contains(password));
    }
    assert!(!person.cookies.contains_key("__Host-ligand-console"));
    assert_eq!(person.get("/console").await.status, 303);
});

on_sqlite!(attempts_are_limited_and_the_page_says_until_when, |server| async move {
    let mut person = Person::nobody(&server);
    person.get("/console/sign-in").await;
    // Too long for any hash: this test need not burn the processor.
    let endless = "x".repeat(2000);
    let fields = [("email", "admin@example.com"), ("password", endless.as_str())];
    for _ in 0..60 {
        person.fails("/console/sign-in", &fields, 401).await;
    }
    let good = [("email", "admin@example.com"), ("password", PASSWORD)];
    let reply = person.send("/console/sign-in", &good).await;
    assert_eq!(reply.status, 429);
    assert!(reply.text.contains("Too many attempts to sign in: try again in"), "{reply:?}");
    let wait: i64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
    server.advance(TimeDelta::seconds(wait));
    assert_eq!(person.send("/console/sign-in", &good).await.status, 303);
});

on_both!(a_session_ends_after_twelve_hours_or_with_its_password, |server| async move {
    let mut person = Person::admin(&server).await;
    server.advance(TimeDelta::hours(6));
    person.shown("/console").await;
    server.advance(TimeDelta::hours(6) - TimeDelta::seconds(1));
    person.shown("/console/elements").await;
    server.advance(TimeDelta::seconds(1));
    let to_sign_in = |path: &str| format!("/console/sign-in?return={}", path.replace('/', "%2F"));
    let reply = person.get("/console/elements").await;
    assert_eq!((reply.status, reply.header("location").unwrap()), (303, to_sign_in("/console/elements").as_str()));
    let reply = person.send("/console/organization", &[("do", "save"), ("displayName", "x")]).await;
    assert_eq!((reply.status, reply.header("location").unwrap()), (303, to_sign_in("/console/organization").as_str()));

    let mut person = Person::admin(&server).await;
    let new = json!({ "password": "another horse battery", "currentPassword": PASSWORD });
    server.caller().post("/authentication/passwords", &new).await.ok();
    assert_eq!(person.get("/console").await.status, 303, "the old password opened it");
});

on_sqlite!(one_is_led_to_pages_of_the_console_alone, |server| async move {
    for back in ["https://evil.example/", "//evil.example", "/\\evil.example", "/docs", "javascript:alert(1)"] {
        let mut person = Person::nobody(&server);
        let query = serde_urlencoded::to_string([("return", back)]).unwrap();
        let page = person.shown(&format!("/console/sign-in?{query}")).await;
        assert!(page.contains("name=\"return\" value=\"/console\""), "{back}: {page}");
        let fields = [("email", "admin@example.com"), ("password", PASSWORD), ("return", back)];
        let reply = person.send("/console/sign-in", &fields).await;
        assert_eq!(reply.header("location"), Some("/console"), "{back}");
    }
});
