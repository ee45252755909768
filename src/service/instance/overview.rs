//! What a person looks over: instances with their state and use, elements by a part of their name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::service::Services;
use crate::store::instances::overview;
use crate::store::partner_apps;

pub use crate::store::instances::overview::{Filter, Overview, State};

impl Services {
    /// The newest first, and the token of the next page.
    pub async fn instance_overview(
        &self,
        owner: Owner,
        filter: Filter,
        page: Page,
    ) -> Result<(Vec<Overview>, Option<String>), ApiError> {
        // No stored text holds a null byte, and PostgreSQL would not even look.
        if filter.text.as_deref().is_some_and(|text| text.contains('\0')) {
            return Ok((Vec::new(), None));
        }
        let valid = filter.state == Some(State::Valid);
        let rows = self.store.read_for(owner, move |conn| overview::list(conn, owner, &filter, page)).await?;
        let (mut rows, next) = page.cut(rows, |row| row.id);
        self.say_what_is_held(owner, &mut rows).await?;
        rows.retain(|row| !valid || row.state() == State::Valid);
        Ok((rows, next))
    }

    /// Their rows do not say it: it is the loaded file of the element that does not fit.
    async fn say_what_is_held(&self, owner: Owner, rows: &mut [Overview]) -> Result<(), ApiError> {
        let doubtful =
            rows.iter().filter(|row| row.invalid_reason.is_none() && self.may_be_held(owner, row.element_id));
        let ids: Vec<i64> = doubtful.map(|row| row.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let sealed = self.store.read_for(owner, move |conn| overview::sealed(conn, owner, &ids)).await?;
        let sealed: HashMap<i64, Vec<u8>> = sealed.into_iter().collect();
        for row in rows {
            if let Some(sealed) = sealed.get(&row.id) {
                row.invalid_reason = self.held(owner, (row.element_id, row.id), sealed);
            }
        }
        Ok(())
    }

    /// Elements whose name, key or description has this text, case ignored, and the token of the next page.
    pub fn find_elements(
        &self,
        owner: Owner,
        text: Option<&str>,
        hub: Option<&str>,
        page: Page,
    ) -> (Vec<Arc<Element>>, Option<String>) {
        let text = text.map(str::to_lowercase);
        let wanted = |element: &&Arc<Element>| {
            let texts = [&element.name, &element.key, &element.description];
            let fits = |wanted: &String| texts.iter().any(|text| text.to_lowercase().contains(wanted));
            element.active
                && element.id > page.after
                && hub.is_none_or(|hub| element.hub == hub)
                && text.as_ref().is_none_or(fits)
        };
        let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        page.cut(self.elements_of(owner).iter().filter(wanted).take(limit).cloned().collect(), |element| element.id)
    }

    pub fn hubs(&self, owner: Owner) -> BTreeSet<String> {
        self.elements_of(owner).iter().filter(|element| element.active).map(|element| element.hub.clone()).collect()
    }

    /// The elements that the owner has an OAuth app for, by id.
    pub async fn elements_with_app(&self, owner: Owner) -> Result<BTreeSet<i64>, ApiError> {
        let ids = self.store.read_for(owner, move |conn| partner_apps::elements(conn, owner)).await?;
        Ok(ids.into_iter().collect())
    }
}
