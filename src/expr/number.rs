//! Numbers of expressions: 64-bit integers and floats, compared and combined without silent loss.

use std::cmp::Ordering;

use crate::model::refused::Refused;
use crate::model::value::{Value, parse_number};

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

/// `+ - * / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Number {
    /// The number that `value` is or, as text, spells.
    pub(super) fn of(value: Value<'_>) -> Result<Number, Refused> {
        match value {
            Value::Integer(whole) => Ok(Number::Integer(whole)),
            Value::Float(number) => Ok(Number::Float(number)),
            Value::Text(text) => Number::spelled(text).ok_or(Refused::NotANumber),
            Value::Bool(_) => Err(Refused::WrongType),
            Value::Missing => Err(Refused::MissingField),
        }
    }

    fn spelled(text: &[u8]) -> Option<Number> {
        let text = text.trim_ascii();
        if text.len() <= 18 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            return Some(Number::Integer(
                text.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
            ));
        }
        let whole = std::str::from_utf8(text).ok()?.parse().ok().map(Number::Integer);
        whole.or_else(|| parse_number(text).map(Number::Float))
    }

    /// The number as a value.
    pub(super) fn value<'b>(self) -> Value<'b> {
        match self {
            Number::Integer(whole) => Value::Integer(whole),
            Number::Float(number) => Value::Float(number),
        }
    }

    /// The nearest float.
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Integer(whole) => whole as f64,
            Number::Float(number) => number,
        }
    }

    /// The integer, a fraction cut off; an error where it does not fit.
    pub(super) fn integer(self) -> Result<i64, Refused> {
        match self {
            Number::Integer(whole) => Ok(whole),
            Number::Float(number) if number.abs() < TWO_TO_63 || number == -TWO_TO_63 => Ok(number as i64),
            Number::Float(_) => Err(Refused::Arithmetic),
        }
    }

    /// The exact order of two numbers, mixed ones too; `None` if one is NaN.
    pub(super) fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => Some(left.cmp(&right)),
            (Number::Float(left), Number::Float(right)) => left.partial_cmp(&right),
            (Number::Integer(left), Number::Float(right)) => compare_mixed(left, right),
            (Number::Float(left), Number::Integer(right)) => {
                compare_mixed(right, left).map(Ordering::reverse)
            }
        }
    }

    /// `-self`.
    pub(super) fn negate(self) -> Result<Number, Refused> {
        match self {
            Number::Integer(whole) => whole.checked_neg().map(Number::Integer).ok_or(Refused::Arithmetic),
            Number::Float(number) => Ok(Number::Float(-number)),
        }
    }
}

/// The first float above every `i64`.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

fn compare_mixed(whole: i64, number: f64) -> Option<Ordering> {
    if number.is_nan() {
        None
    } else if number >= TWO_TO_63 {
        Some(Ordering::Less)
    } else if number < -TWO_TO_63 {
        Some(Ordering::Greater)
    } else {
        let fraction = number - number.trunc();
        Some(whole.cmp(&(number as i64)).then(0.0f64.total_cmp(&(fraction + 0.0))))
    }
}

impl Operation {
    /// Integers give an integer, checked; a float on either side gives a float.
    pub(super) fn apply(self, left: Number, right: Number) -> Result<Number, Refused> {
        if let (Number::Integer(left), Number::Integer(right)) = (left, right) {
            let whole = match self {
                Operation::Add => left.checked_add(right),
                Operation::Subtract => left.checked_sub(right),
                Operation::Multiply => left.checked_mul(right),
                Operation::Divide => left.checked_div(right),
                Operation::Remainder => left.checked_rem(right),
            };
            return whole.map(Number::Integer).ok_or(Refused::Arithmetic);
        }
        let (left, right) = (left.float(), right.float());
        Ok(Number::Float(match self {
            Operation::Add => left + right,
            Operation::Subtract => left - right,
            Operation::Multiply => left * right,
            Operation::Divide => left / right,
            Operation::Remainder => left % right,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn mixed_comparison_agrees_with_exact_arithmetic(whole: i64, offset in -2i64..=2, half: bool) {
            let number = whole.saturating_add(offset) as f64 + if half { 0.5 } else { 0.0 };
            // Every float of this size is a multiple of a half, so twice its value is an exact i128.
            let exact = (i128::from(whole) * 2).cmp(&((number * 2.0) as i128));
            prop_assert_eq!(Number::Integer(whole).compare(Number::Float(number)), Some(exact));
            prop_assert_eq!(Number::Float(number).compare(Number::Integer(whole)), Some(exact.reverse()));
        }

        #[test]
        fn integers_survive_being_spelled(whole: i64) {
            prop_assert_eq!(Number::spelled(whole.to_string().as_bytes()), Some(Number::Integer(whole)));
        }
    }

    #[test]
    fn floats_beyond_the_integers_and_nan_have_their_order() {
        for (number, order) in [
            (f64::INFINITY, Some(Ordering::Less)),
            (TWO_TO_63, Some(Ordering::Less)),
            (-TWO_TO_63, Some(Ordering::Greater)),
            (f64::NEG_INFINITY, Some(Ordering::Greater)),
            (f64::NAN, None),
        ] {
            assert_eq!(Number::Integer(i64::MAX).compare(Number::Float(number)), order, "{number}");
        }
        assert_eq!(Number::Integer(i64::MIN).compare(Number::Float(-TWO_TO_63)), Some(Ordering::Equal));
        assert_eq!(Number::Integer(0).compare(Number::Float(-0.0)), Some(Ordering::Equal));
        assert_eq!(Number::Float(f64::NAN).integer(), Err(Refused::Arithmetic));
        assert_eq!(Number::Float(-TWO_TO_63).integer(), Ok(i64::MIN));
    }
}
