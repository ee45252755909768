//! `ligand organizations`: what an organization may have, for the operator.

use std::collections::BTreeMap;

use super::{Ended, database, print, services, told};
use crate::config::{NewLimit, Organizations};
use crate::service::Services;
use crate::store::limits::Limit;
use crate::store::principals;

pub async fn run(command: Organizations) -> Ended {
    let (Organizations::List { storage } | Organizations::Limit { storage, .. }) = &command;
    let services = services(storage).await?;
    let ended = act(&services, command).await;
    database::close(&services.store, ended).await
}

async fn act(services: &Services, command: Organizations) -> Ended {
    let users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let known: BTreeMap<i64, String> =
        users.into_iter().map(|user| (user.owner.organization, user.organization_name)).collect();
    match command {
        Organizations::List { .. } => {
            let lines: Vec<_> = known.iter().map(|(id, name)| format!("{id:>6}  {name}")).collect();
            print(&lines.join("\n"))
        }
        Organizations::Limit { id, limits, .. } => {
            if !known.contains_key(&id) {
                return Err(format!("there is no organization {id}: ligand organizations list shows them"));
            }
            if !limits.is_empty() {
                let set = limits.into_iter().map(|NewLimit(limit, value)| (limit, value)).collect();
                services.set_limits(id, set).await.map_err(|error| told(&error))?;
            }
            show(services, id).await
        }
    }
}

async fn show(services: &Services, id: i64) -> Ended {
    let views = services.limits(id).await.map_err(|error| told(&error))?;
    let mut lines = vec![format!("{:<16} {:>15} {:>15}", "kind", "limit", "in use")];
    for limit in Limit::ALL {
        let Some(view) = views.get(limit.name()) else { continue };
        let used = view.used.map_or_else(|| "-".to_owned(), |used| used.to_string());
        lines.push(format!("{:<16} {:>15} {used:>15}", limit.name(), view.limit));
    }
    print(&lines.join("\n"))
}
