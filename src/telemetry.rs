//! Logs: one line each, on standard error.
//!
//! The line of a request would cost a system call for each of them, so lines wait for company, shortly. A warning or an
//! error goes out at once, with all that waited before it.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::kernel::clock::{Clock as _, SystemClock};

/// How long a line waits at most.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes that wait at most.
const ENOUGH: usize = 64 * 1024;

static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static NO_LONGER_EMPTY: Condvar = Condvar::new();

/// Starts logging. A filter that cannot be read is refused, with the reason.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("LIGAND_LOG: {error}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(StandardError);
    let started = match io::stderr().is_terminal() {
        true => subscriber.try_init(),
        false => subscriber.with_ansi(false).event_format(PlainLines).try_init(),
    };
    // A second start (tests) keeps the first.
    if started.is_ok() {
        let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(flush_now_and_then);
        spawned.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The text of the usual format, without its detours: every request writes a line.
struct PlainLines;

impl<S, N> FormatEvent<S, N> for PlainLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write_time(&mut line)?;
        let metadata = event.metadata();
        write!(line, " {:>5} {}:", metadata.level().as_str(), metadata.target())?;
        let mut fields = Fields { line, outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        fields.line.write_char('\n')
    }
}

/// `2026-03-01T12:00:00.123456Z`; all but the fraction is written once a second.
fn write_time(line: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = SystemClock.now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.format("%Y-%m-%dT%H:%M:%S.").to_string();
        }
        write!(line, "{text}{:06}Z", now.timestamp_subsec_micros())
    })
}

struct Fields<'a> {
    line: Writer<'a>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.outcome = self.outcome.and_then(|()| {
            self.line.write_char(' ')?;
            self.line.write_str(field.name())?;
            self.line.write_char('=')?;
            self.line.write_fmt(value)
        });
    }

    fn write_message(&mut self, text: &str) {
        self.outcome = self.outcome.and_then(|()| {
            self.line.write_char(' ')?;
            // A terminal that shows the log later must not obey it.
            if text.contains(char::is_control) {
                write!(self.line, "{}", text.escape_debug())
            } else {
                self.line.write_str(text)
            }
        });
    }
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !value.bytes().all(plain) {
            return self.write(field, format_args!("{value:?}"));
        }
        let pieces = [" ", field.name(), "=\"", value, "\""];
        self.outcome = self.outcome.and_then(|()| pieces.iter().try_for_each(|piece| self.line.write_str(piece)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.write_message(&format!("{value:?}")),
            _ => self.write(field, format_args!("{value:?}")),
        }
    }
}

/// Writes what still waits: the last act of a process that ends in order.
pub fn flush() {
    write_out(&mut waiting());
}

fn waiting() -> MutexGuard<'static, Vec<u8>> {
    WAITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn write_out(lines: &mut Vec<u8>) {
    // Nobody can be told that the log cannot be written.
    let _ = io::stderr().write_all(lines);
    lines.clear();
}

fn flush_now_and_then() {
    loop {
        let nothing = NO_LONGER_EMPTY.wait_while(waiting(), |lines| lines.is_empty());
        drop(nothing);
        std::thread::sleep(PATIENCE);
        flush();
    }
}

struct StandardError;

struct Line {
    at_once: bool,
}

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line { at_once: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = waiting();
        let first = lines.is_empty();
        lines.extend_from_slice(bytes);
        if self.at_once || lines.len() >= ENOUGH {
            write_out(&mut lines);
        } else if first {
            NO_LONGER_EMPTY.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What goes to a terminal, without its colours, and what goes elsewhere.
    #[test]
    fn plain_lines_read_as_the_usual_ones() {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let say = || {
            let (absent, cause) = (None::<&str>, Some(tracing::field::display("no luck")));
            let (quotes, status, elapsed_ms) = ("a \"b\" \\ \u{1b}", 200_u16, 3_u128);
            tracing::info!(method = "GET", quotes, status, elapsed_ms, absent, cause, list = ?[1, -1], "request");
            tracing::warn!(negative = -1, yes = true, "not {} at all", "plain");
        };
        let (usual, plain) = (Kept::default(), Kept::default());
        let (to_usual, to_plain) = (usual.clone(), plain.clone());
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to_usual.clone());
        tracing::subscriber::with_default(builder.finish(), say);
        let builder = tracing_subscriber::fmt().with_writer(move || to_plain.clone()).event_format(PlainLines);
        tracing::subscriber::with_default(builder.finish(), say);
        let lines = |kept: Kept| {
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            let lines = text.lines().map(|line| line.split_once('Z').unwrap());
            lines.map(|(time, rest)| (time.len(), rest.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(lines(plain), lines(usual));
    }

    #[test]
    fn a_line_waits_until_one_that_must_not_takes_it_along() {
        Line { at_once: false }.write_all(b"one\n").unwrap();
        assert_eq!(*waiting(), b"one\n");
        Line { at_once: true }.write_all(b"two\n").unwrap();
        assert!(waiting().is_empty());
        Line { at_once: false }.write_all(b"three\n").unwrap();
        flush();
        assert!(waiting().is_empty());
    }
}
