//! JSON in one pass over the bytes, for texts as most are: several times faster than a parser for all of them.
//!
//! It is never in doubt: what it accepts is valid and means what `serde_json` says it means. Of everything else, be it
//! wrong or only unusual, it says nothing, and the text is read again by [`visit`](super::visit).

use std::ops::Range;

use bumpalo::Bump;

use super::Wanted;
use crate::base::bytes;
use crate::model::field::Slot;
use crate::model::value::{Value, parse_number};

/// How deep lists and objects may lie in each other here.
const DEPTH: u32 = 64;

static NOTHING: Wanted = Wanted::NOTHING;

/// Fills the row with what is wanted of `text`; `None` where it is not sure, and the row may then be filled in part. What
/// was done goes to `steps`, if it is to be done again.
pub(super) fn fill<'b>(
    text: &'b [u8],
    wanted: &Wanted,
    row: &mut [Value<'b>],
    arena: &'b Bump,
    steps: Option<&mut Steps>,
) -> Option<()> {
    let mut scan = Scan { steps, ..Scan::new(text, row, arena)? };
    scan.peek()?;
    scan.value(wanted)?;
    if scan.peek().is_some() {
        return None;
    }
    scan.step(text.len(), None);
    Some(())
}

/// What was come across in a text, as far as it is worth noting.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    /// The slots that were emptied, of all steps one after the other.
    cleared: Vec<Slot>,
}

/// A scalar that was come across; at last, the end of the text.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Where it lies in the text.
    pub(super) place: Range<usize>,
    /// The slot that it went to.
    pub(super) slot: Option<Slot>,
    /// Which of the slots that were emptied were so since the scalar before.
    cleared: Range<usize>,
}

impl Steps {
    /// More of them than this are not noted: the text is not of a shape that is learned.
    pub(super) const MOST: usize = 512;

    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.cleared.clear();
    }

    /// All steps of a text, each with the slots that were emptied before it; `None` where they were too many.
    pub(super) fn all(&self) -> Option<impl Iterator<Item = (&Step, &[Slot])>> {
        let is_whole = self.steps.len() <= Steps::MOST && self.cleared.len() <= Steps::MOST;
        is_whole.then(|| self.steps.iter().map(|step| (step, &self.cleared[step.cleared.clone()])))
    }

    fn add(&mut self, place: Range<usize>, slot: Option<Slot>) {
        if self.steps.len() <= Steps::MOST {
            let from = self.steps.last().map_or(0, |before| before.cleared.end);
            self.steps.push(Step { place, slot, cleared: from..self.cleared.len() });
        }
    }

    fn add_cleared(&mut self, slot: Slot) {
        if self.cleared.len() <= Steps::MOST {
            self.cleared.push(slot);
        }
    }
}

/// A text that is being read.
pub(super) struct Scan<'r, 'b> {
    text: &'b [u8],
    at: usize,
    /// How much deeper it may go.
    depth: u32,
    /// Whether the text in quotes that was read last has escapes.
    is_escaped: bool,
    row: &'r mut [Value<'b>],
    arena: &'b Bump,
    steps: Option<&'r mut Steps>,
}

impl<'r, 'b> Scan<'r, 'b> {
    /// At the start of a text; `None` if that is not UTF-8.
    pub(super) fn new(text: &'b [u8], row: &'r mut [Value<'b>], arena: &'b Bump) -> Option<Scan<'r, 'b>> {
        if !text.is_ascii() {
            std::str::from_utf8(text).ok()?;
        }
        Some(Scan { text, at: 0, depth: DEPTH, is_escaped: false, row, arena, steps: None })
    }

    /// What was not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'b [u8] {
        &self.text[self.at..]
    }

    /// Goes over `len` bytes that were looked at.
    #[inline]
    pub(super) fn pass(&mut self, len: usize) {
        self.at += len;
    }

    /// Empties a slot.
    #[inline]
    pub(super) fn clear(&mut self, slot: Slot) {
        self.row[slot.0] = Value::Missing;
    }

    /// Reads the scalar that begins here.
    #[inline]
    pub(super) fn scalar(&mut self, slot: Option<Slot>) -> Option<()> {
        let value = match *self.text.get(self.at)? {
            b'"' => {
                let text = self.quoted()?;
                match slot {
                    Some(_) if self.is_escaped => Value::Text(self.unescaped(text)?),
                    Some(_) => Value::Text(text),
                    None => return Some(()),
                }
            }
            b't' => self.word(b"true", Value::Bool(true))?,
            b'f' => self.word(b"false", Value::Bool(false))?,
            b'n' => self.word(b"null", Value::Missing)?,
            _ => self.number(slot.is_some())?,
        };
        if let Some(slot) = slot {
            self.row[slot.0] = value;
        }
        Some(())
    }

    /// The next byte that is no space; `None` at the end.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Goes on behind this byte, which has to be the next that is no space.
    #[inline]
    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Reads the value that begins here.
    fn value(&mut self, wanted: &Wanted) -> Option<()> {
        match *self.text.get(self.at)? {
            b'{' => self.within(|scan| scan.object(wanted)),
            b'[' => self.within(|scan| scan.list(wanted)),
            _ => {
                let start = self.at;
                self.scalar(wanted.slot)?;
                self.step(start, wanted.slot);
                Some(())
            }
        }
    }

    /// Notes what was done up to here, since the step before.
    fn step(&mut self, start: usize, slot: Option<Slot>) {
        if let Some(steps) = &mut self.steps {
            steps.add(start..self.at, slot);
        }
    }

    fn within(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        self.at += 1;
        read(self)?;
        self.depth += 1;
        Some(())
    }

    fn object(&mut self, wanted: &Wanted) -> Option<()> {
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            if self.peek()? != b'"' {
                return None;
            }
            let key = self.quoted()?;
            if self.is_escaped {
                return None;
            }
            self.expect(b':')?;
            self.peek()?;
            match wanted.keys.iter().find(|(name, _)| bytes::same(name.as_bytes(), key)) {
                None => self.value(&NOTHING)?,
                Some((_, wanted)) => {
                    wanted.clear(self.row);
                    if let Some(steps) = &mut self.steps {
                        wanted.each_slot(&mut |slot| steps.add_cleared(slot));
                    }
                    self.value(wanted)?;
                }
            }
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn list(&mut self, wanted: &Wanted) -> Option<()> {
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        let mut items = wanted.items.iter().peekable();
        for at in 0.. {
            self.peek()?;
            let wanted = items.next_if(|(index, _)| *index == at);
            self.value(wanted.map_or(&NOTHING, |(_, wanted)| wanted))?;
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
        None
    }

    fn word(&mut self, word: &[u8], value: Value<'b>) -> Option<Value<'b>> {
        let is_there = self.text[self.at..].starts_with(word);
        self.at += word.len();
        is_there.then_some(value)
    }

    /// Goes over a text in quotes, the first of which is here.
    #[inline]
    fn quoted(&mut self) -> Option<&'b [u8]> {
        let start = self.at + 1;
        let mut at = start;
        self.is_escaped = false;
        loop {
            at += plain(self.text.get(at..)?);
            match *self.text.get(at)? {
                b'"' => {
                    self.at = at + 1;
                    return Some(&self.text[start..at]);
                }
                b'\\' => at += escape(&self.text[at..])?,
                _ => return None,
            }
            self.is_escaped = true;
        }
    }

    /// What a text that has escapes stands for.
    #[cold]
    fn unescaped(&self, text: &[u8]) -> Option<&'b [u8]> {
        let with_quotes = [b"\"", text, b"\""].concat();
        let text: String = serde_json::from_slice(&with_quotes).ok()?;
        Some(self.arena.alloc_slice_copy(text.as_bytes()))
    }

    /// Goes over a number, and reads it if it `is_wanted`.
    #[inline]
    fn number(&mut self, is_wanted: bool) -> Option<Value<'b>> {
        let rest = &self.text[self.at..];
        let sign = usize::from(rest[0] == b'-');
        let (whole, digits) = digits(&rest[sign..]);
        let mut len = sign + digits;
        if digits == 0 || (digits > 1 && rest[sign] == b'0') {
            return None;
        }
        let mut is_whole = true;
        if rest.get(len) == Some(&b'.') {
            let (_, decimals) = self::digits(&rest[len + 1..]);
            if decimals == 0 {
                return None;
            }
            (len, is_whole) = (len + 1 + decimals, false);
        }
        let has_exponent = matches!(rest.get(len), Some(b'e' | b'E'));
        if has_exponent {
            len += bytes::position(&rest[len..], |byte| {
                !matches!(byte, b'+' | b'-' | b'e' | b'E' | b'0'..=b'9')
            });
        }
        self.at += len;
        let is_short = !has_exponent && len <= 15;
        match () {
            // `-0` is a float.
            () if is_short && is_whole && (sign == 0 || whole != 0) => {
                Some(Value::Integer(if sign == 0 { whole as i64 } else { -(whole as i64) }))
            }
            () if is_short && !is_wanted => Some(Value::Missing),
            () if is_short && !is_whole => parse_number(&rest[..len]).map(Value::Float),
            () => number(&rest[..len]),
        }
    }
}

/// How many bytes stand before the first that ends a text in quotes, begins an escape, or must not be there.
#[inline]
fn plain(text: &[u8]) -> usize {
    let ends = |word| bytes::equal(word, b'"') | bytes::equal(word, b'\\') | bytes::below(word, b' ');
    let is_end = |byte| (byte == b'"') | (byte == b'\\') | (byte < b' ');
    bytes::short(text, ends).unwrap_or_else(|| bytes::position(text, is_end))
}

/// How long an escape is; `None` where it is none, or one half of a pair.
fn escape(text: &[u8]) -> Option<usize> {
    match *text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let digits = text.get(2..6)?;
            let is_half = matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
            (!is_half && digits.iter().all(u8::is_ascii_hexdigit)).then_some(6)
        }
        _ => None,
    }
}

/// The number that the digits make which `text` begins with, if they are not too many, and how many they are.
#[inline]
fn digits(text: &[u8]) -> (u64, usize) {
    let mut number = 0u64;
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (number, at);
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (number, text.len())
}

/// A number that is not short.
#[cold]
fn number<'b>(text: &[u8]) -> Option<Value<'b>> {
    let number: serde_json::Number = serde_json::from_slice(text).ok()?;
    Some(number.as_i64().map_or(Value::Float(number.as_f64()?), Value::Integer))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::tests::{json, reader};
    use crate::json::visit;

    /// Whether it was sure of the text; what it then says has to be what the other one says.
    #[track_caller]
    fn check(text: &[u8]) -> bool {
        let (reader, arena) = (reader(), Bump::new());
        let (mut row, mut expected) = ([Value::Missing; 6], [Value::Missing; 6]);
        let is_valid = visit::fill(text, &reader.root, &mut expected, &arena).is_ok();
        let is_sure = fill(text, &reader.root, &mut row, &arena, None).is_some();
        let shown = String::from_utf8_lossy(text);
        if is_sure {
            assert!(is_valid, "{shown}");
            assert_eq!(format!("{row:?}"), format!("{expected:?}"), "{shown}");
        }
        is_sure
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn it_says_what_serde_json_says(text in json()) {
            check(text.as_bytes());
        }

        #[test]
        fn it_accepts_nothing_that_serde_json_does_not(text in json(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                check(&bytes);
                bytes.truncate(cut.index(bytes.len()) + 1);
                check(&bytes);
            }
        }
    }

    #[test]
    fn it_is_sure_of_usual_texts() {
        for text in [
            r#"{"a":"x","b":{"a":1,"b":-2.5},"c":[1,"two",{"a":true}]}"#,
            " { \"a\" : null , \"d\" : [ ] , \"e\" : { } } \r\n",
            r#"{"a":"line\nof \"text\" \u00e9","d":"\\"}"#,
            "{\"a\":\"\u{e9}\"}",
            r#"{"a":12345678901234567890,"b":1e-3,"d":0.1234567890123456789}"#,
            r#"{"a":1,"a":{"x":2}}"#,
        ] {
            assert!(check(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn it_leaves_to_the_other_what_is_wrong_or_odd() {
        for text in [
            "",
            "{",
            "{\"a\":1,}",
            "[1 2]",
            "{\"a\" 1}",
            "01",
            "-",
            "1.",
            "1e",
            "1e999",
            "+1",
            "\"\u{1}\"",
            "tru",
            "{} {}",
            r#""\ud800""#,
            r#""\x""#,
            r#"{"\u0061":1}"#,
            "[\"a\"",
            "{\"a\":}",
            "\"a",
            "\"\\",
        ] {
            assert!(!check(text.as_bytes()), "{text}");
        }
        assert!(!check(b"\"\xff\""));
        let deep = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(check(deep(DEPTH as usize).as_bytes()));
        assert!(!check(deep(DEPTH as usize + 1).as_bytes()));
        assert!(!check("[".repeat(100_000).as_bytes()));
    }
}
