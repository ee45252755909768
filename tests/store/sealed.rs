//! Sealed columns: all of them are known, and each is counted, paged and swapped alike.

use std::collections::BTreeSet;

use ligand::store::Store;
use ligand::store::instances::{self, InstanceRow};
use ligand::store::sealed::{self, CREDENTIAL, Column, INSTANCE_TOKEN, SEALED, Swap};

use super::on_both_databases;
use super::rows::{Organization, UNTOLD, db_organization};

/// The tables of `schema.rs` with their columns.
fn columns_of_the_schema() -> BTreeSet<(String, String)> {
    let mut table = String::new();
    let mut columns = BTreeSet::new();
    for line in include_str!("../../src/store/schema.rs").lines().map(str::trim) {
        match (line.split_once(" -> "), line.split_once(" (")) {
            (Some((column, _)), _) => drop(columns.insert((table.clone(), column.to_owned()))),
            (None, Some((name, _))) if line.ends_with(") {") => table = name.to_owned(),
            _ => {}
        }
    }
    columns
}

#[test]
fn every_sealed_column_of_the_schema_is_known() {
    let columns = columns_of_the_schema();
    let sealed: BTreeSet<_> = columns.iter().filter(|(_, column)| column.ends_with("sealed")).cloned().collect();
    let known = SEALED.iter().map(|column| (column.table.to_owned(), column.name.to_owned()));
    assert_eq!(known.collect::<BTreeSet<_>>(), sealed);
    for Column { table, key, .. } in SEALED {
        assert!(columns.contains(&(table.to_owned(), key.to_owned())), "{table}.{key}");
    }
}

async fn set(store: &Store, swaps: Vec<Swap>) -> usize {
    store.write(move |conn| sealed::swap(conn, CREDENTIAL, &swaps)).await.expect("they are set")
}

async fn db_credentials(store: &Store, organization: &Organization, values: &[&[u8]]) -> Vec<i64> {
    let mut ids = Vec::new();
    for value in values {
        let id = organization.db_instance(store, "Sealed", &[]).await;
        assert_eq!(set(store, vec![Swap { id, old: vec![4], new: value.to_vec() }]).await, 1);
        ids.push(id);
    }
    ids
}

on_both_databases!(every_column_can_be_paged_counted_and_searched, |database| async move {
    let store = open(&database.url, 2);
    db_organization(&store).await;
    for column in SEALED {
        let searched = store.write(move |conn| {
            sealed::swap(conn, column, &[Swap { id: 1, old: vec![1], new: vec![2] }])?;
            sealed::first_without(conn, column, &[vec![9], vec![8, 8]], 0)?;
            sealed::without_prefix(conn, column, &[9], 0)?;
            sealed::count(conn, column, &[9])
        });
        assert_eq!(searched.await.expect(column.name), 0);
    }
});

on_both_databases!(values_are_told_apart_by_how_they_begin, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    let ids =
        db_credentials(&store, &organization, &[b"\x01\x02k1-a", b"\x01\x02k2-a", b"\x01", b"\x01\x03k11-a"]).await;
    let rows = |prefix: &'static [u8], after: i64| {
        let store = store.clone();
        async move {
            let found = store.read(move |conn| sealed::without_prefix(conn, CREDENTIAL, prefix, after)).await;
            found.unwrap().into_iter().map(|value| value.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(rows(b"\x01\x02k1", 0).await, ids[1..]);
    assert_eq!(rows(b"\x01\x02k1", ids[1]).await, ids[2..]);
    let count = store.read(|conn| sealed::count(conn, CREDENTIAL, b"\x01\x02k1")).await;
    assert_eq!(count.unwrap(), 1);
    let first = |prefixes: Vec<Vec<u8>>| store.read(move |conn| sealed::first_without(conn, CREDENTIAL, &prefixes, 0));
    assert_eq!(first(Vec::new()).await.unwrap().unwrap().bytes, b"\x01\x02k1-a");
    let known = vec![b"\x01\x02k1".to_vec(), b"\x01\x03k11".to_vec()];
    assert_eq!(first(known.clone()).await.unwrap().unwrap().id, ids[1]);
    assert!(first([known, vec![b"\x01".to_vec()]].concat()).await.unwrap().is_none());
});

on_both_databases!(a_value_that_somebody_else_wrote_meanwhile_stays, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    let ids = db_credentials(&store, &organization, &[b"one", b"two", b"three"]).await;
    let swap = |id: i64, old: &[u8]| Swap { id, old: old.to_vec(), new: b"new".to_vec() };
    assert_eq!(set(&store, vec![swap(ids[0], b"one"), swap(ids[1], b"before"), swap(ids[2], b"three")]).await, 2);
    let owner = organization.owner;
    for (id, expected) in ids.into_iter().zip([b"new".as_slice(), b"two", b"new"]) {
        let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap();
        assert_eq!((stored.credential.sealed.as_slice(), stored.credential.version), (expected, 1));
    }
});

on_both_databases!(a_change_under_way_does_not_bring_the_old_token_back, |database| async move {
    let store = open(&database.url, 2);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let id = organization.db_instance(&store, "Before", &[]).await;
    let read = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap().instance;
    // Between the reading and the writing of a change both rotations pass by.
    let hash = Column { name: "token_hash", ..INSTANCE_TOKEN };
    for (column, old) in [(INSTANCE_TOKEN, &read.token_sealed), (hash, &read.token_hash)] {
        let swaps = [Swap { id, old: old.clone(), new: b"rotated".to_vec() }];
        assert_eq!(store.write(move |conn| sealed::swap(conn, column, &swaps)).await.unwrap(), 1);
    }
    let changed = InstanceRow { name: "After".to_owned(), ..read };
    store.write(move |conn| instances::update(conn, owner, &changed, &[], &UNTOLD)).await.unwrap();
    let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap().instance;
    assert_eq!((stored.name.as_str(), stored.version), ("After", 2));
    assert_eq!(
        (stored.token_sealed.as_slice(), stored.token_hash.as_slice()),
        (b"rotated".as_slice(), b"rotated".as_slice())
    );
});
