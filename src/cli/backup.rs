//! `ligand backup`: a copy of the SQLite database that is whole by itself, taken beside a running server or without one.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Ended, database, postgres_tools, print};
use crate::config::Storage;
use crate::kernel::entropy::{SystemEntropy, hex};
use crate::store::backup::{self, Holding};
use crate::store::peek::peek;
use crate::store::{Address, Schema};

pub async fn run(storage: &Storage, file: PathBuf) -> Ended {
    let source = match database::address(storage) {
        Address::Sqlite(source) => source,
        Address::Postgres(url) => return postgres_tools::refuse_backup(&url, &file),
    };
    let shown = file.display().to_string();
    let written = tokio::task::spawn_blocking(move || write(&source, &file)).await;
    let holding = written.map_err(|error| error.to_string())??;
    print(&format!(
        "{shown} holds {} organizations and {} instances. The master key is not in it: keep a copy of the key somewhere \
         else, without it nobody can open the data",
        holding.organizations, holding.instances
    ))
}

fn write(source: &Path, file: &Path) -> Result<Holding, String> {
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    // Of an older schema too: before a new version migrates is when a backup is wanted most.
    match peek(source).map_err(|fault| at(source, &fault))? {
        Some(found) if found.schema != Schema::Missing => {}
        _ => return Err(at(source, &"there is no database of Ligand")),
    }
    if fs::symlink_metadata(file).is_ok() {
        return Err(at(file, &"it exists, and is not written over"));
    }
    let draft = Draft::beside(file)?;
    backup::copy(source, &draft.path).map_err(|fault| at(file, &fault))?;
    let holding = backup::check(&draft.path).map_err(|fault| at(file, &fault))?;
    draft.publish(file)?;
    Ok(holding)
}

/// A file under another name until it is whole. Only its owner may read it, from the first byte on.
pub struct Draft {
    pub path: PathBuf,
}

impl Draft {
    /// In the directory of the file that it is to become.
    pub fn beside(file: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let name = file.file_name().ok_or_else(|| told(&"it names no file"))?;
        let directory = fs::canonicalize(directory_of(file)).map_err(|error| told(&error))?;
        let path = directory.join(format!(".{}.{}", name.to_string_lossy(), hex::<8>(&SystemEntropy)));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| told(&error))?;
        Ok(Self { path })
    }

    /// Gives it its name, unless something has that name by now. It survives a power cut from here on.
    pub fn publish(self, file: &Path) -> Result<(), String> {
        let published = File::open(&self.path)
            .and_then(|draft| draft.sync_all())
            .and_then(|()| match fs::hard_link(&self.path, file) {
                // Not every file system has links.
                Err(error) if error.kind() != ErrorKind::AlreadyExists && fs::symlink_metadata(file).is_err() => {
                    fs::rename(&self.path, file)
                }
                linked => linked,
            })
            .and_then(|()| File::open(directory_of(file))?.sync_all());
        published.map_err(|error| format!("{}: {error}", file.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            let _ = fs::remove_file(path);
        }
    }
}

pub fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
