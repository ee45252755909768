//! Large bodies of one organization are worked on a few at a time, so that who sends many of them leaves the processor and the
//! database to others. Small ones need no turn: they take less than it costs to keep others from them.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::kernel::queues::Queues;

/// So many of an organization at once, in one process.
const PLACES: usize = 2;
/// Longer nobody waits: what is worked on may itself be waiting for a vendor that does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who works on large bodies, by organization.
#[derive(Debug)]
pub struct LargeBodies {
    queues: Queues<i64>,
    patience: Duration,
}

/// Lasts until it is dropped.
pub type Turn = OwnedSemaphorePermit;

impl Default for LargeBodies {
    fn default() -> Self {
        Self { queues: Queues::default(), patience: PATIENCE }
    }
}

impl LargeBodies {
    /// Waits until it is the organization's turn. None: it did not come in time.
    pub async fn turn(&self, organization: i64) -> Option<Turn> {
        tokio::time::timeout(self.patience, self.queues.wait(organization, PLACES)).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_organization_has_two_turns_and_keeps_nobody_else_waiting() {
        let bodies = LargeBodies { patience: Duration::from_millis(1), ..LargeBodies::default() };
        let (first, second) = (bodies.turn(1).await.unwrap(), bodies.turn(1).await.unwrap());
        assert!(bodies.turn(1).now_or_never().is_none(), "it waits");
        assert!(bodies.turn(2).now_or_never().flatten().is_some(), "another one does not");
        drop(first);
        let third = bodies.turn(1).now_or_never().flatten().unwrap();
        assert!(bodies.turn(1).await.is_none(), "after a while it goes on without");
        drop((second, third));
    }
}
