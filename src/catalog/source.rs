//! The text of an element file: reading it, and finding the line where a member stands.

use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::element::{Element, Included};

/// Why an element file is refused. Shown as `file:line: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub file: String,
    /// Counted from 1; absent where the fault is the file itself.
    pub line: Option<usize>,
    pub reason: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for Complaint {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Toml,
    Json,
}

/// One element file.
#[derive(Debug)]
pub struct Source {
    pub file: String,
    pub text: String,
    pub format: Format,
    /// Shipped with the program rather than found in a directory.
    pub built_in: bool,
}

/// An element file, and the one that it includes.
#[derive(Debug)]
pub struct Sources<'a> {
    pub own: &'a Source,
    included: Option<Inclusion>,
}

/// An included file, and which of the element's members are its.
#[derive(Debug)]
struct Inclusion {
    source: Source,
    collections: Vec<String>,
    presets: Vec<String>,
    first_resource: usize,
}

impl<'a> Sources<'a> {
    /// Reads the element and what it includes. `find` gets the text of an included file.
    pub fn read(
        own: &'a Source,
        find: impl FnOnce(&str) -> Result<Source, String>,
    ) -> Result<(Element, Self), Complaint> {
        let mut element = own.read()?;
        let Some(path) = element.include.take() else { return Ok((element, Self { own, included: None })) };
        let source = find(&path).map_err(|reason| own.complaint("include", &reason))?;
        let more: Included = source.parsed()?;
        let mut inclusion = Inclusion {
            source,
            collections: more.collections.keys().cloned().collect(),
            presets: Vec::new(),
            first_resource: element.resources.len(),
        };
        for (name, collection) in more.collections {
            // The element's own counts.
            element.collections.entry(name).or_insert(collection);
        }
        element.resources.extend(more.resources);
        if let Some(oauth2) = &mut element.authentication.oauth2 {
            for (name, preset) in more.oauth2.presets {
                if let Entry::Vacant(place) = oauth2.presets.entry(name) {
                    inclusion.presets.push(place.key().clone());
                    place.insert(preset);
                }
            }
            for (name, words) in more.oauth2.words {
                oauth2.scopes.words.entry(name).or_insert(words);
            }
            oauth2.scopes.mixtures.extend(more.oauth2.mixtures);
        }
        Ok((element, Self { own, included: Some(inclusion) }))
    }

    /// As `Source::complaint`, about the file in which the member stands.
    pub fn complaint(&self, path: &str, reason: &str) -> Complaint {
        let Some(Inclusion { source, collections, presets, first_resource }) = &self.included else {
            return self.own.complaint(path, reason);
        };
        let of_preset = path.strip_prefix("authentication/oauth2/presets/");
        if let Some(below) = of_preset.filter(|below| presets.iter().any(|name| below.split('/').next() == Some(name)))
        {
            return source.complaint(&format!("oauth2/presets/{below}"), reason);
        }
        let mut steps = path.splitn(3, '/');
        let (list, name, rest) = (steps.next(), steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
        let inside = match list {
            Some("resources") => {
                name.parse().ok().and_then(|at: usize| at.checked_sub(*first_resource)).map(|at| at.to_string())
            }
            Some("collections") => collections.iter().find(|known| *known == name).cloned(),
            _ => None,
        };
        match (list, inside) {
            (Some(list), Some(inside)) => source.complaint(&format!("{list}/{inside}/{rest}"), reason),
            _ => self.own.complaint(path, reason),
        }
    }
}

impl Source {
    pub fn read(&self) -> Result<Element, Complaint> {
        self.parsed()
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, Complaint> {
        match self.format {
            Format::Toml => toml::from_str(&self.text).map_err(|fault| {
                let line = fault.span().map(|span| line_at(&self.text, span.start));
                self.refused(line, fault.message())
            }),
            Format::Json => serde_json::from_str(&self.text).map_err(|fault| {
                let reason = fault.to_string();
                // The line stands before the reason already.
                let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
                self.refused(Some(fault.line()), reason)
            }),
        }
    }

    /// A complaint about the member that a path leads to (`configuration/3/default`), or the nearest one around it.
    pub fn complaint(&self, path: &str, reason: &str) -> Complaint {
        let path: Vec<&str> = path.split('/').collect();
        let at = match self.format {
            Format::Toml => find_in_toml(&self.text, &path),
            Format::Json => Some(find_in_json(&self.text, &path)),
        };
        self.refused(at.map(|at| line_at(&self.text, at)), reason)
    }

    fn refused(&self, line: Option<usize>, reason: &str) -> Complaint {
        Complaint { file: self.file.clone(), line, reason: reason.replace('\n', " ") }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn find_in_toml(text: &str, path: &[&str]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut here = &DeValue::Table(root.into_inner());
    let mut offset = 0;
    for step in path {
        let found = match here {
            DeValue::Table(table) => {
                table.iter().find(|(key, _)| key.get_ref() == step).map(|(key, value)| (key.span().start, value))
            }
            DeValue::Array(items) => {
                step.parse().ok().and_then(|at: usize| items.get(at)).map(|item| (item.span().start, item))
            }
            _ => None,
        };
        let Some((start, value)) = found else { break };
        offset = start;
        here = value.get_ref();
    }
    Some(offset)
}

/// An object or array that is open while JSON is walked.
struct Open {
    array: bool,
    /// The key or the index of the member in hand.
    member: String,
}

/// Walks JSON that is known to be valid, because its parser keeps no positions.
fn find_in_json(text: &str, path: &[&str]) -> usize {
    let mut stack: Vec<Open> = Vec::new();
    let mut member_begins = false;
    let mut nearest = (0, 0);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let string = if c == '"' { Some(skip_string(&mut chars)) } else { None };
        if std::mem::take(&mut member_begins) && !matches!(c, '}' | ']') {
            if let (Some(open), Some(key)) = (stack.last_mut(), &string)
                && !open.array
            {
                open.member.clone_from(key);
            }
            let on_path = stack.len() <= path.len() && stack.iter().zip(path).all(|(open, step)| open.member == *step);
            if on_path && stack.len() > nearest.0 {
                nearest = (stack.len(), at);
            }
        }
        match c {
            '{' | '[' => {
                stack.push(Open { array: c == '[', member: if c == '[' { "0".to_owned() } else { String::new() } });
                member_begins = true;
            }
            '}' | ']' => {
                stack.pop();
            }
            ',' => {
                member_begins = true;
                if let Some(open) = stack.last_mut().filter(|open| open.array) {
                    open.member = open.member.parse().map_or(0, |at: usize| at.saturating_add(1)).to_string();
                }
            }
            _ => {}
        }
    }
    nearest.1
}

/// The rest of a string, escapes left as they are.
fn skip_string(chars: &mut std::str::CharIndices<'_>) -> String {
    let mut text = String::new();
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => break,
            '\\' => {
                text.push(c);
                text.extend(chars.next().map(|(_, escaped)| escaped));
            }
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, text: &str, path: &str) -> Option<usize> {
        let source = Source { file: "a".into(), text: text.into(), format, built_in: false };
        source.complaint(path, "").line
    }

    #[test]
    fn members_are_found_in_toml() {
        let text = "a = 1\n[b.c]\n# x\nd = \"\"\"\n\ne\"\"\"\nf = [\n 1,\n {g = 2},\n]\n[[h]]\ni = 1\n[[h]]\ni = 2\n";
        let at = |path| line(Format::Toml, text, path);
        assert_eq!([at("a"), at("b/c"), at("b/c/d"), at("b/c/f"), at("b/c/f/1/g")], [1, 2, 4, 7, 9].map(Some));
        assert_eq!([at("h/0/i"), at("h/1/i"), at("h/1/missing"), at("missing")], [12, 14, 13, 1].map(Some));
    }

    #[test]
    fn members_are_found_in_json() {
        let text =
            "{\"a\": \"{\\\"b\\\":\",\n \"b\": {\n  \"c\": [[],\n {\"d\": 1,\n \"e\":2}], \"f\":\n null},\n\"g\":1}";
        let at = |path| line(Format::Json, text, path);
        assert_eq!([at("a"), at("b"), at("b/c"), at("b/c/1/d"), at("b/c/1/e")], [1, 2, 3, 4, 5].map(Some));
        assert_eq!([at("b/f"), at("g"), at("b/c/0"), at("b/c/9"), at("missing")], [5, 7, 3, 3, 1].map(Some));
    }
}
