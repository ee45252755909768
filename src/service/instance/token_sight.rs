//! Who sees an instance's token, and the line of the log about who saw one. The token calls the vendor in its customer's name.

use std::net::IpAddr;

use super::view::InstanceView;
use crate::kernel::error::ApiError;
use crate::kernel::secret::MASK;
use crate::service::Services;
use crate::service::people::passwords::told;
use crate::store::principals::Principal;

impl Services {
    /// Whether this caller sees the tokens of instances that others made. From memory when warm.
    pub async fn sees_every_token(&self, caller: &Principal) -> Result<bool, ApiError> {
        Ok(caller.organization_admin || self.organization_settings(caller.owner.organization).await?.users_see_tokens)
    }

    /// Masks the tokens that the caller may not see; who made an instance sees its token.
    pub async fn show_tokens(
        &self,
        caller: &Principal,
        address: Option<IpAddr>,
        instances: &mut [InstanceView],
    ) -> Result<(), ApiError> {
        if !self.sees_every_token(caller).await? {
            for other in instances.iter_mut().filter(|instance| instance.user.id != caller.user) {
                MASK.clone_into(&mut other.token);
            }
        }
        let mut seen = instances.iter().filter(|instance| instance.token != MASK).map(|instance| instance.id);
        if let Some(first) = seen.next() {
            let count = seen.count().saturating_add(1);
            tokens_read(caller, address, first, count);
        }
        Ok(())
    }

    /// As `show_tokens` says it, of one whose text is there already.
    pub fn note_token_read(&self, caller: &Principal, address: Option<IpAddr>, instance: i64) {
        tokens_read(caller, address, instance, 1);
    }
}

/// `first`: the id of the only instance, or of the first of several.
fn tokens_read(caller: &Principal, address: Option<IpAddr>, first: i64, count: usize) {
    tracing::info!(
        target: "ligand::people", act = "tokens read", user = caller.user, name = %caller.email, address = %told(address),
        instance = first, count
    );
}
