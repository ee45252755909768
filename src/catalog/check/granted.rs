//! How granted scopes are compared with those that were asked for, and what is told of scopes by their class.

use std::collections::BTreeMap;

use super::Findings;
use super::authentication::check_list;
use crate::catalog::scopes::Scopes;

const AT: &str = "authentication/oauth2/scopes";

pub fn check(scopes: &Scopes, findings: &mut Findings) {
    for (class, list) in &scopes.classes {
        check_list(&format!("{AT}/classes/{class}"), list, &scopes.separator, findings);
    }
    for (class, warning) in &scopes.warnings {
        let at = format!("{AT}/warnings/{class}");
        findings.demand(!warning.trim().is_empty(), &at, format!("the warning of the class `{class}` is empty"));
        let known = scopes.classes.contains_key(class);
        findings.demand(known, &at, format!("`warnings` names the class `{class}`, which `classes` lacks"));
    }
    for (at, prefix) in scopes.prefixes.iter().enumerate() {
        let fits = !prefix.is_empty() && !prefix.contains(char::is_whitespace);
        findings.demand(fits, format!("{AT}/prefixes/{at}"), format!("`{prefix}` is no beginning of a scope"));
    }
    check_aliases(scopes, findings);
    for (name, included) in &scopes.implies {
        let at = format!("{AT}/implies/{name}");
        findings.demand(!included.is_empty(), &at, format!("`{name}` includes nothing"));
        for (index, pattern) in [name].into_iter().chain(included).enumerate() {
            // The name itself stands before what it includes.
            let at = index.checked_sub(1).map_or_else(|| at.clone(), |index| format!("{at}/{index}"));
            check_pattern(&at, pattern, &scopes.separator, findings);
        }
    }
    for (at, pattern) in scopes.untold.iter().enumerate() {
        let at = format!("{AT}/untold/{at}");
        check_pattern(&at, pattern, &scopes.separator, findings);
        let held = !scopes.complete || pattern != "*";
        findings.demand(held, at, "`complete` says that the vendor names every scope, and `untold` that it names none");
    }
}

fn check_aliases(scopes: &Scopes, findings: &mut Findings) {
    let mut of: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, aliases) in &scopes.aliases {
        let at = format!("{AT}/aliases/{name}");
        findings.demand(!aliases.is_empty(), &at, format!("`{name}` has no other name"));
        check_list(&at, aliases, &scopes.separator, findings);
        for (index, alias) in aliases.iter().enumerate() {
            let at = format!("{at}/{index}");
            if let Some(other) = of.insert(alias.as_str(), name.as_str()) {
                findings.add(at, format!("`{alias}` is another name of both `{other}` and `{name}`"));
            } else if scopes.aliases.contains_key(alias) {
                findings.add(at, format!("`{alias}` is another name of `{name}`, and has others itself"));
            }
        }
    }
}

fn check_pattern(at: &str, pattern: &str, separator: &str, findings: &mut Findings) {
    check_list(at, [&pattern.to_owned()], separator, findings);
    findings.demand(pattern.matches('*').count() <= 1, at, format!("`{pattern}` has more than one `*`"));
}
