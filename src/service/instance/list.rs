//! Lists and counts of instances (docs/api.md, Instances).

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::input::MOST_TAGS;
use super::view::InstanceView;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::service::Services;
use crate::service::keys::unopened::unless_unopened;
use crate::store::instances::{self, Filter};

/// How many instances there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCount {
    pub total_instances: i64,
    pub element_instances: Vec<ElementInstances>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElementInstances {
    pub element_id: i64,
    pub element_key: String,
    pub instances: i64,
}

/// A list wants instances of one element, by tags, name or customer.
#[derive(Debug, Clone, Default)]
pub struct InstanceQuery {
    pub element: Option<String>,
    pub tags: Vec<String>,
    pub search_text: Option<String>,
    pub external_id: Option<String>,
    /// With configuration.
    pub hydrate: bool,
}

/// Bytes of configuration that are opened without a pause.
const AT_A_STRETCH: usize = 128 << 10;

impl Services {
    pub async fn get_instance(&self, owner: Owner, id: i64) -> Result<InstanceView, ApiError> {
        let stored = self.stored_instance(owner, id).await;
        self.view(&stored.map_err(|error| self.unless_under_way(owner, id, error))?, true)
    }

    /// The instances in ascending order of ids, and the token of the next page.
    pub async fn list_instances(
        &self,
        owner: Owner,
        query: InstanceQuery,
        page: Page,
    ) -> Result<(Vec<InstanceView>, Option<String>), ApiError> {
        let tags: BTreeSet<String> = query.tags.into_iter().collect();
        // No instance has more, and every one of them is a condition of the statement.
        if tags.len() > MOST_TAGS {
            let message = format!("At most {MOST_TAGS} different tags can be asked for.");
            return Err(ApiError::new(Code::BadTags, message));
        }
        let element_id = query.element.as_deref().map(|named| self.element_of(owner, named).map(|element| element.id));
        let texts = tags.iter().chain(&query.search_text).chain(&query.external_id);
        // No stored text holds a null byte, and PostgreSQL would not even look.
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Ok((Vec::new(), None));
        }
        let filter = Filter {
            element_id: element_id.transpose()?,
            tags: tags.into_iter().collect(),
            search_text: query.search_text,
            external_id: query.external_id,
        };
        let (rows, page) = self.store.read_for(owner, move |conn| instances::list(conn, owner, &filter, page)).await?;
        let (rows, next) = page.cut(rows, |row| row.instance.id);
        let mut views = Vec::with_capacity(rows.len());
        let mut worked = 0_usize;
        for stored in rows {
            worked = worked.saturating_add(stored.instance.configuration_sealed.len());
            views.extend(unless_unopened(self.view(&stored, query.hydrate))?);
            if worked > AT_A_STRETCH {
                // Others on this thread want their turn.
                tokio::task::yield_now().await;
                worked = 0;
            }
        }
        Ok((views, next))
    }

    pub async fn count_instances(&self, owner: Owner) -> Result<InstanceCount, ApiError> {
        let counts = self.store.read_for(owner, move |conn| instances::count_by_element(conn, owner)).await?;
        let total_instances = counts.iter().map(|(_, count)| count).sum();
        let key_of =
            |id: i64| self.element_by_id(owner, id).map_or_else(|| id.to_string(), |element| element.key.clone());
        let by_element = counts.into_iter();
        let element_instances = by_element
            .map(|(element_id, instances)| ElementInstances { element_id, element_key: key_of(element_id), instances })
            .collect();
        Ok(InstanceCount { total_instances, element_instances })
    }
}

/// The 404 of an empty list: clients match `No … found` (docs/api.md, Lists).
pub fn nothing_found(things: &str) -> ApiError {
    ApiError::new(Code::NothingFound, format!("No {things} found"))
}
