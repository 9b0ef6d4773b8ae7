//! The environment in values: `${NAME}` and `${NAME:-default}`.
//!
//! It is put in after the YAML was parsed, so a secret may contain any character, and what is put in is never
//! looked at again. The rules, precisely:
//!
//! * a name is a letter or `_`, then letters, digits and `_`, all of ASCII;
//! * `${NAME}` is the variable; it is a fault where the variable is not set;
//! * `${NAME:-default}` is the default where the variable is not set or is empty, as in a shell. The default ends at
//!   the first `}` and holds no `${`;
//! * `$${` is `${`, so `$${NAME}` is the text `${NAME}`;
//! * `${` before anything but a name, as in the pattern `x${2}`, and `$` before anything but `{` stay as they are;
//! * `${NAME` before anything but `}` and `:-` is a fault, not text that happens to look like a variable.

use std::borrow::Cow;

/// So many problems of one text are told at most: each is looked for from the start of the text.
const MAX_PROBLEMS: usize = 200;

/// Where variables come from: `std::env::var` in the program, a table in tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A text with the environment put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Substituted<'t> {
    /// The text; borrowed where nothing was changed.
    pub(super) text: Cow<'t, str>,
    /// Whether a variable or a default is part of it.
    pub(super) secret: bool,
    /// What could not be put in.
    pub(super) problems: Vec<Problem>,
}

/// A variable that could not be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The number of its `${` among all of the text, from 0.
    pub(super) ordinal: usize,
    /// The character of the text at which it starts.
    pub(super) at: usize,
    /// How it is written.
    pub(super) written: String,
    /// What is wrong.
    pub(super) problem: String,
    /// How to mend it.
    pub(super) help: String,
}

/// What follows a `${`.
enum Reference<'t> {
    /// No variable: the `${` stays.
    Literal,
    /// A variable; `rest` follows its `}`.
    Variable { name: &'t str, default: Option<&'t str>, rest: &'t str },
    /// The start of a variable that does not go on as one.
    Broken { name: &'t str, rest: &'t str },
}

/// Puts the environment into `text`.
pub(super) fn substitute<'t>(text: &'t str, environment: Environment<'_>) -> Substituted<'t> {
    let mut substitution =
        Substitution { environment, out: String::new(), secret: false, problems: Vec::new() };
    let mut rest = text;
    let mut ordinal = 0;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            substitution.out.push_str(escaped);
            substitution.out.push_str("${");
            rest = after;
        } else {
            substitution.out.push_str(before);
            let start = text.len() - after.len() - "${".len();
            rest = substitution.reference(text, start, after, ordinal);
        }
        ordinal += 1;
    }
    if ordinal == 0 {
        return Substituted { text: Cow::Borrowed(text), secret: false, problems: Vec::new() };
    }
    substitution.out.push_str(rest);
    let text = if substitution.out == text { Cow::Borrowed(text) } else { Cow::Owned(substitution.out) };
    Substituted { text, secret: substitution.secret, problems: substitution.problems }
}

struct Substitution<'e> {
    environment: Environment<'e>,
    out: String,
    secret: bool,
    problems: Vec<Problem>,
}

impl Substitution<'_> {
    /// Puts in what the `${` at byte `start` refers to and returns the text behind it.
    fn reference<'t>(&mut self, text: &'t str, start: usize, after: &'t str, ordinal: usize) -> &'t str {
        let mut problem = |rest: &'t str, problem: String, help: String| {
            if self.problems.len() >= MAX_PROBLEMS {
                return rest;
            }
            let at = text.get(..start).map_or(0, |before| before.chars().count());
            let written = text.get(start..text.len() - rest.len()).unwrap_or_default().to_owned();
            self.problems.push(Problem { ordinal, at, written, problem, help });
            rest
        };
        match reference(after) {
            Reference::Literal => {
                self.out.push_str("${");
                after
            }
            Reference::Broken { name, rest } => problem(
                rest,
                format!("`${{{name}` is not closed: expected `}}` or `:-` and a default without `${{`"),
                "write `$${` where the text `${` is meant".to_owned(),
            ),
            Reference::Variable { name, default, rest } => {
                let value = (self.environment)(name).filter(|value| default.is_none() || !value.is_empty());
                let Some(value) = value.or(default.map(str::to_owned)) else {
                    return problem(
                        rest,
                        format!("the environment variable `{name}` is not set"),
                        format!(
                            "set it, give a default with `${{{name}:-default}}`, or write `$${{{name}}}` for the text"
                        ),
                    );
                };
                self.out.push_str(&value);
                self.secret = true;
                rest
            }
        }
    }
}

/// What the text behind a `${` refers to.
fn reference(after: &str) -> Reference<'_> {
    if !after.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return Reference::Literal;
    }
    let end = after.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(after.len());
    let (name, behind) = after.split_at(end);
    if let Some(rest) = behind.strip_prefix('}') {
        return Reference::Variable { name, default: None, rest };
    }
    // Looked for no further than to the next `${`, so that many that are not closed cost no more than one.
    let default = behind.strip_prefix(":-").and_then(|default| default.split("${").next()?.split_once('}'));
    match default {
        Some((default, _)) => {
            let rest = &behind[":-".len() + default.len() + "}".len()..];
            Reference::Variable { name, default: Some(default), rest }
        }
        None => Reference::Broken { name, rest: behind },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("9101".to_owned()),
            "EMPTY" => Some(String::new()),
            "_nested1" => Some("${PORT}".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let substituted = substitute(text, &environment);
        assert_eq!(substituted.problems, []);
        assert_eq!(substituted.text, expected);
    }

    #[track_caller]
    fn check_problem(text: &str, at: usize, written: &str, expected: &str) {
        let substituted = substitute(text, &environment);
        let [problem] = substituted.problems.as_slice() else { panic!("one problem: {substituted:?}") };
        assert_eq!((problem.at, problem.written.as_str()), (at, written));
        assert_eq!(problem.problem, expected);
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        check("${PORT}", "9101");
        check("a${PORT}b${PORT}", "a9101b9101");
        check("${PORT:-1}", "9101");
        check("${EMPTY}|", "|");
        check("${EMPTY:-x y:z}", "x y:z");
        check("${UNSET:-}", "");
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        check("${_nested1}", "${PORT}");
    }

    #[test]
    fn text_that_is_no_variable_stays() {
        for text in ["", "$", "$PORT", "x${2}", "${", "${}", "${ PORT}", "$(PORT)", "{PORT}", "${é}", "^a$"]
        {
            check(text, text);
        }
    }

    #[test]
    fn a_doubled_dollar_writes_the_text_itself() {
        check("$${PORT}", "${PORT}");
        check("$$${PORT}", "$${PORT}");
        check("$$", "$$");
        check("$${2}", "${2}");
    }

    #[test]
    fn what_cannot_be_put_in_is_a_problem_at_its_place() {
        check_problem("é ${UNSET}", 2, "${UNSET}", "the environment variable `UNSET` is not set");
        let broken = "`${PORT` is not closed: expected `}` or `:-` and a default without `${`";
        check_problem("${PORT", 0, "${PORT", broken);
        check_problem("${PORT:?no}", 0, "${PORT", broken);
        check_problem("${PORT:-1", 0, "${PORT", broken);
        check_problem("${PORT:-${EMPTY}}", 0, "${PORT", broken);
    }

    proptest! {
        #[test]
        fn any_text_can_be_substituted(text in "[$\\{\\}:A-C_\\-é1 ]{0,20}") {
            let substituted = substitute(&text, &environment);
            for problem in &substituted.problems {
                let part: String = text.chars().skip(problem.at).take(problem.written.chars().count()).collect();
                prop_assert_eq!(&part, &problem.written);
            }
        }

        #[test]
        fn doubling_the_dollar_of_every_brace_gives_the_text_back(text in "[$\\{\\}:A-C ]{0,20}") {
            let escaped = text.replace("${", "$${");
            prop_assert_eq!(substitute(&escaped, &environment).text, text);
        }
    }
}
