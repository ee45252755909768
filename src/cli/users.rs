//! `ligand users`: for the operator who has the database and the key.

use super::{Ended, database, first_login, print, services, told};
use crate::config::Users;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::people::bootstrap::{CreatedUser, UserInput, random_password};
use crate::service::people::resets::Asking;
use crate::service::people::sessions::OtherSessions;
use crate::service::people::users::Actor;
use crate::store::principals::{self, Principal};
use crate::store::users::{self, Change, User};
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
                services.erase(Actor::Operator, user).await
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
            note(services, "password and secret reset", &created.email).await?;
            print(&format!("reset\n{}", first_login::text(&created, generated)))
        }
    }
}

fn active(active: bool) -> Change {
    Change { active: Some(active), ..Change::default() }
}

fn administrator(administrator: bool) -> Change {
    Change { organization_admin: Some(administrator), ..Change::default() }
}

async fn change(services: &Services, email: &str, done: &str, change: Change) -> Ended {
    let changed = async {
        let user = services.user_anywhere(email).await?;
        services.apply_to_user(Actor::Operator, user, change, None).await
    };
    let user = changed.await.map_err(|error| told(&error))?;
    print(&format!("{done} {}", user.email))
}

async fn note(services: &Services, act: &str, email: &str) -> Ended {
    let user = services.user_anywhere(email).await.map_err(|error| told(&error))?;
    Actor::Operator.log(act, &user);
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
    // In this order: a new password ends what the user was known by.
    services.reset_user_secret(Asking::by_secrets(user), OtherSessions::End).await?;
    services.set_password(user, password.clone()).await?;
    let secrets = services.secrets(user).await?;
    Ok(CreatedUser {
        email: user.email.clone(),
        password,
        user_secret: Secret::new(secrets.user_secret),
        organization_secret: Secret::new(secrets.organization_secret),
    })
}
