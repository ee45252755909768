//! Who a part runs as: PostgreSQL and pgbouncer refuse to be root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// User and group; none where the tests themselves are not root.
pub struct Account(Option<(u32, u32)>);

impl Account {
    pub fn to_run_as() -> Self {
        if id_of("-u", None) != Some(0) {
            return Self(None);
        }
        let ids = |name| Some((id_of("-u", Some(name))?, id_of("-g", Some(name))?));
        Self(Some(["postgres", "nobody"].into_iter().find_map(ids).expect("an unprivileged account")))
    }

    pub fn own(&self, path: &Path) {
        if let Self(Some((user, group))) = *self {
            chown(path, Some(user), Some(group)).expect("root may change owners");
        }
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode is set");
    }

    pub fn restrict<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match *self {
            Self(Some((user, group))) => command.uid(user).gid(group),
            Self(None) => command,
        }
    }
}

fn id_of(which: &str, account: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(which).args(account).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
