//! The records of an account: created, found, changed, put into the recycling bin, merged. No HTTP.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::Crm;
use super::fault::Fault;
use super::kinds::Kind;
use super::values::{accept, add, shown_time, text_of};

/// Ids begin here and are shared by all kinds, as in a real account.
const FIRST_ID: u64 = 1001;

/// A value, nothing when it was cleared, and since when.
type Version = (Option<String>, DateTime<Utc>);

#[derive(Debug)]
pub struct Record {
    pub id: u64,
    /// Oldest first.
    properties: BTreeMap<String, Vec<Version>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pub archived_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub struct Records {
    by_kind: BTreeMap<Kind, BTreeMap<u64, Record>>,
    count: u64,
}

/// What of a record is to be shown.
#[derive(Debug, Default)]
pub struct Wanted {
    pub properties: Vec<String>,
    pub with_history: Vec<String>,
    pub associations: Vec<Kind>,
    /// Every value that there is, as replies to a write show.
    pub all: bool,
}

impl Record {
    pub fn value(&self, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(self.id.to_string()),
            "lastmodifieddate" | "hs_lastmodifieddate" => Some(shown_time(self.updated_at)),
            _ => match self.properties.get(name) {
                Some(versions) => versions.last().and_then(|(value, _)| value.clone()),
                None => (name == "createdate").then(|| shown_time(self.created_at)),
            },
        }
    }

    fn put(&mut self, values: Vec<(String, Option<String>)>, now: DateTime<Utc>) {
        for (name, value) in values {
            self.properties.entry(name).or_default().push((value, now));
        }
        self.updated_at = now;
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    fn history(&self, name: &str) -> Value {
        let versions = self.properties.get(name).map_or(&[][..], Vec::as_slice).iter().rev();
        versions
            .map(|(value, at)| json!({"value": value, "timestamp": shown_time(*at), "sourceType": "INTEGRATION"}))
            .collect()
    }
}

impl Records {
    pub fn of(&self, kind: &Kind) -> impl DoubleEndedIterator<Item = &Record> {
        self.by_kind.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// From an id on.
    pub fn from(&self, kind: &Kind, first: u64) -> impl Iterator<Item = &Record> {
        self.by_kind.get(kind).into_iter().flat_map(move |records| records.range(first..)).map(|(_, record)| record)
    }

    pub fn get(&self, kind: &Kind, id: u64) -> Option<&Record> {
        self.by_kind.get(kind)?.get(&id)
    }

    /// Whose record an id is: no two records share one.
    pub fn kind_of(&self, id: u64) -> Option<Kind> {
        self.by_kind.iter().find(|(_, records)| records.contains_key(&id)).map(|(kind, _)| kind.clone())
    }

    fn get_mut(&mut self, kind: &Kind, id: u64) -> Option<&mut Record> {
        self.by_kind.get_mut(kind)?.get_mut(&id)
    }

    pub fn remove(&mut self, kind: &Kind, id: u64) {
        self.by_kind.entry(kind.clone()).or_default().remove(&id);
    }
}

impl Crm {
    pub fn create(&mut self, kind: &Kind, sent: &Map<String, Value>, now: DateTime<Utc>) -> Result<u64, Fault> {
        let values = accept(&self.definitions, kind, sent)?;
        self.check_unique(kind, &values, None)?;
        let id = FIRST_ID + self.records.count;
        self.records.count += 1;
        let mut record =
            Record { id, properties: BTreeMap::new(), created_at: now, updated_at: now, archived_at: None };
        record.put(values, now);
        self.records.by_kind.entry(kind.clone()).or_default().insert(id, record);
        Ok(id)
    }

    /// A live record, by its id or by a property that no two records share.
    pub fn find(&self, kind: &Kind, text: &str, id_property: Option<&str>) -> Result<&Record, Fault> {
        let live = |record: &&Record| record.archived_at.is_none();
        let found = match id_property.filter(|name| *name != "hs_object_id") {
            None => text.parse().ok().and_then(|id| self.records.get(kind, id)).filter(live),
            Some(name) if self.definitions.is_unique(kind, name) => self.holder(kind, name, text),
            Some(name) => {
                let message = format!("The property {name} has no unique values and can not be an id");
                return Err(Fault::validation(&message));
            }
        };
        found.ok_or_else(Fault::no_object)
    }

    /// The live record with this value of a unique property.
    fn holder(&self, kind: &Kind, name: &str, text: &str) -> Option<&Record> {
        let mut live = self.records.of(kind).filter(|record| record.archived_at.is_none());
        live.find(|record| record.value(name).is_some_and(|value| value.eq_ignore_ascii_case(text)))
    }

    /// A contact's e-mail is a conflict of its own; other unique properties are refused as values.
    fn check_unique(&self, kind: &Kind, values: &[(String, Option<String>)], own: Option<u64>) -> Result<(), Fault> {
        let unique = values.iter().filter(|(name, _)| self.definitions.is_unique(kind, name));
        for (name, value) in unique {
            let Some(value) = value else { continue };
            let Some(other) = self.holder(kind, name, value).filter(|other| Some(other.id) != own) else { continue };
            return Err(if kind.name() == "contacts" && name == "email" {
                Fault::conflict(&format!("Contact already exists. Existing ID: {}", other.id))
            } else {
                Fault::validation(&format!(
                    "Cannot set PropertyValueCoordinates{{propertyName={name}, value={value}}}. {} already has that \
                     value.",
                    other.id
                ))
            });
        }
        Ok(())
    }

    /// What `update` would refuse.
    pub fn check_update(&self, kind: &Kind, id: u64, sent: &Map<String, Value>) -> Result<(), Fault> {
        let values = accept(&self.definitions, kind, sent)?;
        self.check_unique(kind, &values, Some(id))
    }

    pub fn update(&mut self, kind: &Kind, id: u64, sent: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), Fault> {
        self.check_update(kind, id, sent)?;
        let values = accept(&self.definitions, kind, sent)?;
        self.records.get_mut(kind, id).ok_or_else(Fault::no_object)?.put(values, now);
        Ok(())
    }

    /// Into the recycling bin; what is not there is no fault.
    pub fn archive(&mut self, kind: &Kind, text: &str, now: DateTime<Utc>) {
        let record = text.parse().ok().and_then(|id| self.records.get_mut(kind, id));
        if let Some(record) = record.filter(|record| record.archived_at.is_none()) {
            record.archived_at = Some(now);
        }
    }

    /// The first record stays and takes over what it lacks from the other, which goes.
    pub fn merge(&mut self, kind: &Kind, primary: u64, other: u64, now: DateTime<Utc>) -> Result<(), Fault> {
        if primary == other {
            return Err(Fault::validation("Cannot merge an object with itself"));
        }
        let (kept, gone) = (self.find(kind, &primary.to_string(), None)?, self.find(kind, &other.to_string(), None)?);
        let missing = gone.names().filter(|name| kept.value(name).is_none());
        let mut values: Vec<_> = missing.map(|name| (name.to_owned(), gone.value(name))).collect();
        let merged: Vec<_> = kept.value("hs_merged_object_ids").into_iter().chain([other.to_string()]).collect();
        values.push(("hs_merged_object_ids".to_owned(), Some(merged.join(";"))));
        self.archive(kind, &other.to_string(), now);
        if let Some(record) = self.records.get_mut(kind, primary) {
            record.put(values, now);
        }
        Ok(())
    }

    /// `{"id","properties","createdAt","updatedAt","archived", …}`.
    pub fn show(&self, kind: &Kind, record: &Record, wanted: &Wanted) -> Value {
        let always = ["createdate", kind.last_modified(), "hs_object_id"];
        let asked = wanted.properties.iter().map(String::as_str).filter(|name| {
            record.value(name).is_some() || self.definitions.find(kind, name).is_some() || kind.is_custom()
        });
        let default = kind.shown().iter().copied().filter(|_| wanted.properties.is_empty());
        let all = record.names().filter(|_| wanted.all);
        let names = always.into_iter().chain(asked).chain(default).chain(all);
        let properties: BTreeMap<_, _> = names.map(|name| (name, record.value(name))).collect();
        let mut shown = json!({
            "id": record.id.to_string(),
            "properties": properties,
            "createdAt": shown_time(record.created_at),
            "updatedAt": shown_time(record.updated_at),
            "archived": record.archived_at.is_some(),
        });
        if let Some(at) = record.archived_at {
            add(&mut shown, "archivedAt", shown_time(at));
        }
        if !wanted.with_history.is_empty() {
            let histories = wanted.with_history.iter().map(|name| (name.clone(), record.history(name)));
            add(&mut shown, "propertiesWithHistory", histories.collect::<Map<_, _>>());
        }
        let associated: Map<_, _> = self.associations.shown(kind, record.id, &wanted.associations).collect();
        if !associated.is_empty() {
            add(&mut shown, "associations", associated);
        }
        shown
    }
}

/// An id in a body: a text, but numbers are taken too.
pub fn id_of(value: Option<&Value>) -> Result<String, Fault> {
    value.and_then(text_of).filter(|id| !id.is_empty()).ok_or_else(|| Fault::validation("An id is missing"))
}
