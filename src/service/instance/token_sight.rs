//! Who sees an instance's token. It calls the vendor in its customer's name.

use super::view::InstanceView;
use crate::kernel::error::ApiError;
use crate::kernel::secret::MASK;
use crate::service::Services;
use crate::store::principals::Principal;

/// Whose tokens a reply has, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensRead {
    /// Of the first of them.
    pub instance: i64,
    pub count: usize,
}

impl Services {
    /// Whether this caller sees the tokens of instances that others made. From memory when warm.
    pub async fn sees_every_token(&self, caller: &Principal) -> Result<bool, ApiError> {
        Ok(caller.organization_admin || self.organization_settings(caller.owner.organization).await?.users_see_tokens)
    }

    /// Masks the tokens that the caller may not see; who made an instance sees its token. None: they are all masked.
    pub async fn show_tokens(
        &self,
        caller: &Principal,
        instances: &mut [InstanceView],
    ) -> Result<Option<TokensRead>, ApiError> {
        if !self.sees_every_token(caller).await? {
            for other in instances.iter_mut().filter(|instance| instance.user.id != caller.user) {
                MASK.clone_into(&mut other.token);
            }
        }
        let mut seen = instances.iter().filter(|instance| instance.token != MASK).map(|instance| instance.id);
        Ok(seen.next().map(|instance| TokensRead { instance, count: seen.count().saturating_add(1) }))
    }
}
