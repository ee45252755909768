//! Many instances like one that was made through the API.

use ligand::kernel::owner::Owner;
use ligand::kernel::secret::Secret;
use ligand::service::Services;
use ligand::store::audit::Trail;
use ligand::store::instances::{self, Stored};
use ligand::store::sealed::{CONFIGURATION, CREDENTIAL, Column, INSTANCE_TOKEN};
use ligand::vault::lookup::Purpose;

/// Far above every id that the server gives out meanwhile.
pub const FIRST: i64 = 10_000_000;

pub async fn owner(services: &Services) -> Owner {
    services.store.read(ligand::store::principals::list).await.expect("users")[0].owner
}

/// The token of a copy.
pub fn token_of(id: i64) -> String {
    format!("token-of-{id}")
}

/// Copies whose configuration, token and credential open in their own place. Their ids are `FIRST..FIRST + count`.
pub async fn copy(services: &Services, pattern: i64, count: i64) -> Owner {
    let owner = owner(services).await;
    let pattern = services.store.read(move |conn| instances::find(conn, owner, pattern)).await.expect("the pattern");
    let place = |column: Column, id: i64| column.place(owner.organization, id);
    let sealed =
        |column: Column, plain: &[u8], id: i64| services.vault.seal(place(column, id), plain).expect("it is sealed");
    let resealed = |column: Column, old: &[u8], id: i64| {
        sealed(column, &services.vault.open(place(column, pattern.instance.id), old).expect("it opens"), id)
    };
    let ids: Vec<i64> = (FIRST..FIRST + count).collect();
    for batch in ids.chunks(500) {
        let copies: Vec<Stored> = batch
            .iter()
            .map(|id| {
                let (mut copy, token) = (pattern.clone(), Secret::new(token_of(*id)));
                copy.instance.id = *id;
                copy.instance.token_hash = services.lookup.hash(Purpose::InstanceToken, &token);
                copy.instance.configuration_sealed =
                    resealed(CONFIGURATION, &pattern.instance.configuration_sealed, *id);
                copy.instance.token_sealed = sealed(INSTANCE_TOKEN, token.expose().as_bytes(), *id);
                copy.credential.instance_id = *id;
                copy.credential.sealed = resealed(CREDENTIAL, &pattern.credential.sealed, *id);
                copy
            })
            .collect();
        let insert = move |conn: &mut _| {
            copies.iter().try_for_each(|copy| {
                instances::insert(conn, owner, (&copy.instance, &copy.credential), &[], &Trail::Not("a copy"))
            })
        };
        services.store.write(insert).await.expect("the copies are written");
    }
    owner
}
