//! `sequence: field`: holes in a feed's own numbering.
//!
//! A number above the one before by more than 1 means that messages in between did not come, whether the connection
//! was lost or the feed left them out. One that is not above it means that the feed began anew.

use bumpalo::Bump;

use crate::expr;
use crate::json::Reader;
use crate::model::field::{Field, Fields};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

/// Where the number is in a message.
#[derive(Clone, Debug)]
pub struct Numbered(Reader);

impl Numbered {
    /// Reads the path of the field.
    pub fn read(node: &Node, faults: &mut Faults) -> Option<Numbered> {
        let text = node.text_of("the field that numbers the messages, such as `seq`", faults)?;
        let mut fields = Fields::new(None, &[]);
        let slot = expr::compile_field(text, &mut fields, faults)?;
        let Some(Field::Event(_)) = fields.used().get(slot.0) else {
            let problem = format!("`{}` is no field of a message", text.text);
            faults.add_with_help(text.place, problem, "name a field of the JSON object, such as `seq`");
            return None;
        };
        Some(Numbered(Reader::new(&fields, &[])))
    }
}

/// The numbers of one feed, across its connections.
#[derive(Debug)]
pub struct Sequence {
    numbered: Numbered,
    arena: Bump,
    last: Option<i64>,
    found: Found,
}

/// What the numbers said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages that did not come.
    pub missed: u64,
    /// Numbers that were not above the one before.
    pub resets: u64,
}

impl Sequence {
    /// No number yet.
    pub fn new(numbered: Numbered) -> Sequence {
        Sequence { numbered, arena: Bump::new(), last: None, found: Found::default() }
    }

    /// Looks at the next record. One without a number is passed over.
    pub fn look(&mut self, record: &[u8]) {
        let number = self.number(record);
        self.arena.reset();
        let Some(number) = number else { return };
        match self.last.replace(number) {
            Some(last) if number <= last => self.found.resets += 1,
            Some(last) => {
                let missed = number.abs_diff(last) - 1;
                self.found.missed = self.found.missed.saturating_add(missed);
            }
            None => {}
        }
    }

    /// What was found since the last time.
    pub fn take(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    fn number(&mut self, record: &[u8]) -> Option<i64> {
        let mut row = [Value::Missing];
        self.numbered.0.read(record, &mut row, &self.arena).ok()?;
        match row[0] {
            Value::Integer(number) => Some(number),
            // Numbers that JavaScript could not hold are often written as texts.
            Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::parse;

    /// Checks what is found in messages that are numbered by `field`.
    #[track_caller]
    fn check(field: &str, messages: &[&str], missed: u64, resets: u64) {
        let mut faults = Faults::new();
        let file = faults.file("a.yaml", field);
        let node = parse(file, field, &|_| None, &mut faults).unwrap();
        let mut sequence = Sequence::new(Numbered::read(&node, &mut faults).unwrap());
        messages.iter().for_each(|message| sequence.look(message.as_bytes()));
        assert_eq!(sequence.take(), Found { missed, resets }, "{messages:?}");
        assert_eq!(sequence.take(), Found::default());
    }

    #[test]
    fn a_jump_is_what_was_missed() {
        check("seq", &[r#"{"seq":7}"#, r#"{"seq":8}"#, r#"{"seq":11}"#], 2, 0);
        check("data.seq", &[r#"{"data":{"seq":"1"}}"#, r#"{"data":{"seq":"3"}}"#], 1, 0);
        check(
            "a[1]",
            &["{\"a\":[0,-9223372036854775808]}", "{\"a\":[0,9223372036854775807]}"],
            u64::MAX - 1,
            0,
        );
    }

    #[test]
    fn a_number_that_does_not_grow_is_a_new_beginning() {
        check("seq", &[r#"{"seq":7}"#, r#"{"seq":7}"#, r#"{"seq":1}"#, r#"{"seq":2}"#], 0, 2);
    }

    #[test]
    fn what_has_no_number_is_passed_over() {
        let messages = [
            r#"{"seq":1}"#,
            r#"{"op":"pong"}"#,
            "",
            "no JSON",
            r#"{"seq":"x"}"#,
            r#"{"seq":2.5}"#,
            r#"{"seq":2}"#,
        ];
        check("seq", &messages, 0, 0);
    }
}
