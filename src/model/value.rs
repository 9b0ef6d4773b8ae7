//! The value of one field of one event.

/// A field's value, borrowed from the batch or from the batch's arena.
///
/// There are no lists or maps: a decoder fills only the scalar fields that a pipeline names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
// A tag as wide as what follows it is copied by whole words. The odd bytes between a tag of one byte and its value are not,
// and reading what was just written in other pieces makes the processor wait.
#[repr(u64)]
pub enum Value<'b> {
    /// The event has no such field, or the field is null.
    #[default]
    Missing,
    /// True or false.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// Any other number; may be infinite or not a number, which aggregators refuse.
    Float(f64),
    /// Bytes, usually but not necessarily UTF-8.
    Text(&'b [u8]),
}

impl Value<'_> {
    /// The value as a number: numbers as they are, text that spells a number parsed, all else `None`.
    pub fn as_number(self) -> Option<f64> {
        match self {
            Value::Integer(whole) => Some(whole as f64),
            Value::Float(number) => Some(number),
            Value::Text(text) => parse_number(text),
            Value::Missing | Value::Bool(_) => None,
        }
    }
}

/// Parses the whole of `text`, spaces around it aside, as a decimal number.
///
/// Accepts what [`f64::from_str`](std::str::FromStr) accepts, which includes `1e3`, `inf` and `NaN`.
#[inline]
pub fn parse_number(text: &[u8]) -> Option<f64> {
    short_decimal(text).or_else(|| std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok())
}

/// The powers of ten that a short decimal can be divided by.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// `123` or `0.123`: at most 15 digits. They and the power of ten are floats without rounding, so their quotient is the
/// nearest float to the number (Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    if text.len() > POWERS.len() {
        return None;
    }
    let (mut digits, mut point) = (0u64, None);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits = digits * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    match point {
        None if (1..POWERS.len()).contains(&text.len()) => Some(digits as f64),
        Some(at) if text.len() > 1 => Some(digits as f64 / POWERS[text.len() - 1 - at]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decimals_are_read_as_the_standard_parser_reads_them(text in "[-+]?[0-9]{0,16}[.]?[0-9]{0,16}[.e]?[0-9]?") {
            prop_assert_eq!(parse_number(text.as_bytes()), text.parse().ok());
        }
    }

    #[test]
    fn text_that_spells_a_number_is_one() {
        for (text, number) in [("12", 12.0), (" 7 ", 7.0), ("-1.5", -1.5), ("1e3", 1000.0), ("000", 0.0)] {
            assert_eq!(Value::Text(text.as_bytes()).as_number(), Some(number), "{text:?}");
        }
        for text in ["", " ", "12x", "0x10", "1 2", "-", "\u{661}"] {
            assert_eq!(Value::Text(text.as_bytes()).as_number(), None, "{text:?}");
        }
    }

    #[test]
    fn the_fast_path_agrees_with_the_standard_parser() {
        for text in [
            "0",
            "0.5",
            ".5",
            "5.",
            "123456789012345.",
            "1234567890123456",
            "999999999999999",
            "1000000000000000",
            "18446744073709551616",
        ] {
            assert_eq!(parse_number(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }
}
