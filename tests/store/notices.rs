//! Notices as work: what is due, in which order, and what an attempt leaves behind.

use chrono::TimeDelta;
use ligand::store::notices::{self, Filter, Notice};
use ligand::store::time::UtcTime;
use ligand::store::webhooks::{self, WebhookRow};
use ligand::store::work::{self, Attempt, Fate, Row};
use ligand::store::{Store, StoreFault, claims};

use super::on_both_databases;
use super::rows::{Organization, db_organization, now};

const ME: i64 = 7;

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

/// What one process finds due so much later, and claims: the messages, and their rows of work.
async fn due(store: &Store, later: TimeDelta) -> Vec<(String, Row)> {
    let rows = store.write(move |conn| {
        notices::hand_over(conn)?;
        let rooms: Vec<_> =
            claims::look(conn, ME, "", now() + later)?.due.into_iter().map(|share| (share, 9)).collect();
        claims::claim(conn, ME, &rooms, now() + later)
    });
    let mut claimed = Vec::new();
    for row in rows.await.expect("a query") {
        let (owner, id) = (row.owner(), row.about);
        let notice = store.read(move |conn| notices::find(conn, owner, id)).await.expect("the notice");
        claimed.push((notice.message, row));
    }
    claimed.sort_by(|(one, _), (other, _)| one.cmp(other));
    claimed
}

async fn settle(store: &Store, row: &Row, fate: Fate) {
    let status = if fate == Fate::Done { 204 } else { 500 };
    let (row, attempt) = (row.clone(), Attempt { status: Some(status), error: Some("No.".to_owned()), fate });
    let settled = store.write(move |conn| {
        notices::settle(conn, row.about, &attempt, now())?;
        work::settle(conn, &row, &attempt)
    });
    settled.await.expect("it is written");
}

fn messages(rows: &[(String, Row)]) -> Vec<&str> {
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
    assert!(due(&store, -TimeDelta::microseconds(1)).await.is_empty());
    let rows = due(&store, at_once).await;
    assert_eq!(messages(&rows), ["a1", "b1", "c1"]);
    assert!(due(&store, at_once).await.is_empty(), "what is under way is nobody else's");

    let minute = TimeDelta::minutes(1);
    let again = |parked| Fate::Again { due_at: now() + minute, parked };
    settle(&store, &rows[0].1, again(false)).await;
    assert!(due(&store, at_once).await.is_empty(), "it holds up those behind it");
    let first = due(&store, minute).await;
    assert_eq!(messages(&first), ["a1"]);
    settle(&store, &first[0].1, again(true)).await;
    let second = due(&store, at_once).await;
    assert_eq!(messages(&second), ["a2"]);
    settle(&store, &rows[1].1, Fate::GivenUp { forgotten_at: None }).await;
    settle(&store, &second[0].1, Fate::Done).await;
    settle(&store, &rows[2].1, Fate::Done).await;
    assert_eq!(messages(&due(&store, minute).await), ["a1", "a3"]);
});

on_both_databases!(what_has_its_work_already_holds_up_nothing_else, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    db_webhook(&store, &organization).await;
    db_notice(&store, &organization, "instance:1", "a1").await;
    store.write(notices::hand_over).await.expect("it is handed over");
    // As a process leaves it that was taken for dead.
    database.execute("UPDATE notice SET has_work = FALSE");
    db_notice(&store, &organization, "instance:2", "b1").await;
    assert_eq!(messages(&due(&store, TimeDelta::zero()).await), ["a1", "b1"]);
    assert!(!store.read(notices::is_without_work).await.expect("a read"));
});

on_both_databases!(who_comes_late_does_not_undo_a_delivery, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    db_webhook(&store, &organization).await;
    db_notice(&store, &organization, "instance:1", "a1").await;
    let (_, row) = due(&store, TimeDelta::zero()).await.remove(0);
    settle(&store, &row, Fate::Done).await;
    settle(&store, &row, Fate::GivenUp { forgotten_at: None }).await;
    settle(&store, &row, Fate::Again { due_at: now(), parked: true }).await;
    let (owner, id) = (organization.owner, row.about);
    let row = store.read(move |conn| notices::find(conn, owner, id)).await.expect("the row");
    assert_eq!((row.status.as_str(), row.attempts, row.parked), ("delivered", 1, false));
    assert!(due(&store, TimeDelta::days(1)).await.is_empty());
    store.write(move |conn| notices::retry(conn, owner, id, now())).await.expect("it is written");
    assert_eq!(messages(&due(&store, TimeDelta::zero()).await), ["a1"], "asked for once more");
});

on_both_databases!(a_notice_is_its_owners_alone, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    db_webhook(&store, &organization).await;
    db_notice(&store, &organization, "instance:1", "a1").await;
    let id = due(&store, TimeDelta::zero()).await.remove(0).1.about;
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
