//! `ligand import`: instances from a file, by the same way as `POST /instances/import`.

use std::collections::BTreeMap;

use super::age_file::{self, Piece};
use super::nango::Translation;
use super::{Ended, database, services_with, show, told};
use crate::config::{Import as Command, System};
use crate::kernel::lines::{Line, Lines};
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::lifecycle::import::Import;
use crate::service::lifecycle::import_line::{ImportAnswer, ImportStatus, LONGEST_LINE};
use crate::store::instances::Creator;
use crate::store::principals::{self, Principal};
use crate::telemetry;

/// Lines that are named at the end; the rest is counted.
const NAMED: usize = 50;

pub async fn run(command: Command) -> Ended {
    if command.system.is_none() && !command.map.is_empty() {
        return Err("--map is for the lines of another system, such as `ligand import nango FILE`".to_owned());
    }
    let services = services_with(&command.storage, command.catalogue.elements_dir.as_deref()).await?;
    let ended = act(&services, command).await;
    database::close(&services.store, ended).await
}

async fn act(services: &Services, command: Command) -> Ended {
    // Where secrets may go, as the operator said of changed files.
    services.read_secret_places().await.map_err(|fault| fault.to_string())?;
    let member = member_of(services, command.organization).await?;
    let translation = match command.system {
        Some(System::Nango) => {
            Some(Translation::of(services, member.owner, &command.map).map_err(|error| told(&error))?)
        }
        None => None,
    };
    let identities = command.identity.as_deref().map(age_file::identities).transpose()?.unwrap_or_default();
    let actor = Actor::operator(member.owner, services.request_id());
    let import = services.begin_import(&actor, Some(Creator::from(&member)), command.dry_run).await;
    let mut run = Run { import: import.map_err(|error| told(&error))?, translation, counts: Counts::default() };
    let mut pieces = age_file::pieces(&command.file, identities);
    let mut lines = Lines::of(LONGEST_LINE);
    let mut broken: Option<String> = None;
    loop {
        let piece: Option<Piece> = pieces.recv().await;
        match piece {
            Some(Ok(piece)) => run.add(lines.feed(&piece)).await?,
            Some(Err(reason)) => {
                broken = Some(reason);
                break;
            }
            None => {
                run.add(lines.end().into_iter().collect()).await?;
                break;
            }
        }
    }
    run.answer().await?;
    run.counts.say(command.dry_run);
    match (broken, run.counts.of.get("failed")) {
        // What cannot be read to its end may be an altered file: what came before is stored, and is found when it is repeated.
        (Some(reason), _) => Err(reason),
        (None, Some(failed)) => {
            Err(format!("{failed} lines failed: mend them, and run this again with the whole file"))
        }
        (None, None) => Ok(()),
    }
}

struct Run {
    import: Import,
    translation: Option<Translation>,
    counts: Counts,
}

impl Run {
    async fn add(&mut self, lines: Vec<Line>) -> Ended {
        for line in lines {
            let line = match (&self.translation, &line.text) {
                (Some(translation), Some(text)) => match translation.line(line.number, text) {
                    Ok(text) => Line { number: line.number, text: Some(text) },
                    Err(answer) => {
                        // In the order of the lines.
                        self.answer().await?;
                        self.tell(&[*answer]).await?;
                        continue;
                    }
                },
                _ => line,
            };
            if self.import.add_line(line) {
                self.answer().await?;
            }
        }
        Ok(())
    }

    async fn answer(&mut self) -> Ended {
        let answered = self.import.answer_lines().await;
        self.tell(&answered.answers).await?;
        answered.over.map_or(Ok(()), |error| Err(format!("{}: run this again for the rest", told(&error))))
    }

    async fn tell(&mut self, answers: &[ImportAnswer]) -> Ended {
        let mut text = String::new();
        for answer in answers {
            self.counts.add(answer);
            text.push_str(&answer.json().map_err(|error| told(&error))?);
        }
        show(text).await
    }
}

#[derive(Default)]
struct Counts {
    of: BTreeMap<&'static str, u64>,
    /// Connections that end by themselves.
    ending: Vec<String>,
}

impl Counts {
    fn add(&mut self, answer: &ImportAnswer) {
        let name = match answer.status {
            ImportStatus::Created => "created",
            ImportStatus::Found => "found again",
            ImportStatus::Checked => "would be created",
            ImportStatus::Failed => "failed",
        };
        let count = self.of.entry(name).or_default();
        *count = count.saturating_add(1);
        if answer.warning.is_some() {
            self.ending.push(answer.import_id.clone().unwrap_or_else(|| format!("line {}", answer.line)));
        }
    }

    fn say(&self, dry_run: bool) {
        let counts: Vec<String> = self.of.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let stored = if dry_run { " (nothing was stored)" } else { "" };
        telemetry::say(&format!(
            "lines: {}{stored}",
            if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
        ));
        if self.ending.is_empty() {
            return;
        }
        let named: Vec<&str> = self.ending.iter().take(NAMED).map(String::as_str).collect();
        let more = if self.ending.len() > NAMED { ", …" } else { "" };
        telemetry::say(&format!(
            "{} without a refresh token, whose users must authorise again when the access token ends: {}{more}",
            self.ending.len(),
            named.join(", ")
        ));
    }
}

/// Who is shown as the maker of the organization's imports: its first administrator.
pub(super) async fn member_of(services: &Services, organization: Option<i64>) -> Result<Principal, String> {
    let mut users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let known: BTreeMap<i64, String> =
        users.iter().map(|user| (user.owner.organization, user.organization_name.clone())).collect();
    let chosen = match (organization, known.len()) {
        (Some(id), _) => id,
        (None, 1) => known.keys().copied().next().unwrap_or_default(),
        (None, _) => {
            let named: Vec<String> = known.iter().map(|(id, name)| format!("{id} ({name})")).collect();
            return Err(format!("name one with --organization: {}", named.join(", ")));
        }
    };
    users.retain(|user| user.owner.organization == chosen);
    users.sort_by_key(|user| (!user.organization_admin, user.user));
    users.into_iter().next().ok_or_else(|| format!("there is no organization {chosen}, or nobody in it who is enabled"))
}
