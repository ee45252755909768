//! The command line: what each command says, to people and to scripts.

use std::collections::BTreeSet;
use std::fs;

use crate::support::Database;
use crate::support::program::Ligand;
use crate::support::server::MASTER_KEY;

const FRESHDESK: &str = include_str!("../../elements/freshdesk.toml");

/// A directory with one element file in it.
fn with_element(text: &str) -> Ligand {
    let ligand = Ligand::new();
    fs::create_dir(ligand.path("elements")).expect("the directory is made");
    fs::write(ligand.path("elements/desk.toml"), text).expect("the file is written");
    ligand.set("LIGAND_ELEMENTS_DIR", "elements")
}

fn desk() -> String {
    FRESHDESK.replace("id = 9002", "id = 10001").replace("key = \"freshdesk\"", "key = \"desk\"")
}

#[test]
fn elements_check_counts_the_good_and_names_the_place_of_the_bad() {
    assert_eq!(Ligand::new().run(&["elements", "check"]).succeeds(), "9 elements are fine\n");
    assert_eq!(with_element(&desk()).run(&["elements", "check"]).succeeds(), "10 elements are fine\n");
    let misspelt = desk().replace("hub = \"helpdesk\"", "hubb = \"helpdesk\"");
    let line = misspelt.lines().position(|line| line.starts_with("hubb")).expect("a line") + 1;
    let ligand = with_element(&misspelt);
    let place = format!("elements/desk.toml:{line}: ");
    ligand.run(&["elements", "check"]).fails(&place);
    ligand.run(&["elements", "check"]).fails("hubb");
    with_element("id = ").run(&["elements", "check"]).fails("elements/desk.toml:1: ");
    Ligand::new().set("LIGAND_ELEMENTS_DIR", "nowhere").run(&["elements", "check"]).fails("nowhere");
}

#[test]
fn elements_try_shows_what_is_read_of_a_recorded_reply() {
    let tried = |arguments: &[&str], reply: &str| {
        let ligand = Ligand::new();
        fs::write(ligand.path("reply"), reply).expect("the file is written");
        ligand.run(&[&["elements", "try"], arguments, &["--reply", "reply"]].concat())
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n";
    let form = "access_token=THE-TOKEN&expires_in=1800&hub_id=62515&scope=a%20b&refresh_token_expires_in=864000";
    let ended = tried(&["hubspotcrm"], &[head, form].concat());
    let shown = ended.succeeds();
    for line in [
        "access token: *** (9 characters)\n",
        "it lives: 1800 seconds\n",
        "refresh token: none\n",
        "(10 days)\n",
        "granted scopes: a b\n",
        "account: 62515\n",
        "variable portalId: 62515\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("THE-TOKEN"), "{shown}");
    let refusal =
        "HTTP/2 400\ncontent-type: application/json\n\n{\"status\":\"BAD_AUTH_CODE\",\"message\":\"used up\"}";
    let ended = tried(&["hubspotcrm"], refusal);
    assert!(ended.succeeds().starts_with("refused for good (code BAD_AUTH_CODE)\n"), "{}", ended.succeeds());
    assert!(ended.succeeds().contains("vendor_refused Hubspot CRM refused"), "{}", ended.succeeds());
    tried(&["hubspotcrm"], "HTTP/1.1 302 Found\nlocation: /new\n\n").fails("a redirect (status 302)");
    tried(&["hubspotcrm"], "{\"token\":\"THE-TOKEN\"}").fails("an object with token");
    let verified = tried(&["hubspotcrm", "--call", "verification"], "{\"portalId\":7}");
    assert!(verified.succeeds().starts_with("the key is accepted\naccount: 7\n"), "{}", verified.succeeds());
    let refused = tried(&["freshdesk"], "{\"ok\":false}");
    assert!(refused.succeeds().starts_with("refused for good\n"), "{}", refused.succeeds());
    let asked = tried(
        &["hubspot", "--call", "introspection"],
        "{\"hub_id\":7,\"hub_domain\":\"x.example\",\"scopes\":[\"a\"]}",
    );
    assert_eq!(asked.succeeds(), "granted scopes: a\naccount: 7 (x.example)\n");
    tried(&["freshdesk", "--call", "token"], "{}").fails("freshdesk has no OAuth 2.0");
    tried(&["nosuch"], "{}").fails("there is no element nosuch");
}

#[test]
fn a_broken_element_stops_the_start_with_the_same_text() {
    let misspelt = desk().replace("hub = \"helpdesk\"", "hubb = \"helpdesk\"");
    let ligand = with_element(&misspelt);
    let checked = ligand.run(&["elements", "check"]).errors;
    for arguments in [["serve"].as_slice(), &["serve", "--check"], &["serve", "--sandbox"]] {
        let ended = ligand.run(arguments);
        ended.fails("the elements are not in order");
        assert_eq!(ended.errors, checked);
    }
    assert_eq!(ligand.files(), ["elements/desk.toml"], "nothing was made for a start that did not come");
}

#[test]
fn serve_check_looks_at_everything_and_leaves_nothing_behind() {
    let ligand = Ligand::new();
    assert_eq!(ligand.run(&["serve", "--check"]).succeeds(), "settings, keys and 9 elements are fine\n");
    assert_eq!(ligand.files(), Vec::<String>::new());
    for (name, value, reason) in [
        ("LIGAND_LISTEN", "localhost", "--listen"),
        ("LIGAND_LOG", "ligand=loud", "LIGAND_LOG"),
        ("LIGAND_OUTBOUND_ALLOW", "127.0.0.1/99", "--outbound-allow"),
        ("LIGAND_OUTBOUND_PROXY", "not a proxy", "LIGAND_OUTBOUND_PROXY"),
        ("LIGAND_PUBLIC_URL", "example.com", "--public-url"),
    ] {
        let flag = format!("--{}", name.trim_start_matches("LIGAND_").to_lowercase().replace('_', "-"));
        Ligand::new().run(&["serve", "--check", &flag, value]).fails(reason);
    }
    let ended = Ligand::new().set("LIGAND_MASTER_KEY", "k1:c2hvcnQ=").run(&["serve", "--check"]);
    ended.fails("LIGAND_MASTER_KEY: key 1 of the ring is not 32 bytes");
    assert!(!ended.errors.contains("c2hvcnQ"), "a key is not repeated: {ended:?}");
}

#[test]
fn keys_new_prints_a_key_that_is_accepted_and_differs_each_time() {
    let keys: BTreeSet<String> =
        (0..3).map(|_| Ligand::new().run(&["keys", "new"]).succeeds().trim().to_owned()).collect();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        Ligand::new().set("LIGAND_MASTER_KEY", key).run(&["serve", "--check"]).succeeds();
    }
    let ring = keys.into_iter().collect::<Vec<_>>().join(",");
    Ligand::new().set("LIGAND_MASTER_KEY", &ring).run(&["serve", "--check"]).succeeds();
}

#[test]
fn postgres_without_a_master_key_is_refused_before_anything_is_written() {
    let url = "postgres://ligand:hunter2@127.0.0.1:1/ligand";
    for arguments in [["serve"].as_slice(), &["serve", "--check"]] {
        let ligand = Ligand::new().set("DATABASE_URL", url);
        let ended = ligand.run(arguments);
        ended.fails("LIGAND_MASTER_KEY is required with PostgreSQL");
        ended.fails("ligand keys new");
        assert!(!ended.errors.contains("hunter2"), "{ended:?}");
        assert_eq!(ligand.files(), Vec::<String>::new());
    }
}

#[test]
fn an_unknown_variable_is_a_warning_and_with_strict_an_error() {
    let ligand = || Ligand::new().set("LIGAND_LISTN", "127.0.0.1:1").set("LIGAND_SERVICE_HOST", "10.0.0.1");
    let warned = ligand().run(&["serve", "--check"]);
    warned.succeeds();
    assert!(warned.errors.contains("WARN") && warned.errors.contains("no setting reads LIGAND_LISTN"), "{warned:?}");
    assert!(!warned.errors.contains("LIGAND_SERVICE_HOST"), "Kubernetes sets it: {warned:?}");
    ligand().run(&["serve", "--check", "--strict"]).fails("no setting reads LIGAND_LISTN");
    Ligand::new().set("LIGAND_SERVICE_HOST", "10.0.0.1").run(&["serve", "--check", "--strict"]).succeeds();
}

#[test]
fn migrate_says_what_it_did_on_both_databases() {
    let postgres = Database::empty_postgres();
    let urls = [Some("sqlite:data.db".to_owned()), postgres.map(|database| database.url)];
    for url in urls.into_iter().flatten() {
        let ligand = Ligand::new().set("DATABASE_URL", &url);
        assert!(ligand.run(&["migrate"]).succeeds().contains(" migrations were run: 00000000000001, "), "{url}");
        assert_eq!(ligand.run(&["migrate"]).succeeds(), "the schema is up to date\n");
    }
    let ligand = Ligand::new().set("LIGAND_DATA_DIR", "made/on/demand");
    ligand.run(&["migrate"]).succeeds();
    assert!(ligand.path("made/on/demand/ligand.db").is_file());
}

const STORAGE: &[&str] = &[
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "LIGAND_DATABASE_POOLER",
    "LIGAND_DATA_DIR",
    "LIGAND_MASTER_KEY",
    "LIGAND_MASTER_KEY_FILE",
    "LIGAND_MASTER_KEY_COMMAND",
    "LIGAND_ALLOW_READABLE_KEY",
];
const OF_SERVE: &[&str] = &[
    "LIGAND_LISTEN",
    "LIGAND_PUBLIC_LISTEN",
    "LIGAND_ADMIN_LISTEN",
    "LIGAND_PUBLIC_URL",
    "LIGAND_ADMIN_EMAIL",
    "LIGAND_ADMIN_PASSWORD",
    "LIGAND_ADMIN_PASSWORD_FILE",
    "LIGAND_ELEMENTS_DIR",
    "LIGAND_OUTBOUND_ALLOW",
    "LIGAND_OUTBOUND_PROXY",
    "LIGAND_OUTBOUND_PROXY_FILE",
    "LIGAND_CORS_ORIGINS",
    "LIGAND_TRUSTED_PROXIES",
    "LIGAND_SANDBOX_LISTEN",
    "LIGAND_LOG",
];

#[test]
fn help_documents_every_variable_of_a_command_and_shows_no_secret() {
    for (command, variables) in [
        (["serve"].as_slice(), [STORAGE, OF_SERVE].concat()),
        (&["migrate"], STORAGE.to_vec()),
        (&["users", "create"], STORAGE.to_vec()),
        (&["users", "list"], STORAGE.to_vec()),
        (&["users", "reset"], STORAGE.to_vec()),
        (&["elements", "check"], vec!["LIGAND_ELEMENTS_DIR"]),
        (&["elements", "try"], vec!["LIGAND_ELEMENTS_DIR"]),
        (&["keys", "new"], vec![]),
        (&["keys", "status"], STORAGE.to_vec()),
        (&["keys", "rotate"], STORAGE.to_vec()),
        (&["backup"], STORAGE.to_vec()),
        (&["restore"], [STORAGE, &["LIGAND_ELEMENTS_DIR"]].concat()),
        (&["resume"], STORAGE.to_vec()),
        (&["import"], [STORAGE, &["LIGAND_ELEMENTS_DIR"]].concat()),
        (&["export"], [STORAGE, &["LIGAND_ELEMENTS_DIR"]].concat()),
        (&["openapi"], vec![]),
    ] {
        let secret = "hunter2-hunter2";
        let ligand = ["LIGAND_MASTER_KEY", "LIGAND_ADMIN_PASSWORD", "LIGAND_USER_PASSWORD", "LIGAND_OUTBOUND_PROXY"]
            .into_iter()
            .fold(Ligand::new(), |ligand, name| ligand.set(name, secret))
            .set("DATABASE_URL", &format!("postgres://ligand:{secret}@db/ligand"));
        let ended = ligand.run(&[command, &["--help"]].concat());
        let help = ended.succeeds();
        for variable in variables {
            assert!(help.contains(variable), "{command:?} does not mention {variable}:\n{help}");
        }
        assert!(!help.contains(secret), "{help}");
    }
    let help = Ligand::new().run(&["--help"]);
    for command in
        ["serve", "migrate", "backup", "restore", "resume", "import", "export", "keys", "users", "elements", "openapi"]
    {
        assert!(help.succeeds().contains(command), "{command}");
    }
}

#[test]
fn openapi_prints_the_document_in_both_versions() {
    for (arguments, version) in [
        (["openapi"].as_slice(), "3.1."),
        (&["openapi", "--version", "3.1"], "3.1."),
        (&["openapi", "--version", "3.0"], "3.0."),
    ] {
        let ended = Ligand::new().run(arguments);
        let document: serde_json::Value = serde_json::from_str(ended.succeeds()).expect("JSON");
        assert!(document["openapi"].as_str().expect("a version").starts_with(version), "{arguments:?}");
        assert!(document["paths"].as_object().expect("paths").len() > 10);
    }
}

#[test]
fn the_sandbox_and_real_data_never_share_a_database() {
    let key = Ligand::new().run(&["keys", "new"]).succeeds().trim().to_owned();
    let real = Ligand::new().set("DATABASE_URL", "sqlite:real.db").set("LIGAND_MASTER_KEY", &key);
    drop(real.serve(&[]));
    real.run(&["serve", "--sandbox"]).fails("holds data of a start without --sandbox");
    let played = Ligand::new().set("DATABASE_URL", "sqlite:played.db").set("LIGAND_MASTER_KEY", &key);
    drop(played.serve(&["--sandbox"]));
    drop(played.serve(&["--sandbox"]));
    played.run(&["serve"]).fails("belongs to `serve --sandbox`");
}

#[test]
fn limits_of_an_organization_are_shown_and_set() {
    for database in [Some(Database::sqlite()), Database::postgres()].into_iter().flatten() {
        let ligand = Ligand::new().set("DATABASE_URL", &database.url).set("LIGAND_MASTER_KEY", MASTER_KEY);
        ligand.run(&["migrate"]).succeeds();
        ligand.run(&["users", "create", "jo@example.com"]).succeeds();
        let listed = ligand.run(&["organizations", "list"]).succeeds().to_owned();
        let id = listed.split_whitespace().next().expect("an id").to_owned();
        let shown = |more: &[&str]| {
            let ended = ligand.run(&[&["organizations", "limit", &id], more].concat());
            let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            ended.succeeds().lines().map(line).collect::<Vec<_>>()
        };
        let default = [
            "kind limit in use",
            "instances 1000000 0",
            "links 1000000 0",
            "idempotencyKeys 1000000 0",
            "users 10000 1",
            "authorizations 100000 0",
            "bytes 10000000000 0",
            "requests 1200000 -",
        ];
        assert_eq!(shown(&[]), default);
        let changed = shown(&["instances=5000", "requests=600"]);
        assert_eq!((changed[1].as_str(), changed[7].as_str()), ("instances 5000 0", "requests 600 -"));
        assert_eq!(shown(&["instances=default", "requests=default"]), default);
        for (wrong, reason) in [
            ("instances", "KIND=N"),
            ("cats=1", "the kinds are instances"),
            ("links=many", "a whole number"),
            ("requests=0", "requests must be from 1"),
        ] {
            ligand.run(&["organizations", "limit", &id, wrong]).fails(reason);
        }
        ligand.run(&["organizations", "limit", "999999", "links=1"]).fails("there is no organization 999999");
    }
}
