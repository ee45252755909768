//! Instances as a person looks them over: rows, credentials and usage in one statement.

use diesel::prelude::*;

use super::super::connection::AnyConn;
use super::super::fault::StoreFault;
use super::super::schema::{credential, instance, instance_usage};
use super::super::time::UtcTime;
use super::{contains, lower};
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;

#[derive(Debug, Clone, Queryable)]
pub struct Overview {
    pub id: i64,
    pub element_id: i64,
    pub element_key: String,
    pub name: String,
    pub external_id: Option<String>,
    pub enabled: bool,
    pub invalid_reason: Option<String>,
    pub refreshed_at: Option<UtcTime>,
    pub last_used_at: Option<UtcTime>,
    pub last_status: Option<i64>,
}

/// What an instance is to a person: one of these, in this order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Disabled,
    Invalid,
    Valid,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub element_id: Option<i64>,
    /// A part of the name, case ignored, or the whole external id.
    pub text: Option<String>,
    pub state: Option<State>,
}

/// One row more than the page. Descending ids: the newest first.
pub fn list(conn: &mut AnyConn, owner: Owner, filter: &Filter, page: Page) -> Result<Vec<Overview>, StoreFault> {
    let mut rows = instance::table
        .inner_join(credential::table)
        .left_join(instance_usage::table)
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account))
        .select((
            instance::id,
            instance::element_id,
            instance::element_key,
            instance::name,
            instance::external_id,
            instance::enabled,
            instance::invalid_reason,
            credential::refreshed_at,
            instance_usage::last_used_at.nullable(),
            instance_usage::last_status.nullable(),
        ))
        .into_boxed();
    if page.after > 0 {
        rows = rows.filter(instance::id.lt(page.after));
    }
    if let Some(element_id) = filter.element_id {
        rows = rows.filter(instance::element_id.eq(element_id));
    }
    if let Some(text) = &filter.text {
        let named = lower(instance::name).like(lower(contains(text))).escape('\\');
        rows = rows.filter(named.or(instance::external_id.eq(text)));
    }
    rows = match filter.state {
        None => rows,
        Some(State::Disabled) => rows.filter(instance::enabled.eq(false)),
        Some(State::Invalid) => rows.filter(instance::enabled.eq(true)).filter(instance::invalid_reason.is_not_null()),
        Some(State::Valid) => rows.filter(instance::enabled.eq(true)).filter(instance::invalid_reason.is_null()),
    };
    Ok(rows.order(instance::id.desc()).limit(page.limit()).load(conn)?)
}

/// Credentials, by the ids of their instances.
pub fn sealed(conn: &mut AnyConn, owner: Owner, ids: &[i64]) -> Result<Vec<(i64, Vec<u8>)>, StoreFault> {
    let rows = credential::table
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .filter(credential::instance_id.eq_any(ids));
    Ok(rows.select((credential::instance_id, credential::sealed)).load(conn)?)
}

impl Overview {
    pub fn state(&self) -> State {
        State::of(!self.enabled, self.invalid_reason.is_some())
    }
}

impl State {
    pub const ALL: [Self; 3] = [Self::Valid, Self::Invalid, Self::Disabled];

    pub fn of(disabled: bool, invalid: bool) -> Self {
        match (disabled, invalid) {
            (true, _) => Self::Disabled,
            (false, true) => Self::Invalid,
            (false, false) => Self::Valid,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Invalid => "invalid",
            Self::Valid => "valid",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}
