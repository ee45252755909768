//! `ligand revoke`: break glass. It speaks with the vendors itself, so it needs the server's settings, and no server.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::{Ended, database, print, serve, services_calling, told};
use crate::config::Revoke;
use crate::service::Services;
use crate::service::elements::of_owner::ANYBODY;
use crate::service::lifecycle::end_grants::{LivesOn, Progress};
use crate::service::process::standstill;
use crate::store::revocation_orders::{Order, Scope};
use crate::store::{StoreFault, principals};

/// Between two lines about the progress.
const EVERY: Duration = Duration::from_secs(5);
/// What has to be typed.
const YES: &str = "yes";

pub async fn run(command: Revoke) -> Ended {
    let services = services_calling(&command.storage, &command.catalogue, &command.outbound).await?;
    let ended = act(&services, &command).await;
    database::close(&services.store, ended).await
}

async fn act(services: &Services, command: &Revoke) -> Ended {
    refuse_copy(services).await?;
    let scope = scope(services, command).await?;
    let count = services.instances_in(scope).await.map_err(|fault| fault.to_string())?;
    if !command.yes {
        let what = format!("This ends {count} connections for good: each user has to authorise again");
        confirmed(&what).await?;
    }
    // What earlier processes could not store is stored first, and ended with the rest.
    if let Some(journal) = serve::journal_of(&command.storage, &services.store).await? {
        services.take_up_journals(&journal).await;
    }
    let (order, resumed) = services.order_revocation(scope).await.map_err(|error| told(&error))?;
    let verb = if resumed { "goes on with" } else { "begins" };
    print(&format!("this {verb} order {}", order.id))?;
    let done = services
        .carry_out(&order, progress())
        .await
        .map_err(|error| format!("{}: what is done stays done, run this again for the rest", told(&error)))?;
    print(&format!("{} instances were made invalid, and 0 grants are left to be ended at their vendors", done.ended))?;
    if done.refreshing > 0 {
        print(&format!(
            "{} refreshes had not ended: their processes are dead, or revoke what still comes",
            done.refreshing
        ))?;
    }
    name_living(services, &order).await
}

/// The grants of a copy are those of its original.
pub(super) async fn refuse_copy(services: &Services) -> Ended {
    match standstill::is_elsewhere(&services.store, false).await.map_err(|fault| fault.to_string())? {
        true => Err(
            "this database was copied or moved since it was served last, and its grants are those of the original: \
                     run this there, or say `ligand resume` first"
                .to_owned(),
        ),
        false => Ok(()),
    }
}

async fn scope(services: &Services, command: &Revoke) -> Result<Scope, String> {
    let element = match &command.element {
        Some(key) => Some(services.element_of(ANYBODY, key).map_err(|error| told(&error))?.id),
        None => None,
    };
    refuse_unknown(services, command.organization).await?;
    Ok(Scope { organization: command.organization, element })
}

pub(super) async fn refuse_unknown(services: &Services, organization: Option<i64>) -> Ended {
    let Some(id) = organization else { return Ok(()) };
    let name = services.store.read(move |conn| principals::organization_name(conn, id)).await;
    name.map(drop).map_err(|fault| match fault {
        StoreFault::NotFound => format!("there is no organization {id}"),
        fault => fault.to_string(),
    })
}

/// Fails unless the person at the terminal says yes.
pub(super) async fn confirmed(what: &str) -> Ended {
    if !std::io::stdin().is_terminal() {
        return Err(format!("{what}. Say so with --yes, where nobody can be asked"));
    }
    let question = format!("{what}. Type {YES} to go on: ");
    let answer = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        write!(std::io::stdout(), "{question}")?;
        std::io::stdout().flush()?;
        std::io::stdin().lock().read_line(&mut line)?;
        Ok::<_, std::io::Error>(line)
    });
    let answer = answer.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    if answer.trim() == YES { Ok(()) } else { Err("nothing was done".to_owned()) }
}

/// A line now and then, as long as something changes.
fn progress() -> impl FnMut(Progress) {
    let (mut told_at, mut last) = (None::<Instant>, Progress::default());
    move |progress| {
        if told_at.is_none_or(|at| at.elapsed() >= EVERY) && progress != last {
            (told_at, last) = (Some(Instant::now()), progress);
            // Nobody reads it any more: that is no reason to stop.
            let _ = print(&format!(
                "{} instances are invalid so far, {} grants wait for their vendors",
                progress.ended, progress.left
            ));
        }
    }
}

async fn name_living(services: &Services, order: &Order) -> Ended {
    let (mut after, mut count) = (i64::MIN, 0_usize);
    while let Some((living, last)) = services.living_on(order, after).await.map_err(|error| told(&error))? {
        (after, count) = (last, count.saturating_add(name(&living, count)?));
    }
    after = i64::MIN;
    while let Some((living, last)) = services.given_up(order, after).await.map_err(|error| told(&error))? {
        (after, count) = (last, count.saturating_add(name(&living, count)?));
    }
    match count {
        0 => Ok(()),
        _ => print(&format!("{count} live on: end them at the vendor")),
    }
}

fn name(living: &[LivesOn], before: usize) -> Result<usize, String> {
    if before == 0 && !living.is_empty() {
        print("these cannot be ended from here:")?;
    }
    living.iter().try_for_each(|it| print(&line(it)))?;
    Ok(living.len())
}

pub(super) fn line(it: &LivesOn) -> String {
    let instance = it.instance.map_or_else(|| "an instance that was deleted".to_owned(), |id| format!("instance {id}"));
    let account = it.account.as_ref().map_or_else(String::new, |account| {
        let name = account.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!(", account {}{name}", account.id)
    });
    let why = it.why.sentence();
    format!("  {}, {instance} of organization {}{account}: {why}", it.element, it.owner.organization)
}
