//! The kinds of records, which HubSpot calls object types: their names, and what it shows when nobody asks for more.

use super::fault::Fault;

/// Plural, singular, type id (vendor's list of object type ids).
const STANDARD: &[(&str, &str, &str)] = &[
    ("contacts", "contact", "0-1"),
    ("companies", "company", "0-2"),
    ("deals", "deal", "0-3"),
    ("tickets", "ticket", "0-5"),
    ("products", "product", "0-7"),
    ("line_items", "line_item", "0-8"),
    ("leads", "lead", "0-136"),
];

/// A standard kind by its plural name, or a custom one as the caller spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(String);

impl Kind {
    /// Any spelling: plural, singular, type id (`0-3`), the name or the id (`2-17`) of a custom type.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let lower = text.to_ascii_lowercase();
        let standard = STANDARD.iter().find(|(plural, singular, id)| [*plural, *singular, *id].contains(&&*lower));
        if let Some((plural, ..)) = standard {
            return Ok(Self((*plural).to_owned()));
        }
        let custom_id = lower.strip_prefix("2-").is_some_and(|id| id.parse::<u64>().is_ok());
        let name = lower.starts_with(|first: char| first.is_ascii_lowercase())
            && lower.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if custom_id || name {
            return Ok(Self(lower));
        }
        Err(Fault::validation(&format!("Unable to infer object type from: {text}")))
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn singular(&self) -> &str {
        STANDARD.iter().find(|(plural, ..)| *plural == self.0).map_or(&self.0, |(_, singular, _)| singular)
    }

    pub fn is_custom(&self) -> bool {
        STANDARD.iter().all(|(plural, ..)| *plural != self.0)
    }

    /// Contacts have always spelled it their own way.
    pub fn last_modified(&self) -> &'static str {
        if self.0 == "contacts" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
    }

    /// Shown when no properties are asked for, beside those that are always shown.
    pub fn shown(&self) -> &'static [&'static str] {
        match self.0.as_str() {
            "contacts" => &["email", "firstname", "lastname"],
            "companies" => &["domain", "name"],
            "deals" => &["amount", "closedate", "dealname", "dealstage", "pipeline"],
            "tickets" => &["content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "subject"],
            "products" => &["description", "name", "price"],
            "line_items" => &["hs_product_id", "quantity"],
            "leads" => &["hs_lead_name"],
            _ => &[],
        }
    }

    /// Where a search's `query` looks; nothing means everywhere.
    pub fn searched(&self) -> &'static [&'static str] {
        match self.0.as_str() {
            "contacts" => &["firstname", "lastname", "email", "phone", "company"],
            "companies" => &["name", "domain", "website", "phone"],
            "deals" => &["dealname", "pipeline", "dealstage", "description", "dealtype"],
            "tickets" => &["subject", "content", "hs_pipeline_stage"],
            "products" => &["name", "description", "price", "hs_sku"],
            _ => &[],
        }
    }

    /// One of these scopes opens the kind to a verb, `read` or `write`: the granular one, or the older one that it was
    /// split from.
    pub fn scopes(&self, verb: &str) -> Vec<String> {
        let (name, older) = match self.0.as_str() {
            "contacts" | "companies" | "deals" => (self.name(), Some("contacts")),
            "tickets" => (self.name(), Some("tickets")),
            "products" | "line_items" => (self.name(), Some("e-commerce")),
            "leads" => (self.name(), None),
            _ => ("custom", None),
        };
        let granular = format!("crm.objects.{name}.{verb}");
        [granular].into_iter().chain(older.map(str::to_owned)).collect()
    }
}
