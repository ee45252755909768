//! The people of an organization, and one's own password, sessions and secrets.

use chrono::TimeDelta;
use serde_json::json;

use super::person::{Person, assert_says, between};
use crate::support::caller::Caller;
use crate::support::server::PASSWORD;
use crate::support::{TestServer, on_both, on_sqlite};

const PEOPLE: &str = "/console/people";
const ME: &str = "/console/me";

/// A text that the page shows once, to be copied.
fn shown_once(page: &str, id: &str) -> String {
    between(page, &format!("<input id=\"{id}\" readonly value=\""), "\"").expect("it is shown").to_owned()
}

async fn signs_in(server: &TestServer, email: &str, password: &str) -> bool {
    let body = json!({ "username": email, "password": password });
    server.anonymous().post("/authentication", &body).await.status == 200
}

fn secrets(server: &TestServer, user: &str, organization: &str) -> Caller {
    server.anonymous().with(&format!("User {user}, Organization {organization}"))
}

on_both!(an_administrator_adds_a_person_and_does_everything_with_them, |server| async move {
    let mut admin = Person::admin(&server).await;
    let page = admin.shown(PEOPLE).await;
    assert_says(&page, &["<h1>People</h1>", "Jo Doe", "admin@example.com", "Administrator", "enabled"]);
    admin.shown("/console/people/new").await;
    let fields = [("firstName", "Sam"), ("lastName", "Roe"), ("email", "sam@example.com")];
    let page = admin.send("/console/people/new", &fields).await;
    assert_eq!(page.status, 200);
    assert_says(
        &page.text,
        &["<h1>Sam Roe</h1>", "Copy the password now", "sam@example.com", "User", "enabled", "never"],
    );
    let password = shown_once(&page.text, "password");
    assert!(signs_in(&server, "sam@example.com", &password).await);
    let id = server.caller().get("/users/sam@example.com").await.ok()["id"].clone();
    let path = format!("{PEOPLE}/{id}");
    let page = admin.shown(&path).await;
    assert!(!page.contains(&password), "it is not shown again");

    let page = admin.fails("/console/people/new", &fields, 400).await;
    assert_says(&page, &["A user with this e-mail address exists", "value=\"Sam\""]);
    let page = admin.fails("/console/people/new", &[("firstName", "Sam"), ("email", "sam")], 400).await;
    assert_says(&page, &["must be"]);

    let mut sam = Person::nobody(&server);
    sam.sign_in_with("sam@example.com", &password).await;
    sam.fails_to_show(PEOPLE, 403).await;
    admin.shown(&path).await;
    assert_says(&admin.does(&path, &[("do", "promote")]).await, &["An administrator from now on.", "Administrator"]);
    sam.shown(PEOPLE).await;
    assert_says(&admin.does(&path, &[("do", "demote")]).await, &["A plain user from now on."]);
    sam.fails_to_show(PEOPLE, 403).await;
    assert_says(&admin.does(&path, &[("do", "disable")]).await, &["refused everywhere", "disabled"]);
    assert_eq!(sam.get("/console").await.status, 303);
    assert!(!signs_in(&server, "sam@example.com", &password).await);
    admin.does(&path, &[("do", "enable")]).await;
    let page = admin.send(&path, &[("do", "reset-password")]).await;
    let new = shown_once(&page.text, "password");
    assert!(signs_in(&server, "sam@example.com", &new).await && !signs_in(&server, "sam@example.com", &password).await);

    let page = admin.shown(&format!("{path}/remove")).await;
    assert_says(&page, &["Remove Sam Roe?", "This cannot be undone."]);
    assert_says(&admin.does(&format!("{path}/remove"), &[("do", "remove")]).await, &["Removed.", "Jo Doe"]);
    admin.fails_to_show(&path, 404).await;
    admin.fails(&path, &[("do", "enable")], 404).await;
});

on_both!(a_page_of_people_says_what_cannot_be, |server| async move {
    let mut admin = Person::admin(&server).await;
    let own = server.caller().get("/users/admin@example.com").await.ok()["id"].clone();
    let path = format!("{PEOPLE}/{own}");
    let page = admin.shown(&path).await;
    assert_says(&page, &["This is you.", "href=\"/console/me\""]);
    assert!(!page.contains("value=\"disable\""), "{page}");
    let page = admin.fails(&path, &[("do", "disable")], 400).await;
    assert_says(&page, &["last administrator"]);
    admin.fails(&path, &[("do", "demote")], 403).await;
    admin.fails(&path, &[("do", "reset-password")], 400).await;
    admin.fails(&format!("{path}/remove"), &[("do", "remove")], 403).await;
    for nobody in ["/console/people/0", "/console/people/x", "/console/people/99999999999999999999"] {
        admin.fails_to_show(nobody, 404).await;
    }
    let mut stranger = Person::stranger(&server).await;
    stranger.fails_to_show(&path, 404).await;
    stranger.shown(PEOPLE).await;
    stranger.fails(&path, &[("do", "disable")], 404).await;
    stranger.fails(&format!("{path}/remove"), &[("do", "remove")], 404).await;
    // Nothing of it without a fresh password.
    admin.shown(PEOPLE).await;
    server.advance(TimeDelta::minutes(16));
    for (path, what) in
        [("/console/people/new", "x"), (path.as_str(), "disable"), (&format!("{path}/remove"), "remove")]
    {
        assert_says(&admin.fails(path, &[("do", what)], 401).await, &["Enter your password to go on"]);
    }
});

on_both!(a_person_sets_a_password_and_chooses_what_ends, |server| async move {
    let (mut one, mut other) = (Person::admin(&server).await, Person::admin(&server).await);
    let page = one.shown(ME).await;
    assert_says(&page, &["Jo Doe", "Current password", "Also end your other session", "this one"]);
    let set = |current: &'static str, new: &'static str| [("do", "set-password"), ("current", current), ("new", new)];
    let page = one.fails(ME, &set("wrong", "another horse battery"), 400).await;
    assert_says(&page, &["The current password is wrong."]);
    let page = one.fails(ME, &set(PASSWORD, "short"), 400).await;
    assert_says(&page, &["must have at least 12 characters"]);
    assert!(!page.contains("value=\"short\"") && !page.contains(PASSWORD), "{page}");
    // Kept, because the box was not ticked.
    one.shown(ME).await;
    assert_says(&one.does(ME, &set(PASSWORD, "another horse battery")).await, &["The password is set."]);
    other.shown("/console").await;
    let ends: Vec<_> = set("another horse battery", PASSWORD).into_iter().chain([("endSessions", "true")]).collect();
    let before = one.cookies["__Host-ligand-console"].clone();
    one.does(ME, &ends).await;
    assert_ne!(one.cookies["__Host-ligand-console"], before);
    assert_eq!(other.get("/console").await.status, 303);
    other.cookies.insert("__Host-ligand-console".to_owned(), before);
    assert_eq!(other.get("/console").await.status, 303, "a copy of the old cookie");
    // The new session is as old as the one that it goes on from.
    one.shown(ME).await;
    assert!(signs_in(&server, "admin@example.com", PASSWORD).await);
});

on_both!(a_person_sees_their_sessions_and_ends_them, |server| async move {
    let mut one = Person::admin(&server).await;
    server.advance(TimeDelta::seconds(1));
    let mut two = Person::admin(&server).await;
    server.advance(TimeDelta::seconds(1));
    let mut three = Person::admin(&server).await;
    let page = three.shown(ME).await;
    assert_says(
        &page,
        &["2026-03-01 12:00:02", "Console", "127.0.0.1", "this one", "2026-03-01 12:00:01", "2026-03-01 12:00:00"],
    );
    let session = between(&page, "name=\"session\" value=\"", "\"").expect("a session").to_owned();
    assert_says(&three.does(ME, &[("do", "end-session"), ("session", &session)]).await, &["The session is over."]);
    assert_eq!(two.get("/console").await.status, 303);
    one.shown("/console").await;
    three.shown(ME).await;
    three.fails(ME, &[("do", "end-session"), ("session", "nobodys")], 400).await;
    // Late in the day no password is wanted: it only protects.
    server.advance(TimeDelta::hours(7));
    three.shown(ME).await;
    let page = three.does(ME, &[("do", "end-others")]).await;
    assert_says(&page, &["All other sessions are over.", "this one"]);
    assert!(!page.contains("end-others"), "{page}");
    assert_eq!(one.get("/console").await.status, 303);
    // And what goes on is no longer than before.
    server.advance(TimeDelta::hours(5));
    assert_eq!(three.get("/console").await.status, 303);
});

on_both!(secrets_are_replaced_after_the_page_said_what_ends, |server| async move {
    let caller = server.caller();
    let (mut one, mut other) = (Person::admin(&server).await, Person::admin(&server).await);
    let mut member = Person::member(&server).await;
    let page = one.shown(ME).await;
    assert_says(
        &page,
        &[
            "User secret",
            "programs that send your old secret",
            "Also end your other session",
            "Organization secret",
            "everybody",
        ],
    );
    let page = one.send(ME, &[("do", "reset-user-secret")]).await;
    assert_says(&page.text, &["Copy the secret now"]);
    let user = shown_once(&page.text, "secret");
    caller.get("/instances/count").await.fails(401, "bad_credentials");
    let organization = server.admin.organization_secret.expose();
    secrets(&server, &user, organization).get("/instances/count").await.ok();
    other.shown("/console").await;
    let page = one.send(ME, &[("do", "reset-user-secret"), ("endSessions", "true")]).await;
    let user = shown_once(&page.text, "secret");
    assert_eq!(other.get("/console").await.status, 303);
    // The page with the secret has forms of the session that goes on.
    let page = one.send(ME, &[("do", "reset-organization-secret"), ("endSessions", "true")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let new = shown_once(&page.text, "secret");
    secrets(&server, &user, organization).get("/instances/count").await.fails(401, "bad_credentials");
    secrets(&server, &user, &new).get("/instances/count").await.ok();
    assert_eq!(member.get("/console").await.status, 303);
    assert!(!one.shown(ME).await.contains(&new), "it is not shown again");

    member.sign_in("member@example.com").await;
    let page = member.shown(ME).await;
    assert!(!page.contains("reset-organization-secret"), "{page}");
    member.fails(ME, &[("do", "reset-organization-secret")], 403).await;
    server.advance(TimeDelta::minutes(16));
    let page = member.fails(ME, &[("do", "reset-user-secret"), ("endSessions", "true")], 401).await;
    assert_says(&page, &["Enter your password to go on", "name=\"endSessions\" value=\"true\""]);
    let proven = [("do", "reset-user-secret"), ("endSessions", "true"), ("proof-password", PASSWORD)];
    assert_says(&member.send(ME, &proven).await.text, &["Copy the secret now"]);
});

on_sqlite!(names_of_people_are_texts, |server| async move {
    let script = "\"><script>alert(1)</script>&<img src=x onerror=alert(1)>";
    let mut admin = Person::admin(&server).await;
    admin.shown("/console/people/new").await;
    let fields = [("firstName", script), ("lastName", "a\" onmouseover=\"alert(1)"), ("email", "x@example.com")];
    let page = admin.send("/console/people/new", &fields).await.text;
    let id = server.caller().get("/users/x@example.com").await.ok()["id"].clone();
    let query = serde_urlencoded::to_string([("firstName", script), ("email", script), ("done", script)]).unwrap();
    let mut pages = vec![page];
    for path in
        [PEOPLE.to_owned(), format!("{PEOPLE}/{id}"), format!("{PEOPLE}/{id}/remove"), format!("{PEOPLE}/new?{query}")]
    {
        pages.push(admin.shown(&path).await);
    }
    for page in pages {
        for bad in ["<script>", "<img", "onmouseover=\""] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
    }
});
