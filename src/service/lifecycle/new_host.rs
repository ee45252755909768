//! A change of the vendor's host: what was stored for the old one never goes to the new one.

use serde_json::{Map, Value};

use super::change::Change;
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::MASK;
use crate::kernel::template::Place;
use crate::protocol::variables::Replied;
use crate::service::credentials::told_hosts::told_by_caller;
use crate::service::instance::configuration::{Configuration, text_of};
use crate::service::instance::input::InstanceInput;

impl Change {
    /// Whoever may change an address need not know the secrets that would go there, so the same request brings all of them
    /// anew. `renews`: it brings a code or tokens.
    pub(in crate::service) fn refuse_secrets_of_old_host(
        &self,
        input: &InstanceInput,
        renews: bool,
    ) -> Result<(), ApiError> {
        if !self.moves_host(input) {
            return Ok(());
        }
        self.refuse_kept_secrets(input, renews, "The vendor's host changes")
    }

    /// `moved`: why nothing that is stored may go to where the vendor is called.
    pub(in crate::service) fn refuse_kept_secrets(
        &self,
        input: &InstanceInput,
        renews: bool,
        moved: &str,
    ) -> Result<(), ApiError> {
        let sent = input.configuration.as_ref();
        let kept = self.configuration.entries().filter_map(|(_, key, value)| {
            let declared = self.element.entry(key);
            let stored = value.is_some_and(|value| !value.is_empty());
            // Tokens are replaced by what the vendor gives.
            let ours = declared.is_some_and(|declared| declared.internal);
            (stored && !ours && self.configuration.is_secret(&self.element, key) && !brings(sent, key)).then_some(key)
        });
        let mut needed: Vec<&str> = kept.collect();
        if self.authentication == AuthenticationType::OAuth2 && !renews {
            needed.push("providerData.code");
        }
        if needed.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{moved}, and what is stored was given for the old one: send {} anew in the same request.",
            needed.join(", ")
        );
        Err(ApiError::new(Code::SecretNeededForNewHost, message))
    }

    /// Whether a URL of the vendor leads to another host than before.
    pub(super) fn moves_host(&self, input: &InstanceInput) -> bool {
        let element = &self.element;
        let configured = element.variables.iter().any(|(name, variable)| {
            let Some(key) = &variable.configuration else { return false };
            let value = |text: Option<&str>| text.or(variable.default.as_deref()).map(str::to_owned);
            stands_in_host(element, name, "") && value(self.before.get(key)) != value(self.configuration.get(key))
        });
        configured || self.moves_told_host(input)
    }

    /// Whether the stored secret of the client would go elsewhere. Of the API's host what is told concerns the tokens alone that
    /// come with it.
    fn moves_told_host(&self, input: &InstanceInput) -> bool {
        let Some(before) = &self.replied_before else { return false };
        let after = told_by_caller(&self.element, input.provider_data.as_ref());
        let mut replied =
            self.element.variables.iter().filter(|(name, variable)| {
                variable.is_told() && stands_in_host(&self.element, name, "authentication/")
            });
        replied.any(|(name, variable)| {
            let value = |replied: &Replied, configuration: &Configuration| {
                let configured = || variable.configuration.as_deref().and_then(|key| configuration.get(key));
                let value = replied.get(name).or_else(configured).or(variable.default.as_deref());
                value.map(str::to_owned)
            };
            let after = value(&after, &self.configuration);
            // Without a value nothing can be sent.
            after.is_some() && after != value(before, &self.before)
        })
    }
}

/// Why what is stored does not go to the vendor: the element's file is another one.
pub(in crate::service) const FILE_CHANGED: &str = "The element's file names other hosts than before";

/// Keys of the configuration by which a host is chosen.
pub(in crate::service) fn hosts_by_configuration(element: &Element) -> impl Iterator<Item = &str> {
    let chosen = element.variables.iter().filter(|(name, _)| stands_in_host(element, name, ""));
    chosen.filter_map(|(_, variable)| variable.configuration.as_deref())
}

/// Parameters of the vendor's redirect, which a browser brings, by which a host is chosen that the client's secret goes to.
pub(in crate::service) fn hosts_by_redirect(element: &Element) -> impl Iterator<Item = &str> {
    let chosen = element.variables.iter().filter(|(name, _)| stands_in_host(element, name, "authentication/"));
    chosen.filter_map(|(_, variable)| variable.callback.as_deref())
}

/// Whether a variable is part of a host, in the URLs whose place in the element's file begins so.
fn stands_in_host(element: &Element, variable: &str, below: &str) -> bool {
    let templates = element.templates();
    let mut places = templates.iter().filter(|(at, _)| at.starts_with(below)).flat_map(|(_, url)| url.places());
    places.any(|(name, place)| name == variable && place != Place::Path)
}

/// `null` resets, so nothing stored is left.
fn brings(sent: Option<&Map<String, Value>>, key: &str) -> bool {
    let value = sent.and_then(|sent| sent.get(key));
    value.is_some_and(|value| text_of(value.clone()).is_none_or(|text| text != MASK))
}
