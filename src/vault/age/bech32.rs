//! Keys as age writes them: Bech32 (BIP 173) of thirty-two bytes, without a limit of its length.

use zeroize::Zeroizing;

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// Letters of the check sum.
const SUM: usize = 6;

/// `kind`: what stands before the `1`, in lower case.
pub fn read(text: &str, kind: &str) -> Option<Zeroizing<[u8; 32]>> {
    // One case alone.
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    if text != *lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let letters = lower.strip_prefix(kind)?.strip_prefix('1')?;
    let fives: Zeroizing<Vec<u8>> = Zeroizing::new(letters.bytes().map(value).collect::<Option<_>>()?);
    let prefix = kind.bytes().map(|byte| byte >> 5).chain([0]).chain(kind.bytes().map(|byte| byte & 31));
    let sum = prefix.chain(fives.iter().copied()).fold(1, add);
    let data = fives.len().checked_sub(SUM).and_then(|length| fives.get(..length))?;
    if sum == 1 { eights(data) } else { None }
}

fn value(letter: u8) -> Option<u8> {
    LETTERS.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok())
}

fn add(sum: u32, five: u8) -> u32 {
    let top = sum >> 25;
    let rest = ((sum & 0x01ff_ffff) << 5) ^ u32::from(five);
    let bits = GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1);
    bits.fold(rest, |sum, (_, generator)| sum ^ generator)
}

/// Of five bits each, with nothing in those that are left over.
fn eights(fives: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let mut places = key.iter_mut();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for five in fives {
        bits = ((bits << 5) | u32::from(*five)) & 0xfff;
        held = held.saturating_add(5);
        if held >= 8 {
            held = held.saturating_sub(8);
            *places.next()? = u8::try_from((bits >> held) & 0xff).ok()?;
        }
    }
    let left = bits & ((1 << held) - 1);
    let whole = places.next().is_none() && held < 5 && left == 0;
    whole.then_some(key)
}
