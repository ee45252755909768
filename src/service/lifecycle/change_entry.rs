//! The configuration of an instance, entry by entry.

use serde_json::{Map, Value};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::instance::input::InstanceInput;
use crate::service::instance::view::InstanceConfiguration;

impl Services {
    pub async fn instance_configuration(&self, owner: Owner, id: i64) -> Result<Vec<InstanceConfiguration>, ApiError> {
        self.configuration_view(&self.stored_instance(owner, id).await?)
    }

    pub async fn configuration_entry(
        &self,
        owner: Owner,
        id: i64,
        entry: i64,
    ) -> Result<InstanceConfiguration, ApiError> {
        let entries = self.instance_configuration(owner, id).await?;
        entries.into_iter().find(|known| known.id == entry).ok_or_else(|| {
            let message = format!("The instance {id} has no configuration entry {entry}.");
            ApiError::new(Code::ConfigurationNotFound, message)
        })
    }

    /// Changes one entry, with everything that a change of the instance's configuration entails.
    pub async fn change_configuration_entry(
        &self,
        actor: &Actor,
        id: i64,
        entry: i64,
        value: Value,
    ) -> Result<(InstanceConfiguration, Vec<String>), ApiError> {
        let owner = actor.owner();
        let key = self.configuration_entry(owner, id, entry).await?.key;
        let configuration = Some(Map::from_iter([(key, value)]));
        let input = InstanceInput { configuration, ..InstanceInput::default() };
        let without_effect = self.change_instance(actor, id, input, false).await?.without_effect;
        Ok((self.configuration_entry(owner, id, entry).await?, without_effect))
    }
}
