//! `Idempotency-Key`: one claim, one answer, per owner.

use chrono::{DateTime, TimeDelta, Utc};
use ligand::kernel::owner::Owner;
use ligand::store::idempotency::{self, Claim, Hashes};
use ligand::store::{Store, StoreFault};

use super::on_both_databases;
use super::rows::{db_organization, now};

async fn claim(store: &Store, owner: Owner, id: i64, request: &str, at: DateTime<Utc>) -> Result<Claim, StoreFault> {
    claim_under(store, owner, id, (hashes("key", request), &[]), at).await
}

fn hashes(key: &str, request: &str) -> Hashes {
    Hashes { key: key.as_bytes().to_vec(), request: request.as_bytes().to_vec() }
}

async fn claim_under(
    store: &Store,
    owner: Owner,
    id: i64,
    (own, others): (Hashes, &[Hashes]),
    at: DateTime<Utc>,
) -> Result<Claim, StoreFault> {
    let (others, abandoned) = (others.to_vec(), at - TimeDelta::minutes(5));
    store.write(move |conn| idempotency::claim(conn, owner, id, own, &others, (at, abandoned))).await
}

on_both_databases!(a_claim_under_another_generation_of_the_key_is_the_same_claim, |database| async move {
    let store = open(&database.url, 4);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a", now()).await, Ok(Claim::New)));
    let later = |request: &str| (hashes("new key", "new a"), [hashes("other", "other"), hashes("key", request)]);
    let (own, others) = later("a");
    assert!(matches!(claim_under(&store, owner, 2, (own, &others), now()).await, Ok(Claim::Running)));
    let (own, others) = later("b");
    assert!(matches!(claim_under(&store, owner, 2, (own, &others), now()).await, Ok(Claim::OtherRequest)));
    let (own, _) = later("a");
    assert!(matches!(claim_under(&store, owner, 2, (own, &[]), now()).await, Ok(Claim::New)), "nobody looked for it");
});

on_both_databases!(a_claim_is_held_until_it_is_finished_or_released, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    assert!(matches!(claim(&store, owner, 1, "a", now()).await, Ok(Claim::New)));
    assert!(matches!(claim(&store, owner, 2, "a", now()).await, Ok(Claim::Running)));
    assert!(matches!(claim(&store, owner, 2, "b", now()).await, Ok(Claim::OtherRequest)));
    store.write(move |conn| idempotency::release(conn, owner, 1)).await.unwrap();
    assert!(matches!(claim(&store, owner, 3, "b", now()).await, Ok(Claim::New)));
    store.write(move |conn| idempotency::finish(conn, owner, 3, b"answer")).await.unwrap();
    let repeated = claim(&store, owner, 4, "b", now()).await;
    assert!(matches!(&repeated, Ok(Claim::Done { id: 3, reply_sealed }) if reply_sealed == b"answer"), "{repeated:?}");
    store.write(move |conn| idempotency::release(conn, owner, 3)).await.unwrap();
    let repeated = claim(&store, owner, 4, "b", now()).await;
    assert!(matches!(repeated, Ok(Claim::Done { .. })), "an answer is not released: {repeated:?}");
});

on_both_databases!(a_key_means_nothing_to_other_owners, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    assert!(matches!(claim(&store, owner, 1, "a", now()).await, Ok(Claim::New)));
    for (number, stranger) in organization.strangers().into_iter().enumerate() {
        store.write(move |conn| idempotency::finish(conn, stranger, 1, b"forged")).await.unwrap();
        store.write(move |conn| idempotency::release(conn, stranger, 1)).await.unwrap();
        let id = 10 + i64::try_from(number).unwrap();
        assert!(matches!(claim(&store, stranger, id, "b", now()).await, Ok(Claim::New)));
    }
    assert!(matches!(claim(&store, owner, 2, "a", now()).await, Ok(Claim::Running)), "nobody touched it");
});

on_both_databases!(the_claim_of_a_dead_process_is_taken_over_once, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a", now()).await, Ok(Claim::New)));
    let later = now() + TimeDelta::minutes(6);
    let claims = futures_util::future::join_all((2..10).map(|id| claim(&store, owner, id, "a", later))).await;
    let new = claims.iter().filter(|claim| matches!(claim, Ok(Claim::New))).count();
    assert_eq!(new, 1, "{claims:?}");
    assert!(claims.iter().all(|claim| matches!(claim, Ok(Claim::New | Claim::Running))), "{claims:?}");
    // The late answer of the process that was thought dead does not count.
    store.write(move |conn| idempotency::finish(conn, owner, 1, b"late")).await.unwrap();
    assert!(matches!(claim(&store, owner, 11, "a", later).await, Ok(Claim::Running)));
});

on_both_databases!(of_many_first_claims_at_once_one_is_new, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    let claims = futures_util::future::join_all((1..9).map(|id| claim(&store, owner, id, "a", now()))).await;
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Ok(Claim::New))).count(), 1, "{claims:?}");
    // On PostgreSQL a loser of the race meets the unique key, which the use case takes for the same.
    let lost = |claim: &Result<Claim, StoreFault>| matches!(claim, Ok(Claim::Running) | Err(StoreFault::Conflict(_)));
    assert_eq!(claims.iter().filter(|claim| lost(claim)).count(), 7, "{claims:?}");
});
