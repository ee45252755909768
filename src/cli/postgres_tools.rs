//! PostgreSQL has its own tools for copies: the commands for this database, without its password.

use std::path::Path;

use super::{Ended, print};
use crate::kernel::secret::Secret;

/// Prints the command, and fails: a script must not believe that a backup was made.
pub fn refuse_backup(url: &Secret, file: &Path) -> Ended {
    let (url, file) = (quoted(&without_password(url.expose())), quoted(&file.display().to_string()));
    print(&format!("umask 077 && pg_dump --format=custom --file={file} {url}"))?;
    Err("PostgreSQL makes its own backups, so none was made here: run the command above".to_owned())
}

pub fn refuse_restore(url: &Secret, file: &Path) -> Ended {
    let (url, file) = (quoted(&without_password(url.expose())), quoted(&file.display().to_string()));
    print(&format!(
        "pg_restore --exit-on-error --single-transaction --no-owner --dbname={url} {file} && ligand restore --mark"
    ))?;
    Err("PostgreSQL restores its own backups, so nothing was done here: run the commands above, on an empty database and \
         while no server runs"
        .to_owned())
}

/// Neither in front of the host nor among the parameters; libpq takes it from `PGPASSWORD` or `~/.pgpass`.
fn without_password(url: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let base = match base.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((user, hosts)))) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}@{hosts}")
        }
        _ => base.to_owned(),
    };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.to_ascii_lowercase().contains("password=")).collect();
    if kept.is_empty() { base } else { format!("{base}?{}", kept.join("&")) }
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_left_out_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://ligand:hunter2@db/ligand", "postgres://ligand@db/ligand"),
            ("postgres://ligand:hun@ter2@h1:1,h2:2/d?sslmode=require", "postgres://ligand@h1:1,h2:2/d?sslmode=require"),
            ("postgres://db/d?user=u&password=hunter2&sslmode=require", "postgres://db/d?user=u&sslmode=require"),
            ("postgres://db/d?password=hunter2", "postgres://db/d"),
            ("postgres://db/d", "postgres://db/d"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
