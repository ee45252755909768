//! What a connect link can be, and what may follow what.

use Status::{Authorised, Denied, Expired, Failed, Opened, Pending, Revoked};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LinkStatus)]
pub enum Status {
    /// Nobody has opened it.
    Pending,
    /// Its page was opened, or another try was begun.
    Opened,
    /// The account is connected: the link is spent.
    Authorised,
    /// The person said no. It may try again.
    Denied,
    /// Something was not as it must be; `reason` says what. It may try again.
    Failed,
    /// Its time is over.
    Expired,
    /// It was withdrawn.
    Revoked,
}

impl Status {
    pub const ALL: [Self; 7] = [Pending, Opened, Authorised, Denied, Failed, Expired, Revoked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Pending => "pending",
            Opened => "opened",
            Authorised => "authorised",
            Denied => "denied",
            Failed => "failed",
            Expired => "expired",
            Revoked => "revoked",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }

    /// Whether the link still works.
    pub fn is_open(self) -> bool {
        matches!(self, Pending | Opened | Denied | Failed)
    }

    /// Whether a link in this status may come to that one. Two tabs may be under way at once, so one may be denied and the
    /// other authorised; what is over stays over.
    pub fn may_become(self, next: Self) -> bool {
        match next {
            Pending => false,
            Opened => matches!(self, Pending | Denied | Failed),
            Authorised | Denied | Failed => matches!(self, Opened | Denied | Failed),
            Expired | Revoked => self.is_open(),
        }
    }

    /// What it is at this moment: time ends a link without anybody writing it down.
    pub fn at(self, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> Self {
        if self.is_open() && now >= expires_at { Expired } else { self }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::links;

    #[test]
    fn what_may_follow_what() {
        // From a row's status to a column's, in the order of `ALL`.
        let table = [
            (Pending, [0, 1, 0, 0, 0, 1, 1]),
            (Opened, [0, 0, 1, 1, 1, 1, 1]),
            (Authorised, [0, 0, 0, 0, 0, 0, 0]),
            (Denied, [0, 1, 1, 1, 1, 1, 1]),
            (Failed, [0, 1, 1, 1, 1, 1, 1]),
            (Expired, [0, 0, 0, 0, 0, 0, 0]),
            (Revoked, [0, 0, 0, 0, 0, 0, 0]),
        ];
        for (from, row) in table {
            for (to, allowed) in Status::ALL.into_iter().zip(row) {
                assert_eq!(from.may_become(to), allowed == 1, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn time_ends_what_is_open_and_nothing_else() {
        let end = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for status in Status::ALL {
            assert_eq!(Status::read(status.as_str()), Some(status));
            assert_eq!(links::OPEN.contains(&status.as_str()), status.is_open());
            assert_eq!(status.at(end - TimeDelta::seconds(1), end), status);
            assert_eq!(status.at(end, end), if status.is_open() { Expired } else { status });
        }
        assert_eq!(Status::read("PENDING"), None);
    }
}
