//! Changes to inputs, from a seed: the same seed makes the same inputs.

use streamgauge::demo::Random;

/// No input grows beyond this.
pub const MAX_BYTES: usize = 64 << 10;

/// Numbers at which things change.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "-0.0",
    "1e999",
    "-1e999",
    "NaN",
    "inf",
    "1e-400",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "0.1",
    "1e308",
    "64",
    "00",
];

/// Bytes that are not what they seem.
const BYTES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"\x7f",
    b"\x1b[2J",
    b"\r",
    b"\r\n",
    b"\n",
    b"\t",
    b"\\",
    b"\"",
    b"'",
    b" ",
];

/// One to eight changes to `base`; `other` lends it stretches.
pub fn mutate(base: &[u8], other: &[u8], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut bytes = base.to_vec();
    let most = 1 << below(random, 4);
    for _ in 0..=below(random, most) {
        change(&mut bytes, other, words, random);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let at = below(random, bytes.len() + 1);
    let range = stretch(bytes.len(), random);
    match below(random, 16) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.bits() as u8,
        2 => bytes.truncate(at),
        3 | 4 => drop(bytes.drain(range)),
        5 => insert(bytes, at, random.pick(BYTES)),
        6 => insert(bytes, at, random.pick(NUMBERS).as_bytes()),
        7 => replace_number(bytes, random),
        8 | 9 => insert(bytes, at, random.pick(words).as_bytes()),
        10 => drop(bytes.splice(range, random.pick(words).bytes())),
        11 => {
            let lent = other[stretch(other.len(), random)].iter();
            drop(bytes.splice(range, lent.copied()));
        }
        12 => {
            let cut = below(random, other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[cut..]);
        }
        13 => {
            let copy = bytes[range].to_vec();
            insert(bytes, at, &copy);
        }
        // Rarely very often: nesting, long lines, many keys.
        14 => {
            let copy = bytes[range].to_vec();
            let times = 1 << if below(random, 16) == 0 { below(random, 14) } else { below(random, 4) };
            insert(bytes, at, &copy.repeat(times.min(MAX_BYTES / copy.len().max(1))));
        }
        _ => bytes[range].reverse(),
    }
    bytes.truncate(2 * MAX_BYTES);
}

/// A stretch of `len` bytes, usually short.
fn stretch(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = below(random, len + 1);
    let most = if below(random, 4) == 0 { len - start } else { (len - start).min(8) };
    start..start + below(random, most + 1)
}

/// A number below `limit`.
pub fn below(random: &mut Random, limit: usize) -> usize {
    random.below(limit as u64) as usize
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// Puts another number in the place of one that is there.
fn replace_number(bytes: &mut Vec<u8>, random: &mut Random) {
    let from = below(random, bytes.len() + 1);
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + len, random.pick(NUMBERS).bytes());
}
