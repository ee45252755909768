//! Revocations as work: several processes take them, each is taken once, and what a vendor wants put off is.

use chrono::{DateTime, TimeDelta, Utc};
use ligand::kernel::owner::Owner;
use ligand::store::revocations::{self, Revocation};
use ligand::store::work::{self, Attempt, Fate, Row};
use ligand::store::{Store, claims};

use super::on_both_databases;
use super::rows::{db_organization, now};

/// As a process takes them: until there is none.
async fn take_all(store: &Store, process: i64, at: DateTime<Utc>) -> Vec<Row> {
    let mut taken = Vec::new();
    loop {
        let claimed = store.write(move |conn| {
            if work::lock_hand_over(conn, revocations::WORK)? {
                revocations::hand_over(conn)?;
            }
            let due = claims::look(conn, process, "", at)?.due;
            let rooms: Vec<_> = due.into_iter().map(|share| (share, 4)).collect();
            claims::claim(conn, process, &rooms, at)
        });
        let claimed = claimed.await.expect("a query");
        if claimed.is_empty() {
            return taken;
        }
        taken.extend(claimed);
    }
}

fn about(taken: &[Row]) -> Vec<i64> {
    let mut about: Vec<i64> = taken.iter().map(|row| row.about).collect();
    about.sort_unstable();
    about
}

async fn db_revocation(store: &Store, owner: Owner, id: i64, due: DateTime<Utc>) {
    let revocation = Revocation { id, element_id: 168, sealed: vec![1], attempts: 0, instance_id: None };
    store.write(move |conn| revocations::insert(conn, owner, revocation, due)).await.expect("it is written");
}

async fn settle(store: &Store, row: &Row, fate: Fate) {
    let (row, attempt) = (row.clone(), Attempt { status: None, error: None, fate });
    let settled = store.write(move |conn| {
        revocations::settle(conn, row.about, &attempt, now())?;
        work::settle(conn, &row, &attempt)
    });
    assert!(settled.await.expect("it is written"));
}

on_both_databases!(each_is_taken_once_and_comes_again_later, |database| async move {
    const COUNT: i64 = 30;
    let stores = [open(&database.url, 4), open(&database.url, 4)];
    let owner = db_organization(&stores[0]).await.owner;
    for id in 1..=COUNT {
        db_revocation(&stores[0], owner, id, now() + TimeDelta::microseconds(id)).await;
    }
    assert!(take_all(&stores[0], 1, now()).await.is_empty(), "none is due yet");
    let later = now() + TimeDelta::seconds(1);
    let takers = (0..4).map(|taker| take_all(&stores[taker % 2], 1 + i64::try_from(taker).unwrap(), later));
    let taken = futures_util::future::join_all(takers).await.concat();
    assert_eq!(about(&taken), (1..=COUNT).collect::<Vec<_>>());
    let again = later + TimeDelta::minutes(15);
    for row in &taken {
        let fate = if row.about == COUNT { Fate::Again { due_at: again, parked: false } } else { Fate::Done };
        settle(&stores[1], row, fate).await;
    }
    assert!(take_all(&stores[1], 1, later).await.is_empty());
    let left = take_all(&stores[1], 1, again).await;
    assert_eq!(left.iter().map(|row| (row.about, row.attempts)).collect::<Vec<_>>(), [(COUNT, 2)]);
    settle(&stores[1], &left[0], Fate::GivenUp { forgotten_at: None }).await;
    assert!(take_all(&stores[1], 1, again + TimeDelta::days(1)).await.is_empty(), "given up");
    let scope = ligand::store::revocation_orders::Scope::default();
    stores[1].write(move |conn| revocations::try_anew(conn, scope, now())).await.expect("it is written");
    assert_eq!(about(&take_all(&stores[1], 1, again).await), [COUNT], "the operator has it tried again");
});

on_both_databases!(what_a_vendor_wants_put_off_is_and_what_is_anothers_is_not, |database| async move {
    let store = open(&database.url, 4);
    let (one, other) = (db_organization(&store).await.owner, db_organization(&store).await.owner);
    for (id, owner) in [(1, one), (2, one), (3, other)] {
        db_revocation(&store, owner, id, now()).await;
    }
    let until = now() + TimeDelta::minutes(1);
    store.write(revocations::hand_over).await.expect("it is written");
    let asked = move |conn: &mut _| revocations::put_off(conn, one.organization, (1, Some(168)), (now(), until));
    store.write(asked).await.expect("it is written");
    assert_eq!(about(&take_all(&store, 1, now()).await), [3]);
    assert_eq!(about(&take_all(&store, 1, until).await), [1, 2]);
});

// The version before this one takes them so, and may run beside.
on_both_databases!(of_two_that_take_the_same_attempt_one_has_it, |database| async move {
    let store = open(&database.url, 4);
    let owner = db_organization(&store).await.owner;
    db_revocation(&store, owner, 1, now()).await;
    let take = || store.write(|conn| revocations::take(conn, 1, 0, now() + TimeDelta::minutes(2)));
    assert!(take().await.expect("a query"));
    assert!(!take().await.expect("a query"));
});
