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

    /// What is to be said about scopes that are asked for together.
    pub fn warning(&self, scopes: &[String]) -> Option<&str> {
        let mixed = self.mixtures.iter().find(|mixture| {
            let begins = |scope: &String| mixture.with.iter().any(|head| scope.starts_with(head.as_str()));
            scopes.iter().any(|scope| mixture.any.contains(scope)) && scopes.iter().any(begins)
        });
        mixed.map(|mixture| mixture.warning.as_str())
    }
}

/// The scopes of a text. Callers paste them as they stand in a URL: `a b`, `a+b` and `a%20b` are the same two.
pub fn split(text: &str) -> Vec<&str> {
    text.split("%20")
        .flat_map(|part| part.split([' ', '+', '\t', '\n', '\r']))
        .filter(|scope| !scope.is_empty())
        .collect()
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
