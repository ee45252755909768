//! Acts that want a person who gave the password a moment ago.

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::service::actor::proof::{Proof, TO_SEE_SECRETS};

impl Services {
    /// Fails unless the password was given a few minutes ago.
    pub fn require_recent_sign_in(&self, proof: &Proof) -> Result<(), ApiError> {
        if proof.is_recent(TO_SEE_SECRETS, self.now()) { Ok(()) } else { Err(Code::SignInAgain.into()) }
    }

    /// The same of sessions alone: who has the secrets already learns nothing by replacing them.
    pub fn require_recent_sign_in_of(&self, proof: &Proof) -> Result<(), ApiError> {
        if *proof == Proof::Secrets { Ok(()) } else { self.require_recent_sign_in(proof) }
    }
}
