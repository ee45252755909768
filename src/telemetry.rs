//! Logs: one line each, on standard error.
//!
//! The line of a request would cost a system call for each of them, so lines wait for company, shortly. A warning or an
//! error goes out at once, with all that waited before it.

use std::fmt::{self, Debug};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tracing::field::Field;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

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
        // The same text: the usual fields go through their colours even where there are none, in every line.
        false => subscriber.with_ansi(false).fmt_fields(debug_fn(write_field).delimited(" ")).try_init(),
    };
    // A second start (tests) keeps the first.
    if started.is_ok() {
        let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(flush_now_and_then);
        spawned.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn write_field(line: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => {
            let text = format!("{value:?}");
            // A terminal that shows the log later must not obey it.
            if text.contains(char::is_control) {
                write!(line, "{}", text.escape_debug())
            } else {
                line.write_str(&text)
            }
        }
        name => write!(line, "{name}={value:?}"),
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
    use super::*;

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
