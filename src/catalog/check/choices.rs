//! Inputs that hang on another one, and what an organization's OAuth app says.

use super::Findings;
use crate::catalog::choice::Condition;
use crate::catalog::element::{ApiKey, AuthenticationType, ConfigurationEntry, ConfigurationType, Element, Placement};
use crate::catalog::oauth2::{ClientAuthentication, OAuth2};

pub fn check(element: &Element, findings: &mut Findings) {
    for (at, entry) in element.configuration.iter().enumerate() {
        let at = format!("configuration/{at}");
        if let Some(when) = &entry.when {
            check_condition(element, &format!("{at}/when"), when, findings);
            let twice = element.entry(&when.key).is_some_and(|control| control.when.is_some());
            findings.demand(!twice, format!("{at}/when"), format!("`{}` hangs on another entry itself", when.key));
        }
        if entry.app {
            check_app_entry(element, &format!("{at}/app"), entry, findings);
        }
    }
    if let Some(api_key) = &element.authentication.api_key {
        check_forms(element, api_key, findings);
    }
    let accepts = element.authentication.accepts.iter().enumerate();
    let accepts = accepts.map(|(at, placement)| (format!("authentication/accepts/{at}"), placement));
    let token = element.authentication.oauth2.iter();
    let token = token.map(|oauth2| ("authentication/oauth2/placement".to_owned(), &oauth2.placement));
    for (at, _) in accepts.chain(token).filter(|(_, placement)| placement.named_by().is_some()) {
        findings.add(at, "only a form of a key has a name that the configuration says");
    }
    if let Some(oauth2) = &element.authentication.oauth2 {
        check_client_authentication(element, oauth2, findings);
    }
}

fn check_forms(element: &Element, api_key: &ApiKey, findings: &mut Findings) {
    for (at, form) in api_key.forms.iter().enumerate() {
        let at = format!("authentication/apiKey/forms/{at}");
        if let Some(when) = &form.when {
            check_condition(element, &format!("{at}/when"), when, findings);
        }
        let Some(by) = form.placement.named_by() else { continue };
        let fits = element.entry(by).is_some_and(|entry| entry.required && !entry.internal && !entry.is_secret());
        let reason =
            format!("the configuration key `{by}` must be declared, required, and neither internal nor secret");
        findings.demand(fits, format!("{at}/placement"), reason);
    }
    let pairs = api_key.forms.iter().any(|form| form.placement == Placement::Pair);
    let prefixed = api_key.forms.iter().position(|form| form.prefix.is_some()).filter(|_| pairs);
    if let Some(at) = prefixed {
        findings.add(
            format!("authentication/apiKey/forms/{at}"),
            "beside the placement `pair` a form is chosen by `when`, and not by a prefix",
        );
    }
}

/// What it hangs on is one of few values, and these are among them.
fn check_condition(element: &Element, at: &str, when: &Condition, findings: &mut Findings) {
    findings.demand(!when.is.is_empty(), at, "`is` is empty");
    let Some(control) = element.entry(&when.key) else {
        return findings.add(at, format!("the configuration key `{}` is not declared", when.key));
    };
    let combo = control.kind == ConfigurationType::Combo && control.group_control && control.authentication.is_none();
    let reason = format!("`{}` must be a COMBO with `groupControl`, for every authentication type", when.key);
    findings.demand(combo, at, reason);
    let known = |value: &String| control.options.iter().any(|option| option.value == *value);
    for value in when.is.iter().filter(|value| combo && !known(value)) {
        findings.add(at, format!("`{value}` is none of the values of `{}`", when.key));
    }
}

fn check_app_entry(element: &Element, at: &str, entry: &ConfigurationEntry, findings: &mut Findings) {
    findings.demand(
        element.authentication.oauth2.is_some() && entry.authentication == Some(AuthenticationType::OAuth2),
        at,
        format!("`{}` is an OAuth app's to say, so it must be for oauth2", entry.key),
    );
    findings.demand(
        !entry.internal && !entry.is_secret() && entry.when.is_none(),
        at,
        format!("what an app says is neither internal nor secret, and hangs on nothing: `{}`", entry.key),
    );
}

fn check_client_authentication(element: &Element, oauth2: &OAuth2, findings: &mut Findings) {
    const AT: &str = "authentication/oauth2";
    let Some(by) = &oauth2.token.client_authentication_by else { return };
    let at = format!("{AT}/token/clientAuthenticationBy");
    let entry = element.entry(by).filter(|entry| entry.kind == ConfigurationType::Combo && !entry.internal);
    let reason = format!("the configuration key `{by}` must be a COMBO with a default");
    findings.demand(entry.is_some_and(|entry| entry.default.is_some()), &at, reason);
    for option in entry.iter().flat_map(|entry| &entry.options) {
        let read = ClientAuthentication::read(&option.value).filter(|way| *way != ClientAuthentication::None);
        let reason = format!("`{}` is none of post, basic, basicRaw, query", option.value);
        findings.demand(read.is_some(), &at, reason);
    }
    let further = [
        ("refresh", oauth2.refresh.client_authentication),
        ("revoke", oauth2.revoke.as_ref().and_then(|it| it.client_authentication)),
        ("introspection", oauth2.introspection.as_ref().and_then(|it| it.client_authentication)),
    ];
    for (member, _) in further.iter().filter(|(_, said)| said.is_some()) {
        findings.add(format!("{AT}/{member}/clientAuthentication"), format!("the configuration key `{by}` says it"));
    }
}
