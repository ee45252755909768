//! The journal: one file of a process in the data directory, of its owner alone, with a sealed entry a line. It is there
//! before the process ends, and belongs to the next process on this directory that gets its lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const PREFIX: &str = "unstored-";
const SUFFIX: &str = ".journal";

/// A journal that an earlier process left, locked for as long as this is held.
pub(super) struct LeftBehind {
    _lock: File,
    path: PathBuf,
    /// Who wrote it, as its last act.
    pub process: Option<i64>,
    pub lines: Vec<String>,
}

impl LeftBehind {
    /// Everything in it was dealt with.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes the whole journal of a process. It is on the disk when this returns.
pub(super) fn write(directory: &Path, process: i64, lines: &[String]) -> io::Result<()> {
    let path = directory.join(format!("{PREFIX}{process}{SUFFIX}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Nobody takes up half of it.
    file.lock()?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// The journals that no living process is writing or taking up.
pub(super) fn claim(directory: &Path) -> io::Result<Vec<LeftBehind>> {
    let mut claimed = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        let Some(process) = process.map(|text| text.parse().ok()) else { continue };
        let mut file = File::open(entry.path())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have dealt with it between the opening and the lock.
        if !entry.path().exists() {
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let lines = text.lines().map(str::to_owned).collect();
        claimed.push(LeftBehind { _lock: file, path: entry.path(), process, lines });
    }
    Ok(claimed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_process_takes_it_up_and_nobody_else_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 7, &["one".to_owned(), "two".to_owned()]).unwrap();
        fs::write(directory.path().join("ligand.db"), "").unwrap();
        let mut claimed = claim(directory.path()).unwrap();
        assert!(claim(directory.path()).unwrap().is_empty(), "it is locked");
        let journal = claimed.pop().unwrap();
        assert!(claimed.is_empty());
        assert_eq!(journal.lines, ["one", "two"]);
        assert_eq!(fs::metadata(journal.path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(journal);
        let again = claim(directory.path()).unwrap().pop().unwrap();
        again.remove().unwrap();
        assert!(claim(directory.path()).unwrap().is_empty());
    }
}
