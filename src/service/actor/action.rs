//! What an actor may do.

use super::{Actor, Who};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// What not everybody may do. By now an organization knows administrators and users, and all but the last of these are for
/// administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Anything that only administrators call.
    Administer,
    /// As `Administer`, on a page of the console.
    OpenPage,
    ChangeOrganization,
    ResetOrganizationSecret,
    ChangeApps,
    ChangeWebhook,
    /// Of instances that others made.
    SeeTokens,
    /// What is done at the command line, beside the API.
    Operate,
}

impl Action {
    /// What is said to whoever may not: in one sentence.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::Administer => "Only an administrator of the organization may do this.",
            Self::OpenPage => "Only an administrator of the organization may see and change this.",
            Self::ChangeOrganization => "Only an administrator of the organization may change it.",
            Self::ResetOrganizationSecret => "Only an administrator of the organization may reset its secret.",
            Self::ChangeApps => "Only an administrator of the organization may change its OAuth apps.",
            Self::ChangeWebhook => {
                "Only an administrator of the organization may see and change where it is told what happens."
            }
            Self::SeeTokens => "Only an administrator of the organization may see the tokens of others' instances.",
            Self::Operate => "Only the operator may do this, at the command line.",
        }
    }
}

impl Actor {
    /// Fails with `not_allowed`.
    pub fn require(&self, action: Action) -> Result<(), ApiError> {
        if self.may(action) { Ok(()) } else { Err(ApiError::new(Code::NotAllowed, action.refusal())) }
    }

    pub fn may(&self, action: Action) -> bool {
        match (&self.who, action) {
            (Who::Operator { .. }, _) => true,
            // What a job does is none of these.
            (Who::Visitor { .. } | Who::Job { .. }, _) | (_, Action::Operate) => false,
            (Who::User { principal, .. }, _) => principal.organization_admin,
        }
    }
}
