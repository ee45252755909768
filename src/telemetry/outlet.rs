//! Between those who log and standard error: lines wait in memory, and one thread writes them.
//!
//! A line of its own system call each would be slow, so lines wait for company, shortly; a warning or an error takes along all
//! that waited before it. Memory is bounded: while nobody reads, lines are dropped and counted. No lock is held over a write.

use std::io::{ErrorKind, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::{DROPPED, write_time};

/// How long a line waits at most, while the log is read.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes that do not wait for more.
const ENOUGH: usize = 64 * 1024;
/// Bytes that wait at most. As many may be at the writer.
const MOST: usize = 1024 * 1024;
/// What is left of that to warnings and errors, when the usual lines have taken the rest.
const RESERVE: usize = 64 * 1024;
/// Until the next try, where the log's other end is not ready and nobody says when it will be.
const AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Outlet {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    written: Condvar,
}

struct Waiting {
    lines: Vec<u8>,
    /// Since this was told last.
    dropped: u64,
    at_once: bool,
    /// Whether the writer has lines that it took.
    writing: bool,
    runs: bool,
}

impl Outlet {
    pub const fn new() -> Self {
        let waiting = Waiting { lines: Vec::new(), dropped: 0, at_once: false, writing: false, runs: false };
        Self { waiting: Mutex::new(waiting), wake: Condvar::new(), written: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Leaves a line to the writer, or drops it when too much waits. Does not wait itself.
    pub fn put(&self, line: &[u8], at_once: bool) {
        let mut waiting = self.lock();
        let before = waiting.lines.len();
        let after = before.saturating_add(line.len());
        let room = if at_once { MOST } else { MOST.saturating_sub(RESERVE) };
        if after > room {
            waiting.dropped = waiting.dropped.saturating_add(1);
            DROPPED.inc();
            return;
        }
        waiting.lines.extend_from_slice(line);
        let hurries = at_once && !waiting.at_once;
        waiting.at_once |= at_once;
        if before == 0 || hurries || (before < ENOUGH && after >= ENOUGH) {
            drop(waiting);
            self.wake.notify_one();
        }
    }

    /// Says that a writer has started.
    pub fn opened(&self) {
        self.lock().runs = true;
    }

    pub fn runs(&self) -> bool {
        self.lock().runs
    }

    /// Waits until everything is written, but not longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        let mut waiting = self.lock();
        if !waiting.runs {
            return;
        }
        waiting.at_once = true;
        self.wake.notify_one();
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        drop(self.written.wait_timeout_while(waiting, limit, unwritten));
    }

    /// The writer. Its thread waits as long as it must; nobody else does.
    pub fn run(&self, out: &mut impl Write) {
        let mut lines = Vec::new();
        loop {
            self.write_next(&mut lines, out);
        }
    }

    /// Writes what waits, as soon as it should go. `lines` is room that is used again.
    fn write_next(&self, lines: &mut Vec<u8>, out: &mut impl Write) {
        let waiting = self.wake.wait_while(self.lock(), |waiting| waiting.lines.is_empty());
        let waiting = waiting.unwrap_or_else(|poisoned| poisoned.into_inner());
        let alone = |waiting: &mut Waiting| !waiting.at_once && waiting.lines.len() < ENOUGH;
        let waited = self.wake.wait_timeout_while(waiting, PATIENCE, alone);
        let (mut waiting, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        mem::swap(&mut waiting.lines, lines);
        waiting.at_once = false;
        waiting.writing = true;
        let dropped = mem::take(&mut waiting.dropped);
        drop(waiting);

        let lost = write_all(out, lines);
        let untold =
            if dropped > 0 && (lost > 0 || write_all(out, notice(dropped).as_bytes()) > 0) { dropped } else { 0 };
        DROPPED.inc_by(lost);
        lines.clear();

        let mut waiting = self.lock();
        waiting.dropped = waiting.dropped.saturating_add(lost).saturating_add(untold);
        waiting.writing = false;
        drop(waiting);
        self.written.notify_all();
    }
}

/// In the form of the other lines.
fn notice(dropped: u64) -> String {
    let mut line = String::new();
    let _ = write_time(&mut line);
    line + &format!("  WARN ligand::telemetry: lines were dropped: the log was not read dropped={dropped}\n")
}

/// Returns how many lines could not be written: the reader has gone, or the disk is full.
fn write_all(out: &mut impl Write, mut lines: &[u8]) -> u64 {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(0) => break,
            Ok(count) => lines = lines.get(count..).unwrap_or_default(),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                // A terminal or a pipe that another program made non-blocking.
                ErrorKind::WouldBlock => std::thread::sleep(AGAIN),
                _ => break,
            },
        }
    }
    let lost = lines.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(lost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use super::*;

    /// A log that is read when the test says so: each write waits for a permit, which may be a failure.
    struct Reader {
        permits: Receiver<io::Result<()>>,
        read: Arc<Mutex<String>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits.recv().unwrap()?;
            self.read.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Log {
        outlet: &'static Outlet,
        permits: Sender<io::Result<()>>,
        read: Arc<Mutex<String>>,
    }

    /// Its thread ends when the permits do.
    fn log() -> Log {
        let outlet: &'static Outlet = Box::leak(Box::new(Outlet::new()));
        let (permits, receiver) = channel();
        let read = Arc::<Mutex<String>>::default();
        let mut out = Reader { permits: receiver, read: Arc::clone(&read) };
        std::thread::spawn(move || outlet.run(&mut out));
        outlet.opened();
        Log { outlet, permits, read }
    }

    impl Log {
        fn permit(&self, count: usize) {
            (0..count).for_each(|_| self.permits.send(Ok(())).unwrap());
        }

        /// What was read once the writer has nothing left.
        fn text(&self) -> String {
            self.outlet.flush(Duration::from_secs(10));
            self.read.lock().unwrap().clone()
        }
    }

    #[test]
    fn lines_come_in_order_and_few_at_a_time() {
        let log = log();
        log.outlet.put(b"one\n", false);
        log.outlet.put(b"two\n", false);
        log.outlet.put(b"three\n", true);
        // One write for all of them.
        log.permit(1);
        assert_eq!(log.text(), "one\ntwo\nthree\n");
        log.outlet.put(b"four\n", false);
        log.permit(1);
        assert_eq!(log.text(), "one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn a_line_goes_by_itself_after_a_moment() {
        let log = log();
        log.permit(1);
        log.outlet.put(b"one\n", false);
        let deadline = Instant::now() + Duration::from_secs(10);
        while log.read.lock().unwrap().is_empty() {
            assert!(Instant::now() < deadline, "it still waits");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_logs_does_not_wait_for_who_does_not_read_and_what_was_dropped_is_told() {
        let log = log();
        let line = format!("{}\n", "x".repeat(1023));
        let before = Instant::now();
        // More than what may wait and what the writer may hold, together.
        (0..5000).for_each(|_| log.outlet.put(line.as_bytes(), false));
        log.outlet.put(b"an error\n", true);
        log.outlet.flush(Duration::from_millis(50));
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        log.permit(10);
        let text = log.text();
        assert!(text.contains("\nan error\n"), "errors have a reserve");
        let (lines, notices): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !line.contains(" WARN "));
        let told = notices.iter().map(|notice| {
            let (_, count) = notice
                .split_once("  WARN ligand::telemetry: lines were dropped: the log was not read dropped=")
                .unwrap();
            count.parse::<usize>().unwrap()
        });
        let dropped: usize = told.sum();
        assert!(dropped > 2000, "{dropped}");
        assert_eq!(lines.len() + dropped, 5000 + 1);
        assert!(text.len() < 2 * MOST + 1000, "{}", text.len());
    }

    #[test]
    fn a_log_that_fails_is_tried_again_with_the_next_line_and_tells_what_was_lost() {
        let log = log();
        log.permits.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        log.outlet.put(b"one\ntwo\n", true);
        assert_eq!(log.text(), "");
        log.permits.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
        log.permits.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
        log.permit(2);
        log.outlet.put(b"three\n", true);
        let text = log.text();
        assert!(text.starts_with("three\n") && text.ends_with("dropped=2\n"), "{text}");
    }
}
