//! When a credential is renewed.

use chrono::{DateTime, TimeDelta, Utc};
use crate::catalog::oauth2::Refresh;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use super::configuration::Configuration;
use super::connected::Connected;
use crate::catalog::element::Element;
use crate::catalog::oauth2::{OAuth2, Refresh};
use crate::kernel::code::Code;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::destination::Destination;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::reply::Token;
use crate::protocol::oauth2::token;
use crate::protocol::variables::Replied;
use crate::protocol::{Credential, VendorFault, VendorRequest};
use crate::service::credentials::provision::with_values;
use crate::service::credentials::token_call::Asker;
use crate::service::credentials::token_hosts::Way;
use crate::service::credentials::token_turns::{Party, Turn};
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::notices::{self, Event};
use crate::service::process::flight::Lateness;
use crate::service::process::memory::{FeedTrust, Memory};
use crate::service::process::metrics::Cause;
use crate::service::refresh::outcomes::Outcome;
use crate::service::refresh::single_flight::{Failure, Wanted};
use crate::service::refresh::warm_instances::withdrawn;
use crate::service::unstored::entry::{Act, Entry};
use crate::service::{Services, not_found};
use crate::store::instances::{self, CredentialRow, InstanceRow, NamedByToken, Stored};
use crate::store::leases::{self, Lease};
use crate::store::organization_settings::OrganizationSettings;
use crate::store::sealed::{CREDENTIAL, INSTANCE_TOKEN};
use crate::store::time::UtcTime;
use crate::store::{AnyConn, StoreFault, Whose, refreshes};
use crate::vault::lookup::Purpose;
use crate::vault::{MemoryHash, MemoryKey};

pub(in crate::service) fn lease_name(instance: i64) -> String {
    format!("refresh/{instance}")
}

/// When the background job looks at a credential: somewhat before a use would, spread out; or before its refresh token
/// dies unused.
pub(in crate::service) fn due_at(
    rules: &Refresh,
    id: i64,
    expires_at: Option<DateTime<Utc>>,
    refreshed_at: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let by_expiry = expires_at.and_then(|end| {
        let ahead = ahead(end, refreshed_at);
        // Multiplicative hashing: neighbouring ids are not due together.
        let spread = ahead.checked_mul(i32::try_from(id.wrapping_mul(0x9E37_79B1).rem_euclid(1000)).ok()?)? / 1000;
        end.checked_sub_signed(ahead)?.checked_sub_signed(spread)
    });
    by_expiry.into_iter().chain(idle_at(rules, refreshed_at)).min()
}

/// When four fifths of the time have gone that an unused refresh token lives.
pub(in crate::service) fn idle_at(rules: &Refresh, refreshed_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let limit = TimeDelta::try_seconds(i64::try_from(rules.idle_limit?).ok()?)?;
    refreshed_at?.checked_add_signed(limit / 5 * 4)
}

/// A tenth of the lifetime before its end, but at most five minutes.
pub(in crate::service) fn ageing_from(expires_at: DateTime<Utc>, since: Option<DateTime<Utc>>) -> DateTime<Utc> {
    expires_at.checked_sub_signed(ahead(expires_at, since)).unwrap_or(expires_at)
}

pub(in crate::service) fn ahead(expires_at: DateTime<Utc>, since: Option<DateTime<Utc>>) -> TimeDelta {
    let lifetime = since.map_or(TimeDelta::hours(1), |since| expires_at.signed_duration_since(since));
    (lifetime / 10).clamp(TimeDelta::zero(), TimeDelta::minutes(5))
}
