//! Whoever opens a link can go on to its end, and only the integrator's back end knows whether that is the customer for whom it made the
//! link: somebody may send their own link to somebody else, whose account would then be theirs ("cross-user session fixation",
//! draft-ietf-oauth-security-topics-update). So what comes back is held, and the browser that brought it gets a handle, which the back end
//! sends when it knows the session.

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalog::element::Element;
use crate::kernel::clock::api_date;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::grants::{FoundBy, Held, LinkWaiting, OPEN_FOR, Redirected, Stage, Told, UnderWay, Waiting};
use crate::service::keys::unopened::unless_unopened;
use crate::service::links::Link;
use crate::service::links::outcome::Outcome;
use crate::service::links::status::Status;
use crate::store::grants::{self, Grant, Hold};
use crate::store::sealed::GRANT;
use crate::vault::lookup::Purpose;

/// A redirect leads to the back end within seconds; a code is good for ten minutes at most (RFC 6749 section 4.1.2).
const HELD_FOR: TimeDelta = TimeDelta::minutes(5);

impl Services {
    /// Holds the code of a redirect, where the link wants that and still works. What is written goes into the write that uses the state up.
    pub(in crate::service) async fn hold_redirect(
        &self,
        owner: Owner,
        under_way: &mut UnderWay,
        redirected: &Redirected,
    ) -> Result<Option<(Hold, DateTime<Utc>)>, ApiError> {
        let Waiting::Link(waiting) = &under_way.waiting else { return Ok(None) };
        if redirected.code.is_none() {
            return Ok(None);
        }
        let link = self.link(owner, waiting.link).await?;
        if !link.settings.confirm || !link.status.is_open() {
            return Ok(None);
        }
        let (held, hold) = self.new_hold(Some(redirected.query()));
        under_way.held = Some(held);
        Ok(Some((hold, self.kept_until())))
    }

    /// Holds a key that was entered: nobody is asked whether it is good before it is known whose it is.
    pub(super) async fn hold_key(
        &self,
        link: &Link,
        element: &Element,
        waiting: LinkWaiting,
        browser: &Secret,
    ) -> Result<(), ApiError> {
        let (owner, link) = (link.owner(), link.row.id);
        let (id, now, state) = (self.store.next_id().await?, self.now(), url_token(self.entropy.as_ref()));
        let (held, hold) = self.new_hold(None);
        let until = held.until;
        let under_way = UnderWay {
            client_id: Secret::default(),
            redirect_uri: String::new(),
            verifier: None,
            waiting: Waiting::Link(waiting),
            came_back: Some(String::new()),
            told: Told::default(),
            issuer: None,
            held: Some(held),
            found_by: Some(FoundBy::of(&state, Some(browser))),
        };
        let grant = Grant {
            id,
            element_id: element.id,
            state_hash: self.lookup.hash(Purpose::State, &state),
            sealed: self.vault.seal_document(GRANT.place(owner.organization, id), &under_way)?,
            expires_at: self.kept_until(),
            link_id: Some(link),
            browser_hash: Some(self.lookup.hash(Purpose::Browser, browser)),
            hold: Some(hold),
        };
        self.store.write_for(owner, move |conn| grants::insert(conn, owner, grant, &[], now)).await?;
        self.note_held(owner, link, until, Some(element.id)).await
    }

    /// The link says that something waits, without the handle.
    pub(super) async fn note_held(
        &self,
        owner: Owner,
        link: i64,
        until: DateTime<Utc>,
        element: Option<i64>,
    ) -> Result<(), ApiError> {
        let message = format!("Something came back, and waits until {} to be confirmed.", api_date(until));
        let outcome = Outcome { message: Some(message), ..Outcome::default() };
        self.settle_link(owner, link, (Status::Opened, &outcome), element).await.map(drop)
    }

    /// The handle of what this browser left at the link, while it waits. No other browser is told, whoever has the link.
    pub async fn handle_for(&self, link: &Link, browser: Option<&Secret>) -> Result<Option<Secret>, ApiError> {
        let (Some(browser), Status::Opened, true) = (browser, link.status, link.settings.confirm) else {
            return Ok(None);
        };
        let (owner, id, now) = (link.owner(), link.row.id, self.now());
        let hashes = self.lookup.hashes(Purpose::Browser, browser);
        let found =
            self.store.read_for(owner, move |conn| grants::held_of_browser(conn, owner, id, &hashes, now)).await?;
        let mut newest: Option<Held> = None;
        for grant in found {
            let opened = unless_unopened(self.open_under_way(owner, grant))?.flatten();
            // The hash alone is no proof against whoever writes to the database.
            let of_browser =
                |under_way: &UnderWay| under_way.found_by.as_ref().is_some_and(|it| it.is_of_browser(browser));
            let held = opened.map(|(_, under_way)| under_way).filter(of_browser).and_then(|under_way| under_way.held);
            let waits =
                |held: &Held| held.stage == Stage::Waiting && newest.as_ref().is_none_or(|it| it.until < held.until);
            newest = held.filter(waits).or(newest);
        }
        Ok(newest.map(|held| held.handle))
    }

    fn new_hold(&self, redirect: Option<Secret>) -> (Held, Hold) {
        let now = self.now();
        let (handle, until) = (url_token(self.entropy.as_ref()), now.checked_add_signed(HELD_FOR).unwrap_or(now));
        let hold = Hold { handle_hash: self.lookup.hash(Purpose::Handle, &handle), until: Some(until) };
        (Held { handle, redirect, until, stage: Stage::Waiting }, hold)
    }

    /// Until then who comes too late is told so.
    fn kept_until(&self) -> DateTime<Utc> {
        let now = self.now();
        now.checked_add_signed(OPEN_FOR).unwrap_or(now)
    }
}
