//! `ligand users`: for the operator who has the database and the key.

use super::{Ended, database, first_login, print, services, told};
use crate::config::Users;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::people::bootstrap::{CreatedUser, UserInput, random_password};
use crate::service::people::roles::organization_admin;
use crate::service::people::user_account::UserPatch;
use crate::service::people::users::log;
use crate::store::principals::{self, Principal};
use crate::store::users::{self, By, User};
use crate::telemetry;

pub async fn run(command: Users) -> Ended {
    let storage = match &command {
        Users::Create { storage, .. } | Users::List { storage } | Users::Reset { storage, .. } => storage,
        Users::Disable(one) | Users::Enable(one) | Users::Remove(one) | Users::Promote(one) | Users::Demote(one) => {
            &one.storage
        }
    };
    // Who was changed, and by whom, for whoever collects what commands write.
    telemetry::start("ligand::people=info")?;
    let services = services(storage).await?;
    let ended = act(&services, command).await;
    database::close(&services.store, ended).await
}

async fn act(services: &Services, command: Users) -> Ended {
    match command {
        Users::Create { email, first_name, last_name, like, password, .. } => {
            let of = match &like {
                Some(colleague) => Some(find(services, colleague).await?.owner),
                None => None,
            };
            let given = password.given();
            let generated = given.is_none();
            let password = given.unwrap_or_else(|| random_password(&SystemEntropy));
            let input = UserInput { email, password, first_name, last_name, organization_admin: of.is_none() };
            let created = services.create_user(input, of).await.map_err(|error| told(&error))?;
            note(services, "user made", &created.email).await?;
            print(&format!("created\n{}", first_login::text(&created, generated)))
        }
        Users::List { .. } => {
            let users = services.store.read(users::list_everywhere).await.map_err(|fault| fault.to_string())?;
            let lines: Vec<_> = users.iter().map(line).collect();
            print(&lines.join("\n"))
        }
        Users::Disable(one) => change(services, &one.email, "disabled", active(false)).await,
        Users::Enable(one) => change(services, &one.email, "enabled", active(true)).await,
        Users::Promote(one) => change(services, &one.email, "promoted", administrator(true)).await,
        Users::Demote(one) => change(services, &one.email, "demoted", administrator(false)).await,
        Users::Remove(one) => {
            let removed = async {
                let user = services.user_anywhere(&one.email).await?;
                services.remove_user(&operator(services, &user), By::Id(user.id)).await
            };
            removed.await.map_err(|error| told(&error))?;
            print(&format!("removed {}", one.email))
        }
        Users::Reset { email, password, .. } => {
            let user = find(services, &email).await?;
            let given = password.given();
            let generated = given.is_none();
            let password = given.unwrap_or_else(|| random_password(&SystemEntropy));
            let created = reset(services, &user, password).await.map_err(|error| told(&error))?;
            print(&format!("reset\n{}", first_login::text(&created, generated)))
        }
    }
}

fn active(active: bool) -> UserPatch {
    UserPatch { active: Some(active), ..UserPatch::default() }
}

fn administrator(administrator: bool) -> UserPatch {
    let roles = administrator.then(|| organization_admin().into());
    UserPatch { roles: Some(roles.into_iter().collect()), ..UserPatch::default() }
}

async fn change(services: &Services, email: &str, done: &str, patch: UserPatch) -> Ended {
    let changed = async {
        let user = services.user_anywhere(email).await?;
        services.change_user(&operator(services, &user), By::Id(user.id), patch).await?;
        Ok::<_, ApiError>(user)
    };
    let user = changed.await.map_err(|error| told(&error))?;
    print(&format!("{done} {}", user.email))
}

/// Whoever runs the command, as who acts on a user.
fn operator(services: &Services, of: &User) -> Actor {
    Actor::operator(of.owner(), services.request_id())
}

async fn note(services: &Services, act: &str, email: &str) -> Ended {
    let user = services.user_anywhere(email).await.map_err(|error| told(&error))?;
    log(&operator(services, &user), act, &user);
    Ok(())
}

fn line((user, organization): &(User, String)) -> String {
    let role = if user.organization_admin { "administrator" } else { "user" };
    let state = if user.active { "" } else { "  disabled" };
    format!("{:>6}  {:<32} {role:<14} {organization}{state}", user.id, user.email)
}

async fn find(services: &Services, email: &str) -> Result<Principal, String> {
    let address = email.to_owned();
    let found = services.store.read(move |conn| principals::find_by_email(conn, &address)).await;
    let found = found.map_err(|fault| fault.to_string())?;
    found.map(|(principal, _)| principal).ok_or_else(|| format!("there is no user {email} who is enabled"))
}

async fn reset(services: &Services, user: &Principal, password: Secret) -> Result<CreatedUser, ApiError> {
    let actor = Actor::operator(user.owner, services.request_id());
    services.reset_user(&actor, By::Id(user.user), password.clone()).await?;
    let secrets = services.secrets(user).await?;
    Ok(CreatedUser {
        email: user.email.clone(),
        password,
        user_secret: Secret::new(secrets.user_secret),
        organization_secret: Secret::new(secrets.organization_secret),
    })
}
