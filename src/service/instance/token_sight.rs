//! Who sees an instance's token. It calls the vendor in its customer's name.

use super::view::InstanceView;
use crate::kernel::error::ApiError;
use crate::kernel::secret::MASK;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;

/// Whose tokens a reply has, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensRead {
    /// Of the first of them.
    pub instance: i64,
    pub count: usize,
}

impl Services {
    /// Whether this caller sees the tokens of instances that others made. From memory when warm.
    pub async fn sees_every_token(&self, actor: &Actor) -> Result<bool, ApiError> {
        Ok(actor.may(Action::SeeTokens) || self.organization_settings(actor.organization()).await?.users_see_tokens)
    }

    /// Masks the tokens that the caller may not see; who made an instance sees its token. None: they are all masked.
    pub async fn show_tokens(
        &self,
        actor: &Actor,
        instances: &mut [InstanceView],
    ) -> Result<Option<TokensRead>, ApiError> {
        if !self.sees_every_token(actor).await? {
            for other in instances.iter_mut().filter(|instance| Some(instance.user.id) != actor.user_id()) {
                MASK.clone_into(&mut other.token);
            }
        }
        let mut seen = instances.iter().filter(|instance| instance.token != MASK).map(|instance| instance.id);
        Ok(seen.next().map(|instance| TokensRead { instance, count: seen.count().saturating_add(1) }))
    }
}
