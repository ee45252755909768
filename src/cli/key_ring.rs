//! The key ring of the settings, or the key file of the data directory.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::database;
use crate::config::Storage;
use crate::config::secret_source::printed_by;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::secret::Secret;
use crate::store::Address;
use crate::vault::KeyRing;

/// `LIGAND_MASTER_KEY`; without it, on SQLite, the key file, which is made where there is nothing yet that a key sealed.
pub fn load(storage: &Storage) -> Result<KeyRing, String> {
    ring(storage, || {
        refuse_if_lost(storage)?;
        make_key_file(&storage.data_dir)?;
        read_key_file(storage)
    })
}

/// The same, but where there is no key file yet, none is made: the ring that seals what is there.
pub fn existing(storage: &Storage) -> Result<KeyRing, String> {
    ring(storage, || read_key_file(storage))
}

/// Whether a server would start with it. Makes nothing.
pub fn check(storage: &Storage) -> Result<(), String> {
    let key_file = || {
        refuse_if_lost(storage)?;
        let made = key_path(&storage.data_dir).exists();
        if made { read_key_file(storage) } else { Ok(KeyRing::generate(&SystemEntropy)) }
    };
    ring(storage, key_file).map(drop)
}

/// A new key in the place of a lost one would open nothing, and the next backup of the key would save the wrong one.
fn refuse_if_lost(storage: &Storage) -> Result<(), String> {
    let key = key_path(&storage.data_dir);
    let sealed = || Ok::<_, String>(database::look(storage)?.is_some_and(|found| found.has_data));
    if key.exists() || !sealed()? {
        return Ok(());
    }
    let database = database::file(storage).unwrap_or_default();
    Err(format!(
        "{} is not there, and {} holds data that it sealed: put the key back; without it the data cannot be opened",
        key.display(),
        database.display()
    ))
}

fn ring(storage: &Storage, key_file: impl FnOnce() -> Result<Secret, String>) -> Result<KeyRing, String> {
    let (text, origin) = match given(storage)? {
        Some((ring, origin)) => (ring, origin.to_owned()),
        None if matches!(storage.database_url(), Some(Address::Postgres(_))) => {
            return Err(
                "LIGAND_MASTER_KEY is required with PostgreSQL: every replica needs the same key. `ligand keys new` \
                        prints one; keep it, without it the data cannot be opened"
                    .to_owned(),
            );
        }
        None => (key_file()?, key_path(&storage.data_dir).display().to_string()),
    };
    KeyRing::parse(&text).map_err(|fault| format!("{origin}: {fault}"))
}

/// The ring of the settings, and the variable that it came by.
fn given(storage: &Storage) -> Result<Option<(Secret, &'static str)>, String> {
    if let Some(ring) = &storage.master_key {
        return Ok(Some((ring.clone(), "LIGAND_MASTER_KEY")));
    }
    if let Some(file) = &storage.master_key_file {
        if file.open_to_all {
            tracing::warn!(path = %file.path.display(), "every user of this machine may read the key ring");
        }
        return Ok(Some((file.content.clone(), "LIGAND_MASTER_KEY_FILE")));
    }
    let Some(command) = &storage.master_key_command else { return Ok(None) };
    const ORIGIN: &str = "LIGAND_MASTER_KEY_COMMAND";
    if let Some(printed) = storage.printed_key.get() {
        return Ok(Some((printed.clone(), ORIGIN)));
    }
    tracing::info!("the key ring is asked of LIGAND_MASTER_KEY_COMMAND");
    let printed = printed_by(command).map_err(|reason| format!("{ORIGIN}: {reason}"))?;
    Ok(Some((storage.printed_key.get_or_init(|| printed).clone(), ORIGIN)))
}

fn key_path(directory: &Path) -> PathBuf {
    directory.join("master.key")
}

fn read_key_file(storage: &Storage) -> Result<Secret, String> {
    let path = key_path(&storage.data_dir);
    let failed = |error| format!("{}: {error}", path.display());
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 && !storage.allow_readable_key {
        return Err(format!(
            "{} may be read by others (mode {:03o}): `chmod 600` it, or set LIGAND_ALLOW_READABLE_KEY=true if it must be so",
            path.display(),
            mode & 0o777
        ));
    }
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(failed)?);
    Ok(Secret::new(text.trim()))
}

fn make_key_file(directory: &Path) -> Result<(), String> {
    private_directory(directory)?;
    let path = key_path(directory);
    match write_private(&path, KeyRing::generate(&SystemEntropy).expose()) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "a key was made: keep a copy, without it the data cannot be opened");
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A new file that only its owner may read; fails where there is one.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

pub fn private_directory(path: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| format!("{}: {error}", path.display()))
}
