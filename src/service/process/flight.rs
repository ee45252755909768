//! Work that outlives those who wait for it. Whoever waits is told when it ends, or, before that, that it takes longer than
//! a caller should wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::kernel::error::ApiError;

type Late = Option<Arc<ApiError>>;
type End<T> = Option<Result<T, Arc<ApiError>>>;

/// The side of those who wait. Cheap to clone.
pub struct Flight<T> {
    late: watch::Receiver<Late>,
    end: watch::Receiver<End<T>>,
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self { late: self.late.clone(), end: self.end.clone() }
    }
}

impl<T: Clone> Flight<T> {
    pub fn begin() -> (Lateness, Landing<T>, Self) {
        let ((tell_late, late), (tell_end, end)) = (watch::channel(None), watch::channel(None));
        (Lateness { tell: tell_late, instance: None }, Landing { tell: tell_end }, Self { late, end })
    }

    /// How it ended, or why nobody should wait for that now: then it goes on all the same.
    pub async fn arrival(&mut self) -> Result<T, ApiError> {
        tokio::select! {
            biased;
            end = self.end.wait_for(Option::is_some) => {
                let end = end.map_err(|error| ApiError::internal(error))?.clone();
                end.map_or_else(|| Err(ApiError::internal("a flight without an end")), |end| end.map_err(|it| it.copy()))
            }
            // Its sender goes with the end, which is known then.
            Ok(late) = self.late.wait_for(Option::is_some) => {
                let late = late.clone();
                Err(late.map_or_else(|| ApiError::internal("a late flight without a reason"), |it| it.copy()))
            }
        }
    }

    /// Whether it is over; before that a failure to arrive is only late.
    pub fn is_over(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// As `arrival`, of somebody who comes while it is late already: it gets a while of its own.
    pub async fn arrival_within(&mut self, patience: Duration) -> Result<T, ApiError> {
        let _ = tokio::time::timeout(patience, self.end.wait_for(Option::is_some)).await;
        self.arrival().await
    }
}

/// Where a flight tells its end.
pub struct Landing<T> {
    tell: watch::Sender<End<T>>,
}

impl<T> Landing<T> {
    pub fn tell(self, outcome: Result<T, Arc<ApiError>>) {
        let _ = self.tell.send(Some(outcome));
    }
}

/// Where a flight tells that it takes longer than callers should wait.
pub struct Lateness {
    tell: watch::Sender<Late>,
    instance: Option<i64>,
}

impl Lateness {
    /// Of work that nobody waits for.
    pub fn unheard() -> Self {
        Self { tell: watch::channel(None).0, instance: None }
    }

    /// What it is about: callers are told which instance to look at.
    #[must_use]
    pub fn of_instance(self, id: i64) -> Self {
        Self { instance: Some(id), ..self }
    }

    /// Runs work to its end; when that takes longer than `patience`, callers are told `why` meanwhile.
    pub async fn within<T>(
        &self,
        patience: Duration,
        why: impl FnOnce() -> ApiError,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(patience, &mut work).await {
            return done;
        }
        self.begin(why());
        let done = work.await;
        self.end();
        done
    }

    pub fn instance(&self) -> Option<i64> {
        self.instance
    }

    /// From now on callers are told this.
    pub fn begin(&self, why: ApiError) {
        let _ = self.tell.send_replace(Some(Arc::new(why.of_instance(self.instance))));
    }

    /// Whoever comes from now on waits again.
    pub fn end(&self) {
        let _ = self.tell.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::code::Code;

    #[tokio::test]
    async fn who_waits_is_told_of_lateness_and_who_comes_later_of_the_end() {
        let (lateness, landing, mut flight) = Flight::<u8>::begin();
        let lateness = lateness.of_instance(7);
        lateness.begin(Code::VendorTimeout.into());
        let told = flight.arrival().await.unwrap_err();
        assert_eq!((told.code, told.instance_id), (Code::VendorTimeout, std::num::NonZeroI64::new(7)));
        lateness.end();
        lateness.begin(Code::DatabaseUnavailable.into());
        assert_eq!(flight.clone().arrival().await.unwrap_err().code, Code::DatabaseUnavailable);
        landing.tell(Ok(1));
        drop(lateness);
        assert_eq!(flight.arrival().await.unwrap(), 1);
    }
}
