//! The catalogue: lists with their `where` filter, one element, its authentication types.

use super::of_owner::Elements;
use super::view::{AuthenticationTypes, ConfigurationEntryView, ElementConfiguration, ElementDetails, entries};
use crate::catalog::element::{AuthenticationType, ChoiceOption, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::kernel::plain_text::limited;
use crate::service::Services;

/// A list wants abridged elements, or some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ElementQuery {
    pub abridged: bool,
    conditions: Vec<(String, Vec<String>)>,
}

impl ElementQuery {
    /// `where`: conditions `field = 'value'` and `field in ('a','b')`, joined by AND (docs/api.md, Elements). Fields: `key`,
    /// `hub`, `name`, `active`, `private`, `extended`, and `abridged`, which is no condition but a form.
    pub fn read(abridged: bool, clause: Option<&str>) -> Result<Self, ApiError> {
        let mut query = Self { abridged, conditions: Vec::new() };
        let Some(clause) = clause.filter(|text| !text.trim().is_empty()) else { return Ok(query) };
        let mut rest = clause.trim();
        loop {
            let (field, values, after) = condition(rest).ok_or_else(|| bad_clause(rest))?;
            match field.as_str() {
                "abridged" => query.abridged = values.iter().any(|value| value == "true"),
                "key" | "hub" | "name" | "active" | "private" | "extended" => query.conditions.push((field, values)),
                _ => return Err(bad_clause(&field)),
            }
            if after.is_empty() {
                return Ok(query);
            }
            rest = strip_word(after, "and").ok_or_else(|| bad_clause(after))?;
        }
    }

    fn wants(&self, element: &Element) -> bool {
        self.conditions.iter().all(|(field, values)| {
            let value = match field.as_str() {
                "key" => element.key.clone(),
                "hub" => element.hub.clone(),
                "name" => element.name.clone(),
                "active" => element.active.to_string(),
                "private" => element.flags.private.to_string(),
                _ => false.to_string(),
            };
            values.contains(&value)
        })
    }
}

/// One condition: its field, its values, and what stands behind it.
fn condition(text: &str) -> Option<(String, Vec<String>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (field, rest) = text.split_at_checked(end)?;
    let rest = rest.trim_start();
    let (values, rest) = match rest.strip_prefix('=') {
        Some(rest) => quoted(rest.trim_start()).map(|(value, rest)| (vec![value], rest))?,
        None => {
            let mut rest = strip_word(rest, "in")?.strip_prefix('(')?.trim_start();
            let mut values = Vec::new();
            loop {
                let (value, after) = quoted(rest)?;
                values.push(value);
                let after = after.trim_start();
                match after.strip_prefix(',') {
                    Some(more) => rest = more.trim_start(),
                    None => break (values, after.strip_prefix(')')?),
                }
            }
        }
    };
    (!field.is_empty()).then(|| (field.to_ascii_lowercase(), values, rest.trim()))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    text.strip_prefix('\'')?.split_once('\'').map(|(value, rest)| (value.to_owned(), rest))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let ends = rest.starts_with(|c: char| !c.is_ascii_alphanumeric());
    (head.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start())
}

fn bad_clause(at: &str) -> ApiError {
    let shown = limited(at, 40);
    let message = format!(
        "`where` cannot be read at `{shown}`: write field = 'value' or field in ('a','b'), joined by AND, with the fields \
         key, hub, name, active, private, extended or abridged."
    );
    ApiError::new(Code::BadParameter, message)
}

/// `owner`: whose elements; none is anybody.
impl Services {
    /// Elements in ascending order of ids, and the token of the next page.
    pub fn list_elements(
        &self,
        owner: Option<Owner>,
        query: &ElementQuery,
        page: Page,
    ) -> (Vec<ElementDetails>, Option<String>) {
        let elements = self.elements_of(owner);
        let (found, next) = page_of_elements(&elements, page, |element| query.wants(element));
        let details = found.into_iter().map(|element| ElementDetails::of(element, elements.texts(), query.abridged));
        (details.collect(), next)
    }

    pub fn element_details(&self, owner: Option<Owner>, key_or_id: &str) -> Result<ElementDetails, ApiError> {
        let element = self.element_of(owner, key_or_id)?;
        Ok(ElementDetails::of(&element, self.elements_of(owner).texts(), false))
    }

    pub fn element_keys(&self, owner: Option<Owner>, page: Page) -> (Vec<String>, Option<String>) {
        let elements = self.elements_of(owner);
        let (found, next) = page_of_elements(&elements, page, |_| true);
        (found.into_iter().map(|element| element.key.clone()).collect(), next)
    }

    pub fn element_configuration(
        &self,
        owner: Option<Owner>,
        key_or_id: &str,
    ) -> Result<ElementConfiguration, ApiError> {
        let element = self.element_of(owner, key_or_id)?;
        Ok(ElementConfiguration { configuration: entries(&element, None), provider_data: Vec::new() })
    }

    pub fn list_authentication_types(
        &self,
        owner: Option<Owner>,
        key_or_id: &str,
    ) -> Result<AuthenticationTypes, ApiError> {
        let element = self.element_of(owner, key_or_id)?;
        let option = |offered: AuthenticationType| ChoiceOption {
            value: offered.as_str().to_owned(),
            description: description(&element, offered),
        };
        Ok(AuthenticationTypes {
            default_value: element.authentication.default.as_str().to_owned(),
            options: element.authentication_types().into_iter().map(option).collect(),
        })
    }

    pub fn authentication_type_configuration(
        &self,
        owner: Option<Owner>,
        key_or_id: &str,
        kind: &str,
    ) -> Result<Vec<ConfigurationEntryView>, ApiError> {
        let element = self.element_of(owner, key_or_id)?;
        let offered = element.authentication_types();
        let kind = AuthenticationType::read(kind).filter(|kind| offered.contains(kind)).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|offered| offered.as_str()).collect();
            let message = format!("{} offers the authentication types {}.", element.name, names.join(" and "));
            ApiError::new(Code::ElementNotFound, message)
        })?;
        Ok(entries(&element, Some(kind)))
    }
}

fn page_of_elements(
    elements: &Elements,
    page: Page,
    wanted: impl Fn(&Element) -> bool,
) -> (Vec<&Element>, Option<String>) {
    let behind = elements.iter().map(AsRef::as_ref).filter(|element| element.id > page.after && wanted(element));
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    page.cut(behind.take(limit).collect(), |element| element.id)
}

fn description(element: &Element, kind: AuthenticationType) -> String {
    let authentication = &element.authentication;
    let text = match kind {
        AuthenticationType::OAuth2 => authentication.oauth2.as_ref().map(|oauth2| &oauth2.description),
        AuthenticationType::ApiKey => authentication.api_key.as_ref().map(|key| &key.description),
    };
    text.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clauses_that_clients_send_are_read() {
        let read = |clause: &str| ElementQuery::read(false, Some(clause)).unwrap();
        let query = read("private='true' AND abridged='true' AND key in ('a', 'b')");
        assert!(query.abridged);
        assert_eq!(query.conditions[1], ("key".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read("key = 'x'").conditions.len(), 1);
        for clause in
            ["key", "key = x", "key in ()", "key = 'a' OR key = 'b'", "secret = 'a'", "= 'a'", "key = 'a' AND "]
        {
            assert_eq!(ElementQuery::read(false, Some(clause)).unwrap_err().code, Code::BadParameter, "{clause}");
        }
    }
}
