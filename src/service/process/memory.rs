//! What a process remembers of the database. Nothing ages: the change feed says what to forget, and when the feed cannot
//! be read nothing is trusted.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use moka::sync::Cache;

/// Seconds without a reading of the feed after which memory is not trusted: the feed is read every second, and may be
/// unreadable for five.
pub const TRUSTED_FOR: i64 = 7;

/// When the feed was read last (epoch seconds). One for all memories of a process.
#[derive(Clone)]
pub struct FeedTrust(Arc<AtomicI64>);

impl Default for FeedTrust {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl FeedTrust {
    pub fn was_read(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }

    /// Nobody reads the feed any more.
    pub fn end(&self) {
        self.0.store(i64::MIN, Ordering::Relaxed);
    }

    pub fn holds(&self, now: i64) -> bool {
        // In both directions: a clock that was set back must not prolong the trust.
        now.saturating_sub(self.0.load(Ordering::Relaxed)).unsigned_abs() <= TRUSTED_FOR.unsigned_abs()
    }
}

/// Entries by key. Cheap to clone.
pub struct Memory<K, V> {
    entries: Cache<K, Arc<V>>,
    /// Counts what was forgotten, so that a row read before is not remembered after.
    generation: Arc<AtomicU64>,
}

impl<K, V> Clone for Memory<K, V> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), generation: Arc::clone(&self.generation) }
    }
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub fn of(capacity: u64) -> Self {
        Self { entries: Cache::new(capacity), generation: Arc::default() }
    }

    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key)
    }

    /// Taken before the row is read, given to `remember` with it.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn remember(&self, key: K, value: V, generation: u64) -> Arc<V> {
        self.share(key, Arc::new(value), generation)
    }

    /// `remember`, of what others hold already.
    pub fn share(&self, key: K, value: Arc<V>, generation: u64) -> Arc<V> {
        if self.generation() == generation {
            self.entries.insert(key.clone(), Arc::clone(&value));
            // A change that was noticed between the check and the insertion must win.
            if self.generation() != generation {
                self.entries.invalidate(&key);
            }
        }
        value
    }

    pub fn forget<'a>(&self, keys: impl IntoIterator<Item = &'a K>) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            self.entries.invalidate(key);
        }
    }

    /// What fits goes. It looks at every entry: for changes that are rare.
    pub fn forget_where(&self, fits: impl Fn(&V) -> bool) {
        // First: what is remembered from now on was read behind the change.
        self.generation.fetch_add(1, Ordering::AcqRel);
        for (key, value) in &self.entries {
            if fits(&value) {
                self.entries.invalidate(&*key);
            }
        }
    }

    /// How many entries there are.
    pub fn count(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }
}
