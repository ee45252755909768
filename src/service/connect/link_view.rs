//! A connect link as the API shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::element::AuthenticationType;
use crate::kernel::clock::api_date;
use crate::protocol::account::VendorAccount;
use crate::service::Services;
use crate::service::links::Link;
use crate::service::links::outcome::Reason;
use crate::service::links::status::Status;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Link)]
pub struct LinkView {
    pub id: i64,
    /// Send the customer here. Whoever has this address can connect an account: treat it like a password.
    #[schema(example = "https://ligand.example/connect/dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")]
    pub url: String,
    pub status: Status,
    #[schema(example = "2017-08-01T16:12:43Z")]
    pub expires_at: String,
    #[schema(example = "2017-08-01T16:12:43Z")]
    pub created_date: String,
    /// Keys of the elements that the person may choose from; empty means all.
    pub elements: Vec<String>,
    #[schema(required, value_type = Option<String>)]
    pub authentication_type: Option<AuthenticationType>,
    #[schema(required)]
    pub preset: Option<String>,
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub tags: Option<Vec<String>>,
    #[schema(required)]
    pub external_id: Option<String>,
    #[schema(required)]
    pub origin: Option<String>,
    #[schema(required)]
    pub scopes: Option<String>,
    #[schema(required)]
    pub optional_scopes: Option<String>,
    /// What the vendor's page is asked for beside the scopes.
    pub authorize: BTreeMap<String, String>,
    #[schema(required)]
    pub redirect_url: Option<String>,
    /// What comes back waits for `POST /connect/links/{linkId}/confirm`.
    pub confirm: bool,
    #[schema(required)]
    pub customer_name: Option<String>,
    #[schema(required)]
    pub notify_url: Option<String>,
    pub allow_other_account: bool,
    /// The element that was chosen, by key.
    #[schema(required)]
    pub element_key: Option<String>,
    /// What is authorised anew, or what came of it.
    #[schema(required)]
    pub instance_id: Option<i64>,
    /// Why it was denied, or failed.
    #[schema(required)]
    pub reason: Option<Reason>,
    /// The reason in a sentence, with the vendor's words where it had some; that the vendor did not tell which account was connected; or
    /// that something came back, and until when it waits to be confirmed.
    #[schema(required)]
    pub message: Option<String>,
    /// Mandatory scopes that the vendor refused.
    pub missing_scopes: Vec<String>,
    /// Of a connection: mandatory scopes that may have been granted. The vendor answered by other names, and the element does not
    /// say what they mean (`scopes` of its file).
    pub unconfirmed_scopes: Vec<String>,
    /// What the vendor granted, as far as it says so.
    #[schema(required)]
    pub granted_scopes: Option<Vec<String>>,
    /// The vendor's account that was connected, as far as it is known.
    #[schema(required)]
    pub vendor_account: Option<VendorAccount>,
    /// What is odd about the scopes, and what to do about it. Told when the link is made.
    #[schema(required)]
    pub warning: Option<String>,
}

/// What the page that opened a link may know of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkState {
    pub status: Status,
    pub instance_id: Option<i64>,
    pub reason: Option<Reason>,
    /// The person is at the vendor, as far as is known here.
    pub away: bool,
}

impl Services {
    pub(super) fn link_view(&self, link: Link) -> LinkView {
        let Link { row, token, status, settings, outcome } = link;
        let element = row.element_id.and_then(|id| self.element_by_id(row.owner(), id));
        let element_key = element.map(|element| element.key.clone());
        LinkView {
            id: row.id,
            url: self.public(&format!("connect/{}", token.expose())),
            status,
            expires_at: api_date(row.expires_at.into()),
            created_date: api_date(row.created_at.into()),
            elements: settings.elements,
            authentication_type: settings.authentication_type,
            preset: settings.preset,
            name: settings.name,
            tags: settings.tags,
            external_id: row.external_id,
            origin: settings.origin,
            scopes: settings.scopes,
            optional_scopes: settings.optional_scopes,
            authorize: settings.authorize,
            redirect_url: settings.redirect_url,
            confirm: settings.confirm,
            customer_name: settings.customer_name,
            notify_url: settings.notify_url,
            allow_other_account: settings.allow_other_account,
            element_key,
            instance_id: row.instance_id,
            reason: outcome.reason(),
            message: outcome.message,
            missing_scopes: outcome.missing_scopes,
            unconfirmed_scopes: outcome.unconfirmed_scopes,
            granted_scopes: outcome.granted_scopes,
            vendor_account: outcome.vendor_account,
            warning: None,
        }
    }
}

impl Link {
    pub fn state(&self) -> LinkState {
        // An instance that is to be authorised anew is no result yet.
        let instance_id = self.row.instance_id.filter(|_| self.status == Status::Authorised);
        LinkState {
            status: self.status,
            instance_id,
            reason: self.outcome.reason(),
            away: self.status == Status::Opened && self.outcome.away,
        }
    }
}
