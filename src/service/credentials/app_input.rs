//! What is sent of an organization's OAuth app: an app as it is to be stored, or why it cannot be.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::app_hosts::hosts_of;
use super::partner_app::{PartnerApp, PartnerAppInput, oauth2_of};
use super::scope_choice::{self, Layer};
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::pasted::trimmed;
use crate::kernel::secret::{MASK, Secret};
use crate::kernel::template::TemplateFault;
use crate::protocol::VendorFault;
use crate::protocol::variables::Values;
use crate::service::instance::configuration::Configuration;

const LONGEST_ID: usize = 500;
const LONGEST_SECRET: usize = 4000;

impl PartnerAppInput {
    /// The app as it is to be. `before`: what is stored, whose secret may stay.
    pub(super) fn checked(
        &self,
        element: &Element,
        before: Option<&PartnerApp>,
        now: DateTime<Utc>,
    ) -> Result<PartnerApp, ApiError> {
        let refused = |message: &str| ApiError::new(Code::BadBody, message);
        let plain = |text: &str, longest: usize| text.len() <= longest && !text.chars().any(char::is_control);
        let client_id = self.client_id.as_deref().map(trimmed).filter(|id| !id.is_empty() && id != MASK);
        let client_id =
            client_id.ok_or_else(|| refused("clientId is missing: it is on the app's page at the vendor."))?;
        let oauth2 = oauth2_of(element)?;
        let sent = self.client_secret.as_ref().map(|secret| Secret::new(trimmed(secret.expose())));
        let sent = sent.as_ref().filter(|secret| !secret.is_empty() && secret.expose() != MASK);
        let stored = before.map(|app| &app.client_secret).filter(|secret| !secret.is_empty());
        let client_secret = match (oauth2.has_public_clients(), sent.or(stored)) {
            (true, _) if sent.is_some() => return Err(refused("The clients are public: leave out clientSecret.")),
            (true, _) => Secret::default(),
            (false, Some(secret)) => secret.clone(),
            (false, None) => return Err(refused("clientSecret is missing: it is on the app's page at the vendor.")),
        };
        if !plain(&client_id, LONGEST_ID) || !plain(client_secret.expose(), LONGEST_SECRET) {
            return Err(refused("clientId or clientSecret is too long, or holds control characters."));
        }
        let filled =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
        let said = said_by(element, self.configuration.as_ref(), before)?;
        let same_client = before.filter(|app| *app.client_id.expose() == *client_id);
        let app = PartnerApp {
            client_since: same_client.and_then(|app| app.client_since).or(Some(now)),
            client_id: Secret::new(client_id),
            client_secret,
            scopes: filled(&self.scopes),
            optional_scopes: self.optional_scopes.as_deref().map(|text| text.trim().to_owned()),
            preset: filled(&self.preset),
            hosts: hosts_of(element, oauth2, (self.hosts.as_deref(), &said), (before, sent))?,
            configuration: said,
            given_for: match (sent, before) {
                (None, Some(before)) if !oauth2.has_public_clients() => before.given_for.clone(),
                _ => Some(element.secret_places.clone()),
            },
            callback: before.and_then(|app| app.callback.clone()),
        };
        scope_choice::check(element, Layer::of_app(&app))?;
        Ok(app)
    }
}

impl PartnerApp {
    /// Gives an instance that uses the app what the app says, whoever said it before.
    pub(in crate::service) fn fill(&self, configuration: &mut Configuration) {
        for (key, value) in &self.configuration {
            configuration.set(key, Some(value.clone()));
        }
    }
}

/// What the app says for every instance, whole and of a shape that makes addresses.
fn said_by(
    element: &Element,
    sent: Option<&BTreeMap<String, String>>,
    before: Option<&PartnerApp>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let refused = |message: String| ApiError::new(Code::BadBody, message);
    let said = match sent {
        None => before.map(|app| app.configuration.clone()).unwrap_or_default(),
        Some(sent) => {
            let own = || element.app_entries().map(|entry| entry.key.as_str());
            if let Some(other) = sent.keys().find(|key| !own().any(|known| known == *key)) {
                let known: Vec<_> = own().collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                let (name, shown) = (&element.name, crate::kernel::plain_text::shortened(other));
                return Err(refused(format!(
                    "configuration: `{shown}` is not an app's to say, which for {name} is {known}."
                )));
            }
            let mut read = Configuration::of(element);
            read.merge(
                element,
                sent.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect::<Map<_, _>>(),
            )?;
            let filled = sent.keys().filter_map(|key| Some((key.clone(), read.get(key)?.to_owned())));
            filled.collect()
        }
    };
    let missing = element.app_entries().filter(|entry| {
        entry.required && entry.is_for_app_alone() && entry.default.is_none() && !said.contains_key(&entry.key)
    });
    let missing: Vec<_> = missing.map(|entry| entry.key.as_str()).collect();
    if !missing.is_empty() {
        return Err(refused(format!("configuration lacks {}.", missing.join(", "))));
    }
    with_said(element, &said, |values| {
        // What nobody has said yet is not judged.
        let faults = element.templates().into_iter().filter_map(|(_, url)| values.url(url).err());
        let mut faults = faults.filter(|fault| !matches!(fault, VendorFault::Template(TemplateFault::Missing(_))));
        faults.next().map_or(Ok(()), Err)
    })
    .map_err(|fault| fault.into_error(&element.name, "the app's configuration"))?;
    Ok(said)
}

/// The values of an element's templates as an app says them.
pub(super) fn with_said<T>(
    element: &Element,
    said: &BTreeMap<String, String>,
    read: impl FnOnce(Values<'_>) -> T,
) -> T {
    let configured = |key: &str| said.get(key).cloned();
    read(Values { element, parameters: &|_| None, configuration: &configured, replied: None })
}
