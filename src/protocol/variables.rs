//! The values behind a template's variables, from their sources.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::claims;
use super::fault::VendorFault;
use crate::catalog::element::{ConfigurationEntry, Element};
use crate::catalog::variable::{Kept, Variable};
use crate::kernel::pasted;
use crate::kernel::template::{Template, TemplateFault};
use crate::kernel::text_template::TextTemplate;

/// Bytes of a value at most: what is longer is none.
const LONGEST: usize = 16 * 1024;

/// What stands in the place of a vendor's reply.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Replied {
    /// Values by the names of variables.
    pub variables: BTreeMap<String, String>,
    /// Those that a caller told who brought tokens; none where they were kept before anybody wrote that down.
    pub told_by_caller: Option<BTreeSet<String>>,
}

/// Some of the values are secret.
impl fmt::Debug for Replied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Replied {
    pub fn by_vendor(variables: BTreeMap<String, String>) -> Self {
        Self { variables, told_by_caller: Some(BTreeSet::new()) }
    }

    pub fn by_caller(variables: BTreeMap<String, String>) -> Self {
        Self { told_by_caller: Some(variables.keys().cloned().collect()), variables }
    }

    /// With what a later reply of the vendor tells; what it does not repeat stays, and stays whose it was.
    pub fn renewed(mut self, told: Self) -> Self {
        if let Some(by_caller) = &mut self.told_by_caller {
            by_caller.retain(|name| !told.variables.contains_key(name));
        }
        self.variables.extend(told.variables);
        self
    }

    /// Who told what was kept before that was written down: of tokens that were `brought`, nobody but the caller for certain.
    pub fn attributed(self, brought: bool) -> Self {
        match (&self.told_by_caller, brought) {
            (Some(_), _) => self,
            (None, true) => Self::by_caller(self.variables),
            (None, false) => Self::by_vendor(self.variables),
        }
    }

    /// A value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn is_by_vendor(&self, name: &str) -> bool {
        self.get(name).is_some() && self.told_by_caller.as_ref().is_some_and(|by_caller| !by_caller.contains(name))
    }
}

/// Where values are looked up: the vendor's own (from the token reply) win over the user's, the default comes last.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub element: &'a Element,
    /// Query parameters of `oauth/url`, or none.
    pub parameters: &'a dyn Fn(&str) -> Option<String>,
    /// Configuration of the instance, or none.
    pub configuration: &'a dyn Fn(&str) -> Option<String>,
    pub replied: Option<&'a Replied>,
}

impl<'a> Values<'a> {
    /// Of nobody: what the element's own file says.
    pub fn none(element: &'a Element) -> Self {
        Self { element, parameters: &|_| None, configuration: &|_| None, replied: None }
    }

    pub fn url(&self, template: &Template) -> Result<Url, VendorFault> {
        Ok(template.url(|name| self.value(name), &self.element.hosts)?)
    }

    /// Headers with their values. One whose variable has no value yet is left out.
    pub fn headers(
        self,
        headers: &'a BTreeMap<String, TextTemplate>,
    ) -> impl Iterator<Item = Result<(&'a str, Cow<'a, str>), VendorFault>> {
        headers.iter().filter_map(move |(name, template)| {
            let value = template.filled(|name| self.value(name).map(|value| pasted::trimmed(&value).into_owned()))?;
            // What is fixed was checked with the file.
            let fits = matches!(value, Cow::Borrowed(_)) || value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            Some(match fits {
                true => Ok((name.as_str(), value)),
                false => Err(TemplateFault::Segment(name.clone()).into()),
            })
        })
    }

    /// Whether a variable's value is not to be shown.
    pub fn is_secret(&self, name: &str) -> bool {
        let Some(variable) = self.element.variables.get(name) else { return false };
        let entry = variable.configuration.as_deref().and_then(|key| self.element.entry(key));
        variable.kept == Some(Kept::Secret) || entry.is_some_and(ConfigurationEntry::is_secret)
    }

    /// The variable of a header that the vendor was to tell and did not.
    pub fn untold_header(&self) -> Option<&'a str> {
        let named = self.element.headers.values().flat_map(|header| header.variables());
        let mut told = named.filter(|name| self.element.needs(name));
        told.find(|name| self.value(name).is_none())
    }

    /// As it is written, for what is no address.
    pub fn text(&self, template: &Template) -> Result<String, VendorFault> {
        Ok(template.filled(|name| self.value(name), &self.element.hosts)?)
    }

    /// What a template needs and nobody gave, by the names under which `oauth/url` takes it.
    pub fn missing(&self, template: &Template) -> Vec<&str> {
        let mut missing = Vec::new();
        for name in template.variables().filter(|name| self.value(name).is_none()) {
            let Some((name, variable)) = self.element.variables.get_key_value(name) else { continue };
            let asked = variable.parameter.as_deref().or(variable.configuration.as_deref()).unwrap_or(name);
            if !missing.contains(&asked) {
                missing.push(asked);
            }
        }
        missing
    }

    /// Whether a variable has a value that is the vendor's own: what its reply told, or what the element's file says.
    pub fn is_vendors_own(&self, name: &str) -> bool {
        let declared = || self.element.variables.get(name).and_then(|variable| variable.default.as_ref());
        self.replied.is_some_and(|replied| replied.is_by_vendor(name))
            || declared().is_some_and(|default| self.value(name).as_ref() == Some(default))
    }

    pub fn value(&self, name: &str) -> Option<String> {
        let replied = self.replied.and_then(|replied| replied.get(name)).map(str::to_owned);
        let variable = self.element.variables.get(name);
        let filled = |text: &String| !text.is_empty();
        replied
            .or_else(|| variable?.parameter.as_deref().and_then(self.parameters).filter(filled))
            .or_else(|| variable?.configuration.as_deref().and_then(self.configuration).filter(filled))
            .or_else(|| variable?.default.clone())
    }
}

/// What the vendor gave with its token reply.
pub fn given_by_reply(element: &Element, reply: &Value) -> Replied {
    given(element, reply, |variable| variable.reply.as_deref())
}

/// What the vendor said when it was asked about a credential.
pub fn given_by_verification(element: &Element, reply: &Value) -> Replied {
    given(element, reply, |variable| variable.verification.as_deref())
}

/// What the vendor's redirect said, by the names of variables. `parameter`: one of the redirect's.
pub fn given_by_callback(element: &Element, parameter: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let named = element.variables.iter().filter_map(|(name, variable)| {
        let value = parameter(variable.callback.as_deref()?).filter(|value| fits(value))?;
        Some((name.clone(), value))
    });
    named.collect()
}

fn given(element: &Element, reply: &Value, at: impl Fn(&Variable) -> Option<&str>) -> Replied {
    let named = element.variables.iter().filter_map(|(name, variable)| {
        let value = claims::at(reply, at(variable)?)?;
        let text = match &*value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        (text.len() <= LONGEST).then(|| (name.clone(), text))
    });
    Replied::by_vendor(named.collect())
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST
}
