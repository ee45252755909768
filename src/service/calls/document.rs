//! API documents made from the elements' resources (docs/api.md, API documents).

use serde_json::Value;
use url::Url;

use super::vendor::VendorAccess;
use crate::hub::document::{Document, Version};
use crate::hub::objects::ObjectMetadata;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::plain_text::shortened;
use crate::outbound::Line;
use crate::service::Services;

/// Which document is wanted.
#[derive(Debug, Clone)]
pub struct DocumentQuery {
    pub version: Version,
    /// Where the API begins, as its callers see it.
    pub base: Url,
    /// Only this one.
    pub operation: Option<String>,
    /// Definitions stand where they are needed.
    pub inline: bool,
}

impl DocumentQuery {
    fn answer(&self, document: Document) -> Result<Value, ApiError> {
        let document = match &self.operation {
            None => document,
            Some(id) => document.only(id).ok_or_else(|| {
                let message =
                    format!("There is no operation {}: take an operationId of the whole document.", shortened(id));
                ApiError::new(Code::ResourceNotFound, message)
            })?,
        };
        Ok(document.render(self.version, &self.base, self.inline))
    }
}

impl Services {
    /// `owner`: whose element; none is anybody.
    pub fn element_document(
        &self,
        owner: Option<Owner>,
        key_or_id: &str,
        query: &DocumentQuery,
    ) -> Result<Value, ApiError> {
        query.answer(Document::of_element(self.element_of(owner, key_or_id)?.as_ref()))
    }

    /// Of all elements of a hub together.
    pub fn hub_document(&self, owner: Option<Owner>, hub: &str, query: &DocumentQuery) -> Result<Value, ApiError> {
        let all = self.elements_of(owner);
        let mut elements = all.iter().map(AsRef::as_ref).filter(|element| element.hub == hub).peekable();
        if elements.peek().is_none() {
            let mut hubs: Vec<&str> = all.iter().map(|element| element.hub.as_str()).collect();
            hubs.sort_unstable();
            hubs.dedup();
            let message = format!("No element found in a hub {}: the hubs are {}.", shortened(hub), hubs.join(", "));
            return Err(ApiError::new(Code::ElementNotFound, message));
        }
        query.answer(Document::of_hub(hub, elements))
    }

    /// A disabled instance has one too.
    pub async fn instance_document(
        &self,
        owner: Owner,
        instance: i64,
        query: &DocumentQuery,
    ) -> Result<Value, ApiError> {
        let live = self.live_instance(owner, instance).await?;
        query.answer(Document::of_element(&live.element))
    }

    /// `discovery`: the vendor is asked for the fields, those of its customer included.
    pub async fn object_document<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        name: &str,
        discovery: bool,
        query: &DocumentQuery,
    ) -> Result<Value, ApiError> {
        let live = self.live_instance(access.owner, access.instance).await?;
        let discovered: Option<ObjectMetadata> = match discovery {
            true => Some(self.object_metadata(access, name).await?),
            false => None,
        };
        let fields = discovered.as_ref().map(|found| found.fields.as_slice());
        let document = Document::of_object(&live.element, name, fields).ok_or_else(|| {
            let message = format!("{} has no object {}: see /objects.", live.element.name, shortened(name));
            ApiError::new(Code::ResourceNotFound, message)
        })?;
        query.answer(document)
    }
}
