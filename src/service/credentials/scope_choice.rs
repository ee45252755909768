//! Which scopes a link, an app or `oauth/url/default` asks for: what the call says counts before the link, the link before
//! the instance's configuration, that before the app, and the element comes last. A value replaces, it does not add.

use serde::Serialize;
use utoipa::ToSchema;

use super::partner_app::PartnerApp;
use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::catalog::scopes::{DEFAULT_PRESET, Preset, split};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::instance::configuration::Configuration;

/// The names under which an instance's configuration holds scopes.
pub const SCOPES: &str = "Scopes";
pub const OPTIONAL_SCOPES: &str = "OptionalScopes";
/// Bytes of a text of scopes at most: they travel in a URL.
const LONGEST: usize = 4000;

/// What one place says about scopes. A preset gives both kinds, as far as the same place does not name them itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layer<'a> {
    pub scopes: Option<&'a str>,
    /// An empty text asks for none.
    pub optional_scopes: Option<&'a str>,
    pub preset: Option<&'a str>,
}

/// What an authorization asks for. What an element adds to every request (`offline_access`) is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeChoice {
    /// Without one of them there is no connection.
    pub mandatory: Vec<String>,
    /// Those that the vendor may leave out.
    pub optional: Vec<String>,
    pub warning: Option<String>,
}

/// A set of scopes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ScopePreset)]
pub struct PresetView {
    pub name: String,
    pub description: String,
    pub scopes: Vec<String>,
    pub optional_scopes: Vec<String>,
}

impl PresetView {
    pub fn of(name: &str, preset: &Preset) -> Self {
        Self {
            name: name.to_owned(),
            description: preset.description.clone(),
            scopes: preset.scopes.clone(),
            optional_scopes: preset.optional_scopes.clone(),
        }
    }
}

impl<'a> Layer<'a> {
    pub fn of_configuration(configuration: &'a Configuration) -> Self {
        let (scopes, optional_scopes) = (configuration.get(SCOPES), configuration.get(OPTIONAL_SCOPES));
        Self { scopes, optional_scopes, preset: None }
    }

    pub fn of_app(app: &'a PartnerApp) -> Self {
        Self {
            scopes: app.scopes.as_deref(),
            optional_scopes: app.optional_scopes.as_deref(),
            preset: app.preset.as_deref(),
        }
    }

    fn mandatory(&self, oauth2: &OAuth2) -> Option<Vec<String>> {
        // No vendor means anything by none at all: a form that was left empty does.
        let named = self.scopes.map(owned).filter(|scopes| !scopes.is_empty());
        named.or_else(|| self.preset(oauth2).map(|preset| preset.scopes.clone()))
    }

    fn optional(&self, oauth2: &OAuth2) -> Option<Vec<String>> {
        let preset = || self.preset(oauth2).map(|preset| preset.optional_scopes.clone());
        self.optional_scopes.map(owned).or_else(preset)
    }

    /// One that the element no longer has says nothing.
    fn preset<'e>(&self, oauth2: &'e OAuth2) -> Option<&'e Preset> {
        self.preset.and_then(|name| oauth2.presets.get(name))
    }
}

/// `layers`: those that there are, in the order in which they count.
pub fn choose(element: &Element, layers: &[Layer<'_>]) -> ScopeChoice {
    let Some(oauth2) = &element.authentication.oauth2 else {
        return ScopeChoice::default();
    };
    let of_element = Layer { preset: Some(DEFAULT_PRESET), ..Layer::default() };
    let all = || layers.iter().chain([&of_element]);
    let mandatory = all().find_map(|layer| layer.mandatory(oauth2));
    let mandatory = distinct(mandatory.unwrap_or_else(|| oauth2.scopes.default.clone()));
    let optional = match oauth2.scopes.optional_parameter {
        Some(_) => all().find_map(|layer| layer.optional(oauth2)).unwrap_or_default(),
        None => Vec::new(),
    };
    // The vendor would not know what to make of a scope that is both.
    let optional = distinct(optional).into_iter().filter(|scope| !mandatory.contains(scope)).collect::<Vec<_>>();
    let warning = oauth2.scopes.warning(&mandatory, &optional);
    ScopeChoice { mandatory, optional, warning }
}

/// Fails when a place says something that nobody could ask for.
pub fn check(element: &Element, layer: Layer<'_>) -> Result<(), ApiError> {
    let refused = |message: String| Err(ApiError::new(Code::BadScopes, message));
    let Some(oauth2) = &element.authentication.oauth2 else {
        return refused(format!("{} does not use OAuth: it has no scopes.", element.name));
    };
    for text in layer.scopes.into_iter().chain(layer.optional_scopes) {
        if text.len() > LONGEST || !split(text).iter().all(|scope| is_scope(scope)) {
            return refused(format!(
                "Scopes are names separated by spaces or commas, at most {LONGEST} bytes, without quotes, backslashes and control \
                 characters."
            ));
        }
    }
    let optional = layer.optional_scopes.is_some_and(|text| !split(text).is_empty());
    if optional && oauth2.scopes.optional_parameter.is_none() {
        return refused(format!("{} knows no optional scopes.", element.name));
    }
    match layer.preset {
        Some(name) if !oauth2.presets.contains_key(name) => {
            let known: Vec<_> = oauth2.presets.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refused(format!("{} has no such preset: its presets are {known}.", element.name))
        }
        _ => Ok(()),
    }
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn owned(text: &str) -> Vec<String> {
    split(text).into_iter().map(str::to_owned).collect()
}

/// Of an element's file, too, which may hold several in one text.
fn distinct(scopes: Vec<String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(scopes.len());
    for scope in scopes.iter().flat_map(|scope| owned(scope)) {
        if !distinct.contains(&scope) {
            distinct.push(scope);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;

    fn element(key: &str) -> Arc<Element> {
        Arc::clone(Catalog::load(None).unwrap().get(key).unwrap())
    }

    fn joined(choice: &ScopeChoice) -> (String, String) {
        (choice.mandatory.join(" "), choice.optional.join(" "))
    }

    const GRANULAR: (&str, &str) = (
        "crm.objects.companies.read crm.objects.companies.write crm.objects.contacts.read crm.objects.contacts.write \
         crm.objects.deals.read crm.objects.deals.write crm.objects.owners.read crm.schemas.companies.read \
         crm.schemas.contacts.read crm.schemas.deals.read settings.currencies.read files",
        "crm.objects.line_items.read crm.objects.line_items.write crm.schemas.line_items.read e-commerce tickets",
    );
    const DEFAULT: (&str, &str) = ("contacts", "content reports e-commerce forms");

    /// Every combination of five layers, each of which says nothing, scopes, optional scopes, both, or a preset.
    #[test]
    fn the_first_layer_that_says_something_counts() {
        let hubspot = element("hubspotcrm");
        let texts: Vec<[String; 2]> = (0..4).map(|at| [format!("scope-{at}"), format!("option-{at}")]).collect();
        let kinds: usize = 5;
        let of_kind = |kind: usize, at: usize| {
            let [scopes, optional] = &texts[at];
            Layer {
                scopes: matches!(kind, 1 | 3).then_some(scopes.as_str()),
                optional_scopes: matches!(kind, 2 | 3).then_some(optional.as_str()),
                preset: (kind == 4).then_some("granular"),
            }
        };
        let mut seen = std::collections::BTreeSet::new();
        for combination in 0..kinds.pow(4) {
            let of_layer: Vec<usize> = (0..4).map(|at| combination / kinds.pow(at) % kinds).collect();
            let layers: Vec<Layer<'_>> = of_layer.iter().enumerate().map(|(at, kind)| of_kind(*kind, at)).collect();
            // Told here in other words than by the code: by a look at each layer from the last to the first.
            let (mut mandatory, mut optional) = DEFAULT;
            for (at, kind) in of_layer.iter().enumerate().rev() {
                let [scopes, options] = &texts[at];
                mandatory = [mandatory, scopes, mandatory, scopes, GRANULAR.0][*kind];
                optional = [optional, optional, options, options, GRANULAR.1][*kind];
            }
            let choice = choose(&hubspot, &layers);
            let optional: Vec<_> =
                optional.split(' ').filter(|scope| !mandatory.split(' ').any(|it| it == *scope)).collect();
            assert_eq!(joined(&choice), (mandatory.to_owned(), optional.join(" ")), "{of_layer:?}");
            seen.insert(joined(&choice));
            // A layer that is not there and one that says nothing are the same.
            let telling: Vec<_> =
                layers.iter().zip(&of_layer).filter(|(_, kind)| **kind > 0).map(|(it, _)| *it).collect();
            assert_eq!(choose(&hubspot, &telling), choice, "{of_layer:?}");
        }
        // Six sources of each kind in every pair, but for four: a preset that gives one kind gives the other too, unless a layer
        // before it does.
        assert_eq!(seen.len(), 32);
    }

    #[test]
    fn within_a_layer_what_is_named_counts_before_the_preset() {
        let hubspot = element("hubspot");
        let preset = Some("granular");
        for (scopes, optional_scopes, expected) in [
            (None, None, GRANULAR),
            (Some("files"), None, ("files", GRANULAR.1)),
            (None, Some("forms"), (GRANULAR.0, "forms")),
            (None, Some(""), (GRANULAR.0, "")),
            (Some(" "), None, GRANULAR),
            (Some("a+b%20c b"), Some("a d  d"), ("a b c", "d")),
            (Some("a,b; c"), Some("a,d"), ("a b c", "d")),
        ] {
            let (mandatory, optional) = joined(&choose(&hubspot, &[Layer { scopes, optional_scopes, preset }]));
            assert_eq!((mandatory.as_str(), optional.as_str()), expected);
        }
        let unknown = Layer { preset: Some("gone"), ..Layer::default() };
        assert_eq!(joined(&choose(&hubspot, &[unknown])), (DEFAULT.0.to_owned(), DEFAULT.1.to_owned()));
    }

    #[test]
    fn elements_without_presets_ask_for_their_default() {
        let optional = Layer { optional_scopes: Some("x"), ..Layer::default() };
        for (key, expected) in [("closeio", "all.full_access"), ("sfdc", ""), ("pipedrive", ""), ("freshdesk", "")] {
            assert_eq!(joined(&choose(&element(key), &[optional])), (expected.to_owned(), String::new()), "{key}");
        }
    }

    #[test]
    fn old_and_new_scopes_together_are_warned_about() {
        let hubspot = element("hubspotcrm");
        let warning = |scopes, optional_scopes| {
            choose(&hubspot, &[Layer { scopes: Some(scopes), optional_scopes: Some(optional_scopes), preset: None }])
                .warning
        };
        for (scopes, optional) in [
            ("contacts crm.objects.deals.read", ""),
            ("contacts", "crm.objects.deals.read"),
            ("crm.objects.deals.read", "contacts"),
        ] {
            let said = warning(scopes, optional).expect("a warning");
            assert!(said.contains("`contacts`") && said.contains("To roll back, "), "{said}");
        }
        for (scopes, optional) in [("contacts", "content"), (GRANULAR.0, GRANULAR.1), ("contacts files tickets", "")] {
            assert_eq!(warning(scopes, optional), None);
        }
    }

    #[test]
    fn marketing_scopes_are_warned_about_where_a_crm_account_must_grant_them() {
        let choice = |key, scopes, optional_scopes| {
            let layer = Layer { scopes: Some(scopes), optional_scopes: Some(optional_scopes), preset: None };
            choose(&element(key), &[layer]).warning
        };
        let said = choice("hubspotcrm", "contacts,content forms", "social").expect("a warning");
        assert!(said.starts_with("content, forms: ") && said.contains("optionalScopes"), "{said}");
        // HubSpot leaves out what an account cannot grant of the optional ones.
        assert_eq!(choice("hubspotcrm", "contacts", "content forms"), None);
        assert_eq!(choice("hubspot", "contacts content forms", ""), None, "an account with marketing");
        let both = choice("hubspotcrm", "contacts content crm.objects.deals.read", "").expect("a warning");
        assert!(both.contains("To roll back, ") && both.contains("content: "), "{both}");
        for key in ["hubspotcrm", "hubspot"] {
            assert_eq!(choose(&element(key), &[]).warning, None, "the default of {key}");
        }
    }

    #[test]
    fn what_nobody_could_ask_for_is_refused() {
        let hubspot = element("hubspotcrm");
        let layer = |scopes, optional_scopes, preset| Layer { scopes, optional_scopes, preset };
        let long = "x".repeat(LONGEST + 1);
        for wrong in [
            layer(Some("a \"b\""), None, None),
            layer(None, Some("a\u{0}"), None),
            layer(Some("ü"), None, None),
            layer(Some(&long), None, None),
            layer(None, None, Some("unknown")),
            layer(None, None, Some("")),
        ] {
            assert_eq!(check(&hubspot, wrong).unwrap_err().code, Code::BadScopes, "{wrong:?}");
        }
        check(&hubspot, layer(Some("a b"), Some(""), Some("granular"))).unwrap();
        assert!(check(&element("closeio"), layer(None, Some("x"), None)).is_err(), "it has no optional scopes");
        check(&element("closeio"), layer(Some("x"), Some(" "), None)).unwrap();
        assert!(check(&element("freshdesk"), Layer::default()).is_err(), "it has no OAuth");
    }
}
