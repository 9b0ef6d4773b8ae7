//! What a record says: decoders fill the fields that a pipeline uses. One file per kind, and their table.

mod csv;
mod grok; // `%{NAME:field}` in a regex
mod grok_library; // the names it knows
mod json;
mod logfmt;
mod pattern;
mod regex;
#[cfg(test)]
mod scanner_tests;
mod text;
mod tsv;
#[cfg(test)]
mod trial; // one record through a decoder, for the variants' tests

use bumpalo::Bump;

use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::Node;

/// One kind of decoder, as written in a pipeline file.
#[derive(Debug)]
pub struct Kind {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// A decoder of this kind, as YAML.
    pub example: &'static str,
    /// The keys of its body, where that is a mapping whose keys are not the user's.
    pub keys: &'static [Key],
    /// Reads its body, the node after `name:`, null where it was written as a bare word.
    pub read: fn(&Node, &mut Faults) -> Option<Box<dyn Written>>,
}

/// Every kind of decoder.
pub static KINDS: &[&Kind] =
    &[&csv::KIND, &json::KIND, &logfmt::KIND, &pattern::KIND, &regex::KIND, &text::KIND, &tsv::KIND];

/// Whether records may be passed over without being decoded, where no stage or metric would take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipping {
    /// No: its fields may be other than what stands in the record (an escape, say), or it tells records that are
    /// well-formed from others.
    Never,
    /// Yes, and the text of every field stands in the record as it is. That it would have refused some of the records
    /// is not seen then.
    Unrefused,
    /// Yes, and nobody can tell: it takes every record, and `raw` is its only field.
    Unnoticed,
}

/// A decoder as configured, before it is known which fields are wanted.
pub trait Written: Send + Sync {
    /// The names that its events can have; `None` where any may come.
    fn known(&self) -> Option<Vec<String>>;

    /// Whether it fills [`Field::List`](crate::model::field::Field::List), so that lists can be exploded.
    fn has_lists(&self) -> bool {
        false
    }

    /// Whether records may be passed over without being decoded.
    fn skipping(&self) -> Skipping {
        Skipping::Never
    }

    /// A decoder for one worker, which fills those of `fields` that it can.
    fn bind(&self, fields: &Fields) -> Box<dyn Decode>;
}

/// Turns records into events, for one worker.
pub trait Decode: Send {
    /// Fills row `i` of `events` from `records[i]` and puts it in play, or counts why not. A record that is
    /// refused contributes nothing. Fields that are not in a record stay missing.
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        arena: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    );
}

/// The decoder of a pipeline that names none: `text`.
pub fn default() -> Box<dyn Written> {
    Box::new(text::Text)
}

/// Says that a decoder without options was given some.
fn no_options(name: &str, node: &Node, faults: &mut Faults) -> Option<()> {
    if node.is_null() {
        return Some(());
    }
    faults.add_with_help(node.place, format!("`{name}` has no options"), format!("write `decode: {name}`"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_every_kind_is_one() {
        for kind in KINDS {
            let metrics = "metrics: [{counter: {name: lines_total, help: Lines.}}]";
            let text = format!("source: stdin\n{}{metrics}\n", kind.example);
            if let Err(faults) = crate::config::parse(&[("example.yaml", &text)], &|_| None) {
                panic!("{}", faults.render(false));
            }
        }
    }
}
