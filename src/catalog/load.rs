//! The catalogue: elements shipped with the program, and those that a directory adds or replaces.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::check::{Weight, check_element};
use super::element::Element;
use super::secret_places::SHIPPED;
pub use super::source::Complaint;
use super::source::{Format, Source, Sources};

/// Files shipped with the program: name and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("elements/closeio.toml", include_str!("../../elements/closeio.toml")),
    ("elements/freshdesk.toml", include_str!("../../elements/freshdesk.toml")),
    ("elements/hubspot.toml", include_str!("../../elements/hubspot.toml")),
    ("elements/hubspotcrm.toml", include_str!("../../elements/hubspotcrm.toml")),
    ("elements/jira.toml", include_str!("../../elements/jira.toml")),
    ("elements/pipedrive.toml", include_str!("../../elements/pipedrive.toml")),
    ("elements/privateapi.toml", include_str!("../../elements/privateapi.toml")),
    ("elements/privateoauth.toml", include_str!("../../elements/privateoauth.toml")),
    ("elements/sfdc.toml", include_str!("../../elements/sfdc.toml")),
];

/// Files that the shipped ones include, by the name under which they do.
const INCLUDED: &[(&str, &str)] = &[("hubspot/resources.toml", include_str!("../../elements/hubspot/resources.toml"))];

const BUILT_IN_IDS: RangeInclusive<i64> = 1..=9_999;
const DIRECTORY_IDS: RangeInclusive<i64> = 10_000..=99_999;

/// All elements, by id and by key.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    elements: BTreeMap<i64, Arc<Element>>,
    ids: BTreeMap<String, i64>,
    /// Of members that do nothing.
    pub warnings: Vec<Complaint>,
}

impl Catalog {
    /// Reads the built-in elements, then the `*.toml` and `*.json` files of a directory in the order of their names. A file
    /// with the key of a built-in element replaces it and keeps its id, whatever id it states.
    ///
    /// Members without effect are warnings of the catalogue: an element that worked goes on.
    ///
    /// # Errors
    /// Everything that is wrong, in all files.
    pub fn load(directory: Option<&Path>) -> Result<Self, Vec<Complaint>> {
        let built_in = BUILT_IN.iter().map(|(file, text)| Source {
            file: (*file).to_owned(),
            text: (*text).to_owned(),
            format: Format::Toml,
            built_in: true,
        });
        let mut sources: Vec<Source> = built_in.collect();
        let mut complaints = Vec::new();
        if let Some(directory) = directory {
            read_directory(directory, &mut sources, &mut complaints);
        }
        let mut shelf = Shelf::default();
        for source in &sources {
            match Sources::read(source, |path| included(source, path)) {
                Ok((element, sources)) => {
                    for finding in check_element(&element) {
                        let complaint = sources.complaint(&finding.at, &finding.reason);
                        match finding.weight {
                            Weight::Fault => complaints.push(complaint),
                            Weight::NoEffect => shelf.catalog.warnings.push(complaint),
                        }
                    }
                    complaints.extend(shelf.admit(element, source).err());
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        if complaints.is_empty() {
            return Ok(shelf.catalog);
        }
        complaints.append(&mut shelf.catalog.warnings);
        Err(complaints)
    }

    /// By key, or by id where the text is a number.
    pub fn get(&self, key_or_id: &str) -> Option<&Arc<Element>> {
        if key_or_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return key_or_id.parse().ok().and_then(|id| self.by_id(id));
        }
        self.ids.get(key_or_id).and_then(|id| self.by_id(*id))
    }

    pub fn by_id(&self, id: i64) -> Option<&Arc<Element>> {
        self.elements.get(&id)
    }

    /// Ascending by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Element>> {
        self.elements.values()
    }

    /// Ascending by id, like [`Self::iter`].
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|element| element.key.as_str())
    }

    /// Swaps scheme, host and port of every URL of some elements, for a vendor that stands elsewhere (the sandbox).
    /// Unknown keys are passed over.
    pub fn point_at(&mut self, keys: &[&str], base: &Url) {
        let origin = base.origin().ascii_serialization();
        for key in keys {
            if let Some(element) = self.ids.get(*key).and_then(|id| self.elements.get_mut(id)) {
                Arc::make_mut(element).move_to_origin(&origin);
            }
        }
    }
}

/// Reads and checks everything, and says how many elements there are.
///
/// # Errors
/// As [`Catalog::load`], and members without effect.
pub fn check(directory: Option<&Path>) -> Result<usize, Vec<Complaint>> {
    let catalog = Catalog::load(directory)?;
    if catalog.warnings.is_empty() { Ok(catalog.iter().len()) } else { Err(catalog.warnings) }
}

/// The file that an element includes: beside it, or one of those that are shipped.
fn included(by: &Source, path: &str) -> Result<Source, String> {
    let plain = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !plain || !path.ends_with(".toml") {
        return Err(format!("`{path}` is no path of a TOML file below the element's own directory"));
    }
    let shipped = || INCLUDED.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
    let beside = Path::new(&by.file).with_file_name(path);
    // A copy of a shipped element works in a directory too.
    let text = match if by.built_in { None } else { std::fs::read_to_string(&beside).ok() } {
        Some(text) => text,
        None => shipped().ok_or_else(|| format!("`{path}` is not there"))?,
    };
    Ok(Source { file: beside.display().to_string(), text, format: Format::Toml, built_in: by.built_in })
}

/// A catalogue being filled, which remembers the file that each key came from.
#[derive(Default)]
struct Shelf<'a> {
    catalog: Catalog,
    sources: BTreeMap<String, &'a Source>,
}

impl<'a> Shelf<'a> {
    /// A file that replaces a shipped one and sends secrets nowhere else is like it.
    fn secret_places_of(&self, element: &Element, source: &Source) -> String {
        let digest = element.digest_of_secret_places();
        let replaced = self.catalog.by_id(element.id);
        let same = replaced.is_some_and(|shipped| shipped.digest_of_secret_places() == digest);
        if source.built_in || same { SHIPPED.to_owned() } else { digest }
    }

    fn admit(&mut self, mut element: Element, source: &'a Source) -> Result<(), Complaint> {
        let earlier = self.sources.get(&element.key);
        if let Some(earlier) = earlier.filter(|earlier| source.built_in || !earlier.built_in) {
            let reason = format!("the key `{}` is taken by {}", element.key, earlier.file);
            return Err(source.complaint("key", &reason));
        }
        let replaced = earlier.and_then(|_| self.catalog.ids.get(&element.key)).copied();
        let allowed = if source.built_in { BUILT_IN_IDS } else { DIRECTORY_IDS };
        if !allowed.contains(&element.id) && replaced != Some(element.id) {
            let mut reason = format!("the id {} is outside {}–{}", element.id, allowed.start(), allowed.end());
            if let Some(id) = replaced {
                reason.push_str(&format!(", and not {id}, which the built-in `{}` has", element.key));
            }
            return Err(source.complaint("id", &reason));
        }
        element.id = replaced.unwrap_or(element.id);
        if let Some(holder) = self.catalog.by_id(element.id).filter(|holder| holder.key != element.key) {
            let file = self.sources.get(&holder.key).map_or("another file", |holder| holder.file.as_str());
            let reason = format!("the id {} is taken by `{}` in {file}", element.id, holder.key);
            return Err(source.complaint("id", &reason));
        }
        element.secret_places = self.secret_places_of(&element, source);
        self.sources.insert(element.key.clone(), source);
        self.catalog.ids.insert(element.key.clone(), element.id);
        self.catalog.elements.insert(element.id, Arc::new(element));
        Ok(())
    }
}

fn read_directory(directory: &Path, sources: &mut Vec<Source>, complaints: &mut Vec<Complaint>) {
    let complaint = |path: &Path, fault: &dyn std::fmt::Display| Complaint {
        file: path.display().to_string(),
        line: None,
        reason: format!("cannot be read: {fault}"),
    };
    let listed = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> = match listed {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(fault) => return complaints.push(complaint(directory, &fault)),
    };
    paths.sort();
    for path in paths {
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Format::Toml,
            Some("json") => Format::Json,
            _ => continue,
        };
        // Editors and mounts leave hidden files beside the real ones.
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => sources.push(Source { file: path.display().to_string(), text, format, built_in: false }),
            Err(fault) => complaints.push(complaint(&path, &fault)),
        }
    }
}
