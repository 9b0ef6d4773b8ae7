//! `decode: {csv: …}`: columns between commas, as RFC 4180 describes them.
//!
//! ```yaml
//! decode:
//!   csv:
//!     columns: [time, customer, _, amount]
//!     header: skip
//!     delimiter: ';'
//! ```
//!
//! A record is one line, so a quoted column cannot hold a line break. A line with more or fewer columns than are
//! named contributes nothing. A quote is one only at the start of a column; of the quotes in a quoted column each is
//! doubled. An empty column is an empty text. Columns called `_` are not kept.
//!
//! A decoder does not know where a file begins, so a header line is known by what it says: with `header: skip` every
//! line that has exactly the names of the columns is passed over.

use bumpalo::Bump;

use super::{Decode, Kind, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};

pub(super) static KIND: Kind = Kind {
    name: "csv",
    help: "Columns between commas, with or without quotes; their names are given here.",
    example: "decode:\n  csv:\n    columns: [time, customer, amount]\n    header: skip\n",
    keys: KEYS,
    read: |node: &Node, faults: &mut Faults| {
        let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
        let delimiter = keys.get("delimiter").map_or(Some(b','), |node| character(node, DELIMITERS, faults));
        let dialect = Dialect { delimiter: delimiter.unwrap_or(b','), quote: Some(b'"') };
        read(&keys, dialect, faults).filter(|_| delimiter.is_some())
    },
};

/// The keys of every decoder of columns.
pub(super) const COLUMN_KEYS: [Key; 4] = [
    Key {
        name: "columns",
        wanted: "a list of names, such as `[time, customer, amount]`",
        required: true,
        help: "The names of the columns, in order; `_` is a column that is not kept.",
        default: None,
    },
    Key {
        name: "header",
        wanted: "`skip` or `keep`",
        required: false,
        help: "What becomes of lines that say exactly the names of the columns.",
        default: Some("keep"),
    },
    Key {
        name: "quote",
        wanted: "one character of ASCII, or `none`",
        required: false,
        help: "What stands around a column that holds a delimiter; doubled inside, it is itself.",
        default: Some("\", none for tsv"),
    },
    Key {
        name: "trim",
        wanted: "`true` or `false`",
        required: false,
        help: "Whether spaces and tabs around a column are not part of it.",
        default: Some("false"),
    },
];

static KEYS: &[Key] = &[
    COLUMN_KEYS[0],
    COLUMN_KEYS[1],
    COLUMN_KEYS[2],
    COLUMN_KEYS[3],
    Key {
        name: "delimiter",
        wanted: "one character of ASCII, or `tab`",
        required: false,
        help: "What stands between columns.",
        default: Some(","),
    },
];

/// How columns are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
}

/// Reads what every decoder of columns has; the quote of `dialect` holds where no other is written.
pub(super) fn read(
    keys: &Mapping<'_>,
    mut dialect: Dialect,
    faults: &mut Faults,
) -> Option<Box<dyn Written>> {
    let before = faults.len();
    let names = keys.get("columns").and_then(|node| columns(node, faults));
    let headers = [("skip", true), ("keep", false)];
    let skip_header = keys.get("header").and_then(|node| node.one_of("header handling", &headers, faults));
    let trim = keys.get("trim").and_then(|node| node.boolean(faults));
    if let Some(node) = keys.get("quote") {
        let is_none = matches!(&node.kind, NodeKind::Scalar { text, .. } if text.text == "none");
        dialect.quote = if is_none { None } else { character(node, QUOTES, faults) };
        if dialect.quote == Some(dialect.delimiter) {
            faults.add(node.place, "the quote cannot be the delimiter as well");
        }
    }
    let (names, skip_header, trim) = (names?, skip_header.unwrap_or_default(), trim.unwrap_or_default());
    (faults.len() == before)
        .then(|| Box::new(Table { names, skip_header, trim, dialect }) as Box<dyn Written>)
}

/// The names of the columns, each once.
fn columns(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    let nodes = node.list("a list of column names", faults)?;
    if nodes.is_empty() {
        faults.add_with_help(node.place, "there are no columns", "name every column of a line, in order");
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for node in nodes {
        let Some(name) = node.text(faults).map(|text| &text.text) else { continue };
        if name.is_empty() {
            faults.add_with_help(node.place, "a column has no name", "call a column that is not needed `_`");
        } else if name != UNUSED && names.contains(name) {
            let help = "a column that is not needed may be called `_`";
            faults.add_with_help(node.place, format!("two columns are called `{name}`"), help);
        }
        names.push(name.clone());
    }
    Some(names)
}

/// What may be written for a delimiter.
const DELIMITERS: &str = "write for example `','`, `';'`, `'|'` or `tab`";

/// What may be written for a quote.
const QUOTES: &str = "write for example `'\"'`, or `none`";

/// A character that can be told apart in any text; `help` says what to write for it.
fn character(node: &Node, help: &str, faults: &mut Faults) -> Option<u8> {
    let text = node.text(faults)?;
    match text.text.as_bytes() {
        b"tab" | b"\\t" => Some(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
        _ => {
            let problem = format!("expected one character of ASCII, found {}", node.found());
            faults.add_with_help(node.place, problem, help);
            None
        }
    }
}

/// The name of columns that are not kept.
const UNUSED: &str = "_";

/// A decoder of columns as configured.
struct Table {
    names: Vec<String>,
    skip_header: bool,
    trim: bool,
    dialect: Dialect,
}

impl Written for Table {
    fn known(&self) -> Option<Vec<String>> {
        Some(self.names.iter().filter(|name| *name != UNUSED).cloned().collect())
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let slot = |name: &String| {
            let field = Field::Event(Path::of(name));
            fields.used().iter().position(|used| *used == field).map(Slot).filter(|_| name != UNUSED)
        };
        let header = |name: &String| (name != UNUSED).then(|| name.as_bytes().into());
        Box::new(Rows {
            slots: self.names.iter().map(slot).collect(),
            header: self.skip_header.then(|| self.names.iter().map(header).collect()),
            trim: self.trim,
            dialect: self.dialect,
        })
    }
}

/// The decoder of one worker.
struct Rows {
    /// Where each column goes, if it is used.
    slots: Vec<Option<Slot>>,
    /// What each column of a header line says, where such lines are passed over; `None` is anything.
    header: Option<Vec<Option<Box<[u8]>>>>,
    trim: bool,
    dialect: Dialect,
}

impl Decode for Rows {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        arena: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            if self.header.as_ref().is_some_and(|names| self.is_header(names, record)) {
                continue;
            }
            let row = events.row_mut(at);
            let quote = self.dialect.quote.filter(|quote| memchr::memchr(*quote, record).is_some());
            let filled = match quote {
                None => self.fill_plain(record, row),
                Some(quote) => self.fill_quoted(record, quote, arena, row),
            };
            match filled {
                Ok(()) => events.admit(at),
                Err(reason) => refused.count(reason),
            }
        }
    }
}

impl Rows {
    /// Fills a row from a record without quotes.
    fn fill_plain<'b>(&self, record: &'b [u8], row: &mut [Value<'b>]) -> Result<(), Refused> {
        let mut slots = self.slots.iter();
        let mut start = 0;
        for end in memchr::memchr_iter(self.dialect.delimiter, record).chain([record.len()]) {
            if let Some(slot) = slots.next().ok_or(Refused::WrongColumns)? {
                row[slot.0] = Value::Text(self.trimmed(&record[start..end]));
            }
            start = end + 1;
        }
        if slots.len() == 0 { Ok(()) } else { Err(Refused::WrongColumns) }
    }

    /// Fills a row from a record that holds quotes.
    fn fill_quoted<'b>(
        &self,
        record: &'b [u8],
        quote: u8,
        arena: &'b Bump,
        row: &mut [Value<'b>],
    ) -> Result<(), Refused> {
        let mut slots = self.slots.iter();
        let mut rest = Some(record);
        let mut surplus = false;
        while let Some(bytes) = rest {
            let (cell, behind) = self.cell(bytes, Some(quote)).ok_or(Refused::InvalidCsv)?;
            match slots.next() {
                Some(Some(slot)) => row[slot.0] = Value::Text(cell.resolve(quote, arena)),
                Some(None) => {}
                None => surplus = true,
            }
            rest = behind;
        }
        if slots.len() == 0 && !surplus { Ok(()) } else { Err(Refused::WrongColumns) }
    }

    /// Whether a record says exactly the names of the columns, a byte order mark aside.
    fn is_header(&self, names: &[Option<Box<[u8]>>], record: &[u8]) -> bool {
        let mut rest = Some(record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record));
        let all = names.iter().all(|name| {
            let Some((cell, behind)) = rest.and_then(|bytes| self.cell(bytes, self.dialect.quote)) else {
                return false;
            };
            rest = behind;
            name.as_ref().is_none_or(|name| cell.says(name, self.dialect.quote))
        });
        all && rest.is_none()
    }

    /// Splits off the first column of `bytes`; behind it is nothing where it is the last. `None` where a quote is
    /// not closed, or something stands between its end and the next delimiter.
    fn cell<'b>(&self, bytes: &'b [u8], quote: Option<u8>) -> Option<(Cell<'b>, Option<&'b [u8]>)> {
        let Dialect { delimiter, .. } = self.dialect;
        let start = if self.trim { blanks(bytes.iter()) } else { 0 };
        if quote.is_none_or(|quote| bytes.get(start) != Some(&quote)) {
            let end = memchr::memchr(delimiter, bytes);
            let text = self.trimmed(&bytes[..end.unwrap_or(bytes.len())]);
            return Some((Cell { text, doubled: false }, end.map(|end| &bytes[end + 1..])));
        }
        let quote = quote?;
        let (start, mut end, mut doubled) = (start + 1, start + 1, false);
        let behind = loop {
            end += memchr::memchr(quote, &bytes[end..])?;
            if bytes.get(end + 1) != Some(&quote) {
                break &bytes[end + 1..];
            }
            end += 2;
            doubled = true;
        };
        let behind = &behind[if self.trim { blanks(behind.iter()) } else { 0 }..];
        let cell = Cell { text: &bytes[start..end], doubled };
        match behind.split_first() {
            None => Some((cell, None)),
            Some((first, behind)) => (*first == delimiter).then_some((cell, Some(behind))),
        }
    }

    fn trimmed<'b>(&self, text: &'b [u8]) -> &'b [u8] {
        if !self.trim {
            return text;
        }
        let text = &text[blanks(text.iter())..];
        &text[..text.len() - blanks(text.iter().rev())]
    }
}

/// How many blanks `bytes` begins with.
fn blanks<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    bytes.take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// One column of a record.
struct Cell<'b> {
    text: &'b [u8],
    /// Whether there are quotes in the text, each of them twice.
    doubled: bool,
}

impl<'b> Cell<'b> {
    /// The text with single quotes.
    fn resolve(&self, quote: u8, arena: &'b Bump) -> &'b [u8] {
        if !self.doubled {
            return self.text;
        }
        let out = arena.alloc_slice_fill_copy(self.text.len(), 0);
        let mut len = 0;
        for byte in single(self.text, quote) {
            out[len] = byte;
            len += 1;
        }
        &out[..len]
    }

    fn says(&self, name: &[u8], quote: Option<u8>) -> bool {
        match quote.filter(|_| self.doubled) {
            None => self.text == name,
            Some(quote) => single(self.text, quote).eq(name.iter().copied()),
        }
    }
}

/// The bytes of a text, of each pair of quotes the first.
fn single(text: &[u8], quote: u8) -> impl Iterator<Item = u8> {
    let mut second = false;
    text.iter().copied().filter(move |byte| {
        second = *byte == quote && !second;
        *byte != quote || second
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trial;
    use super::*;

    const NAMES: [&str; 3] = ["a", "b", "c"];

    /// What columns `a` and `c` of a record are; why it was refused; or nothing where it was passed over.
    #[track_caller]
    fn check(options: &str, record: &str, expected: Result<[&str; 2], Option<Refused>>) {
        let written = trial::read(&format!("csv: {{columns: [a, b, c]{options}}}"));
        let arena = Bump::new();
        let found = trial::decode(&*written, &trial::fields(&["a", "c"]), record.as_bytes(), &arena);
        let expected = expected.map(|values| values.map(|value| Value::Text(value.as_bytes())).to_vec());
        assert_eq!(found, expected, "{record}");
    }

    #[test]
    fn columns_stand_between_delimiters() {
        check("", "1,2,3", Ok(["1", "3"]));
        check("", " 1,2,\t3", Ok([" 1", "\t3"]));
        check("", ",,", Ok(["", ""]));
        check("", "1\",2,é", Ok(["1\"", "é"]));
        check(", delimiter: ';'", "1;,;3", Ok(["1", "3"]));
        for tab in ["tab", "'\\t'", "\"\\t\""] {
            check(&format!(", delimiter: {tab}"), "1\t2\t3", Ok(["1", "3"]));
        }
    }

    #[test]
    fn quotes_hold_delimiters_and_doubled_quotes() {
        check("", r#""1,1",",","3""#, Ok(["1,1", "3"]));
        check("", r#""say ""hi""",2,"""""""#, Ok([r#"say "hi""#, r#""""#]));
        check("", r#""","",""""#, Err(Some(Refused::InvalidCsv)));
        check("", r#"",",,"""#, Ok([",", ""]));
        check("", r#""""",2,3"#, Ok(["\"", "3"]));
        check(", quote: \"'\"", "'1,''1',\",3", Ok(["1,'1", "3"]));
        check(", quote: none", "\"1,2,3\"", Ok(["\"1", "3\""]));
    }

    #[test]
    fn blanks_are_trimmed_where_asked_for() {
        check(", trim: true", " 1 ,2,\t3 3 ", Ok(["1", "3 3"]));
        check(", trim: true", " \" 1 \" ,2, \"3\"", Ok([" 1 ", "3"]));
        check(", trim: true", "  ,, ", Ok(["", ""]));
        check("", "1, \"2,2\",3", Err(Some(Refused::WrongColumns)));
    }

    #[test]
    fn another_number_of_columns_is_refused() {
        for record in ["", "1", "1,2", "1,2,3,4", "1,2,3,", "\"1\",2", "1,2,3,\"4\""] {
            check("", record, Err(Some(Refused::WrongColumns)));
        }
    }

    #[test]
    fn quotes_that_do_not_close_where_a_column_ends_are_refused() {
        for record in ["\"1,2,3", "1,2,\"3\"\"", "\"1\"1,2,3", "1,2,\"3\" ", "1,2,3,\"4"] {
            check("", record, Err(Some(Refused::InvalidCsv)));
        }
    }

    #[test]
    fn header_lines_are_passed_over_where_asked_for() {
        check(", header: skip", "a,b,c", Err(None));
        check(", header: skip", "\u{feff}\"a\",b,\"c\"", Err(None));
        check(", header: skip, trim: true", " a, b , \"c\" ", Err(None));
        check(", header: skip", "a,b,d", Ok(["a", "d"]));
        check(", header: skip", "a,b", Err(Some(Refused::WrongColumns)));
        check(", header: skip", "a,b,c,", Err(Some(Refused::WrongColumns)));
        check("", "a,b,c", Ok(["a", "c"]));
        check(", header: keep", "a,b,c", Ok(["a", "c"]));
    }

    #[test]
    fn columns_without_a_name_are_not_kept() {
        let written = trial::read("csv: {columns: [_, a, _, 'q \"x\"'], header: skip}");
        assert_eq!(written.known(), Some(vec!["a".to_owned(), "q \"x\"".to_owned()]));
        let arena = Bump::new();
        let found = |record| trial::decode(&*written, &trial::fields(&["a", "_"]), record, &arena);
        assert_eq!(found(b"1,2,3,4"), Ok(vec![Value::Text(b"2"), Value::Missing]));
        assert_eq!(found(b"x,a,y,\"q \"\"x\"\"\""), Err(None));
    }

    #[track_caller]
    fn check_fault(options: &str, fault: &str) {
        assert_eq!(trial::faults(&format!("csv: {options}")), [fault]);
    }

    #[test]
    fn faults_have_their_place() {
        check_fault("{columns: []}", "16: there are no columns (name every column of a line, in order)");
        check_fault(
            "{columns: [a, a]}",
            "20: two columns are called `a` (a column that is not needed may be called `_`)",
        );
        check_fault("{columns: [a, '']}", "20: a column has no name (call a column that is not needed `_`)");
        check_fault("{columns: [a], quote: ','}", "28: the quote cannot be the delimiter as well");
        let character = "(write for example `','`, `';'`, `'|'` or `tab`)";
        check_fault(
            "{columns: [a], delimiter: ab}",
            &format!("32: expected one character of ASCII, found `ab` {character}"),
        );
        check_fault(
            "{columns: [a], header: true}",
            "29: unknown header handling `true` (the known ones are `skip` and `keep`)",
        );
    }

    fn encode(value: &str) -> String {
        if value.contains([',', '"']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_decoded(record in proptest::collection::vec(any::<u8>(), 0..60), trim: bool) {
            let written = trial::read(&format!("csv: {{columns: [a, b, c], trim: {trim}, header: skip}}"));
            let arena = Bump::new();
            trial::decode(&*written, &trial::fields(&NAMES), &record, &arena).ok();
        }

        #[test]
        fn any_columns_can_be_decoded(record in "[ab,\" ]{0,16}", trim: bool) {
            let written = trial::read(&format!("csv: {{columns: [a, b, c], trim: {trim}, header: skip}}"));
            let arena = Bump::new();
            trial::decode(&*written, &trial::fields(&NAMES), record.as_bytes(), &arena).ok();
        }

        #[test]
        fn what_was_encoded_is_decoded_again(values in proptest::collection::vec("[a,\" é]{0,8}", 3)) {
            let record = values.iter().map(|value| encode(value)).collect::<Vec<_>>().join(",");
            let written = trial::read("csv: {columns: [a, b, c]}");
            let arena = Bump::new();
            let wanted = values.iter().map(|value| Value::Text(value.as_bytes())).collect();
            prop_assert_eq!(trial::decode(&*written, &trial::fields(&NAMES), record.as_bytes(), &arena), Ok(wanted));
        }
    }
}
