//! Takes single records through a decoder, for the tests of the variants.

use bumpalo::Bump;

use super::{KINDS, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw;
use crate::raw::fault::{Fault, Faults};
use crate::raw::node::NodeKind;

/// The decoder that a file of one line, `name: …`, stands for.
#[track_caller]
pub(super) fn read(text: &str) -> Box<dyn Written> {
    let (written, faults) = parse(text);
    assert!(faults.is_empty(), "{}", faults.render(false));
    written.expect("a decoder, or a fault")
}

/// The faults of such a file, each as `column: problem (help)`.
#[track_caller]
pub(super) fn faults(text: &str) -> Vec<String> {
    let (written, faults) = parse(text);
    assert_eq!(written.is_none(), !faults.is_empty(), "{text}");
    let line = |fault: &Fault| {
        let help = fault.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{}: {}{help}", fault.place.column, fault.problem)
    };
    faults.found().iter().map(line).collect()
}

fn parse(text: &str) -> (Option<Box<dyn Written>>, Faults) {
    let mut faults = Faults::new();
    let file = faults.file("test.yaml", text);
    let node = raw::parse(file, text, &|_| None, &mut faults).expect("valid YAML");
    let NodeKind::Map(entries) = &node.kind else { panic!("`name: …` was wanted: {text}") };
    let (name, body) = entries.first().expect("a decoder was wanted");
    let kind = KINDS.iter().find(|kind| kind.name == name.text).expect("a kind of decoder");
    ((kind.read)(body, &mut faults), faults)
}

/// The fields called `names`, top-level ones of the event.
pub(super) fn fields(names: &[&str]) -> Fields {
    let mut fields = Fields::new(None, &[]);
    for name in names {
        fields.slot(Field::Event(Path::of(name)));
    }
    fields
}

/// What a decoder makes of a record: a value for each of `fields`, or why it was refused; `Err(None)` where it
/// was passed over in silence.
pub(super) fn decode<'b>(
    written: &dyn Written,
    fields: &Fields,
    record: &'b [u8],
    arena: &'b Bump,
) -> Result<Vec<Value<'b>>, Option<Refused>> {
    let mut events = Events::new(fields.used().len());
    let mut refused = Refusals::default();
    events.reset(1);
    written.bind(fields).decode(&[record], arena, &mut events, &mut refused);
    let reasons: Vec<_> = refused.iter().collect();
    match (events.iter().next(), reasons.as_slice()) {
        (Some(row), []) => Ok(row.to_vec()),
        (None, [(reason, 1)]) => Err(Some(*reason)),
        (None, []) => Err(None),
        (row, reasons) => panic!("{row:?} and {reasons:?}"),
    }
}
