//! The key of an event's labels: first as values came, then as text that any exposition can show.

use std::fmt::Write as _;
use std::hash::Hasher;

use crate::base::bytes;
use crate::model::refused::{Refusals, Refused};
use crate::model::series::SEPARATOR;
use crate::model::value::Value;

/// Longer label values are cut here, so that series times labels bounds the memory.
pub const MAX_LABEL_BYTES: usize = 1024;

const MISSING: u8 = 0;
const BOOL: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const LONG_TEXT: u8 = 4;
/// From here on the tag is also the length of a text. Most labels are short, and a key that is half as long is
/// hashed and compared in less time.
const TEXT: u8 = 5;

/// Texts of at least this length have it in eight bytes of their own.
const LONG: usize = (u8::MAX - TEXT) as usize + 1;

/// Appends a value to a key: no two different lists of values make the same key. Nothing is formatted.
pub(super) fn push(key: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Missing => key.push(MISSING),
        Value::Bool(truth) => key.extend([BOOL, u8::from(truth)]),
        Value::Integer(whole) => {
            key.push(INTEGER);
            key.extend(whole.to_le_bytes());
        }
        Value::Float(number) => {
            key.push(FLOAT);
            key.extend(number.to_le_bytes());
        }
        Value::Text(text) => {
            if text.len() < LONG {
                key.push(TEXT + text.len() as u8);
            } else {
                key.push(LONG_TEXT);
                key.extend((text.len() as u64).to_le_bytes());
            }
            key.extend_from_slice(text);
        }
    }
}

/// Puts a value into the hash of a key.
#[inline]
pub(super) fn hash(value: Value<'_>, hasher: &mut impl Hasher) {
    match value {
        Value::Missing => hasher.write_u64(u64::from(MISSING)),
        Value::Bool(truth) => hasher.write_u64(u64::from(BOOL) + (u64::from(truth) << 8)),
        Value::Integer(whole) => hasher.write_u64(whole as u64),
        Value::Float(number) => hasher.write_u64(number.to_bits()),
        Value::Text(text) => {
            hasher.write_u64(text.len() as u64);
            hasher.write(text);
        }
    }
}

/// Whether `keys` begins with these values, as [`push`] writes them.
#[inline]
pub(super) fn begins_with(keys: &[u8], values: &[Value<'_>]) -> bool {
    let mut rest = keys;
    values.iter().all(|value| match strip(rest, *value) {
        Some(behind) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// What follows a value in a key; `None` where another one stands there.
#[inline]
fn strip<'k>(key: &'k [u8], value: Value<'_>) -> Option<&'k [u8]> {
    let (tag, rest) = key.split_first()?;
    let number = |wanted: u8, number: [u8; 8]| {
        let (written, rest) = rest.split_first_chunk()?;
        (*tag == wanted && *written == number).then_some(rest)
    };
    match value {
        Value::Missing => (*tag == MISSING).then_some(rest),
        Value::Bool(truth) => rest.strip_prefix(&[u8::from(truth)]).filter(|_| *tag == BOOL),
        Value::Integer(whole) => number(INTEGER, whole.to_le_bytes()),
        Value::Float(float) => number(FLOAT, float.to_le_bytes()),
        Value::Text(text) if text.len() < LONG => {
            let (written, behind) = rest.split_at_checked(text.len())?;
            (*tag == TEXT + text.len() as u8 && bytes::same(written, text)).then_some(behind)
        }
        Value::Text(text) => {
            let behind = number(LONG_TEXT, (text.len() as u64).to_le_bytes())?;
            behind.strip_prefix(text)
        }
    }
}

/// What had to be mended in a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    /// How many values were not UTF-8, or held a NUL.
    pub(super) encoding: u64,
    /// How many values were cut.
    pub(super) length: u64,
}

impl Flaws {
    pub(super) fn is_empty(self) -> bool {
        self == Flaws::default()
    }

    pub(super) fn count(self, refused: &mut Refusals) {
        refused.add(Refused::InvalidUtf8, self.encoding);
        refused.add(Refused::LabelTooLong, self.length);
    }
}

/// Writes the label values of a key as text into `joined`, which is empty, as [`SeriesKey::joined`](crate::model::series::SeriesKey::joined) has them.
pub(super) fn canonical(mut key: &[u8], joined: &mut String) -> Flaws {
    let mut flaws = Flaws::default();
    let mut first = true;
    while let Some((tag, rest)) = key.split_first() {
        if !std::mem::take(&mut first) {
            joined.push(SEPARATOR);
        }
        key = match *tag {
            BOOL => {
                joined.push_str(if rest[0] == 1 { "true" } else { "false" });
                &rest[1..]
            }
            INTEGER => {
                joined.push_str(itoa::Buffer::new().format(i64::from_le_bytes(eight(rest))));
                &rest[8..]
            }
            FLOAT => {
                float(f64::from_le_bytes(eight(rest)), joined);
                &rest[8..]
            }
            LONG_TEXT => {
                let (text, rest) = rest[8..].split_at(u64::from_le_bytes(eight(rest)) as usize);
                clean(text, joined, &mut flaws);
                rest
            }
            MISSING => rest,
            tag => {
                let (text, rest) = rest.split_at(usize::from(tag - TEXT));
                clean(text, joined, &mut flaws);
                rest
            }
        };
    }
    flaws
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes[..8].try_into().expect("a key is written by `push`, which puts eight bytes here")
}

/// A number as a person would write it: `2`, not `2.0`, and as `string()` does where it is not whole.
fn float(number: f64, joined: &mut String) {
    if number == number.trunc() && number.abs() < 1e15 {
        joined.push_str(itoa::Buffer::new().format(number as i64));
    } else {
        write!(joined, "{number:?}").expect("writing to a string cannot fail");
    }
}

fn clean(text: &[u8], joined: &mut String, flaws: &mut Flaws) {
    let cut = if text.len() > MAX_LABEL_BYTES { cut(text) } else { text };
    flaws.length += u64::from(cut.len() < text.len());
    let mut whole = memchr::memchr(0, cut).is_none();
    for chunk in cut.utf8_chunks() {
        joined.extend(
            chunk.valid().chars().map(|c| if c == SEPARATOR { char::REPLACEMENT_CHARACTER } else { c }),
        );
        if !chunk.invalid().is_empty() {
            joined.push(char::REPLACEMENT_CHARACTER);
            whole = false;
        }
    }
    flaws.encoding += u64::from(!whole);
}

/// At most [`MAX_LABEL_BYTES`] of `text`, not ending inside a character of UTF-8.
fn cut(text: &[u8]) -> &[u8] {
    let starts_character = |at: &usize| text[*at] & 0xC0 != 0x80;
    let end = (MAX_LABEL_BYTES - 3..=MAX_LABEL_BYTES).rev().find(starts_character);
    &text[..end.unwrap_or(MAX_LABEL_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use proptest::prelude::*;

    use super::*;
    use crate::model::series::SeriesKey;

    #[track_caller]
    fn check(values: &[Value<'_>], text: &[&str], flaws: &[Refused]) {
        let (mut key, mut joined) = (Vec::new(), String::new());
        values.iter().for_each(|value| push(&mut key, *value));
        let mut found = Refusals::default();
        canonical(&key, &mut joined).count(&mut found);
        assert_eq!(SeriesKey::from_joined(&joined).values().collect::<Vec<_>>(), text);
        assert_eq!(found.iter().map(|(flaw, _)| flaw).collect::<Vec<_>>(), flaws);
    }

    #[test]
    fn every_kind_of_value_has_a_text() {
        check(
            &[
                Value::Missing,
                Value::Bool(true),
                Value::Integer(-7),
                Value::Float(2.0),
                Value::Float(0.25),
                Value::Text(b"x"),
            ],
            &["", "true", "-7", "2", "0.25", "x"],
            &[],
        );
        check(
            &[Value::Float(f64::NAN), Value::Float(f64::NEG_INFINITY), Value::Float(1e300)],
            &["NaN", "-inf", "1e300"],
            &[],
        );
    }

    fn value() -> impl Strategy<Value = Value<'static>> {
        let texts: Vec<&'static [u8]> =
            vec![b"", b"a", b"ab", b"b", &[b'x'; LONG - 1], &[b'x'; LONG], &[b'y'; LONG]];
        prop_oneof![
            Just(Value::Missing),
            any::<bool>().prop_map(Value::Bool),
            (0..3i64).prop_map(Value::Integer),
            prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN]).prop_map(Value::Float),
            prop::sample::select(texts).prop_map(Value::Text),
        ]
    }

    proptest! {
        #[test]
        fn a_key_is_told_from_every_other(left in [value(), value()], right in [value(), value()]) {
            let write = |values: &[Value<'_>]| {
                let mut key = Vec::new();
                values.iter().for_each(|value| push(&mut key, *value));
                key
            };
            let same = write(&left) == write(&right);
            prop_assert_eq!(begins_with(&write(&left), &right), same);
            prop_assert!(begins_with(&[write(&left), b"more".to_vec()].concat(), &left));
            prop_assert_eq!(same, format!("{left:?}") == format!("{right:?}"));
            let hash = |values: &[Value<'_>]| {
                let mut hasher = foldhash::quality::FixedState::default().build_hasher();
                values.iter().for_each(|value| hash(*value, &mut hasher));
                hasher.finish()
            };
            prop_assert!(!same || hash(&left) == hash(&right));
        }
    }

    #[test]
    fn texts_of_every_length_are_read_back() {
        for len in [0, 1, LONG - 1, LONG, LONG + 1, 300] {
            let text = "x".repeat(len);
            check(&[Value::Text(text.as_bytes()), Value::Text(b"y")], &[&text, "y"], &[]);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        check(&[Value::Text(b"a\xffb")], &["a\u{fffd}b"], &[Refused::InvalidUtf8]);
        check(&[Value::Text(b"a\0b"), Value::Missing], &["a\u{fffd}b", ""], &[Refused::InvalidUtf8]);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "é".repeat(MAX_LABEL_BYTES);
        check(&[Value::Text(long.as_bytes())], &[&long[..MAX_LABEL_BYTES]], &[Refused::LabelTooLong]);
        let odd = format!("x{long}");
        check(&[Value::Text(odd.as_bytes())], &[&odd[..MAX_LABEL_BYTES - 1]], &[Refused::LabelTooLong]);
    }
}
