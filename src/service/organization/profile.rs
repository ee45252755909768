//! What an organization chooses for all its callers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::limits::LimitView;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::loopback::is_localhost;
use crate::kernel::patch::Patch;
use crate::kernel::plain_text::{plain_text, shortened};
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::audit::Deed;
use crate::store::Whose;
use crate::store::organization_settings::{self, Brand, Choices, OrganizationSettings};
use crate::store::principals;

/// The one entry of `allowedOrigins` that is not exact: somebody's own machine, whatever the port.
pub const ANY_LOCALHOST: &str = "http://localhost:*";
const MOST_ORIGINS: usize = 100;
const LONGEST_NAME: usize = 100;
const LONGEST_URL: usize = 2000;

/// The caller's organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Organization)]
pub struct OrganizationView {
    pub id: i64,
    pub name: String,
    /// Whether calls to `/vendor` may carry an instance's token where the vendor's credential would travel. `Element <token>`
    /// is always accepted.
    pub vendor_bearer: bool,
    /// Whether plain users see the tokens of instances that others made. Administrators and who made an instance always do;
    /// elsewhere the token reads `********`.
    pub users_see_tokens: bool,
    /// Where users may be sent back to, and which pages may open ours: origins, each `https://…`, or `http` for localhost.
    #[schema(example = json!(["https://app.example.com", "http://localhost:*"]))]
    pub allowed_origins: Vec<String>,
    pub brand: BrandView,
    /// Where people go on who began at the vendor, or come back from there without a link: a page of your application from which accounts are
    /// connected. Null: they are told to open the application.
    #[schema(required, example = "https://app.example.com/connections")]
    pub application_url: Option<String>,
    /// What the organization may have, as the operator says, and how much of it is in use: instances (with those whose grants
    /// wait to be revoked, and with links while somebody is at the vendor), connect links, idempotencyKeys (with codes) of the
    /// last 24 hours, users (with those who were removed), authorizations under way, bytes, and requests a minute to each process of
    /// the server.
    pub limits: BTreeMap<String, LimitView>,
}

/// What customers see on the pages that connect their accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Brand)]
pub struct BrandView {
    /// Null: the organization's name.
    #[schema(required)]
    pub display_name: Option<String>,
    #[schema(required)]
    pub logo_url: Option<String>,
    #[schema(required, example = "#2a5bd7")]
    pub colour: Option<String>,
}

/// What is to change.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UpdateOrganization)]
pub struct OrganizationPatch {
    /// Whether calls to `/vendor` may carry an instance's token where the vendor's credential would travel.
    #[schema(nullable = false)]
    pub vendor_bearer: Option<bool>,
    /// Whether plain users see the tokens of instances that others made.
    #[schema(nullable = false)]
    pub users_see_tokens: Option<bool>,
    /// Replaces the whole list. Exact origins, `https://…`, or `http` for localhost; `http://localhost:*` allows every port.
    #[schema(nullable = false, max_items = 100)]
    pub allowed_origins: Option<Vec<String>>,
    /// Members that are absent stay as they are.
    #[schema(nullable = false)]
    pub brand: Option<BrandPatch>,
    /// `https`, or `http` for localhost; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub application_url: Patch<String>,
}

/// `null` removes a member.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UpdateBrand)]
pub struct BrandPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub display_name: Patch<String>,
    /// `https` only.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub logo_url: Patch<String>,
    /// `#rrggbb`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub colour: Patch<String>,
}

impl Services {
    pub async fn organization_view(&self, actor: &Actor) -> Result<OrganizationView, ApiError> {
        let (caller, id) = (actor.principal()?, actor.organization());
        let settings = self.store.read_for(Whose::of(id), move |conn| organization_settings::find(conn, id)).await?;
        Ok(view(id, caller.organization_name.clone(), settings, self.limits(id).await?))
    }

    /// For administrators of the organization.
    pub async fn change_organization(
        &self,
        actor: &Actor,
        patch: OrganizationPatch,
    ) -> Result<OrganizationView, ApiError> {
        actor.require(Action::ChangeOrganization)?;
        let (id, now) = (actor.organization(), self.now());
        let origins = patch.allowed_origins.map(|origins| checked_origins(&origins)).transpose()?;
        let brand = patch.brand.map(BrandPatch::checked).transpose()?;
        let application = patch.application_url.change().map(checked_application).transpose()?;
        let trail = self.audit(actor, Deed::OrganizationChanged, id).await?;
        let changed = self.store.write_for(Whose::of(id), move |conn| {
            let mut settings = organization_settings::find_to_change(conn, id)?;
            settings.vendor_bearer = patch.vendor_bearer.unwrap_or(settings.vendor_bearer);
            settings.users_see_tokens = patch.users_see_tokens.unwrap_or(settings.users_see_tokens);
            if let Some(origins) = origins {
                settings.choices.allowed_origins = origins;
            }
            if let Some(brand) = brand {
                brand.apply(&mut settings.choices.brand);
            }
            if let Some(application) = application {
                settings.choices.application_url = application;
            }
            organization_settings::save(conn, id, &settings, now, &trail)?;
            Ok((principals::organization_name(conn, id)?, settings))
        });
        let (name, changed) = changed.await?;
        self.warm.forget_settings(Some(&[id]));
        Ok(view(id, name, changed, self.limits(id).await?))
    }

    /// From memory when warm.
    pub(in crate::service) async fn organization_settings(
        &self,
        id: i64,
    ) -> Result<Arc<OrganizationSettings>, ApiError> {
        if let Some(known) = self.warm.organization(id, self.now().timestamp()) {
            return Ok(known);
        }
        let generation = self.warm.organizations.generation();
        let read = self.store.read_for(Whose::of(id), move |conn| organization_settings::find(conn, id)).await?;
        Ok(self.warm.organizations.remember(id, read, generation))
    }

    /// Whether browsers may be sent to this address, as it is written by its `Url`.
    pub fn allows_address(&self, settings: &OrganizationSettings, address: &Url) -> bool {
        allows(settings, address)
    }
}

fn allows(settings: &OrganizationSettings, address: &Url) -> bool {
    let named = !address.username().is_empty() || address.password().is_some();
    if named || !matches!(address.scheme(), "https" | "http") {
        return false;
    }
    let origin = address.origin().ascii_serialization();
    let local = address.scheme() == "http" && is_localhost(address.host());
    settings.choices.allowed_origins.iter().any(|allowed| *allowed == origin || (local && allowed == ANY_LOCALHOST))
}

impl BrandPatch {
    fn checked(self) -> Result<Self, ApiError> {
        let refused = |message: &str| Err(ApiError::new(Code::BadBody, message));
        let display_name = match self.display_name {
            Patch::Value(name) => {
                let name = if name.len() > 4 * LONGEST_NAME { name } else { plain_text(&name) };
                if name.is_empty() || name.chars().count() > LONGEST_NAME {
                    return refused("brand.displayName must be a plain text of 1 to 100 characters.");
                }
                Patch::Value(name)
            }
            other => other,
        };
        let logo_url = match self.logo_url {
            Patch::Value(text) => match Url::parse(&text) {
                Ok(url) if url.scheme() == "https" && url.username().is_empty() && text.len() <= LONGEST_URL => {
                    Patch::Value(url.into())
                }
                _ => return refused("brand.logoUrl must be an address that begins with https://."),
            },
            other => other,
        };
        let colour = match self.colour {
            Patch::Value(text) => match text.strip_prefix('#') {
                Some(digits) if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                    Patch::Value(text.to_ascii_lowercase())
                }
                _ => return refused("brand.colour must be written as #rrggbb, such as #2a5bd7."),
            },
            other => other,
        };
        Ok(Self { display_name, logo_url, colour })
    }

    fn apply(self, brand: &mut Brand) {
        let members = [
            (&mut brand.display_name, self.display_name),
            (&mut brand.logo_url, self.logo_url),
            (&mut brand.colour, self.colour),
        ];
        for (member, patch) in members {
            if let Some(change) = patch.change() {
                *member = change;
            }
        }
    }
}

fn checked_application(address: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = address else { return Ok(None) };
    let local = |url: &Url| url.scheme() == "http" && is_localhost(url.host());
    match Url::parse(&text) {
        Ok(url)
            if (url.scheme() == "https" || local(&url))
                && url.username().is_empty()
                && url.password().is_none()
                && text.len() <= LONGEST_URL =>
        {
            Ok(Some(url.into()))
        }
        _ => {
            let message = "applicationUrl must be an address that begins with https://, or with http://localhost.";
            Err(ApiError::new(Code::BadBody, message))
        }
    }
}

/// Each as browsers write it, once.
fn checked_origins(origins: &[String]) -> Result<Vec<String>, ApiError> {
    if origins.len() > MOST_ORIGINS {
        let message = format!("At most {MOST_ORIGINS} allowedOrigins are accepted, {} were sent.", origins.len());
        return Err(ApiError::new(Code::BadBody, message));
    }
    let mut checked: Vec<String> = Vec::with_capacity(origins.len());
    for text in origins {
        let origin = origin_of(text).ok_or_else(|| {
            let shown = shortened(text);
            let message = format!(
                "allowedOrigins: `{shown}` is no origin: write https://host, without a path; http only for localhost, \
                 where `{ANY_LOCALHOST}` stands for every port."
            );
            ApiError::new(Code::BadBody, message)
        })?;
        if !checked.contains(&origin) {
            checked.push(origin);
        }
    }
    Ok(checked)
}

fn origin_of(text: &str) -> Option<String> {
    if text == ANY_LOCALHOST {
        return Some(text.to_owned());
    }
    // The parser forgives what nobody means: `https:host`, `https:\\host`, a star as part of a name.
    let (_, authority) = text.split_once("://")?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"*@\\?#".contains(&byte);
    if text.len() > LONGEST_URL || !authority.trim_end_matches('/').bytes().all(|byte| plain(byte) && byte != b'/') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let fits = url.scheme() == "https" || (url.scheme() == "http" && is_localhost(url.host()));
    fits.then(|| url.origin().ascii_serialization())
}

fn view(
    id: i64,
    name: String,
    settings: OrganizationSettings,
    limits: BTreeMap<String, LimitView>,
) -> OrganizationView {
    let OrganizationSettings { vendor_bearer, users_see_tokens, choices, .. } = settings;
    let Choices { allowed_origins, brand, application_url } = choices;
    OrganizationView {
        id,
        name,
        vendor_bearer,
        users_see_tokens,
        allowed_origins,
        brand: BrandView { display_name: brand.display_name, logo_url: brand.logo_url, colour: brand.colour },
        application_url,
        limits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(origins: &[&str]) -> OrganizationSettings {
        let origins: Vec<_> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let allowed_origins = checked_origins(&origins).expect("origins");
        OrganizationSettings { choices: Choices { allowed_origins, ..Choices::default() }, ..Default::default() }
    }

    #[test]
    fn an_origin_is_exact() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://App.Example.COM:443/", "https://app.example.com"),
            ("https://app.example.com:8443", "https://app.example.com:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost", "http://localhost"),
            ("http://localhost:*", "http://localhost:*"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(origin_of(text).unwrap_or_default(), origin, "{text}");
        }
        for text in [
            "",
            "*",
            "https://*",
            "https://*.example.com",
            "https://localhost:*",
            "http://*:3000",
            "http://app.example.com",
            "http://127.0.0.1:3000",
            "http://localhost.example.com",
            "https://app.example.com/path",
            "https://a@b.example",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https:app.example.com",
            "https:\\\\app.example.com",
            "javascript://app.example.com",
            "ftp://app.example.com",
            "app.example.com",
            "null",
            "https://",
            "https:///a",
            "https://a b.example",
            "https://a.example:99999",
            "data:text/html,x",
            "https://bücher.example",
        ] {
            assert_eq!(origin_of(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_allowed_by_its_origin_alone() {
        let settings = allowing(&["https://app.example.com", "http://localhost:*"]);
        let allowed = |address: &str| Url::parse(address).is_ok_and(|address| allows(&settings, &address));
        for address in [
            "https://app.example.com",
            "https://app.example.com/done?x=1#y",
            "https://APP.example.com:443/",
            "http://localhost/",
            "http://localhost:1/x",
            "http://LOCALHOST:65535",
        ] {
            assert!(allowed(address), "{address}");
        }
        for address in [
            "",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "https://app.example.com.evil.example/",
            "https://evil.example/https://app.example.com/",
            "https://app.example.com@evil.example/",
            "//app.example.com/",
            "https://user:secret@app.example.com/",
            "https://evil.example\\@app.example.com/",
            "https://sub.app.example.com/",
            "https://localhost/",
            "http://localhost.evil.example/",
            "http://127.0.0.1/",
            "javascript:alert(1)",
            "data:text/html,x",
            "blob:https://app.example.com/x",
            "ftp://app.example.com/",
            "/done",
        ] {
            assert!(!allowed(address), "{address}");
        }
        let nowhere = OrganizationSettings::default();
        assert!(!allows(&nowhere, &Url::parse("https://app.example.com").unwrap()));
    }
}
