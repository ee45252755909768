//! URLs and their variables.

use std::collections::BTreeSet;

use url::Url;

use super::Findings;
use crate::catalog::element::Element;
use crate::catalog::variable::{Kept, Variable};
use crate::kernel::template::{Place, Template, is_loopback};

pub fn check(element: &Element, findings: &mut Findings) {
    for (at, host) in element.hosts.listed().iter().enumerate() {
        let name = host.strip_prefix('.').unwrap_or(host);
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        // One label alone (`.com`) would open a whole top-level domain.
        let fits = name.contains('.') && name.split('.').all(label);
        findings.demand(
            fits,
            format!("hosts/{at}"),
            format!("`{host}` is no lower-case host name of two labels or more"),
        );
    }
    let mut used = BTreeSet::new();
    for (at, template) in element.templates() {
        used.extend(template.places().map(|(name, _)| name));
        check_template(element, at, template, findings);
    }
    let authorize = element.authentication.oauth2.as_ref().map(|oauth2| &oauth2.authorize);
    if let Some(issuer) = authorize.and_then(|authorize| authorize.issuer.as_ref()) {
        used.extend(issuer.variables());
        check_template(element, "authentication/oauth2/authorize/issuer", issuer, findings);
    }
    // Nothing of a header is shown, unlike what stands in an address.
    let mut sent = BTreeSet::new();
    let of_tokens = element.authentication.oauth2.as_ref().map(|oauth2| &oauth2.token.headers);
    let headers = [("headers", Some(&element.headers)), ("authentication/oauth2/token/headers", of_tokens)];
    for (at, name, header) in headers
        .iter()
        .flat_map(|(at, all)| all.iter().flat_map(move |all| all.iter().map(move |(name, it)| (at, name, it))))
    {
        for variable in header.variables() {
            let declared = element.variables.contains_key(variable);
            findings.demand(declared, format!("{at}/{name}"), format!("the variable `{variable}` is not declared"));
            sent.insert(variable);
        }
    }
    let members = element.resources.iter().flat_map(|resource| &resource.members);
    used.extend(members.filter_map(|member| member.variable.as_deref()));
    for (name, variable) in &element.variables {
        let at = format!("variables/{name}");
        findings.demand(
            used.contains(name.as_str()) || sent.contains(name.as_str()) || variable.kept.is_some(),
            &at,
            format!("the variable `{name}` is used by no URL, no header and no resource, and not `kept`"),
        );
        let shown = variable.kept == Some(Kept::Secret) && used.contains(name.as_str());
        findings.demand(
            !shown,
            format!("{at}/kept"),
            format!("`{name}` is secret, and stands in a URL or in what a resource shows"),
        );
        check_variable(element, &at, name, variable, findings);
    }
}

fn check_variable(element: &Element, at: &str, name: &str, variable: &Variable, findings: &mut Findings) {
    let Variable { parameter, configuration, reply, verification, callback, default, kept } = variable;
    let sources = [parameter, configuration, reply, verification, callback, default];
    findings.demand(
        sources.iter().any(|source| source.is_some()),
        at,
        format!("the variable `{name}` comes from nowhere"),
    );
    if let Some(key) = configuration.as_ref().filter(|key| element.entry(key).is_none()) {
        findings.add(format!("{at}/configuration"), format!("the configuration key `{key}` is not declared"));
    }
    // Only `oauth/url` takes parameters; what follows the login reads the instance.
    if parameter.is_some() && configuration.is_none() {
        findings.add(
            format!("{at}/parameter"),
            format!("the variable `{name}` needs a configuration key beside its parameter"),
        );
    }
    for (member, pointer) in [("reply", reply), ("verification", verification)] {
        if let Some(pointer) = pointer {
            super::authentication::check_pointer(&format!("{at}/{member}"), pointer, findings);
        }
    }
    if reply.is_some() && element.authentication.oauth2.is_none() {
        findings.without_effect(format!("{at}/reply"), "without OAuth2 there is no token reply");
    }
    findings.demand(
        kept.is_none() || variable.is_told(),
        format!("{at}/kept"),
        format!("`{name}` is kept, and the vendor tells it nowhere"),
    );
    if let Some(parameter) = callback {
        let at = format!("{at}/callback");
        super::callback::check_parameter(&at, parameter, findings);
        findings.demand(element.authentication.oauth2.is_some(), at, "without OAuth2 there is no redirect");
    }
    if verification.is_some() && element.verification.is_none() {
        findings.add(format!("{at}/verification"), "the element has no `verification` call".to_owned());
    }
}

fn check_template(element: &Element, at: &str, template: &Template, findings: &mut Findings) {
    let mut whole = true;
    for (name, place) in template.places() {
        let Some(variable) = element.variables.get(name) else {
            findings.add(at, format!("the variable `{name}` is not declared"));
            whole = false;
            continue;
        };
        if matches!(place, Place::Origin | Place::Host) && element.hosts.is_empty() {
            findings.add(at, format!("the variable `{name}` chooses the host, so `hosts` must say which are allowed"));
            whole = false;
        }
        let open = element.hosts.is_any() && matches!(place, Place::Origin | Place::Host);
        if open && variable.callback.is_some() {
            findings.add(at, format!("whoever sits before the browser would choose the host `{name}` among all"));
        }
        let given = variable.configuration.is_some() || variable.default.is_some();
        let early = match at.strip_prefix("authentication/oauth2/") {
            Some("authorize/url" | "authorize/issuer") => !given,
            // By then the redirect was there.
            Some("token/url") => !given && variable.callback.is_none(),
            _ => false,
        };
        if early {
            findings.add(at, format!("the variable `{name}` is needed before any reply, but comes from one only"));
        }
    }
    let opened = template.as_str().strip_prefix('{').and_then(|rest| rest.split_once('}'));
    if let Some((name, rest)) = opened
        && !(rest.is_empty() || rest.starts_with('/'))
    {
        findings.add(at, format!("a path or nothing must follow `{{{name}}}`"));
        whole = false;
    }
    if whole {
        check_sample(element, at, template, findings);
    }
}

/// Fills a template with defaults, or with samples that fit, and looks at the URL.
fn check_sample(element: &Element, at: &str, template: &Template, findings: &mut Findings) {
    let host =
        element.hosts.listed().first().map(|host| format!("{}{host}", if host.starts_with('.') { "x" } else { "" }));
    let host = host.or_else(|| element.hosts.is_any().then(|| "any.example".to_owned())).unwrap_or_default();
    let sample = |name: &str| {
        let default = element.variables.get(name).and_then(|variable| variable.default.clone());
        default.or_else(|| match template.places().find(|(placed, _)| *placed == name)?.1 {
            Place::Origin => Some(format!("https://{host}")),
            Place::Host => Some(host.clone()),
            Place::Label | Place::Path => Some("x".to_owned()),
        })
    };
    match template.url(sample, &element.hosts) {
        Ok(url) => findings.demand(is_private(&url), at, "it is neither https nor on this machine"),
        Err(fault) => findings.add(at, format!("`{template}`: {fault}")),
    }
}

fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}
