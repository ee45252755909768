//! A text with variables that is no address: `{tenant}`, `{"root": "{root}"}`. What stands around them stays as it is.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A parsed text. A brace opens a variable only where a name and a closing brace follow; every other one is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl TextTemplate {
    pub fn parse(text: &str) -> Self {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, after)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Variable(name.to_owned()));
                    rest = after;
                }
                None => {
                    plain.push('{');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { text: text.to_owned(), parts }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// With every variable filled in; none where one has no value. Without variables nothing is copied.
    pub fn filled(&self, value_of: impl Fn(&str) -> Option<String>) -> Option<Cow<'_, str>> {
        if self.variables().next().is_none() {
            return Some(Cow::Borrowed(&self.text));
        }
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable(name) => filled.push_str(&value_of(name).filter(|value| !value.is_empty())?),
            }
        }
        Some(Cow::Owned(filled))
    }
}

/// As names of variables are in addresses.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&str> for TextTemplate {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for TextTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

impl Serialize for TextTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_braces_are_variables() {
        let value = |name: &str| match name {
            "a" => Some("1".to_owned()),
            "b.c" => Some("{a}".to_owned()),
            _ => None,
        };
        for (text, filled) in [
            ("plain", Some("plain")),
            ("", Some("")),
            ("{a}", Some("1")),
            ("x{a}y{b.c}z", Some("x1y{a}z")),
            ("{\".tag\": \"root\", \"root\": \"{a}\"}", Some("{\".tag\": \"root\", \"root\": \"1\"}")),
            ("{{a}}", Some("{1}")),
            ("{a", Some("{a")),
            ("{} {a b}", Some("{} {a b}")),
            ("{a}{none}", None),
        ] {
            assert_eq!(TextTemplate::parse(text).filled(value).as_deref(), filled, "{text}");
        }
    }
}
