//! `ligand audit verify`: whether the audit log is what processes of ours wrote, row behind row.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::chain::{chain_hash, shown, signature};
use super::deed::Deed;
use super::record::row_hash;
use crate::kernel::entropy::hex_of;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::store::audit::{self, Chained, Head, Record};
use crate::store::sealed::AUDIT_NAMES;
use crate::vault::audit_key::Part;

/// A server chains every second.
const CHAINED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// Rows in one read.
const BATCH: i64 = 1000;

/// A head that somebody kept, such as a line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHead {
    pub sequence: i64,
    pub hash: String,
}

impl KeptHead {
    /// `1250-9f86d0…`, as it was logged.
    pub fn read(text: &str) -> Option<Self> {
        let (sequence, hash) = text.trim().split_once('-')?;
        let sequence = sequence.parse().ok().filter(|sequence| *sequence >= 0)?;
        Some(Self { sequence, hash: hash.to_owned() })
    }
}

/// What is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("the rows {0} to {1} are missing")]
    Missing(i64, i64),
    #[error("the row {sequence} (id {id}) was altered, or none of ours wrote it")]
    Altered { sequence: i64, id: i64 },
    #[error("the row {sequence} (id {id}) does not follow the one before it")]
    Unlinked { sequence: i64, id: i64 },
    #[error("the names in the row {sequence} (id {id}) were altered")]
    Names { sequence: i64, id: i64 },
    #[error("the names in the row {sequence} (id {id}) were removed, and nobody forgot the customer")]
    NoNames { sequence: i64, id: i64 },
    #[error("the row with id {0}, which is not chained yet, was altered, or none of ours wrote it")]
    Unchained(i64),
    #[error("the row with id {0} is long written and not chained: no server runs, or something keeps it from chaining")]
    Late(i64),
    #[error("the log was cut off behind the row {0}: it went on to {1}")]
    CutOff(i64, i64),
    #[error("where the log begins and ends was altered in the database")]
    Head,
    #[error("the row {0} is another one than when the given head was written down")]
    OtherRow(i64),
    #[error("the given head {0} cannot be read: it is a number, a dash and 64 hex digits")]
    Unreadable(String),
}

/// What there is, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Verified {
    /// As `--head` takes it.
    pub head: String,
    pub rows: u64,
    /// The first place that is there.
    pub first: i64,
    /// Ids of rows that are younger than the last seal.
    pub unchained: Vec<i64>,
    pub findings: Vec<Finding>,
    /// The given head is of a row that was removed because its time was over.
    pub head_lapsed: bool,
}

/// A row without names, and whose it is.
struct Nameless {
    sequence: i64,
    id: i64,
    organization: Option<i64>,
    customer: Option<Vec<u8>>,
}

/// What is carried from row to row.
struct Walk {
    sequence: i64,
    hash: Vec<u8>,
    /// Customers that were forgotten, by organization (none: of all) and their hashes.
    forgotten: HashSet<(Option<i64>, Vec<u8>)>,
    nameless: Vec<Nameless>,
}

impl Services {
    /// `kept`: a head that was written down elsewhere, which nobody who writes to the database can move back.
    pub async fn verify_audit_log(&self, kept: Option<&str>) -> Result<Verified, ApiError> {
        let read = |conn: &mut _| Ok((audit::head(conn)?, audit::unchained(conn, BATCH)?));
        let (head, unchained) = self.store.read(read).await?;
        let mut verified = Verified {
            head: shown(head.sequence, &head.chain_hash),
            first: head.lapsed_sequence.saturating_add(1),
            ..Verified::default()
        };
        if !self.is_signed(&head) {
            verified.findings.push(Finding::Head);
        }
        let kept = kept.map(|text| (text, KeptHead::read(text)));
        if let Some((text, None)) = &kept {
            verified.findings.push(Finding::Unreadable((*text).to_owned()));
        }
        let kept = kept.and_then(|(_, kept)| kept);
        verified.head_lapsed = kept.as_ref().is_some_and(|kept| kept.sequence < head.lapsed_sequence);
        let mut walk = Walk {
            sequence: head.lapsed_sequence,
            hash: head.lapsed_hash.clone(),
            forgotten: HashSet::new(),
            nameless: Vec::new(),
        };
        if kept.as_ref().is_some_and(|kept| kept.sequence == walk.sequence && kept.hash != hex_of(&walk.hash)) {
            verified.findings.push(Finding::OtherRow(walk.sequence));
        }
        loop {
            let behind = walk.sequence;
            let rows = self.store.read(move |conn| audit::behind(conn, behind, BATCH)).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                self.verify_row(&mut verified, &mut walk, row, kept.as_ref());
            }
        }
        let last = kept.as_ref().map_or(head.sequence, |kept| kept.sequence.max(head.sequence));
        if walk.sequence < last {
            verified.findings.push(Finding::CutOff(walk.sequence, last));
        }
        for row in &unchained {
            self.verify_unchained(&mut verified, &mut walk, row);
        }
        let forgotten = walk.forgotten;
        let unexplained = walk.nameless.into_iter().filter(|row| {
            let by = |whose| row.customer.clone().is_some_and(|customer| forgotten.contains(&(whose, customer)));
            !by(row.organization) && !by(None)
        });
        verified.findings.extend(unexplained.map(|Nameless { sequence, id, .. }| Finding::NoNames { sequence, id }));
        self.verify_ends(&mut verified, &head, walk.sequence).await?;
        self.excuse_lapsed(&mut verified).await?;
        Ok(verified)
    }

    fn verify_row(&self, verified: &mut Verified, walk: &mut Walk, row: Chained, kept: Option<&KeptHead>) {
        let Chained { record, sequence, chain_hash: stored } = row;
        let id = record.id;
        let expected = walk.sequence.saturating_add(1);
        let follows = sequence == expected;
        if !follows {
            verified.findings.push(Finding::Missing(expected, sequence.saturating_sub(1)));
        }
        let key = self.audit_key.numbered(record.generation);
        if key.as_ref().is_none_or(|key| row_hash(key, &record) != record.row_hash) {
            verified.findings.push(Finding::Altered { sequence, id });
        } else if follows && key.as_ref().is_none_or(|key| chain_hash(key, &walk.hash, sequence, &record) != stored) {
            verified.findings.push(Finding::Unlinked { sequence, id });
        }
        if kept.is_some_and(|kept| kept.sequence == sequence && kept.hash != hex_of(&stored)) {
            verified.findings.push(Finding::OtherRow(sequence));
        }
        self.verify_names(verified, walk, sequence, record);
        verified.rows = verified.rows.saturating_add(1);
        (walk.sequence, walk.hash) = (sequence, stored);
    }

    fn verify_names(&self, verified: &mut Verified, walk: &mut Walk, sequence: i64, record: Record) {
        let (id, key) = (record.id, self.audit_key.numbered(record.generation));
        if record.action == Deed::CustomerForgotten.name() {
            walk.forgotten.extend(record.customer_hash.clone().map(|customer| (record.organization_id, customer)));
        }
        match &record.names_sealed {
            None => {
                let (organization, customer) = (record.organization_id, record.customer_hash);
                walk.nameless.push(Nameless { sequence, id, organization, customer });
            }
            Some(sealed) => {
                let opened = self.vault.open(AUDIT_NAMES.place(record.organization_id, id), sealed).ok();
                let hash = opened.zip(key).map(|(names, key)| key.hash(Part::Names, &names));
                if hash.as_ref() != Some(&record.names_hash) {
                    verified.findings.push(Finding::Names { sequence, id });
                }
            }
        }
    }

    fn verify_unchained(&self, verified: &mut Verified, walk: &mut Walk, row: &Record) {
        verified.unchained.push(row.id);
        let key = self.audit_key.numbered(row.generation);
        if key.is_none_or(|key| row_hash(&key, row) != row.row_hash) {
            verified.findings.push(Finding::Unchained(row.id));
        } else if self.now().signed_duration_since(DateTime::<Utc>::from(row.at)) > CHAINED_WITHIN {
            verified.findings.push(Finding::Late(row.id));
        }
        if row.action == Deed::CustomerForgotten.name() {
            walk.forgotten.extend(row.customer_hash.clone().map(|customer| (row.organization_id, customer)));
        }
    }

    /// What stands before the beginning or behind the end, as far as the head tells.
    async fn verify_ends(&self, verified: &mut Verified, before: &Head, last: i64) -> Result<(), ApiError> {
        let lapsed = before.lapsed_sequence;
        let read = move |conn: &mut _| Ok((audit::has_before(conn, lapsed)?, audit::head(conn)?));
        let (early, head) = self.store.read(read).await?;
        verified.findings.extend(early.map(|(sequence, id)| Finding::Altered { sequence, id }));
        // The head was moved back, and the rows were left.
        if last > head.sequence {
            verified.findings.push(Finding::Head);
        }
        Ok(())
    }

    /// What was removed for its age meanwhile is not missing.
    async fn excuse_lapsed(&self, verified: &mut Verified) -> Result<(), ApiError> {
        if !verified.findings.iter().any(|finding| matches!(finding, Finding::Missing(..))) {
            return Ok(());
        }
        let head = self.store.read(audit::head).await?;
        if self.is_signed(&head) {
            let is_old = |finding: &Finding| matches!(finding, Finding::Missing(_, to) if *to <= head.lapsed_sequence);
            verified.findings.retain(|finding| !is_old(finding));
        }
        Ok(())
    }

    fn is_signed(&self, head: &Head) -> bool {
        // Before the first row.
        let fresh = head.sequence == 0 && head.lapsed_sequence == 0 && head.signature.is_empty();
        fresh || self.audit_key.numbered(head.generation).is_some_and(|key| signature(&key, head) == head.signature)
    }
}
