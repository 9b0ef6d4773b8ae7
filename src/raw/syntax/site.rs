//! The text around the place where the parser gave up.

use saphyr_parser::Marker;

use crate::raw::place::{FileId, Place};
use crate::raw::source::{Source, is_break};

/// Where the parser gave up. Positions are bytes of the text.
pub(super) struct Site<'t> {
    pub(super) text: &'t str,
    /// The position that the parser names.
    pub(super) at: usize,
    /// The brackets that are open there, the outermost first.
    pub(super) open: Vec<usize>,
    file: FileId,
}

/// What is wrong, and where.
pub(super) struct Finding {
    pub(super) at: usize,
    /// In characters.
    pub(super) len: usize,
    pub(super) problem: String,
    pub(super) help: String,
}

/// The start of something that a block is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// From 0, in characters.
    pub(super) column: usize,
    pub(super) dash: bool,
}

impl Finding {
    pub(super) fn new(at: usize, len: usize, problem: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { at, len, problem: problem.into(), help: help.into() }
    }
}

impl<'t> Site<'t> {
    /// `open` are the brackets open at the last event that the parser gave, to which `source` has looked.
    pub(super) fn new(marker: Marker, source: &mut Source<'t>, open: &[Place]) -> Site<'t> {
        let (file, text, seen) = source.seen();
        let mut site = Site { text, at: 0, open: Vec::new(), file };
        site.at = text.len() - source.spot(marker).rest.len();
        let bracket = |at: &usize| site.from(*at).starts_with(['[', '{']);
        site.open = open.iter().filter_map(|place| site.position(*place)).filter(bracket).collect();
        site.follow_brackets(seen);
        site
    }

    /// The text from the place where the parser gave up.
    pub(super) fn rest(&self) -> &'t str {
        self.from(self.at)
    }

    pub(super) fn from(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    pub(super) fn before(&self, at: usize) -> &'t str {
        self.text.get(..at).unwrap_or_default()
    }

    pub(super) fn place(&self, at: usize, len: usize) -> Place {
        let start = self.line_start(at);
        let column = self.text.get(start..at).unwrap_or_default().chars().count() + 1;
        Place { file: self.file, line: self.line_number(at), column, len: len.max(1) }
    }

    /// The number of a line, from 1.
    pub(super) fn line_number(&self, at: usize) -> usize {
        let before = self.before(at);
        let crlf = before.matches("\r\n").count();
        before.matches(is_break).count() - crlf + 1
    }

    pub(super) fn line_start(&self, at: usize) -> usize {
        self.before(at).rfind(is_break).map_or(0, |end| end + 1)
    }

    /// The line at this position, without white space at its end.
    pub(super) fn line(&self, at: usize) -> &'t str {
        self.to_line_end(self.line_start(at))
    }

    /// From this position to the end of its line, without white space there.
    pub(super) fn to_line_end(&self, at: usize) -> &'t str {
        self.from(at).split(is_break).next().unwrap_or_default().trim_end()
    }

    /// The position of the first character of a line that is no white space.
    pub(super) fn line_begin(&self, at: usize) -> usize {
        let start = self.line_start(at);
        let line = self.to_line_end(start);
        start + line.len() - line.trim_start().len()
    }

    /// The lines above this position that hold anything but comments, the nearest first, by their starts.
    pub(super) fn lines_above(&self, at: usize) -> impl Iterator<Item = usize> {
        let mut start = self.line_start(at);
        std::iter::from_fn(move || {
            let end = start.checked_sub(1)?;
            start = self.line_start(end);
            Some(start)
        })
        .filter(|start| {
            let line = self.to_line_end(*start).trim_start();
            !line.is_empty() && !line.starts_with('#')
        })
    }

    /// The dashes and the text that a line begins with.
    pub(super) fn starts(&self, at: usize) -> Vec<Start> {
        let line = self.line(at);
        let mut starts = Vec::new();
        let mut column = 0;
        let mut rest = line;
        loop {
            let trimmed = rest.trim_start_matches([' ', '\t']);
            column += rest.len() - trimmed.len();
            rest = trimmed;
            let dash = rest == "-" || rest.starts_with("- ");
            if !rest.is_empty() {
                starts.push(Start { column, dash });
            }
            if !dash {
                return starts;
            }
            rest = &rest[1..];
            column += 1;
        }
    }

    /// The characters up to white space or what ends a value in brackets.
    pub(super) fn word(&self, at: usize) -> &'t str {
        let line = self.to_line_end(at);
        let ends: &[char] = if self.open.is_empty() { &[' ', '\t'] } else { &[' ', '\t', ',', ']', '}'] };
        line.split(ends).next().unwrap_or_default()
    }

    /// The value that begins at this position, as far as its line shows it: up to a comment, or in brackets up to
    /// what ends it there.
    pub(super) fn value(&self, at: usize) -> &'t str {
        let line = self.to_line_end(at);
        let line = line.split_once(" #").map_or(line, |(value, _)| value);
        let line = if self.open.is_empty() { line } else { until_end_in_brackets(line) };
        line.trim_end()
    }

    fn position(&self, place: Place) -> Option<usize> {
        let lines = std::iter::once(0).chain(self.text.char_indices().filter_map(|(at, character)| {
            let crlf = character == '\r' && self.from(at + 1).starts_with('\n');
            (is_break(character) && !crlf).then_some(at + 1)
        }));
        let start = lines.into_iter().nth(place.line.checked_sub(1)?)?;
        let (at, _) = self.from(start).char_indices().nth(place.column.checked_sub(1)?)?;
        Some(start + at)
    }

    /// The parser reads ahead, so brackets may open and close behind its last event.
    fn follow_brackets(&mut self, seen: usize) {
        let ahead = self.text.get(seen..self.at).unwrap_or_default();
        let mut characters = ahead.char_indices().peekable();
        // Whether a value can begin here: else a bracket or a quote is a part of a text.
        let mut begins = self.before(seen).trim_end_matches(' ').ends_with([':', ',', '[', '{', '\n', '-']);
        while let Some((at, character)) = characters.next() {
            match character {
                '[' | '{' if begins || !self.open.is_empty() => self.open.push(seen + at),
                ']' | '}' => drop(self.open.pop()),
                '\'' | '"' if begins => {
                    while characters.next().is_some_and(|(_, inside)| inside != character) {}
                }
                '#' if ahead[..at].ends_with([' ', '\n']) => {
                    while characters.next_if(|(_, inside)| !is_break(*inside)).is_some() {}
                }
                _ => {}
            }
            begins = match character {
                ' ' => begins,
                ':' | '-' => characters.peek().is_none_or(|(_, next)| next.is_whitespace()),
                _ => matches!(character, ',' | '[' | '{' | '\n' | '\r'),
            };
        }
    }
}

/// What is before the `,`, `]` or `}` that ends a value in brackets; pairs inside of it count as its own.
fn until_end_in_brackets(line: &str) -> &str {
    let mut open = 0_usize;
    let mut quote = None;
    for (at, character) in line.char_indices() {
        match character {
            _ if quote == Some(character) => quote = None,
            _ if quote.is_some() => {}
            '\'' | '"' => quote = Some(character),
            '(' | '[' | '{' => open += 1,
            ',' | ']' | '}' if open == 0 => return &line[..at],
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    line
}
