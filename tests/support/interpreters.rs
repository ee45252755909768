//! Node and Python, where what the tests want to run under them is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Node 20 or later, when the package is there.
pub fn node_with(package: &Path) -> Option<PathBuf> {
    let node = std::env::var_os("LIGAND_TEST_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
    let output = Command::new(&node).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let major: u32 = version.strip_prefix('v')?.split('.').next()?.parse().ok()?;
    (major >= 20 && package.is_dir()).then_some(node)
}

/// The first Python of the path, when it can import the module.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let found = Command::new("python3").args(["-c", &format!("import {module}")]).output().ok()?;
    found.status.success().then(|| PathBuf::from("python3"))
}
