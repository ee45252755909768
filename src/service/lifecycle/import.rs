//! Many instances at once, line by line, with the tokens that they had elsewhere. No vendor is asked: nothing is spent, and what the
//! other system goes on using stays good. Lines are written some at a time, each of these batches in one transaction, so that others
//! have their turn in between; a line that made an instance before finds it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::import_line::{ImportAnswer, ImportLine, ImportStatus};
use crate::catalog::element::{AuthenticationType, Element};
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::lines::Line;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::audit::{Deed, Of};
use crate::service::credentials::partner_app::{PartnerApp, own_client};
use crate::service::instance::standing::ends_by_itself;
use crate::service::notices::{Event, Kind};
use crate::service::organization::rooms::Taken;
use crate::store::audit::Record;
use crate::store::imports::{self, Found, Imported};
use crate::store::instances::Creator;
use crate::store::notices::Notice;
use crate::store::{AnyConn, StoreFault, Whose};

/// Lines that are written at once, and bytes of them.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 << 10;
/// How long one waits for another import of the organization.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a batch is begun anew because another process imports the same.
const TRIES: usize = 4;

/// An import under way.
pub struct Import {
    services: Services,
    by: Arc<By>,
    batch: Vec<Line>,
    bytes: usize,
    rehearsal: Rehearsal,
    _place: OwnedSemaphorePermit,
}

struct By {
    actor: Actor,
    creator: Creator,
    dry_run: bool,
}

/// What a dry run would have made so far.
#[derive(Default)]
struct Rehearsal {
    ids: HashSet<String>,
    rooms: Vec<[Taken; 2]>,
}

/// The answers to a batch. `over`: nothing more can be done, because of this.
pub struct Answered {
    pub answers: Vec<ImportAnswer>,
    pub over: Option<ApiError>,
}

/// A line that is to become an instance.
struct New {
    at: usize,
    row: Imported,
    record: Record,
    told: Vec<Notice>,
    warning: Option<String>,
}

/// What is the same for all lines of a batch.
struct Common {
    apps: BTreeMap<i64, PartnerApp>,
    told: bool,
}

impl Services {
    /// `creator`: the user who is shown as the maker of the instances; by default who acts.
    pub async fn begin_import(
        &self,
        actor: &Actor,
        creator: Option<Creator>,
        dry_run: bool,
    ) -> Result<Import, ApiError> {
        let creator = match creator {
            Some(creator) => creator,
            None => Creator::from(&**actor.principal()?),
        };
        let place = tokio::time::timeout(PATIENCE, self.imports.wait(actor.organization(), 1)).await;
        let place = place.map_err(|_| {
            let message = "Another import of the organization is under way: try again when it has ended.";
            ApiError::new(Code::Busy, message).with_retry_after(5)
        })?;
        Ok(Import {
            services: self.clone(),
            by: Arc::new(By { actor: actor.clone(), creator, dry_run }),
            batch: Vec::new(),
            bytes: 0,
            rehearsal: Rehearsal::default(),
            _place: place.map_err(|error| ApiError::internal(error))?,
        })
    }
}

impl Import {
    /// Whether it is time for `answer_lines`.
    pub fn add_line(&mut self, line: Line) -> bool {
        self.bytes = self.bytes.saturating_add(line.text.as_ref().map_or(0, Vec::len));
        self.batch.push(line);
        self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Does what the lines say that were added. Whoever goes away meanwhile leaves all or nothing of it.
    pub async fn answer_lines(&mut self) -> Answered {
        let (batch, services, by) = (std::mem::take(&mut self.batch), self.services.clone(), Arc::clone(&self.by));
        self.bytes = 0;
        if batch.is_empty() {
            return Answered { answers: Vec::new(), over: None };
        }
        let lines: Vec<u64> = batch.iter().map(|line| line.number).collect();
        let mut rehearsal = std::mem::take(&mut self.rehearsal);
        // Of an organization few large bodies are worked on at once, and these are some.
        let turn = services.large_bodies.turn(by.actor.organization()).await;
        let done = self.services.detached.run(async move {
            let _turn = turn;
            let answers = services.import_batch(&by, batch, &mut rehearsal).await;
            Ok((answers, rehearsal))
        });
        match done.await {
            Ok((Ok(answers), rehearsal)) => {
                self.rehearsal = rehearsal;
                Answered { answers, over: None }
            }
            Ok((Err(error), _)) | Err(error) => {
                tracing::error!(?error, "an import ends before its lines do");
                let failed = |line: &u64| ImportAnswer::failed(*line, None, &error);
                Answered { answers: lines.iter().map(failed).collect(), over: Some(error) }
            }
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if self.by.dry_run {
            // What was not stored needs no room, and nobody is refused for it a moment longer.
            self.rehearsal = Rehearsal::default();
            self.services.rooms.freed(self.by.actor.organization());
        }
    }
}

impl Services {
    async fn import_batch(
        &self,
        by: &By,
        batch: Vec<Line>,
        rehearsal: &mut Rehearsal,
    ) -> Result<Vec<ImportAnswer>, ApiError> {
        let owner = by.actor.owner();
        let read = batch.into_iter().map(|line| ImportLine::read(line.number, line.text.as_deref()));
        let read: Vec<Result<ImportLine, Box<ImportAnswer>>> = read.collect();
        let mut ours = HashSet::new();
        for _ in 0..TRIES {
            let names: Arc<Vec<String>> = Arc::new(read.iter().flatten().map(|line| line.import_id.clone()).collect());
            let asked = Arc::clone(&names);
            let found = self.store.read_for(owner, move |conn| imports::find(conn, owner, &asked)).await?;
            let (mut answers, new) = self.plan_import(by, &read, &found, (&mut ours, rehearsal)).await?;
            // Otherwise the answer of the database may have been lost, too: one looks again.
            if self.write_import(by, new, &read, &mut answers, rehearsal).await? {
                return Ok(answers.into_iter().flatten().collect());
            }
        }
        let message = "Others import the same lines at this moment, again and again: try again in a second.";
        Err(ApiError::new(Code::DatabaseUnavailable, message).with_retry_after(1))
    }

    /// The answers that are known by now, one for each line, and what is to be written.
    async fn plan_import(
        &self,
        by: &By,
        read: &[Result<ImportLine, Box<ImportAnswer>>],
        found: &[Found],
        (ours, rehearsal): (&mut HashSet<i64>, &Rehearsal),
    ) -> Result<(Vec<Option<ImportAnswer>>, Vec<New>), ApiError> {
        let owner = by.actor.owner();
        let found: HashMap<&str, &Found> = found.iter().map(|it| (it.import_id.as_str(), it)).collect();
        let common = self.common_of_import(owner, read).await?;
        let (mut answers, mut new) = (Vec::with_capacity(read.len()), Vec::<New>::new());
        for (at, line) in read.iter().enumerate() {
            let line = match line {
                Ok(line) => line,
                Err(answer) => {
                    answers.push(Some(ImportAnswer::clone(answer)));
                    continue;
                }
            };
            if let Some(found) = found.get(line.import_id.as_str()) {
                let status = if ours.contains(&found.instance) { ImportStatus::Created } else { ImportStatus::Found };
                answers.push(Some(self.found_by_line(owner, line, found, status)));
                continue;
            }
            if rehearsal.ids.contains(&line.import_id) {
                answers.push(Some(ImportAnswer::of(line, ImportStatus::Found, None)));
                continue;
            }
            if let Some(twin) = new.iter().find(|new| new.row.import_id == line.import_id) {
                let id = (!by.dry_run).then_some(twin.row.instance.id);
                answers.push(Some(ImportAnswer::of(line, ImportStatus::Found, id)));
                continue;
            }
            let ids = (self.store.next_id().await?, self.store.next_id().await?);
            match self.new_of_line(by, (at, line), &common, ids) {
                Ok(made) => {
                    ours.insert(ids.0);
                    new.push(made);
                    answers.push(None);
                }
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => answers.push(Some(line.failed(&error))),
            }
        }
        Ok((answers, new))
    }

    fn found_by_line(&self, owner: Owner, line: &ImportLine, found: &Found, status: ImportStatus) -> ImportAnswer {
        match self.named_element(owner, None, line.input.element.as_ref()) {
            Ok(element) if element.id != found.element => {
                let message =
                    format!("This importId is that of the instance {}, which is of another element.", found.instance);
                line.failed(&ApiError::new(Code::IdMismatch, message))
            }
            _ => ImportAnswer::of(line, status, Some(found.instance)),
        }
    }

    /// What the lines have in common is asked once.
    async fn common_of_import(
        &self,
        owner: Owner,
        read: &[Result<ImportLine, Box<ImportAnswer>>],
    ) -> Result<Common, ApiError> {
        let named = read.iter().flatten().filter_map(|line| {
            let element = self.named_element(owner, None, line.input.element.as_ref()).ok()?;
            element.authentication.oauth2.is_some().then_some((element.id, element))
        });
        let elements: BTreeMap<i64, Arc<Element>> = named.collect();
        let told = self.may_have_webhook(owner.organization).await;
        if elements.is_empty() {
            return Ok(Common { apps: BTreeMap::new(), told });
        }
        let mut apps = self.partner_apps(owner).await?;
        // One from before apps had hosts gets them now.
        let unbound = elements.values().filter(|element| {
            let binds = element.authentication.oauth2.as_ref().is_some_and(OAuth2::binds_apps_to_hosts);
            binds && apps.get(&element.id).is_some_and(|app| app.hosts.is_none())
        });
        for element in unbound.cloned().collect::<Vec<_>>() {
            if let Some(app) = self.partner_app(owner, &element).await? {
                apps.insert(element.id, app);
            }
        }
        Ok(Common { apps, told })
    }

    /// `ids`: of the instance, and of its row in the audit log.
    fn new_of_line(
        &self,
        by: &By,
        (at, line): (usize, &ImportLine),
        common: &Common,
        (id, trail): (i64, i64),
    ) -> Result<New, ApiError> {
        let owner = by.actor.owner();
        let element = self.named_element(owner, None, line.input.element.as_ref())?;
        let mut wanted = line.wanted(Arc::clone(&element), self.now())?;
        let oauth2 = wanted.authentication == AuthenticationType::OAuth2;
        let uses_app = oauth2 && own_client(&wanted.configuration).is_none();
        let app = common.apps.get(&element.id).filter(|_| uses_app).cloned();
        if let Some(app) = &app {
            app.fill(&mut wanted.configuration);
        }
        wanted.require(app.is_some())?;
        let draft = wanted.into_draft(owner, app, by.creator.clone(), Vec::new());
        let mut provisioned = self.take_unproven(&draft.provisioning)?;
        line.complete(&mut provisioned)?;
        let token = base64_token(self.entropy.as_ref());
        let mut stored = self.stored(id, &token, &draft, &provisioned)?;
        line.stand(&mut stored)?;
        let of = Of::from((id, &draft.external_id));
        let record = self.audit_record(trail, &by.actor, Deed::InstanceCreated, of)?;
        let told = if common.told && !by.dry_run {
            let mut event = Event::of_instance(Kind::InstanceCreated, &stored.instance, None);
            event.vendor_values = self.plain_vendor_values(&stored.instance, &stored.credential);
            self.notices(owner, &event, None)
        } else {
            Vec::new()
        };
        let lasts = !oauth2 || stored.credential.refreshable;
        let warning = if lasts { None } else { ends_by_itself(&element, stored.expires_at()) };
        let row = Imported {
            import_id: line.import_id.clone(),
            instance: stored.instance,
            credential: stored.credential,
            tags: draft.tags,
        };
        Ok(New { at, row, record, told, warning })
    }

    /// As many of them as there is room for; the others are told so. False: another import was quicker with some.
    async fn write_import(
        &self,
        by: &By,
        new: Vec<New>,
        read: &[Result<ImportLine, Box<ImportAnswer>>],
        answers: &mut [Option<ImportAnswer>],
        rehearsal: &mut Rehearsal,
    ) -> Result<bool, ApiError> {
        let owner = by.actor.owner();
        let status = if by.dry_run { ImportStatus::Checked } else { ImportStatus::Created };
        let (mut rows, mut records, mut told, mut rooms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for new in new {
            let Some(Ok(line)) = read.get(new.at) else { continue };
            // From memory, but near the limit.
            let answer = match self.room_for_instance(owner.organization, new.row.bytes()).await {
                Ok(room) => {
                    let id = (!by.dry_run).then_some(new.row.instance.id);
                    rooms.push(room);
                    rows.push(new.row);
                    records.push(new.record);
                    told.extend(new.told);
                    ImportAnswer { warning: new.warning, ..ImportAnswer::of(line, status, id) }
                }
                Err(error) if error.code == Code::LimitReached => line.failed(&error),
                Err(error) => return Err(error),
            };
            if let Some(place) = answers.get_mut(new.at) {
                *place = Some(answer);
            }
        }
        if by.dry_run {
            rehearsal.ids.extend(rows.into_iter().map(|row: Imported| row.import_id));
            rehearsal.rooms.extend(rooms);
            return Ok(true);
        }
        let documents = rows.iter().map(Imported::bytes).fold(0, usize::saturating_add);
        let whole = Arc::new((rows, told, records));
        let insert = move |conn: &mut AnyConn| {
            let (rows, told, records) = &*whole;
            imports::insert_all(conn, owner, rows, told, records)
        };
        match self.commit(Whose::from(owner).writing(documents), insert).await {
            Err(StoreFault::Conflict(_)) => Ok(false),
            written => Ok(written.map(|()| true)?),
        }
    }
}
