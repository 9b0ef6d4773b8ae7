//! Names in expressions → fields: the event's own, and those of the source.

use crate::model::field::{Field, Fields, Path, RAW, Step};
use crate::raw::fault::did_you_mean;

/// The word before a field of the event that its bare name does not reach.
const EVENT: &str = "event";

/// Why a name is no field, and how to mend it.
pub(super) struct Unknown {
    pub(super) problem: String,
    pub(super) help: Option<String>,
}

/// The field that `steps` lead to; the first of them is a name.
///
/// A source's field is meant by its whole name (`raw`, `file.path`). `event.raw` and `event["odd key"]` are the
/// event's own fields `raw` and `odd key`, whose bare names would not do.
pub(super) fn resolve(mut steps: Vec<Step>, fields: &Fields) -> Result<Field, Unknown> {
    let whole = Path(steps.clone()).to_string();
    if fields.is_source_map(&whole) {
        return Err(Unknown {
            problem: format!("`{whole}` is not one value"),
            help: Some(format!("name one of them, as in `{whole}[\"key\"]`")),
        });
    }
    if fields.source_names().contains(&whole) {
        return Ok(Field::Source(whole));
    }
    if let Some((Step::Key(key), map)) = steps.split_last() {
        let map = Path(map.to_vec()).to_string();
        if fields.is_source_map(&map) {
            return Ok(Field::SourceEntry(map, key.clone()));
        }
    }
    let first = first_key(&steps);
    if first == EVENT && matches!(steps.get(1), Some(Step::Key(key)) if needs_event(key, fields)) {
        steps.remove(0);
    } else if is_reserved(first, fields) {
        let near = did_you_mean(&whole, fields.source_names().iter().map(String::as_str));
        let own = format!("the event's own field is written `{EVENT}.{whole}`");
        return Err(Unknown {
            problem: format!("the source has no field `{whole}`"),
            help: Some(near.map_or(own.clone(), |near| format!("{near} {own}"))),
        });
    }
    let first = first_key(&steps);
    if !fields.is_known(first) {
        let known = || fields.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let help =
            did_you_mean(first, fields.names()).unwrap_or_else(|| format!("the fields here are {}", known()));
        return Err(Unknown { problem: format!("no field is called `{first}`"), help: Some(help) });
    }
    Ok(Field::Event(Path(steps)))
}

fn first_key(steps: &[Step]) -> &str {
    match steps.first() {
        Some(Step::Key(key)) => key,
        _ => "",
    }
}

/// Whether a bare `name` would mean the source.
fn is_reserved(name: &str, fields: &Fields) -> bool {
    name == RAW || fields.source_names().iter().any(|source| source.split('.').next() == Some(name))
}

/// Whether the event's field `key` can only be reached as `event.key` or `event["key"]`.
fn needs_event(key: &str, fields: &Fields) -> bool {
    let odd = key.is_empty()
        || key.starts_with(|first: char| first.is_ascii_digit())
        || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    odd || RESERVED_WORDS.contains(&key) || is_reserved(key, fields)
}

/// The words that CEL does not take for a bare name.
const RESERVED_WORDS: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
