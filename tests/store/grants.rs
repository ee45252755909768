//! Authorizations under way: the owner's alone, once, and not for ever.

use chrono::TimeDelta;
use ligand::kernel::owner::Owner;
use ligand::store::grants::{self, Grant};
use ligand::store::{Store, StoreFault};

use super::on_both_databases;
use super::rows::{db_organization, now};

const ELEMENT: i64 = 10_001;

async fn db_grant(store: &Store, owner: Owner, state: &str, age: TimeDelta) -> Result<i64, StoreFault> {
    let id = store.next_id().await?;
    let started = now() - age;
    let grant = Grant {
        id,
        element_id: ELEMENT,
        state_hash: state.as_bytes().to_vec(),
        sealed: vec![1],
        expires_at: started + TimeDelta::hours(1),
        link_id: None,
        browser_hash: None,
        hold: None,
    };
    store.write(move |conn| grants::insert(conn, owner, grant, &[], started)).await?;
    Ok(id)
}

async fn found(store: &Store, owner: Owner, element: i64, state: &str) -> Option<i64> {
    let state = state.as_bytes().to_vec();
    let grant = store.read(move |conn| grants::find(conn, owner, element, &state, now())).await;
    grant.expect("the query runs").map(|grant| grant.id)
}

on_both_databases!(a_grant_is_its_owners_and_its_elements, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let id = db_grant(&store, owner, "state", TimeDelta::zero()).await.unwrap();
    for stranger in organization.strangers() {
        assert_eq!(found(&store, stranger, ELEMENT, "state").await, None);
        store.write(move |conn| grants::delete(conn, stranger, id)).await.unwrap();
        // The same state of somebody else is no conflict, and does not disturb the first one's.
        db_grant(&store, stranger, "state", TimeDelta::zero()).await.unwrap();
    }
    assert_eq!(found(&store, owner, ELEMENT + 1, "state").await, None);
    assert_eq!(found(&store, owner, ELEMENT, "another").await, None);
    assert_eq!(found(&store, owner, ELEMENT, "state").await, Some(id));
    store.write(move |conn| grants::delete(conn, owner, id)).await.unwrap();
    assert_eq!(found(&store, owner, ELEMENT, "state").await, None);
});

on_both_databases!(a_state_is_free_again_when_its_grant_has_run_out, |database| async move {
    let store = open(&database.url, 4);
    let owner = db_organization(&store).await.owner;
    db_grant(&store, owner, "old", TimeDelta::hours(1)).await.unwrap();
    assert_eq!(found(&store, owner, ELEMENT, "old").await, None, "it ran out this moment");
    let fresh = db_grant(&store, owner, "old", TimeDelta::zero()).await.unwrap();
    assert_eq!(found(&store, owner, ELEMENT, "old").await, Some(fresh));
    let again = db_grant(&store, owner, "old", TimeDelta::zero()).await;
    assert!(matches!(again, Err(StoreFault::Conflict(_))), "{again:?}");
    // The same state, hashed under another generation of the key.
    let (state_hash, expires_at) = (b"new".to_vec(), now() + TimeDelta::hours(1));
    let grant = Grant {
        id: 7,
        element_id: ELEMENT,
        state_hash,
        sealed: vec![1],
        expires_at,
        link_id: None,
        browser_hash: None,
        hold: None,
    };
    let again = store.write(move |conn| grants::insert(conn, owner, grant, &[b"old".to_vec()], now())).await;
    assert!(matches!(again, Err(StoreFault::Conflict(_))), "{again:?}");
});

on_both_databases!(a_link_keeps_its_newest_grants, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let of_link = async |owner, link, state: String, age| {
        let id = store.next_id().await.unwrap();
        let started = now() - age;
        let grant = Grant {
            id,
            element_id: ELEMENT,
            state_hash: state.into_bytes(),
            sealed: vec![1],
            expires_at: now() + TimeDelta::hours(1),
            link_id: Some(link),
            browser_hash: None,
            hold: None,
        };
        store.write(move |conn| grants::insert(conn, owner, grant, &[], started)).await.unwrap();
    };
    let stranger = organization.strangers().into_iter().next().expect("a stranger");
    of_link(owner, 8, "of another link".to_owned(), TimeDelta::minutes(50)).await;
    of_link(stranger, 7, "of another owner".to_owned(), TimeDelta::minutes(50)).await;
    db_grant(&store, owner, "of none", TimeDelta::minutes(50)).await.unwrap();
    // Not in the order of their ids: another process has other ids.
    let ages: Vec<i64> = (0..21).map(|number| (number * 8) % 21).collect();
    for age in &ages {
        of_link(owner, 7, format!("{age} minutes"), TimeDelta::minutes(*age)).await;
    }
    let mut kept = Vec::new();
    for age in 0..21 {
        kept.extend(found(&store, owner, ELEMENT, &format!("{age} minutes")).await.map(|_| age));
    }
    assert_eq!(kept, (0..20).collect::<Vec<_>>(), "the oldest made room");
    for state in ["of another link", "of none"] {
        assert!(found(&store, owner, ELEMENT, state).await.is_some(), "{state}");
    }
    assert!(found(&store, stranger, ELEMENT, "of another owner").await.is_some());
});

on_both_databases!(the_purge_takes_what_has_run_out_and_nothing_else, |database| async move {
    let store = open(&database.url, 4);
    let owner = db_organization(&store).await.owner;
    db_grant(&store, owner, "out", TimeDelta::minutes(61)).await.unwrap();
    let open_one = db_grant(&store, owner, "open", TimeDelta::minutes(59)).await.unwrap();
    assert_eq!(store.write(|conn| grants::purge(conn, now())).await.unwrap(), 1);
    assert_eq!(found(&store, owner, ELEMENT, "open").await, Some(open_one));
});
