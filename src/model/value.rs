//! The value of one field of one event.

/// A field's value, borrowed from the batch or from the batch's arena.
///
/// There are no lists or maps: a decoder fills only the scalar fields that a pipeline names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
pub fn parse_number(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    if text.len() <= 15 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0')) as f64);
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for text in ["0", "999999999999999", "1000000000000000", "18446744073709551616"] {
            assert_eq!(parse_number(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }
}
