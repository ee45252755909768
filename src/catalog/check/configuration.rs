//! The declared inputs of an instance.

use std::collections::BTreeSet;

use super::Findings;
use crate::catalog::address::ADDRESS_KEYS;
use crate::catalog::element::{AuthenticationType, ConfigurationEntry, ConfigurationType, Element};
use crate::catalog::oauth2::OAuth2;

pub fn check(element: &Element, findings: &mut Findings) {
    let offered = element.authentication_types();
    let mut seen = BTreeSet::new();
    for (at, entry) in element.configuration.iter().enumerate() {
        let at = format!("configuration/{at}");
        let key = &entry.key;
        findings.demand(
            seen.insert(key),
            format!("{at}/key"),
            format!("the configuration key `{key}` is declared twice"),
        );
        check_names(&at, entry, findings);
        check_values(&at, entry, findings);
        if let Some(own) = entry.authentication.filter(|own| !offered.contains(own)) {
            findings.add(format!("{at}/authentication"), format!("the element does not offer `{}`", own.as_str()));
        }
        if entry.internal && entry.required {
            findings.add(format!("{at}/required"), format!("`{key}` is internal: no caller can give what is required"));
        }
        if key == "authentication.type" {
            check_selector(&at, entry, element, findings);
        }
    }
    if offered.len() > 1 && element.entry("authentication.type").is_none() {
        findings.add("configuration", "with several authentication types `authentication.type` must be declared");
    }
    if let Some(oauth2) = &element.authentication.oauth2 {
        check_oauth2_keys(element, oauth2, findings);
    }
}

fn check_names(at: &str, entry: &ConfigurationEntry, findings: &mut Findings) {
    let key = &entry.key;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let shaped = !key.is_empty() && key.chars().all(fits);
    findings.demand(shaped, format!("{at}/key"), format!("`{key}` is no configuration key"));
    if ADDRESS_KEYS.contains(&key.as_str()) {
        findings.add(format!("{at}/key"), format!("`{key}` is derived from the element's URLs and not declared"));
    }
    for (member, text) in [("name", &entry.name), ("description", &entry.description)] {
        findings.demand(!text.trim().is_empty(), format!("{at}/{member}"), format!("`{member}` of `{key}` is empty"));
    }
}

fn check_values(at: &str, entry: &ConfigurationEntry, findings: &mut Findings) {
    let key = &entry.key;
    let combo = entry.kind == ConfigurationType::Combo;
    findings.demand(
        combo != entry.options.is_empty(),
        format!("{at}/options"),
        format!("`{key}`: a COMBO has options, nothing else has"),
    );
    findings.demand(
        combo || !entry.group_control,
        format!("{at}/groupControl"),
        format!("`{key}`: only a COMBO controls a group"),
    );
    let mut seen = BTreeSet::new();
    for option in &entry.options {
        let value = &option.value;
        findings.demand(
            seen.insert(value),
            format!("{at}/options"),
            format!("`{key}`: the option `{value}` is there twice"),
        );
    }
    let allowed = entry.allowed_values();
    let fits = |value: &str| allowed.as_ref().is_none_or(|allowed| allowed.contains(&value));
    if let Some(default) = &entry.default {
        let at = format!("{at}/default");
        findings.demand(fits(default), &at, format!("`{key}`: the default `{default}` is not one of its values"));
        if let Some(longest) = longest(entry.kind) {
            let short = default.chars().count() <= longest;
            findings.demand(short, &at, format!("`{key}`: the default is longer than {longest} characters"));
        }
        findings.demand(!entry.is_secret(), &at, format!("`{key}` is secret: a default would be everybody's"));
    }
    for value in &entry.without_effect {
        findings.demand(
            fits(value),
            format!("{at}/withoutEffect"),
            format!("`{key}`: `{value}` is not one of its values"),
        );
    }
}

/// The length in characters that a type's name promises.
fn longest(kind: ConfigurationType) -> Option<usize> {
    match kind {
        ConfigurationType::Textfield32 => Some(32),
        ConfigurationType::Textfield64 => Some(64),
        ConfigurationType::Textfield128 => Some(128),
        ConfigurationType::Textfield1000 => Some(1000),
        _ => None,
    }
}

/// `authentication.type` offers what the element offers, with the same default.
fn check_selector(at: &str, entry: &ConfigurationEntry, element: &Element, findings: &mut Findings) {
    let mut offered: Vec<_> = element.authentication_types().into_iter().map(AuthenticationType::as_str).collect();
    let mut options: Vec<_> = entry.options.iter().map(|option| option.value.as_str()).collect();
    offered.sort_unstable();
    options.sort_unstable();
    let reason = format!("`authentication.type` must offer exactly: {}", offered.join(", "));
    findings.demand(options == offered, format!("{at}/options"), reason);
    let default = element.authentication.default.as_str();
    let reason =
        format!("`authentication.type` must default to `{default}`, as `authentication.type` of the element does");
    findings.demand(entry.default.as_deref() == Some(default), format!("{at}/default"), reason);
    findings.demand(entry.group_control, at, "`authentication.type` must have `groupControl`");
    findings.demand(
        entry.authentication.is_none(),
        format!("{at}/authentication"),
        "it belongs to every authentication type",
    );
}

/// What the code exchange reads (docs/api.md, Configuration entries) and where Ligand shows the tokens.
fn check_oauth2_keys(element: &Element, oauth2: &OAuth2, findings: &mut Findings) {
    let given = |entry: &ConfigurationEntry| entry.required && !entry.internal;
    let kept = |entry: &ConfigurationEntry| entry.internal && entry.is_secret();
    let mut demand = |key: &str, what: &str, fits: &dyn Fn(&ConfigurationEntry) -> bool| {
        let at = element.configuration.iter().position(|entry| entry.key == key);
        let Some((at, entry)) = at.zip(element.entry(key)) else {
            return findings.add("authentication/oauth2", format!("OAuth2 needs the configuration key `{key}`"));
        };
        let fits = fits(entry) && entry.applies_to(AuthenticationType::OAuth2);
        findings.demand(fits, format!("configuration/{at}"), format!("`{key}` must be {what}, and for oauth2"));
    };
    demand("oauth.api.key", "required and not internal", &given);
    if !oauth2.has_public_clients() {
        demand("oauth.api.secret", "required, secret and not internal", &|entry| given(entry) && entry.is_secret());
    }
    demand("oauth.callback.url", "required and not internal", &given);
    demand("oauth.user.token", "internal and secret", &kept);
    if oauth2.refresh.supported {
        demand("oauth.user.refresh_token", "internal and secret", &kept);
    }
    let secret = element.configuration.iter().position(|entry| entry.key == "oauth.api.secret");
    if let Some(at) = secret.filter(|_| oauth2.has_public_clients()) {
        findings.add(format!("configuration/{at}"), "`oauth.api.secret` is sent nowhere: the clients are public");
    }
}
