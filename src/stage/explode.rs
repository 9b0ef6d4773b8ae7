//! `explode: field`: one event for each element of a list.
//!
//! ```yaml
//! - explode: items
//! ```
//!
//! From here on the element stands in place of the list: `items.sku` is the element's `sku`, and `items` the element
//! itself if that is a text, a number, true or false. All other fields are those of the record, the same for each of
//! its elements. A null element is an event too. To go deeper, explode again: `explode: items.parts`; a list of lists
//! is exploded twice under the same name.
//!
//! An event whose list is empty goes out of play; so does one without the field, or with something else in it, and
//! that is counted. Only the JSON decoder knows lists.

use bumpalo::Bump;

use super::{Kind, Stage};
use crate::expr;
use crate::json::{self, Reader};
use crate::model::event::{Events, Replacement};
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "explode",
    help: "Makes one event of each element of a list.",
    example: "- explode: items\n",
    keys: &[],
    build,
};

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let text = node.text_of("the field of a list, such as `items`", faults)?;
    let slot = expr::compile_field(text, fields, faults)?;
    let Some(Field::Event(path)) = fields.used().get(slot.0).cloned() else {
        let problem = format!("`{}` belongs to the source and is not a list", text.text);
        faults.add_with_help(text.place, problem, "name a field of the record, such as `items`");
        return None;
    };
    if !fields.has_lists() {
        let problem = format!("`{}` cannot be a list: this decoder knows only texts and numbers", text.text);
        faults.add_with_help(text.place, problem, "only `decode: json` knows lists");
        return None;
    }
    let list = fields.slot(Field::List(path.clone()));
    Some(Box::new(Explode { path, list, reader: Reader::default() }))
}

struct Explode {
    path: Path,
    /// Where the decoder, or an `explode` before this one, puts the text of the list.
    list: Slot,
    /// Reads what the pipeline wants of an element; nothing until the stage is forked.
    reader: Reader,
}

impl Explode {
    fn elements<'b>(&mut self, event: &mut Replacement<'_, 'b>, arena: &'b Bump) -> Result<(), Refused> {
        let list = match event.row()[self.list.0] {
            Value::Text(list) if list.starts_with(b"[") => list,
            Value::Missing => return Err(Refused::MissingField),
            _ => return Err(Refused::NotAList),
        };
        for element in json::elements(list) {
            let row = event.push();
            self.reader.clear(row);
            self.reader.read(element, row, arena).map_err(|json::Invalid| Refused::InvalidJson)?;
        }
        Ok(())
    }
}

impl Stage for Explode {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, refused: &mut Refusals) {
        events.replace(|event| {
            if let Err(reason) = self.elements(event, arena) {
                event.clear();
                refused.count(reason);
            }
        });
    }

    fn fork(&self, fields: &Fields) -> Box<dyn Stage> {
        let reader = Reader::new(fields, &self.path.0);
        Box::new(Explode { path: self.path.clone(), list: self.list, reader })
    }
}
