//! Standard error on a pipe that nobody reads: every call is answered, and the end comes in time.

use std::io::Read as _;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Extent;
use crate::support::caller::{Caller, read};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, with_admin};
use crate::support::server::PASSWORD;

const CALLERS: u64 = 10;

/// What `/metrics` says of the log.
async fn dropped(caller: &Caller) -> u64 {
    let text = read(caller.request_at_root("GET", "/metrics")).await.text;
    let line = text.lines().find_map(|line| line.strip_prefix("ligand_log_lines_dropped_total "));
    line.expect("the counter").parse().expect("a number")
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let extent = Extent::of_this_run();
    let calls: u64 = extent.of(1_500, 10_000);
    // More lines than may wait: `trace` writes several for each call.
    let ligand = with_admin().set("LIGAND_LOG", extent.of("trace", "info"));
    let server = ligand.serve_unread(&["--sandbox"]);
    let (created, answered, lost, worst) = runtime().block_on(async {
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        let path = &format!("/instances/{}", caller.create_with_key("First").await["id"]);
        let one = |number: u64| {
            let caller = caller.clone();
            async move {
                let (mut created, mut answered, mut worst) = (0, 0, Duration::ZERO);
                for turn in 0..calls / CALLERS {
                    let begun = Instant::now();
                    match turn % 10 {
                        0 => {
                            caller.create_with_key(&format!("Caller {number}")).await;
                            created += 1;
                        }
                        1 => drop(read(caller.request_at_root("GET", "/health/live")).await.ok()),
                        _ => drop(caller.get(path).await.ok()),
                    }
                    answered += 1;
                    worst = worst.max(begun.elapsed());
                }
                (created, answered, worst)
            }
        };
        let all = join_all((0..CALLERS).map(one)).await;
        let (created, answered) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let worst = all.iter().map(|one| one.2).max().unwrap_or_default();
        (created, answered, dropped(&caller).await, worst)
    });
    let begun = Instant::now();
    let (status, _) = server.stop(Signal::Terminate);
    let end = begun.elapsed();
    extent.report(
        "log",
        &[
            ("calls", calls),
            ("answered", answered),
            ("created", created),
            ("lines_dropped", lost),
            ("worst_ms", u64::try_from(worst.as_millis()).unwrap_or(u64::MAX)),
            ("end_ms", u64::try_from(end.as_millis()).unwrap_or(u64::MAX)),
        ],
    );
    assert_eq!(answered, calls / CALLERS * CALLERS);
    assert!(lost > 0, "the pipe and the memory of the log took everything: the proof is too small");
    assert_eq!(status, 0);
    assert!(end < Duration::from_secs(5), "{end:?}");
}

/// The reader comes back: what was written until then is there, and then how much is missing.
#[test]
fn a_log_that_is_read_again_tells_what_is_missing() {
    let ligand = with_admin().set("LIGAND_LOG", "trace");
    let server = ligand.serve_unread(&[]);
    runtime().block_on(async {
        let anonymous = Caller::anonymous(&server.url);
        let mut ids = Vec::new();
        while dropped(&anonymous).await == 0 {
            for _ in 0..100 {
                let reply = read(anonymous.request_at_root("GET", "/health/live")).await;
                ids.push(reply.header("elements-request-id").expect("an id").to_owned());
            }
        }
        let mut pipe = std::fs::File::open(ligand.path("unread")).expect("the pipe opens");
        let text = tokio::task::spawn_blocking(move || {
            let (mut text, mut piece) = (String::new(), [0; 65536]);
            while !text.contains("lines were dropped") || !text.ends_with('\n') {
                let length = pipe.read(&mut piece).expect("the server writes");
                text += &String::from_utf8_lossy(&piece[..length]);
            }
            text
        });
        let text = tokio::time::timeout(Duration::from_secs(20), text).await.expect("it is told").expect("no panic");
        let told = text.lines().find(|line| line.contains("lines were dropped")).expect("the line");
        assert!(told.contains("  WARN ligand::telemetry: lines were dropped: the log was not read dropped="), "{told}");
        let lines = text.lines().filter(|line| line.contains("envelope: request") && line.contains("/health/live"));
        let kept = ids.iter().filter(|id| text.contains(id.as_str()));
        assert!(lines.zip(kept).all(|(line, id)| line.contains(id.as_str())), "the order of lines is kept");
        assert!(text.contains("ready listen="), "what came first was kept");
    });
}

/// Who read the log has gone: that is counted, and nothing else comes of it.
#[test]
fn a_log_whose_reader_has_gone_stops_nothing() {
    let gone = r#"mkfifo gone; head -n 1 gone >/dev/null & exec "$@" 2>gone"#;
    let server = with_admin().serve_within(gone, &[]);
    runtime().block_on(async {
        let anonymous = Caller::anonymous(&server.url);
        let deadline = Instant::now() + Duration::from_secs(10);
        while dropped(&anonymous).await < 10 {
            assert!(Instant::now() < deadline, "no line was lost");
            read(anonymous.request_at_root("GET", "/health/live")).await.ok();
        }
    });
    assert_eq!(server.stop(Signal::Terminate).0, 0);
}
