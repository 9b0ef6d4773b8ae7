//! What expressions do with texts: searches, conversions, concatenation.

use std::io::Write;

use bumpalo::Bump;
use memchr::memmem;

use super::node::Type;
use super::number::Number;
use crate::model::refused::Refused;
use crate::model::value::Value;

/// A question about a text that a literal argument prepared at compile time.
#[derive(Clone, Debug)]
pub(super) enum Search {
    /// `contains` with a literal.
    Literal(Box<memmem::Finder<'static>>),
    /// `matches`.
    Regex(regex::bytes::Regex),
}

impl Search {
    /// Whether `text` has it.
    pub(super) fn finds(&self, text: &[u8]) -> bool {
        match self {
            Search::Literal(finder) => finder.find(text).is_some(),
            Search::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A question about two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affix {
    Contains,
    StartsWith,
    EndsWith,
}

impl Affix {
    /// Whether `text` has `part`.
    pub(super) fn holds(self, text: &[u8], part: &[u8]) -> bool {
        match self {
            Affix::Contains => memmem::find(text, part).is_some(),
            Affix::StartsWith => text.starts_with(part),
            Affix::EndsWith => text.ends_with(part),
        }
    }
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    Size,
    LowerAscii,
    UpperAscii,
    Double,
    Int,
    String,
}

impl Conversion {
    /// The types of values that it can work with.
    pub(super) fn operands(self) -> &'static [Type] {
        match self {
            Conversion::Size | Conversion::LowerAscii | Conversion::UpperAscii => &[Type::Text],
            Conversion::Double | Conversion::Int => &[Type::Number, Type::Text],
            Conversion::String => &[Type::Bool, Type::Number, Type::Text],
        }
    }

    /// What it works with, in words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Conversion::Size | Conversion::LowerAscii | Conversion::UpperAscii => "a text",
            Conversion::Double | Conversion::Int => "a number",
            Conversion::String => "a value",
        }
    }

    /// The function's result for `value`.
    pub(super) fn apply<'b>(self, value: Value<'b>, arena: &'b Bump) -> Result<Value<'b>, Refused> {
        match self {
            Conversion::Size => Ok(Value::Integer(size(text_of(value)?))),
            Conversion::LowerAscii => {
                let text = text_of(value)?;
                Ok(changed(
                    text,
                    text.iter().any(u8::is_ascii_uppercase),
                    arena,
                    <[u8]>::make_ascii_lowercase,
                ))
            }
            Conversion::UpperAscii => {
                let text = text_of(value)?;
                Ok(changed(
                    text,
                    text.iter().any(u8::is_ascii_lowercase),
                    arena,
                    <[u8]>::make_ascii_uppercase,
                ))
            }
            Conversion::Double => Ok(Value::Float(Number::of(value)?.float())),
            Conversion::Int => Ok(Value::Integer(Number::of(value)?.integer()?)),
            Conversion::String => spell(value, arena),
        }
    }
}

/// The text that `value` is.
pub(super) fn text_of(value: Value<'_>) -> Result<&[u8], Refused> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Missing => Err(Refused::MissingField),
        _ => Err(Refused::WrongType),
    }
}

/// `left` followed by `right`, in the arena.
pub(super) fn concatenate<'b>(left: &[u8], right: &[u8], arena: &'b Bump) -> Value<'b> {
    let whole = arena.alloc_slice_fill_copy(left.len() + right.len(), 0);
    let (head, tail) = whole.split_at_mut(left.len());
    head.copy_from_slice(left);
    tail.copy_from_slice(right);
    Value::Text(whole)
}

fn changed<'b>(text: &'b [u8], changes: bool, arena: &'b Bump, change: fn(&mut [u8])) -> Value<'b> {
    if !changes {
        return Value::Text(text);
    }
    let copy = arena.alloc_slice_copy(text);
    change(copy);
    Value::Text(copy)
}

/// Unicode code points, bytes where the text is not UTF-8.
fn size(text: &[u8]) -> i64 {
    let len = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// `value` as text, the way a label shows it; text stays as it is. A missing value is refused.
pub fn spell<'b>(value: Value<'b>, arena: &'b Bump) -> Result<Value<'b>, Refused> {
    // Long enough for every i64, and for every float as they are written here.
    let mut buffer = [0u8; 40];
    let mut out = &mut buffer[..];
    let written = match value {
        Value::Missing => return Err(Refused::MissingField),
        Value::Text(_) => return Ok(value),
        Value::Bool(truth) => return Ok(Value::Text(if truth { b"true" } else { b"false" })),
        Value::Integer(whole) => write!(out, "{whole}"),
        Value::Float(number) if number.is_infinite() => {
            return Ok(Value::Text(if number > 0.0 { b"+Inf" } else { b"-Inf" }));
        }
        Value::Float(number) if number == 0.0 || (1e-5..1e17).contains(&number.abs()) => {
            write!(out, "{number}")
        }
        Value::Float(number) => write!(out, "{number:e}"),
    };
    written.expect("a number is shorter than the buffer");
    let left = out.len();
    Ok(Value::Text(arena.alloc_slice_copy(&buffer[..buffer.len() - left])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spelled_float_reads_back_the_same(bits: u64) {
            let number = f64::from_bits(bits);
            let arena = Bump::new();
            let back = spell(Value::Float(number), &arena).unwrap().as_number().unwrap();
            prop_assert!(back == number || (back.is_nan() && number.is_nan()), "{number} {back}");
        }
    }
}
