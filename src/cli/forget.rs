//! `ligand forget`: answers a request for erasure (GDPR, Article 17), as far as this database goes.

use std::time::{Duration, Instant};

use super::data_lock::DataLock;
use super::revoke::{confirmed, line, refuse_copy, refuse_unknown};
use super::{Ended, database, print, serve, services_calling, told};
use crate::config::{Forget, Storage};
use crate::service::Services;
use crate::service::lifecycle::forget::Forgotten;
use crate::store::forgetting::Customer;
use crate::store::scrub;

/// Between two lines about the progress.
const EVERY: Duration = Duration::from_secs(5);

pub async fn run(command: Forget) -> Ended {
    let services = services_calling(&command.storage, &command.catalogue, &command.outbound).await?;
    let forgotten = act(&services, &command).await;
    let closed = database::close(&services.store, Ok(())).await;
    let forgotten = closed.and(forgotten)?;
    scrub_file(&command.storage).await?;
    print(&summary(&forgotten))
}

async fn act(services: &Services, command: &Forget) -> Result<Forgotten, String> {
    refuse_copy(services).await?;
    refuse_unknown(services, command.organization).await?;
    if !command.yes {
        confirmed("This erases the customer for good, with every connection").await?;
    }
    // What earlier processes could not store is stored first, and erased with the rest.
    if let Some(journal) = serve::journal_of(&command.storage, &services.store).await? {
        services.take_up_journals(&journal).await;
    }
    let customer = Customer { external_id: command.external_id.clone(), organization: command.organization };
    let mut told_at: Option<Instant> = None;
    let report = move |left: i64| {
        if left > 0 && told_at.is_none_or(|at| at.elapsed() >= EVERY) {
            told_at = Some(Instant::now());
            let _ = print(&format!("{left} grants wait for their vendors"));
        }
    };
    services
        .forget_customer(&customer, report)
        .await
        .map_err(|error| format!("{}: what is done stays done, run this again for the rest", told(&error)))
}

/// SQLite keeps what was removed until it is written over.
async fn scrub_file(storage: &Storage) -> Ended {
    let Some(file) = database::file(storage) else { return Ok(()) };
    let alone = DataLock::of(&file)?;
    let rewrites = alone.is_some();
    let path = file.clone();
    let scrubbed = tokio::task::spawn_blocking(move || match rewrites {
        true => scrub::rewrite(&path),
        false => scrub::empty_log(&path),
    });
    scrubbed.await.map_err(|error| error.to_string())?.map_err(|fault| {
        format!("the rows are gone, and {} may still hold what was in them: {fault}; run this again", file.display())
    })?;
    match rewrites {
        true => Ok(()),
        false => print(
            "a server is running: what versions before this one left in free pages of the file goes when this is run without it",
        ),
    }
}

fn summary(Forgotten { rows, living }: &Forgotten) -> String {
    let mut text = format!(
        "erased: {} instances, {} links with {} authorizations, {} notices, {} kept answers, {} revocations that no vendor took, names in {} rows of the audit log\n\
         not reached: backups, logs, receivers of notices, the vendors' own records",
        rows.instances, rows.links, rows.authorizations, rows.notices, rows.answers, rows.revocations, rows.audited
    );
    if !living.is_empty() {
        text.push_str("\nthese grants live on, end them at the vendor:");
        for it in living {
            text.push('\n');
            text.push_str(&line(it));
        }
    }
    text
}
