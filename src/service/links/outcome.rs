//! What came of a connect link: kept with it as JSON, told by the API, explained by the pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::protocol::account::VendorAccount;
use crate::service::instance::connected::Connected;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LinkReason)]
pub enum Reason {
    /// The person said no on the vendor's page.
    AccessDenied,
    /// The vendor did not grant a scope that must be there.
    MissingScope,
    /// Another account than the one that the instance belongs to.
    WrongAccount,
    /// The vendor sent an error, or refused the code.
    VendorError,
    /// The vendor refused the OAuth app.
    VendorConfiguration,
    /// The vendor did not answer.
    VendorUnavailable,
    /// The instance that was to be authorised anew is gone.
    InstanceGone,
    /// The element, or its OAuth app, is no longer offered.
    NotOffered,
    /// A failure of this server: the connection could not be stored.
    ServerError,
    /// Nobody confirmed in time what came back.
    NotConfirmed,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::MissingScope => "missing_scope",
            Self::WrongAccount => "wrong_account",
            Self::VendorError => "vendor_error",
            Self::VendorConfiguration => "vendor_configuration",
            Self::VendorUnavailable => "vendor_unavailable",
            Self::InstanceGone => "instance_gone",
            Self::NotOffered => "not_offered",
            Self::ServerError => "server_error",
            Self::NotConfirmed => "not_confirmed",
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outcome {
    /// The person was sent to the vendor and is not back.
    pub away: bool,
    /// Nobody confirmed in time what came back. Not stored as a reason, which an older version could not read.
    pub lapsed: bool,
    /// The handle that ended the link, digested: who sends it again gets the same answer.
    pub confirmed: Option<String>,
    pub reason: Option<Reason>,
    /// One sentence: why there is no connection, where the vendor's own words may be part of it, or what is not known of one.
    pub message: Option<String>,
    pub missing_scopes: Vec<String>,
    pub unconfirmed_scopes: Vec<String>,
    pub granted_scopes: Option<Vec<String>>,
    pub vendor_account: Option<VendorAccount>,
    /// With `wrong_account`: the one that the instance belongs to.
    pub expected_account: Option<VendorAccount>,
}

impl Outcome {
    pub fn reason(&self) -> Option<Reason> {
        if self.lapsed { Some(Reason::NotConfirmed) } else { self.reason }
    }

    /// What came back lapsed.
    pub fn lapsed() -> Self {
        let message = "What the person agreed to was not confirmed in time, so it was not used.";
        Self { lapsed: true, message: Some(message.to_owned()), ..Self::default() }
    }

    /// The person is on the way to the vendor.
    pub fn under_way() -> Self {
        Self { away: true, ..Self::default() }
    }

    /// What the vendor told of the connection.
    pub fn connected(connected: &Connected) -> Self {
        Self {
            granted_scopes: connected.granted_scopes.clone(),
            vendor_account: connected.account.clone(),
            ..Self::default()
        }
    }

    /// Of an account that is connected: where the vendor does not say which, that is said.
    pub fn of_connection(vendor: &str, connected: &Connected) -> Self {
        let untold = connected.account.is_none();
        let message = untold.then(|| format!("{vendor} did not tell which account was connected."));
        Self { message, ..Self::connected(connected) }
    }

    pub fn because(self, reason: Reason, message: impl Into<String>) -> Self {
        Self { reason: Some(reason), message: Some(message.into()), ..self }
    }

    pub fn wrong_account(expected: Option<VendorAccount>, connected: &Connected) -> Self {
        let shown = |account: Option<&VendorAccount>| {
            account.map_or_else(String::new, |account| match &account.name {
                Some(name) => format!(" {} ({name})", account.id),
                None => format!(" {}", account.id),
            })
        };
        let message = format!(
            "The account{} was chosen, but the connection belongs to{}.",
            shown(connected.account.as_ref()),
            shown(expected.as_ref())
        );
        Self { expected_account: expected, ..Self::connected(connected) }.because(Reason::WrongAccount, message)
    }

    pub fn of(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason: Some(reason), message: Some(message.into()), ..Self::default() }
    }
}
