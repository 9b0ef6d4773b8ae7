//! Faults as a terminal shows them: `file:line:column`, the line, carets under the stretch, help.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::iter::repeat_n;

use super::fault::Fault;
use super::place::Place;
use super::source::is_break;

/// A longer line is cut around the fault.
const WIDTH_LIMIT: usize = 100;

/// How much of a cut line is shown before the fault.
const WIDTH_BEFORE: usize = 40;

/// More faults than this are counted, not shown.
const SHOWN_LIMIT: usize = 200;

/// What a tab of the file is shown as.
const TAB: &str = "    ";

/// The escape sequences around the parts of a message; empty without color.
struct Palette {
    place: &'static str,
    problem: &'static str,
    gutter: &'static str,
    caret: &'static str,
    help: &'static str,
    end: &'static str,
}

const COLORED: Palette = Palette {
    place: "\x1b[1m",
    problem: "\x1b[1;31m",
    gutter: "\x1b[34m",
    caret: "\x1b[31m",
    help: "\x1b[36m",
    end: "\x1b[0m",
};

const PLAIN: Palette = Palette { place: "", problem: "", gutter: "", caret: "", help: "", end: "" };

/// What is shown of a line: its text, and the carets under it.
struct Excerpt {
    text: String,
    carets: String,
}

/// The faults, in the order given, and their number; nothing when there are none.
pub(super) fn render(files: &[(String, String)], faults: &[&Fault], color: bool) -> String {
    if faults.is_empty() {
        return String::new();
    }
    let palette = if color { &COLORED } else { &PLAIN };
    let mut out = String::new();
    for fault in faults.iter().take(SHOWN_LIMIT) {
        let file = files.get(fault.place.file.0);
        let (name, text) = file.map_or(("", ""), |(name, text)| (name.as_str(), text.as_str()));
        render_fault(&mut out, fault, (name, text), palette);
        out.push('\n');
    }
    if faults.len() > SHOWN_LIMIT {
        put(&mut out, format_args!("… and {} more\n\n", faults.len() - SHOWN_LIMIT));
    }
    let in_files = faults.iter().map(|fault| fault.place.file).collect::<BTreeSet<_>>().len();
    put(&mut out, format_args!("{} in {}\n", counted(faults.len(), "fault"), counted(in_files, "file")));
    out
}

fn render_fault(out: &mut String, fault: &Fault, (name, text): (&str, &str), palette: &Palette) {
    let Palette { place: bold, problem, gutter, caret, help, end } = palette;
    let place = fault.place;
    put(out, format_args!("{bold}{}", visible(name)));
    if place.line > 0 {
        put(out, format_args!(":{}:{}", place.line, place.column));
    }
    put(out, format_args!(":{end} {problem}{}{end}\n", visible(&fault.problem)));
    let mut margin = String::new();
    if place.line > 0 {
        let Excerpt { text, carets } = excerpt(text, place);
        let number = place.line.to_string();
        margin = " ".repeat(number.len() + 1);
        let space = if text.is_empty() { "" } else { " " };
        put(out, format_args!("{margin}{gutter}|{end}\n"));
        put(out, format_args!("{gutter}{number} |{end}{space}{text}\n"));
        put(out, format_args!("{margin}{gutter}|{end} {caret}{carets}{end}\n"));
    }
    for line in fault.help.iter().flat_map(|help| help.lines()) {
        put(out, format_args!("{margin}{gutter}={end} {help}help:{end} {}\n", visible(line)));
    }
}

/// The line of `place`, cut around the place where it is long.
fn excerpt(text: &str, place: Place) -> Excerpt {
    let line = line(text, place.line).trim_end();
    let at = place.column.saturating_sub(1);
    let long = line.chars().nth(WIDTH_LIMIT).is_some();
    let skipped = if long { at.saturating_sub(WIDTH_BEFORE) } else { 0 };
    let mut excerpt = Excerpt { text: String::new(), carets: String::new() };
    if skipped > 0 {
        excerpt.text.push('…');
        excerpt.carets.push(' ');
    }
    for (index, character) in line.chars().enumerate().skip(skipped).take(WIDTH_LIMIT) {
        let columns = show(&mut excerpt.text, character);
        if index < at {
            excerpt.carets.extend(repeat_n(' ', columns));
        } else if index - at < place.len {
            excerpt.carets.extend(repeat_n('^', columns));
        }
    }
    if long && line.chars().nth(skipped + WIDTH_LIMIT).is_some() {
        excerpt.text.push('…');
    }
    if !excerpt.carets.ends_with('^') {
        // Behind the end of the line, where something is missing.
        excerpt.carets.push('^');
    }
    excerpt
}

/// The line with this number, without its end. The parser's lines end at `\n`, `\r\n` or `\r`.
fn line(text: &str, number: usize) -> &str {
    let mut rest = text;
    for _ in 1..number {
        let Some((_, behind)) = rest.split_once(is_break) else { return "" };
        let at_break = rest.len() - behind.len() - 1;
        let crlf = rest.as_bytes().get(at_break) == Some(&b'\r');
        rest = behind.strip_prefix('\n').filter(|_| crlf).unwrap_or(behind);
    }
    rest.split(is_break).next().unwrap_or_default()
}

/// Appends a character as it may be shown and returns how many columns it takes.
fn show(out: &mut String, character: char) -> usize {
    match character {
        '\t' => {
            out.push_str(TAB);
            TAB.len()
        }
        _ => {
            let shown = visible_character(character);
            out.push(shown);
            columns(shown)
        }
    }
}

/// The text with its control characters made visible.
fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

/// A control character as its picture, and what would turn or hide the text around it as a replacement character:
/// neither a file nor a message moves the cursor or fakes a line.
fn visible_character(character: char) -> char {
    match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

/// How many columns of a terminal a character takes: near enough for the blocks of Unicode, not for every character.
fn columns(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn put(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String does not fail");
}
