//! The key ring of the settings, or the key file of the data directory.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::config::Storage;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::secret::Secret;
use crate::store::Address;
use crate::vault::KeyRing;

/// `LIGAND_MASTER_KEY`; without it, on SQLite, the key file, which is made where there is none.
pub fn key_ring(storage: &Storage) -> Result<KeyRing, String> {
    let text = match (&storage.master_key, &storage.database_url) {
        (Some(ring), _) => ring.clone(),
        (None, Some(Address::Postgres(_))) => {
            return Err(
                "LIGAND_MASTER_KEY is required with PostgreSQL: every replica needs the same key. `ligand keys new` \
                        prints one; keep it, without it the data cannot be opened"
                    .to_owned(),
            );
        }
        (None, _) => key_file(&storage.data_dir)?,
    };
    KeyRing::parse(&text).map_err(|fault| format!("LIGAND_MASTER_KEY: {fault}"))
}

fn key_file(directory: &Path) -> Result<Secret, String> {
    private_directory(directory)?;
    let path = directory.join("master.key");
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    match write_private(&path, KeyRing::generate(&SystemEntropy).expose()) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "a key was made: keep a copy, without it the data cannot be opened")
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(told(error)),
    }
    fs::read_to_string(&path).map(|text| Secret::new(text.trim())).map_err(told)
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
