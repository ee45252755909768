//! Where an organization is told what happens: address, secrets, what is sent, and what became of it.

use chrono::TimeDelta;
use ligand::sandbox::EndOfGrant;
use serde_json::{Value, json};

use crate::support::browser::{link, set_up};
use crate::support::receiver::{Answer, Receiver};
use crate::support::server::{Setup, run_with, user};
use crate::support::{Caller, TestServer, on_both};

const WEBHOOK: &str = "/notifications/webhook";
const SECRETS: &str = "/notifications/webhook/secrets";
const DELIVERIES: &str = "/notifications/deliveries";

pub(super) async fn listens(server: &TestServer) -> Receiver {
    let receiver = Receiver::start().await;
    server.caller().put(WEBHOOK, &json!({ "url": receiver.url() })).await.ok();
    receiver
}

pub(super) async fn send(server: &TestServer) {
    server.services.send_due_notices().await.expect("the job runs");
}

async fn deliveries(caller: &Caller, query: &str) -> Vec<Value> {
    caller.get(&format!("{DELIVERIES}?{query}")).await.ok().as_array().expect("a list").clone()
}

on_both!(an_address_is_set_shown_and_removed, |server| async move {
    let caller = server.caller();
    assert_eq!(caller.get(WEBHOOK).await.ok(), json!({ "url": null, "secrets": [] }));
    let set = caller.put(WEBHOOK, &json!({ "url": "https://receiver.example/hook" })).await.ok();
    let first = &set["secrets"][0];
    assert!(first["secret"].as_str().is_some_and(|text| text.starts_with("whsec_") && text.len() == 50), "{set}");
    let again = caller.put(WEBHOOK, &json!({ "url": "https://other.example/" })).await.ok();
    let shown = json!({ "id": first["id"], "createdAt": first["createdAt"] });
    assert_eq!(again, json!({ "url": "https://other.example/", "secrets": [shown] }), "a secret is shown once");
    assert_eq!(caller.get(WEBHOOK).await.ok(), again);
    assert_eq!(caller.delete(WEBHOOK).await.status, 200);
    assert_eq!(caller.get(WEBHOOK).await.ok(), json!({ "url": null, "secrets": [] }), "it is erased");
    assert_eq!(caller.delete(WEBHOOK).await.status, 200);
    let anew = caller.put(WEBHOOK, &json!({ "url": "https://receiver.example/hook" })).await.ok();
    assert!(anew["secrets"][0]["secret"].is_string(), "{anew}");
    for member in ["id", "secret"] {
        assert_ne!(anew["secrets"][0][member], first[member], "nothing of the old one is left");
    }
});

on_both!(two_secrets_may_be_active_and_one_must_be, |server| async move {
    let caller = server.caller();
    let first = caller.post(SECRETS, &Value::Null).await.ok();
    let second = caller.post(SECRETS, &Value::Null).await.ok();
    assert_ne!(first["secret"], second["secret"]);
    caller.post(SECRETS, &Value::Null).await.fails(409, "webhook_secrets");
    let path = |secret: &Value| format!("{SECRETS}/{}", secret["id"]);
    assert_eq!(caller.delete(&path(&first)).await.status, 200);
    caller.delete(&path(&first)).await.fails(404, "webhook_secret_not_found");
    caller.delete(&format!("{SECRETS}/x")).await.fails(404, "webhook_secret_not_found");
    caller.delete(&path(&second)).await.fails(409, "webhook_secrets");
    let shown = caller.get(WEBHOOK).await.ok();
    assert_eq!(shown["secrets"], json!([{ "id": second["id"], "createdAt": second["createdAt"] }]));
});

on_both!(a_secret_that_was_made_for_a_link_is_shown_to_the_first_who_asks, |server| async move {
    let caller = set_up(&server).await;
    let receiver = Receiver::start().await;
    let made = link(&caller, json!({ "notifyUrl": receiver.url() })).await;
    caller.delete(&format!("/connect/links/{}", made["id"])).await;
    send(&server).await;
    assert_eq!(receiver.told().len(), 1);
    let unseen = caller.get(WEBHOOK).await.ok();
    assert_eq!(unseen["secrets"][0].get("secret"), None);
    let first = caller.post(SECRETS, &Value::Null).await.ok();
    assert_eq!(first["id"], unseen["secrets"][0]["id"]);
    assert_ne!(caller.post(SECRETS, &Value::Null).await.ok()["id"], first["id"]);
});

on_both!(of_many_who_make_a_secret_at_once_two_succeed, |server| async move {
    let caller = server.caller();
    let asked = (0..8).map(|_| async { caller.post(SECRETS, &Value::Null).await });
    let replies = futures_util::future::join_all(asked).await;
    let made: Vec<_> =
        replies.iter().filter(|reply| reply.status == 200).map(|reply| reply.ok()["id"].clone()).collect();
    let shown = caller.get(WEBHOOK).await.ok();
    let active: Vec<_> = shown["secrets"].as_array().expect("a list").iter().map(|it| it["id"].clone()).collect();
    assert_eq!(made.len(), 2, "{made:?} of {active:?}");
    assert!(made.iter().all(|id| active.contains(id)), "{made:?} of {active:?}");
    assert_eq!(active.len(), 2);
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 409)));
    server.services.chain_audit_log().await.expect("the rows are chained");
    let told = caller.get("/audit-logs?action=webhook.secretAdded").await.ok();
    assert_eq!(told.as_array().expect("a list").len(), 2, "{told}");
});

on_both!(only_administrators_see_and_change_it, |server| async move {
    let of = server.services.store.read(ligand::store::principals::list).await.expect("users")[0].owner;
    let created = server.services.create_user(user("colleague@example.com", false), Some(of)).await.expect("a user");
    let colleague = Caller::new(&server.url, &created);
    colleague.get(WEBHOOK).await.fails(403, "not_allowed");
    colleague.put(WEBHOOK, &json!({ "url": "https://receiver.example/" })).await.fails(403, "not_allowed");
    colleague.delete(WEBHOOK).await.fails(403, "not_allowed");
    colleague.post(SECRETS, &Value::Null).await.fails(403, "not_allowed");
    colleague.delete(&format!("{SECRETS}/1")).await.fails(403, "not_allowed");
    let stranger = server.stranger().await;
    server.caller().put(WEBHOOK, &json!({ "url": "https://receiver.example/" })).await.ok();
    assert_eq!(stranger.get(WEBHOOK).await.ok()["url"], Value::Null);
});

on_both!(addresses_that_may_not_be_called_are_refused, in |database| {
    run_with(database, Setup { allow_loopback: false, ..Setup::default() }, |server| async move {
        let caller = server.caller();
        for url in [
            "", "receiver.example", "ftp://receiver.example/", "https://", "javascript:alert(1)", "http://receiver.example/",
            "http://127.0.0.1:9/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest",
            "https://10.0.0.1/", "https://2130706433/", "https://receiver.example/a b", "https:\\\\receiver.example/",
            &format!("https://receiver.example/{}", "x".repeat(2000)),
        ] {
            caller.put(WEBHOOK, &json!({ "url": url })).await.fails(400, "bad_webhook_url");
        }
        // What a name leads to is only known when it is called.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        caller.put(WEBHOOK, &json!({ "url": format!("https://localhost:{port}/") })).await.ok();
        caller.create_with_key("Told").await;
        send(&server).await;
        let told = &deliveries(&caller, "").await[0];
        let error = told["lastError"].as_str().expect("an error");
        assert!(error.contains("may not be called from this server (LIGAND_OUTBOUND_ALLOW)"), "{error}");
        assert_eq!((&told["attempts"], &told["lastStatus"], &told["status"]), (&json!(1), &Value::Null, &json!("waiting")));
        listener.set_nonblocking(true).expect("a socket");
        assert!(listener.accept().is_err(), "nobody called");
    });
});

on_both!(a_notice_is_what_the_specification_says_and_holds_no_secret, |server| async move {
    let receiver = listens(&server).await;
    let caller = server.caller();
    let mut body = crate::support::caller::with_key("Told");
    body["externalId"] = "customer-7".into();
    let created = caller.post("/instances", &body).await.ok();
    send(&server).await;
    let [told] = receiver.told().try_into().expect("one notice");
    assert!(told.request.head.starts_with("POST /notices?key=receivers-own HTTP/1.1\r\n"), "{}", told.request.head);
    assert_eq!(told.request.header("content-type"), Some("application/json"));
    let timestamp = server.services.now().timestamp().to_string();
    assert_eq!(told.request.header("webhook-timestamp"), Some(timestamp.as_str()));
    assert!(told.id().starts_with("msg_") && told.id().len() == 36, "{}", told.id());
    let body = String::from_utf8(told.request.body.clone()).expect("a text");
    assert_eq!(
        body,
        format!(
            r#"{{"type":"instance.created","timestamp":"2026-03-01T12:00:00.123Z","data":{{"instanceId":{},"linkId":null,"elementKey":"hubspotcrm","externalId":"customer-7","status":"valid","reason":null}}}}"#,
            created["id"]
        )
    );
    let [delivery] = deliveries(&caller, "").await.try_into().expect("one delivery");
    assert_eq!(
        delivery,
        json!({
            "id": delivery["id"],
            "message": told.id(),
            "type": "instance.created",
            "subject": format!("instance:{}", created["id"]),
            "notifyLinkId": null,
            "status": "delivered",
            "attempts": 1,
            "lastStatus": 204,
            "lastError": null,
            "nextAttemptAt": null,
            "deliveredAt": "2026-03-01T12:00:00Z",
            "createdAt": "2026-03-01T12:00:00Z",
            "notice": told.notice,
        })
    );
    assert_eq!(caller.get(&format!("{DELIVERIES}/{}", delivery["id"])).await.ok(), delivery);
});

on_both!(who_does_not_listen_is_not_told, |server| async move {
    let caller = server.caller();
    caller.create_with_key("Before").await;
    let receiver = listens(&server).await;
    caller.create_with_key("Listening").await;
    server.stranger().await.create_with_key("Foreign").await;
    caller.delete(WEBHOOK).await;
    caller.create_with_key("After").await;
    let listed = deliveries(&caller, "").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    // What waits when the address goes is given up.
    send(&server).await;
    let given_up = &deliveries(&caller, "status=failed").await[0];
    assert_eq!(given_up["lastError"], "The receiver's address was removed.");
    assert!(receiver.told().is_empty());
});

on_both!(a_grant_that_dies_is_told_once_and_its_renewal_once, |server| async move {
    let receiver = listens(&server).await;
    let caller = server.caller();
    let id = caller.create_with_code(server.sandbox(), "Told").await["id"].as_i64().expect("an id");
    let path = format!("/instances/{id}");
    for round in 1..=2 {
        server.advance(TimeDelta::minutes(31));
        server.sandbox().revoke(EndOfGrant::Uninstalled);
        let asked = (0..16).map(|_| async { caller.get(&format!("{path}?refresh=true")).await.status });
        futures_util::future::join_all(asked).await;
        let shown = caller.get(&path).await.ok();
        assert_eq!(shown["valid"], false);
        caller.patch(&path, &json!({ "name": "Still invalid" })).await.ok();
        let code = caller.code(server.sandbox()).await;
        caller.patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
        let code = caller.code(server.sandbox()).await;
        caller.patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
        send(&server).await;
        let kinds: Vec<String> = receiver.taken_about(id);
        assert_eq!(kinds.len(), 1 + 2 * round, "{kinds:?}");
        assert_eq!(kinds[2 * round - 1..], ["instance.invalid", "instance.recovered"]);
        let data = &receiver.taken()[2 * round - 1].notice["data"];
        assert_eq!((&data["status"], &data["reason"]), (&json!("invalid"), &shown["invalidReason"]));
        let data = &receiver.taken()[2 * round].notice["data"];
        assert_eq!((&data["status"], &data["reason"]), (&json!("valid"), &Value::Null));
    }
});

on_both!(deliveries_are_paged_and_filtered, |server| async move {
    let receiver = listens(&server).await;
    let caller = server.caller();
    let mut ids = Vec::new();
    for name in ["One", "Two", "Three"] {
        ids.push(caller.create_with_key(name).await["id"].as_i64().expect("an id"));
    }
    let second = ids[1];
    receiver.behaves(move |notice| Answer::Status(if notice["data"]["instanceId"] == second { 410 } else { 200 }));
    send(&server).await;
    caller.create_with_key("Four").await;
    let about = |rows: &[Value]| {
        rows.iter().map(|row| row["notice"]["data"]["instanceId"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all = deliveries(&caller, "").await;
    assert_eq!(about(&all)[1..], [ids[2], ids[1], ids[0]], "the newest first");
    let first = caller.get(&format!("{DELIVERIES}?pageSize=3")).await;
    assert_eq!(first.ok(), json!(all[..3]));
    let next = first.header("elements-next-page-token").expect("a next page").to_owned();
    let last = caller.get(&format!("{DELIVERIES}?pageSize=3&nextPage={next}")).await;
    assert_eq!((last.ok(), last.header("elements-next-page-token")), (json!(all[3..]), None));
    assert_eq!(about(&deliveries(&caller, &format!("instanceId={}", ids[2])).await), [ids[2]]);
    assert_eq!(about(&deliveries(&caller, "status=failed").await), [second]);
    assert_eq!(about(&deliveries(&caller, "status=delivered").await), [ids[2], ids[0]]);
    assert_eq!(deliveries(&caller, "status=waiting").await.len(), 1);
    assert!(deliveries(&caller, "status=parked").await.is_empty());
    assert!(deliveries(&caller, "linkId=1").await.is_empty());
    caller.get(&format!("{DELIVERIES}?status=lost")).await.fails(400, "bad_parameter");
    caller.get(&format!("{DELIVERIES}?instanceId=x")).await.fails(400, "bad_parameter");
    let stranger = server.stranger().await;
    assert!(deliveries(&stranger, "").await.is_empty());
    let path = format!("{DELIVERIES}/{}", all[0]["id"]);
    stranger.get(&path).await.fails(404, "delivery_not_found");
    stranger.post(&format!("{path}/retry"), &Value::Null).await.fails(404, "delivery_not_found");
    caller.get(&format!("{DELIVERIES}/x")).await.fails(404, "delivery_not_found");
});

on_both!(a_delivery_can_be_repeated_by_hand_whatever_became_of_it, |server| async move {
    let receiver = listens(&server).await;
    let caller = server.caller();
    caller.create_with_key("Told").await;
    receiver.answers(Answer::Status(410));
    send(&server).await;
    let failed = deliveries(&caller, "").await.remove(0);
    assert_eq!((&failed["status"], &failed["lastStatus"]), (&json!("failed"), &json!(410)));
    assert_eq!(
        (&failed["lastError"], &failed["nextAttemptAt"]),
        (&json!("The receiver answered 410: it wants no more of these."), &Value::Null)
    );
    let path = format!("{DELIVERIES}/{}", failed["id"]);
    receiver.answers(Answer::Status(200));
    for attempts in 2..4 {
        let again = caller.post(&format!("{path}/retry"), &Value::Null).await.ok();
        assert_eq!(again["status"], "parked", "it holds up nobody: {again}");
        send(&server).await;
        let shown = caller.get(&path).await.ok();
        assert_eq!((&shown["status"], &shown["attempts"]), (&json!("delivered"), &json!(attempts)));
        assert_eq!((&shown["lastStatus"], &shown["lastError"]), (&json!(200), &Value::Null));
    }
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|it| it.id() == told[0].id() && it.request.body == told[0].request.body));
});

on_both!(a_redirect_is_no_success_and_is_not_followed, |server| async move {
    let (receiver, elsewhere) = (listens(&server).await, Receiver::start().await);
    let location: &'static str = format!("location: {}", elsewhere.url()).leak();
    receiver.answers(Answer::With(307, location));
    let caller = server.caller();
    caller.create_with_key("Told").await;
    send(&server).await;
    let shown = deliveries(&caller, "").await.remove(0);
    assert_eq!(shown["lastError"], "The receiver answered 307: redirects are not followed.");
    assert_eq!((&shown["status"], &shown["nextAttemptAt"]), (&json!("waiting"), &json!("2026-03-01T12:00:04Z")));
    assert!(elsewhere.told().is_empty());
});

on_both!(what_ended_a_month_ago_is_forgotten, |server| async move {
    let receiver = listens(&server).await;
    let caller = server.caller();
    for (name, status) in [("Taken", 200), ("Refused", 410)] {
        receiver.answers(Answer::Status(status));
        caller.create_with_key(name).await;
        send(&server).await;
    }
    caller.create_with_key("Waiting").await;
    for (days, left) in [(29, 3), (2, 1)] {
        server.advance(TimeDelta::days(days));
        ligand::jobs::purge(&server.services).await.expect("it purges");
        assert_eq!(deliveries(&caller, "").await.len(), left);
    }
});
