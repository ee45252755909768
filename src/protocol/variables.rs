//! The values behind a template's variables, from their four sources.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::fault::VendorFault;
use crate::catalog::element::{Element, Variable};
use crate::kernel::template::Template;

/// Where values are looked up: the vendor's own (from the token reply) win over the user's, the default comes last.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub element: &'a Element,
    /// Query parameters of `oauth/url`, or none.
    pub parameters: &'a dyn Fn(&str) -> Option<String>,
    /// Configuration of the instance, or none.
    pub configuration: &'a dyn Fn(&str) -> Option<String>,
    pub given_by_vendor: Option<&'a BTreeMap<String, String>>,
}

impl Values<'_> {
    pub fn url(&self, template: &Template) -> Result<Url, VendorFault> {
        Ok(template.url(|name| self.value(name), &self.element.hosts)?)
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

    /// Whether a variable has a value that is the vendor's own: what its reply `told`, or what the element's file says.
    pub fn is_vendors_own(&self, name: &str, told: bool) -> bool {
        let replied = self.given_by_vendor.is_some_and(|given| given.get(name).is_some_and(|text| !text.is_empty()));
        let declared = || self.element.variables.get(name).and_then(|variable| variable.default.as_ref());
        if replied && told {
            true
        } else {
            declared().is_some_and(|default| self.value(name).as_ref() == Some(default))
        }
    }

    pub fn value(&self, name: &str) -> Option<String> {
        let from_vendor = self.given_by_vendor.and_then(|given| given.get(name).cloned());
        let variable = self.element.variables.get(name);
        let filled = |text: &String| !text.is_empty();
        from_vendor
            .filter(filled)
            .or_else(|| variable?.parameter.as_deref().and_then(self.parameters).filter(filled))
            .or_else(|| variable?.configuration.as_deref().and_then(self.configuration).filter(filled))
            .or_else(|| variable?.default.clone())
    }
}

/// What the vendor gave with its token reply.
pub fn given_by_reply(element: &Element, reply: &Value) -> BTreeMap<String, String> {
    given(element, reply, |variable| variable.reply.as_deref())
}

/// What the vendor said when it was asked about a key.
pub fn given_by_verification(element: &Element, reply: &Value) -> BTreeMap<String, String> {
    given(element, reply, |variable| variable.verification.as_deref())
}

fn given(element: &Element, reply: &Value, at: impl Fn(&Variable) -> Option<&str>) -> BTreeMap<String, String> {
    let named = element.variables.iter().filter_map(|(name, variable)| {
        let value = reply.pointer(at(variable)?)?;
        let text = value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))?;
        Some((name.clone(), text))
    });
    named.collect()
}
