//! The filter of `deploy/fail2ban.conf` against what the program writes about sign-ins that were refused.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::Caller;
use crate::support::caller::read;
use crate::support::database::runtime;
use crate::support::part::{Signal, missing};
use crate::support::program::{ADMIN, with_admin};
use crate::support::server::PASSWORD;

/// As fail2ban reads a filter: `<ADDR>` is an address, and the expression is looked for in each line alone.
const READER: &str = r#"
import re, sys
filter = next(line for line in open(sys.argv[1]) if line.startswith("failregex = "))
expression = re.compile(filter.removeprefix("failregex = ").rstrip("\n").replace("<ADDR>", r"(?P<ip>[0-9a-f.:]+)"))
for line in sys.stdin.buffer.read().decode().split("\n"):
    found = expression.search(line)
    if found:
        print(found["ip"])
"#;

/// The addresses that fail2ban itself finds.
fn by_fail2ban(log: &str, filter: &str) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(log.as_bytes()).expect("it is written");
    let output = Command::new("fail2ban-regex").args(["--out", "<ip>"]).arg(file.path()).arg(filter).output();
    let Ok(output) = output else {
        missing("no fail2ban-regex");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("a text"))
}

#[test]
fn the_filter_finds_the_address_and_no_name_is_taken_for_one() {
    let line = "2026-03-01T12:00:00.000000Z  WARN ligand::people: sign-in refused address=198.51.100.66 name=\"x\"";
    let names = [
        "jo@example.com".to_owned(),
        line.to_owned(),
        format!("x\n{line}\n"),
        format!("x\r\n{line}"),
        format!("\" {line}"),
        format!("\\\" {line}"),
        format!("\u{2028}{line}\u{85}{line}\u{0}{line}"),
        "\u{1b}[2K address=198.51.100.66".to_owned(),
        "x".repeat(5000),
    ];
    let ligand = with_admin().set("LIGAND_TRUSTED_PROXIES", "127.0.0.0/8");
    let server = ligand.serve(&[]);
    runtime().block_on(async {
        let refused = async |address: &str, name: &str| {
            let request = Caller::anonymous(&server.url).request("POST", "/authentication");
            let request = request.header("content-type", "application/json").header("x-forwarded-for", address);
            let body = json!({ "username": name, "password": "x".repeat(2000) });
            read(request.body(body.to_string())).await.fails(401, "login_refused");
        };
        for name in &names {
            refused("203.0.113.7", name).await;
        }
        refused("2001:db8::7", ADMIN).await;
        server.try_to_sign_in(ADMIN, PASSWORD).await.ok();
    });
    let (_, log) = server.stop(Signal::Terminate);
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fail2ban.conf");
    let mut reader = Command::new("python3");
    let reader = reader.args(["-c", READER, filter]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = reader.spawn().expect("Python, which these tests need");
    reader.stdin.take().expect("a pipe").write_all(log.as_bytes()).expect("it reads");
    let found = String::from_utf8(reader.wait_with_output().expect("it ends").stdout).expect("a text");
    let found: Vec<_> = found.lines().collect();
    let mut expected = vec!["203.0.113.7"; names.len()];
    expected.push("2001:db8::7");
    assert_eq!(found, expected, "{log}");
    if let Some(found) = by_fail2ban(&log, filter) {
        assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{log}");
    }
    let signed_in: Vec<_> = log.lines().filter(|line| line.contains("signed in")).collect();
    assert!(matches!(signed_in.as_slice(), [line] if line.contains(ADMIN) && line.contains("127.0.0.1")), "{log}");
}
