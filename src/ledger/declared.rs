//! What a metric was declared as: by this its state is known again by another run, or another configuration.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::aggregate::{self, Definition, Kind};
use crate::raw;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};

/// The part of a metric's definition that decides what its state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The kind of aggregator, by its name.
    pub kind: String,
    /// The keys of that kind, as YAML from which its definition can be made again.
    pub options: String,
    /// A hash of everything that decides what is recorded. State is taken over only by a metric with the same.
    pub fingerprint: u128,
}

/// The keys of a metric that say how it is shown, not what it records.
const SHOWN: [&str; 4] = ["help", "max_series", "init", "expire_after"];

impl Declared {
    /// What is declared by the keys of a metric, of which `common` are those that every kind has.
    pub fn of(kind: &Kind, common: &[Key], keys: &Mapping<'_>) -> Declared {
        // What is a number is known of the options of kinds only: an expression `1.0` as a label is that text.
        let options = written(kind.keys, keys, &|_, node, into| node.canonical_numbers(into));
        let common: Vec<_> = common.iter().filter(|key| !SHOWN.contains(&key.name)).copied().collect();
        let common = written(&common, keys, &|name, node, into| match &node.kind {
            NodeKind::List(fields) if name == "labels" => labelled(fields, node).canonical(into),
            _ => node.canonical(into),
        });
        let all = format!("{} {options} {common}", kind.name);
        Declared { kind: kind.name.to_owned(), options, fingerprint: xxh3_128(all.as_bytes()) }
    }

    /// The kind; `None` if this program does not know it.
    pub fn kind(&self) -> Option<&'static Kind> {
        aggregate::KINDS.iter().find(|kind| kind.name == self.kind).copied()
    }

    /// The definition; `None` if this program cannot make it.
    pub fn definition(&self) -> Option<Arc<dyn Definition>> {
        let kind = self.kind()?;
        let mut faults = Faults::new();
        let file = faults.file("the state directory", &self.options);
        let node = raw::parse(file, &self.options, &|_| None, &mut faults)?;
        let keys = Mapping::read(&node, kind.name, &[kind.keys], &mut faults)?;
        let definition = (kind.build)(&keys, &mut faults)?;
        faults.is_empty().then_some(definition)
    }
}

/// These keys, as far as they are there, as one mapping; `write` appends the value of one.
fn written(names: &[Key], keys: &Mapping<'_>, write: &dyn Fn(&str, &Node, &mut String)) -> String {
    let mut written = String::from("{");
    for key in names {
        if let Some(node) = keys.get(key.name) {
            written.push_str(key.name);
            written.push_str(": ");
            write(key.name, node, &mut written);
            written.push_str(", ");
        }
    }
    written + "}"
}

/// The mapping that a list of labels stands for: each has the value of the field of its name.
fn labelled(fields: &[Node], list: &Node) -> Node {
    let entry = |field: &Node| match &field.kind {
        NodeKind::Scalar { text, .. } => Some((text.clone(), field.clone())),
        _ => None,
    };
    Node { kind: NodeKind::Map(fields.iter().filter_map(entry).collect()), place: list.place }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COMMON: &[Key] = &[key("name"), key("help"), key("where"), key("labels")];

    const fn key(name: &'static str) -> Key {
        Key { name, wanted: "text", required: false, help: "", default: None }
    }

    fn declared(kind: &str, text: &str) -> Declared {
        let kind = aggregate::KINDS.iter().find(|known| known.name == kind).unwrap();
        let mut faults = Faults::new();
        let file = faults.file("test", text);
        let node = raw::parse(file, text, &|_| None, &mut faults).unwrap();
        let keys = Mapping::read(&node, kind.name, &[COMMON, kind.keys], &mut faults).unwrap();
        assert!(faults.is_empty(), "{}", faults.render(false));
        Declared::of(kind, COMMON, &keys)
    }

    #[test]
    fn what_is_written_in_another_way_is_the_same() {
        let one =
            declared("summary", "{name: a, help: One., window: 5m, quantiles: [0.5, 0.9], where: 'a == 1'}");
        let other = "help: Two.\nwhere: a == 1\nname: \"a\"\nquantiles:\n- 0.5\n- 0.9\nwindow: 5m\n";
        assert_eq!(one, declared("summary", other));
        assert_eq!(declared("counter", "{name: a, help: b}"), declared("counter", "help: c\nname: a\n"));
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let same = |kind, one, other| assert_eq!(declared(kind, one), declared(kind, other));
        same("histogram", "{buckets: [0.5, 1, 1e3]}", "{buckets: [0.50, +1.0, 1000]}");
        same("summary", "{quantiles: [.5], window: 5m}", "{quantiles: [5e-1], window: 5m}");
        same(
            "summary",
            "{window: 5m, hdr: {lowest: 0.10, highest: 1e3}}",
            "{window: 5m, hdr: {lowest: 0.1, highest: 1000.0}}",
        );
        let buckets = declared("histogram", "{buckets: [0.50, 1e300]}");
        assert!(buckets.options.starts_with("{buckets: [0.5, 1000000"), "{}", buckets.options);
        assert!(buckets.definition().is_some());
    }

    #[test]
    fn a_list_of_labels_is_a_mapping_of_each_to_itself() {
        assert_eq!(declared("counter", "{labels: [a, b]}"), declared("counter", "{labels: {a: a, b: 'b'}}"));
    }

    #[test]
    fn whatever_decides_what_is_recorded_makes_a_difference() {
        let all = [
            "{}",
            "{name: b}",
            "{where: a}",
            "{labels: [a]}",
            "{labels: [a, b]}",
            "{labels: {a: b}}",
            "{labels: {a: 1}}",
            "{labels: {a: 1.0}}",
            "{where: 1.0}",
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                assert_ne!(declared("counter", one), declared("counter", other));
            }
        }
        assert_ne!(declared("counter", "{}").fingerprint, declared("histogram", "{}").fingerprint);
        assert_ne!(
            declared("histogram", "{}").fingerprint,
            declared("histogram", "{buckets: [1]}").fingerprint
        );
    }

    #[test]
    fn every_kind_can_be_made_again_from_what_was_declared() {
        for kind in aggregate::KINDS {
            let example = kind.example.trim_start_matches("- ");
            let mut faults = Faults::new();
            let file = faults.file("test", example);
            let node = raw::parse(file, example, &|_| None, &mut faults).unwrap();
            let variant = node.variant("metric", &[kind.name], &mut faults).unwrap();
            let keys =
                Mapping::read(&variant.body, kind.name, &[COMMON, VALUE, kind.keys], &mut faults).unwrap();
            assert!(Declared::of(kind, COMMON, &keys).definition().is_some(), "{}", kind.name);
        }
        let hdr = "{window: 1m, hdr: {lowest: 0.001, highest: 10}}";
        assert!(declared("summary", hdr).definition().is_some());
        assert!(
            Declared { options: "{buckets: [2, 1]}".to_owned(), ..declared("histogram", "{}") }
                .definition()
                .is_none()
        );
        assert!(
            Declared { kind: "unheard of".to_owned(), ..declared("counter", "{}") }.definition().is_none()
        );
    }

    static VALUE: &[Key] = &[key("value"), key("unit")];
}
