//! Logs: one line each, on standard error. Nobody who logs waits for who reads: see `outlet`.

mod outlet;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::panic::PanicHookInfo;
use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::registry::LookupSpan;

use crate::kernel::clock::{Clock as _, SystemClock};
use crate::kernel::request_id::RequestId;

use outlet::Outlet;

/// How long the end of the process waits for whoever reads the log, or does not.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

static OUTLET: Outlet = Outlet::new();
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Starts logging. A filter that cannot be read is refused, with the reason.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("LIGAND_LOG: {error}"))?;
    // A handle of its own: standard error's lock would be held as long as nobody reads.
    let mut out = File::from(io::stderr().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(StandardError);
    // What goes wrong with logging would be told past the outlet.
    let subscriber = subscriber.log_internal_errors(false);
    let started = match io::stderr().is_terminal() {
        true => subscriber.event_format(TerminalLines).try_init(),
        false => subscriber.with_ansi(false).event_format(PlainLines).try_init(),
    };
    // A second start (tests) keeps the first.
    if started.is_ok() {
        let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(move || OUTLET.run(&mut out));
        spawned.map_err(|error| error.to_string())?;
        OUTLET.opened();
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// How many lines could not be written, because nobody read the log or it was gone.
pub fn dropped() -> Counter {
    DROPPED.clone()
}

/// One line more, as it is: why the process ends.
pub fn say(line: &str) {
    if OUTLET.runs() {
        OUTLET.put(format!("{line}\n").as_bytes(), true);
    } else {
        // Nobody can be told that this cannot be written.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Lets what still waits be written: the last act of a process that ends in order. Does not wait long for who does not read.
pub fn end() {
    OUTLET.flush(LAST_PATIENCE);
}

/// The usual hook writes to standard error itself, and would wait for its reader.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("-");
    let place = panic.location().map(tracing::field::display);
    let text = panic.payload().downcast_ref::<&str>().copied();
    let reason = text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(&backtrace));
    tracing::error!(thread, place, reason, backtrace, "a thread panicked");
}

/// The usual format, in colours, and the id of the request that the line belongs to.
struct TerminalLines;

impl<S, N> FormatEvent<S, N> for TerminalLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        let usual = format().with_ansi(line.has_ansi_escapes());
        usual.format_event(context, Writer::new(&mut text), event)?;
        line.write_str(text.trim_end_matches('\n'))?;
        end_line(&mut line)
    }
}

/// Asked here and nowhere else, so that a line has the id once, whoever writes it.
fn end_line(line: &mut impl fmt::Write) -> fmt::Result {
    if let Some(id) = RequestId::current() {
        write!(line, " request_id=\"{id}\"")?;
    }
    line.write_char('\n')
}

/// The text of the usual format, without its detours: every request writes a line.
struct PlainLines;

impl<S, N> FormatEvent<S, N> for PlainLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        thread_local! {
            /// The writer passes every piece through three layers: it gets the line as one.
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        LINE.with(|text| match text.try_borrow_mut() {
            Ok(mut text) => {
                text.clear();
                write_line(&mut text, event)?;
                line.write_str(&text)
            }
            // A value that logs while it is printed.
            Err(_) => {
                let mut text = String::new();
                write_line(&mut text, event)?;
                line.write_str(&text)
            }
        })
    }
}

fn write_line(line: &mut String, event: &Event<'_>) -> fmt::Result {
    write_time(line)?;
    let metadata = event.metadata();
    let level = metadata.level().as_str();
    for piece in [if level.len() < 5 { "  " } else { " " }, level, " ", metadata.target(), ":"] {
        line.push_str(piece);
    }
    let mut fields = Fields { line, outcome: Ok(()) };
    event.record(&mut fields);
    fields.outcome?;
    end_line(line)
}

/// `2026-03-01T12:00:00.123456Z`; all but the fraction is written once a second.
fn write_time(line: &mut String) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = SystemClock.now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.format("%Y-%m-%dT%H:%M:%S.").to_string();
        }
        line.push_str(text);
    });
    write!(line, "{:06}Z", now.timestamp_subsec_micros())
}

struct Fields<'a> {
    line: &'a mut String,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.line.push(' ');
        self.line.push_str(field.name());
        self.line.push('=');
    }

    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.name(field);
        self.outcome = self.outcome.and_then(|()| self.line.write_fmt(value));
    }

    fn write_number(&mut self, field: &Field, value: impl itoa::Integer) {
        self.name(field);
        self.line.push_str(itoa::Buffer::new().format(value));
    }

    fn write_message(&mut self, text: &str) {
        self.line.push(' ');
        // A terminal that shows the log later must not obey it.
        if text.contains(char::is_control) {
            self.line.extend(text.escape_debug());
        } else {
            self.line.push_str(text);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_number(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.write_number(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !value.bytes().all(plain) {
            return self.write(field, format_args!("{value:?}"));
        }
        self.name(field);
        self.line.push('"');
        self.line.push_str(value);
        self.line.push('"');
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.write_message(&format!("{value:?}")),
            _ => self.write(field, format_args!("{value:?}")),
        }
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
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        OUTLET.put(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::kernel::entropy::SystemEntropy;

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
        let id = RequestId::draw(&SystemEntropy);
        let say_twice = || {
            say();
            id.scope_now(say);
        };
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to_usual.clone());
        tracing::subscriber::with_default(builder.event_format(TerminalLines).finish(), say_twice);
        let builder = tracing_subscriber::fmt().with_writer(move || to_plain.clone()).event_format(PlainLines);
        tracing::subscriber::with_default(builder.finish(), say_twice);
        let lines = |kept: Kept| {
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            let lines = text.lines().map(|line| line.split_once('Z').unwrap());
            lines.map(|(time, rest)| (time.len(), rest.to_owned())).collect::<Vec<_>>()
        };
        let (plain, usual) = (lines(plain), lines(usual));
        assert_eq!(plain, usual);
        // What is said for a request is the same line with the request's id.
        let (without, with) = plain.split_at(2);
        let id = format!(" request_id=\"{id}\"");
        assert_eq!(without.iter().map(|(time, line)| (*time, format!("{line}{id}"))).collect::<Vec<_>>(), with);
    }
}
