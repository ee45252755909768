//! Ids: known before the insert, never given out twice.

use std::collections::BTreeSet;

use super::on_both_databases;

on_both_databases!(no_id_comes_twice_from_two_stores_or_after_a_restart, |database| async move {
    let mut seen = BTreeSet::new();
    for _restart in 0..2 {
        let stores = [open(&database.url, 4), open(&database.url, 4)];
        let mut takers = Vec::new();
        for taker in 0..8 {
            let store = stores[taker % 2].clone();
            takers.push(tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..60 {
                    ids.push(store.next_id().await.expect("an id"));
                }
                ids
            }));
        }
        for taker in takers {
            for id in taker.await.expect("the taker ends") {
                assert!(id >= 1000, "ids below 1000 are kept free");
                assert!(seen.insert(id), "{id} came twice");
            }
        }
    }
    assert_eq!(seen.len(), 960);
});

on_both_databases!(concurrent_callers_of_one_store_fetch_a_block_once, |database| async move {
    let store = open(&database.url, 4);
    let ids = futures_util::future::join_all((0..100).map(|_| store.next_id())).await;
    let ids: BTreeSet<i64> = ids.into_iter().map(|id| id.expect("an id")).collect();
    assert_eq!((ids.len(), ids.last().unwrap() - ids.first().unwrap()), (100, 99), "one block without gaps");
});
