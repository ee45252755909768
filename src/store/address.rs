//! `DATABASE_URL`: `postgres://…` or `sqlite:path`. Never guessed: a mistyped PostgreSQL URL must not become a new file.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::kernel::secret::Secret;

#[derive(Debug, Clone)]
pub enum Address {
    Sqlite(PathBuf),
    /// A libpq URL. It holds a password.
    Postgres(Secret),
}

/// What stands between Ligand and PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps sessions.
    #[default]
    None,
    /// A transaction-mode pooler, such as PgBouncer: no statement and no setting outlives a transaction.
    Transaction,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text)));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("`sqlite:` needs a path".to_owned())
            } else {
                Ok(Self::Sqlite(path.into()))
            };
        }
        if Path::new(text).is_file() {
            return Ok(Self::Sqlite(text.into()));
        }
        // The text may hold a password: it is not repeated.
        Err("DATABASE_URL must be postgres://… or sqlite:PATH; a bare path must be an existing file".to_owned())
    }
}

/// `sslrootcert=system` means the places that OpenSSL was built for, and ours was built here: it gets the file that this
/// system really has. As with `system`, certificate and host name are both checked; libpq itself refuses less.
pub(super) fn with_system_roots(url: &Secret, roots: Option<&Path>) -> Secret {
    let (base, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
    let weaker = |pair: &&str| pair.starts_with("sslmode=") && *pair != "sslmode=verify-full";
    let pairs = || query.split('&');
    match roots {
        Some(roots) if pairs().any(|pair| pair == SYSTEM_ROOTS) && !pairs().any(|pair| weaker(&pair)) => {
            let kept = pairs().filter(|pair| *pair != SYSTEM_ROOTS && !pair.starts_with("sslmode="));
            let kept: String = kept.map(|pair| format!("{pair}&")).collect();
            let roots: String = percent_encode(roots.as_os_str().as_encoded_bytes());
            Secret::new(format!("{base}?{kept}sslmode=verify-full&sslrootcert={roots}"))
        }
        _ => url.clone(),
    }
}

/// A server that vanished without a word must not be waited for: libpq would do so for minutes. Of several hosts the one
/// that takes writes is meant: a standby would serve reads of yesterday. What the URL says itself counts.
pub(super) fn with_limits(url: &Secret) -> Secret {
    const OF_SEVERAL: [(&str, &str); 1] = [("target_session_attrs", "read-write")];
    const LIMITS: [(&str, &str); 5] = [
        ("connect_timeout", "2"),
        // Milliseconds; the others are seconds and a count.
        ("tcp_user_timeout", "5000"),
        ("keepalives_idle", "5"),
        ("keepalives_interval", "2"),
        ("keepalives_count", "2"),
    ];
    let mut text = url.expose().to_owned();
    let given: Vec<String> = text.split_once('?').map_or_else(Vec::new, |(_, query)| names_of(query));
    let of_several: &[_] = if has_several_hosts(&text) { &OF_SEVERAL } else { &[] };
    let wanted = LIMITS.iter().chain(of_several);
    for (name, value) in wanted.filter(|(name, _)| !given.iter().any(|known| known == name)) {
        let separator = if text.contains('?') { '&' } else { '?' };
        text.push_str(&format!("{separator}{name}={value}"));
    }
    Secret::new(text)
}

fn names_of(query: &str) -> Vec<String> {
    query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect()
}

/// Whether secrets may travel in the clear to another machine: libpq encrypts only where the server offers it, unless
/// `sslmode` says more (the manual on `sslmode`).
pub fn may_be_in_the_clear(address: &Address, of_environment: Option<&str>) -> bool {
    let Address::Postgres(url) = address else { return false };
    let query = url.expose().split_once('?').map_or("", |(_, query)| query);
    let mode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode=")).or(of_environment);
    let encrypts = mode.is_some_and(|mode| matches!(mode, "require" | "verify-ca" | "verify-full"));
    !encrypts && hosts(url.expose()).iter().any(|host| !is_of_this_machine(host))
}

fn is_of_this_machine(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    // A directory is where a socket is.
    let socket = host.is_empty() || host.starts_with('/') || host.starts_with("%2f");
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    socket || host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn has_several_hosts(url: &str) -> bool {
    hosts(url).len() > 1
}

/// Of `postgres://u:p@one:5432,two:5432/d`, or `…?host=one,two`.
fn hosts(url: &str) -> Vec<String> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let behind_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
    // libpq looks for the end of the user's part in the same way.
    let hosts = behind_scheme.split_once('@').map_or(behind_scheme, |(_, hosts)| hosts);
    let of_base = hosts.split('/').next().unwrap_or_default().replace("%2C", ",").replace("%2c", ",");
    let of_base = of_base.split(',').map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => host.to_owned(),
    });
    let of_base: Vec<String> = of_base.collect();
    let named =
        query.split('&').filter_map(|pair| pair.strip_prefix("host=").or_else(|| pair.strip_prefix("hostaddr=")));
    let named: Vec<String> = named
        .flat_map(|hosts| {
            hosts.replace("%2C", ",").replace("%2c", ",").split(',').map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    if named.is_empty() { of_base } else { named }
}

/// A text of libpq's, which can repeat the URL or a part of it, without what the URL has of secrets. The URL is read
/// generously: of one that is malformed, as by a password with `/` or `@` in it, libpq names pieces.
pub(super) fn without_secret(text: &str, url: &Secret) -> String {
    let url = url.expose();
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let user = behind_scheme.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    let pairs = url.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    let of_query = pairs.filter(|(name, _)| name.ends_with("password")).map(|(_, value)| value);
    let whole = std::iter::once(password).chain(of_query);
    let pieces = whole.flat_map(|secret| std::iter::once(secret).chain(secret.split(['/', '@', '?', '#', ':', ','])));
    let mut secrets: Vec<String> = pieces
        .flat_map(|secret| [secret.to_owned(), percent_decode_str(secret).decode_utf8_lossy().into_owned()])
        .filter(|secret| !secret.is_empty())
        .collect();
    // A piece must not spoil the whole that it is of.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text.replace(url, "***"), |text, secret| text.replace(secret.as_str(), "***"))
}

const SYSTEM_ROOTS: &str = "sslrootcert=system";

/// libpq reads `+` in a URL as it stands.
fn percent_encode(bytes: &[u8]) -> String {
    url::form_urlencoded::byte_serialize(bytes).map(|piece| if piece == "+" { "%20" } else { piece }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_secrets_in_the_clear_to_another_machine_is_known() {
        let in_the_clear = |url: &str, mode| may_be_in_the_clear(&url.parse().unwrap(), mode);
        for url in [
            "postgres://u:p@db.example/d",
            "postgres://u:p@10.0.0.1:5432/d?sslmode=prefer",
            "postgres://localhost,db.example/d",
            "postgres:///d?host=db.example",
            "postgres://u@db.example/d?sslmode=disable",
        ] {
            assert!(in_the_clear(url, None), "{url}");
        }
        for url in [
            "postgres://u:p@db.example/d?sslmode=require",
            "postgres://u:p@db.example/d?application_name=x&sslmode=verify-full",
            "postgres://localhost:5432/d",
            "postgres://u@127.0.0.1/d",
            "postgres://u@[::1]:5432/d",
            "postgres:///d?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/d",
            "sqlite:a.db",
        ] {
            assert!(!in_the_clear(url, None), "{url}");
        }
        assert!(!in_the_clear("postgres://db.example/d", Some("require")));
        assert!(in_the_clear("postgres://db.example/d?sslmode=allow", Some("require")));
    }

    #[test]
    fn the_systems_certificates_are_found_and_never_checked_less() {
        let rewritten = |url: &str| {
            let roots = Some(Path::new("/etc/my certs/ca.pem"));
            with_system_roots(&Secret::new(url), roots).expose().to_owned()
        };
        let file = "sslmode=verify-full&sslrootcert=%2Fetc%2Fmy%20certs%2Fca.pem";
        assert_eq!(rewritten("postgres://h/d?sslrootcert=system"), format!("postgres://h/d?{file}"));
        assert_eq!(
            rewritten("postgres://h1,h2:2/d?sslrootcert=system&sslmode=verify-full&application_name=x"),
            format!("postgres://h1,h2:2/d?application_name=x&{file}")
        );
        for untouched in [
            "postgres://h/d",
            "postgres://h/d?sslmode=require",
            "postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgres://h/d?sslmode=require&sslrootcert=system",
        ] {
            assert_eq!(rewritten(untouched), untouched);
        }
        let url = Secret::new("postgres://h/d?sslrootcert=system");
        assert_eq!(with_system_roots(&url, None), url, "libpq says what is missing");
    }

    #[test]
    fn a_server_that_vanished_is_not_waited_for_and_what_the_operator_says_counts() {
        let limited = |url: &str| with_limits(&Secret::new(url)).expose().to_owned();
        let all = "connect_timeout=2&tcp_user_timeout=5000&keepalives_idle=5&keepalives_interval=2&keepalives_count=2";
        assert_eq!(limited("postgres://h/d"), format!("postgres://h/d?{all}"));
        let own = limited("postgres://h/d?sslmode=require&connect_timeout=9");
        assert!(own.starts_with("postgres://h/d?sslmode=require&connect_timeout=9&tcp_user_timeout=5000"), "{own}");
    }

    #[test]
    fn of_several_hosts_the_one_that_takes_writes_is_meant() {
        let wants_writes =
            |url: &str| with_limits(&Secret::new(url)).expose().contains("target_session_attrs=read-write");
        for several in [
            "postgres://u:p@h1,h2/d",
            "postgres://u:p@h1:5433,h2:5434/d?sslmode=require",
            "postgresql://h1,h2",
            "postgres://u:p@/d?host=h1,h2",
            "postgres:///d?host=h1%2Ch2",
        ] {
            assert!(wants_writes(several), "{several}");
        }
        for one in ["postgres://u:p@h/d", "postgres://u:p,q@h/d", "postgres://h/a,b", "postgres:///d?host=/run/a"] {
            assert!(!wants_writes(one), "{one}");
        }
        let own = with_limits(&Secret::new("postgres://h1,h2/d?target_session_attrs=primary"));
        assert!(!own.expose().contains("read-write"), "what the URL says counts");
    }

    #[test]
    fn no_part_of_a_password_is_repeated_whatever_the_url_looks_like() {
        for url in [
            "postgres://u:hunter2@h/d",
            "postgres://u:hunter2@h1:5432,h2:5433/d?target_session_attrs=read-write",
            "postgres://u:hun%74er2@h/d",
            "postgres://u:se/hunter2@h/d",
            "postgres://u:se@hunter2@h/d",
            "postgres://u:se?hunter2@h1,h2/d",
            "postgres://u@h/d?password=hunter2",
            "postgres://u@h/d?sslmode=require&sslpassword=hunter2&connect_timeout=2",
        ] {
            let said = format!("at {url}: \"hunter2\" is no port, nor \"se\"");
            let kept = without_secret(&said, &Secret::new(url));
            assert!(!kept.contains("hunter2") && !kept.contains("hun%74er2"), "{url}: {kept}");
            assert!(!url.contains(":se") || !kept.contains("\"se\""), "{url}: {kept}");
        }
        let said = "could not connect to h, port 5432";
        for harmless in ["postgres://h/d", "postgres://u@h:5432/d", "postgres://u:@h/d"] {
            assert_eq!(without_secret(said, &Secret::new(harmless)), said);
        }
    }

    #[test]
    fn only_what_is_meant_is_accepted() {
        assert!(matches!("sqlite:x/y.db".parse(), Ok(Address::Sqlite(path)) if path == Path::new("x/y.db")));
        assert!(matches!("sqlite:///y.db".parse(), Ok(Address::Sqlite(path)) if path == Path::new("/y.db")));
        assert!(matches!("postgres://u:p@h/d".parse(), Ok(Address::Postgres(_))));
        for text in ["postgre://u:secret@h/d", "mysql://h", "", "sqlite:", "no/such/file"] {
            let refusal = text.parse::<Address>().unwrap_err();
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
