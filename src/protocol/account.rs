//! The vendor's account behind a credential, as the vendor's replies tell it.

use super::claims;
use crate::catalog::oauth2::{Introspection, Reply};
use crate::catalog::verification::Verification;
use crate::kernel::plain_text::limited;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

const LONGEST: usize = 500;

/// Which account at the vendor it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VendorAccount {
    /// What the vendor knows it by: a number, a host.
    #[schema(example = "62515")]
    pub id: String,
    /// What people call it.
    #[schema(required, example = "acme.example.com")]
    pub name: Option<String>,
    /// What an earlier version of the element's file took for its id, where the reply tells that too. Kept nowhere.
    #[serde(skip)]
    #[schema(ignore)]
    pub before: Option<String>,
}

/// Where a reply names the account: JSON pointers, tried in order.
#[derive(Debug, Clone, Copy)]
pub struct Pointers<'a> {
    pub id: &'a [String],
    pub name: &'a [String],
    pub before: &'a [String],
}

impl VendorAccount {
    /// Whether it is the same account as one that was written down, now or by an earlier version of the element's file.
    pub fn is(&self, other: &Self) -> bool {
        let was = |one: &Self, other: &Self| one.before.as_ref() == Some(&other.id);
        self.id == other.id || was(self, other) || was(other, self)
    }
}

impl Reply {
    pub fn account(&self) -> Pointers<'_> {
        Pointers { id: &self.account, name: &self.account_name, before: &self.account_before }
    }
}

impl Introspection {
    pub fn account(&self) -> Pointers<'_> {
        Pointers { id: &self.account, name: &self.account_name, before: &self.account_before }
    }
}

impl Verification {
    pub fn account(&self) -> Pointers<'_> {
        Pointers { id: &self.account, name: &self.account_name, before: &self.account_before }
    }
}

/// The account, where the reply names one.
pub fn read(pointers: Pointers<'_>, reply: Option<&Value>) -> Option<VendorAccount> {
    let first = |pointers: &[String]| pointers.iter().find_map(|pointer| text(claims::at(reply?, pointer)?.as_ref()));
    Some(VendorAccount { id: first(pointers.id)?, name: first(pointers.name), before: first(pointers.before) })
}

/// People see it, so it is one short line.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => limited(text, LONGEST),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    Some(text).filter(|text| !text.is_empty())
}
