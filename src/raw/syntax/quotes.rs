//! Texts in quotes: not closed, closed too early, with escapes that mean nothing.

use super::site::{Finding, Site};

/// The parser gave up in a text whose opening quote it names.
pub(super) fn unclosed(site: &Site<'_>) -> Option<Finding> {
    let quote = site.rest().chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    Some(unclosed_at(site, site.at, quote))
}

fn unclosed_at(site: &Site<'_>, at: usize, quote: char) -> Finding {
    let len = site.to_line_end(at).chars().count();
    let help = format!(
        "write `{quote}` where the text ends; if it goes on below, indent those lines deeper than its key"
    );
    Finding::new(at, len, format!("the text that begins with this `{quote}` is not closed"), help)
}

/// `"\d"`: the parser names the quote that opened the text.
pub(super) fn escape(site: &Site<'_>) -> Option<Finding> {
    let text = site.rest().strip_prefix('"')?;
    let mut characters = text.char_indices();
    while let Some((offset, character)) = characters.next() {
        if character != '\\' {
            continue;
        }
        let at = site.at + 1 + offset;
        let (_, escaped) = characters.next()?;
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ if "0abtnvfre \t\"/\\N_LP\r\n".contains(escaped) => continue,
            _ => {
                let problem = format!("`\\{escaped}` means nothing in double quotes");
                let help = format!(
                    "use single quotes, where a backslash is just that: '\\{escaped}'; or write \"\\\\{escaped}\""
                );
                return Some(Finding::new(at, 2, problem, help));
            }
        };
        let hex = site.from(at + 2).get(..digits).unwrap_or_default();
        let valid = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).is_some();
        if !valid {
            let problem =
                format!("`\\{escaped}` is not followed by the {digits} hexadecimal digits of a character");
            let help = "use single quotes, where a backslash is just that";
            return Some(Finding::new(at, 2, problem, help));
        }
    }
    None
}

/// Something follows a closing quote.
pub(super) fn trailing(site: &Site<'_>) -> Option<Finding> {
    let before = site.before(site.at);
    let closed = before.trim_end_matches([' ', '\t']);
    let quote = closed.chars().next_back().filter(|last| matches!(last, '\'' | '"'))?;
    let opened = opening(closed, quote)?;
    if site.line_start(opened) != site.line_start(site.at) {
        return Some(unclosed_at(site, opened, quote));
    }
    let value = site.value(opened);
    let found = site.value(site.at).split(' ').next().unwrap_or_default();
    let adjacent = closed.len() == before.len();
    let problem = format!("found `{found}` behind the closing `{quote}`");
    let help = match (adjacent, quote) {
        (true, '\'') => "inside of single quotes, a quote is written twice: 'it''s'".to_owned(),
        (true, _) => {
            "inside of double quotes, a quote is written with a backslash: \"a \\\"b\\\"\"".to_owned()
        }
        (false, _) => advice(value),
    };
    Some(Finding::new(site.at, found.chars().count(), problem, help))
}

/// The quote that opened the text which ends with `closed`.
fn opening(closed: &str, quote: char) -> Option<usize> {
    let mut end = closed.len() - 1;
    loop {
        let at = closed.get(..end)?.rfind(quote)?;
        let before = &closed[..at];
        if quote == '"' && before.len() - before.trim_end_matches('\\').len() == 0 {
            return Some(at);
        }
        if quote == '\'' && !before.ends_with('\'') {
            return Some(at);
        }
        // An escaped quote: a part of the text.
        end = at - 1;
    }
}

/// How to write `value` as one text.
pub(super) fn advice(value: &str) -> String {
    const LEN_LIMIT: usize = 60;
    if value.chars().count() > LEN_LIMIT || value.is_empty() {
        "put the whole text in quotes".to_owned()
    } else if !value.contains('\'') {
        format!("put the whole text in quotes: '{value}'")
    } else if !value.contains(['"', '\\']) {
        format!("put the whole text in quotes: \"{value}\"")
    } else {
        let doubled = value.replace('\'', "''");
        format!("put the whole text in single quotes, and write those in it twice: '{doubled}'")
    }
}
