//! PostgreSQL behind TLS: the certificate and the name in it are checked against the system's trust store.

use std::fs;
use std::time::Duration;

use crate::support::part::missing;
use crate::support::postgres::Postgres;
use crate::support::program::Ligand;

/// A server with a certificate of its own making, and that certificate; none where a part is missing.
fn with_certificate() -> Option<(Postgres, String)> {
    let openssl = std::process::Command::new("openssl").arg("version").output().is_ok();
    let Some(server) = Postgres::start().filter(|_| openssl) else {
        missing("no PostgreSQL or no openssl on this machine");
        return None;
    };
    // The server makes it itself, in its own directory: the key must belong to the server's account.
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
                -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.crt 2>/dev/null";
    server.execute("postgres", &format!("COPY (SELECT 1) TO PROGRAM '{make}'"));
    server.execute("postgres", "ALTER SYSTEM SET ssl = on");
    server.execute("postgres", "SELECT pg_reload_conf()");
    while server.execute("postgres", "SHOW ssl") != "on" {
        std::thread::sleep(Duration::from_millis(20));
    }
    let certificate = server.execute("postgres", "SELECT pg_read_file('server.crt')");
    Some((server, certificate))
}

#[test]
fn the_systems_trust_store_decides_whom_the_server_speaks_with() {
    let Some((server, certificate)) = with_certificate() else { return };
    let url = server.create_database();
    let migrate = |query: &str, trusted: bool| {
        let ligand = Ligand::new().set("DATABASE_URL", &format!("{url}?{query}"));
        let roots = ligand.path("roots.pem");
        fs::write(&roots, &certificate).expect("the certificate is written");
        // What a distribution does with its own path, OpenSSL lets everybody do with this variable.
        ligand.set("SSL_CERT_FILE", if trusted { roots.to_str().expect("a path") } else { "" }).run(&["migrate"])
    };
    for query in ["sslrootcert=system", "sslmode=verify-full&sslrootcert=system"] {
        let ended = migrate(query, true);
        assert!(ended.success, "{query}: {ended:?}");
        let ended = migrate(query, false);
        assert!(!ended.success && ended.errors.contains("certificate"), "{query}: {ended:?}");
    }
    let weak = migrate("sslmode=require&sslrootcert=system", true);
    assert!(!weak.success && weak.errors.contains("sslmode"), "{weak:?}");
    let by_file = Ligand::new();
    fs::write(by_file.path("ca.pem"), &certificate).expect("the certificate is written");
    let by_file = by_file.set("DATABASE_URL", &format!("{url}?sslmode=verify-full&sslrootcert=ca.pem"));
    assert!(by_file.run(&["migrate"]).success);
    // The same server under a name that is not in its certificate.
    let other_name = url.replace("127.0.0.1", "localhost");
    let ended =
        by_file.set("DATABASE_URL", &format!("{other_name}?sslmode=verify-full&sslrootcert=ca.pem")).run(&["migrate"]);
    assert!(!ended.success && ended.errors.contains("localhost"), "{ended:?}");
}
