//! Signing in, and the secrets that it gives access to (docs/api.md, Authentication).

use std::sync::Arc;

use chrono::TimeDelta;
use ligand::kernel::secret::Secret;
use ligand::service::people::authenticate::Presented;
use ligand::store::principals::Principal;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::support::caller::read;
use crate::support::server::{PASSWORD, Setup, run_with};
use crate::support::{Caller, Database, Reply, TestServer, on_both, on_sqlite};

async fn sign_in(server: &TestServer, name: &str, password: &str) -> Reply {
    server.anonymous().post("/authentication", &json!({ "username": name, "password": password })).await
}

async fn bearer(server: &TestServer) -> Caller {
    let token = sign_in(server, "admin@example.com", PASSWORD).await.ok()["token"].take();
    server.anonymous().with(&format!("Bearer {}", token.as_str().unwrap()))
}

async fn principal(server: &TestServer) -> Arc<Principal> {
    let presented = Presented {
        user: Some(server.admin.user_secret.clone()),
        organization: Some(server.admin.organization_secret.clone()),
        ..Presented::default()
    };
    server.services.authenticate(&presented).await.expect("the administrator")
}

async fn accepted(caller: &Caller) -> bool {
    let reply = caller.get("/instances?emptyList=200").await;
    match reply.status {
        200 => true,
        401 => {
            let message = reply.fails(401, "bad_credentials");
            assert_eq!(message, "Invalid Organization or User secret, or invalid Element token provided.");
            assert!(reply.header("www-authenticate").is_some(), "RFC 9110 wants a challenge");
            false
        }
        _ => panic!("{reply:?}"),
    }
}

on_both!(the_right_password_opens_a_session, |server| async move {
    for name in ["admin@example.com", "Admin@Example.COM", " admin@example.com "] {
        let mut user = sign_in(&server, name, PASSWORD).await.ok();
        let token = user["token"].take();
        assert!(token.as_str().unwrap().len() > 40);
        let principal = principal(&server).await;
        let expected = json!({
            "id": principal.user, "username": "admin@example.com", "firstName": "Jo", "lastName": "Doe", "token": null,
            "accountId": principal.owner.account, "accountName": "example.com",
            "organizationId": principal.owner.organization, "organizationName": "example.com",
            "roles": [{
                "id": 1, "key": "org-admin", "name": "Organization administrator",
                "description": "May reset the organization's secret and manage its users.",
                "active": true, "hide": false, "features": [], "privileges": [],
            }],
            "sysAdmin": false, "organizationAdmin": true, "accountAdmin": true, "twoFactor": false,
            "registeredForTwoFactor": false, "inIntelligenceRole": false,
            "lastLoginDate": "2026-03-01T12:00:00Z", "createdDate": "2026-03-01T12:00:00Z",
        });
        assert_eq!(user, expected);
        assert!(accepted(&server.anonymous().with(&format!("Bearer {}", token.as_str().unwrap()))).await);
    }
});

on_both!(a_wrong_password_and_an_unknown_name_look_the_same, |server| async move {
    let wrong = [
        ("admin@example.com", "wrong horse battery"),
        ("admin@example.com", ""),
        ("admin@example.com", "correct horse battery "),
        ("nobody@example.com", PASSWORD),
        ("", PASSWORD),
        ("admin@example.com\u{0}", PASSWORD),
        ("admin@example.com", "correct horse battery\u{0}"),
        ("admin@example.com' OR '1'='1", PASSWORD),
    ];
    for (name, password) in wrong {
        let message = sign_in(&server, name, password).await.fails(401, "login_refused");
        assert_eq!(message, "The user name or the password is wrong.");
    }
    let endless = "x".repeat(100_000);
    sign_in(&server, "admin@example.com", &endless).await.fails(401, "login_refused");
    sign_in(&server, &endless, PASSWORD).await.fails(401, "login_refused");
    for body in [json!({}), json!({ "username": "a" }), json!({ "username": 1, "password": "b" }), json!([])] {
        server.anonymous().post("/authentication", &body).await.fails(400, "bad_body");
    }
});

on_both!(a_session_shows_the_two_secrets, |server| async move {
    let expected = json!({
        "userSecret": server.admin.user_secret.expose(),
        "organizationSecret": server.admin.organization_secret.expose(),
    });
    let session = bearer(&server).await;
    assert_eq!(session.get("/authentication/secrets").await.ok(), expected);
    let again = "This call wants a session whose person gave the password in the last 15 minutes: sign in again and send \
                 the new token.";
    // Whoever has the secrets needs no telling, and whoever has one of them gets no other.
    assert_eq!(server.caller().get("/authentication/secrets").await.fails(401, "sign_in_again"), again);
    let (user, organization) = (server.admin.user_secret.expose(), server.admin.organization_secret.expose());
    for one in [format!("Organization {organization}"), format!("User {user}")] {
        let reply = server.anonymous().with(&one).get("/authentication/secrets").await;
        reply.fails(401, "missing_credentials");
    }
    server.anonymous().get("/authentication/secrets").await.fails(401, "missing_credentials");
    // Their shapes (docs/api.md, Authentication).
    let (user, organization) = (server.admin.user_secret.expose(), server.admin.organization_secret.expose());
    assert!(user.len() == 44 && !user.contains(['+', '/']), "{}", user.len());
    assert!(organization.len() == 32 && organization.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    server.advance(TimeDelta::minutes(15));
    assert_eq!(session.get("/authentication/secrets").await.ok(), expected);
    server.advance(TimeDelta::seconds(1));
    session.get("/authentication/secrets").await.fails(401, "sign_in_again");
    assert!(accepted(&session).await, "it is good for everything else");
    assert_eq!(bearer(&server).await.get("/authentication/secrets").await.ok(), expected);
});

on_both!(a_new_password_ends_the_sessions_of_the_old_one, |server| async move {
    let (session, other) = (bearer(&server).await, bearer(&server).await);
    assert!(accepted(&session).await && accepted(&other).await);
    for bad in ["", "1234567", "elevenchars", "\u{e9}\u{e9}\u{e9}", "passwordpassword", "admin@example.com"] {
        let short = bad;
        session.post("/authentication/passwords", &json!({ "password": short })).await.fails(400, "bad_password");
    }
    session
        .post("/authentication/passwords", &json!({ "password": "x".repeat(1025) }))
        .await
        .fails(400, "bad_password");
    let changed = session.post("/authentication/passwords", &json!({ "password": "another horse" })).await.ok();
    assert_eq!(changed["username"], "admin@example.com");
    let fresh = server.anonymous().with(&format!("Bearer {}", changed["token"].as_str().unwrap()));
    assert!(accepted(&fresh).await && !accepted(&session).await && !accepted(&other).await);
    sign_in(&server, "admin@example.com", PASSWORD).await.fails(401, "login_refused");
    sign_in(&server, "admin@example.com", "another horse").await.ok();
    assert!(accepted(&server.caller()).await, "secrets outlive passwords");
    let anonymous = server.anonymous().post("/authentication/passwords", &json!({ "password": "a new horse" })).await;
    anonymous.fails(401, "missing_credentials");
});

on_both!(a_new_password_wants_the_present_one_or_a_sign_in_of_this_moment, |server| async move {
    const PATH: &str = "/authentication/passwords";
    let (caller, session) = (server.caller(), bearer(&server).await);
    let new = json!({ "password": "another horse" });
    caller.post(PATH, &new).await.fails(400, "current_password_required");
    server.advance(TimeDelta::minutes(5));
    server.advance(TimeDelta::seconds(1));
    session.post(PATH, &new).await.fails(400, "current_password_required");
    let with = |current: &str, new: &str| json!({ "password": new, "currentPassword": current });
    for who in [&caller, &session] {
        let message = who.post(PATH, &with("wrong horse", "another horse")).await.fails(401, "login_refused");
        assert_eq!(message, "The current password is wrong.");
        // A colleague's is as wrong, and nothing is said of the new one before the present one is right.
        who.post(PATH, &with("wrong horse", "short")).await.fails(401, "login_refused");
        who.post(PATH, &with(PASSWORD, "short")).await.fails(400, "bad_password");
    }
    sign_in(&server, "admin@example.com", PASSWORD).await.ok();
    session.post(PATH, &with(PASSWORD, "another horse")).await.ok();
    caller.post(PATH, &with("another horse", "a further horse")).await.ok();
    sign_in(&server, "admin@example.com", "a further horse").await.ok();
    // The platform's own form, with a session of this moment.
    let fresh = sign_in(&server, "admin@example.com", "a further horse").await.ok()["token"].take();
    let fresh = server.anonymous().with(&format!("Bearer {}", fresh.as_str().unwrap()));
    server.advance(TimeDelta::minutes(5));
    let changed = fresh.post(PATH, &json!({ "password": "the last horse" })).await.ok();
    // Which makes nothing of its proof: the next one is asked for.
    let next = server.anonymous().with(&format!("Bearer {}", changed["token"].as_str().unwrap()));
    next.get("/authentication/secrets").await.ok();
});

on_sqlite!(guesses_of_the_present_password_are_counted, |server| async move {
    let caller = server.caller();
    let guess = json!({ "password": "another horse", "currentPassword": "x".repeat(2000) });
    for _ in 0..60 {
        caller.post("/authentication/passwords", &guess).await.fails(401, "login_refused");
    }
    waits(&caller.post("/authentication/passwords", &guess).await);
});

on_both!(a_person_may_keep_the_other_sessions, |server| async move {
    let (session, other) = (bearer(&server).await, bearer(&server).await);
    let change = json!({ "password": "another horse", "endSessions": false });
    session.post("/authentication/passwords", &change).await.ok();
    session.post("/authentication/user-secret-reset?endSessions=false", &Value::Null).await.ok();
    let reset = session.post("/authentication/organization-secret-reset?endSessions=false", &Value::Null).await.ok();
    assert!(reset.get("token").is_none(), "{reset}");
    assert!(accepted(&session).await && accepted(&other).await);
    session.post("/authentication/user-secret-reset?endSessions=x", &Value::Null).await.fails(400, "bad_parameter");
});

on_both!(of_two_password_changes_at_once_the_later_one_counts, |server| async move {
    let caller = bearer(&server).await;
    let change =
        async |password: &str| caller.post("/authentication/passwords", &json!({ "password": password })).await;
    let (first, second) = tokio::join!(change("the first horse"), change("the second horse"));
    // The one may have ended the other's session before that was looked at.
    let mut works = Vec::new();
    for reply in [first, second] {
        let token = (reply.status == 200).then(|| reply.json()["token"].as_str().unwrap().to_owned());
        works.push(match token {
            Some(token) => accepted(&server.anonymous().with(&format!("Bearer {token}"))).await,
            None => false,
        });
    }
    assert_eq!(works.iter().filter(|works| **works).count(), 1, "{works:?}");
    let password = if works[0] { "the first horse" } else { "the second horse" };
    sign_in(&server, "admin@example.com", password).await.ok();
});

on_both!(a_user_secret_is_replaced_at_once, |server| async move {
    let old = server.caller();
    let session = bearer(&server).await;
    assert!(accepted(&old).await);
    let fresh = old.post("/authentication/user-secret-reset", &Value::Null).await.ok();
    assert!(fresh.get("token").is_none(), "{fresh}");
    let fresh = Secret::new(fresh["secret"].as_str().unwrap());
    assert!(!accepted(&old).await);
    assert!(!accepted(&session).await, "a session that tells the secrets to whoever has it");
    let organization = server.admin.organization_secret.expose();
    let renewed = old.with(&format!("User {}, Organization {organization}", fresh.expose()));
    assert!(accepted(&renewed).await);
    let session = bearer(&server).await;
    assert_eq!(session.get("/authentication/secrets").await.ok()["userSecret"], fresh.expose());
    // No body and no content type, as clients send it. A session goes on with the token of the reply, and is no younger.
    server.advance(TimeDelta::minutes(10));
    let reset = session.request("POST", "/authentication/user-secret-reset").header("content-length", "0");
    let reset = read(reset).await.ok();
    assert!(!accepted(&renewed).await && !accepted(&session).await);
    let next = server.anonymous().with(&format!("Bearer {}", reset["token"].as_str().unwrap()));
    assert_eq!(next.get("/authentication/secrets").await.ok()["userSecret"], reset["secret"]);
    server.advance(TimeDelta::minutes(6));
    // A reset would tell them all the same.
    for path in ["secrets", "user-secret-reset", "organization-secret-reset"] {
        let method = if path == "secrets" { "GET" } else { "POST" };
        next.send(method, &format!("/authentication/{path}"), &Value::Null).await.fails(401, "sign_in_again");
    }
});

on_both!(sessions_are_seen_and_ended_one_by_one, |server| async move {
    const PATH: &str = "/authentication/sessions";
    let first = bearer(&server).await;
    server.advance(TimeDelta::minutes(1));
    let second = bearer(&server).await;
    let listed = second.get(PATH).await.ok();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2, "{listed}");
    assert_eq!(
        listed[1],
        json!({
            "id": ids[1], "kind": "api", "address": "127.0.0.1", "current": false,
            "beganAt": "2026-03-01T12:00:00Z", "expiresAt": "2026-03-02T00:00:00Z",
        })
    );
    assert_eq!(listed[0]["current"], true);
    // Nobody else's.
    let (stranger, colleague) = (server.stranger().await, server.colleague().await);
    for other in [&stranger, &colleague] {
        assert_eq!(other.get(PATH).await.ok(), json!([]));
        other.delete(&format!("{PATH}/{}", ids[1])).await.fails(404, "session_not_found");
    }
    assert!(accepted(&first).await);
    assert_eq!(second.delete(&format!("{PATH}/{}", ids[1])).await.status, 200);
    assert!(!accepted(&first).await && accepted(&second).await);
    second.delete(&format!("{PATH}/{}", ids[1])).await.fails(404, "session_not_found");
    assert_eq!(second.get(PATH).await.ok().as_array().unwrap().len(), 1);
    // By its secrets a program ends what a person left open.
    assert_eq!(server.caller().delete(&format!("{PATH}/{}", ids[0])).await.status, 200);
    assert!(!accepted(&second).await);
    assert_eq!(server.caller().get(PATH).await.ok(), json!([]));
    server.anonymous().get(PATH).await.fails(401, "missing_credentials");
});

on_both!(an_organization_secret_is_replaced_for_everybody, |server| async move {
    let (admin, colleague) = (server.caller(), server.colleague().await);
    assert!(accepted(&colleague).await);
    let refused = colleague.post("/authentication/organization-secret-reset", &Value::Null).await;
    assert_eq!(refused.fails(403, "not_allowed"), "Only an administrator of the organization may reset its secret.");
    assert!(accepted(&admin).await && accepted(&colleague).await, "nothing happened");
    let stranger = server.stranger().await;
    let signed_in = async |name: &str| {
        let token = sign_in(&server, name, PASSWORD).await.ok()["token"].take();
        server.anonymous().with(&format!("Bearer {}", token.as_str().unwrap()))
    };
    let sessions = [signed_in("admin@example.com").await, signed_in("colleague@example.com").await];
    let elsewhere = signed_in("stranger@other.example").await;
    let reset = sessions[0].post("/authentication/organization-secret-reset", &Value::Null).await.ok();
    let fresh = reset["secret"].clone();
    assert!(!accepted(&admin).await && !accepted(&colleague).await);
    assert!(!accepted(&sessions[0]).await && !accepted(&sessions[1]).await, "each tells the new one");
    assert!(accepted(&server.anonymous().with(&format!("Bearer {}", reset["token"].as_str().unwrap()))).await);
    assert!(accepted(&stranger).await && accepted(&elsewhere).await, "another organization is not touched");
    let user = server.admin.user_secret.expose();
    assert!(accepted(&admin.with(&format!("User {user}, Organization {}", fresh.as_str().unwrap()))).await);
});

// On another server, which does not know yet what was ended on the first.
on_both!(what_was_ended_makes_nothing_new_elsewhere, |server| async move {
    let other = server.start_beside(Setup::default()).await;
    other.services.follow_changes(&mut Default::default()).await;
    let (own, stolen) = (bearer(&server).await, bearer(&server).await);
    let stolen = other.anonymous().with(stolen.authorization.as_deref().expect("a token"));
    let secrets = other.caller();
    for caller in [&stolen, &secrets] {
        assert!(accepted(caller).await, "it is remembered there");
    }
    let new = own.post("/authentication/user-secret-reset", &json!({})).await.ok();
    let password = json!({ "password": "another horse battery", "currentPassword": PASSWORD });
    for (caller, path) in
        [(&secrets, "user-secret-reset"), (&stolen, "organization-secret-reset"), (&stolen, "passwords")]
    {
        let refused = caller.post(&format!("/authentication/{path}"), &password).await;
        assert_eq!(refused.status, 401, "{path}: {refused:?}");
    }
    sign_in(&server, "admin@example.com", PASSWORD).await.ok();
    let (new, organization) = (new["secret"].as_str().expect("a secret"), server.admin.organization_secret.expose());
    assert!(accepted(&server.anonymous().with(&format!("User {new}, Organization {organization}"))).await);
});

on_both!(a_session_ends_after_twelve_hours, |server| async move {
    let session = bearer(&server).await;
    server.advance(TimeDelta::hours(12) - TimeDelta::seconds(1));
    assert!(accepted(&session).await);
    server.advance(TimeDelta::seconds(1));
    assert!(!accepted(&session).await);
    assert!(accepted(&bearer(&server).await).await);
});

on_sqlite!(tokens_of_another_key_are_refused, |server| async move {
    let elsewhere = TestServer::start(Database::sqlite(), Setup::default()).await;
    let foreign = bearer(&elsewhere).await;
    assert!(accepted(&foreign).await);
    let header = foreign.authorization.unwrap();
    assert!(!accepted(&server.anonymous().with(&header)).await);
    // Unsigned, and with a signature that was tampered with.
    let own = bearer(&server).await.authorization.unwrap();
    let (signed, _) = own.rsplit_once('.').unwrap();
    for header in [format!("{signed}."), format!("{signed}.AAAA"), signed.to_owned(), own.replacen("ey", "eyJ", 1)] {
        assert!(!accepted(&server.anonymous().with(&header)).await, "{header}");
    }
    let payload = signed.split_once('.').unwrap().1;
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{payload}.");
    assert!(!accepted(&server.anonymous().with(&unsigned)).await);
});

#[track_caller]
fn waits(reply: &Reply) -> i64 {
    let message = reply.fails(429, "too_many_requests");
    let seconds = reply.header("retry-after").expect("a time to wait").parse().expect("seconds");
    assert_eq!(message, format!("Too many attempts to sign in: try again in {seconds} s."));
    assert!((1..=60).contains(&seconds), "{seconds}");
    seconds
}

/// Trusts this machine, so that a test can come from anywhere.
fn behind_a_proxy() -> Setup {
    Setup { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Setup::default() }
}

async fn sign_in_from(server: &TestServer, address: &str, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password }).to_string();
    let request = server.anonymous().request("POST", "/authentication").header("content-type", "application/json");
    read(request.header("x-forwarded-for", address).body(body)).await
}

#[test]
fn strangers_who_guess_keep_nobody_out() {
    run_with(Database::sqlite(), behind_a_proxy(), |server: TestServer| async move {
        let admin = "admin@example.com";
        // Too long for any hash: this test need not burn the processor.
        let guess = "x".repeat(2000);
        for number in 0..10 {
            sign_in_from(&server, &format!("198.51.100.{number}"), admin, &guess).await.fails(401, "login_refused");
        }
        sign_in_from(&server, "203.0.113.7", admin, PASSWORD).await.ok();
        for number in 0..990 {
            // However it is spelled, it is one name.
            let name = [admin, "ADMIN@example.com", "  admin@example.com"][number % 3];
            let address = format!("198.51.100.{}", number % 200);
            sign_in_from(&server, &address, name, &guess).await.fails(401, "login_refused");
        }
        let seconds = waits(&sign_in_from(&server, "192.0.2.1", " Admin@Example.com ", PASSWORD).await);
        sign_in_from(&server, "203.0.113.7", admin, PASSWORD).await.ok();
        sign_in_from(&server, "192.0.2.1", "nobody@example.com", PASSWORD).await.fails(401, "login_refused");
        assert!(accepted(&server.caller()).await, "secrets are not passwords");
        server.advance(TimeDelta::seconds(seconds));
        sign_in_from(&server, "192.0.2.1", admin, PASSWORD).await.ok();
    });
}

on_sqlite!(right_sign_ins_are_not_counted, |server| async move {
    for _ in 0..70 {
        sign_in(&server, "admin@example.com", PASSWORD).await.ok();
    }
    sign_in(&server, "admin@example.com", "wrong horse").await.fails(401, "login_refused");
});

#[test]
fn a_byte_that_is_no_text_hides_no_address() {
    run_with(Database::sqlite(), behind_a_proxy(), |server: TestServer| async move {
        let attempt = async |in_front: &[u8]| {
            let header = [in_front, b", 203.0.113.9"].concat();
            let body = json!({ "username": "admin@example.com", "password": "x".repeat(2000) }).to_string();
            let request = server.anonymous().request("POST", "/authentication");
            let header = HeaderValue::from_bytes(&header).expect("a header");
            let request = request.header("content-type", "application/json").header("x-forwarded-for", header);
            read(request.body(body)).await
        };
        for _ in 0..60 {
            attempt(b"192.0.2.1").await.fails(401, "login_refused");
        }
        for in_front in [&b"\xff"[..], b"\xff\xfe", b"192.0.2.1, \xff", b"\xc3\xa9"] {
            waits(&attempt(in_front).await);
        }
    });
}

/// An attempt of one of many users, said to come from the address `forwarded`.
async fn attempt(server: &TestServer, user: u32, forwarded: &str) -> Reply {
    // Too long for any hash: these tests need not burn the processor.
    let password = "x".repeat(2000);
    let body = json!({ "username": format!("user{user}@example.com"), "password": password }).to_string();
    let request = server.anonymous().request("POST", "/authentication").header("content-type", "application/json");
    read(request.header("x-forwarded-for", forwarded).body(body)).await
}

on_sqlite!(attempts_are_limited_by_address, |server| async move {
    for number in 0..60 {
        attempt(&server, number, &format!("203.0.113.{number}")).await.fails(401, "login_refused");
    }
    let seconds = waits(&attempt(&server, 60, "198.51.100.1").await);
    waits(&sign_in(&server, "admin@example.com", PASSWORD).await);
    server.advance(TimeDelta::seconds(seconds));
    sign_in(&server, "admin@example.com", PASSWORD).await.ok();
});

#[test]
fn behind_a_trusted_proxy_the_forwarded_address_counts() {
    run_with(Database::sqlite(), behind_a_proxy(), |server: TestServer| async move {
        for number in 0..60 {
            // What the client itself wrote in front is not to be believed.
            let forged = format!("198.51.100.{number}, 203.0.113.7");
            attempt(&server, number, &forged).await.fails(401, "login_refused");
        }
        waits(&attempt(&server, 60, "203.0.113.7").await);
        attempt(&server, 61, "203.0.113.8").await.fails(401, "login_refused");
    });
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    run_with(Database::sqlite(), behind_a_proxy(), |server: TestServer| async move {
        for number in 0..60 {
            attempt(&server, number, &format!("2001:db8:0:7:{number:x}::1")).await.fails(401, "login_refused");
        }
        waits(&attempt(&server, 60, "2001:db8:0:7:ffff:ffff:ffff:ffff").await);
        attempt(&server, 61, "2001:db8:0:8::1").await.fails(401, "login_refused");
        // An IPv4 address counts alone, however it is written.
        for number in 0..60 {
            attempt(&server, 100 + number, "::ffff:203.0.113.7").await.fails(401, "login_refused");
        }
        waits(&attempt(&server, 160, "203.0.113.7").await);
        attempt(&server, 161, "203.0.113.6").await.fails(401, "login_refused");
    });
}
