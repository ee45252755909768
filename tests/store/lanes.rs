//! The lanes: a failure is that of one write, whoever shares its commit or its connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use futures_util::future::join_all;
use ligand::store::instances;
use ligand::store::principals;
use ligand::store::{AnyConn, Store, StoreFault, Whose};

use super::on_both_databases;
use super::rows::{Organization, UNTOLD, db_organization};
use crate::support::Database;
use crate::support::database::{open, runtime};
use crate::support::server::start_of_time;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Commits,
    Refuses,
    Panics,
    BreaksTheSchema,
}

async fn write(store: &Store, organization: &Organization, id: i64, end: End) -> Result<(), StoreFault> {
    let owner = organization.owner;
    let (row, credential) = (organization.instance(id, "Concurrent"), organization.credential(id));
    let work = store.write(move |conn| {
        instances::insert(conn, owner, (&row, &credential), &["Docs".to_owned()], &UNTOLD)?;
        match end {
            End::Commits => Ok(()),
            End::Refuses => Err(StoreFault::Other("the use case refuses".to_owned())),
            End::Panics => panic!("the use case panics"),
            End::BreaksTheSchema => instances::insert(conn, owner, (&row, &credential), &[], &UNTOLD),
        }
    });
    work.await
}

on_both_databases!(of_200_writes_at_once_only_those_that_fail_fail, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let plan: Vec<(i64, End)> = (10_000..10_200)
        .map(|id| match id % 10 {
            1 | 6 => (id, End::Refuses),
            3 => (id, End::Panics),
            8 => (id, End::BreaksTheSchema),
            _ => (id, End::Commits),
        })
        .collect();
    let results = join_all(plan.iter().map(|(id, end)| write(&store, &organization, *id, *end))).await;
    // Another process sees what was committed, and nothing else.
    let witness = open(&database.url, 2);
    for ((id, end), result) in plan.iter().zip(&results) {
        assert_eq!(result.is_ok(), *end == End::Commits, "{id}: {result:?}");
        assert_eq!(organization.db_exists(&witness, *id).await, result.is_ok(), "{id}");
    }
    let panicked =
        results.iter().find_map(|result| result.as_ref().err().filter(|fault| fault.to_string().contains("panic")));
    assert!(panicked.is_some_and(|fault| fault.to_string().contains("the use case panics")), "{panicked:?}");
    for id in 20_000..20_010 {
        write(&store, &organization, id, End::Commits).await.expect("the store goes on");
        assert!(organization.db_exists(&witness, id).await);
    }
});

// One organization has 200 writes under way, another one comes with one.
on_both_databases!(who_writes_as_fast_as_it_can_lets_others_go_first, |database| async move {
    const PLACES: u32 = 4;
    let store = open(&database.url, PLACES);
    let (busy, other) = (db_organization(&store).await, db_organization(&store).await);
    // All that begin wait until everything is queued; then each notes when it was done.
    let (all_are_here, gate) = std::sync::mpsc::channel::<()>();
    let (gate, order) = (Arc::new(Mutex::new(gate)), Arc::new(Mutex::new(Vec::new())));
    let write_of = |organization: &Organization, bytes: usize| {
        let (gate, order, id) = (Arc::clone(&gate), Arc::clone(&order), organization.owner.organization);
        let whose = Whose::from(organization.owner).writing(bytes);
        let store = store.clone();
        tokio::spawn(async move {
            let write = move |_: &mut AnyConn| {
                // Fails at once when the sender is gone.
                let _ = gate.lock().unwrap().recv();
                order.lock().unwrap().push(id);
                Ok(())
            };
            store.write_for(whose, write).await
        })
    };
    let flood: Vec<_> = (0..200).map(|_| write_of(&busy, 60_000)).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let late = write_of(&other, 0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(all_are_here);
    for write in flood.into_iter().chain([late]) {
        write.await.expect("it ends").expect("a commit");
    }
    let order = order.lock().unwrap();
    let place = order.iter().position(|id| *id == other.owner.organization).expect("its write");
    // Behind those that had begun, and those that went on while its connection was made; not behind all of them.
    assert!(order.len() == 201 && place <= 50, "{place} of {}", order.len());
});

on_both_databases!(a_panicking_read_is_one_failure, |database| async move {
    let store = open(&database.url, 1);
    let failed: Result<(), _> = store.read(|_| panic!("the reader panics")).await;
    assert!(matches!(failed, Err(StoreFault::Other(_))), "{failed:?}");
    assert!(!store.read(principals::any).await.expect("the only connection goes on"));
});

on_both_databases!(two_stores_write_at_once_without_errors, |database| async move {
    let stores = [open(&database.url, 4), open(&database.url, 4)];
    let organization = db_organization(&stores[0]).await;
    let writes = (0..200_i64).map(|number| {
        let store = &stores[usize::from(number % 2 == 0)];
        write(store, &organization, 10_000 + number, End::Commits)
    });
    for result in join_all(writes).await {
        result.expect("the write waits for its turn");
    }
    let owner = organization.owner;
    let counts = stores[0].read(move |conn| instances::count_by_element(conn, owner)).await.unwrap();
    assert_eq!(counts, [(168, 200)]);
});

on_both_databases!(a_write_whose_caller_went_away_is_whole_or_not_there, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    for id in 10_000..10_020 {
        let abandoned = write(&store, &organization, id, End::Commits);
        let _ = tokio::time::timeout(std::time::Duration::ZERO, abandoned).await;
    }
    let last = join_all((20_000..20_010).map(|id| write(&store, &organization, id, End::Commits))).await;
    assert!(last.iter().all(Result::is_ok), "{last:?}");
    let owner = organization.owner;
    let listed = async |tags: Vec<String>| -> Vec<i64> {
        let filter = instances::Filter { tags, ..Default::default() };
        let page = ligand::kernel::paging::Page { after: 0, size: 200 };
        let rows = store.read(move |conn| Ok(instances::list(conn, owner, &filter, page)?.0)).await.unwrap();
        rows.iter().map(|row| row.instance.id).collect()
    };
    // In this order: one that was begun before may still come to its end.
    let there = listed(Vec::new()).await;
    let whole = listed(vec!["Docs".to_owned()]).await;
    assert!(there.len() >= 10 && there.iter().all(|id| whole.contains(id)), "{there:?} of which with tags {whole:?}");
});

#[test]
fn readers_of_sqlite_cannot_write() {
    let database = Database::sqlite();
    runtime().block_on(async {
        let store = open(&database.url, 1);
        store.migrate().await.expect("the schema migrates");
        let organization = db_organization(&store).await;
        let id = organization.db_instance(&store, "Safe", &[]).await;
        let owner = organization.owner;
        let refused = store.read(move |conn| instances::delete(conn, owner, (id, 1), start_of_time(), &UNTOLD)).await;
        assert!(matches!(&refused, Err(StoreFault::Other(text)) if text.contains("readonly")), "{refused:?}");
        assert!(organization.db_exists(&store, id).await);
    });
}

/// SQLite may undo the whole transaction when the disk is full, also what others in the same commit wrote.
#[test]
fn on_a_full_disk_the_answers_tell_what_is_there() {
    let database = Database::sqlite();
    runtime().block_on(async {
        let store = open(&database.url, 2);
        store.migrate().await.expect("the schema migrates");
        let organization = db_organization(&store).await;
        let limit = |pages: &'static str| {
            store.write(move |conn| Ok(conn.batch_execute(&format!("PRAGMA max_page_count = {pages}"))?))
        };
        // No smaller than the file is: from here on it cannot grow.
        limit("1").await.expect("the limit is set");
        let owner = organization.owner;
        let attempts = (10_000..10_100_i64).map(|id| {
            let size = if id % 3 == 0 { 50_000 } else { 1 };
            let mut row = organization.instance(id, "On a full disk");
            row.configuration_sealed = vec![0; size];
            let credential = organization.credential(id);
            store.write(move |conn| instances::insert(conn, owner, (&row, &credential), &[], &UNTOLD))
        });
        let results = join_all(attempts).await;
        let witness = open(&database.url, 1);
        let mut failures = BTreeSet::new();
        for (id, result) in (10_000..).zip(&results) {
            assert_eq!(organization.db_exists(&witness, id).await, result.is_ok(), "{id}: {result:?}");
            failures.extend(result.as_ref().err().map(ToString::to_string));
            assert!(matches!(result, Ok(()) | Err(StoreFault::Unavailable(_))), "{id}: {result:?}");
        }
        assert!(failures.iter().any(|text| text.contains("disk is full")), "{failures:?}");
        limit("1000000").await.expect("the limit is lifted");
        organization.db_instance(&store, "With space again", &[]).await;
    });
}
