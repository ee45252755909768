//! Ids are taken from the database in blocks and given out from memory: known before the insert, never used again.

use std::ops::Range;

use diesel::prelude::*;
use tokio::sync::Mutex;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::lanes::Store;
use super::schema::id_block;

/// How many ids a restart may skip.
const BLOCK: i64 = 100;

#[derive(Debug, Default)]
pub(super) struct IdBlocks(Mutex<Range<i64>>);

impl IdBlocks {
    pub async fn next(&self, store: &Store) -> Result<i64, StoreFault> {
        // An async lock: one caller fetches the block, the others wait for it without holding a thread.
        let mut block = self.0.lock().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        *block = store.write(take).await?;
        block.next().ok_or_else(|| StoreFault::Other("the block of ids is empty".to_owned()))
    }
}

/// Until the transaction ends, whoever else asks waits for it.
pub(super) fn lock(conn: &mut AnyConn) -> Result<(), StoreFault> {
    // A row that is always there: to write it is to lock it, also where nothing changes.
    diesel::update(id_block::table.find("all")).set(id_block::next.eq(id_block::next)).execute(conn)?;
    Ok(())
}

fn take(conn: &mut AnyConn) -> Result<Range<i64>, StoreFault> {
    let row = id_block::table.find("all");
    diesel::update(row).set(id_block::next.eq(id_block::next + BLOCK)).execute(conn)?;
    let end: i64 = id_block::table.find("all").select(id_block::next).first(conn)?;
    Ok(end.saturating_sub(BLOCK)..end)
}
