//! What an integrator sends to make a connect link, and what is kept of it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::patch::Patch;
use crate::kernel::plain_text::shortened;
use crate::kernel::secret::Secret;
use crate::service::instance::input::{InstanceInput, Tag, Tags};

/// Seconds: seven days unless said otherwise.
const DEFAULT_LIFETIME: i64 = 7 * 24 * 3600;
const LIFETIMES: std::ops::RangeInclusive<i64> = 60..=90 * 24 * 3600;
const LONGEST_ADDRESS: usize = 2000;
const LONGEST_SCOPES: usize = 4000;
const LONGEST_CUSTOMER: usize = 200;

/// A connect link to be: an invitation for one customer to connect one account.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateLink, example = json!({
    "elements": ["hubspotcrm"],
    "externalId": "customer-42",
    "origin": "http://localhost:3000",
    "redirectUrl": "http://localhost:3000/connected",
    "expiresIn": 86400
}))]
pub struct LinkInput {
    /// Keys or ids of the elements that the person may choose from. Absent: all of them.
    #[schema(nullable = false)]
    pub elements: Option<Vec<String>>,
    /// `oauth2` or `apiKey`. Absent: `oauth2` where the element has it.
    #[schema(nullable = false, example = "oauth2")]
    pub authentication_type: Option<String>,
    /// A set of scopes that the element has under this name.
    #[schema(nullable = false)]
    pub preset: Option<String>,
    /// The instance's name. Absent: the element's name.
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The instance's tags. Absent: the name.
    #[schema(nullable = false, max_items = 100)]
    pub tags: Option<Vec<String>>,
    /// Your own name for the customer: kept on the instance too, and a filter of both lists.
    #[schema(nullable = false)]
    pub external_id: Option<String>,
    /// The page that opens the link in a popup, as an origin: it alone is told the result. One of the organization's allowed
    /// origins.
    #[schema(nullable = false)]
    pub origin: Option<String>,
    /// Scopes, separated by spaces or commas, without which there is no connection. They replace the default.
    #[schema(nullable = false)]
    pub scopes: Option<String>,
    /// Scopes, separated by spaces or commas, that the vendor may leave out. They replace the default.
    #[schema(nullable = false)]
    pub optional_scopes: Option<String>,
    /// What the vendor's page is asked for beside the scopes, by the vendor's own names: `login_hint`, `prompt`, and what else each
    /// element of the link allows.
    #[schema(nullable = false, example = json!({ "login_hint": "jo@acme.example" }))]
    pub authorize: Option<BTreeMap<String, String>>,
    /// Configuration of the instance, by the keys that the element declares: what is given here the person is not asked.
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, Value>>)]
    pub configuration: Option<Map<String, Value>>,
    /// Where the person goes in the end, with `status=confirm` and `handle` added, or, without `confirm`, with `status` and `instanceId`. On
    /// one of the organization's allowed origins.
    #[schema(nullable = false)]
    pub redirect_url: Option<String>,
    /// Nothing is connected before your back end has looked at its own session and sent the handle to `POST
    /// /connect/links/{linkId}/confirm`, within five minutes. Absent: true where there is a `redirectUrl` or an `origin`, by which the handle
    /// comes. With false whoever gets hold of the link's address can connect an account for your customer, and your customer can have somebody
    /// else connect theirs.
    #[schema(nullable = false)]
    pub confirm: Option<bool>,
    /// For whom the link is, in words that the person knows. Pages of a link without `confirm` say so. Absent: `externalId`.
    #[schema(nullable = false, max_length = 200)]
    pub customer_name: Option<String>,
    /// Where notices of this link are sent: a public https address.
    #[schema(nullable = false)]
    pub notify_url: Option<String>,
    /// Seconds.
    #[schema(nullable = false, minimum = 60, maximum = 7_776_000, default = 604_800)]
    pub expires_in: Option<i64>,
    /// Authorise this instance anew: id and token stay.
    #[schema(nullable = false)]
    pub instance_id: Option<i64>,
    /// With `instanceId`: another account of the vendor's may take the place of the one that was connected.
    #[schema(nullable = false, default = false)]
    pub allow_other_account: Option<bool>,
    /// Of the console alone: the person comes back there.
    #[serde(skip)]
    pub to_console: bool,
}

/// What a browser brought back.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "handle": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" }))]
pub struct ConfirmLink {
    #[schema(value_type = String)]
    pub handle: Secret,
}

impl LinkInput {
    pub fn lifetime(&self) -> Result<TimeDelta, ApiError> {
        let seconds = self.expires_in.unwrap_or(DEFAULT_LIFETIME);
        let fits = LIFETIMES.contains(&seconds).then(|| TimeDelta::try_seconds(seconds)).flatten();
        fits.ok_or_else(|| {
            let (shortest, longest) = (LIFETIMES.start(), LIFETIMES.end());
            ApiError::new(Code::BadLink, format!("expiresIn must be from {shortest} to {longest} seconds."))
        })
    }

    /// As an instance's own name, tags and customer are checked.
    pub fn of_instance(&self) -> InstanceInput {
        let tags = self.tags.clone().map(|tags| Tags::Many(tags.into_iter().map(Tag::Text).collect()));
        InstanceInput {
            name: self.name.clone().map_or(Patch::Absent, Patch::Value),
            tags: tags.map_or(Patch::Absent, Patch::Value),
            external_id: self.external_id.clone().map_or(Patch::Absent, Patch::Value),
            ..InstanceInput::default()
        }
    }

    /// Whether what comes back waits for the organization's back end, which must have a way to hear of it.
    pub fn is_confirmed(&self) -> bool {
        self.confirm.unwrap_or_else(|| self.redirect_url.is_some() || self.origin.is_some())
    }

    /// What can be checked without the organization and the elements.
    pub fn check(&self) -> Result<(), ApiError> {
        let refused = |message: &str| Err(ApiError::new(Code::BadLink, message));
        if [&self.scopes, &self.optional_scopes].into_iter().flatten().any(|text| text.len() > LONGEST_SCOPES) {
            return refused("scopes and optionalScopes must not be longer than 4000 bytes.");
        }
        if self.allow_other_account == Some(true) && self.instance_id.is_none() {
            return refused("allowOtherAccount belongs to instanceId: without one every account is a new one.");
        }
        if self.confirm == Some(true) && self.redirect_url.is_none() && self.origin.is_none() {
            return refused(
                "confirm wants a redirectUrl or an origin: without one nobody brings the handle to your back end.",
            );
        }
        let fits = |text: &String| text.len() <= LONGEST_CUSTOMER && !text.chars().any(char::is_control);
        if !self.customer_name.as_ref().is_none_or(fits) {
            return refused("customerName must not be longer than 200 bytes, nor hold control characters.");
        }
        for (member, address) in [("redirectUrl", &self.redirect_url), ("notifyUrl", &self.notify_url)] {
            let Some(text) = address else { continue };
            let url = Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
            let fits = text.len() <= LONGEST_ADDRESS && !text.chars().any(|c| c.is_control() || c.is_whitespace());
            let plain = url.filter(|url| {
                let anonymous = url.username().is_empty() && url.password().is_none();
                fits && anonymous && matches!(url.scheme(), "https" | "http")
            });
            let Some(url) = plain else {
                return refused(&format!("{member} must be an absolute https address without a user name."));
            };
            if member == "redirectUrl" && url.fragment().is_some() {
                return refused(
                    "redirectUrl must have no fragment (#…): what the person comes back with is added to its query.",
                );
            }
        }
        Ok(())
    }

    /// Every key must mean something to one of the elements at least.
    pub fn check_configuration<'a>(&self, elements: impl Iterator<Item = &'a Element> + Clone) -> Result<(), ApiError> {
        for key in self.configuration.iter().flat_map(Map::keys) {
            let declares = |element: &Element| element.entry(key).is_some_and(|declared| !declared.internal);
            if !is_scope_key(key) && !elements.clone().any(declares) {
                let message = format!("No element of the link declares the configuration key {}.", shortened(key));
                return Err(ApiError::new(Code::BadConfiguration, message));
            }
        }
        Ok(())
    }
}

/// Scopes are accepted as configuration of every element.
pub fn is_scope_key(key: &str) -> bool {
    matches!(key, "Scopes" | "OptionalScopes")
}
