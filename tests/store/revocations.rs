//! Revocations: several processes take them, each is taken once.

use chrono::{DateTime, TimeDelta, Utc};
use ligand::store::Store;
use ligand::store::revocations::{self, Revocation};

use super::on_both_databases;
use super::rows::{db_organization, now};

/// As a process takes them: until there is none.
async fn take_all(store: &Store, at: DateTime<Utc>) -> Vec<Revocation> {
    let mut taken = Vec::new();
    loop {
        let due = store.read(move |conn| revocations::due(conn, at, &[], 4)).await.expect("a query");
        if due.is_empty() {
            return taken;
        }
        for (_, revocation) in due {
            let (id, attempts, again) = (revocation.id, revocation.attempts, at + TimeDelta::minutes(15));
            if store.write(move |conn| revocations::take(conn, id, attempts, again)).await.expect("a query") {
                taken.push(revocation);
            }
        }
    }
}

on_both_databases!(each_is_taken_once_and_comes_again_later, |database| async move {
    const COUNT: i64 = 30;
    let stores = [open(&database.url, 4), open(&database.url, 4)];
    let owner = db_organization(&stores[0]).await.owner;
    for id in 1..=COUNT {
        let revocation = Revocation { id, element_id: 168, sealed: vec![1], attempts: 0, instance_id: None };
        let due = now() + TimeDelta::microseconds(id);
        stores[0].write(move |conn| revocations::insert(conn, owner, revocation, due)).await.unwrap();
    }
    assert!(take_all(&stores[0], now()).await.is_empty(), "none is due yet");
    let later = now() + TimeDelta::seconds(1);
    let takers = (0..4).map(|taker| take_all(&stores[taker % 2], later));
    let mut taken: Vec<i64> = futures_util::future::join_all(takers).await.concat().iter().map(|it| it.id).collect();
    taken.sort_unstable();
    assert_eq!(taken, (1..=COUNT).collect::<Vec<_>>());
    for id in 1..COUNT {
        stores[1].write(move |conn| revocations::delete(conn, id)).await.unwrap();
    }
    let again = take_all(&stores[1], later + TimeDelta::minutes(15)).await;
    assert_eq!(again.iter().map(|it| (it.id, it.attempts)).collect::<Vec<_>>(), [(COUNT, 1)]);
});

on_both_databases!(who_has_enough_is_passed_over, |database| async move {
    let store = open(&database.url, 4);
    let (one, other) = (db_organization(&store).await.owner, db_organization(&store).await.owner);
    for (id, owner) in [(1, one), (2, one), (3, other)] {
        let revocation = Revocation { id, element_id: 168, sealed: vec![1], attempts: 0, instance_id: None };
        store.write(move |conn| revocations::insert(conn, owner, revocation, now())).await.unwrap();
    }
    let due = async |without: Vec<i64>, limit| {
        let due = store.read(move |conn| revocations::due(conn, now(), &without, limit)).await.unwrap();
        due.iter().map(|(owner, it)| (owner.organization, it.id)).collect::<Vec<_>>()
    };
    assert_eq!(due(Vec::new(), 2).await, [(one.organization, 1), (one.organization, 2)]);
    assert_eq!(due(vec![one.organization], 2).await, [(other.organization, 3)]);
    assert!(due(vec![one.organization, other.organization], 2).await.is_empty());
});
