//! What text has to look like to stand in an exposition.

use memchr::{memchr2, memchr3};

/// Writes text that stands between quotes: backslash, newline and quote are escaped.
pub fn quoted(text: &str, out: &mut Vec<u8>) {
    escape(text.as_bytes(), |rest| memchr3(b'\\', b'\n', b'"', rest), out);
}

/// Writes text that ends with the line: backslash and newline are escaped.
pub fn unquoted(text: &str, out: &mut Vec<u8>) {
    escape(text.as_bytes(), |rest| memchr2(b'\\', b'\n', rest), out);
}

/// Whether text stands for itself between quotes.
#[inline]
pub fn is_plain(text: &str) -> bool {
    memchr3(b'\\', b'\n', b'"', text.as_bytes()).is_none()
}

#[inline]
fn escape(text: &[u8], find: impl Fn(&[u8]) -> Option<usize>, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((plain, [special, after @ ..])) = find(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        out.extend_from_slice(&[b'\\', if *special == b'\n' { b'n' } else { *special }]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, in_quotes: &str, without: &str) {
        let [mut quotes, mut none] = [Vec::new(), Vec::new()];
        quoted(text, &mut quotes);
        unquoted(text, &mut none);
        assert_eq!([quotes, none], [in_quotes.as_bytes(), without.as_bytes()]);
    }

    #[test]
    fn only_what_must_be_escaped_is() {
        check("", "", "");
        check("plain, é and \t\r\u{1}", "plain, é and \t\r\u{1}", "plain, é and \t\r\u{1}");
        check("\"\\\n", r#"\"\\\n"#, r#""\\\n"#);
        check("a\\n\n\nb\"", r#"a\\n\n\nb\""#, r#"a\\n\n\nb""#);
    }
}
