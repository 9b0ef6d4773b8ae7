//! From the parser's spans to places: where a scalar really starts and ends in its file.
//!
//! The parser's spans begin at a tag or an anchor and may end behind trailing comments, so the text is looked at again.

use saphyr_parser::{Marker, ScalarStyle, Span};

use super::place::{FileId, Place};

/// The text of a file, read along with the parser's events.
#[derive(Debug)]
pub(super) struct Source<'t> {
    file: FileId,
    text: &'t str,
    /// Where the last look was, in bytes and in characters: events come in the order of the text, so finding the
    /// next one costs the distance and not the length of the file.
    byte: usize,
    character: usize,
}

/// A position in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'t> {
    /// The text from here on.
    pub(super) rest: &'t str,
    file: FileId,
    line: usize,
    column: usize,
}

/// Where a scalar stands: the whole of it, and its first character where its text stands one to one in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScalarPlace {
    pub(super) whole: Place,
    pub(super) inside: Option<Place>,
}

/// The text without the mark that some editors put at its start.
pub(super) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Whether the parser ends a line at this character.
pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

impl<'t> Source<'t> {
    pub(super) fn new(file: FileId, text: &'t str) -> Source<'t> {
        Source { file, text, byte: 0, character: 0 }
    }

    /// The place of a marker, one character long.
    pub(super) fn place(&self, marker: Marker) -> Place {
        Place { file: self.file, line: marker.line(), column: marker.col() + 1, len: 1 }
    }

    /// The spot of a marker.
    pub(super) fn spot(&mut self, marker: Marker) -> Spot<'t> {
        let Place { file, line, column, .. } = self.place(marker);
        Spot { rest: self.rest(marker.index()), file, line, column }
    }

    /// Looks at a marker, so that [`seen`](Source::seen) reaches to it.
    pub(super) fn look(&mut self, marker: Marker) {
        self.rest(marker.index());
    }

    /// The file, its text, and the byte up to which it was looked at.
    pub(super) fn seen(&self) -> (FileId, &'t str, usize) {
        (self.file, self.text, self.byte)
    }

    fn rest(&mut self, character: usize) -> &'t str {
        let (before, after) = self.text.split_at_checked(self.byte).unwrap_or(("", self.text));
        if character >= self.character {
            let forward = character - self.character;
            let bytes = after.char_indices().nth(forward).map_or(after.len(), |(at, _)| at);
            self.byte += bytes;
        } else {
            let backward = self.character - character;
            self.byte = before.char_indices().nth_back(backward - 1).map_or(0, |(at, _)| at);
        }
        self.character = character;
        self.text.get(self.byte..).unwrap_or_default()
    }

    /// Where the scalar `text` of this style stands; `properties` says that a tag or an anchor is before it.
    pub(super) fn scalar(
        &mut self,
        span: Span,
        style: ScalarStyle,
        text: &str,
        properties: bool,
    ) -> ScalarPlace {
        let mut spot = self.spot(span.start);
        if properties {
            spot.skip_properties();
        }
        match style {
            ScalarStyle::Plain if spot.rest.starts_with(text) && !text.contains(is_break) => {
                spot.one_to_one(text, 0)
            }
            ScalarStyle::SingleQuoted if spot.holds_quoted(text, '\'', '\'') => spot.one_to_one(text, 1),
            ScalarStyle::DoubleQuoted if spot.holds_quoted(text, '"', '\\') => spot.one_to_one(text, 1),
            ScalarStyle::Plain => spot.until(spot.line_len()).into(),
            ScalarStyle::SingleQuoted => spot.until(spot.single_quoted_len()).into(),
            ScalarStyle::DoubleQuoted => spot.until(spot.double_quoted_len()).into(),
            ScalarStyle::Literal | ScalarStyle::Folded => spot.until(spot.word_len()).into(),
        }
    }

    /// Where `written`, the `ordinal`-th `${` of the text in this span, stands.
    pub(super) fn reference(&mut self, span: Span, ordinal: usize, written: &str) -> Option<Place> {
        let mut spot = self.spot(span.start);
        let end = spot.rest.char_indices().nth(span.len()).map_or(spot.rest.len(), |(at, _)| at);
        let at = spot.rest.get(..end)?.match_indices("${").nth(ordinal)?.0;
        let before = spot.rest.get(..at)?;
        before.chars().for_each(|_| spot.advance());
        spot.rest.starts_with(written).then(|| spot.until(written.chars().count()))
    }
}

impl Spot<'_> {
    /// The place of the `len` characters from here.
    pub(super) fn until(&self, len: usize) -> Place {
        Place { file: self.file, line: self.line, column: self.column, len: len.max(1) }
    }

    /// The characters up to the next white space.
    pub(super) fn word_len(&self) -> usize {
        self.rest.chars().take_while(|character| !character.is_whitespace()).count()
    }

    /// Goes on behind tags, anchors, and the white space and comments after them.
    pub(super) fn skip_properties(&mut self) {
        while self.rest.starts_with(['&', '!']) {
            (0..self.word_len()).for_each(|_| self.advance());
            self.skip_blank();
        }
    }

    /// Goes on behind an anchor that is here, to the tag or the value after it.
    pub(super) fn skip_anchor(&mut self) {
        if self.rest.starts_with('&') {
            (0..self.word_len()).for_each(|_| self.advance());
            self.skip_blank();
        }
    }

    fn skip_blank(&mut self) {
        while let Some(next) = self.rest.chars().next() {
            if next == '#' {
                (0..self.line_len()).for_each(|_| self.advance());
            } else if !next.is_whitespace() {
                return;
            }
            self.advance();
        }
    }

    /// Goes on by one character; `\r\n` ends one line.
    fn advance(&mut self) {
        let mut characters = self.rest.chars();
        let Some(passed) = characters.next() else { return };
        self.rest = characters.as_str();
        if passed == '\n' || (passed == '\r' && !self.rest.starts_with('\n')) {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    /// The characters up to the end of the line, without white space at its end.
    fn line_len(&self) -> usize {
        let line = self.rest.split(is_break).next().unwrap_or_default();
        line.trim_end().chars().count()
    }

    /// Whether here stands `text` in quotes, without anything that is written otherwise than it is read.
    fn holds_quoted(&self, text: &str, quote: char, escape: char) -> bool {
        !text.contains([escape, '\n', '\r'])
            && self
                .rest
                .strip_prefix(quote)
                .and_then(|body| body.strip_prefix(text))
                .is_some_and(|behind| behind.starts_with(quote))
    }

    /// The place of a text that stands one to one in the file, between quotes of `quotes` characters each.
    fn one_to_one(&self, text: &str, quotes: usize) -> ScalarPlace {
        let len = text.chars().count();
        let inside = Place { column: self.column + quotes, ..self.until(len) };
        ScalarPlace { whole: self.until(len + 2 * quotes), inside: Some(inside) }
    }

    fn single_quoted_len(&self) -> usize {
        let mut len = 1;
        let mut characters = self.rest.chars().skip(1).peekable();
        while let Some(character) = characters.next() {
            len += 1;
            match character {
                '\'' if characters.next_if_eq(&'\'').is_some() => len += 1,
                '\'' => return len,
                '\n' | '\r' => return self.line_len(),
                _ => {}
            }
        }
        len
    }

    fn double_quoted_len(&self) -> usize {
        let mut len = 1;
        let mut characters = self.rest.chars().skip(1);
        while let Some(character) = characters.next() {
            len += 1;
            match character {
                '\\' if characters.next().is_some_and(|escaped| !is_break(escaped)) => len += 1,
                '"' => return len,
                '\\' | '\n' | '\r' => return self.line_len(),
                _ => {}
            }
        }
        len
    }
}

impl From<Place> for ScalarPlace {
    fn from(whole: Place) -> ScalarPlace {
        ScalarPlace { whole, inside: None }
    }
}
