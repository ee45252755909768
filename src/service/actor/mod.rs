//! Who acts. What changes something takes an `Actor`: whose rows those are, whether the act is allowed, and who is named for it
//! come from one place, and cannot disagree.

pub mod action;
pub mod proof;

use std::net::IpAddr;
use std::sync::Arc;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::request_id::RequestId;
use crate::store::principals::Principal;
use crate::vault::Audience;

use proof::Proof;

/// Somebody who acts on the rows of one owner, by one request.
#[derive(Debug, Clone)]
pub struct Actor {
    owner: Owner,
    who: Who,
    request_id: RequestId,
    address: Option<IpAddr>,
}

#[derive(Debug, Clone)]
pub enum Who {
    /// A person, or a program with a person's secrets.
    User { principal: Arc<Principal>, proof: Proof },
    /// The customer: whoever has the address of this connect link, or whom a vendor sends back to it.
    Visitor { link: i64 },
    /// This server by itself.
    Job { name: &'static str },
    /// Whoever has the database and the key. `name`: of the login, as far as the shell tells.
    Operator { name: String },
}

impl Actor {
    /// `address`: from where, as far as trusted proxies tell it.
    pub fn user(principal: Arc<Principal>, proof: Proof, request_id: RequestId, address: Option<IpAddr>) -> Self {
        Self { owner: principal.owner, who: Who::User { principal, proof }, request_id, address }
    }

    /// `owner`: the link's.
    pub fn visitor(owner: Owner, link: i64, request_id: RequestId, address: Option<IpAddr>) -> Self {
        Self { owner, who: Who::Visitor { link }, request_id, address }
    }

    /// `owner`: of the row that it works on.
    pub fn job(owner: Owner, name: &'static str, request_id: RequestId) -> Self {
        Self { owner, who: Who::Job { name }, request_id, address: None }
    }

    /// `owner`: whose rows the command is about.
    pub fn operator(owner: Owner, request_id: RequestId) -> Self {
        let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
        Self { owner, who: Who::Operator { name }, request_id, address: None }
    }

    /// Whose rows: no act reaches those of anybody else.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    pub fn organization(&self) -> i64 {
        self.owner.organization
    }

    pub fn who(&self) -> &Who {
        &self.who
    }

    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// For what only a user can do, because it is about that user.
    pub fn user_and_proof(&self) -> Result<(&Arc<Principal>, &Proof), ApiError> {
        match &self.who {
            Who::User { principal, proof } => Ok((principal, proof)),
            _ => Err(ApiError::new(Code::NotAllowed, "Only a user of the organization may do this.")),
        }
    }

    /// As `user_and_proof`, without the proof.
    pub fn principal(&self) -> Result<&Arc<Principal>, ApiError> {
        self.user_and_proof().map(|(principal, _)| principal)
    }

    /// The user's id, where it is a user who acts.
    pub fn user_id(&self) -> Option<i64> {
        match &self.who {
            Who::User { principal, .. } => Some(principal.user),
            _ => None,
        }
    }

    /// Where a session that follows from this act belongs.
    pub fn audience(&self) -> Audience {
        match &self.who {
            Who::User { proof: Proof::Session { audience, .. }, .. } => *audience,
            _ => Audience::Api,
        }
    }
}
