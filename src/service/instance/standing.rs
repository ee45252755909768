//! How a grant stands between good and gone: refusals of its renewal in a row, and when it ends by itself.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::element::Element;
use crate::kernel::clock::api_date;
use crate::kernel::stored;
use crate::store::instances::CredentialRow;

/// So many refusals in a row …
const REFUSALS: u32 = 5;
/// … and at least so long after the first of them are an end: an incident of the vendor is over by then.
const OVER: TimeDelta = TimeDelta::hours(24);

/// What makes most vendors give a refresh token.
const OFFLINE_ACCESS: &str = "ask for offline access (the scope `offline_access`, or the parameter \
    `access_type=offline`, as the vendor calls it), and for consent anew where the person agreed before (`prompt=consent`).";

/// Kept beside the credential as JSON. What a version that does not know it leaves behind with a newer credential says nothing of
/// that one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Standing {
    /// When the credential was got that it is of.
    of: Option<DateTime<Utc>>,
    /// The end that the vendor named, of an access token that nothing renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// Refusals since the token was last renewed. Outages in between neither count nor begin it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    pub since: DateTime<Utc>,
    pub refusals: u32,
    /// The last one, in a sentence.
    pub said: String,
}

impl Standing {
    pub fn of(row: &CredentialRow) -> Self {
        let text = row.standing.as_deref();
        let read = text.map(|text| stored::read::<Self>(text, ("credential", "standing", row.instance_id)));
        let standing = read.transpose().unwrap_or_else(|fault| {
            tracing::error!(%fault, "how a grant stands is taken for unknown");
            None
        });
        let of = row.refreshed_at.map(Into::into);
        standing.filter(|standing| standing.of == of).unwrap_or(Self { of, ..Self::default() })
    }

    /// Of a credential that is made.
    pub fn ending(of: Option<DateTime<Utc>>, ends_at: DateTime<Utc>) -> Self {
        Self { of, ends_at: Some(ends_at), failing: None }
    }

    /// As it was where it comes from.
    pub fn failing(self, of: Option<DateTime<Utc>>, failing: Failing) -> Self {
        Self { of, failing: Some(failing), ..self }
    }

    /// After one more refusal.
    #[must_use]
    pub fn refused(self, said: String, now: DateTime<Utc>) -> Self {
        let (since, before) = self.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.refusals));
        let failing = Failing { since, refusals: before.saturating_add(1), said };
        Self { failing: Some(failing), ..self }
    }

    /// Why an instance is invalid whose token is over and that nothing renews.
    pub fn ended(&self, vendor: &str, now: DateTime<Utc>) -> Option<String> {
        let end = self.ends_at.filter(|end| *end <= now)?;
        Some(not_renewed(&format!("The access token of {vendor} ended at {}", api_date(end))))
    }

    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl Failing {
    pub fn is_end(&self, now: DateTime<Utc>) -> bool {
        self.refusals >= REFUSALS && now.signed_duration_since(self.since) >= OVER
    }

    pub fn is_first(&self) -> bool {
        self.refusals == 1
    }

    /// Why the instance is invalid.
    pub fn reason(&self, vendor: &str) -> String {
        format!(
            "{vendor} has refused to renew the token since {}, {} times in a row: {} The user must authorise again.",
            api_date(self.since),
            self.refusals,
            self.said
        )
    }
}

pub fn not_renewed(what: &str) -> String {
    format!("{what}, and there is no refresh token to renew it. The user must authorise again: {OFFLINE_ACCESS}")
}

/// What is said of a connection that the vendor gave no refresh token for, where its element refreshes.
pub fn ends_by_itself(element: &Element, expires_at: Option<DateTime<Utc>>) -> Option<String> {
    element.refresh()?;
    let end = expires_at.map_or_else(String::new, |end| format!(", at {}", api_date(end)));
    Some(format!(
        "{} gave no refresh token, so the connection ends with its access token{end}. To have one that lasts, {OFFLINE_ACCESS}",
        element.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_366_400 + hours * 3600, 0).unwrap()
    }

    #[test]
    fn only_many_refusals_over_a_day_are_an_end() {
        let after = |times: &[i64]| {
            let standing = times.iter().fold(Standing::default(), |it, hour| it.refused("No.".to_owned(), at(*hour)));
            standing.failing.unwrap().is_end(at(*times.last().unwrap()))
        };
        for (times, end) in [
            (&[0][..], false),
            (&[0, 1, 2, 3, 4, 5, 6, 23], false),
            (&[0, 8, 16, 24], false),
            (&[0, 48], false),
            (&[0, 1, 2, 3, 24], true),
            (&[0, 6, 12, 18, 30], true),
        ] {
            assert_eq!(after(times), end, "{times:?}");
        }
    }
}
