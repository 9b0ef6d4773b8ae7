//! The YAML parser's errors in our words, at the place of the mistake.
//!
//! The parser says where it could not go on, which is often behind the mistake: an open bracket is noticed lines
//! later. So each of its messages is explained by a function that looks at the text around.

mod brackets; // what is wrong in `[…]` and `{…}`
mod lines; // keys and dashes that stand where none can
mod quotes; // texts in quotes
mod site; // the text around the place where the parser gave up

use saphyr_parser::ScanError;

use self::site::{Finding, Site};
use super::fault::Faults;
use super::place::Place;
use super::source::Source;

/// Explains an error; `None` where it is not what it looks like.
type Explain = fn(&Site<'_>) -> Option<Finding>;

/// The parser's messages, each a part of one, and who explains them. The first that has an explanation is taken.
const KNOWN: &[(&str, Explain)] = &[
    ("in quoted scalar", quotes::unclosed),
    ("quoted scalar, found unexpected", quotes::unclosed),
    ("unknown escape character", quotes::escape),
    ("expected hexadecimal number", quotes::escape),
    ("Unicode character escape code", quotes::escape),
    ("invalid trailing content after", quotes::trailing),
    ("tab", tab),
    ("must be followed by a valid YAML whitespace", tab),
    ("flow mapping, did not find expected", brackets::broken),
    ("flow sequence, expected", brackets::broken),
    ("illegal placement of ':'", brackets::broken),
    ("invalid indentation", brackets::outdented),
    ("unexpected end of plain scalar", brackets::broken),
    ("simple key expect", brackets::crossed),
    ("simple key expect", lines::without_colon),
    ("misplaced bracket", brackets::closes_nothing),
    ("did not find expected node content", brackets::empty),
    ("may not precede any of", no_space),
    ("\"-\" is only valid inside a block", brackets::dash),
    ("mapping values are not allowed", brackets::crossed),
    ("mapping values are not allowed", lines::second_colon),
    ("expected key", lines::misplaced),
    ("expected '-' indicator", lines::misplaced),
    ("block sequence entries are not allowed", lines::list_behind_key),
    ("found unknown anchor", unknown_anchor),
    ("recursion limit exceeded", too_deep),
    ("unprintable character", control_character),
    ("byte order mark", control_character),
    ("comment intercepting", comment),
    ("directive", directive),
    ("<document", directive),
    ("did not find expected comment or line break", needs_quotes),
    ("wrongly indented line in block scalar", lines::misplaced),
    ("unexpected character", needs_quotes),
    ("expected alphabetic or numeric character", needs_quotes),
    ("mapping keys are not allowed", needs_quotes),
    ("tag", needs_quotes),
    ("the handle wasn't declared", needs_quotes),
    ("plain scalar cannot start with", needs_quotes),
];

/// Reports the error at which the parser gave up; `open` are the brackets that it was in.
pub(super) fn report(error: &ScanError, source: &mut Source<'_>, open: &[Place], faults: &mut Faults) {
    let site = Site::new(*error.marker(), source, open);
    let known = KNOWN.iter().filter(|(part, _)| error.info().contains(part));
    match known.map(|(_, explain)| explain(&site)).find_map(|finding| finding) {
        Some(Finding { at, len, problem, help }) => {
            faults.add_with_help(site.place(at, len), problem, help);
        }
        None => faults.add(site.place(site.at, 1), format!("not valid YAML: {}", error.info())),
    }
}

/// A tab at the start of a line, or behind a `:` or a `-`.
fn tab(site: &Site<'_>) -> Option<Finding> {
    let line = site.line_start(site.at);
    let here = site.text.get(line..).unwrap_or_default();
    let at = line + here.find('\t')?;
    if site.line_start(at) == line && !site.text.get(line..at)?.trim().is_empty() {
        let problem = "a tab between a key or a dash and its value";
        return Some(Finding::new(at, 1, problem, "use a space"));
    }
    let help = "indent with spaces; in YAML no line is indented with tabs";
    Some(Finding::new(at, 1, "a tab in the indentation", help))
}

/// `{a:[b]}`.
fn no_space(site: &Site<'_>) -> Option<Finding> {
    Some(Finding::new(site.at, 1, "no space after this `:`", "write `key: value`, with a space"))
}

/// `*.log`, and aliases that are misspelt.
fn unknown_anchor(site: &Site<'_>) -> Option<Finding> {
    let alias = site.word(site.at);
    let name = alias.strip_prefix('*')?;
    let problem = format!("no anchor `&{name}` is set before the alias `{alias}`");
    let quoted = format!("a text or a glob that begins with `*` needs quotes: '{alias}'");
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let help = if is_name { format!("set it above: `key: &{name} value`\n{quoted}") } else { quoted };
    Some(Finding::new(site.at, alias.chars().count(), problem, help))
}

/// What YAML takes for something of its own: `@x`, `%x`, `` `x` ``, `>= 5`, `!h!x`, `& x`, `? x`.
fn needs_quotes(site: &Site<'_>) -> Option<Finding> {
    let first = site.rest().chars().next()?;
    let value = site.value(site.at);
    let problem = format!("a text without quotes cannot begin with `{first}`");
    Some(Finding::new(site.at, value.chars().count(), problem, quotes::advice(value)))
}

fn too_deep(site: &Site<'_>) -> Option<Finding> {
    let help = "a pipeline needs only a few";
    Some(Finding::new(site.at, 1, "lists and mappings are nested too deep in each other", help))
}

fn control_character(site: &Site<'_>) -> Option<Finding> {
    let found = site.rest().chars().next()?;
    let problem = format!("found the character U+{:04X}, which YAML does not allow here", u32::from(found));
    let help = "remove it; in double quotes it can be written as an escape such as \"\\x00\" or \"\\u0000\"";
    Some(Finding::new(site.at, 1, problem, help))
}

/// A text that goes on in the next line, behind a comment.
fn comment(site: &Site<'_>) -> Option<Finding> {
    let at = site.at + site.rest().find('#')?;
    let problem = "a comment in the middle of a text that goes on in the next line";
    Some(Finding::new(at, 1, problem, "put the text in quotes, or the comment on a line of its own"))
}

/// A line that begins with `%`, or what cannot follow one.
fn directive(site: &Site<'_>) -> Option<Finding> {
    let above = |start: &usize| Some(site.line_start(start.checked_sub(1)?));
    let mut starts = std::iter::successors(Some(site.line_start(site.at)), above);
    let at = starts.find(|start| site.from(*start).starts_with('%'))?;
    let word = site.word(at).chars().count();
    Some(Finding::new(at, word, "a line that begins with `%` is a directive of YAML", "remove it"))
}
