//! Files that are encrypted with age: what leaves a server, and what comes from another. What is in them is in memory alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};
use zeroize::Zeroizing;

use super::Ended;
use super::backup::Draft;
use crate::kernel::entropy::SystemEntropy;
use crate::vault::age::{AgeFault, BEGIN, Identity, Opening, Recipient, Sealing};

/// Read or written at once.
const PIECE: usize = 64 << 10;
/// Pieces that wait for who is slower.
const WAITING: usize = 2;

/// A piece of a text, or why there is no more.
pub type Piece = Result<Zeroizing<Vec<u8>>, String>;

/// The text of a file, encrypted or not, piece by piece.
pub fn pieces(file: &Path, identities: Vec<Identity>) -> Receiver<Piece> {
    let (sender, receiver) = channel(WAITING);
    let file = file.to_owned();
    drop(spawn_blocking(move || {
        if let Err(reason) = read(&file, &identities, &sender) {
            // Nobody may read it any more: that is no reason to say why.
            let _ = sender.blocking_send(Err(format!("{}: {reason}", file.display())));
        }
    }));
    receiver
}

fn read(file: &Path, identities: &[Identity], pieces: &Sender<Piece>) -> Ended {
    let told = |error: io::Error| error.to_string();
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file).map_err(told)?) };
    let mut input = BufReader::with_capacity(PIECE, input);
    let begin = input.fill_buf().map_err(told)?;
    if begin.starts_with(b"-----BEGIN AGE") {
        return Err("it is armored, which is not read here: encrypt it without --armor".to_owned());
    }
    if !begin.starts_with(BEGIN.as_bytes()) {
        return pass_on(input, pieces);
    }
    if identities.is_empty() {
        return Err("it is encrypted with age: name the file of the key that opens it, with --identity".to_owned());
    }
    pass_on(Opening::begin(input, identities).map_err(|fault| fault.to_string())?, pieces)
}

fn pass_on(mut text: impl Read, pieces: &Sender<Piece>) -> Ended {
    loop {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        let length = text.read(&mut piece).map_err(|error| error.to_string())?;
        piece.truncate(length);
        if length == 0 || pieces.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// The keys of an identity file, as `age-keygen` writes it.
pub fn identities(file: &Path) -> Result<Vec<Identity>, String> {
    let at = |reason: &str| format!("{}: {reason}", file.display());
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| at(&error.to_string()))?);
    let keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<Identity> = keys.map(str::parse).collect::<Result<_, AgeFault>>().map_err(|_| {
        at("it is no identity file of age: every line is a comment or a key that begins with AGE-SECRET-KEY-1")
    })?;
    if keys.is_empty() { Err(at("it holds no key")) } else { Ok(keys) }
}

/// A text that is encrypted while it is written, and not there until `end`.
pub struct Encrypting {
    pieces: Sender<Zeroizing<Vec<u8>>>,
    written: JoinHandle<Ended>,
}

impl Encrypting {
    /// `output`: none for standard output.
    pub fn begin(recipients: Vec<Recipient>, output: Option<PathBuf>) -> Result<Self, String> {
        if output.is_none() && io::stdout().is_terminal() {
            return Err("what comes is not for a terminal: name a file with --output, or pipe it on".to_owned());
        }
        let draft = output.as_deref().map(new_draft).transpose()?;
        let (pieces, receiver) = channel(WAITING);
        let written = spawn_blocking(move || write(&recipients, (output, draft), receiver));
        Ok(Self { pieces, written })
    }

    /// False: it cannot be written, as `end` tells.
    pub async fn add(&self, piece: Zeroizing<Vec<u8>>) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// The file is whole, and has its name.
    pub async fn end(self) -> Ended {
        // An empty piece is the end; who drops this otherwise leaves no file.
        let _ = self.pieces.send(Zeroizing::new(Vec::new())).await;
        drop(self.pieces);
        self.written.await.map_err(|error| error.to_string())?
    }
}

fn new_draft(file: &Path) -> Result<Draft, String> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(format!("{}: it exists, and is not written over", file.display()));
    }
    Draft::beside(file)
}

fn write(
    recipients: &[Recipient],
    (output, draft): (Option<PathBuf>, Option<Draft>),
    mut pieces: Receiver<Zeroizing<Vec<u8>>>,
) -> Ended {
    let told = |error: io::Error| error.to_string();
    let to: Box<dyn Write> = match &draft {
        Some(draft) => Box::new(OpenOptions::new().write(true).open(&draft.path).map_err(told)?),
        None => Box::new(io::stdout()),
    };
    let mut sealing = Sealing::begin(to, recipients, &SystemEntropy).map_err(told)?;
    loop {
        let piece = pieces.blocking_recv().ok_or("it was given up")?;
        if piece.is_empty() {
            break;
        }
        sealing.write_all(&piece).map_err(told)?;
    }
    // Without this last piece the file does not open: nobody takes a part for the whole.
    drop(sealing.end().map_err(told)?);
    match (output, draft) {
        (Some(output), Some(draft)) => draft.publish(&output),
        _ => Ok(()),
    }
}
