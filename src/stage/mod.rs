//! What happens to events between decoder and metrics. One file per kind of stage, and their table.

mod classify;
mod explode;
mod field;
mod filter;
mod literals; // of many rules, for `classify`
mod lookup;
mod otherwise;
mod rewrite;
mod set;
mod status_class;
mod template;

use bumpalo::Bump;

use crate::expr::Program;
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::Node;

/// One kind of stage, as written in a pipeline file.
#[derive(Debug)]
pub struct Kind {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// A stage of this kind, as YAML.
    pub example: &'static str,
    /// The keys of its body, where that is a mapping whose keys are not the user's.
    pub keys: &'static [Key],
    /// Makes the stage from its body, the node after `name:`.
    pub build: fn(&Node, &mut Fields, &mut Faults) -> Option<Box<dyn Stage>>,
}

/// Every kind of stage.
pub static KINDS: &[&Kind] = &[
    &filter::KEEP,
    &filter::DROP,
    &set::KIND,
    &rewrite::KIND,
    &template::KIND,
    &classify::KIND,
    &lookup::KIND,
    &status_class::KIND,
    &explode::KIND,
];

/// A step that changes events or takes them out of play.
pub trait Stage: Send + Sync {
    /// Does so with the events in play.
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, refused: &mut Refusals);

    /// The condition without which no event goes on, if that is all that the stage is.
    fn kept(&self) -> Option<&Program> {
        None
    }

    /// The same stage for another worker. `fields` are all that the pipeline uses, before this stage or after it.
    fn fork(&self, fields: &Fields) -> Box<dyn Stage>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::{Field, Path};
    use crate::model::value::Value;
    use crate::raw;

    /// A stage from YAML, whose first field is `text` and whose result is `result`.
    pub(super) fn build(yaml: &str) -> (Box<dyn Stage>, Fields) {
        let mut faults = Faults::new();
        let file = faults.file("stage.yaml", yaml);
        let node = raw::parse(file, yaml, &|_| None, &mut faults);
        let mut fields = Fields::new(None, &[]);
        for name in ["text", "result"] {
            fields.slot(Field::Event(Path::of(name)));
        }
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let stage = node.and_then(|node| {
            let variant = node.variant("stage", &names, &mut faults)?;
            let kind = KINDS.iter().find(|kind| kind.name == variant.kind)?;
            (kind.build)(&variant.body, &mut fields, &mut faults)
        });
        let stage = stage.unwrap_or_else(|| panic!("{}", faults.render(false)));
        (stage.fork(&fields), fields)
    }

    /// What a stage left of one event.
    pub(super) struct Left {
        fields: Fields,
        row: Option<Vec<Value<'static>>>,
        refused: Refusals,
    }

    impl Left {
        #[track_caller]
        pub(super) fn value(&self, name: &str) -> Value<'static> {
            let field = Field::Event(Path::of(name));
            let slot = self.fields.used().iter().position(|used| *used == field).expect("a field in use");
            self.row.as_ref().expect("the event is in play")[slot]
        }

        pub(super) fn is_dropped(&self) -> bool {
            self.row.is_none()
        }

        pub(super) fn refused(&self) -> Vec<crate::model::refused::Refused> {
            self.refused.iter().map(|(reason, _)| reason).collect()
        }
    }

    /// Takes one event, whose only field is `text`, through a stage. The memory of its texts is not given back.
    pub(super) fn through(yaml: &str, text: Value<'_>) -> Left {
        let (mut stage, fields) = build(yaml);
        let arena: &'static Bump = Box::leak(Box::default());
        let mut events = Events::new(fields.used().len());
        events.reset(1);
        events.row_mut(0)[0] = match text {
            Value::Text(text) => Value::Text(arena.alloc_slice_copy(text)),
            Value::Missing => Value::Missing,
            Value::Bool(truth) => Value::Bool(truth),
            Value::Integer(whole) => Value::Integer(whole),
            Value::Float(number) => Value::Float(number),
        };
        events.admit(0);
        let mut refused = Refusals::default();
        stage.apply(&mut events, arena, &mut refused);
        let row = events.iter().next().map(<[_]>::to_vec);
        Left { fields, row, refused }
    }

    /// Checks what a stage writes into `result` for a text.
    #[track_caller]
    pub(super) fn check(yaml: &str, text: &str, expected: Option<&str>) {
        let expected = expected.map_or(Value::Missing, |text| Value::Text(text.as_bytes()));
        assert_eq!(through(yaml, Value::Text(text.as_bytes())).value("result"), expected, "{text:?}");
    }
}
