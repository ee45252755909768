//! The journal: one file of a process in the data directory, of its owner alone, with a sealed entry a line. It is there
//! before the process ends, and belongs to the next process on this directory that gets its lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const PREFIX: &str = "unstored-";
const SUFFIX: &str = ".journal";

/// Where the journals of a database are.
#[derive(Debug, Clone)]
pub struct Journal {
    pub directory: PathBuf,
    /// The database's id: what is of another one is left alone.
    pub database: String,
}

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

impl Journal {
    /// Writes the whole journal of a process. It is on the disk when this returns; where that fails there is none.
    pub(super) fn write(&self, process: i64, lines: &[String]) -> io::Result<()> {
        let path = self.directory.join(format!("{PREFIX}{}-{process}{SUFFIX}", self.database));
        let written = self.write_to(&path, lines);
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    fn write_to(&self, path: &Path, lines: &[String]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // Nobody takes up half of it.
        file.lock()?;
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.sync_all()?;
        File::open(&self.directory)?.sync_all()
    }

    /// The journals of this database that no living process is writing or taking up. One that cannot be read stays, and keeps
    /// no other from being taken up.
    pub(super) fn claim(&self) -> io::Result<Vec<LeftBehind>> {
        let mut claimed = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            let Some((database, process)) = name.and_then(|name| name.rsplit_once('-')) else { continue };
            if database != self.database {
                tracing::warn!(path = %path.display(), "a journal of another database is left alone");
                continue;
            }
            match lines_of(&path) {
                Ok(Some((lock, lines))) => {
                    let process = process.parse().ok();
                    claimed.push(LeftBehind { _lock: lock, path, process, lines });
                }
                Ok(None) => {}
                Err(error) => tracing::error!(path = %path.display(), %error, "a journal cannot be read"),
            }
        }
        Ok(claimed)
    }
}

/// None: somebody else has it, or it was dealt with.
fn lines_of(path: &Path) -> io::Result<Option<(File, Vec<String>)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Whoever had it may have dealt with it between the opening and the lock.
    if !path.exists() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some((file, text.lines().map(str::to_owned).collect())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_process_takes_it_up_and_nobody_else_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal { directory: directory.path().to_owned(), database: "ab-c".to_owned() };
        journal.write(7, &["one".to_owned(), "two".to_owned()]).unwrap();
        fs::write(directory.path().join("ligand.db"), "").unwrap();
        let mut claimed = journal.claim().unwrap();
        assert!(journal.claim().unwrap().is_empty(), "it is locked");
        let left = claimed.pop().unwrap();
        assert!(claimed.is_empty());
        assert_eq!((left.process, left.lines.as_slice()), (Some(7), &["one".to_owned(), "two".to_owned()][..]));
        assert_eq!(fs::metadata(left.path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(left);
        let other = Journal { database: "ab".to_owned(), ..journal.clone() };
        assert!(other.claim().unwrap().is_empty(), "another database's");
        journal.claim().unwrap().pop().unwrap().remove().unwrap();
        assert!(journal.claim().unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_and_what_cannot_be_read_stops_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal { directory: directory.path().to_owned(), database: "a".to_owned() };
        fs::write(directory.path().join("unstored-a-1.journal"), [0xff, 0xfe]).unwrap();
        journal.write(2, &["one".to_owned()]).unwrap();
        assert_eq!(journal.claim().unwrap().len(), 1);
        let gone = Journal { directory: directory.path().join("gone"), ..journal };
        assert!(gone.write(3, &[]).is_err() && gone.claim().is_err());
    }
}
