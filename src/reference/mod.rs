//! What can be written in a pipeline file, drawn from the tables of its kinds: for people who ask the program, for
//! the documentation, and for editors.
//!
//! Everything here follows from the `KINDS` and `KEYS` that also read pipeline files, so it cannot differ from them.

pub mod page;
pub mod schema;
pub mod text;

mod shape;

use crate::aggregate;
use crate::config::METRIC_KEYS;
use crate::decode;
use crate::encode;
use crate::raw::mapping::Key;
use crate::source;
use crate::stage;

/// The kinds of one part of a pipeline.
#[derive(Debug)]
pub struct Section {
    /// What they are kinds of, for people: "sources".
    pub title: &'static str,
    /// What one of them is: "source".
    pub what: &'static str,
    /// Where they are written or chosen: "written after `source:`".
    pub place: &'static str,
    /// Keys that each of them has, beside its own.
    pub keys: &'static [Key],
    /// The kinds, in the order of their table.
    pub entries: Vec<Entry>,
}

/// One kind.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The word in the pipeline file, or on the command line.
    pub name: &'static str,
    /// One line on what it is.
    pub help: &'static str,
    /// The keys of its own; none where what belongs to it is no mapping, or one whose keys are the user's.
    pub keys: Vec<Key>,
    /// The fields that it fills by itself.
    pub fields: Vec<&'static str>,
    /// One of this kind, as YAML; for an output, the command line that asks for it.
    pub example: String,
}

/// Every kind of every part, in the order of a pipeline file.
pub fn sections() -> [Section; 5] {
    [sources(), decoders(), stages(), metrics(), outputs()]
}

fn sources() -> Section {
    let entry = |kind: &&source::Kind| Entry {
        fields: kind.all_fields().collect(),
        ..entry(kind.name, kind.help, kind.keys, kind.example)
    };
    let entries = source::KINDS.iter().map(entry).collect();
    Section { title: "Sources", what: "source", place: "written after `source:`", keys: &[], entries }
}

fn decoders() -> Section {
    let entry = |kind: &&decode::Kind| entry(kind.name, kind.help, kind.keys, kind.example);
    let entries = decode::KINDS.iter().map(entry).collect();
    Section { title: "Decoders", what: "decoder", place: "written after `decode:`", keys: &[], entries }
}

fn stages() -> Section {
    let entry = |kind: &&stage::Kind| entry(kind.name, kind.help, kind.keys, kind.example);
    let entries = stage::KINDS.iter().map(entry).collect();
    Section { title: "Stages", what: "stage", place: "listed in `stages:`", keys: &[], entries }
}

fn metrics() -> Section {
    let entry = |kind: &&aggregate::Kind| {
        let mut entry = entry(kind.name, kind.help, kind.keys, kind.example);
        let value = METRIC_KEYS.iter().find(|key| key.name == "value").filter(|_| kind.needs_value);
        entry.keys.splice(0..0, value.map(|value| Key { required: true, default: None, ..*value }));
        entry
    };
    let entries = aggregate::KINDS.iter().map(entry).collect();
    Section { title: "Metrics", what: "metric", place: "listed in `metrics:`", keys: METRIC_KEYS, entries }
}

fn outputs() -> Section {
    let entry = |kind: &&encode::Kind| {
        let path = kind.path.unwrap_or("/metrics");
        let accept = kind.content_type.split("; charset").next().unwrap_or_default();
        let accept = if kind.path.is_none() { format!(" -H 'Accept: {accept}'") } else { String::new() };
        let example = format!("curl{accept} http://127.0.0.1:9101{path}\n");
        Entry { example, ..entry(kind.name, kind.help, &[], "") }
    };
    let entries = encode::KINDS.iter().map(entry).collect();
    Section {
        title: "Outputs",
        what: "output",
        place: "chosen by the request, or with `--format` of `replay`",
        keys: &[],
        entries,
    }
}

/// The keys of what belongs to a key, where that is a mapping.
pub fn nested(key: &Key) -> Option<&'static [Key]> {
    match key.name {
        "multiline" => Some(source::MULTILINE_KEYS),
        "reconnect" => Some(source::RECONNECT_KEYS),
        "tls" => Some(source::TLS_KEYS),
        "hdr" => Some(aggregate::HDR_KEYS),
        "security" => Some(source::SECURITY_KEYS),
        _ => None,
    }
}

fn entry(name: &'static str, help: &'static str, keys: &[Key], example: &str) -> Entry {
    Entry { name, help, keys: keys.to_vec(), fields: Vec::new(), example: example.to_owned() }
}

impl Section {
    /// Whether its kinds are written in a pipeline file.
    pub fn is_written(&self) -> bool {
        self.what != "output"
    }

    /// All keys of a kind: those of every kind, as it has them, then its own.
    pub fn all_keys<'s>(&'s self, entry: &'s Entry) -> impl Iterator<Item = &'s Key> + Clone {
        let own = |name: &str| entry.keys.iter().find(|key| key.name == name);
        let shared = self.keys.iter().map(move |key| own(key.name).unwrap_or(key));
        shared.chain(entry.keys.iter().filter(|key| self.keys.iter().all(|shared| shared.name != key.name)))
    }
}
