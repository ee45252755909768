//! Writes, by what a failure would cost. Where nothing was spent a caller is told soon; after an act that cannot be repeated
//! only the database's own verdict is an end.

use std::future::Future;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::store::principals::KeptSecret;
use crate::store::{AnyConn, StoreFault, Whose};
use crate::vault::lookup::Purpose;
use crate::vault::seal::Place;

/// How long callers wait for the database.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// After so long there is no further try: one may take as long again.
const TRIES_FOR: Duration = Duration::from_millis(2500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A database that is back is noticed within this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pauses between tries: doubling, to a second.
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = self.0.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Losses of a change that goes by what was read: whoever changed the row meanwhile was quicker, and one looks again.
#[derive(Default)]
pub(super) struct Races(u8);

impl Races {
    /// How often the same change is begun.
    const MOST: u8 = 8;

    /// One more loss. After the last one the caller gets a 503 and is to come again; a change of an instance says 409
    /// `instance_changed` instead, because its caller looked at old values.
    #[track_caller]
    pub fn lost(&mut self) -> Result<(), ApiError> {
        self.0 = self.0.saturating_add(1);
        if self.0 < Self::MOST {
            return Ok(());
        }
        let message = "Others change the same at this moment, again and again: try again in a second.";
        Err(ApiError::new(Code::DatabaseUnavailable, message).with_retry_after(1))
    }
}

impl Services {
    /// Tries for as long as a caller waits.
    pub(super) async fn commit<T, F>(&self, whose: impl Into<Whose>, transaction: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Clone + Send + 'static,
    {
        let (whose, began, mut pauses) = (whose.into(), Instant::now(), Pauses::default());
        loop {
            match self.store.write_for(whose, transaction.clone()).await {
                Err(StoreFault::Unavailable(_)) if began.elapsed() < TRIES_FOR => {}
                other => return other,
            }
            pauses.pause().await;
        }
    }

    /// Tries until the database takes it or has decided. `what`: for the log.
    pub(super) async fn commit_until_decided<T, F>(
        &self,
        whose: impl Into<Whose>,
        what: &'static str,
        transaction: F,
    ) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Clone + Send + 'static,
    {
        let (whose, mut tries, mut pauses) = (whose.into(), 0_u64, Pauses::default());
        loop {
            if self.unstored.is_closed() {
                // It is in a journal, or revoked: the end of the process comes now.
                std::future::pending::<()>().await;
            }
            let fault = match self.store.write_for(whose, transaction.clone()).await {
                Err(fault) if !fault.is_verdict() => fault,
                decided => return decided,
            };
            tries = tries.saturating_add(1);
            // Ever seldomer: an outage is long compared with a try.
            if tries.is_power_of_two() {
                tracing::warn!(tries, %fault, "{what} waits for the database");
            }
            pauses.pause().await;
        }
    }

    /// Tries until it succeeds or fails for good: for what stands between an act that cannot be repeated and its commit.
    pub(super) async fn retry_while_passing<T, F>(&self, work: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut pauses = Pauses::default();
        loop {
            match work().await {
                Err(error) if error.is_passing() => pauses.pause().await,
                decided => return decided,
            }
        }
    }

    /// An address of this server, as browsers reach it.
    pub fn public(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// Where vendors send users back to, as apps of before registered it and clients that callers bring do.
    pub fn redirect_url(&self) -> String {
        format!("{}/connector/callback", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The address of one app's own; none: the one above.
    pub fn redirect_url_of(&self, callback: Option<&str>) -> String {
        match callback {
            Some(own) => format!("{}/{own}", self.redirect_url()),
            None => self.redirect_url(),
        }
    }

    pub fn kept_secret(&self, purpose: Purpose, place: Place, secret: &Secret) -> Result<KeptSecret, ApiError> {
        let sealed = self.vault.seal(place, secret.expose().as_bytes())?;
        Ok(KeptSecret { hash: self.lookup.hash(purpose, secret), sealed })
    }
}

/// How long answers are kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// What callers learn while a grant waits for the database.
pub(super) fn waits_for_database(instance: Option<i64>) -> ApiError {
    let error = ApiError::from(Code::DatabaseUnavailable).with_retry_after(1);
    let Some(id) = instance else { return error };
    let message = format!(
        "The database is not available. What was sent to the vendor is used up, and what it brought is kept until the \
         database takes it: do not send it again, GET /instances/{id} tells when it is stored."
    );
    ApiError { message, ..error }
}
