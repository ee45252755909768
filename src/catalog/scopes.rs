//! Which scopes an authorization asks for, and what is said about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The preset that links, apps and `oauth/url/default` ask for unless they say otherwise; where there is none,
/// `scopes.default`.
pub const DEFAULT_PRESET: &str = "default";

/// What `oauth/url` asks for when the caller names no scope, and how all of them are written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scopes {
    /// Without a `scope` parameter. Empty: the parameter is left out.
    pub default: Vec<String>,
    /// With an empty `scope=`; absent: as `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_empty: Option<Vec<String>>,
    /// Sent whatever the caller asks for (`offline_access`).
    pub always: Vec<String>,
    pub separator: String,
    /// The name of the vendor's second scope parameter (`optional_scope`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional_parameter: Option<String>,
    /// What the vendor's scopes are for, by class (`marketing`, `shared`).
    pub classes: BTreeMap<String, Vec<String>>,
    /// What is told, by class, where a link or an app insists on scopes of it. `{scopes}` stands for their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, String>,
    /// The vendor names every scope that it granted, so that one that it does not name was refused. Otherwise a scope is taken
    /// for refused only where nothing that was named may stand for it.
    #[serde(skip_serializing_if = "is_false")]
    pub complete: bool,
    /// The vendor changes the case of letters.
    #[serde(skip_serializing_if = "is_false")]
    pub ignore_case: bool,
    /// A scope behind one of these is the same as without it (`https://graph.microsoft.com/`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// Further names of a scope, by the name under which it is asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What a scope includes, so that the vendor need not name it. A `*` stands for any text: in both names for the same one
    /// (`write_*`, `read_*`), in the included one alone for whatever is there (`user:*`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub implies: BTreeMap<String, Vec<String>>,
    /// Scopes that the vendor grants without naming them (`offline_access`). `*` as above: alone, it names none that it can be
    /// held to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
    /// What a scope lets an app do, in plain words. A `*` in the name stands for one part of it, which takes the place of
    /// the `*` in the words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mixtures: Vec<Mixture>,
}

impl Default for Scopes {
    fn default() -> Self {
        Self {
            default: Vec::new(),
            when_empty: None,
            always: Vec::new(),
            separator: " ".to_owned(),
            optional_parameter: None,
            classes: BTreeMap::new(),
            warnings: BTreeMap::new(),
            complete: false,
            ignore_case: false,
            prefixes: Vec::new(),
            aliases: BTreeMap::new(),
            implies: BTreeMap::new(),
            untold: Vec::new(),
            words: BTreeMap::new(),
            mixtures: Vec::new(),
        }
    }
}

/// A set of scopes under a name.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Preset {
    /// When to use it.
    pub description: String,
    /// Without one of them there is no connection.
    pub scopes: Vec<String>,
    /// Those that the vendor may leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional_scopes: Vec<String>,
}

/// Scopes that do not go together, and what to do about it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// One of these …
    pub any: Vec<String>,
    /// … with one that begins so.
    pub with: Vec<String>,
    pub warning: String,
}

impl Scopes {
    /// What a scope lets an app do, where the element says so.
    pub fn in_words(&self, scope: &str) -> Option<String> {
        if let Some(words) = self.words.get(scope) {
            return Some(words.clone());
        }
        let fitting = self.words.iter().filter_map(|(name, words)| {
            let (head, tail) = name.split_once('*')?;
            let object = scope.strip_prefix(head)?.strip_suffix(tail)?;
            let one = !object.is_empty() && !object.contains('.');
            one.then(|| (name.len(), words.replace('*', &object.replace('_', " "))))
        });
        fitting.max_by_key(|(length, _)| *length).map(|(_, words)| words)
    }

    /// What is to be said about scopes that are asked for: of those that do not go together, and of the mandatory ones that
    /// not every account can grant.
    pub fn warning(&self, mandatory: &[String], optional: &[String]) -> Option<String> {
        let asked = || mandatory.iter().chain(optional);
        let mixed = self.mixtures.iter().find(|mixture| {
            let begins = |scope: &String| mixture.with.iter().any(|head| scope.starts_with(head.as_str()));
            asked().any(|scope| mixture.any.contains(scope)) && asked().any(begins)
        });
        let of_class = self.warnings.iter().filter_map(|(class, warning)| {
            let of_class = self.classes.get(class)?;
            let named: Vec<_> = mandatory.iter().filter(|scope| of_class.contains(scope)).map(String::as_str).collect();
            (!named.is_empty()).then(|| warning.replace("{scopes}", &named.join(", ")))
        });
        let all: Vec<String> = mixed.map(|mixture| mixture.warning.clone()).into_iter().chain(of_class).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

/// The scopes of a text. Callers paste them as they stand in a URL, or as the vendor's page writes them, and vendors separate
/// them as they like: `a b`, `a+b`, `a%20b`, `a,b` and `a;b` are the same two.
pub fn split(text: &str) -> Vec<&str> {
    text.split("%20")
        .flat_map(|part| part.split(|c: char| c.is_whitespace() || matches!(c, '+' | ',' | ';')))
        .filter(|scope| !scope.is_empty())
        .collect()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_the_words_takes_what_it_stood_for() {
        let words = [("files", "Use files"), ("crm.objects.*.read", "Read *"), ("crm.*.read", "Read the list of *")];
        let words = words.map(|(name, words)| (name.to_owned(), words.to_owned())).into();
        let scopes = Scopes { words, ..Scopes::default() };
        for (scope, expected) in [
            ("files", Some("Use files")),
            ("crm.objects.line_items.read", Some("Read line items")),
            ("crm.lists.read", Some("Read the list of lists")),
            ("crm.objects..read", None),
            ("crm.objects.deals.write", None),
            ("", None),
        ] {
            assert_eq!(scopes.in_words(scope).as_deref(), expected, "{scope}");
        }
    }
}
