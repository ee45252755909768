//! Telling an organization what happened: an event becomes a notice for each receiver, in the transaction of the change
//! itself, and a job sends it.

pub mod deliveries;
mod of_links;
pub mod sending;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Services;
use crate::kernel::owner::Owner;
use crate::kernel::request_id::RequestId;
use crate::store::instances::InstanceRow;
use crate::store::notices::{self, Notice};
use crate::store::{AnyConn, StoreFault, Whose, webhooks};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InstanceCreated,
    /// The vendor refused to renew the token, which may be the end or not.
    InstanceFailing,
    /// The vendor has withdrawn the grant.
    InstanceInvalid,
    /// Its refresh token ends soon, whatever is done with it.
    InstanceExpiring,
    /// An invalid or failing instance has a new credential.
    InstanceRecovered,
    LinkOpened,
    LinkAuthorised,
    LinkDenied,
    LinkFailed,
    /// Nobody confirmed in time what came back.
    LinkLapsed,
    LinkExpired,
    LinkRevoked,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceCreated => "instance.created",
            Self::InstanceFailing => "instance.failing",
            Self::InstanceInvalid => "instance.invalid",
            Self::InstanceExpiring => "instance.expiring",
            Self::InstanceRecovered => "instance.recovered",
            Self::LinkOpened => "link.opened",
            Self::LinkAuthorised => "link.authorised",
            Self::LinkDenied => "link.denied",
            Self::LinkFailed => "link.failed",
            Self::LinkLapsed => "link.lapsed",
            Self::LinkExpired => "link.expired",
            Self::LinkRevoked => "link.revoked",
        }
    }
}

/// Something that happened to an instance or a link.
#[derive(Debug, Clone)]
pub struct Event {
    pub kind: Kind,
    pub instance_id: Option<i64>,
    pub link_id: Option<i64>,
    pub element_key: Option<String>,
    pub external_id: Option<String>,
    /// How the instance or the link is now.
    pub status: &'static str,
    pub reason: Option<String>,
    /// What the vendor told of a new instance, as far as it is kept and no secret.
    pub vendor_values: BTreeMap<String, String>,
}

/// What a receiver gets: the body of the request.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Notice)]
pub struct Payload {
    #[serde(rename = "type")]
    #[schema(example = "instance.invalid")]
    pub kind: String,
    /// When it happened.
    #[schema(example = "2026-03-01T12:00:00.123Z")]
    pub timestamp: String,
    pub data: PayloadData,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoticeData)]
pub struct PayloadData {
    pub instance_id: Option<i64>,
    pub link_id: Option<i64>,
    pub element_key: Option<String>,
    pub external_id: Option<String>,
    /// Of an instance `valid`, `failing` or `invalid`, of a link its status.
    #[schema(example = "invalid")]
    pub status: String,
    pub reason: Option<String>,
    /// Of a new instance: what the vendor told that the element keeps, but for secrets. Absent where there is nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vendor_values: BTreeMap<String, String>,
}

impl Event {
    pub fn of_instance(kind: Kind, row: &InstanceRow, reason: Option<&str>) -> Self {
        Self {
            kind,
            instance_id: Some(row.id),
            link_id: None,
            element_key: Some(row.element_key.clone()),
            external_id: row.external_id.clone(),
            status: match kind {
                Kind::InstanceInvalid => "invalid",
                Kind::InstanceFailing => "failing",
                _ => "valid",
            },
            reason: reason.map(str::to_owned),
            vendor_values: BTreeMap::new(),
        }
    }

    /// The same, where a connect link brought it about.
    #[must_use]
    pub fn by_link(self, link: i64) -> Self {
        Self { link_id: Some(link), ..self }
    }

    /// What it is about: events of one subject are told in their order.
    fn subject(&self) -> String {
        let instance = self.kind.as_str().starts_with("instance.");
        match (instance, self.link_id) {
            (false, Some(link)) => subject_of_link(link),
            _ => subject_of_instance(self.instance_id.unwrap_or_default()),
        }
    }

    fn payload(&self, at: DateTime<Utc>) -> Payload {
        Payload {
            kind: self.kind.as_str().to_owned(),
            timestamp: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            data: PayloadData {
                instance_id: self.instance_id,
                link_id: self.link_id,
                element_key: self.element_key.clone(),
                external_id: self.external_id.clone(),
                status: self.status.to_owned(),
                reason: self.reason.clone(),
                vendor_values: self.vendor_values.clone(),
            },
        }
    }
}

pub(super) fn subject_of_instance(id: i64) -> String {
    format!("instance:{id}")
}

pub(super) fn subject_of_link(id: i64) -> String {
    format!("link:{id}")
}

impl Services {
    /// The event as notices: to the organization's webhook, and to the address of the link `notify`. They are one message,
    /// so that a receiver behind both addresses knows it again. To be given to `enqueue` in the transaction of the change.
    pub fn notices(&self, owner: Owner, event: &Event, notify: Option<i64>) -> Vec<Notice> {
        let at = self.now();
        let message = message_of(self.request_id());
        let payload = serde_json::to_string(&event.payload(at)).unwrap_or_default();
        let to = |link_id: Option<i64>| Notice {
            owner,
            link_id,
            subject: event.subject(),
            kind: event.kind.as_str(),
            message: message.clone(),
            payload: payload.clone(),
            at,
        };
        [None].into_iter().chain(notify.map(Some)).map(to).collect()
    }

    /// Whether the organization may want to be told: from memory, for what must cost nothing where it does not. When memory
    /// cannot say, `enqueue` looks.
    pub(super) async fn may_have_webhook(&self, organization: i64) -> bool {
        let known = &self.warm.webhooks;
        if let Some(known) = self.warm.has_webhook(organization, self.now().timestamp()) {
            return *known;
        }
        let generation = known.generation();
        let read =
            self.store.read_for(Whose::of(organization), move |conn| webhooks::has_address(conn, organization)).await;
        read.map_or(true, |has| *known.remember(organization, has, generation))
    }
}

const MESSAGE: &str = "msg_";
/// How many notices this process has made: what tells those of one request apart.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The id of a new notice begins with the one of the request that caused it, which is drawn: a database that is made anew
/// repeats none, and whoever sends the notice later can say in the log for which request.
fn message_of(request: RequestId) -> String {
    format!("{MESSAGE}{request}{:08x}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// Of the request that caused a notice. An earlier version drew the whole id, and then it joins the notice's own lines alone.
fn request_of(message: &str) -> Option<RequestId> {
    RequestId::read(message.strip_prefix(MESSAGE)?)
}

/// Belongs into the transaction of the change, behind the writing of its row. Notices to a webhook that is not there are
/// not written.
pub fn enqueue(conn: &mut AnyConn, told: &[Notice]) -> Result<(), StoreFault> {
    told.iter().try_for_each(|notice| notices::enqueue(conn, notice))
}
