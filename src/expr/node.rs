//! The compiled form of an expression, and its evaluation.

use bumpalo::Bump;

use super::compare::{Comparison, Literal, Set};
use super::number::{Number, Operation};
use super::text::{Affix, Conversion, Search, concatenate, text_of};
use crate::model::field::Slot;
use crate::model::refused::Refused;
use crate::model::value::Value;

/// One step of a program. The depth of the tree is bounded when it is built.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(Literal),
    Field(Slot),
    Has(Slot),
    /// `x == null` or `x != null`: whether being missing is what is `wanted`.
    IsNull {
        operand: Box<Node>,
        wanted: bool,
    },
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    /// `condition ? first : second`.
    If(Box<[Node; 3]>),
    /// A field against a literal, the shape that most conditions have.
    CompareField {
        slot: Slot,
        comparison: Comparison,
        literal: Literal,
    },
    Compare(Comparison, Box<[Node; 2]>),
    In(Box<Node>, Set),
    Search(Box<Node>, Search),
    Affix(Affix, Box<[Node; 2]>),
    Negate(Box<Node>),
    Arithmetic(Operation, Box<[Node; 2]>),
    Convert(Conversion, Box<Node>),
}

/// What is known of a node's result before any event comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Null,
    Bool,
    Number,
    Text,
}

impl Node {
    /// The value for an event. A field that is missing is [`Value::Missing`] as a result; within an
    /// operation it is refused.
    pub(super) fn eval<'b>(&self, row: &[Value<'b>], arena: &'b Bump) -> Result<Value<'b>, Refused> {
        match self {
            Node::Literal(Literal::Text(text)) => Ok(Value::Text(arena.alloc_slice_copy(text))),
            Node::Literal(Literal::Null) => Ok(Value::Missing),
            Node::Literal(Literal::Bool(truth)) => Ok(Value::Bool(*truth)),
            Node::Literal(Literal::Integer(whole)) => Ok(Value::Integer(*whole)),
            Node::Literal(Literal::Float(number)) => Ok(Value::Float(*number)),
            Node::Field(slot) => Ok(field(*slot, row)),
            Node::If(parts) => parts[branch(&parts[0], row, arena)?].eval(row, arena),
            Node::Negate(operand) => Ok(Number::of(operand.operand(row, arena)?)?.negate()?.value()),
            Node::Arithmetic(operation, sides) => arithmetic(*operation, sides, row, arena),
            Node::Convert(conversion, operand) => conversion.apply(operand.eval(row, arena)?, arena),
            Node::Has(_)
            | Node::IsNull { .. }
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::CompareField { .. }
            | Node::Compare(..)
            | Node::In(..)
            | Node::Search(..)
            | Node::Affix(..) => self.truth(row, arena).map(Value::Bool),
        }
    }

    /// The value, which may borrow from the program: a literal text costs nothing.
    fn operand<'a>(&'a self, row: &[Value<'a>], arena: &'a Bump) -> Result<Value<'a>, Refused> {
        match self {
            Node::Literal(literal) => Ok(literal.value()),
            Node::If(parts) => parts[branch(&parts[0], row, arena)?].operand(row, arena),
            _ => self.eval(row, arena),
        }
    }

    /// The value as a condition.
    pub(super) fn truth(&self, row: &[Value<'_>], arena: &Bump) -> Result<bool, Refused> {
        match self {
            Node::CompareField { slot, comparison, literal } => {
                comparison.apply(field(*slot, row), literal.value())
            }
            Node::And(terms) => decided(terms, false, row, arena),
            Node::Or(terms) => decided(terms, true, row, arena),
            Node::Not(operand) => operand.truth(row, arena).map(|truth| !truth),
            Node::Has(slot) => Ok(field(*slot, row) != Value::Missing),
            Node::IsNull { operand, wanted } => {
                Ok((operand.operand(row, arena)? == Value::Missing) == *wanted)
            }
            Node::Compare(comparison, sides) => {
                comparison.apply(sides[0].operand(row, arena)?, sides[1].operand(row, arena)?)
            }
            Node::In(operand, set) => set.contains(operand.operand(row, arena)?),
            Node::Search(operand, search) => Ok(search.finds(text_of(operand.operand(row, arena)?)?)),
            Node::Affix(affix, sides) => {
                let text = text_of(sides[0].operand(row, arena)?)?;
                Ok(affix.holds(text, text_of(sides[1].operand(row, arena)?)?))
            }
            Node::If(parts) => parts[branch(&parts[0], row, arena)?].truth(row, arena),
            Node::Literal(_)
            | Node::Field(_)
            | Node::Negate(_)
            | Node::Arithmetic(..)
            | Node::Convert(..) => match self.operand(row, arena)? {
                Value::Bool(truth) => Ok(truth),
                Value::Missing => Err(Refused::MissingField),
                _ => Err(Refused::WrongType),
            },
        }
    }

    /// What its result is known to be, errors aside.
    pub(super) fn result(&self) -> Type {
        match self {
            Node::Literal(Literal::Null) => Type::Null,
            Node::Literal(Literal::Bool(_)) => Type::Bool,
            Node::Literal(Literal::Integer(_) | Literal::Float(_)) => Type::Number,
            Node::Literal(Literal::Text(_)) => Type::Text,
            Node::Field(_) => Type::Any,
            Node::If(parts) if parts[1].result() == parts[2].result() => parts[1].result(),
            Node::If(_) => Type::Any,
            Node::Arithmetic(Operation::Add, sides) => match (sides[0].result(), sides[1].result()) {
                (Type::Number, _) | (_, Type::Number) => Type::Number,
                (Type::Text, Type::Text) => Type::Text,
                _ => Type::Any,
            },
            Node::Negate(_) | Node::Arithmetic(..) => Type::Number,
            Node::Convert(Conversion::Size | Conversion::Double | Conversion::Int, _) => Type::Number,
            Node::Convert(..) => Type::Text,
            _ => Type::Bool,
        }
    }
}

/// The value of a field, missing where the row has none.
#[inline]
pub(super) fn field<'b>(slot: Slot, row: &[Value<'b>]) -> Value<'b> {
    row.get(slot.0).copied().unwrap_or_default()
}

/// Which part of an `If` is its result.
fn branch(condition: &Node, row: &[Value<'_>], arena: &Bump) -> Result<usize, Refused> {
    Ok(if condition.truth(row, arena)? { 1 } else { 2 })
}

/// `&&` (decided by the first false) and `||` (decided by the first true). A term that is refused matters
/// only if no other decides.
fn decided(terms: &[Node], by: bool, row: &[Value<'_>], arena: &Bump) -> Result<bool, Refused> {
    let mut result = Ok(!by);
    for term in terms {
        match term.truth(row, arena) {
            Ok(truth) if truth == by => return Ok(by),
            Ok(_) => {}
            refused => result = result.and(refused),
        }
    }
    result
}

fn arithmetic<'b>(
    operation: Operation,
    sides: &[Node; 2],
    row: &[Value<'b>],
    arena: &'b Bump,
) -> Result<Value<'b>, Refused> {
    // The operands may borrow from the program, which the result must not.
    let (left, right) = (sides[0].operand(row, arena)?, sides[1].operand(row, arena)?);
    if let (Operation::Add, Value::Text(left), Value::Text(right)) = (operation, left, right) {
        return Ok(concatenate(left, right, arena));
    }
    operation.apply(Number::of(left)?, Number::of(right)?).map(Number::value)
}
