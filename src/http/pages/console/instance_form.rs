//! The form that edits an instance: name, tags and what its element declares. Secrets are never shown; an empty field
//! keeps them.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::instance::row;
use super::session::Operator;
use super::{ROOT, parts, texts};
use crate::catalog::element::{AuthenticationType, ConfigurationEntry, ConfigurationType, Element};
use crate::http::extract::Parameters;
use crate::kernel::patch::Patch;
use crate::service::instance::configuration::AUTHENTICATION_TYPE;
use crate::service::instance::input::{InstanceInput, Tag, Tags};
use crate::service::instance::view::InstanceView;

/// Which version of the instance the form shows: nobody overwrites what another one saved meanwhile.
pub const VERSION: &str = "version";
/// How the form is saved: `link`, by connecting anew.
pub const BY: &str = "by";
const CUSTOMER: &str = "customer";
/// Before the names of fields, so that no configuration key can be taken for one of the form's own.
const FIELD: &str = "field.";

/// `moves`: what was entered leads to another host, where the person at the vendor must agree anew.
pub fn render(
    operator: &Operator,
    element: &Element,
    view: &InstanceView,
    (entered, moves): (Option<&Parameters>, bool),
) -> Markup {
    let by_link = moves && authentication_of(element, view) == AuthenticationType::OAuth2;
    let own = |name: &str, stored: &str| entered.and_then(|form| form.given(name)).unwrap_or(stored).to_owned();
    html! {
        form method="post" action={ (ROOT) "/instances/" (view.id) } {
            (operator.sealed(Some("save")))
            input type="hidden" name=(VERSION) value=(own(VERSION, &view.version.to_string()));
            (parts::Input::text("name", "Name", &own("name", &view.name)).required().render())
            (parts::Input::text(CUSTOMER, "Customer", &own(CUSTOMER, customer_of(view))).hint(texts::CUSTOMER_HINT).render())
            (parts::lines("tags", "Tags", &own("tags", &view.tags.join("\n")), texts::TAGS_HINT))
            @for entry in declared(element, view) {
                (field(entry, stored(view, &entry.key), entered))
            }
            @if by_link { p.soft { (texts::CONNECT_THERE_HINT) } }
            div.buttons {
                button.main type="submit" { "Save" }
                @if by_link { button type="submit" name=(BY) value="link" { (texts::CONNECT_THERE) } }
            }
        }
    }
}

/// What of the instance's element a person may set.
fn declared<'a>(element: &'a Element, view: &'a InstanceView) -> impl Iterator<Item = &'a ConfigurationEntry> {
    let own = authentication_of(element, view);
    let wanted = move |entry: &&ConfigurationEntry| {
        // Another authentication type needs another credential: that is a new link's business.
        let ours = entry.internal || entry.hide_from_console || entry.key == AUTHENTICATION_TYPE;
        !ours && entry.applies_to(own)
    };
    element.configuration.iter().filter(wanted)
}

fn customer_of(view: &InstanceView) -> &str {
    view.external_id.as_deref().unwrap_or_default()
}

fn stored<'a>(view: &'a InstanceView, key: &str) -> &'a str {
    view.configuration.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn authentication_of(element: &Element, view: &InstanceView) -> AuthenticationType {
    AuthenticationType::read(stored(view, AUTHENTICATION_TYPE)).unwrap_or(element.authentication.default)
}

pub fn authentication(operator: &Operator, view: &InstanceView) -> &'static str {
    let element = operator.services.element_by_id(operator.owner(), view.element_id);
    element.map_or("", |element| authentication_of(&element, view).as_str())
}

fn field(entry: &ConfigurationEntry, stored: &str, entered: Option<&Parameters>) -> Markup {
    let name = format!("{FIELD}{}", entry.key);
    let value = entered.and_then(|form| form.given(&name)).unwrap_or(stored);
    let (label, hint) = (entry.name.as_str(), entry.description.as_str());
    if entry.is_secret() {
        let kept = if stored.is_empty() { texts::SECRET_MISSING } else { texts::SECRET_KEPT };
        let hint = format!("{hint} {kept}");
        return parts::Input { kind: "password", ..parts::Input::text(&name, label, "") }.hint(&hint).render();
    }
    match entry.kind {
        ConfigurationType::Textarea | ConfigurationType::CodeEditor => parts::lines(&name, label, value, hint),
        // A field of one line would join them.
        _ if value.contains('\n') => parts::lines(&name, label, value, hint),
        _ => match entry.allowed_values() {
            Some(allowed) => {
                let shown = |value: &'_ str| {
                    let known = entry.options.iter().find(|option| option.value == value);
                    known.map_or_else(|| value.to_owned(), |option| option.description.clone())
                };
                let options: Vec<_> = allowed.iter().map(|value| (*value, shown(value))).collect();
                // What the list does not have stays what it is until somebody chooses.
                let other = (!allowed.contains(&value)).then_some((value, value));
                let options = options.iter().map(|(value, text)| (*value, text.as_str()));
                parts::choice_with_hint(&name, label, value, other.into_iter().chain(options), hint)
            }
            None => parts::Input::text(&name, label, value).hint(hint).render(),
        },
    }
}

/// What a form that came too late would have changed, so that nobody must remember it.
pub fn unsaved(element: &Element, view: &InstanceView, form: &Parameters) -> Markup {
    let input = read(Some(element), view, form);
    let mut rows = Vec::new();
    let mut differs = |label: &str, sent: Option<&str>, stored: &str| {
        if let Some(sent) = sent.filter(|sent| *sent != stored) {
            rows.push(row(label, html! { (sent) }));
        }
    };
    let tags = parts::lines_of(form.given("tags").unwrap_or_default()).join(", ");
    differs("Name", form.given("name"), &view.name);
    differs("Customer", form.given(CUSTOMER), customer_of(view));
    differs("Tags", form.given("tags").map(|_| tags.as_str()), &view.tags.join(", "));
    for (key, value) in input.configuration.iter().flatten() {
        let Some(entry) = element.entry(key) else { continue };
        match entry.is_secret() {
            true => differs(&entry.name, Some(texts::SECRET_UNSAVED), ""),
            false => differs(&entry.name, Some(value.as_str().unwrap_or_default()), stored(view, key)),
        }
    }
    html! { @if !rows.is_empty() { p { (texts::UNSAVED) } dl { @for row in &rows { (row) } } } }
}

/// What differs from what is stored.
pub fn read(element: Option<&Element>, view: &InstanceView, form: &Parameters) -> InstanceInput {
    let tags = parts::lines_of(form.given("tags").unwrap_or_default()).into_iter().map(Tag::Text).collect();
    let mut configuration = Map::new();
    for entry in element.into_iter().flat_map(|element| declared(element, view)) {
        let Some(sent) = form.given(&format!("{FIELD}{}", entry.key)) else { continue };
        // Forms write line breaks with two characters.
        let sent = sent.replace("\r\n", "\n");
        match (entry.is_secret(), sent.is_empty()) {
            (true, true) => {}
            (true, false) => drop(configuration.insert(entry.key.clone(), sent.into())),
            (false, _) if sent == stored(view, &entry.key) => {}
            // Nothing means the default.
            (false, true) => drop(configuration.insert(entry.key.clone(), Value::Null)),
            (false, false) => drop(configuration.insert(entry.key.clone(), sent.into())),
        }
    }
    InstanceInput {
        name: Patch::Value(form.given("name").unwrap_or_default().to_owned()),
        tags: Patch::Value(Tags::Many(tags)),
        // Nothing removes it.
        external_id: form.given(CUSTOMER).map_or(Patch::Absent, |text| Patch::Value(text.to_owned())),
        configuration: (!configuration.is_empty()).then_some(configuration),
        version: Some(view.version),
        ..InstanceInput::default()
    }
}
