//! A session of the console that nobody uses ends, and what gives access or removes something wants the password once more.

use chrono::TimeDelta;
use serde_json::json;

use super::person::{Person, assert_says};
use crate::support::on_both;
use crate::support::server::PASSWORD;

const SESSION: &str = "__Host-ligand-console";
const LAST_USE: &str = "__Host-ligand-console-use";

async fn is_over(person: &mut Person) -> bool {
    let reply = person.get("/console").await;
    assert!(matches!(reply.status, 200 | 303), "{reply:?}");
    reply.status == 303
}

on_both!(a_session_that_nobody_uses_is_over_after_eight_hours, |server| async move {
    let (mut used, mut left) = (Person::admin(&server).await, Person::admin(&server).await);
    let mut looked_at = Person::admin(&server).await;
    server.advance(TimeDelta::hours(5));
    assert!(!is_over(&mut used).await);
    // A page that was left open fetches itself anew, and nobody is there.
    let by_itself = looked_at.request("GET", "/console").header("x-by-itself", "yes");
    let reply = crate::support::caller::read(by_itself).await;
    assert_eq!((reply.status, reply.header("set-cookie")), (200, None), "{reply:?}");
    // A copy of the first cookie alone knows of no use.
    let mut copied = Person::nobody(&server);
    copied.cookies.insert(SESSION.to_owned(), used.cookies[SESSION].clone());
    server.advance(TimeDelta::hours(3) + TimeDelta::seconds(1));
    for person in [&mut left, &mut looked_at, &mut copied] {
        assert!(is_over(person).await);
    }
    assert!(!is_over(&mut used).await);
    // The word of the last use is of one session, and no session by itself.
    left.cookies.insert(LAST_USE.to_owned(), used.cookies[LAST_USE].clone());
    assert!(is_over(&mut left).await);
    left.cookies.insert(SESSION.to_owned(), used.cookies[LAST_USE].clone());
    assert!(is_over(&mut left).await);
    // No use makes it longer than it is.
    server.advance(TimeDelta::hours(4));
    assert!(is_over(&mut used).await);
});

on_both!(a_form_stays_good_while_the_session_is_used, |server| async move {
    let mut person = Person::admin(&server).await;
    let before = person.cookies.clone();
    let token = person.token.clone();
    server.advance(TimeDelta::minutes(6));
    person.shown("/console/links").await;
    assert_eq!(person.cookies[SESSION], before[SESSION]);
    assert!(person.cookies.contains_key(LAST_USE) && !before.contains_key(LAST_USE), "{:?}", person.cookies);
    person.token = token;
    let page = person.does("/console/organization", &[("do", "save"), ("displayName", "Acme")]).await;
    assert_says(&page, &["Saved.", "Acme"]);
    let reply = person.send("/console/sign-out", &[]).await;
    assert_eq!(reply.status, 303);
    assert!(person.cookies.is_empty(), "{:?}", person.cookies);
});

on_both!(what_gives_access_or_removes_something_wants_the_password_once_more, |server| async move {
    let caller = server.caller();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let path = format!("/console/instances/{}", caller.create_with_key("Mine").await["id"]);
    let delete = format!("{path}/delete");
    let mut person = Person::admin(&server).await;
    person.shown("/console/organization").await;
    server.advance(TimeDelta::minutes(15) + TimeDelta::seconds(1));
    const APP: &str = "/console/elements/hubspotcrm";
    let organization = "/console/organization";
    let acts: [(&str, &[(&str, &str)]); 7] = [
        (APP, &[("do", "save-app"), ("clientId", "another"), ("scopes", "a\"b")]),
        (APP, &[("do", "remove-app")]),
        (organization, &[("do", "save"), ("allowedOrigins", "https://a.example\r\nhttps://b.example")]),
        (organization, &[("do", "set-webhook"), ("url", "https://hooks.example")]),
        (organization, &[("do", "remove-webhook")]),
        (organization, &[("do", "add-secret")]),
        (&delete, &[("do", "delete")]),
    ];
    for (path, fields) in acts {
        for password in [None, Some("wrong horse battery")] {
            let with: Vec<_> = fields.iter().copied().chain(password.map(|text| ("proof-password", text))).collect();
            let page = person.fails(path, &with, 401).await;
            assert_says(&page, &["Enter your password to go on", "name=\"proof-password\" type=\"password\""]);
            assert_eq!(page.contains("is wrong"), password.is_some(), "{page}");
            assert!(!page.contains("wrong horse"), "{page}");
            let kept = fields.iter().all(|(name, _)| page.contains(&format!("type=\"hidden\" name=\"{name}\"")));
            assert!(kept, "{page}");
        }
    }
    assert_eq!(caller.get("/elements/hubspotcrm/app").await.ok()["clientId"], "sandbox-client");
    assert_eq!(caller.get("/organizations/me").await.ok()["allowedOrigins"], json!([]));
    assert_eq!(caller.get("/notifications/webhook").await.ok()["secrets"], json!([]));
    assert_eq!(server.count().await, 1);
    // What removes nothing goes on as before.
    person.shown(&path).await;
    person.does(&path, &[("do", "disable")]).await;
    let page = person.fails(organization, acts[2].1, 401).await;
    assert!(
        page.contains("value=\"https://a.example\nhttps://b.example\"") || page.contains("https://b.example\""),
        "{page}"
    );
    // As the page sends it: what was entered, and the password. From then on nothing is asked for a while.
    let with: Vec<_> = acts[2].1.iter().copied().chain([("proof-password", PASSWORD)]).collect();
    person.does(organization, &with).await;
    let origins = json!(["https://a.example", "https://b.example"]);
    assert_eq!(caller.get("/organizations/me").await.ok()["allowedOrigins"], origins);
    person.does(&delete, &[("do", "delete")]).await;
    assert_eq!(server.count().await, 0);
    server.advance(TimeDelta::minutes(15) + TimeDelta::seconds(1));
    person.fails(APP, &[("do", "remove-app")], 401).await;
});

on_both!(a_password_that_is_given_once_more_makes_a_new_session, |server| async move {
    let mut person = Person::admin(&server).await;
    let mut beside = Person::admin(&server).await;
    server.advance(TimeDelta::minutes(16));
    person.shown("/console/organization").await;
    let mut copy = Person::nobody(&server);
    copy.cookies.clone_from(&person.cookies);
    let act = [("do", "save"), ("displayName", "Acme"), ("proof-password", PASSWORD)];
    let page = person.does("/console/organization", &act).await;
    assert_says(&page, &["Saved.", "Acme"]);
    assert_ne!(person.cookies[SESSION], copy.cookies[SESSION]);
    // Whoever had the token from before is out, and others of the person go on.
    assert!(is_over(&mut copy).await);
    assert!(!is_over(&mut beside).await);
    // What fails behind the proof is told to who is signed in.
    server.advance(TimeDelta::minutes(16));
    let unknown = [("do", "no-such-thing"), ("proof-password", PASSWORD)];
    let page = person.fails("/console/organization", &unknown, 400).await;
    assert!(page.contains("Sign out"), "{page}");
    person.does("/console/organization", &act[..2]).await;
    // It is no longer good than the one from before.
    server.advance(TimeDelta::hours(7));
    assert!(!is_over(&mut person).await);
    server.advance(TimeDelta::hours(4) + TimeDelta::minutes(29));
    assert!(is_over(&mut person).await);
});

on_both!(guesses_at_the_proof_are_guesses_of_a_sign_in, |server| async move {
    let mut person = Person::admin(&server).await;
    person.shown("/console/organization").await;
    server.advance(TimeDelta::minutes(16));
    let guess = [("do", "add-secret"), ("proof-password", "wrong horse battery")];
    let mut refused = 0;
    while person.send("/console/organization", &guess).await.status == 401 {
        refused += 1;
        assert!(refused < 200, "nobody stops it");
    }
    let reply = person.send("/console/organization", &guess).await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
});
