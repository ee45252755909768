//! The queue of notices: what is due, in which order, and what an attempt leaves behind.

use chrono::TimeDelta;
use ligand::store::notices::{self, Attempt, Fate, Filter, Full, Notice};
use ligand::store::time::UtcTime;
use ligand::store::webhooks::{self, WebhookRow};
use ligand::store::{Store, StoreFault};

use super::on_both_databases;
use super::rows::{Organization, db_organization, now};

async fn db_webhook(store: &Store, organization: &Organization) {
    let row = WebhookRow {
        id: store.next_id().await.expect("an id"),
        organization_id: organization.owner.organization,
        url_sealed: Some(vec![1]),
        secrets_sealed: vec![2],
        created_at: UtcTime(now()),
        updated_at: UtcTime(now()),
    };
    store.write(move |conn| webhooks::insert(conn, &row)).await.expect("the webhook is written");
}

async fn db_notice(store: &Store, organization: &Organization, subject: &str, message: &str) {
    let notice = Notice {
        owner: organization.owner,
        link_id: None,
        subject: subject.to_owned(),
        kind: "instance.created",
        message: message.to_owned(),
        payload: "{}".to_owned(),
        at: now(),
    };
    store.write(move |conn| notices::enqueue(conn, &notice)).await.expect("the notice is written");
}

/// The messages that are due so much later, and their ids.
async fn due(store: &Store, later: TimeDelta, receivers: &[i64], limit: i64) -> Vec<(String, i64)> {
    due_without(store, later, Full { receivers: receivers.to_vec(), organizations: Vec::new() }, limit).await
}

async fn due_without(store: &Store, later: TimeDelta, full: Full, limit: i64) -> Vec<(String, i64)> {
    let rows = store.read(move |conn| notices::due(conn, now() + later, &full, limit)).await.expect("a query");
    rows.into_iter().map(|row| (row.message, row.id)).collect()
}

async fn settle(store: &Store, id: i64, fate: Fate) {
    let attempt = Attempt { status: Some(500), error: Some("No.".to_owned()), fate };
    store.write(move |conn| notices::settle(conn, id, &attempt, now())).await.expect("it is written");
}

fn messages(rows: &[(String, i64)]) -> Vec<&str> {
    rows.iter().map(|(message, _)| message.as_str()).collect()
}

on_both_databases!(of_each_subject_the_first_is_due_and_whatever_is_parked, |database| async move {
    let store = open(&database.url, 2);
    let [one, other] = [db_organization(&store).await, db_organization(&store).await];
    db_notice(&store, &one, "instance:1", "nobody listens").await;
    db_webhook(&store, &one).await;
    db_webhook(&store, &other).await;
    for (subject, message) in [("instance:1", "a1"), ("instance:2", "b1"), ("instance:1", "a2"), ("instance:1", "a3")] {
        db_notice(&store, &one, subject, message).await;
    }
    db_notice(&store, &other, "instance:1", "c1").await;
    let at_once = TimeDelta::zero();
    assert!(due(&store, -TimeDelta::microseconds(1), &[], 9).await.is_empty());
    let rows = due(&store, at_once, &[], 9).await;
    assert_eq!(messages(&rows), ["a1", "b1", "c1"]);
    assert_eq!(messages(&due(&store, at_once, &[], 2).await), ["a1", "b1"]);
    let busy = [-one.owner.organization, 7];
    assert_eq!(messages(&due(&store, at_once, &busy, 9).await), ["c1"]);
    let full = Full { receivers: vec![7], organizations: vec![other.owner.organization] };
    assert_eq!(messages(&due_without(&store, at_once, full, 9).await), ["a1", "b1"]);

    let minute = TimeDelta::minutes(1);
    let again = |parked| Fate::Again { due_at: now() + minute, parked };
    settle(&store, rows[0].1, again(false)).await;
    assert_eq!(messages(&due(&store, at_once, &[], 9).await), ["b1", "c1"], "it holds up those behind it");
    settle(&store, rows[0].1, again(true)).await;
    let rows = due(&store, at_once, &[], 9).await;
    assert_eq!(messages(&rows), ["b1", "a2", "c1"]);
    settle(&store, rows[0].1, Fate::Failed).await;
    settle(&store, rows[1].1, Fate::Delivered).await;
    settle(&store, rows[2].1, Fate::Delivered).await;
    assert_eq!(messages(&due(&store, at_once, &[], 9).await), ["a3"]);
    assert_eq!(messages(&due(&store, minute, &[], 9).await), ["a3", "a1"]);
});

on_both_databases!(who_comes_late_does_not_undo_a_delivery, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    db_webhook(&store, &organization).await;
    db_notice(&store, &organization, "instance:1", "a1").await;
    let (_, id) = due(&store, TimeDelta::zero(), &[], 1).await.remove(0);
    settle(&store, id, Fate::Delivered).await;
    settle(&store, id, Fate::Failed).await;
    settle(&store, id, Fate::Again { due_at: now(), parked: true }).await;
    let owner = organization.owner;
    let row = store.read(move |conn| notices::find(conn, owner, id)).await.expect("the row");
    assert_eq!((row.status.as_str(), row.attempts, row.parked), ("delivered", 1, false));
});

on_both_databases!(a_notice_is_its_owners_alone, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    db_webhook(&store, &organization).await;
    db_notice(&store, &organization, "instance:1", "a1").await;
    let (_, id) = due(&store, TimeDelta::zero(), &[], 1).await.remove(0);
    let page = ligand::kernel::paging::Page { after: 0, size: 9 };
    for stranger in organization.strangers() {
        let found = store.read(move |conn| notices::find(conn, stranger, id)).await;
        assert!(matches!(found, Err(StoreFault::NotFound)));
        let retried = store.write(move |conn| notices::retry(conn, stranger, id, now())).await;
        assert!(matches!(retried, Err(StoreFault::NotFound)));
        let listed = store.read(move |conn| notices::list(conn, stranger, &Filter::default(), page)).await;
        assert!(listed.expect("a list").0.is_empty());
    }
});
