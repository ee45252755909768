//! Roles: what a user may do beside calling. Administration of the organization is the only one that is granted so far.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

const ORGANIZATION_ADMIN: &str = "org-admin";
/// Of the platform's own people: nobody grants it.
const SYSTEM_ADMIN: &str = "sys-admin";

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub description: String,
    pub active: bool,
    pub hide: bool,
    pub features: Vec<String>,
    pub privileges: Vec<String>,
}

/// A role by its key; the members that a reply has beside it are taken and not looked at.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RoleReference {
    #[schema(example = "org-admin")]
    pub key: String,
}

impl From<Role> for RoleReference {
    fn from(role: Role) -> Self {
        Self { key: role.key }
    }
}

pub fn organization_admin() -> Role {
    Role {
        id: 1,
        key: ORGANIZATION_ADMIN.to_owned(),
        name: "Organization administrator".to_owned(),
        description: "May reset the organization's secret and manage its users.".to_owned(),
        active: true,
        hide: false,
        features: Vec::new(),
        privileges: Vec::new(),
    }
}

/// What was granted to a user.
pub fn granted(organization_admin: bool) -> Vec<Role> {
    if organization_admin { vec![self::organization_admin()] } else { Vec::new() }
}

/// A key that an administrator may grant, which is the one of administrators.
pub fn grantable(key: &str) -> Result<(), ApiError> {
    match key {
        ORGANIZATION_ADMIN => Ok(()),
        SYSTEM_ADMIN => Err(ApiError::new(Code::NotAllowed, "Nobody grants the role sys-admin or takes it away.")),
        _ => Err(ApiError::new(
            Code::UnknownRole,
            "There is no role with this key: the only role that can be granted is org-admin.",
        )),
    }
}

/// Whether a list of roles makes an administrator.
pub fn makes_administrator(roles: &[RoleReference]) -> Result<bool, ApiError> {
    roles.iter().try_for_each(|role| grantable(&role.key))?;
    Ok(!roles.is_empty())
}
