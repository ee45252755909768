//! Where the operator's secrets come from, and where they do not: the command line, files that others can read, dumps.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::database::runtime;
use crate::support::program::{ADMIN, Ligand};
use crate::support::server::PASSWORD;

fn with_file(ligand: &Ligand, name: &str, text: &str, mode: u32) {
    let path = ligand.path(name);
    fs::write(&path, text).expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("they are its owner's to set");
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    for arguments in [
        ["serve", "--master-key", "k1:hunter2-hunter2"].as_slice(),
        &["serve", "--master-key=k1:hunter2-hunter2"],
        &["serve", "--admin-password", "hunter2-hunter2"],
        &["serve", "--database-url", "postgres://ligand:hunter2-hunter2@db/ligand"],
        &["serve", "--database-url", "postgres://db/ligand?user=a&password=hunter2-hunter2"],
        &["serve", "--outbound-proxy", "http://a:hunter2-hunter2@proxy:3128"],
        &["users", "create", "jo@example.com", "--password", "hunter2-hunter2"],
        &["users", "reset", "jo@example.com", "--password=hunter2-hunter2"],
        &["keys", "status", "--master-key", "k1:hunter2-hunter2"],
    ] {
        let ligand = Ligand::new();
        let ended = ligand.run(arguments);
        ended.fails("not taken from the command line");
        assert!(ended.errors.contains("-file"), "it says what to do: {ended:?}");
        assert!(!ended.errors.contains("hunter2") && ligand.files().is_empty(), "{ended:?}");
    }
}

#[test]
fn the_ring_comes_from_a_variable_a_file_a_command_or_standard_input() {
    let ligand = Ligand::new().set("DATABASE_URL", "sqlite:ligand.db").with_admin();
    let key = ligand.run(&["keys", "new"]).succeeds().trim().to_owned();
    with_file(&ligand, "ring", &format!("{key}\n"), 0o400);
    let mut ligand = ligand.set("LIGAND_MASTER_KEY", &key);
    drop(ligand.serve(&[]));
    ligand.change("LIGAND_MASTER_KEY", "");
    for (name, value) in [
        ("LIGAND_MASTER_KEY_FILE", "ring"),
        // A key service's own program, as a stand-in.
        ("LIGAND_MASTER_KEY_COMMAND", "echo asking >&2; cat ring"),
    ] {
        ligand.change(name, value);
        // It opens what the variable's ring sealed.
        drop(ligand.serve(&[]));
        assert!(ligand.run(&["keys", "status"]).succeeds().contains("seals"), "{name}");
        ligand.change("LIGAND_MASTER_KEY", &key);
        ligand.run(&["keys", "status"]).fails("cannot be used with");
        ligand.change("LIGAND_MASTER_KEY", "");
        ligand.change(name, "");
    }
    let from_input = ligand.run_with_input("ring", &["keys", "status", "--master-key-file", "-"]);
    assert!(from_input.succeeds().contains("seals"));
    assert!(!ligand.files().iter().any(|file| file.ends_with("master.key")), "{:?}", ligand.files());
    for (name, value, reason) in [
        ("LIGAND_MASTER_KEY_FILE", "nowhere", "nowhere"),
        ("LIGAND_MASTER_KEY_FILE", "/dev/null", "it is empty"),
        ("LIGAND_MASTER_KEY_COMMAND", "cat ring; exit 3", "LIGAND_MASTER_KEY_COMMAND: it failed (exit status: 3)"),
        (
            "LIGAND_MASTER_KEY_COMMAND",
            "echo k1:c2hvcnQ=",
            "LIGAND_MASTER_KEY_COMMAND: key 1 of the ring is not 32 bytes",
        ),
    ] {
        ligand.change(name, value);
        let ended = ligand.run(&["serve", "--check"]);
        ended.fails(reason);
        assert!(!ended.errors.contains(&key) && !ended.errors.contains("c2hvcnQ"), "{ended:?}");
        ligand.change(name, "");
    }
}

/// Docker's secrets, Kubernetes' mounts and systemd's credentials are files.
#[test]
fn addresses_and_passwords_come_from_files_too() {
    let ligand = Ligand::new().set("DATABASE_URL_FILE", "url").set("LIGAND_ADMIN_PASSWORD_FILE", "password");
    let ligand = ligand.set("LIGAND_ADMIN_EMAIL", ADMIN).set("LIGAND_OUTBOUND_PROXY_FILE", "proxy");
    with_file(&ligand, "url", "sqlite:elsewhere.db\n", 0o400);
    with_file(&ligand, "password", &format!("{PASSWORD}\n"), 0o400);
    with_file(&ligand, "proxy", "http://jo:hunter2-hunter2@127.0.0.1:9\n", 0o400);
    let server = ligand.serve(&[]);
    runtime().block_on(async { server.try_to_sign_in(ADMIN, PASSWORD).await.ok() });
    drop(server);
    assert!(ligand.path("elsewhere.db").is_file());
    with_file(&ligand, "other", "a password from a pipe", 0o400);
    let made = ligand.run_with_input("other", &["users", "create", "jo@example.com", "--password-file", "-"]);
    assert!(!made.succeeds().contains("from a pipe"));
    let server = ligand.serve(&[]);
    runtime().block_on(async { server.try_to_sign_in("jo@example.com", "a password from a pipe").await.ok() });
    with_file(&ligand, "proxy", "ftp://jo:hunter2-hunter2@127.0.0.1:9\n", 0o600);
    let ended = ligand.run(&["serve", "--check"]);
    ended.fails("LIGAND_OUTBOUND_PROXY must be http");
    assert!(!ended.errors.contains("hunter2"), "{ended:?}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let ligand = Ligand::new();
    drop(ligand.serve(&[]));
    let key = ligand.path("ligand-data/master.key");
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("they are its owner's to set");
        for arguments in [["serve"].as_slice(), &["serve", "--check"], &["users", "list"], &["keys", "status"]] {
            ligand.run(arguments).fails("master.key may be read by others");
        }
    }
    ligand.run(&["users", "list", "--allow-readable-key"]).succeeds();
    let ligand = ligand.set("LIGAND_ALLOW_READABLE_KEY", "true");
    ligand.run(&["serve", "--check"]).succeeds();
}

#[test]
fn a_password_that_was_given_is_written_nowhere() {
    let ligand = Ligand::new().with_admin();
    let server = ligand.serve(&[]);
    let login = ligand.path(&format!("ligand-data/first-login-{ADMIN}.txt"));
    let text = fs::read_to_string(login).expect("the secrets are told");
    assert!(text.contains("organization") && text.contains("as it was given"), "{text}");
    for file in ligand.files() {
        let content = fs::read(ligand.path(&file)).expect("a file");
        let found = content.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        assert!(!found, "{file} holds the password");
    }
    assert!(!server.log().contains(PASSWORD));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert!(core.split_whitespace().skip(4).take(2).all(|limit| limit == "0"), "{core}");
}
