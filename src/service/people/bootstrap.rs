//! The first start on a database: the first organization and its administrator. Race-free across replicas.

use crate::kernel::code::Code;
use crate::kernel::entropy::{Entropy, hex};
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::keys::data_keys::SANDBOX;
use crate::store::principals::{self, NewOrganization, NewUser};
use crate::store::{AnyConn, StoreFault, data_keys};
use crate::vault::password_rules::{Person, Rules};

/// A user to be made.
#[derive(Debug, Clone)]
pub struct UserInput {
    pub email: String,
    pub password: Secret,
    pub first_name: String,
    pub last_name: String,
    pub organization_admin: bool,
}

/// A user that was made: what its person must be told once.
#[derive(Debug, Clone)]
pub struct CreatedUser {
    pub email: String,
    pub password: Secret,
    pub user_secret: Secret,
    pub organization_secret: Secret,
}

impl Services {
    /// The sandbox and real data never share a database: its instances look like real ones, and it prints its secrets.
    pub async fn keep_sandbox_apart(&self, sandbox: bool) -> Result<(), ApiError> {
        let marked = !self.store.read(|conn| data_keys::list(conn, SANDBOX)).await?.is_empty();
        let refused = |message: &str| Err(ApiError::new(Code::NotAllowed, message));
        match (sandbox, marked) {
            (false, true) => refused("This database belongs to `serve --sandbox`: name another one."),
            (true, false) if self.store.read(principals::any).await? => refused(
                "This database holds data of a start without --sandbox: leave DATABASE_URL unset, or name an empty one.",
            ),
            (true, false) => self.data_keys().first(SANDBOX, SANDBOX.as_bytes(), self.vault.form()).await.map(drop),
            _ => Ok(()),
        }
    }

    /// The first administrator, unless there is a user already. `None`: somebody was first.
    pub async fn first_administrator(&self, input: UserInput) -> Result<Option<CreatedUser>, ApiError> {
        // Only a hint, which spares most starts the hashing of a password.
        if self.store.read(principals::any).await? {
            return Ok(None);
        }
        match self.insert_user(principals::expect_none, input, None).await {
            // Of several replicas that try, one wins.
            Err(error) if error.code == Code::BadParameter => Ok(None),
            other => other.map(Some),
        }
    }

    /// A user in the organization `of`, or in a new one.
    pub async fn create_user(&self, input: UserInput, of: Option<Owner>) -> Result<CreatedUser, ApiError> {
        self.insert_user(|_| Ok(()), input, of).await
    }

    /// `check`: what must hold in the very transaction that makes the user.
    async fn insert_user(
        &self,
        check: fn(&mut AnyConn) -> Result<(), StoreFault>,
        input: UserInput,
        of: Option<Owner>,
    ) -> Result<CreatedUser, ApiError> {
        let now = self.now();
        let person = Person {
            email: input.email.clone(),
            first_name: input.first_name.clone(),
            last_name: input.last_name.clone(),
        };
        let password_hash = self.password_hash(Rules::Typed, input.password.clone(), person).await?;
        let user = self.store.next_id().await?;
        let owner = match of {
            Some(owner) => owner,
            None => Owner { organization: self.store.next_id().await?, account: self.store.next_id().await? },
        };
        let password = self.keep_password(owner.organization, user, password_hash)?;
        let (user_secret, kept_user) = self.new_user_secret(owner.organization, user)?;
        let (fresh_secret, kept_organization) = self.new_organization_secret(owner.organization)?;
        let organization = of.is_none().then(|| NewOrganization {
            id: owner.organization,
            account_id: owner.account,
            name: input.email.rsplit_once('@').map_or_else(|| input.email.clone(), |(_, domain)| domain.to_owned()),
            secret: kept_organization,
        });
        let new = NewUser {
            id: user,
            owner,
            email: input.email.clone(),
            first_name: input.first_name,
            last_name: input.last_name,
            password,
            secret: kept_user,
            organization_admin: input.organization_admin,
        };
        let actor = Actor::operator(owner, self.request_id());
        let of_organization = self.audit(&actor, Deed::OrganizationCreated, owner.organization).await?;
        let of_user = self.audit(&actor, Deed::UserCreated, user).await?;
        let written = self.store.write(move |conn| {
            check(conn)?;
            if let Some(organization) = &organization {
                principals::insert_organization(conn, organization, now, &of_organization)?;
            }
            principals::insert_user(conn, &new, now, &of_user)
        });
        written.await.map_err(|fault| match fault {
            StoreFault::Conflict(_) => {
                let message = format!("A user with the address {} exists.", input.email);
                ApiError::new(Code::BadParameter, message)
            }
            other => other.into(),
        })?;
        let organization_secret = match of {
            None => fresh_secret,
            Some(_) => {
                let sealed = self.store.read(move |conn| principals::sealed_secrets(conn, user)).await?;
                self.organization_secret(&sealed)?
            }
        };
        Ok(CreatedUser { email: input.email, password: input.password, user_secret, organization_secret })
    }
}

/// A password that nobody has to invent: 24 hex characters, 96 random bits.
pub fn random_password(entropy: &dyn Entropy) -> Secret {
    Secret::new(hex::<12>(entropy))
}
