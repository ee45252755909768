//! How a row of the audit log is made: what it names is sealed, and the row is hashed under a key that the database does not
//! have, so that who writes to the database alone makes none.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::deed::Deed;
use crate::kernel::entropy::{hex_of, public_bytes};
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::actor::{Actor, Who};
use crate::store::audit::{Record, Trail};
use crate::store::sealed::AUDIT_NAMES;
use crate::store::time::UtcTime;
use crate::vault::audit_key::{AuditKey, Part};

/// Which one it was done to, as far as it has an id, and the external id of the customer whom it concerns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Of<'a> {
    pub subject: Option<i64>,
    pub customer: Option<&'a str>,
}

impl From<()> for Of<'_> {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<i64> for Of<'_> {
    fn from(subject: i64) -> Self {
        Self { subject: Some(subject), customer: None }
    }
}

impl<'a> From<(i64, &'a Option<String>)> for Of<'a> {
    fn from((subject, customer): (i64, &'a Option<String>)) -> Self {
        Self { subject: Some(subject), customer: customer.as_deref() }
    }
}

/// As the log has it.
const fn kind(who: &Who) -> &'static str {
    match who {
        Who::User { .. } => "user",
        Who::Visitor { .. } => "customer",
        Who::Operator { .. } => "operator",
        Who::Job { .. } => "server",
    }
}

/// What is sealed of a row. The salt keeps its hash from telling anything once the text is gone.
#[derive(Serialize, Deserialize)]
pub(super) struct Names {
    salt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Services {
    /// A row for a change that is about to be written.
    pub async fn audit<'a>(&self, actor: &Actor, deed: Deed, of: impl Into<Of<'a>>) -> Result<Trail, ApiError> {
        let id = self.store.next_id().await?;
        self.audit_with(id, actor, deed, of)
    }

    /// The same where nothing may be awaited any more, or a change is tried again. `id`: drawn for this row.
    pub fn audit_with<'a>(&self, id: i64, actor: &Actor, deed: Deed, of: impl Into<Of<'a>>) -> Result<Trail, ApiError> {
        self.audit_record(id, actor, deed, of.into()).map(Into::into)
    }

    /// The operator, by whom commands are run: for one organization, or for the whole server.
    pub fn operator(&self, organization: Option<i64>) -> Actor {
        let owner = organization.map_or(Owner::SERVER, |organization| Owner { organization, account: 0 });
        Actor::operator(owner, self.request_id())
    }

    pub fn audit_record(&self, id: i64, actor: &Actor, deed: Deed, of: Of<'_>) -> Result<Record, ApiError> {
        let by = match actor.who() {
            Who::User { principal, .. } => Some(principal.email.clone()),
            Who::Operator { name } => Some(name.clone()),
            Who::Job { name } => Some((*name).to_owned()),
            Who::Visitor { .. } => None,
        };
        let names = Names {
            salt: hex_of(&public_bytes::<16>(self.entropy.as_ref())),
            by,
            customer: of.customer.map(str::to_owned),
            address: actor.address().map(|address| address.to_string()),
        };
        let names = Zeroizing::new(serde_json::to_vec(&names).map_err(|error| ApiError::internal(error))?);
        let key = self.audit_key.in_use();
        let owner = Some(actor.owner()).filter(|owner| *owner != Owner::SERVER);
        let organization_id = owner.map(|owner| owner.organization);
        let mut record = Record {
            id,
            organization_id,
            account_id: owner.map(|owner| owner.account).filter(|account| *account != 0),
            at: UtcTime(self.now()),
            action: deed.name().to_owned(),
            subject_kind: deed.subject().as_str().to_owned(),
            subject_id: of.subject,
            actor: kind(actor.who()).to_owned(),
            user_id: actor.user_id(),
            request_id: Some(actor.request_id().to_string()),
            customer_hash: of.customer.map(|customer| key.key.hash(Part::Customer, customer.as_bytes())),
            names_hash: key.key.hash(Part::Names, &names),
            names_sealed: Some(self.vault.seal(AUDIT_NAMES.place(organization_id, id), &names)?),
            generation: key.number,
            row_hash: Vec::new(),
        };
        record.row_hash = row_hash(&key.key, &record);
        Ok(record)
    }
}

/// Over everything that a row says but the sealed names, which may go.
pub(super) fn row_hash(key: &AuditKey, row: &Record) -> Vec<u8> {
    let at = row.at.0.timestamp_micros();
    let mut text = Text::default();
    text.number(Some(row.id)).number(row.organization_id).number(row.account_id).number(Some(at));
    text.text(Some(&row.action)).text(Some(&row.subject_kind)).number(row.subject_id);
    text.text(Some(&row.actor)).number(row.user_id).text(row.request_id.as_ref());
    text.bytes(row.customer_hash.as_deref()).bytes(Some(&row.names_hash)).number(Some(row.generation));
    key.hash(Part::Row, &text.0)
}

/// Members one behind the other, each so that no other sequence of members has the same bytes.
#[derive(Default)]
pub(super) struct Text(Vec<u8>);

impl Text {
    pub fn bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
                self.0.extend_from_slice(&length.to_be_bytes());
                self.0.extend_from_slice(value);
            }
        }
        self
    }

    pub fn text(&mut self, value: Option<&String>) -> &mut Self {
        self.bytes(value.map(String::as_bytes))
    }

    pub fn number(&mut self, value: Option<i64>) -> &mut Self {
        let bytes = value.map(i64::to_be_bytes);
        self.bytes(bytes.as_ref().map(<[u8; 8]>::as_slice))
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sequences_of_members_are_one_text() {
        let text = |members: &[Option<&[u8]>]| {
            let mut text = Text::default();
            for member in members {
                text.bytes(*member);
            }
            text.0
        };
        let texts = [
            text(&[Some(b"ab"), Some(b"c")]),
            text(&[Some(b"a"), Some(b"bc")]),
            text(&[Some(b"abc"), None]),
            text(&[None, Some(b"abc")]),
            text(&[Some(b"abc"), Some(b"")]),
        ];
        for (index, one) in texts.iter().enumerate() {
            assert!(texts.iter().skip(index + 1).all(|other| other != one));
        }
    }
}
