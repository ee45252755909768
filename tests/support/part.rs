//! A part is a real program that tests run against. It never outlives the test process, not even one that is killed.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Obeys orders on its standard input. The kernel closes that pipe when the test process dies, however it dies: then the
/// supervisor ends the program by its process id and removes its directory.
const SUPERVISOR: &str = r#"
directory=$1 last_signal=$2; shift 2
# A file that may not grow is a failing write then, as on a full disk, and not the end of the program.
trap '' XFSZ
start() { "$@" </dev/null >>"$directory/log" 2>&1 & pid=$!; }
stop() { if [ -n "$pid" ]; then kill -s "$1" "$pid"; wait "$pid"; status=$?; pid=; fi; } 2>/dev/null
start "$@"
while read -r order signal; do
    case $order in
        start) start "$@"; echo 0 ;;
        stop) stop "$signal"; echo "$status" ;;
        signal) kill -s "$signal" "$pid"; echo 0 ;;
    esac
done
stop "$last_signal"
rm -rf "$directory"
"#;

#[derive(Clone, Copy)]
pub enum Signal {
    /// Asks for an orderly end; PostgreSQL's "fast" shutdown.
    Interrupt,
    /// PostgreSQL's "immediate" shutdown, which takes its children along.
    Quit,
    /// What a terminal that goes away sends.
    Hangup,
    /// None: for who only waits for the end.
    Nothing,
    /// What a service manager sends.
    Terminate,
    Kill,
    /// Stands still, as in a frozen container, until it may go on.
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Hangup => "HUP",
            Self::Nothing => "0",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

pub struct Part {
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
    lines_read: usize,
}

impl Part {
    /// The program's process id.
    pub fn pid(&self) -> u32 {
        let supervisor = self.supervisor.id();
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = std::fs::read_to_string(children).expect("a running process");
        children.split_whitespace().next().and_then(|child| child.parse().ok()).expect("the program")
    }

    /// Bytes that the program holds in memory.
    pub fn resident(&self) -> u64 {
        let status = self.of_program("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
    }

    /// The processor time that it took so far, in clock ticks.
    #[allow(dead_code, reason = "for `benches/compare`, which shares this")]
    pub fn processor_ticks(&self) -> u64 {
        let stat = self.of_program("stat");
        // Behind the name, which is in brackets and may hold anything: utime and stime are fields 14 and 15 (proc(5)).
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace().skip(11).take(2);
        fields.map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }

    fn of_program(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("a running process")
    }

    /// The supervised form of `program`; arguments, environment and user are the caller's to add.
    ///
    /// When the test process ends, the program gets `last_signal`.
    pub fn command(program: impl AsRef<OsStr>, directory: &Path, last_signal: Signal) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "part"]).arg(directory).arg(last_signal.name()).arg(program);
        command
    }

    /// Starts what `command` made. The program's output goes to `log` in its directory, which is the part's from here on.
    pub fn start(command: &mut Command, directory: TempDir) -> Self {
        // In a group of its own, so that Ctrl-C reaches the tests alone and the supervisor is left to clean up.
        let mut supervisor = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let orders = supervisor.stdin.take();
        let answers = BufReader::new(supervisor.stdout.take().expect("stdout is piped"));
        let log = directory.keep().join("log");
        Self { supervisor, orders, answers, log, lines_read: 0 }
    }

    /// Waits for a line that contains `text` and returns what follows it. Lines seen before are not looked at again.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let log = self.log();
            let whole_lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            for line in whole_lines.skip(self.lines_read) {
                self.lines_read += 1;
                if let Some((_, rest)) = line.split_once(text) {
                    return rest.trim().to_owned();
                }
            }
            assert!(Instant::now() < deadline, "no {text:?} within {limit:?}; {} says:\n{log}", self.log.display());
            sleep(Duration::from_millis(10));
        }
    }

    /// Ends the program and returns its exit status once it is gone; its directory stays, so that it can be started again.
    pub fn stop(&mut self, signal: Signal) -> i32 {
        self.order(&format!("stop {}", signal.name()))
    }

    /// Does not wait for what the program makes of it.
    pub fn send(&mut self, signal: Signal) {
        self.order(&format!("signal {}", signal.name()));
    }

    pub fn start_again(&mut self) {
        self.order("start");
    }

    /// What the program said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn order(&mut self, order: &str) -> i32 {
        let orders = self.orders.as_mut().expect("orders are open until drop");
        writeln!(orders, "{order}").expect("the supervisor reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor answers");
        answer.trim().parse().expect("the supervisor answers with a status")
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What went wrong may be said there alone.
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().filter(|line| !line.contains(" INFO ")).take(40).collect();
            last.iter().rev().for_each(|line| drop(writeln!(std::io::stderr(), "{line}")));
        }
        drop(self.orders.take());
        // The supervisor's end means that the program has ended too; a failure to wait leaves nothing to do.
        let _ = self.supervisor.wait();
    }
}

/// Says that a part is missing: a printed skip for plain `cargo test`, a failure where all parts are required.
pub fn missing(what: &str) {
    let required = std::env::var_os("LIGAND_TEST_REQUIRE_PARTS").is_some_and(|value| value == "1");
    assert!(!required, "{what}, and LIGAND_TEST_REQUIRE_PARTS=1");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`: the test runner swallows that when a test passes, and a skip must be seen.
    let _ = writeln!(std::io::stderr(), "SKIPPED ({what}): {test}");
}
