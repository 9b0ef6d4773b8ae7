//! `decode: text`: the record as it came, in the field `raw`; there are no others.

use bumpalo::Bump;

use super::{Decode, Kind, Skipping, Written};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "text",
    help: "The record as it came, in the field `raw`.",
    example: "decode: text\n",
    keys: &[],
    read: |node: &Node, faults: &mut Faults| {
        super::no_options(KIND.name, node, faults)?;
        Some(Box::new(Text))
    },
};

pub(super) struct Text;

impl Written for Text {
    fn known(&self) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    fn skipping(&self) -> Skipping {
        Skipping::Unnoticed
    }

    fn bind(&self, _: &Fields) -> Box<dyn Decode> {
        Box::new(Text)
    }
}

impl Decode for Text {
    fn decode<'b>(&mut self, records: &[&'b [u8]], _: &'b Bump, events: &mut Events<'b>, _: &mut Refusals) {
        (0..records.len()).for_each(|row| events.admit(row));
    }
}
