//! `GET /audit-logs` and the console's page of it.

use std::sync::Arc;

use chrono::TimeDelta;
use ligand::kernel::owner::Owner;
use ligand::kernel::request_id::RequestId;
use ligand::service::actor::Actor;
use ligand::service::actor::proof::Proof;
use ligand::service::audit::{Deed, Of};
use ligand::store::principals::{self, Principal};
use serde_json::{Value, json};

use crate::api::console::person::{Person, assert_says};
use crate::support::caller::read;
use crate::support::{TestServer, on_both};

const REQUEST: &str = "00010f10a99aff0708090a0b";

async fn admin(server: &TestServer) -> Principal {
    let admin = server.admin.email.clone();
    let found = server.services.store.read(move |conn| principals::find_by_email(conn, &admin)).await;
    found.expect("the database answers").expect("the administrator").0
}

async fn owner(server: &TestServer) -> (Owner, i64) {
    let admin = admin(server).await;
    (admin.owner, admin.user)
}

/// Rows as use cases write them, chained.
async fn db_rows(server: &TestServer, owner: Owner, user: i64, rows: &[(Deed, i64, Option<&str>)]) {
    let principal = Principal { owner, user, email: "jo@example.com".to_owned(), ..admin(server).await };
    let (request, address) = (RequestId::read(REQUEST).expect("an id"), "203.0.113.7".parse().expect("an address"));
    let actor = Actor::user(Arc::new(principal), Proof::Secrets, request, Some(address));
    for (deed, subject, customer) in rows {
        let of = Of { subject: Some(*subject), customer: *customer };
        let trail = server.services.audit(&actor, *deed, of).await.expect("a row");
        server.services.store.write(move |conn| trail.write(conn)).await.expect("it is written");
    }
    server.services.chain_audit_log().await.expect("they are chained");
}

fn entities(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("a list").iter().map(|row| row["entity_id"].as_i64().expect("an id")).collect()
}

on_both!(administrators_see_the_changes_of_their_organization, |server| async move {
    let caller = server.caller();
    let path = |query: &str| format!("/audit-logs?action=instance.created&{query}");
    assert_eq!(caller.get(&path("")).await.ok(), json!([]), "nothing found is no failure");
    let (own, user) = owner(&server).await;
    let other = Owner { organization: own.organization + 1000, ..own };
    db_rows(&server, own, user, &[(Deed::InstanceCreated, 11, Some("customer-7"))]).await;
    db_rows(&server, other, user, &[(Deed::InstanceCreated, 12, None)]).await;
    let rows = caller.get(&path("")).await.ok();
    assert_eq!(
        rows,
        json!([{
            "id": rows[0]["id"], "timestamp": "2026-03-01T12:00:00.123Z", "user_id": user, "account_id": own.account,
            "org_id": own.organization, "instance_id": 11, "method": "POST", "resource_uri": "/instances/11",
            "entity_id": 11, "status": "success", "ip_address": "203.0.113.7", "action": "instance.created",
            "entity_kind": "instance", "actor": "user", "actor_name": "jo@example.com", "external_id": "customer-7",
            "request_id": REQUEST,
        }])
    );
    server.colleague().await.get("/audit-logs").await.fails(403, "not_allowed");
    assert_eq!(server.stranger().await.get(&path("")).await.ok(), json!([]), "another organization's rows");
});

on_both!(the_log_can_be_narrowed_and_paged, |server| async move {
    let (own, user) = owner(&server).await;
    let created = |id: i64| (Deed::InstanceCreated, id, None);
    db_rows(&server, own, user, &[created(1), created(2), created(3)]).await;
    server.advance(TimeDelta::days(2));
    db_rows(&server, own, user + 5, &[(Deed::AppSaved, 4, Some("customer-7")), created(5)]).await;
    let caller = server.caller();
    let list = async |query: &str| {
        let reply = caller.get(&format!("/audit-logs?from=2026-03-01&{query}")).await;
        entities(&reply.ok()).into_iter().filter(|id| *id < 6).collect::<Vec<_>>()
    };
    let all = list("to=2030-01-01").await;
    assert_eq!(all, [5, 4, 3, 2, 1], "the newest first");
    for (query, expected) in [
        (format!("userId={}", user + 5), vec![5, 4]),
        ("kind=app".to_owned(), vec![4]),
        ("kind=instance&entityId=2".to_owned(), vec![2]),
        ("action=app.saved".to_owned(), vec![4]),
        ("externalId=customer-7".to_owned(), vec![4]),
        ("externalId=customer-70".to_owned(), vec![]),
        (format!("requestId={REQUEST}"), vec![5, 4, 3, 2, 1]),
        (format!("accountId={}", own.account), vec![5, 4, 3, 2, 1]),
        (format!("accountId={}", own.account + 1), vec![]),
        ("to=2026-03-02".to_owned(), vec![3, 2, 1]),
        ("from=2026-03-03".to_owned(), vec![5, 4, 3, 2, 1]),
        ("to=2026-02-28".to_owned(), vec![]),
    ] {
        assert_eq!(list(&query).await, expected, "{query}");
    }
    let since = caller.get("/audit-logs?from=2026-03-02T00:00:00Z&pageSize=1").await;
    assert_eq!(entities(&since.ok()), [5]);
    let next = since.header("elements-next-page-token").expect("there is more").to_owned();
    let second = caller.get(&format!("/audit-logs?from=2026-03-02T00:00:00Z&pageSize=1&nextPage={next}")).await;
    assert_eq!(entities(&second.ok()), [4]);
    assert_eq!(second.header("elements-next-page-token"), None);
    for bad in ["from=yesterday", "to=2026-02-30", "kind=thing", "action=instance.made", "userId=x"] {
        caller.get(&format!("/audit-logs?{bad}")).await.fails(400, "bad_parameter");
    }
    caller.get("/audit-logs?pageSize=0").await.fails(400, "bad_page_size");
});

on_both!(the_log_comes_as_json_lines_too, |server| async move {
    let (own, user) = owner(&server).await;
    db_rows(&server, own, user, &[(Deed::AppSaved, 1, None), (Deed::AppDeleted, 1, None)]).await;
    let request = server.caller().request("GET", "/audit-logs?kind=app&pageSize=2");
    let reply = read(request.header("accept", "application/x-ndjson, application/json;q=0.5")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    assert_eq!(reply.header("elements-returned-count"), Some("2"));
    let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().expect("a name")).collect();
    assert_eq!(actions, ["app.deleted", "app.saved"]);
});

on_both!(the_page_shows_what_the_api_does, |server| async move {
    let (own, user) = owner(&server).await;
    db_rows(&server, own, user, &[(Deed::InstanceDeleted, 11, Some("customer <7>")), (Deed::AppSaved, 168, None)])
        .await;
    let mut admin = Person::admin(&server).await;
    let page = admin.shown("/console/audit").await;
    assert_says(&page, &["OAuth app saved", "Instance deleted", "customer &lt;7&gt;", "jo@example.com", "203.0.113.7"]);
    let page = admin.shown("/console/audit?kind=app").await;
    assert!(page.contains("OAuth app saved") && !page.contains("Instance deleted"));
    let page = admin.shown("/console/audit?from=yesterday").await;
    assert_says(&page, &["must be a day"]);
});
