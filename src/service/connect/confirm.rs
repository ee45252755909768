//! The integrator's back end says that what a browser left is of the session that it knows, and only now it goes to the vendor.

use std::sync::Arc;

use chrono::TimeDelta;

use super::finish::{Attempt, Refusal, is_under_way};
use super::link_view::LinkView;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::grants::{Held, Redirected, Stage, Started, UnderWay, Waiting, digest};
use crate::service::ground::Races;
use crate::service::links::Link;
use crate::service::links::outcome::Reason;
use crate::service::links::status::Status;
use crate::service::process::flight::{Flight, Lateness};
use crate::store::grants::{self, Grant};
use crate::store::sealed::GRANT;
use crate::store::{AnyConn, StoreFault};
use crate::vault::lookup::Purpose;

/// A vendor's reply is read for five minutes. What was confirmed and has no end by then is of a process that died.
const ENDS_WITHIN: TimeDelta = TimeDelta::minutes(10);

impl Services {
    /// Ends what the handle stands for: the instance is made, or authorised anew. The same handle once more gets the same answer.
    pub async fn confirm_handle(&self, actor: &Actor, id: i64, handle: Secret) -> Result<LinkView, ApiError> {
        let owner = actor.owner();
        let link = self.link(owner, id).await?;
        let (grant, under_way) = match self.confirmed(owner, &link, &handle).await {
            Err(error) => return self.confirmed_before(owner, id, &handle).await?.ok_or(error),
            Ok(confirmed) => confirmed,
        };
        let (lateness, landing, mut flight) = Flight::begin();
        let (services, by, handle_of) = (self.clone(), actor.clone(), handle.clone());
        self.detached.start(async move {
            let ended = services.end_confirmed(&by, (grant, under_way), &handle_of, &lateness).await;
            landing.tell(ended.map_err(Arc::new));
        });
        flight.arrival().await?;
        match self.confirmed_before(owner, id, &handle).await? {
            Some(view) => Ok(view),
            None => Err(ended(&self.link(owner, id).await?)),
        }
    }

    async fn confirmed_before(&self, owner: Owner, id: i64, handle: &Secret) -> Result<Option<LinkView>, ApiError> {
        let link = self.link(owner, id).await?;
        let by_this = link.outcome.confirmed.as_ref().is_some_and(|kept| *kept == digest(handle));
        Ok((link.status == Status::Authorised && by_this).then(|| self.link_view(link)))
    }

    /// What the handle stands for, which from now on does not lapse: no two decide about it.
    async fn confirmed(&self, owner: Owner, link: &Link, handle: &Secret) -> Result<(Grant, UnderWay), ApiError> {
        let (id, hashes) = (link.row.id, Arc::<[_]>::from(self.lookup.hashes(Purpose::Handle, handle)));
        let mut races = Races::default();
        loop {
            let (known, now) = (Arc::clone(&hashes), self.now());
            let found = self.store.read_for(owner, move |conn| grants::find_held(conn, owner, id, &known)).await?;
            let opened = found.map_or(Ok(None), |grant| self.open_under_way(owner, grant))?;
            // The hash alone is no proof against whoever writes to the database.
            let is_it = |held: &Held| held.handle == *handle;
            let named = opened.filter(|(_, under_way)| {
                let of_link = matches!(&under_way.waiting, Waiting::Link(waiting) if waiting.link == id);
                of_link && under_way.held.as_ref().is_some_and(is_it)
            });
            let Some((grant, mut under_way)) = named else {
                let message =
                    "The link has no such handle: it is of another link, was never given out, or is long over.";
                return Err(ApiError::new(Code::HandleNotFound, message));
            };
            if !link.status.is_open() {
                return Err(ended(link));
            }
            let Some(held) = &mut under_way.held else { return Err(Code::HandleNotFound.into()) };
            match held.stage {
                // By a call that is under way, or whose caller knows of no end.
                Stage::Confirmed => return Ok((grant, under_way)),
                Stage::Waiting if held.until > now => held.stage = Stage::Confirmed,
                Stage::Waiting | Stage::Over => return Err(Code::HandleLapsed.into()),
            }
            let until = now.checked_add_signed(ENDS_WITHIN);
            let after = self.vault.seal_document(GRANT.place(owner.organization, grant.id), &under_way)?;
            let (of, before, written) = (grant.id, grant.sealed.clone(), after.clone());
            let write = move |conn: &mut AnyConn| grants::replace_held(conn, owner, of, (&before, &written), until);
            match self.store.write_for(owner, write).await {
                Err(StoreFault::Conflict(_)) => races.lost()?,
                other => {
                    other?;
                    return Ok((Grant { sealed: after, ..grant }, under_way));
                }
            }
        }
    }

    /// Spends the code or the key, as at the end of a link that nobody must confirm. Runs detached.
    async fn end_confirmed(
        &self,
        actor: &Actor,
        (grant, under_way): (Grant, UnderWay),
        handle: &Secret,
        lateness: &Lateness,
    ) -> Result<(), ApiError> {
        let owner = actor.owner();
        let concluded = match self.attempt_of(actor, &grant, &under_way, handle) {
            Ok(attempt) => self.conclude_told(&attempt, lateness).await,
            Err(refused) => {
                let (link, refusal) = *refused;
                let failed = (Status::Failed, &refusal.0);
                self.settle_surely(owner, link, failed, lateness).await?;
                Ok(Some(refusal))
            }
        };
        let is_over = match &concluded {
            Ok(_) => true,
            // The vendor has decided. Anything else may be asked once more while the handle is good.
            Err(error) => matches!(error.code, Code::VendorRefused | Code::CodeUsed) && !is_under_way(error),
        };
        if is_over && let Err(fault) = self.empty_held(owner, &grant, under_way).await {
            tracing::warn!(grant = grant.id, ?fault, "what was confirmed is erased later");
        }
        match concluded? {
            None => Ok(()),
            Some(Refusal(outcome)) => Err(outcome
                .message
                .map_or_else(|| Code::LinkFailed.into(), |text| ApiError::new(Code::LinkFailed, text))),
        }
    }

    /// `Err`: the link, and why nothing can be tried.
    fn attempt_of(
        &self,
        actor: &Actor,
        grant: &Grant,
        under_way: &UnderWay,
        handle: &Secret,
    ) -> Result<Attempt, Box<(i64, Refusal)>> {
        let Waiting::Link(waiting) = &under_way.waiting else {
            let refusal = Refusal::of(Reason::ServerError, "It is of no link.");
            return Err(Box::new((grant.link_id.unwrap_or_default(), refusal)));
        };
        let refused = |reason: Reason, message: &str| Box::new((waiting.link, Refusal::of(reason, message)));
        let Some(element) = self.element_by_id(actor.owner(), grant.element_id) else {
            return Err(refused(Reason::NotOffered, "The element is no longer offered."));
        };
        let redirect = under_way.held.as_ref().and_then(|held| held.redirect.as_ref());
        let attempt = match redirect {
            None => Attempt::of(actor, element, waiting, None),
            Some(query) => {
                let (redirected, _) = Redirected::of_query(query).read_by(&element);
                let Some(code) = redirected.code else {
                    return Err(refused(Reason::VendorError, "The answer had no code."));
                };
                let started = Started { redirect: Some(redirected.parameters.into()), ..under_way.started(None) };
                Attempt::of(actor, element, waiting, Some((&code, started)))
            }
        };
        Ok(Attempt { handle: Some(digest(handle)), ..attempt })
    }

    /// Nothing waits any more, and what did is erased.
    async fn empty_held(&self, owner: Owner, grant: &Grant, under_way: UnderWay) -> Result<(), ApiError> {
        let (id, before) = (grant.id, grant.sealed.clone());
        let after = self.vault.seal_document(GRANT.place(owner.organization, id), &under_way.emptied())?;
        let empty = move |conn: &mut AnyConn| grants::replace_held(conn, owner, id, (&before, &after), None);
        match self.store.write_for(owner, empty).await {
            // Another call did, or the document was sealed anew: the job comes by.
            Err(StoreFault::Conflict(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}

fn ended(link: &Link) -> ApiError {
    let message = match link.status {
        Status::Authorised => "The link has connected an account already, which another handle stood for.".to_owned(),
        other => format!("The link is {}: it does not work any more.", other.as_str()),
    };
    ApiError::new(Code::LinkEnded, message)
}
