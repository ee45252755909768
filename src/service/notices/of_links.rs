//! What is told of connect links.

use std::collections::BTreeMap;

use super::Event;
use crate::service::links::status::Status;
use crate::service::links::{stored_outcome, stored_status};
use crate::service::{Services, notices};
use crate::store::links::LinkRow;
use crate::store::{AnyConn, StoreFault};

impl Services {
    /// Tells who listens that a link changed. Inside the transaction that changes it, after the row.
    pub(in crate::service) fn tell_link(&self, conn: &mut AnyConn, row: &LinkRow) -> Result<(), StoreFault> {
        let status = stored_status(row);
        let outcome = stored_outcome(row)?;
        let lapsed = outcome.lapsed && status == Status::Failed;
        let kind = if lapsed { Some(notices::Kind::LinkLapsed) } else { kind_of(status) };
        let Some(kind) = kind else { return Ok(()) };
        let element = row.element_id.and_then(|id| self.element_by_id(row.owner(), id));
        let event = Event {
            kind,
            instance_id: row.instance_id.filter(|_| status == Status::Authorised),
            link_id: Some(row.id),
            element_key: element.map(|element| element.key.clone()),
            external_id: row.external_id.clone(),
            status: status.as_str(),
            reason: outcome.reason().map(|reason| reason.as_str().to_owned()),
            vendor_values: BTreeMap::new(),
        };
        let notify = self.open_link(row.clone()).is_ok_and(|link| link.settings.notify_url.is_some());
        notices::enqueue(conn, &self.notices(row.owner(), &event, notify.then_some(row.id)))
    }
}

fn kind_of(status: Status) -> Option<notices::Kind> {
    match status {
        Status::Pending => None,
        Status::Opened => Some(notices::Kind::LinkOpened),
        Status::Authorised => Some(notices::Kind::LinkAuthorised),
        Status::Denied => Some(notices::Kind::LinkDenied),
        Status::Failed => Some(notices::Kind::LinkFailed),
        Status::Expired => Some(notices::Kind::LinkExpired),
        Status::Revoked => Some(notices::Kind::LinkRevoked),
    }
}
