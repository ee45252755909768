//! Connections that wait for the next call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;

/// Vendors close what is silent for a minute or two: a connection older than this is not tried again.
pub const KEPT_FOR: Duration = Duration::from_secs(50);
/// How many of one worker wait at most. Every one is a descriptor.
const MOST: usize = 512;

#[derive(Default)]
pub struct Kept {
    by_origin: HashMap<Arc<str>, Vec<(Connection, Instant)>>,
    count: usize,
}

impl Kept {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The one used last: it is the least likely to have ended.
    pub fn take(&mut self, origin: &str) -> Option<Connection> {
        let of_origin = self.by_origin.get_mut(origin)?;
        while let Some((mut connection, since)) = of_origin.pop() {
            self.count = self.count.saturating_sub(1);
            if since.elapsed() < KEPT_FOR && connection.is_idle() {
                return Some(connection);
            }
        }
        None
    }

    /// Nobody drives what waits here: a request that is still on its way, because its answer came early, ends with the
    /// connection.
    pub fn put(&mut self, origin: Arc<str>, mut connection: Connection) {
        if self.count >= MOST {
            self.sweep();
        }
        if self.count >= MOST || !connection.is_idle() {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.by_origin.entry(origin).or_default().push((connection, Instant::now()));
    }

    /// One has ended without a word: the others of its vendor may have, too.
    pub fn forget(&mut self, origin: &str) {
        let ended = self.by_origin.remove(origin).map_or(0, |of_origin| of_origin.len());
        self.count = self.count.saturating_sub(ended);
    }

    /// Forgets what ended or grew old, of vendors too that nobody calls any more.
    pub fn sweep(&mut self) {
        self.by_origin.retain(|_, of_origin| {
            of_origin.retain_mut(|(connection, since)| since.elapsed() < KEPT_FOR && connection.is_idle());
            !of_origin.is_empty()
        });
        self.count = self.by_origin.values().map(Vec::len).sum();
    }
}
