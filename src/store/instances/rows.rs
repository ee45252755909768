//! An instance, its credential and who made it, as they are stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::versions::Versions;
use crate::kernel::owner::Owner;
use crate::kernel::stored::{self, Unreadable};
use crate::store::principals::Principal;
use crate::store::schema::{credential, instance};
use crate::store::time::UtcTime;

#[derive(Debug, Clone, Queryable, Insertable, Serialize, Deserialize)]
// With defaults for what is none, SQLite would take many rows one by one, in a transaction of diesel's own.
#[diesel(table_name = instance, treat_none_as_default_value = false)]
pub struct InstanceRow {
    pub id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub element_id: i64,
    pub element_key: String,
    pub name: String,
    /// A JSON array of texts, in the order given.
    pub tags: String,
    pub external_id: Option<String>,
    pub token_hash: Vec<u8>,
    pub token_sealed: Vec<u8>,
    pub authentication_type: String,
    pub external_authentication: String,
    pub configuration_sealed: Vec<u8>,
    pub enabled: bool,
    /// Why the vendor refuses the credential for good; null while it is valid.
    pub invalid_reason: Option<String>,
    pub created_by: i64,
    /// Compared before every write of the row.
    pub version: i64,
    pub created_at: UtcTime,
    pub updated_at: UtcTime,
    /// What is known of the vendor's account, as JSON; null where nobody asked.
    pub connected: Option<String>,
}

impl InstanceRow {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }

    /// Whether a caller brought its tokens.
    pub fn brings_tokens(&self) -> bool {
        self.external_authentication == "initial"
    }

    /// Of what callers send, as far as it counts for the limit of bytes.
    pub fn bytes(&self) -> usize {
        let external_id = self.external_id.as_ref().map_or(0, String::len);
        [self.configuration_sealed.len(), self.tags.len(), self.name.len(), external_id].iter().sum()
    }
}

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = credential, primary_key(instance_id), treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct CredentialRow {
    pub instance_id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub version: i64,
    pub sealed: Vec<u8>,
    /// Which grant at the vendor this is: instances with the same one share its fate.
    pub grant_hash: Option<Vec<u8>>,
    pub refreshable: bool,
    /// Seconds, as the vendor stated them.
    pub lifetime: Option<i64>,
    pub expires_at: Option<UtcTime>,
    pub refreshed_at: Option<UtcTime>,
    /// When the background job looks at it again; none: nobody uses it.
    pub due_at: Option<UtcTime>,
    /// When a refusal of the vendor last caused a refresh.
    pub refused_at: Option<UtcTime>,
    /// When the refresh token ends, where the vendor says.
    #[serde(default)]
    pub ends_at: Option<UtcTime>,
    /// When that is to be told; none once it was.
    #[serde(default)]
    pub tell_end_at: Option<UtcTime>,
    /// How the grant stands between good and gone, as JSON.
    #[serde(default)]
    pub standing: Option<String>,
}

/// Who created an instance, as the API shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Queryable)]
pub struct Creator {
    pub id: i64,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
}

impl From<&Principal> for Creator {
    fn from(user: &Principal) -> Self {
        Self {
            id: user.user,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        }
    }
}

/// An instance with its credential and creator.
#[derive(Debug, Clone, Queryable)]
pub struct Stored {
    pub instance: InstanceRow,
    pub credential: CredentialRow,
    pub creator: Creator,
}

impl Stored {
    pub fn versions(&self) -> Versions {
        Versions {
            owner: self.instance.owner(),
            instance: self.instance.version,
            credential: self.credential.version,
            standing: self.credential.standing.clone(),
        }
    }

    pub fn tags(&self) -> Result<Vec<String>, Unreadable> {
        stored::read(&self.instance.tags, ("instance", "tags", self.instance.id))
    }

    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.credential.expires_at.map(Into::into)
    }

    /// Of the refresh token.
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.credential.ends_at.map(Into::into)
    }

    pub fn refreshed_at(&self) -> Option<DateTime<Utc>> {
        self.credential.refreshed_at.map(Into::into)
    }
}
