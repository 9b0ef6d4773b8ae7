//! What is wrong in `[…]` and `{…}`.

use super::quotes::advice;
use super::site::{Finding, Site};

/// The parser wanted a `,` or the end of the brackets.
pub(super) fn broken(site: &Site<'_>) -> Option<Finding> {
    let opened = *site.open.last()?;
    let found = site.rest().chars().next();
    if found.is_none_or(|found| matches!(found, ']' | '}')) || !is_inside(site, opened) {
        return unclosed(site);
    }
    let start = value_start(site, opened);
    let close = closing(site, opened);
    if found == Some(':') {
        if let Some(end) = entry_above(site, opened) {
            let problem = "no `,` behind this entry";
            return Some(Finding::new(end, 1, problem, "put a `,` between two entries"));
        }
        let problem = "a second `:` in one entry";
        let help = format!("{}\nor put a `,` between two entries", advice(site.value(start)));
        return Some(Finding::new(site.at, 1, problem, help));
    }
    let word = site.word(site.at);
    let (shown, len) = match found {
        Some('[' | '{') | None => (found.map(String::from).unwrap_or_default(), 1),
        Some(_) => (word.to_owned(), word.chars().count()),
    };
    let problem = format!("found `{shown}` where `,` or `{close}` was wanted");
    Some(Finding::new(site.at, len, problem, advice(site.value(start))))
}

/// The innermost bracket is not closed.
pub(super) fn unclosed(site: &Site<'_>) -> Option<Finding> {
    let opened = *site.open.last()?;
    let bracket = site.from(opened).chars().next()?;
    let close = closing(site, opened);
    let problem = match site.rest().chars().next() {
        Some(found @ (']' | '}')) if found != close => {
            format!("this `{bracket}` is not closed before the `{found}` that follows")
        }
        _ => format!("this `{bracket}` is not closed"),
    };
    Some(Finding::new(opened, 1, problem, format!("write `{close}` behind the last entry")))
}

/// A line within brackets in the column of their key or before it: meant to be within, or the bracket is not closed.
pub(super) fn outdented(site: &Site<'_>) -> Option<Finding> {
    let mut finding = unclosed(site)?;
    let line = site.line_number(site.at);
    finding.help.push_str(&format!("; if line {line} belongs to it, indent that line deeper"));
    Some(finding)
}

/// A line that begins anew while a bracket is open.
pub(super) fn crossed(site: &Site<'_>) -> Option<Finding> {
    let opened = *site.open.last()?;
    if is_inside(site, opened) { broken(site) } else { unclosed(site) }
}

/// The end of the entry on a line above, where the line of the parser begins another without a `,` between them.
fn entry_above(site: &Site<'_>, opened: usize) -> Option<usize> {
    let line = site.line_start(site.at);
    let above = site.text.get(opened + 1..line)?.trim_end();
    (!above.is_empty() && !above.ends_with([',', '[', '{', ':'])).then_some(opened + 1 + above.len())
}

/// `]` or `}` without an opening bracket.
pub(super) fn closes_nothing(site: &Site<'_>) -> Option<Finding> {
    let found = site.rest().chars().next()?;
    let problem = format!("this `{found}` closes nothing");
    Some(Finding::new(site.at, 1, problem, "remove it, or put the whole text in quotes"))
}

/// `[a,,b]`.
pub(super) fn empty(site: &Site<'_>) -> Option<Finding> {
    let Some(found) = site.rest().chars().next() else { return unclosed(site) };
    let problem = format!("found `{found}` where a value was wanted");
    let help = if found == ',' { "remove this `,`, or write a value before it" } else { "write a value" };
    Some(Finding::new(site.at, 1, problem, help))
}

/// `[- a]`.
pub(super) fn dash(site: &Site<'_>) -> Option<Finding> {
    let problem = "entries in brackets have no dash";
    Some(Finding::new(site.at, 1, problem, "write `[a, b]`, or one `- …` per line without brackets"))
}

/// Whether the line where the parser gave up still belongs into the bracket: it is the bracket's own, or deeper.
fn is_inside(site: &Site<'_>, opened: usize) -> bool {
    let indent = |at: usize| site.starts(at).first().map_or(0, |start| start.column);
    site.line_start(opened) == site.line_start(site.at) || indent(site.at) > indent(opened)
}

fn closing(site: &Site<'_>, opened: usize) -> char {
    if site.from(opened).starts_with('[') { ']' } else { '}' }
}

/// Where the value begins in which the parser gave up: behind the last bracket, comma or `: ` before it.
fn value_start(site: &Site<'_>, opened: usize) -> usize {
    let from = site.line_start(site.at).max(opened + 1);
    let before = site.text.get(from..site.at).unwrap_or_default();
    let entry = before.rfind(',').map_or(0, |at| at + 1);
    let value = before.get(entry..).and_then(|entry| entry.find(": ")).map_or(0, |at| at + 2);
    let start = from + entry + value;
    let text = site.from(start);
    start + text.len() - text.trim_start().len()
}
