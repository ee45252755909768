//! Chaining what was committed. Ids come in blocks and transactions end out of order, so a row gets its place when it is
//! chained and not when it is written: what commits late is chained late, and no gap is taken for a removal.

use chrono::{DateTime, Utc};

use super::record::{Text, row_hash};
use crate::kernel::entropy::hex_of;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::store::StoreFault;
use crate::store::audit::{self, Head, Link, Record};
use crate::vault::audit_key::{AuditKey, Part};

/// Rows in one transaction.
const BATCH: i64 = 500;

/// The hash over the row before and this one.
pub(super) fn chain_hash(key: &AuditKey, before: &[u8], sequence: i64, row: &Record) -> Vec<u8> {
    let mut text = Text::default();
    text.bytes(Some(before)).number(Some(sequence)).number(Some(row.id)).bytes(Some(&row.row_hash));
    key.hash(Part::Chain, text.as_slice())
}

pub(super) fn signature(key: &AuditKey, head: &Head) -> Vec<u8> {
    let mut text = Text::default();
    text.number(Some(head.sequence)).bytes(Some(&head.chain_hash));
    text.number(Some(head.lapsed_sequence)).bytes(Some(&head.lapsed_hash)).number(Some(head.generation));
    key.hash(Part::Head, text.as_slice())
}

/// As logs and commands have a head: the place and the hash of the last row.
pub fn shown(sequence: i64, chain_hash: &[u8]) -> String {
    format!("{sequence}-{}", hex_of(chain_hash))
}

impl Services {
    /// Gives what was committed its place in the chain. How many rows. Any process may: the head is written first, so that one
    /// at a time does, and there is nothing to take over from one that died.
    pub async fn chain_audit_log(&self) -> Result<usize, ApiError> {
        let mut count: usize = 0;
        loop {
            let read = |conn: &mut _| Ok((audit::head(conn)?, audit::unchained(conn, BATCH)?));
            let (head, mut rows) = self.store.read(read).await?;
            if rows.is_empty() {
                return Ok(count);
            }
            // As they were written, as far as clocks tell.
            rows.sort_by_key(|row| (DateTime::<Utc>::from(row.at), row.id));
            let (next, links) = self.chained_audit_rows(&head, &rows)?;
            let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= BATCH);
            let before = head.signature.clone();
            match self.store.write(move |conn| audit::chain(conn, (&head, &next), &links)).await {
                // Another process was faster, and goes on; unless nobody was, and a row of nobody stands in the way.
                Err(StoreFault::Conflict(_)) => match self.store.read(audit::head).await?.signature == before {
                    false => return Ok(count),
                    true => {
                        let message =
                            "the audit log cannot be chained: its rows or its head were altered (ligand audit verify)";
                        return Err(ApiError::internal(message));
                    }
                },
                other => other?,
            }
            count = count.saturating_add(rows.len());
            if !full {
                return Ok(count);
            }
        }
    }

    fn chained_audit_rows(&self, head: &Head, rows: &[Record]) -> Result<(Head, Vec<Link>), ApiError> {
        let (mut sequence, mut hash) = (head.sequence, head.chain_hash.clone());
        let mut links = Vec::with_capacity(rows.len());
        let in_use = self.audit_key.in_use();
        for row in rows {
            let key = self.audit_key.numbered(row.generation);
            if key.as_ref().is_none_or(|key| row_hash(key, row) != row.row_hash) {
                tracing::error!(
                    target: "ligand::audit", id = row.id,
                    "a row of the audit log was altered before it was chained, or is none of ours: run `ligand audit verify`"
                );
            }
            sequence = sequence.saturating_add(1);
            hash = chain_hash(&key.unwrap_or_else(|| in_use.key.clone()), &hash, sequence, row);
            links.push(Link { id: row.id, sequence, chain_hash: hash.clone() });
        }
        let next = Head { sequence, chain_hash: hash, ..head.clone() };
        Ok((self.signed_audit_head(next), links))
    }

    pub(super) fn signed_audit_head(&self, head: Head) -> Head {
        let key = self.audit_key.in_use();
        let head = Head { generation: key.number, ..head };
        Head { signature: signature(&key.key, &head), ..head }
    }

    /// Leaves in the log where the chain ends, for whoever keeps logs elsewhere: what is cut off later is known by it.
    pub async fn log_audit_head(&self) -> Result<(), ApiError> {
        let head = self.store.read(audit::head).await?;
        tracing::info!(
            target: "ligand::audit", head = %shown(head.sequence, &head.chain_hash),
            rows = head.sequence.saturating_sub(head.lapsed_sequence), "the audit log ends here"
        );
        Ok(())
    }

    /// Removes rows whose time is over. What is left begins at a signed place. How many rows.
    pub async fn lapse_audit_log(&self) -> Result<usize, ApiError> {
        let mut count: usize = 0;
        let before = self.now().checked_sub_signed(self.audit_kept_for).unwrap_or_default();
        loop {
            let read = move |conn: &mut _| {
                let head = audit::head(conn)?;
                let last = audit::last_before(conn, head.lapsed_sequence, before, BATCH)?;
                Ok((head, last))
            };
            let (head, Some((lapsed_sequence, lapsed_hash))) = self.store.read(read).await? else { return Ok(count) };
            let next = self.signed_audit_head(Head { lapsed_sequence, lapsed_hash, ..head.clone() });
            match self.store.write(move |conn| audit::lapse(conn, &head, &next)).await {
                // Another process was faster, and goes on.
                Err(StoreFault::Conflict(_)) => return Ok(count),
                other => count = count.saturating_add(other?),
            }
        }
    }
}
