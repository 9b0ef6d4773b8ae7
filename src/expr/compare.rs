//! Comparing values: the six comparisons, and membership in a list of literals.

use std::cmp::Ordering;

use super::number::Number;
use crate::model::refused::Refused;
use crate::model::value::Value;

/// `== != < <= > >=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether it holds for operands in this order; `None` is a NaN, which equals nothing.
    fn accepts(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::Unequal => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// The comparison that says the same with the operands exchanged.
    pub(super) fn flipped(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }

    /// Compares two values. Text meets a number as the number it spells, a bool as the bool it spells.
    #[inline]
    pub(super) fn apply(self, left: Value<'_>, right: Value<'_>) -> Result<bool, Refused> {
        match (left, right) {
            (Value::Integer(left), Value::Integer(right)) => Ok(self.accepts(Some(left.cmp(&right)))),
            (Value::Text(left), Value::Text(right)) => Ok(self.apply_to_texts(left, right)),
            (Value::Float(left), Value::Float(right)) => Ok(self.accepts(left.partial_cmp(&right))),
            _ => self.apply_to_mixed(left, right),
        }
    }

    fn apply_to_texts(self, left: &[u8], right: &[u8]) -> bool {
        match self {
            // Texts of different lengths need not be read to be told apart.
            Comparison::Equal => left == right,
            Comparison::Unequal => left != right,
            _ => self.accepts(Some(left.cmp(right))),
        }
    }

    fn apply_to_mixed(self, left: Value<'_>, right: Value<'_>) -> Result<bool, Refused> {
        match (left, right) {
            (Value::Missing, _) | (_, Value::Missing) => Err(Refused::MissingField),
            (Value::Bool(_), _) | (_, Value::Bool(_)) => {
                let order = as_bool(left)?.cmp(&as_bool(right)?);
                Ok(self.accepts(Some(order)))
            }
            _ => Ok(self.accepts(Number::of(left)?.compare(Number::of(right)?))),
        }
    }
}

fn as_bool(value: Value<'_>) -> Result<bool, Refused> {
    match value {
        Value::Bool(truth) => Ok(truth),
        Value::Text(b"true") => Ok(true),
        Value::Text(b"false") => Ok(false),
        _ => Err(Refused::WrongType),
    }
}

/// A value written in the expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Box<[u8]>),
}

impl Literal {
    /// The literal as a value that borrows from the program.
    #[inline]
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Literal::Null => Value::Missing,
            Literal::Bool(truth) => Value::Bool(*truth),
            Literal::Integer(whole) => Value::Integer(*whole),
            Literal::Float(number) => Value::Float(*number),
            Literal::Text(text) => Value::Text(text),
        }
    }
}

/// The list of literals to the right of `in`.
#[derive(Clone, Debug)]
pub(super) enum Set {
    /// All texts, in ascending order.
    Texts(Box<[Box<[u8]>]>),
    /// All integers, in ascending order.
    Integers(Box<[i64]>),
    /// Anything else, as written.
    Mixed(Box<[Literal]>),
}

impl Set {
    /// The set of `literals`.
    pub(super) fn new(literals: Vec<Literal>) -> Set {
        let texts: Option<Vec<Box<[u8]>>> = literals.iter().map(text).collect();
        let integers: Option<Vec<i64>> = literals.iter().map(integer).collect();
        match (texts, integers) {
            (Some(mut texts), _) => {
                texts.sort_unstable();
                Set::Texts(texts.into())
            }
            (None, Some(mut integers)) => {
                integers.sort_unstable();
                Set::Integers(integers.into())
            }
            (None, None) => Set::Mixed(literals.into()),
        }
    }

    /// Whether `value` equals an element. An element that `value` cannot be compared with counts only if
    /// no other equals it, as `||` has it.
    pub(super) fn contains(&self, value: Value<'_>) -> Result<bool, Refused> {
        match (self, value) {
            (Set::Texts(texts), Value::Text(text)) => {
                Ok(texts.binary_search_by(|element| (**element).cmp(text)).is_ok())
            }
            (Set::Integers(integers), Value::Integer(whole)) => Ok(integers.binary_search(&whole).is_ok()),
            (Set::Texts(texts), _) => any_equal(value, texts.iter().map(|text| Value::Text(text))),
            (Set::Integers(integers), _) => any_equal(value, integers.iter().copied().map(Value::Integer)),
            (Set::Mixed(literals), Value::Missing) if literals.contains(&Literal::Null) => Ok(true),
            (Set::Mixed(literals), _) => {
                let others = literals.iter().filter(|literal| **literal != Literal::Null);
                any_equal(value, others.map(Literal::value))
            }
        }
    }
}

fn text(literal: &Literal) -> Option<Box<[u8]>> {
    match literal {
        Literal::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn integer(literal: &Literal) -> Option<i64> {
    match literal {
        Literal::Integer(whole) => Some(*whole),
        _ => None,
    }
}

fn any_equal<'e>(value: Value<'_>, elements: impl Iterator<Item = Value<'e>>) -> Result<bool, Refused> {
    if value == Value::Missing {
        return Err(Refused::MissingField);
    }
    let mut result = Ok(false);
    for element in elements {
        match Comparison::Equal.apply(value, element) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            refused => result = result.and(refused),
        }
    }
    result
}
