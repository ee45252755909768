//! Memory that many callers share: whoever wants a large piece takes it from a budget, so that the sum stays below a bound
//! whatever they do. Small pieces need none: their number is bounded by that of connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::queues::Queues;

/// What is taken from a budget at once.
pub const STEP: usize = 64 << 10;
/// Somebody who is about to end may make room; longer it is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Who waits holds what its connection has read so far, so only so many may.
const WAITING: usize = 32;

/// So many bytes for all who share it, of which nobody takes more than three quarters.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    shares: Arc<Queues<i64>>,
    share: usize,
    waiting: Arc<Semaphore>,
    patience: Duration,
}

/// Bytes of a budget, until it is dropped.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    /// Whose it is; without, nobody's share is asked.
    share: Option<Arc<Semaphore>>,
    taken: Option<OwnedSemaphorePermit>,
    taken_of_share: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub fn of(bytes: usize) -> Self {
        let steps = bytes / STEP;
        let (free, waiting) = (Arc::new(Semaphore::new(steps)), Arc::new(Semaphore::new(WAITING)));
        Self { free, shares: Arc::default(), share: steps.saturating_sub(steps / 4), waiting, patience: PATIENCE }
    }

    /// Nothing yet.
    pub fn room(&self) -> Room {
        Room { budget: self.clone(), share: None, taken: None, taken_of_share: None }
    }

    /// Nothing yet, of an organization's share.
    pub fn room_of(&self, organization: i64) -> Room {
        Room { share: Some(self.shares.queue(organization, self.share)), ..self.room() }
    }

    /// After a moment's waiting, or where many wait already, nothing.
    async fn take(&self, from: &Arc<Semaphore>, steps: u32) -> Option<OwnedSemaphorePermit> {
        if let Ok(taken) = Arc::clone(from).try_acquire_many_owned(steps) {
            return Some(taken);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        tokio::time::timeout(self.patience, Arc::clone(from).acquire_many_owned(steps)).await.ok()?.ok()
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
        if let Some(share) = &self.share {
            let more = self.budget.take(share, steps).await.ok_or_else(busy)?;
            add(&mut self.taken_of_share, more);
        }
        let more = self.budget.take(&self.budget.free, steps).await.ok_or_else(busy)?;
        add(&mut self.taken, more);
        Ok(())
    }

    /// The same without waiting.
    pub fn grow_now(&mut self, bytes: usize) -> Result<(), ApiError> {
        let steps = self.lacking(bytes)?;
        if steps == 0 {
            return Ok(());
        }
        let now = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(steps).map_err(|_| busy());
        if let Some(share) = &self.share {
            add(&mut self.taken_of_share, now(share)?);
        }
        add(&mut self.taken, now(&self.budget.free)?);
        Ok(())
    }

    /// Gives back what so many bytes do not need.
    pub fn shrink(&mut self, bytes: usize) {
        let over = self.bytes().saturating_sub(bytes) / STEP;
        for taken in [&mut self.taken, &mut self.taken_of_share].into_iter().flatten() {
            drop(taken.split(over));
        }
    }

    fn lacking(&self, bytes: usize) -> Result<u32, ApiError> {
        u32::try_from(bytes.saturating_sub(self.bytes()).div_ceil(STEP)).map_err(|_| busy())
    }
}

fn add(taken: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match taken {
        Some(taken) => taken.merge(more),
        None => *taken = Some(more),
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
        first.shrink(STEP + 1);
        assert_eq!(first.bytes(), 2 * STEP);
        budget.room().grow_now(STEP).unwrap();
        first.grow(3 * STEP).await.unwrap();
        let refused = second.grow(1).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::Busy, Some(1)));
        assert_eq!(second.grow_now(1).unwrap_err().code, Code::Busy);
        // The second is asked first, and has to wait.
        let (waited, ()) = tokio::join!(second.grow(2 * STEP), async { drop(first) });
        waited.unwrap();
        budget.room().grow_now(STEP).unwrap();
        assert_eq!(budget.room().grow_now(STEP + 1).unwrap_err().code, Code::Busy);
    }

    #[tokio::test]
    async fn nobody_takes_what_is_left_for_others() {
        let budget = Budget { patience: Duration::from_millis(1), ..Budget::of(8 * STEP) };
        let (mut first, mut second) = (budget.room_of(1), budget.room_of(1));
        first.grow(5 * STEP).await.unwrap();
        assert_eq!(second.grow(2 * STEP).await.unwrap_err().code, Code::Busy);
        second.grow_now(STEP).unwrap();
        assert_eq!(second.grow_now(2 * STEP).unwrap_err().code, Code::Busy);
        budget.room_of(2).grow(2 * STEP).await.unwrap();
        drop((first, second));
        budget.room_of(1).grow(6 * STEP).await.unwrap();
    }
}
