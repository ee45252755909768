//! Places among the token calls that an element allows at once. They are counted by the token endpoint's host, so that a
//! customer's own host that answers nobody takes no place of others, and no organization takes the last ones.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::catalog::element::Element;
use crate::kernel::queues::Queues;

/// Token calls of one organization at once, to all hosts: each holds a connection.
const OF_ORGANIZATION: usize = 128;

/// Whose turn it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::service) struct Party {
    pub organization: i64,
    /// The token endpoint's host, where customers have their own.
    pub host: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Queue {
    /// All calls to one host.
    Host { element: i64, host: Option<Arc<str>> },
    /// Those of an organization.
    AtHost { element: i64, party: Party },
    /// To all hosts.
    Organization(i64),
}

#[derive(Default)]
pub(in crate::service) struct TokenTurns(Queues<Queue>);

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(in crate::service) struct Turn {
    _places: [OwnedSemaphorePermit; 3],
}

impl TokenTurns {
    /// Waits for a place. Who waits because its own share is in use stands in nobody else's way.
    pub async fn wait(&self, element: &Element, party: Party) -> Result<Turn, AcquireError> {
        let (all, host) = (element.concurrency(), party.host.clone());
        let organization = Queue::Organization(party.organization);
        let at_host = self.0.wait(Queue::AtHost { element: element.id, party }, share_of(all)).await?;
        let organization = self.0.wait(organization, OF_ORGANIZATION).await?;
        let host = self.0.wait(Queue::Host { element: element.id, host }, all).await?;
        Ok(Turn { _places: [at_host, organization, host] })
    }
}

/// What one organization may take of so many places: all but an eighth.
fn share_of(all: usize) -> usize {
    all.saturating_sub((all / 8).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::Catalog;

    fn party(organization: i64, host: Option<&str>) -> Party {
        Party { organization, host: host.map(Into::into) }
    }

    #[tokio::test]
    async fn nobody_takes_the_last_places_or_those_at_another_host() {
        let catalog = Catalog::load(None).unwrap();
        let element = catalog.get("hubspotcrm").unwrap();
        let turns = TokenTurns::default();
        let at_once = async |party: Party| {
            let turn = turns.wait(element, party);
            tokio::time::timeout(Duration::from_millis(20), turn).await.ok().map(Result::unwrap)
        };
        let mut taken = Vec::new();
        while let Some(turn) = at_once(party(1, None)).await {
            taken.push(turn);
        }
        assert_eq!((element.concurrency(), taken.len()), (16, 14));
        let theirs = [at_once(party(2, None)).await, at_once(party(3, None)).await];
        assert!(theirs.iter().all(Option::is_some), "others have places");
        assert!(at_once(party(4, None)).await.is_none(), "all are taken");
        assert!(at_once(party(1, Some("other.example"))).await.is_some(), "at another host");
        taken.pop();
        assert!(at_once(party(4, None)).await.is_some(), "a place was given back");
    }

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!([1, 2, 3, 8, 16].map(share_of), [1, 1, 2, 7, 14]);
    }
}
