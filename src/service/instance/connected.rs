//! The account of the vendor that an instance is connected to.

use serde::{Deserialize, Serialize};

use crate::kernel::stored::{self, Unreadable};
use crate::protocol::account::VendorAccount;
use crate::protocol::oauth2::reply::Token;
use crate::store::instances::InstanceRow;

/// What is known of the vendor's account. Kept beside the instance as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connected {
    pub account: Option<VendorAccount>,
    pub granted_scopes: Option<Vec<String>>,
}

impl Connected {
    pub fn of(token: &Token) -> Self {
        Self { account: token.account.clone(), granted_scopes: token.scopes.clone() }
    }

    /// As `text` wrote it.
    pub fn of_row(row: &InstanceRow) -> Result<Self, Unreadable> {
        let text = row.connected.as_deref();
        text.map_or_else(|| Ok(Self::default()), |text| stored::read(text, ("instance", "connected", row.id)))
    }

    /// The same for who must go on: the log names a row that cannot be read, and nothing is known of it.
    pub(in crate::service) fn of_row_or_unknown(row: &InstanceRow) -> Self {
        Self::of_row(row).unwrap_or_else(|fault| {
            tracing::error!(%fault, "which account of the vendor is connected is taken for unknown");
            Self::default()
        })
    }

    /// None where nothing is known.
    pub fn text(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }

    /// With what a later reply says; what it leaves out stays.
    pub fn renewed(&self, token: &Token) -> Self {
        let told = Self::of(token);
        // A reply tells less than introspection did: not the name. By its id of today the account is known from now on.
        let renewed = |told: VendorAccount| match &self.account {
            Some(known) if told.is(known) => VendorAccount { name: known.name.clone().or(told.name), ..told },
            _ => told,
        };
        Self {
            account: told.account.map(renewed).or_else(|| self.account.clone()),
            granted_scopes: told.granted_scopes.or_else(|| self.granted_scopes.clone()),
        }
    }

    pub(in crate::service) fn is_whole(&self) -> bool {
        self.granted_scopes.is_some() && self.account.as_ref().is_some_and(|account| account.name.is_some())
    }
}
