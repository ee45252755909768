//! What is to be stored of a grant, as data: the same transaction writes it at once, after an outage, or from a journal.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::link_end::{Checked, LinkEnd};
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::credentials::revocations::{GrantToRevoke, revoke_unless_shared};
use crate::service::notices::{self, Event, Kind};
use crate::store::audit::{Record, Trail};
use crate::store::instances::{self, CredentialRow, InstanceRow};
use crate::store::links::LinkRow;
use crate::store::notices::Notice;
use crate::store::spent_codes::{self, CodeUse};
use crate::store::{AnyConn, StoreFault, grants, idempotency, leases, refreshes, revocation_orders};
use crate::vault::Document;

/// What is stored within this time the last look of an order finds.
pub(in crate::service) const NEW: TimeDelta = TimeDelta::seconds(5);

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// A new instance.
    Create,
    /// An instance with a new grant, and whatever else was changed with it.
    Change,
    /// A new token of the same grant. Of the instance's row only what is known of the account is written.
    Renew,
}

/// A grant with the rows that it is to become. What is secret in them is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    pub owner: Owner,
    pub act: Act,
    pub instance: InstanceRow,
    /// Its version is the one that it began from: a newer one means that somebody else was there.
    pub credential: CredentialRow,
    #[serde(default)]
    pub tags: Vec<String>,
    /// The authorization that it ends.
    #[serde(default)]
    pub grant: Option<i64>,
    /// The `Idempotency-Key` that it ends, with the sealed answer.
    #[serde(default)]
    pub answer: Option<(i64, Vec<u8>)>,
    /// The use of the code that it came from.
    #[serde(default)]
    pub code: Option<CodeUse>,
    /// The connect link that it ends.
    #[serde(default)]
    pub link: Option<LinkEnd>,
    /// The grant of another account, which makes room for it.
    #[serde(default)]
    pub replaces: Option<GrantToRevoke>,
    /// The instance was invalid or failing before.
    #[serde(default)]
    pub recovers: bool,
    /// The lease under which it came, and its holder: given back with the commit.
    #[serde(default)]
    pub lease: Option<(Arc<str>, i64)>,
    /// What the commit leaves in the audit log; none of a renewed token, and of the version before.
    #[serde(default)]
    pub trail: Option<Box<Record>>,
    /// Drawn once, so that a commit that is tried again tells the same.
    #[serde(skip)]
    pub told: Vec<Notice>,
}

impl Document for Entry {
    const KIND: &'static str = "entry";
}

impl Entry {
    pub fn new(owner: Owner, act: Act, instance: InstanceRow, credential: CredentialRow) -> Self {
        Self {
            owner,
            act,
            instance,
            credential,
            tags: Vec::new(),
            grant: None,
            answer: None,
            code: None,
            link: None,
            replaces: None,
            recovers: false,
            lease: None,
            trail: None,
            told: Vec::new(),
        }
    }

    /// What is sealed in it.
    pub(super) fn bytes(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |(_, sealed)| sealed.len());
        let documents = [self.instance.configuration_sealed.len(), self.credential.sealed.len(), answer];
        documents.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// An order of the operator ends what is stored a while later than it came, too: nothing that waited for the database, or
    /// in a journal, comes back behind it. The order itself looks again at what came meanwhile, and a renewed token meets a
    /// newer version.
    fn refuse_ended(&self, conn: &mut AnyConn, now: DateTime<Utc>) -> Result<(), StoreFault> {
        let got: DateTime<Utc> = self.credential.refreshed_at.unwrap_or(self.instance.updated_at).into();
        if self.act == Act::Renew || now.signed_duration_since(got) < NEW {
            return Ok(());
        }
        match revocation_orders::covers(conn, self.owner.organization, self.instance.element_id, got)? {
            true => Err(StoreFault::Ended),
            false => Ok(()),
        }
    }

    /// What its commit tells, where it does.
    fn event(&self) -> Event {
        let kind = if self.act == Act::Create { Kind::InstanceCreated } else { Kind::InstanceRecovered };
        let event = Event::of_instance(kind, &self.instance, None);
        match &self.link {
            Some(link) => event.by_link(link.link),
            None => event,
        }
    }
}

impl Services {
    /// The entry with what its commit tells.
    pub(in crate::service) fn telling(&self, entry: Entry) -> Arc<Entry> {
        let mut event = entry.event();
        if entry.act == Act::Create {
            event.vendor_values = self.plain_vendor_values(&entry.instance, &entry.credential);
        }
        let told = self.notices(entry.owner, &event, None);
        Arc::new(Entry { told, ..entry })
    }

    /// The transaction. `Some`: the link has come to another end, so nothing was written.
    pub(super) fn write_entry(&self, conn: &mut AnyConn, entry: &Entry) -> Result<Option<Box<LinkRow>>, StoreFault> {
        let (owner, id, now) = (entry.owner, entry.instance.id, self.now());
        entry.refuse_ended(conn, now)?;
        let link = match entry.link.as_ref().map(|end| end.check(conn, owner, now)).transpose()? {
            Some(Checked::Ended(link)) => {
                // A commit whose acknowledgement was lost is tried again, and meets its own rows.
                let ours = entry.act == Act::Create && link.instance_id == Some(id);
                return Ok((!ours).then_some(link));
            }
            Some(Checked::Open(link)) => Some(link),
            None => None,
        };
        if self.write_rows(conn, entry, now)? {
            notices::enqueue(conn, &entry.told)?;
        }
        if let Some(replaced) = &entry.replaces {
            revoke_unless_shared(conn, owner, replaced.clone(), now)?;
        }
        if let Some(grant) = entry.grant {
            grants::delete(conn, owner, grant)?;
        }
        if let Some((claimed, answer)) = &entry.answer {
            idempotency::finish(conn, owner, *claimed, answer)?;
        }
        if let Some(used) = &entry.code {
            spent_codes::keep(conn, owner, used, id)?;
        }
        if let Some((lease, holder)) = &entry.lease {
            leases::settle(conn, lease, *holder)?;
        }
        if let (Some(end), Some(link)) = (&entry.link, link) {
            end.write(conn, self, *link)?;
        }
        Ok(None)
    }

    /// Whether there is something to tell.
    fn write_rows(&self, conn: &mut AnyConn, entry: &Entry, now: DateTime<Utc>) -> Result<bool, StoreFault> {
        let (owner, id) = (entry.owner, entry.instance.id);
        let trail = entry.trail.clone().map_or(Trail::Not("the version before kept none"), Trail::Of);
        match entry.act {
            Act::Create => {
                instances::insert(conn, owner, (&entry.instance, &entry.credential), &entry.tags, &trail)?;
                Ok(true)
            }
            Act::Change => {
                instances::update(conn, owner, &entry.instance, &entry.tags, &trail)?;
                instances::update_credential(conn, owner, &entry.credential, now)?;
                Ok(entry.recovers)
            }
            Act::Renew => {
                if let Some(connected) = &entry.instance.connected {
                    instances::set_connected(conn, owner, id, connected)?;
                }
                // Somebody who took this process for dead may have found the old token spent: there is a newer one.
                let recovered = refreshes::recover(conn, owner, id, now)?;
                instances::update_credential(conn, owner, &entry.credential, now)?;
                Ok(recovered || entry.recovers)
            }
        }
    }
}
