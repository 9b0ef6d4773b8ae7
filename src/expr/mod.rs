//! Expressions: CEL source → program over field slots.
//!
//! source → tokens → syntax tree (by the `cel` crate) → nodes → value. The language is described in
//! `docs/expressions.md`, whose tables are run as tests. A program allocates nothing but texts it makes,
//! in the arena it is given; what it cannot compute is refused with a reason.

mod compare;
mod compile;
mod function;
mod name;
mod node;
mod number;
mod required;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod token;

use bumpalo::Bump;

use crate::model::field::{Fields, Slot};
use crate::model::refused::Refused;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::place::Text;
use compile::Compiler;
use node::Node;
use syntax::Syntax;
use token::Tokens;

pub use text::spell;

/// A compiled expression. Clone it for every worker: a clone has regex caches of its own.
#[derive(Clone, Debug)]
pub struct Program {
    root: Node,
}

/// Compiles an expression whose result may be of any type; `None` once a fault was added.
pub fn compile(source: &Text, fields: &mut Fields, faults: &mut Faults) -> Option<Program> {
    compile_with(source, fields, faults, |compiler| compiler.node(&compiler.syntax.root))
}

/// Compiles an expression that is used as a condition: a result that is known not to be true or false is
/// a fault too.
pub fn compile_condition(source: &Text, fields: &mut Fields, faults: &mut Faults) -> Option<Program> {
    compile_with(source, fields, faults, |compiler| compiler.condition(&compiler.syntax.root))
}

/// Compiles an expression that is used as a number: a result that is known to be null, true or false is a fault
/// too. A text may turn out to be a number.
pub fn compile_number(source: &Text, fields: &mut Fields, faults: &mut Faults) -> Option<Program> {
    compile_with(source, fields, faults, |compiler| compiler.number(&compiler.syntax.root))
}

/// Compiles an expression that must be just a field, such as `user.id` or `raw`: its slot.
pub fn compile_field(source: &Text, fields: &mut Fields, faults: &mut Faults) -> Option<Slot> {
    compile_with(source, fields, faults, |compiler| compiler.field(&compiler.syntax.root))?.slot()
}

fn compile_with(
    source: &Text,
    fields: &mut Fields,
    faults: &mut Faults,
    compile: impl FnOnce(&mut Compiler<'_, '_>) -> Option<Node>,
) -> Option<Program> {
    let tokens = Tokens::read(source, faults)?;
    let syntax = Syntax::parse(tokens, faults)?;
    let root = compile(&mut Compiler::new(&syntax, fields, faults))?;
    Some(Program { root })
}

impl Program {
    /// The value for an event, whose fields are `row` by slot. A program that is just a field, or that chooses
    /// one with `?:`, may be [`Value::Missing`]; in an operation a missing field is refused.
    #[inline]
    pub fn eval<'b>(&self, row: &[Value<'b>], arena: &'b Bump) -> Result<Value<'b>, Refused> {
        // Most labels and values are fields, which are not worth a call.
        match self.root {
            Node::Field(slot) => Ok(node::field(slot, row)),
            _ => self.root.eval(row, arena),
        }
    }

    /// The field that it is, if it is nothing more.
    pub fn field(&self) -> Option<Slot> {
        match self.root {
            Node::Field(slot) => Some(slot),
            _ => None,
        }
    }

    /// Whether the condition holds for an event; a result that is not true or false is refused.
    pub fn holds(&self, row: &[Value<'_>], arena: &Bump) -> Result<bool, Refused> {
        self.root.truth(row, arena)
    }

    /// Literals of which a record has at least one wherever the condition holds for its event; `None` where it asks for
    /// none, or only for such as most records have. `is_verbatim` says of which fields the text stands in the record as
    /// it is, so that what is in the field is in the record.
    ///
    /// Where a record has none of them, and all those fields are there, the condition is false rather than refused.
    pub fn required(&self, is_verbatim: &dyn Fn(Slot) -> bool) -> Option<Vec<Vec<u8>>> {
        required::of(&self.root, is_verbatim)
    }

    /// The same for records for which at least one of several conditions holds.
    pub fn required_by_any(
        conditions: &[&Program],
        is_verbatim: &dyn Fn(Slot) -> bool,
    ) -> Option<Vec<Vec<u8>>> {
        required::of_any(conditions.iter().map(|condition| &condition.root), is_verbatim)
    }

    /// The field that the program is, if it is nothing else.
    pub fn slot(&self) -> Option<Slot> {
        match self.root {
            Node::Field(slot) => Some(slot),
            _ => None,
        }
    }
}
