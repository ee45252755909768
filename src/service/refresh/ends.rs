//! Telling that a connection will end, while there is time for somebody to authorise it again.

use std::collections::BTreeMap;

use crate::kernel::clock::api_date;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::notices::{self, Event};
use crate::store::notices as rows;
use crate::store::token_ends::{self, Ending};

impl Services {
    /// Tells of refresh tokens that end soon, each once. How many were looked at. For all owners.
    pub async fn tell_token_ends(&self) -> Result<usize, ApiError> {
        let mut looked_at: usize = 0;
        loop {
            let now = self.now();
            // Nothing is written where nothing is due.
            if !self.store.read(move |conn| token_ends::any_due(conn, now)).await? {
                return Ok(looked_at);
            }
            let services = self.clone();
            let told = self.store.write(move |conn| {
                let due = token_ends::take_due(conn, now)?;
                let told: Vec<_> = due.iter().filter_map(|row| services.end_of(row)).flatten().collect();
                rows::enqueue_all(conn, &told)?;
                Ok(due.len())
            });
            match told.await? {
                // Another process was faster.
                0 => return Ok(looked_at),
                some => looked_at = looked_at.saturating_add(some),
            }
        }
    }

    fn end_of(&self, row: &Ending) -> Option<Vec<rows::Notice>> {
        let end = row.ends_at.filter(|_| row.invalid_reason.is_none())?;
        let owner: Owner = row.owner();
        let element = self.element_by_id(owner, row.element_id);
        let vendor = element.as_ref().map_or(row.element_key.as_str(), |element| element.name.as_str());
        let reason = format!(
            "The refresh token of {vendor} ends at {}: the user must authorise again before then.",
            api_date(end.into())
        );
        let event = Event {
            kind: notices::Kind::InstanceExpiring,
            instance_id: Some(row.id),
            link_id: None,
            element_key: Some(row.element_key.clone()),
            external_id: row.external_id.clone(),
            status: "valid",
            reason: Some(reason),
            vendor_values: BTreeMap::new(),
        };
        Some(self.notices(owner, &event, None))
    }
}
