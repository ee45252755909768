//! `ligand export`: the instances of an organization, for another server.

use super::age_file::Encrypting;
use super::import::member_of;
use super::{Ended, database, services_with, told};
use crate::config::Export;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::telemetry;

pub async fn run(command: Export) -> Ended {
    let services = services_with(&command.storage, command.catalogue.elements_dir.as_deref()).await?;
    let ended = act(&services, command).await;
    database::close(&services.store, ended).await
}

async fn act(services: &Services, command: Export) -> Ended {
    let member = member_of(services, command.organization).await?;
    let actor = Actor::operator(member.owner, services.request_id());
    let file = Encrypting::begin(command.recipient, command.output)?;
    services.begin_export(&actor).await.map_err(|error| told(&error))?;
    let (mut after, mut count, mut left_out) = (Some(0), 0_usize, Vec::new());
    while let Some(id) = after {
        let page = services.export_page(&actor, id).await.map_err(|error| told(&error))?;
        count = count.saturating_add(page.count);
        left_out.extend(page.left_out);
        after = page.next;
        if !page.lines.is_empty() && !file.add(page.lines).await {
            break;
        }
    }
    file.end().await?;
    telemetry::say(&format!(
        "{count} instances are in the file. Both servers have their refresh tokens now: use them on one alone"
    ));
    match left_out.len() {
        0 => Ok(()),
        some => Err(format!("{some} instances do not open with these keys, and are not in the file: {left_out:?}")),
    }
}
