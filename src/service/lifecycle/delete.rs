//! `DELETE`: the row goes at once, its grant at the vendor in a job that may fail without keeping the row.

use crate::kernel::error::ApiError;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::credentials::revocations::revoke_unless_shared;
use crate::service::ground::Races;
use crate::service::instance::schedule::lease_name;
use crate::service::{Services, of_instance};
use crate::store::{StoreFault, instances, leases};

impl Services {
    pub async fn delete_instance(&self, actor: &Actor, id: i64) -> Result<(), ApiError> {
        let (owner, trail) = (actor.owner(), self.store.next_id().await?);
        let mut races = Races::default();
        loop {
            let stored = self.stored_instance(owner, id).await?;
            let (version, revocation) = (stored.credential.version, self.revocation_of(&stored).await?);
            let trail = self.audit_with(trail, actor, Deed::InstanceDeleted, (id, &stored.instance.external_id))?;
            let now = self.now();
            let deleted = self.store.write_for(owner, move |conn| {
                instances::delete(conn, owner, (id, version), now, &trail)?;
                leases::forget(conn, &lease_name(id))?;
                revocation.map_or(Ok(()), |revocation| revoke_unless_shared(conn, owner, revocation, now))
            });
            match deleted.await {
                // It was refreshed meanwhile: the new token is the one to be revoked.
                Err(StoreFault::Conflict(_)) => {
                    races.lost()?;
                    continue;
                }
                outcome => outcome.map_err(of_instance(id))?,
            }
            self.warm.forget([&id]);
            self.rooms.freed(owner.organization);
            return Ok(());
        }
    }
}
