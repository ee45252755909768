//! What the first administrator must be told once: on the terminal, or where there is none in a file of its own.

use std::io::IsTerminal as _;
use std::path::Path;

use super::key_ring::{private_directory, write_private};
use crate::service::people::bootstrap::CreatedUser;

/// `with_password`: it was made here. One that was given is known to whoever gave it.
pub fn text(created: &CreatedUser, with_password: bool) -> String {
    let password = if with_password { created.password.expose() } else { "as it was given" };
    format!(
        "  login         {}\n  password      {}\n  user          {}\n  organization  {}",
        created.email,
        password,
        created.user_secret.expose(),
        created.organization_secret.expose()
    )
}

/// Shows the login. Logs are collected and kept: without a terminal it goes to a file that only its owner may read.
pub async fn show(created: &CreatedUser, with_password: bool, data_dir: &Path) -> Result<(), String> {
    let text = text(created, with_password);
    if std::io::stdout().is_terminal() {
        return super::show(format!("The first administrator, shown only now:\n{text}\n")).await;
    }
    private_directory(data_dir)?;
    let path = data_dir.join(format!("first-login-{}.txt", created.email.replace(['/', '\\'], "_")));
    // One that lies there is of an earlier database. Not telling would lock everybody out of this one.
    let _ = std::fs::remove_file(&path);
    write_private(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    tracing::warn!(path = %path.display(), "the first administrator's login is in this file: read it and delete it");
    Ok(())
}
