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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::place::FileId;

    /// Checks how a fault of `len` characters from this column of line 1 is shown: the line, and the carets.
    #[track_caller]
    fn check(text: &str, (column, len): (usize, usize), shown: &str, carets: &str) {
        let place = Place { file: FileId(0), line: 1, column, len };
        let excerpt = excerpt(text, place);
        assert_eq!((excerpt.text.as_str(), excerpt.carets.as_str()), (shown, carets), "{text:?}");
    }

    fn message(text: &str, place: Place, color: bool) -> String {
        let fault = Fault { place, problem: "bad\x1b[2J".to_owned(), help: Some("one\ntwo".to_owned()) };
        render(&[("a.yaml".to_owned(), text.to_owned())], &[&fault], color)
    }

    #[test]
    fn carets_stand_under_the_stretch() {
        check("key: value", (6, 5), "key: value", "     ^^^^^");
        check("key", (1, 1), "key", "^");
        check("key: value  ", (6, 99), "key: value", "     ^^^^^");
    }

    #[test]
    fn a_caret_behind_the_end_says_that_something_is_missing() {
        check("key", (4, 1), "key", "   ^");
        check("key", (40, 1), "key", "   ^");
        check("", (1, 1), "", "^");
    }

    #[test]
    fn tabs_and_wide_characters_take_the_columns_that_a_terminal_gives_them() {
        check("\tkey", (2, 3), "    key", "    ^^^");
        check("\tkey", (1, 1), "    key", "^^^^");
        check("日本: é", (5, 1), "日本: é", "      ^");
        check("日本", (2, 1), "日本", "  ^^");
        check("e\u{301}: x", (5, 1), "e\u{301}: x", "   ^");
    }

    #[test]
    fn control_characters_are_made_visible() {
        check("a\x1b[2J\0b", (7, 1), "a␛[2J␀b", "      ^");
        check("a\u{202e}b\x7f\u{9b}", (3, 1), "a\u{fffd}b␡\u{fffd}", "  ^");
        let place = Place { file: FileId(0), line: 1, column: 1, len: 1 };
        assert!(message("a", place, false).starts_with("a.yaml:1:1: bad␛[2J\n"));
    }

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let line = "x".repeat(150) + "y" + &"z".repeat(150);
        check(&line, (1, 1), &("x".repeat(100) + "…"), "^");
        let cut = "…".to_owned() + &"x".repeat(40) + "y" + &"z".repeat(59) + "…";
        check(&line, (151, 1), &cut, &(" ".repeat(41) + "^"));
        let end = "…".to_owned() + &"z".repeat(40);
        check(&line, (302, 1), &end, &(" ".repeat(41) + "^"));
        check(&"x".repeat(100), (1, 1), &"x".repeat(100), "^");
    }

    #[test]
    fn lines_end_as_in_the_parser() {
        let text = "a\r\nb\rc\nd";
        for (number, expected) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "")] {
            assert_eq!(line(text, number), expected);
        }
    }

    #[test]
    fn each_line_of_help_is_a_help_of_its_own() {
        let place = Place { file: FileId(0), line: 1, column: 3, len: 1 };
        let expected =
            "a.yaml:1:3: bad␛[2J\n  |\n1 | a b\n  |   ^\n  = help: one\n  = help: two\n\n1 fault in 1 file\n";
        assert_eq!(message("a b", place, false), expected);
    }

    #[test]
    fn a_fault_of_a_whole_file_shows_no_line() {
        let expected = "a.yaml: bad␛[2J\n= help: one\n= help: two\n\n1 fault in 1 file\n";
        assert_eq!(message("", Place::whole(FileId(0)), false), expected);
    }

    #[test]
    fn color_changes_nothing_else() {
        let place = Place { file: FileId(0), line: 1, column: 3, len: 1 };
        let mut colored = message("a b", place, true);
        for sequence in
            [COLORED.place, COLORED.problem, COLORED.gutter, COLORED.caret, COLORED.help, COLORED.end]
        {
            assert!(colored.contains(sequence));
            colored = colored.replace(sequence, "");
        }
        assert_eq!(colored, message("a b", place, false));
    }

    #[test]
    fn many_faults_are_counted() {
        let place = Place { file: FileId(0), line: 1, column: 1, len: 1 };
        let fault = Fault { place, problem: "bad".to_owned(), help: None };
        let message = render(&[("a".to_owned(), String::new())], &[&fault; 250], false);
        assert!(message.ends_with("… and 50 more\n\n250 faults in 1 file\n"), "{message}");
    }
}
