//! The first start on a database: data keys, the first organization and its administrator. Race-free across replicas.

use super::Services;
use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::entropy::{Entropy, hex};
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::store::principals::{self, NewOrganization, NewUser};
use crate::store::{AnyConn, Store, StoreFault, data_keys};
use crate::vault::seal::Place;
use crate::vault::{LookupKey, SessionKey, Vault};

/// Loads the data keys, or makes them on an empty database.
pub async fn data_keys(
    store: &Store,
    vault: &Vault,
    entropy: &dyn Entropy,
    clock: &dyn Clock,
) -> Result<(LookupKey, SessionKey), ApiError> {
    let lookup = data_key(store, vault, clock, "lookup", LookupKey::generate(entropy).as_bytes()).await?;
    let session = data_key(store, vault, clock, "session", SessionKey::generate(entropy).as_bytes()).await?;
    let corrupt = || ApiError::internal("a data key does not have 32 bytes");
    Ok((LookupKey::from_bytes(&lookup).ok_or_else(corrupt)?, SessionKey::from_bytes(&session).ok_or_else(corrupt)?))
}

async fn data_key(
    store: &Store,
    vault: &Vault,
    clock: &dyn Clock,
    purpose: &'static str,
    fresh: &[u8],
) -> Result<zeroize::Zeroizing<Vec<u8>>, ApiError> {
    let find = || store.read(move |conn| data_keys::find(conn, purpose));
    if let Some((id, sealed)) = find().await? {
        return Ok(vault.open(place(id), &sealed)?);
    }
    let (id, now) = (store.next_id().await?, clock.now());
    let sealed = vault.seal(place(id), fresh)?;
    match store.write(move |conn| data_keys::insert(conn, id, purpose, &sealed, now)).await {
        // Another process was first: its key counts.
        Ok(()) | Err(StoreFault::Conflict(_)) => {}
        Err(fault) => return Err(fault.into()),
    }
    let (id, sealed) = find().await?.ok_or_else(|| ApiError::internal("the data key that was just written is gone"))?;
    Ok(vault.open(place(id), &sealed)?)
}

fn place(row: i64) -> Place {
    Place { table: "data_key", column: "sealed", row }
}

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
        const MARK: &str = "sandbox";
        let marked = self.store.read(|conn| data_keys::find(conn, MARK)).await?.is_some();
        let refused = |message: &str| Err(ApiError::new(Code::NotAllowed, message));
        match (sandbox, marked) {
            (false, true) => refused("This database belongs to `serve --sandbox`: name another one."),
            (true, false) if self.store.read(principals::any).await? => refused(
                "This database holds data of a start without --sandbox: leave DATABASE_URL unset, or name an empty one.",
            ),
            (true, false) => {
                data_key(&self.store, &self.vault, self.clock.as_ref(), MARK, MARK.as_bytes()).await.map(drop)
            }
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
        let password_hash = self.password_hash(input.password.clone()).await?;
        let user = self.store.next_id().await?;
        let owner = match of {
            Some(owner) => owner,
            None => Owner { organization: self.store.next_id().await?, account: self.store.next_id().await? },
        };
        let (user_secret, kept_user) = self.new_user_secret(user)?;
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
            password_hash,
            secret: kept_user,
            organization_admin: input.organization_admin,
        };
        let written = self.store.write(move |conn| {
            check(conn)?;
            if let Some(organization) = &organization {
                principals::insert_organization(conn, organization, now)?;
            }
            principals::insert_user(conn, &new, now)
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
                let sealed = self.store.read(move |conn| principals::sealed_secrets(conn, user)).await?.1;
                self.vault.open_text(super::sign_in::organization_place(owner.organization), &sealed)?
            }
        };
        Ok(CreatedUser { email: input.email, password: input.password, user_secret, organization_secret })
    }
}

/// A password that nobody has to invent: 24 hex characters, 96 random bits.
pub fn random_password(entropy: &dyn Entropy) -> Secret {
    Secret::new(hex::<12>(entropy))
}
