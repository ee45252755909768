//! What `ligand audit verify` finds. The rows are written as use cases write them, and altered by SQL.

use chrono::TimeDelta;
use ligand::kernel::owner::Owner;
use ligand::service::actor::Actor;
use ligand::service::audit::verify::{Finding, Verified};
use ligand::service::audit::{Deed, Of};
use ligand::store::audit;

use crate::support::server::Setup;
use crate::support::{TestServer, on_both};

const OWNER: Owner = Owner { organization: 7, account: 8 };

const OF_CUSTOMER: Option<&str> = Some("customer-7");

fn actor(server: &TestServer) -> Actor {
    Actor::operator(OWNER, server.services.request_id())
}

async fn db_write(server: &TestServer, count: i64) {
    for subject in 0..count {
        let of = Of { subject: Some(subject), customer: OF_CUSTOMER };
        let trail = server.services.audit(&actor(server), Deed::InstanceCreated, of).await.expect("a row");
        server.services.store.write(move |conn| trail.write(conn)).await.expect("it is written");
    }
}

async fn verified(server: &TestServer, head: Option<&str>) -> Verified {
    server.services.verify_audit_log(head).await.expect("it is looked at")
}

async fn findings(server: &TestServer) -> Vec<Finding> {
    verified(server, None).await.findings
}

async fn db_chained(server: &TestServer) -> Vec<(i64, i64)> {
    let rows = server.services.store.read(|conn| audit::behind(conn, 0, 1000)).await.expect("rows");
    rows.into_iter().map(|row| (row.sequence, row.record.id)).collect()
}

/// Without the rows of the server's own start.
fn db_empty(server: &TestServer) {
    server.database.execute("DELETE FROM audit_log");
}

/// A log of six rows in two batches, and its head.
async fn with_six(server: &TestServer) -> String {
    db_empty(server);
    for _ in 0..2 {
        db_write(server, 3).await;
        assert_eq!(server.services.chain_audit_log().await.expect("they are chained"), 3);
    }
    let whole = verified(server, None).await;
    assert_eq!((whole.rows, whole.first, whole.findings), (6, 1, vec![]));
    whole.head
}

on_both!(a_log_that_nobody_touched_is_whole, |server| async move {
    db_empty(&server);
    assert_eq!(findings(&server).await, []);
    let head = with_six(&server).await;
    assert_eq!(server.services.chain_audit_log().await.expect("nothing is left"), 0);
    assert_eq!(verified(&server, Some(&head)).await.findings, []);
    db_write(&server, 2).await;
    let younger = verified(&server, Some(&head)).await;
    assert_eq!((younger.rows, younger.unchained.len(), younger.findings), (6, 2, vec![]));
    server.services.chain_audit_log().await.expect("they are chained");
    assert_eq!(verified(&server, Some(&head)).await.findings, [], "an earlier head goes on being one");
});

on_both!(a_row_that_commits_late_is_chained_late_and_nothing_is_missing, |server| async move {
    let late = server.services.audit(&actor(&server), Deed::LinkCreated, 1).await.expect("a row");
    with_six(&server).await;
    server.services.store.write(move |conn| late.write(conn)).await.expect("it is written");
    assert_eq!(server.services.chain_audit_log().await.expect("it is chained"), 1);
    let chained = db_chained(&server).await;
    assert!(chained.last().is_some_and(|(place, id)| *place == 7 && *id < chained[0].1), "{chained:?}");
    assert_eq!(findings(&server).await, []);
});

on_both!(what_is_altered_is_found, |server| async move {
    with_six(&server).await;
    let rows = db_chained(&server).await;
    let id = |place: usize| rows[place - 1].1;
    for (change, undo) in [
        ("action = 'instance.deleted'", "action = 'instance.created'"),
        ("user_id = 10", "user_id = NULL"),
        ("subject_id = NULL", "subject_id = 1"),
        ("organization_id = 1", "organization_id = 7"),
    ] {
        server.database.execute(&format!("UPDATE audit_log SET {change} WHERE sequence = 2"));
        let found = findings(&server).await;
        assert!(found.contains(&Finding::Altered { sequence: 2, id: id(2) }), "{change}: {found:?}");
        server.database.execute(&format!("UPDATE audit_log SET {undo} WHERE sequence = 2"));
        assert_eq!(findings(&server).await, [], "{change} is undone");
    }
    // Names are of their own row.
    let of_another = "SELECT names_sealed FROM audit_log WHERE sequence = 3";
    server.database.execute(&format!("UPDATE audit_log SET names_sealed = ({of_another}) WHERE sequence = 2"));
    assert_eq!(findings(&server).await, [Finding::Names { sequence: 2, id: id(2) }]);
    server.database.execute("UPDATE audit_log SET names_sealed = NULL WHERE sequence = 2");
    assert_eq!(findings(&server).await, [Finding::NoNames { sequence: 2, id: id(2) }]);
    // Two rows change places.
    server.database.execute(
        "UPDATE audit_log SET sequence = 100 WHERE sequence = 4; UPDATE audit_log SET sequence = 4 WHERE sequence = 5; \
         UPDATE audit_log SET sequence = 5 WHERE sequence = 100",
    );
    let found = findings(&server).await;
    assert!(found.contains(&Finding::Unlinked { sequence: 4, id: id(5) }), "{found:?}");
});

on_both!(what_is_removed_is_found, |server| async move {
    with_six(&server).await;
    server.database.execute("DELETE FROM audit_log WHERE sequence IN (3, 4)");
    assert_eq!(findings(&server).await, [Finding::Missing(3, 4)]);
    server.database.execute("DELETE FROM audit_log WHERE sequence = 1");
    assert_eq!(findings(&server).await, [Finding::Missing(1, 1), Finding::Missing(3, 4)]);
});

on_both!(a_log_that_was_cut_off_is_found, |server| async move {
    let early = with_six(&server).await;
    db_write(&server, 2).await;
    server.services.chain_audit_log().await.expect("they are chained");
    let late = verified(&server, None).await.head;
    server.database.execute("DELETE FROM audit_log WHERE sequence > 5");
    assert_eq!(findings(&server).await, [Finding::CutOff(5, 8)]);
    // Who knows where the end is written down needs the key as well.
    server.database.execute("UPDATE audit_head SET sequence = 5");
    assert_eq!(findings(&server).await, [Finding::Head]);
    for head in [&early, &late] {
        let found = verified(&server, Some(head)).await.findings;
        assert!(found.iter().any(|finding| matches!(finding, Finding::CutOff(5, 6 | 8))), "{head}: {found:?}");
    }
});

on_both!(with_a_head_from_elsewhere_a_log_written_anew_is_found, |server| async move {
    let head = with_six(&server).await;
    // As if the database had been set back to before the first row, signed head included.
    let blank = if server.database.url.starts_with("sqlite") { "x''" } else { "''" };
    server.database.execute(&format!(
        "DELETE FROM audit_log; UPDATE audit_head SET sequence = 0, chain_hash = {blank}, lapsed_sequence = 0, \
         lapsed_hash = {blank}, generation = 0, signature = {blank}"
    ));
    assert_eq!(findings(&server).await, [], "the database alone does not tell");
    assert_eq!(verified(&server, Some(&head)).await.findings, [Finding::CutOff(0, 6)]);
    db_write(&server, 6).await;
    server.services.chain_audit_log().await.expect("they are chained");
    assert_eq!(verified(&server, Some(&head)).await.findings, [Finding::OtherRow(6)]);
    assert_eq!(verified(&server, Some("six")).await.findings, [Finding::Unreadable("six".to_owned())]);
});

on_both!(a_row_that_somebody_else_wrote_is_found_before_and_after_it_is_chained, |server| async move {
    with_six(&server).await;
    server.database.execute(
        "INSERT INTO audit_log (id, organization_id, account_id, at, action, subject_kind, subject_id, actor, user_id, \
         names_hash, names_sealed, generation, row_hash) SELECT -1, organization_id, account_id, at, action, subject_kind, \
         subject_id, actor, user_id, names_hash, NULL, generation, row_hash FROM audit_log WHERE sequence = 2",
    );
    assert_eq!(findings(&server).await, [Finding::Unchained(-1)]);
    server.services.chain_audit_log().await.expect("it is chained");
    assert!(findings(&server).await.contains(&Finding::Altered { sequence: 7, id: -1 }));
});

on_both!(of_two_servers_that_chain_at_once_each_row_has_one_place, |server| async move {
    let other = server.start_beside(Setup::default()).await;
    db_empty(&server);
    for _ in 0..10 {
        db_write(&server, 5).await;
        let (one, two) = tokio::join!(server.services.chain_audit_log(), other.services.chain_audit_log());
        assert_eq!(one.expect("they are chained") + two.expect("they are chained"), 5);
    }
    assert_eq!(findings(&server).await, []);
});

on_both!(rows_lapse_in_their_time_and_the_rest_stays_whole, |server| async move {
    let before = with_six(&server).await;
    server.advance(TimeDelta::days(200));
    db_write(&server, 2).await;
    server.services.chain_audit_log().await.expect("they are chained");
    let between = verified(&server, None).await.head;
    assert_eq!(server.services.lapse_audit_log().await.expect("nothing is due"), 0);
    server.advance(TimeDelta::days(166));
    assert_eq!(server.services.lapse_audit_log().await.expect("they lapse"), 6);
    let left = verified(&server, Some(&between)).await;
    assert_eq!((left.rows, left.first, left.head_lapsed, left.findings), (2, 7, false, vec![]));
    assert_eq!(verified(&server, Some(&before)).await.findings, [], "the last that lapsed is still known");
    db_write(&server, 1).await;
    server.services.chain_audit_log().await.expect("it is chained");
    assert_eq!(findings(&server).await, []);
    // Nothing lapses by hand.
    server.database.execute("DELETE FROM audit_log WHERE sequence = 7; UPDATE audit_head SET lapsed_sequence = 7");
    assert_eq!(
        findings(&server).await,
        [Finding::Head, Finding::Unlinked { sequence: 8, id: db_chained(&server).await[0].1 }]
    );
});
