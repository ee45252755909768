//! The people of an organization, as its administrators make, change and remove them (docs/api.md, Users). What a removed user
//! made is the organization's: instances, links and webhooks stay.

use std::collections::BTreeSet;

use super::bootstrap::random_password;
use super::passwords::told;
use super::roles::{Role, granted, makes_administrator};
use super::user_account::{UserAccount, UserDraft, UserPatch, checked_address, checked_name, view};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::Page;
use crate::kernel::plain_text::shortened;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::action::Action;
use crate::service::actor::{Actor, Who};
use crate::service::audit::Deed;
use crate::store::audit::Trail;
use crate::store::limits::Limit;
use crate::store::principals::{self, KeptPassword, NewUser};
use crate::store::users::{self, By, Change, User};
use crate::store::{AnyConn, StoreFault, Whose};
use crate::vault::password;
use crate::vault::password_rules::{Person, Rules};

/// What an act upon users comes to: refused by what was read in the very transaction, and then nothing was written.
type Decided<T> = Result<Result<T, Code>, StoreFault>;

/// One line of the log. The name that was entered by somebody is quoted.
pub fn log(actor: &Actor, act: &str, of: &User) {
    let (of_user, of_name) = (of.id, &of.email);
    match actor.who() {
        Who::Operator { name } => tracing::info!(target: "ligand::people", act, of_user, ?of_name, operator = ?name),
        Who::User { principal, .. } => tracing::info!(
            target: "ligand::people", act, of_user, ?of_name, user = principal.user, name = %principal.email,
            address = %told(actor.address())
        ),
        // Who changes no users.
        Who::Visitor { .. } | Who::Job { .. } => {}
    }
}

impl Services {
    /// For administrators. In ascending order of ids, and the token of the next page.
    pub async fn list_users(&self, actor: &Actor, page: Page) -> Result<(Vec<UserAccount>, Option<String>), ApiError> {
        actor.require(Action::Administer)?;
        let organization = actor.organization();
        let rows = self.store.read_for(actor.owner(), move |conn| users::list(conn, organization, page)).await?;
        let (rows, next) = page.cut(rows, |row| row.id);
        Ok((rows.iter().map(|user| view(user, None)).collect(), next))
    }

    /// For administrators, and of oneself.
    pub async fn show_user(&self, actor: &Actor, by: By) -> Result<UserAccount, ApiError> {
        require_administrator_or_self(actor, &by)?;
        self.user(actor.organization(), by).await.map(|user| view(&user, None))
    }

    /// For administrators. `rules`: of the password.
    pub async fn make_user(&self, actor: &Actor, rules: Rules, draft: UserDraft) -> Result<UserAccount, ApiError> {
        actor.require(Action::Administer)?;
        let organization_admin = makes_administrator(&draft.roles)?;
        let email = checked_address(&draft.email)?;
        let first_name = checked_name("firstName", &draft.first_name)?;
        let last_name = checked_name("lastName", &draft.last_name)?;
        let person = Person { email: email.clone(), first_name: first_name.clone(), last_name: last_name.clone() };
        let owner = actor.owner();
        let _room = self.claim(owner.organization, Limit::Users, 1).await?;
        let password_hash = self.password_hash(rules, draft.password, person).await?;
        let id = self.store.next_id().await?;
        let (secret, kept) = self.new_user_secret(owner.organization, id)?;
        let password = self.keep_password(owner.organization, id, password_hash)?;
        let new = NewUser { id, owner, email, first_name, last_name, password, secret: kept, organization_admin };
        let trail = self.audit(actor, Deed::UserCreated, id).await?;
        let (by, now) = (actor.user_id(), self.now());
        let made = self.store.write_for(owner, move |conn| {
            if !may_change(conn, by, owner.organization)? {
                return Ok(Err(Code::NotAllowed));
            }
            principals::insert_user(conn, &new, now, &trail)?;
            users::find(conn, owner.organization, &By::Id(id)).map(|made| made.ok_or(Code::UserNotFound))
        });
        let made = decided(made.await)?;
        log(actor, "user made", &made);
        Ok(view(&made, Some(&secret)))
    }

    /// For administrators.
    pub async fn change_user(&self, actor: &Actor, by: By, patch: UserPatch) -> Result<UserAccount, ApiError> {
        actor.require(Action::Administer)?;
        let user = self.user(actor.organization(), by).await?;
        let change = Change {
            email: patch.email.as_deref().map(checked_address).transpose()?,
            first_name: patch.first_name.as_deref().map(|name| checked_name("firstName", name)).transpose()?,
            last_name: patch.last_name.as_deref().map(|name| checked_name("lastName", name)).transpose()?,
            password: None,
            active: patch.active,
            organization_admin: patch.roles.as_deref().map(makes_administrator).transpose()?,
        };
        if is_self(actor, &user) && change.organization_admin.is_some_and(|admin| admin != user.organization_admin) {
            return Err(own_roles());
        }
        let password = match patch.password {
            Some(password) => self.other_password(actor, &user, &change, password).await?,
            None => None,
        };
        self.apply_to_user(actor, user, Change { password, ..change }, None).await.map(|user| view(&user, None))
    }

    /// The hash of a new password; none when it is the present one, which is no change.
    async fn other_password(
        &self,
        actor: &Actor,
        user: &User,
        change: &Change,
        password: Secret,
    ) -> Result<Option<KeptPassword>, ApiError> {
        if is_self(actor, user) {
            // A guess like any other. A new one of one's own wants more than this call can tell.
            return match self.require_password(actor, password).await {
                Ok(()) => Ok(None),
                Err(error) if error.code == Code::LoginRefused => Err(Code::CurrentPasswordRequired.into()),
                Err(error) => Err(error),
            };
        }
        let (organization, id, tried) = (user.organization, user.id, password.clone());
        let kept =
            self.store.read_for(Whose::of(organization), move |conn| users::password(conn, organization, id)).await?;
        let hash = self.kept_hash(organization, id, &kept)?;
        if self.hashing(move || password::verify(&tried, hash.as_ref().map(Secret::expose))).await? {
            return Ok(None);
        }
        let given = |new: &Option<String>, old: &str| new.clone().unwrap_or_else(|| old.to_owned());
        let person = Person {
            email: given(&change.email, &user.email),
            first_name: given(&change.first_name, &user.first_name),
            last_name: given(&change.last_name, &user.last_name),
        };
        let hash = self.password_hash(Rules::Made, password, person).await?;
        self.keep_password(organization, id, hash).map(Some)
    }

    /// For administrators: a drawn password for somebody else, in the place of one that was forgotten.
    pub async fn give_new_password(&self, actor: &Actor, by: By) -> Result<Secret, ApiError> {
        actor.require(Action::Administer)?;
        let user = self.user(actor.organization(), by).await?;
        if is_self(actor, &user) {
            return Err(Code::CurrentPasswordRequired.into());
        }
        let password = random_password(self.entropy.as_ref());
        let person = Person {
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        };
        let hash = self.password_hash(Rules::Typed, password.clone(), person).await?;
        let change =
            Change { password: Some(self.keep_password(user.organization, user.id, hash)?), ..Change::default() };
        self.apply_to_user(actor, user, change, None).await?;
        Ok(password)
    }

    /// Grants the one role that is granted, or takes it away.
    pub async fn set_administrator(&self, actor: &Actor, by: By, administrator: bool) -> Result<(), ApiError> {
        actor.require(Action::Administer)?;
        let user = self.user_for_roles(actor, by).await?;
        if is_self(actor, &user) {
            return Err(own_roles());
        }
        let change = Change { organization_admin: Some(administrator), ..Change::default() };
        let unless = if administrator { Code::RoleGranted } else { Code::RoleNotGranted };
        self.apply_to_user(actor, user, change, Some(unless)).await.map(drop)
    }

    /// For administrators, and of oneself.
    pub async fn user_roles(&self, actor: &Actor, by: By) -> Result<Vec<Role>, ApiError> {
        require_administrator_or_self(actor, &by)?;
        self.user_for_roles(actor, by).await.map(|user| granted(user.organization_admin))
    }

    /// For administrators. The user's secret, bearers and sessions end; what the user made stays, and the address is free.
    pub async fn remove_user(&self, actor: &Actor, by: By) -> Result<(), ApiError> {
        actor.require(Action::Administer)?;
        let user = self.user(actor.organization(), by).await?;
        if is_self(actor, &user) {
            return Err(ApiError::new(Code::NotAllowed, "Nobody removes themselves: ask another administrator."));
        }
        let id = user.id;
        let (_, void) = self.new_user_secret(user.organization, id)?;
        let trail = self.audit(actor, Deed::UserRemoved, id).await?;
        let (by, now) = (actor.user_id(), self.now());
        let removed = self.store.write_for(Whose::of(user.organization), move |conn| {
            Ok(match still_there(conn, by, &user)? {
                Ok(user) if is_last(conn, &user, false)? => Err(Code::LastAdministrator),
                Ok(user) => users::remove(conn, &user, &void, now, &trail).map(|()| Ok(user))?,
                refused => refused,
            })
        });
        let removed = removed.await;
        self.forget_person(id);
        log(actor, "user removed", &decided(removed)?);
        Ok(())
    }

    /// `unless`: what it is to change nothing of the roles.
    async fn apply_to_user(
        &self,
        actor: &Actor,
        user: User,
        change: Change,
        unless: Option<Code>,
    ) -> Result<User, ApiError> {
        let (by, now, id) = (actor.user_id(), self.now(), user.id);
        let mut trails = Vec::new();
        for deed in possible(&change) {
            trails.push((deed, self.audit(actor, deed, id).await?));
        }
        let changed = self.store.write_for(Whose::of(user.organization), move |conn| {
            let user = match still_there(conn, by, &user)? {
                Ok(user) => user,
                Err(refused) => return Ok(Err(refused)),
            };
            let admin = change.organization_admin.unwrap_or(user.organization_admin);
            if let Some(unless) = unless.filter(|_| admin == user.organization_admin) {
                return Ok(Err(unless));
            }
            if is_last(conn, &user, admin && change.active.unwrap_or(user.active))? {
                return Ok(Err(Code::LastAdministrator));
            }
            // By what the row is now, and not when it was looked for.
            let done = deeds(&user, &change);
            trails.retain(|(deed, _)| done.contains(deed));
            let trails: Vec<Trail> = trails.into_iter().map(|(_, trail)| trail).collect();
            users::change(conn, &user, &change, now, &trails).map(|changed| Ok((changed, done)))
        });
        let changed = changed.await;
        self.forget_person(id);
        let (changed, done) = decided(changed)?;
        done.into_iter().for_each(|deed| log(actor, in_words(deed), &changed));
        Ok(changed)
    }

    /// What this process remembers; others hear of it by the change feed.
    fn forget_person(&self, id: i64) {
        self.principals.forget_user(id);
        self.rendered.forget_made_by(&BTreeSet::from([id]));
    }

    pub(super) async fn user(&self, organization: i64, by: By) -> Result<User, ApiError> {
        let missing = missing(&by);
        self.store
            .read_for(Whose::of(organization), move |conn| users::find(conn, organization, &by))
            .await?
            .ok_or(missing)
    }

    /// Of another organization it is a 403 here (docs/api.md, Users).
    async fn user_for_roles(&self, actor: &Actor, by: By) -> Result<User, ApiError> {
        let missing = missing(&by);
        let found = self.store.read(move |conn| users::find_anywhere(conn, &by)).await?.ok_or(missing)?;
        if found.organization == actor.organization() {
            return Ok(found);
        }
        Err(ApiError::new(Code::NotAllowed, "The user belongs to another organization."))
    }

    /// For the operator, of any organization.
    pub async fn user_anywhere(&self, email: &str) -> Result<User, ApiError> {
        let by = By::Email(email.to_owned());
        let missing = missing(&by);
        self.store.read(move |conn| users::find_anywhere(conn, &by)).await?.ok_or(missing)
    }
}

/// Whether who acts may do so still; from here to the end of the transaction nobody else changes users of this organization.
fn may_change(conn: &mut AnyConn, by: Option<i64>, organization: i64) -> Result<bool, StoreFault> {
    users::lock(conn, organization)?;
    let Some(by) = by else { return Ok(true) };
    let acting = users::find(conn, organization, &By::Id(by))?;
    Ok(acting.is_some_and(|user| user.active && user.organization_admin))
}

/// The user as it is now.
fn still_there(conn: &mut AnyConn, by: Option<i64>, user: &User) -> Decided<User> {
    if !may_change(conn, by, user.organization)? {
        return Ok(Err(Code::NotAllowed));
    }
    Ok(users::find(conn, user.organization, &By::Id(user.id))?.ok_or(Code::UserNotFound))
}

/// Whether nobody would be left to administer the organization. `stays`: the user goes on doing so.
fn is_last(conn: &mut AnyConn, user: &User, stays: bool) -> Result<bool, StoreFault> {
    let one = user.active && user.organization_admin;
    Ok(one && !stays && !users::has_other_administrator(conn, user.organization, user.id)?)
}

fn decided<T>(outcome: Decided<T>) -> Result<T, ApiError> {
    match outcome {
        Ok(outcome) => outcome.map_err(|code| code.into()),
        Err(StoreFault::Conflict(_)) => {
            let message =
                "A user with this e-mail address exists, maybe one that is disabled or of another organization.";
            Err(ApiError::new(Code::UserExists, message))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Everything that a change may come to.
fn possible(change: &Change) -> Vec<Deed> {
    let active = change.active.map(|on| if on { Deed::UserEnabled } else { Deed::UserDisabled });
    let admin = change.organization_admin.map(|on| if on { Deed::UserRoleGranted } else { Deed::UserRoleRevoked });
    let password = change.password.as_ref().map(|_| Deed::UserPasswordSet);
    let named = change.email.is_some() || change.first_name.is_some() || change.last_name.is_some();
    [active, admin, password, named.then_some(Deed::UserChanged)].into_iter().flatten().collect()
}

/// What it comes to for this user.
fn deeds(user: &User, change: &Change) -> Vec<Deed> {
    let stays = |deed: &Deed| match deed {
        Deed::UserEnabled => user.active,
        Deed::UserDisabled => !user.active,
        Deed::UserRoleGranted => user.organization_admin,
        Deed::UserRoleRevoked => !user.organization_admin,
        _ => false,
    };
    possible(change).into_iter().filter(|deed| !stays(deed)).collect()
}

/// What a change is called in the log.
fn in_words(deed: Deed) -> &'static str {
    match deed {
        Deed::UserEnabled => "user enabled",
        Deed::UserDisabled => "user disabled",
        Deed::UserRoleGranted => "user promoted",
        Deed::UserRoleRevoked => "user demoted",
        Deed::UserPasswordSet => "password reset",
        _ => "user changed",
    }
}

fn require_administrator_or_self(actor: &Actor, by: &By) -> Result<(), ApiError> {
    let own = match (actor.who(), by) {
        (Who::User { principal, .. }, By::Id(id)) => *id == principal.user,
        (Who::User { principal, .. }, By::Email(email)) => principals::address(email) == principal.email,
        _ => false,
    };
    if own { Ok(()) } else { actor.require(Action::Administer) }
}

fn is_self(actor: &Actor, user: &User) -> bool {
    actor.user_id() == Some(user.id)
}

fn own_roles() -> ApiError {
    ApiError::new(Code::NotAllowed, "Nobody changes their own roles: ask another administrator.")
}

fn missing(by: &By) -> ApiError {
    let shown: String = match by {
        By::Id(id) => format!("ID {id}"),
        By::Email(email) => shortened(email),
    };
    ApiError::new(Code::UserNotFound, format!("No user found with {shown}."))
}
