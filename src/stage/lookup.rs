//! `lookup: {field: …, into: …, file: …}`: what a table says of a field's text.
//!
//! ```yaml
//! - lookup: {field: code, into: name, file: codes.csv, otherwise: unknown}
//! ```
//!
//! The table is CSV of two columns, key and value, one row a line, without a header:
//!
//! ```csv
//! 4001,card declined
//! 4002,"limit, daily"
//! ```
//!
//! Its path is relative to the folder of the pipeline file, and it is read when that is loaded. Keys are compared
//! with the text of the field byte by byte; a number is taken as its text. Where the table has no such key, and where
//! the field is missing, `otherwise` is the result; `otherwise: drop` takes the event out of play, without it `into` is
//! missing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bumpalo::Bump;
use foldhash::fast::RandomState;

use super::field::{FIELD, INTO, Way};
use super::otherwise::{OTHERWISE, Otherwise};
use super::{Kind, Stage};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::{Place, Text};

pub(super) static KIND: Kind = Kind {
    name: "lookup",
    help: "Finds what a CSV table says of a field, such as the name of a code.",
    example: "- lookup: {field: code, into: name, file: codes.csv, otherwise: unknown}\n",
    keys: KEYS,
    build,
};

const KEYS: &[Key] = &[
    FIELD,
    INTO,
    Key {
        name: "file",
        wanted: "the path of a CSV file of two columns",
        required: true,
        help: "The table, relative to the folder of the pipeline file.",
        default: None,
    },
    OTHERWISE,
];

/// A table that is not one at all has a fault in every line; the first ones say enough.
const MAX_FAULTS: usize = 10;

type Table = HashMap<Box<[u8]>, Box<[u8]>, RandomState>;

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
    let way = Way::read(&keys, fields, faults);
    let table = keys.text("file", faults).and_then(|file| read_file(file, faults));
    let otherwise = Otherwise::read(&keys, faults);
    Some(Box::new(Lookup { way: way?, table: Arc::new(table?), otherwise: otherwise? }))
}

fn read_file(file: &Text, faults: &mut Faults) -> Option<Table> {
    let folder = Path::new(faults.name(file.place.file)).parent().unwrap_or(Path::new(""));
    let path = folder.join(&file.text);
    // A pipe would be waited for.
    let found = fs::metadata(&path).and_then(|found| match found.is_file() {
        true => fs::read_to_string(&path),
        false => Err(std::io::Error::other("not a file")),
    });
    match found {
        Ok(text) => read_table(&path.display().to_string(), &text, file.place, faults),
        Err(error) => {
            let help = "a path that does not begin with `/` begins at the folder of the pipeline file";
            faults.add_with_help(file.place, format!("the table cannot be read: {error}"), help);
            None
        }
    }
}

/// Reads the rows of a table; the place of `file` is that of its path in the pipeline.
fn read_table(name: &str, text: &str, file: Place, faults: &mut Faults) -> Option<Table> {
    let id = faults.file(name, text);
    let mut rows: HashMap<String, (usize, String)> = HashMap::new();
    let before = faults.len();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place { file: id, line: at + 1, column: 1, len: line.chars().count() };
        match row(line) {
            Ok([key, _]) if rows.contains_key(&key) => {
                let help = format!("it is already on line {}", rows[&key].0);
                faults.add_with_help(place, format!("duplicate key `{key}`"), help);
            }
            Ok([key, value]) => {
                rows.insert(key, (at + 1, value));
            }
            Err(problem) => {
                let help = "a row is `key,value`; a text that holds a comma stands in double quotes";
                faults.add_with_help(place, problem, help);
            }
        }
        if faults.len() - before == MAX_FAULTS {
            return None;
        }
    }
    if faults.len() > before {
        return None;
    }
    if rows.is_empty() {
        faults.add_with_help(file, "the table has no rows", "write one `key,value` a line");
        return None;
    }
    let row =
        |(key, (_, value)): (String, (usize, String))| (key.into_bytes().into(), value.into_bytes().into());
    Some(rows.into_iter().map(row).collect())
}

/// Reads `key,value`, as RFC 4180 has it, of one line.
fn row(line: &str) -> Result<[String; 2], String> {
    let (key, rest) = column(line)?;
    let rest = rest.ok_or("expected 2 columns, found 1")?;
    let (value, rest) = column(rest)?;
    match rest {
        None => Ok([key, value]),
        Some(_) => Err("expected 2 columns, found more".to_owned()),
    }
}

/// The first column of a line, and what is behind its comma.
fn column(line: &str) -> Result<(String, Option<&str>), String> {
    let Some(mut rest) = line.strip_prefix('"') else {
        let (text, rest) = line.split_once(',').map_or((line, None), |(text, rest)| (text, Some(rest)));
        return Ok((text.trim().to_owned(), rest));
    };
    let mut text = String::new();
    loop {
        let (part, behind) = rest.split_once('"').ok_or("a double quote is not closed on its line")?;
        text += part;
        match behind.chars().next() {
            Some('"') => text.push('"'),
            Some(',') => return Ok((text, Some(&behind[1..]))),
            None => return Ok((text, None)),
            Some(_) => return Err("something follows a closing double quote".to_owned()),
        }
        rest = &behind[1..];
    }
}

#[derive(Clone)]
struct Lookup {
    way: Way,
    /// Read by all workers; nothing in it changes.
    table: Arc<Table>,
    otherwise: Otherwise,
}

impl Stage for Lookup {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, _: &mut Refusals) {
        events.retain(|row| {
            let found = self.way.text(row, arena).and_then(|text| self.table.get(text));
            let value = match found {
                Some(value) => Some(Value::Text(arena.alloc_slice_copy(value))),
                None => self.otherwise.value(arena),
            };
            row[self.way.into.0] = value.unwrap_or_default();
            value.is_some()
        });
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::place::FileId;
    use crate::stage::tests::{check as check_stage, through};

    /// Checks what is read of a table: its rows, or its faults as `line: problem`.
    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &[&str]>) {
        let mut faults = Faults::new();
        let read = read_table("codes.csv", text, Place::whole(FileId(0)), &mut faults);
        let found: Vec<_> =
            faults.found().iter().map(|fault| format!("{}: {}", fault.place.line, fault.problem)).collect();
        match expected {
            Ok(rows) => {
                let row = |(key, value): &(&str, &str)| (key.as_bytes().into(), value.as_bytes().into());
                assert_eq!(read, Some(rows.iter().map(row).collect()), "{found:?}");
            }
            Err(problems) => {
                assert_eq!(found, problems, "{text}");
                assert_eq!(read, None);
            }
        }
    }

    #[test]
    fn a_table_has_two_columns() {
        check("a,b\r\n\nc , d e \n", Ok(&[("a", "b"), ("c", "d e")]));
        check("\u{feff}\"a,\"\"b\"\"\",\" c\"\n,", Ok(&[("a,\"b\"", " c"), ("", "")]));
    }

    #[test]
    fn every_faulty_row_is_a_fault() {
        check("", Err(&["0: the table has no rows"]));
        check(
            "a\nb,c,d\n\"e,f\n\"g\"h,i\nj,k\nj,l\n",
            Err(&[
                "1: expected 2 columns, found 1",
                "2: expected 2 columns, found more",
                "3: a double quote is not closed on its line",
                "4: something follows a closing double quote",
                "6: duplicate key `j`",
            ]),
        );
        check(
            &"a\n".repeat(1000),
            Err(&(1..=10)
                .map(|line| format!("{line}: expected 2 columns, found 1"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()),
        );
    }

    #[test]
    fn a_key_has_a_value_or_what_is_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("codes.csv");
        fs::write(&file, "404,not found\nx,\n").expect("a file");
        let stage =
            |more: &str| format!("lookup: {{field: text, into: result, file: {}{more}}}", file.display());
        check_stage(&stage(""), "404", Some("not found"));
        check_stage(&stage(""), "x", Some(""));
        check_stage(&stage(""), "40", None);
        check_stage(&stage(", otherwise: unknown"), "40", Some("unknown"));
        let found = through(&stage(""), Value::Integer(404)).value("result");
        assert_eq!(found, Value::Text(b"not found"));
        let dropping = stage(", otherwise: drop");
        assert!(through(&dropping, Value::Missing).is_dropped());
        assert!(!through(&dropping, Value::Text(b"x")).is_dropped());
    }
}
