//! A small reader of InfluxDB's line protocol, written from its reference and apart from the encoder. It panics on
//! whatever is not valid, and on fields that are no floats.

use std::collections::BTreeMap;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub measurement: String,
    pub tags: BTreeMap<String, String>,
    pub fields: BTreeMap<String, f64>,
    pub nanoseconds: i64,
}

/// The points of an exposition, in order. Comments and empty lines are passed over, as InfluxDB does.
#[track_caller]
pub fn parse(text: &str) -> Vec<Point> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let lines = text.split_terminator('\n').filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(point).collect()
}

fn point(line: &str) -> Point {
    let (measurement, mut rest) = part(line, &[',', ' ']);
    let mut tags = BTreeMap::new();
    while let Some(after) = rest.strip_prefix(',') {
        let (key, after) = part(after, &[',', '=', ' ']);
        let after = after.strip_prefix('=').expect("a tag has a value");
        let (value, after) = part(after, &[',', '=', ' ']);
        assert!(!key.is_empty() && !value.is_empty(), "no part of a tag is empty: {line}");
        assert!(tags.insert(key, value).is_none(), "a tag comes twice: {line}");
        rest = after;
    }
    let words: Vec<_> = rest.strip_prefix(' ').expect("fields follow").split(' ').collect();
    let [fields, nanoseconds] = words[..] else { panic!("fields and a time follow: {line}") };
    let field = |field: &str| {
        let (name, value) = field.split_once('=').expect("a field has a value");
        assert!(value.bytes().all(|byte| b"0123456789+-.e".contains(&byte)), "a finite float: {line}");
        (name.to_owned(), value.parse().unwrap())
    };
    let fields = fields.split(',').map(field).collect();
    Point { measurement, tags, fields, nanoseconds: nanoseconds.parse().unwrap() }
}

/// The text up to the first of `special` that no backslash stands before, unescaped, and the rest.
fn part<'l>(line: &'l str, special: &[char]) -> (String, &'l str) {
    let mut text = String::new();
    let mut characters = line.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if special.contains(&character) {
            return (text, &line[at..]);
        }
        let escaped = characters.next_if(|(_, next)| character == '\\' && special.contains(next));
        text.push(escaped.map_or(character, |(_, next)| next));
    }
    (text, "")
}
