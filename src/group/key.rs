//! The key of an event's labels: first as values came, then as text that any exposition can show.

use std::borrow::Cow;

use crate::model::refused::Refused;
use crate::model::series::SeriesKey;
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

/// The label values of a key as text, and what had to be mended for that.
pub(super) fn canonical(mut key: &[u8]) -> (SeriesKey, Vec<Refused>) {
    let mut flaws = Vec::new();
    let mut values = Vec::new();
    while let Some((tag, rest)) = key.split_first() {
        let (value, rest) = match *tag {
            BOOL => (Cow::Borrowed(if rest[0] == 1 { "true" } else { "false" }), &rest[1..]),
            INTEGER => {
                (itoa::Buffer::new().format(i64::from_le_bytes(eight(rest))).to_owned().into(), &rest[8..])
            }
            FLOAT => (float(f64::from_le_bytes(eight(rest))).into(), &rest[8..]),
            TEXT => {
                let (text, rest) = rest[8..].split_at(u64::from_le_bytes(eight(rest)) as usize);
                (clean(text, &mut flaws), rest)
            }
            _ => (Cow::Borrowed(""), rest),
        };
        values.push(value);
        key = rest;
    }
    (SeriesKey::new(values), flaws)
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes[..8].try_into().expect("a key is written by `push`, which puts eight bytes here")
}

/// A number as a person would write it: `2`, not `2.0`.
fn float(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return (number as i64).to_string();
    }
    number.to_string()
}

fn clean<'t>(text: &'t [u8], flaws: &mut Vec<Refused>) -> Cow<'t, str> {
    let cut = if text.len() > MAX_LABEL_BYTES {
        flaws.push(Refused::LabelTooLong);
        cut(text)
    } else {
        text
    };
    let clean = String::from_utf8_lossy(cut);
    if matches!(clean, Cow::Owned(_)) || memchr::memchr(0, cut).is_some() {
        flaws.push(Refused::InvalidUtf8);
    }
    clean
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

    #[track_caller]
    fn check(values: &[Value<'_>], text: &[&str], flaws: &[Refused]) {
        let mut key = Vec::new();
        values.iter().for_each(|value| push(&mut key, *value));
        let (canonical, found) = canonical(&key);
        assert_eq!(canonical.values().collect::<Vec<_>>(), text);
        assert_eq!(found, flaws);
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
            &["NaN", "-inf", &1e300.to_string()],
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
