//! Which fields a pipeline uses: paths, and the slots they are given.

use std::fmt;

/// One step into an event: a key of an object, or an index of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// A key of an object.
    Key(String),
    /// An index of a list, from 0.
    Index(usize),
}

/// The way to a field: `user.id`, `items[0].sku`, `headers["x-id"]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The path of a top-level field.
    pub fn of(name: &str) -> Path {
        Path(vec![Step::Key(name.to_owned())])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(out, "[{index}]")?,
                Step::Key(key) if !is_identifier(key) => write!(out, "[{key:?}]")?,
                Step::Key(key) if at == 0 => write!(out, "{key}")?,
                Step::Key(key) => write!(out, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_identifier(key: &str) -> bool {
    !key.starts_with(|first: char| first.is_ascii_digit())
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Who fills a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The decoder (and afterwards perhaps a `set` stage).
    Event(Path),
    /// The source: `raw`, `file.path` and the like, by its whole name.
    Source(String),
    /// The source, where it has several by this name: the one with this key, as in `kafka.headers["trace"]`.
    SourceEntry(String, String),
    /// The decoder: the JSON text of the list at a path, for an `explode` stage.
    List(Path),
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Event(path) | Field::List(path) => path.fmt(out),
            Field::Source(name) => out.write_str(name),
            Field::SourceEntry(name, key) => write!(out, "{name}[{key:?}]"),
        }
    }
}

/// The column of a field in every row of [`Events`](super::event::Events).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// The field that holds the record as it came, under every decoder.
pub const RAW: &str = "raw";

/// Every field that a pipeline uses, in the order of their slots.
///
/// Built while the configuration is read: stages and metrics ask for slots, then the decoder is told
/// which fields to fill.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    used: Vec<Field>,
    /// The names that events can have, where the decoder says so (a regex's named groups), and those that
    /// `set` stages added; `None` where any name may come (JSON).
    known: Option<Vec<String>>,
    /// The names that the source itself fills, `raw` among them.
    source: Vec<String>,
    /// Those among them that have keys.
    source_maps: Vec<String>,
    /// Whether the decoder fills [`Field::List`].
    lists: bool,
}

impl Fields {
    /// No field used yet. `known` closes the set of event fields; `source` names the source's own.
    pub fn new(known: Option<Vec<String>>, source: &[&str]) -> Fields {
        let source = std::iter::once(RAW).chain(source.iter().copied()).map(str::to_owned).collect();
        Fields { used: Vec::new(), known, source, source_maps: Vec::new(), lists: false }
    }

    /// The same where these of the source's own fields have keys.
    pub fn with_source_maps(self, maps: &[&str]) -> Fields {
        Fields { source_maps: maps.iter().map(|map| (*map).to_owned()).collect(), ..self }
    }

    /// Whether this one of the source's own fields has keys.
    pub fn is_source_map(&self, name: &str) -> bool {
        self.source_maps.iter().any(|map| map == name)
    }

    /// The same for a decoder that fills [`Field::List`].
    pub fn with_lists(self) -> Fields {
        Fields { lists: true, ..self }
    }

    /// Whether the decoder fills [`Field::List`].
    pub fn has_lists(&self) -> bool {
        self.lists
    }

    /// The slot of `field`, a new one on first use.
    pub fn slot(&mut self, field: Field) -> Slot {
        if let Some(at) = self.used.iter().position(|used| *used == field) {
            return Slot(at);
        }
        self.used.push(field);
        Slot(self.used.len() - 1)
    }

    /// Whether an event can have a top-level field of this name at this point of the pipeline.
    pub fn is_known(&self, name: &str) -> bool {
        self.known.as_ref().is_none_or(|known| known.iter().any(|known| known == name))
    }

    /// Makes `name` known from here on: a `set` stage fills it.
    pub fn learn(&mut self, name: &str) {
        if !self.is_known(name)
            && let Some(known) = &mut self.known
        {
            known.push(name.to_owned());
        }
    }

    /// Every name that can be used here, the source's first: for "did you mean".
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.source.iter().chain(self.known.iter().flatten()).map(String::as_str)
    }

    /// The names that the source fills, `raw` first.
    pub fn source_names(&self) -> &[String] {
        &self.source
    }

    /// The fields in use; a field's index is its slot.
    pub fn used(&self) -> &[Field] {
        &self.used
    }
}
