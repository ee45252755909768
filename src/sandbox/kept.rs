//! What a restart must not lose: the grants and records of the vendor, in a file beside the instances that live on them. A
//! line for each change, written before the app learns of it; a vendor's database would do no less.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::crm::Call;
use super::state::Change;

/// Lines beside what is alive, after which the file is written anew.
const SPARE: usize = 20_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    Ledger(Change),
    Crm(Call),
}

/// The open file. Calls to the CRM are kept as they came, because a record keeps its history.
pub struct Kept {
    path: PathBuf,
    file: File,
    calls: Vec<Call>,
    /// Of the ledger.
    lines: usize,
}

impl Kept {
    /// The file, and what it held. A line that a killed process did not finish is none.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Line>)> {
        let mut lines = Vec::new();
        match File::open(path) {
            Ok(file) => {
                for text in BufReader::new(file).split(b'\n') {
                    lines.extend(serde_json::from_slice::<Line>(&text?));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let calls = lines.iter().filter_map(|line| match line {
            Line::Crm(call) => Some(call.clone()),
            Line::Ledger(_) => None,
        });
        let calls = calls.collect();
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok((Self { path: path.to_owned(), file, calls, lines: 0 }, lines))
    }

    /// A process that is killed afterwards has not lost it.
    pub fn append(&mut self, lines: impl IntoIterator<Item = Line>) {
        let mut text = Vec::new();
        for line in lines {
            let written = serde_json::to_writer(&mut text, &line);
            text.push(b'\n');
            if let Err(error) = written {
                tracing::warn!(%error, "the sandbox cannot write down what changed");
            }
            match line {
                Line::Crm(call) => self.calls.push(call),
                Line::Ledger(_) => self.lines = self.lines.saturating_add(1),
            }
        }
        if let Err(error) = self.file.write_all(&text) {
            tracing::warn!(path = %self.path.display(), %error, "the sandbox loses what changed when it ends");
        }
    }

    pub fn is_long(&self, alive: usize) -> bool {
        self.lines > alive.saturating_mul(2).saturating_add(SPARE)
    }

    /// Writes the file anew, with these and the calls.
    pub fn begin_anew(&mut self, ledger: Vec<Change>) {
        match self.write_anew(&ledger) {
            Ok(file) => (self.file, self.lines) = (file, ledger.len()),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the sandbox's file cannot be written anew")
            }
        }
    }

    pub fn forget(&mut self) {
        self.calls.clear();
        self.begin_anew(Vec::new());
    }

    fn write_anew(&self, ledger: &[Change]) -> io::Result<File> {
        let draft = self.path.with_extension("new");
        let _ = fs::remove_file(&draft);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&draft)?;
        let mut writer = BufWriter::new(&file);
        for change in ledger {
            serde_json::to_writer(&mut writer, &Line::Ledger(change.clone()))?;
            writer.write_all(b"\n")?;
        }
        for call in &self.calls {
            serde_json::to_writer(&mut writer, &Line::Crm(call.clone()))?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        fs::rename(&draft, &self.path)?;
        Ok(file)
    }
}
