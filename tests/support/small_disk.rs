//! A disk of its own that a test can fill, where the tests may mount.

use std::path::PathBuf;
use std::time::Duration;

use super::account::Account;
use super::part::{Part, Signal};

/// Ends with the part that holds it, however the tests end.
const HOLD: &str = r#"
mount -t tmpfs -o "size=$2" ligand-small-disk "$1" || { echo "the disk is refused"; exit 1; }
trap 'umount -l "$1"; exit 0' TERM
echo "the disk is mounted"
while :; do sleep 1000 & wait; done
"#;

pub struct SmallDisk {
    /// For PostgreSQL to use.
    pub path: PathBuf,
    _part: Part,
}

impl SmallDisk {
    /// `size` as mount spells it; none where mounting is not allowed.
    pub fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("ligand-disk-").tempdir().expect("a directory");
        // PostgreSQL's own account passes through.
        Account::to_run_as().own(directory.path());
        let path = directory.path().join("disk");
        std::fs::create_dir(&path).expect("a mount point");
        let mut command = Part::command("sh", directory.path(), Signal::Terminate);
        command.args(["-c", HOLD, "disk"]).arg(&path).arg(size);
        let mut part = Part::start(&mut command, directory);
        let mounted = part.wait_for("the disk is ", Duration::from_secs(30)) == "mounted";
        if mounted {
            Account::to_run_as().own(&path);
        }
        mounted.then_some(Self { path, _part: part })
    }
}
