//! A link that ends with the instance that it was made for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::links::status::Status;
use crate::service::links::stored_status;
use crate::store::audit::{Record, Trail};
use crate::store::links::{self as rows, LinkRow};
use crate::store::time::UtcTime;
use crate::store::{AnyConn, StoreFault};

/// A link's part in the transaction that connects an instance.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::service) struct LinkEnd {
    pub link: i64,
    pub element: i64,
    pub instance: i64,
    pub outcome: String,
    #[serde(default)]
    pub trail: Option<Box<Record>>,
}

pub(super) enum Checked {
    Open(Box<LinkRow>),
    Ended(Box<LinkRow>),
}

impl LinkEnd {
    pub(super) fn check(&self, conn: &mut AnyConn, owner: Owner, now: DateTime<Utc>) -> Result<Checked, StoreFault> {
        let row = Box::new(rows::find(conn, owner, self.link)?);
        let status = stored_status(&row).at(now, row.expires_at.into());
        Ok(if status.may_become(Status::Authorised) { Checked::Open(row) } else { Checked::Ended(row) })
    }

    pub fn write(&self, conn: &mut AnyConn, services: &Services, link: LinkRow) -> Result<(), StoreFault> {
        let row = LinkRow {
            status: Status::Authorised.as_str().to_owned(),
            element_id: Some(self.element),
            instance_id: Some(self.instance),
            outcome: self.outcome.clone(),
            updated_at: UtcTime(services.now()),
            ..link
        };
        let trail = self.trail.clone().map_or(Trail::Not("the version before kept none"), Trail::Of);
        rows::update(conn, row.owner(), &row, &trail)?;
        services.tell_link(conn, &row)
    }
}
