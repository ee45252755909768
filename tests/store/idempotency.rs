//! `Idempotency-Key`: one claim, one answer, per owner.

use chrono::TimeDelta;
use ligand::kernel::owner::Owner;
use ligand::store::idempotency::{self, Claim, Claimant, Hashes};
use ligand::store::leases::{self, Lease};
use ligand::store::{Store, StoreFault, processes};

use super::on_both_databases;
use super::rows::{db_organization, now};

const PROCESS: i64 = 77;
const OTHER: i64 = 88;

async fn claim(store: &Store, owner: Owner, id: i64, request: &str) -> Result<Claim, StoreFault> {
    claim_under(store, claimant(owner, id), (hashes("key", request), &[])).await
}

fn claimant(owner: Owner, id: i64) -> Claimant {
    Claimant {
        owner,
        id,
        process: PROCESS,
        now: now(),
        abandoned: now() - TimeDelta::minutes(5),
        dead: None,
        has_room: true,
    }
}

fn hashes(key: &str, request: &str) -> Hashes {
    Hashes { key: key.as_bytes().to_vec(), request: request.as_bytes().to_vec() }
}

async fn claim_under(
    store: &Store,
    claimant: Claimant,
    (own, others): (Hashes, &[Hashes]),
) -> Result<Claim, StoreFault> {
    let others = others.to_vec();
    store.write(move |conn| idempotency::claim(conn, claimant, own, &others)).await
}

/// As who waits for the claim sees its lease.
fn lease_of(claim: Result<Claim, StoreFault>) -> Lease {
    match claim {
        Ok(Claim::Running { seen, .. }) => seen.lease,
        other => panic!("it runs: {other:?}"),
    }
}

on_both_databases!(a_claim_under_another_generation_of_the_key_is_the_same_claim, |database| async move {
    let store = open(&database.url, 4);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    let later = |request: &str| (hashes("new key", "new a"), [hashes("other", "other"), hashes("key", request)]);
    let (own, others) = later("a");
    assert!(matches!(claim_under(&store, claimant(owner, 2), (own, &others)).await, Ok(Claim::Running { .. })));
    let (own, others) = later("b");
    assert!(matches!(claim_under(&store, claimant(owner, 2), (own, &others)).await, Ok(Claim::OtherRequest)));
    let (own, _) = later("a");
    assert!(
        matches!(claim_under(&store, claimant(owner, 2), (own, &[])).await, Ok(Claim::New)),
        "nobody looked for it"
    );
});

on_both_databases!(a_claim_is_held_until_it_is_finished_or_released, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    assert!(matches!(claim(&store, owner, 2, "a").await, Ok(Claim::Running { .. })));
    assert!(matches!(claim(&store, owner, 2, "b").await, Ok(Claim::OtherRequest)));
    store.write(move |conn| idempotency::release(conn, owner, 1)).await.unwrap();
    assert!(matches!(claim(&store, owner, 3, "b").await, Ok(Claim::New)));
    store.write(move |conn| idempotency::finish(conn, owner, 3, b"answer")).await.unwrap();
    let repeated = claim(&store, owner, 4, "b").await;
    assert!(matches!(&repeated, Ok(Claim::Done { id: 3, reply_sealed }) if reply_sealed == b"answer"), "{repeated:?}");
    store.write(move |conn| idempotency::release(conn, owner, 3)).await.unwrap();
    let repeated = claim(&store, owner, 4, "b").await;
    assert!(matches!(repeated, Ok(Claim::Done { .. })), "an answer is not released: {repeated:?}");
});

on_both_databases!(a_key_means_nothing_to_other_owners, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    for (number, stranger) in organization.strangers().into_iter().enumerate() {
        store.write(move |conn| idempotency::finish(conn, stranger, 1, b"forged")).await.unwrap();
        store.write(move |conn| idempotency::release(conn, stranger, 1)).await.unwrap();
        let id = 10 + i64::try_from(number).unwrap();
        assert!(matches!(claim(&store, stranger, id, "b").await, Ok(Claim::New)));
    }
    assert!(matches!(claim(&store, owner, 2, "a").await, Ok(Claim::Running { .. })), "nobody touched it");
});

on_both_databases!(the_claim_of_a_dead_process_is_taken_over_once, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    let seen = lease_of(claim(&store, owner, 2, "a").await);
    assert_eq!(seen.holder, PROCESS);
    // It showed life meanwhile: what was seen does not count any more.
    assert!(store.write(|conn| idempotency::beat(conn, 1, PROCESS)).await.unwrap());
    let knowing = |id, dead| claim_under(&store, Claimant { dead, ..claimant(owner, id) }, (hashes("key", "a"), &[]));
    let dead = lease_of(knowing(3, Some(seen)).await);
    let claims = futures_util::future::join_all((4..12).map(|id| knowing(id, Some(dead)))).await;
    let new = claims.iter().filter(|claim| matches!(claim, Ok(Claim::New))).count();
    assert_eq!(new, 1, "{claims:?}");
    assert!(claims.iter().all(|claim| matches!(claim, Ok(Claim::New | Claim::Running { .. }))), "{claims:?}");
    // The late answer of the process that was thought dead does not count.
    store.write(move |conn| idempotency::finish(conn, owner, 1, b"late")).await.unwrap();
    assert!(!store.write(|conn| idempotency::beat(conn, 1, PROCESS)).await.unwrap());
    assert!(matches!(claim(&store, owner, 12, "a").await, Ok(Claim::Running { .. })));
});

on_both_databases!(a_claim_without_a_lease_is_of_an_older_version_and_given_up_by_age, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    database.execute("DELETE FROM lease");
    let repeated = claim(&store, owner, 2, "a").await;
    assert!(matches!(repeated, Ok(Claim::RunningSince(since)) if since == now()), "{repeated:?}");
    let later = Claimant { abandoned: now() + TimeDelta::seconds(1), ..claimant(owner, 3) };
    assert!(matches!(claim_under(&store, later, (hashes("key", "a"), &[])).await, Ok(Claim::New)));
    assert_eq!(lease_of(claim(&store, owner, 4, "a").await).holder, PROCESS);
});

on_both_databases!(the_claims_of_a_process_end_with_it, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    assert!(matches!(claim(&store, owner, 1, "a").await, Ok(Claim::New)));
    let others = Claimant { process: OTHER, ..claimant(owner, 2) };
    assert!(matches!(claim_under(&store, others, (hashes("other", "a"), &[])).await, Ok(Claim::New)));
    assert_eq!(store.write(|conn| processes::leave(conn, PROCESS)).await.unwrap(), 1);
    assert!(matches!(claim(&store, owner, 3, "a").await, Ok(Claim::New)));
    let repeated = claim_under(&store, claimant(owner, 4), (hashes("other", "a"), &[])).await;
    assert_eq!(lease_of(repeated).holder, OTHER, "it goes on");
    // Answered or not, no claim leaves a lease behind.
    store.write(move |conn| idempotency::finish(conn, owner, 3, b"answer")).await.unwrap();
    let found = |name: &'static str| store.read(move |conn| leases::find(conn, name));
    for name in ["claim/1", "claim/3", "claim/4"] {
        assert_eq!(found(name).await.unwrap(), None, "{name}");
    }
    assert!(found("claim/2").await.unwrap().is_some());
    store.write(|conn| idempotency::purge(conn, now() + TimeDelta::days(2))).await.unwrap();
    assert_eq!(found("claim/2").await.unwrap(), None);
});

on_both_databases!(of_many_first_claims_at_once_one_is_new, |database| async move {
    let store = open(&database.url, 8);
    let owner = db_organization(&store).await.owner;
    let claims = futures_util::future::join_all((1..9).map(|id| claim(&store, owner, id, "a"))).await;
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Ok(Claim::New))).count(), 1, "{claims:?}");
    // On PostgreSQL a loser of the race meets the unique key, which the use case takes for the same.
    let lost =
        |claim: &Result<Claim, StoreFault>| matches!(claim, Ok(Claim::Running { .. }) | Err(StoreFault::Conflict(_)));
    assert_eq!(claims.iter().filter(|claim| lost(claim)).count(), 7, "{claims:?}");
});
