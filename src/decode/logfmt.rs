//! `decode: logfmt`: `key=value` pairs, as Go's logfmt libraries and `log/slog` write them.
//!
//! ```text
//! level=info msg="user \"ann\" logged in" duration=1.5 cached
//! ```
//!
//! Blanks (every byte up to the space) stand between pairs. A key is any bytes but blanks, `=` and `"`, and so is
//! a value without quotes. A quoted value has the escapes of Go's `%q`, which those of JSON are a part of. A key
//! without `=` is true, an empty value is an empty text; of a key that occurs twice the last one counts. Bytes that
//! are not UTF-8 are taken as they are. Where a quote is not closed, `=` or `"` stands where neither can, or an
//! escape is unknown, the record contributes nothing: `a=b=c` is read differently by every implementation.
//!
//! A key may hold dots: the field `http.status` is the key `http.status`, as is `event["http.status"]`.

use bumpalo::Bump;

use super::{Decode, Kind, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot, Step};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "logfmt",
    help: "Pairs such as `level=info msg=\"logged in\"`; a key without a value is true.",
    example: "decode: logfmt\n",
    keys: &[],
    read: |node: &Node, faults: &mut Faults| {
        super::no_options(KIND.name, node, faults)?;
        Some(Box::new(Logfmt))
    },
};

struct Logfmt;

impl Written for Logfmt {
    fn known(&self) -> Option<Vec<String>> {
        None
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let wanted = fields.used().iter().enumerate().filter_map(|(slot, field)| match field {
            Field::Event(path) => Some((key(path).into_bytes().into(), Slot(slot))),
            Field::Source(_) | Field::SourceEntry(..) | Field::List(_) => None,
        });
        Box::new(Pairs { wanted: wanted.collect() })
    }
}

/// The key that a path leads to. There is nothing inside of values, so a dot is part of the key.
fn key(Path(steps): &Path) -> String {
    let mut key = String::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Index(index) => key += &format!("[{index}]"),
            Step::Key(name) if at == 0 => key += name,
            Step::Key(name) => {
                key.push('.');
                key += name;
            }
        }
    }
    key
}

/// The decoder of one worker.
struct Pairs {
    /// The keys that are wanted, and where they go. A key written in two ways has two slots.
    wanted: Vec<(Box<[u8]>, Slot)>,
}

impl Decode for Pairs {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        arena: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            match self.fill(record, arena, events.row_mut(at)) {
                Some(()) => events.admit(at),
                None => refused.count(Refused::InvalidLogfmt),
            }
        }
    }
}

impl Pairs {
    /// Fills a row; `None` where the record is not logfmt.
    fn fill<'b>(&self, record: &'b [u8], arena: &'b Bump, row: &mut [Value<'b>]) -> Option<()> {
        let mut rest = record;
        loop {
            rest = &rest[rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len())..];
            if rest.is_empty() {
                return Some(());
            }
            let (key, after) = word(rest);
            let (form, after) = match after {
                [b'=', b'"', after @ ..] => quoted(after)?,
                [b'=', after @ ..] => {
                    let (text, after) = word(after);
                    (Form::Plain(text), after)
                }
                _ => (Form::Bare, after),
            };
            if key.is_empty() || after.first().is_some_and(|byte| !is_blank(*byte)) {
                return None;
            }
            for (_, slot) in self.wanted.iter().filter(|(wanted, _)| **wanted == *key) {
                row[slot.0] = form.value(arena);
            }
            rest = after;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

/// Splits off what can be a key, or a value without quotes; it may be empty.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let ends = |byte: &u8| is_blank(*byte) || matches!(byte, b'=' | b'"');
    bytes.split_at(bytes.iter().position(ends).unwrap_or(bytes.len()))
}

/// A value as it stands in the record.
#[derive(Clone, Copy)]
enum Form<'b> {
    /// No value.
    Bare,
    /// What it says.
    Plain(&'b [u8]),
    /// Quoted, with escapes in it that are known to be valid.
    Escaped(&'b [u8]),
}

impl<'b> Form<'b> {
    fn value(self, arena: &'b Bump) -> Value<'b> {
        match self {
            Form::Bare => Value::Bool(true),
            Form::Plain(text) => Value::Text(text),
            Form::Escaped(text) => Value::Text(unescape(text, arena)),
        }
    }
}

/// Splits off a quoted value, behind its opening quote; `None` where it is not closed or an escape is unknown.
fn quoted(bytes: &[u8]) -> Option<(Form<'_>, &[u8])> {
    let (mut at, mut escaped) = (0, false);
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            let text = &bytes[..at];
            let form = if escaped { Form::Escaped(text) } else { Form::Plain(text) };
            return Some((form, &bytes[at + 1..]));
        }
        escaped = true;
        at += 1 + escape(&bytes[at + 1..])?.1;
    }
}

/// What `text` says once its escapes are resolved, which never makes it longer.
fn unescape<'b>(text: &[u8], arena: &'b Bump) -> &'b [u8] {
    let out = arena.alloc_slice_fill_copy(text.len(), 0);
    let (mut rest, mut len) = (text, 0);
    let mut put = |bytes: &[u8]| {
        out[len..len + bytes.len()].copy_from_slice(bytes);
        len += bytes.len();
    };
    while let Some(at) = memchr::memchr(b'\\', rest) {
        put(&rest[..at]);
        let (meant, taken) = escape(&rest[at + 1..]).expect("every escape was looked at to find the end");
        match meant {
            Meant::Byte(byte) => put(&[byte]),
            Meant::Character(character) => put(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[at + 1 + taken..];
    }
    put(rest);
    &out[..len]
}

/// What an escape stands for.
enum Meant {
    /// A byte, of `\xff` perhaps one that is not UTF-8.
    Byte(u8),
    Character(char),
}

/// What the escape whose backslash stands before `bytes` means, and how many of `bytes` it takes. Half a surrogate
/// pair is U+FFFD, as in Go.
fn escape(bytes: &[u8]) -> Option<(Meant, usize)> {
    let byte = |byte| Some((Meant::Byte(byte), 1));
    match bytes.first()? {
        same @ (b'"' | b'\\' | b'/' | b'\'') => byte(*same),
        b'a' => byte(0x07),
        b'b' => byte(0x08),
        b't' => byte(b'\t'),
        b'n' => byte(b'\n'),
        b'v' => byte(0x0b),
        b'f' => byte(0x0c),
        b'r' => byte(b'\r'),
        b'x' => Some((Meant::Byte(u8::try_from(hexadecimal(bytes, 2)?).ok()?), 3)),
        b'U' => Some((Meant::Character(char::from_u32(hexadecimal(bytes, 8)?)?), 9)),
        b'u' => {
            let unit = hexadecimal(bytes, 4)?;
            let pair = bytes.get(5..7) == Some(br"\u");
            let second = bytes.get(6..).filter(|_| pair).and_then(|second| hexadecimal(second, 4));
            let units = [unit as u16, second.unwrap_or_default() as u16];
            match char::decode_utf16(units).next()? {
                Ok(character) => Some((Meant::Character(character), 5 + 6 * (character.len_utf16() - 1))),
                Err(_) => Some((Meant::Character(char::REPLACEMENT_CHARACTER), 5)),
            }
        }
        _ => None,
    }
}

/// The number that `digits` hexadecimal digits behind the first of `bytes` spell.
fn hexadecimal(bytes: &[u8], digits: usize) -> Option<u32> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    bytes.get(1..=digits)?.iter().try_fold(0, |sum, digit| Some(sum * 16 + value(digit)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trial;
    use super::*;

    const NAMES: [&str; 3] = ["a", "b", "http.status"];

    /// What is expected of `a`, `b` and `http.status`; `None` where the record is refused.
    #[track_caller]
    fn check(record: &[u8], expected: Option<[Value<'_>; 3]>) {
        let arena = Bump::new();
        let found = trial::decode(&Logfmt, &trial::fields(&NAMES), record, &arena);
        let expected = expected.map(|values| values.to_vec()).ok_or(Some(Refused::InvalidLogfmt));
        assert_eq!(found, expected, "{}", record.escape_ascii());
    }

    /// The value of `a` alone.
    #[track_caller]
    fn check_a(record: &[u8], a: Value<'_>) {
        check(record, Some([a, Value::Missing, Value::Missing]));
    }

    const TRUE: Value<'static> = Value::Bool(true);

    #[test]
    fn pairs_are_found_by_key() {
        let wanted = [Value::Text(b"1"), Value::Text(b"x y"), Value::Text(b"200")];
        check(b"a=1 b=\"x y\" http.status=200", Some(wanted));
        check_a(b"  z=9\ta=1  ", wanted[0]);
        check(b"http.status=200 zz=\"\\\"\" b=\"x y\" a=1\r", Some(wanted));
        check(b"", Some([Value::Missing; 3]));
        check(b" \t ", Some([Value::Missing; 3]));
    }

    #[test]
    fn a_key_without_a_value_is_true() {
        check(b"a b", Some([TRUE, TRUE, Value::Missing]));
        check_a(b"x a", TRUE);
    }

    #[test]
    fn an_empty_value_is_an_empty_text() {
        check(b"a= b=\"\"", Some([Value::Text(b""), Value::Text(b""), Value::Missing]));
        check_a(b"a=", Value::Text(b""));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        check_a(b"a=1 a=2", Value::Text(b"2"));
        check_a(b"a=1 a", TRUE);
    }

    #[test]
    fn escapes_are_those_of_go_and_of_json() {
        check_a(br#"a="say \"hi\"""#, Value::Text(b"say \"hi\""));
        check_a(br#"a="\a\b\t\n\v\f\r\\\/\'""#, Value::Text(b"\x07\x08\t\n\x0b\x0c\r\\/'"));
        check_a(br#"a="\u00e9\U0001f600\ud83d\ude00""#, Value::Text("é😀😀".as_bytes()));
        check_a(br#"a="\xff.""#, Value::Text(b"\xff."));
        check_a(br#"a="\ud83d\u0041\ude00""#, Value::Text("\u{fffd}A\u{fffd}".as_bytes()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_taken_as_they_are() {
        check_a(b"\xff=1 a=\xfe\x80", Value::Text(b"\xfe\x80"));
    }

    #[test]
    fn what_is_not_logfmt_is_refused() {
        for record in [
            &b"a=\"open"[..],
            b"a=\"open\\\"",
            b"a=\"\\",
            b"=1",
            b"a =1",
            b"a=b=c",
            b"a==",
            b"\"a\"=1",
            b"a\"=1",
            b"a=x\"y\"",
            b"a=\"x\"y",
            b"a=\"x\"b=1",
            b"z=\"\\z\"",
            b"z=\"\\x0g\"",
            b"z=\"\\U00110000\"",
            b"z=\"\\u12\"",
        ] {
            check(record, None);
        }
    }

    #[test]
    fn a_key_with_dots_is_found_both_ways() {
        let mut fields = Fields::new(None, &[]);
        let steps = |keys: &[&str]| Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect());
        fields.slot(Field::Event(steps(&["http", "status"])));
        fields.slot(Field::Event(steps(&["http.status"])));
        let list = Path(vec![Step::Key("tags".to_owned()), Step::Index(0)]);
        fields.slot(Field::Event(list));
        let arena = Bump::new();
        let found = trial::decode(&Logfmt, &fields, b"http.status=200 tags[0]=x http=1", &arena);
        assert_eq!(found, Ok(vec![Value::Text(b"200"), Value::Text(b"200"), Value::Text(b"x")]));
    }

    #[test]
    fn options_are_a_fault() {
        let fault = "9: `logfmt` has no options (write `decode: logfmt`)";
        assert_eq!(trial::faults("logfmt: {strict: true}"), [fault]);
    }

    /// Writes a pair as `log/slog` does.
    fn encode(value: &[u8]) -> Vec<u8> {
        let plain = |byte: &u8| *byte > b' ' && !matches!(byte, b'=' | b'"');
        if !value.is_empty() && value.iter().all(plain) {
            return value.to_vec();
        }
        let mut out = vec![b'"'];
        for byte in value {
            match byte {
                b'"' | b'\\' => out.extend([b'\\', *byte]),
                b'\n' => out.extend(b"\\n"),
                0..b' ' => out.extend(format!("\\x{byte:02x}").into_bytes()),
                _ => out.push(*byte),
            }
        }
        out.push(b'"');
        out
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_decoded(record in proptest::collection::vec(any::<u8>(), 0..60)) {
            let arena = Bump::new();
            trial::decode(&Logfmt, &trial::fields(&NAMES), &record, &arena).ok();
        }

        #[test]
        fn any_pairs_can_be_decoded(record in "([ab=\"\\\\ux0-9 ]|\\\\u[dD]8[0-9]{2}){0,24}") {
            let arena = Bump::new();
            trial::decode(&Logfmt, &trial::fields(&NAMES), record.as_bytes(), &arena).ok();
        }

        #[test]
        fn what_was_encoded_is_decoded_again(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 3)
        ) {
            let pairs = NAMES.iter().zip(&values);
            let pairs = pairs.map(|(name, value)| [name.as_bytes(), b"=", &encode(value)].concat());
            let record = pairs.collect::<Vec<_>>().join(&b' ');
            let arena = Bump::new();
            let wanted = values.iter().map(|value| Value::Text(value)).collect();
            prop_assert_eq!(trial::decode(&Logfmt, &trial::fields(&NAMES), &record, &arena), Ok(wanted));
        }
    }
}
