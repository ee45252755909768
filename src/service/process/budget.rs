//! Memory that many callers share: whoever wants a large piece takes it from a budget, so that the sum stays below a bound
//! whatever they do. Small pieces need none: their number is bounded by that of connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// What is taken from a budget at once.
pub const STEP: usize = 64 << 10;
/// Somebody who is about to end may make room; longer it is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Who waits holds what its connection has read so far, so only so many may.
const WAITING: usize = 32;

/// So many bytes for all who share it.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    patience: Duration,
}

/// Bytes of a budget, until it is dropped.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    taken: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub fn of(bytes: usize) -> Self {
        let free = Arc::new(Semaphore::new(bytes / STEP));
        Self { free, waiting: Arc::new(Semaphore::new(WAITING)), patience: PATIENCE }
    }

    /// Nothing yet.
    pub fn room(&self) -> Room {
        Room { budget: self.clone(), taken: None }
    }
}

impl Room {
    pub fn bytes(&self) -> usize {
        self.taken.as_ref().map_or(0, |taken| taken.num_permits().saturating_mul(STEP))
    }

    /// Takes what is lacking to so many bytes. After a moment's waiting, or where many wait already, it is a 503.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let steps = self.lacking(bytes)?;
        if steps == 0 {
            return Ok(());
        }
        let Budget { free, waiting, patience } = self.budget.clone();
        if let Ok(more) = Arc::clone(&free).try_acquire_many_owned(steps) {
            return self.add(Some(more));
        }
        let _waits = waiting.try_acquire().map_err(|_| busy())?;
        let more = free.acquire_many_owned(steps);
        self.add(tokio::time::timeout(patience, more).await.ok().and_then(Result::ok))
    }

    /// The same without waiting.
    pub fn grow_now(&mut self, bytes: usize) -> Result<(), ApiError> {
        match self.lacking(bytes)? {
            0 => Ok(()),
            steps => self.add(Arc::clone(&self.budget.free).try_acquire_many_owned(steps).ok()),
        }
    }

    fn lacking(&self, bytes: usize) -> Result<u32, ApiError> {
        u32::try_from(bytes.saturating_sub(self.bytes()).div_ceil(STEP)).map_err(|_| busy())
    }

    fn add(&mut self, more: Option<OwnedSemaphorePermit>) -> Result<(), ApiError> {
        let more = more.ok_or_else(busy)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

fn busy() -> ApiError {
    ApiError::from(Code::Busy).with_retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_a_moment_for_those_who_have_it() {
        let budget = Budget { patience: Duration::from_millis(50), ..Budget::of(3 * STEP) };
        let (mut first, mut second) = (budget.room(), budget.room());
        first.grow(1).await.unwrap();
        first.grow(STEP).await.unwrap();
        assert_eq!(first.bytes(), STEP);
        first.grow(2 * STEP + 1).await.unwrap();
        assert_eq!(first.bytes(), 3 * STEP);
        let refused = second.grow(1).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::Busy, Some(1)));
        assert_eq!(second.grow_now(1).unwrap_err().code, Code::Busy);
        // The second is asked first, and has to wait.
        let (waited, ()) = tokio::join!(second.grow(2 * STEP), async { drop(first) });
        waited.unwrap();
        budget.room().grow_now(STEP).unwrap();
        assert_eq!(budget.room().grow_now(STEP + 1).unwrap_err().code, Code::Busy);
    }
}
