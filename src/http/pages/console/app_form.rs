//! The form of an organization's OAuth app. The secret is never shown; an empty field keeps it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::elements::HERE;
use super::session::Operator;
use super::{parts, texts};
use crate::catalog::element::{ConfigurationEntry, Element};
use crate::http::extract::Parameters;
use crate::kernel::secret::Secret;
use crate::service::credentials::app_view::PartnerAppView;
use crate::service::credentials::partner_app::PartnerAppInput;

pub fn render(operator: &Operator, element: &Element, app: &PartnerAppView, entered: Option<&Parameters>) -> Markup {
    let here = format!("{HERE}/{}", app.element);
    let own = |name: &str, stored: &Option<String>| {
        entered.and_then(|form| form.given(name)).or(stored.as_deref()).unwrap_or_default().to_owned()
    };
    let none = match entered {
        Some(form) => form.get("none").is_some(),
        None => app.optional_scopes.as_deref() == Some(""),
    };
    let kept = if app.client_secret.is_some() { texts::SECRET_KEPT } else { texts::SECRET_MISSING };
    let client_id = own("clientId", &app.client_id);
    let (scopes, optional) = (own("scopes", &app.scopes), own("optionalScopes", &app.optional_scopes));
    let presets = app.presets.iter().map(|preset| (preset.name.as_str(), preset.description.as_str()));
    html! {
        p.text { (app.config_description) }
        (parts::to_copy("redirect-url", texts::REGISTER_THIS, &app.redirect_url))
        form method="post" action=(here) {
            (operator.sealed(Some("save-app")))
            (parts::Input::text("clientId", "Client ID", &client_id).required().render())
            @if app.secret_needed {
                (parts::Input { kind: "password", ..parts::Input::text("clientSecret", "Client secret", "") }.hint(kept).render())
            }
            @for entry in element.app_entries() {
                (said(entry, &own(&field(&entry.key), &app.configuration.get(&entry.key).cloned())))
            }
            // Where the app names its addresses, it is for these.
            @if let Some(hosts) = app.hosts.as_ref().filter(|_| element.app_entries().next().is_none()) {
                @let shown = entered.and_then(|form| form.get("hosts")).map_or_else(|| hosts.join("\n"), str::to_owned);
                (parts::lines("hosts", "Hosts", &shown, texts::APP_HOSTS_HINT))
            }
            (parts::Input::text("scopes", "Scopes", &scopes).hint(texts::SCOPES_HINT).render())
            (parts::Input::text("optionalScopes", "OptionalScopes", &optional).hint(texts::OPTIONAL_SCOPES_HINT).render())
            (parts::check("none", texts::OPTIONAL_SCOPES_NONE, none))
            @if !app.presets.is_empty() {
                (parts::choice("preset", "Preset", &own("preset", &app.preset), [("", "None")].into_iter().chain(presets)))
            }
            div.buttons { button.main type="submit" { "Save the app" } }
        }
        (asked(app))
        @if app.client_id.is_some() {
            form.buttons method="post" action=(here) {
                (operator.sealed(Some("remove-app")))
                button.danger type="submit" { (texts::DELETE_APP) }
            }
        }
    }
}

/// Before the names of fields, so that no configuration key can be taken for one of the form's own.
const SAID: &str = "configuration.";

fn field(key: &str) -> String {
    format!("{SAID}{key}")
}

/// What the app says for every instance.
fn said(entry: &ConfigurationEntry, value: &str) -> Markup {
    let name = field(&entry.key);
    if entry.options.is_empty() {
        let input = parts::Input::text(&name, &entry.name, value).hint(&entry.description);
        let needed = entry.required && entry.is_for_app_alone();
        return if needed { input.required().render() } else { input.render() };
    }
    let shown = if value.is_empty() { entry.default.as_deref().unwrap_or_default() } else { value };
    let options = entry.options.iter().map(|option| (option.value.as_str(), option.description.as_str()));
    parts::choice_with_hint(&name, &entry.name, shown, options, &entry.description)
}

/// What comes of all that: the scopes of the next authorization.
fn asked(app: &PartnerAppView) -> Markup {
    let list = |name: &str, scopes: &[String]| {
        html! {
            @if !scopes.is_empty() { div { dt { (name) } dd { @for scope in scopes { code { (scope) } " " } } } }
        }
    };
    html! {
        @if let Some(warning) = &app.warning { p.problem { (warning) } }
        dl {
            (list("Asked for", &app.requested_scopes))
            (list("Asked for, may be left out", &app.requested_optional_scopes))
        }
    }
}

pub fn read(form: &Parameters) -> PartnerAppInput {
    let text = |name: &str| form.get(name).map(str::to_owned);
    let optional_scopes = if form.get("none").is_some() { Some(String::new()) } else { text("optionalScopes") };
    PartnerAppInput {
        client_id: text("clientId"),
        client_secret: form.get("clientSecret").map(Secret::new),
        scopes: text("scopes"),
        optional_scopes,
        preset: text("preset"),
        configuration: said_in(form),
        redirect_url: None,
        hosts: form.get("hosts").map(|text| text.split_whitespace().map(str::to_owned).collect()),
    }
}

/// None: the element leaves nothing to its app.
fn said_in(form: &Parameters) -> Option<BTreeMap<String, String>> {
    let said = form.pairs().filter_map(|(name, value)| Some((name.strip_prefix(SAID)?.to_owned(), value.to_owned())));
    let said: BTreeMap<String, String> = said.collect();
    (!said.is_empty()).then_some(said)
}
