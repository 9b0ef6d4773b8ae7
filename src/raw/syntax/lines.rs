//! Lines of blocks: keys and dashes that stand where none can.

use super::quotes::advice;
use super::site::{Finding, Site, Start};

/// A key that has no `: ` behind it. The parser notices on a later line.
pub(super) fn without_colon(site: &Site<'_>) -> Option<Finding> {
    let last = site.rest().is_empty() && !site.line(site.at).is_empty();
    let above = if last { site.line_start(site.at) } else { site.lines_above(site.at).next()? };
    no_space(site, above).or_else(|| {
        let begin = above + site.starts(above).last()?.column;
        let word = site.value(begin);
        let problem = format!("expected `key: value`, found `{word}`");
        Some(Finding::new(begin, word.chars().count(), problem, "write a `:` and a space behind the key"))
    })
}

/// `key:value` on the line that starts here.
fn no_space(site: &Site<'_>, line: usize) -> Option<Finding> {
    let text = site.to_line_end(line);
    let colon = text.find(':').filter(|_| !text.contains(": "))?;
    let (before, behind) = (&text[..colon], &text[colon + 1..]);
    let key = before.trim_start_matches([' ', '-']);
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_key || behind.is_empty() {
        return None;
    }
    let help = format!("write `{key}: {behind}`");
    Some(Finding::new(line + colon, 1, "no space after this `:`", help))
}

/// A `: ` where no key can be: in a text without quotes, or on a line that is too deep.
pub(super) fn second_colon(site: &Site<'_>) -> Option<Finding> {
    let starts = site.starts(site.at);
    let begin = site.line_start(site.at) + starts.last()?.column;
    let before = site.text.get(begin..site.at)?;
    if let Some((key, _)) = before.split_once(": ") {
        let start = begin + key.len() + 2;
        let text = site.from(start);
        let start = start + text.len() - text.trim_start().len();
        let help = format!(
            "{}\nfor a mapping, begin a new line behind `{}:` and indent it",
            advice(site.value(start)),
            key.trim()
        );
        return Some(Finding::new(site.at, 1, "a second `:` on one line", help));
    }
    let above = site.lines_above(site.at).next()?;
    no_space(site, above).or_else(|| too_deep(site, above)).or_else(|| without_colon(site))
}

/// A line deeper than the one above, which has a value already.
fn too_deep(site: &Site<'_>, above: usize) -> Option<Finding> {
    let first = *site.starts(site.at).first()?;
    let beside = *site.starts(above).last()?;
    let key = site.to_line_end(above + beside.column).split_once(':')?.0;
    if first.column <= beside.column {
        return None;
    }
    let (at, len, shown) = shown(site);
    let problem = format!("{shown} is indented deeper than `{key}` above, which has a value already");
    let help =
        format!("put it in column {}, beside `{key}`, or remove the value of `{key}`", beside.column + 1);
    Some(Finding::new(at, len, problem, help))
}

/// A line, or the rest of one, that cannot follow what is before it.
pub(super) fn misplaced(site: &Site<'_>) -> Option<Finding> {
    let begin = site.line_begin(site.at);
    let own_start = site.line_start(site.at) + site.starts(site.at).last()?.column;
    if site.at > own_start {
        return behind_value(site, own_start);
    }
    let first = *site.starts(begin).first()?;
    let around = around(site);
    let (at, len, shown) = shown(site);
    match around.iter().find(|start| start.column == first.column) {
        Some(list) if list.dash && !first.dash => {
            let help = "indent it to make it a part of the entry above, or begin a new entry with `- `";
            Some(Finding::new(at, len, format!("{shown} stands among the entries of a list"), help))
        }
        Some(keys) if !keys.dash && first.dash => {
            let help = "a list stands below a key of its own: remove the dash, or the value of the key above";
            Some(Finding::new(at, len, format!("{shown} stands among the keys of a mapping"), help))
        }
        Some(_) => None,
        None => too_deep(site, site.lines_above(begin).next()?).or_else(|| {
            let help = columns(first, &around);
            Some(Finding::new(
                at,
                len,
                format!("the indentation of {shown} fits none of the lines above"),
                help,
            ))
        }),
    }
}

/// `[a-z]+`: a text that begins like a list or a mapping.
fn behind_value(site: &Site<'_>, begin: usize) -> Option<Finding> {
    let line = site.text.get(begin..site.at)?;
    let bracket = line.trim_end().chars().next_back().filter(|last| matches!(last, ']' | '}'))?;
    let start = line.find(": ").map_or(begin, |at| begin + at + 2);
    let value = site.value(start);
    let found = site.value(site.at);
    let problem = format!("found `{found}` behind the closing `{bracket}`");
    Some(Finding::new(site.at, found.chars().count(), problem, advice(value.trim_start())))
}

/// `key: - value`.
pub(super) fn list_behind_key(site: &Site<'_>) -> Option<Finding> {
    let help =
        "begin the list on a new line, or write it as `[…, …]`; a text that begins with `-` needs quotes";
    Some(Finding::new(site.at, 1, "a list with dashes cannot begin on the line of its key", help))
}

/// What a line begins with, how long that is, and how to name it.
fn shown(site: &Site<'_>) -> (usize, usize, String) {
    let at = site.line_begin(site.at);
    let line = site.to_line_end(at);
    if line == "-" || line.starts_with("- ") {
        return (at, 1, "this `-`".to_owned());
    }
    let key = line.split_once(':').map_or_else(|| site.word(at), |(key, _)| key);
    (at, key.chars().count(), format!("`{key}`"))
}

/// The columns in which the blocks around a line begin, the innermost first.
fn around(site: &Site<'_>) -> Vec<Start> {
    let mut around: Vec<Start> = Vec::new();
    for line in site.lines_above(site.at) {
        for start in site.starts(line).into_iter().rev() {
            if around.last().is_none_or(|inner| start.column < inner.column) {
                around.push(start);
            }
        }
    }
    around
}

/// "start it in column 1 or 3": those nearest to a line that fits none.
fn columns(first: Start, around: &[Start]) -> String {
    let outer = around.iter().find(|start| start.column < first.column);
    let inner = around.iter().rev().find(|start| start.column > first.column);
    let columns: Vec<_> =
        outer.into_iter().chain(inner).map(|start| (start.column + 1).to_string()).collect();
    format!("start it in column {}", columns.join(" or "))
}
