//! The key of an event's labels: first as values came, then as text that any exposition can show.

use std::fmt::Write as _;

use crate::model::refused::{Refusals, Refused};
use crate::model::series::SEPARATOR;
use crate::model::value::Value;

/// Longer label values are cut here, so that series times labels bounds the memory.
pub const MAX_LABEL_BYTES: usize = 1024;

const MISSING: u8 = 0;
const BOOL: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;

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
            key.push(TEXT);
            key.extend((text.len() as u64).to_le_bytes());
            key.extend_from_slice(text);
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
            TEXT => {
                let (text, rest) = rest[8..].split_at(u64::from_le_bytes(eight(rest)) as usize);
                clean(text, joined, &mut flaws);
                rest
            }
            _ => rest,
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
