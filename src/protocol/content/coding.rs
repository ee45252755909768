//! Content codings (RFC 9110 section 8.4): what was packed is unpacked, asked for or not, and never to more than somebody has
//! room for.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// The codings that are known, as `Accept-Encoding` lists them.
pub const ACCEPTED: &str = "gzip, deflate, br, zstd";
/// Codings on top of each other at most; nobody means more than two.
const DEEPEST: usize = 3;

/// Why a body stays packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Packed {
    #[error("what is packed is larger than may be")]
    TooLarge,
    #[error("an unknown coding")]
    Unknown,
    #[error("what is packed breaks off, or is not what it is called")]
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    /// By the first bytes, which no text begins with (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1).
    fn seen(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1F, 0x8B, 0x08, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn undone(self, bytes: &[u8], most: usize) -> Result<Vec<u8>, Packed> {
        match self {
            Self::Gzip => all(MultiGzDecoder::new(bytes), most),
            // Zlib by the standard; what many send is the bare stream (RFC 9110 section 8.4.1.2).
            Self::Deflate if is_zlib(bytes) => all(ZlibDecoder::new(bytes), most),
            Self::Deflate => all(DeflateDecoder::new(bytes), most),
            Self::Brotli => {
                let mut unpacking = Decompressor::new(bytes, 4096);
                // Large windows are none of RFC 7932, and 1 GiB of memory for a few bytes.
                if !unpacking.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0) {
                    return Err(Packed::Broken);
                }
                all(unpacking, most)
            }
            Self::Zstd => {
                // The window is memory, too, and its size stands in the head.
                let window = u64::try_from(most).unwrap_or(u64::MAX).max(8 << 20);
                all(StreamingDecoder::new_with_max_window_size(bytes, window).map_err(|_| Packed::Broken)?, most)
            }
        }
    }
}

/// The body without the codings that its `Content-Encoding` lists, nor those that it has without a word.
///
/// # Errors
/// [`Packed`]: above `most` bytes nothing more is unpacked.
pub fn unpacked<'a>(bytes: &'a [u8], listed: &str, most: usize) -> Result<Cow<'a, [u8]>, Packed> {
    let mut unpacked = Cow::Borrowed(bytes);
    let mut deep = 0_usize;
    let names = listed.rsplit(',').map(str::trim).filter(|name| !name.is_empty());
    for name in names.filter(|name| !name.eq_ignore_ascii_case("identity")) {
        let coding = Coding::of(name).ok_or(Packed::Unknown)?;
        deep = deep.saturating_add(1);
        if deep > DEEPEST {
            return Err(Packed::Unknown);
        }
        // A header stays where somebody on the way has unpacked the body, and with a reply that has none.
        let has_mark = matches!(coding, Coding::Gzip | Coding::Zstd);
        if unpacked.is_empty() || (has_mark && Coding::seen(&unpacked) != Some(coding)) {
            continue;
        }
        unpacked = Cow::Owned(coding.undone(&unpacked, most)?);
    }
    while let Some(coding) = Coding::seen(&unpacked).filter(|_| deep < DEEPEST) {
        deep = deep.saturating_add(1);
        unpacked = Cow::Owned(coding.undone(&unpacked, most)?);
    }
    Ok(unpacked)
}

/// Whether the bytes are packed, whatever was said.
pub fn seems_packed(bytes: &[u8]) -> bool {
    Coding::seen(bytes).is_some()
}

fn all(packed: impl Read, most: usize) -> Result<Vec<u8>, Packed> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    packed.take(limit).read_to_end(&mut bytes).map_err(|_| Packed::Broken)?;
    if bytes.len() > most { Err(Packed::TooLarge) } else { Ok(bytes) }
}

/// RFC 1950 section 2.2.
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0,
        _ => false,
    }
}
