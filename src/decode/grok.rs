//! Grok patterns in a regex: `%{IP:client}` is put in as a group that is called `client`.
//!
//! * `%{NAME}` is an expression of the library or one of the user's own, `%{NAME:field}` also names what it matched,
//!   `%{NAME:field:int}` says what the field is. That is accepted and changes nothing: a field is text, and text that
//!   spells a number is one where a number is wanted.
//! * An own definition takes the place of a library's of the same name, also inside of the library.
//! * `%{` before anything but a letter or `_` stays as it is, so that `%{3}` is three per cent signs; so does `\%`.

use super::grok_library::{self, LIBRARY};
use crate::raw::fault::{Faults, did_you_mean, listed};
use crate::raw::place::{Place, Text};

/// The user's own definitions: names and expressions.
pub(super) type Own<'n> = [(&'n Text, &'n Text)];

/// How long a regex may become.
const LEN_LIMIT: usize = 256 << 10;

/// How many patterns may stand inside one another.
const DEPTH_LIMIT: usize = 64;

/// What may follow the field of a reference.
const TYPES: [&str; 2] = ["int", "float"];

/// A regex without references, and what of the text each part of it stands for.
pub(super) struct Expanded<'n> {
    pub(super) regex: String,
    text: &'n Text,
    origins: Vec<Origin>,
}

/// A part of the regex.
struct Origin {
    /// Where it begins in the regex, in bytes.
    start: usize,
    /// Where it stands in the text, in characters.
    at: usize,
    /// The length of the reference it comes from; `None` where it is part of the text itself.
    len: Option<usize>,
}

impl Expanded<'_> {
    /// The place in the file of what stands at byte `at` of the regex.
    pub(super) fn place(&self, at: usize) -> Place {
        let Some(origin) = self.origins.iter().rev().find(|origin| origin.start <= at) else {
            return self.text.part(0, 1);
        };
        match origin.len {
            Some(len) => self.text.part(origin.at, len),
            None => {
                let before = self.regex.get(origin.start..at).map_or(0, |before| before.chars().count());
                self.text.part(origin.at + before, 1)
            }
        }
    }
}

/// Puts in what the references of `text` stand for; `None` once a fault was added. What is wrong inside of an own
/// definition is reported by [`check`] alone.
pub(super) fn expand<'n>(text: &'n Text, own: &Own<'_>, faults: &mut Faults) -> Option<Expanded<'n>> {
    expand_as(text, None, own, faults)
}

/// Reports what is wrong with own definitions: their names, their references, their syntax.
pub(super) fn check(own: &Own<'_>, syntax: fn(&Expanded<'_>, &mut Faults), faults: &mut Faults) {
    for (name, expression) in own {
        if name.text.is_empty() || !name.text.chars().all(is_word) || !name.text.starts_with(is_start) {
            let help = "write a name such as `ORDER_NUMBER`";
            faults.add_with_help(
                name.place,
                format!("`{}` cannot be the name of a pattern", name.text),
                help,
            );
        } else if let Some(expanded) = expand_as(expression, Some(&name.text), own, faults) {
            syntax(&expanded, faults);
        }
    }
}

fn expand_as<'n>(
    text: &'n Text,
    name: Option<&'n str>,
    own: &Own<'_>,
    faults: &mut Faults,
) -> Option<Expanded<'n>> {
    let mut expansion = Expansion { own, out: String::new(), root: name, open: Vec::new() };
    let (mut origins, mut well, mut at) = (Vec::new(), true, 0);
    for piece in pieces(&text.text) {
        let start = expansion.out.len();
        let len = piece.written().chars().count();
        let is_reference = matches!(piece, Piece::Reference { .. });
        origins.push(Origin { start, at, len: is_reference.then_some(len) });
        if let Err(trouble) = expansion.put(&piece) {
            let is_too_long = matches!(trouble, Trouble::TooLong);
            trouble.report(text.part(at, len), own, faults);
            if is_too_long {
                // All that follows would be too long as well.
                return None;
            }
            expansion.open.clear();
            well = false;
        }
        at += len;
    }
    well.then_some(Expanded { regex: expansion.out, text, origins })
}

fn is_start(first: char) -> bool {
    first.is_ascii_alphabetic() || first == '_'
}

fn is_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_'
}

/// A part of a pattern.
enum Piece<'t> {
    /// Regex.
    Plain(&'t str),
    /// `%{name:field:type}`, or the start of one that is not closed.
    Reference { written: &'t str, name: &'t str, field: Option<&'t str>, kind: Option<&'t str>, closed: bool },
}

impl Piece<'_> {
    fn written(&self) -> &str {
        match self {
            Piece::Plain(text) => text,
            Piece::Reference { written, .. } => written,
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (pattern, 0);
    while let Some(at) = rest.get(from..).and_then(|text| text.find(['%', '\\'])).map(|at| from + at) {
        let behind = &rest[at + 1..];
        if !behind.strip_prefix('{').is_some_and(|name| name.starts_with(is_start))
            || rest[at..].starts_with('\\')
        {
            // A backslash takes the character behind it along.
            let escaped = if rest[at..].starts_with('\\') { behind.chars().next() } else { None };
            from = at + 1 + escaped.map_or(0, char::len_utf8);
            continue;
        }
        let (plain, reference) = rest.split_at(at);
        let end = reference.find('}');
        let (written, after) = reference.split_at(end.map_or(reference.len(), |end| end + 1));
        let mut parts = reference[2..end.unwrap_or(reference.len())].splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        pieces.push(Piece::Plain(plain));
        let (field, kind) = (parts.next(), parts.next());
        pieces.push(Piece::Reference { written, name, field, kind, closed: end.is_some() });
        (rest, from) = (after, 0);
    }
    pieces.push(Piece::Plain(rest));
    pieces.retain(|piece| !piece.written().is_empty());
    pieces
}

/// Why a reference cannot be put in.
enum Trouble {
    NotClosed(String),
    Unknown(String),
    Field(String),
    Type(String),
    /// The names from a pattern back to itself.
    Circle(Vec<String>),
    TooLong,
    TooDeep,
    /// Somewhere inside an own definition, where it is reported.
    Elsewhere,
}

impl Trouble {
    fn report(self, place: Place, own: &Own<'_>, faults: &mut Faults) {
        let (problem, help) = match self {
            Trouble::Elsewhere => return,
            Trouble::NotClosed(name) => {
                (format!("`%{{{name}` is not closed"), "write `%{NAME}` or `%{NAME:field}`".to_owned())
            }
            Trouble::Unknown(name) => {
                let known = own
                    .iter()
                    .map(|(name, _)| name.text.as_str())
                    .chain(LIBRARY.iter().map(|(name, _)| *name));
                let help = did_you_mean(&name, known);
                let define =
                    || "define it under `patterns`, or use one of the names in docs/decoders.md".to_owned();
                (format!("no pattern is called `{name}`"), help.unwrap_or_else(define))
            }
            Trouble::Field(name) if name.is_empty() => {
                ("a name is wanted for the field".to_owned(), "write `%{NAME:field}`".to_owned())
            }
            Trouble::Field(name) => (
                format!("`{name}` cannot be the name of a field"),
                "write a name of letters, digits and `_`, such as `client_ip`".to_owned(),
            ),
            Trouble::Type(name) => {
                let known = format!("the known ones are {}", listed(TYPES));
                let near = did_you_mean(&name, TYPES).map_or(String::new(), |near| near + "\n");
                (format!("unknown type `{name}`"), near + &known)
            }
            Trouble::Circle(names) => {
                let names = names.join("` → `");
                (
                    "a pattern cannot be part of itself".to_owned(),
                    format!("it comes back to itself by `{names}`"),
                )
            }
            Trouble::TooLong => {
                let problem = format!("with its patterns put in the regex is longer than {LEN_LIMIT} bytes");
                (problem, "use fewer patterns inside of patterns".to_owned())
            }
            Trouble::TooDeep => {
                let problem = format!("more than {DEPTH_LIMIT} patterns stand inside one another");
                (problem, "put some of them together".to_owned())
            }
        };
        faults.add_with_help(place, problem, help);
    }
}

/// A regex while references are put in.
struct Expansion<'e> {
    own: &'e Own<'e>,
    out: String,
    /// The own pattern whose expression this is, if it is one.
    root: Option<&'e str>,
    /// The names whose expressions are being put in, one inside the other.
    open: Vec<&'e str>,
}

impl<'e> Expansion<'e> {
    fn put(&mut self, piece: &Piece<'e>) -> Result<(), Trouble> {
        match piece {
            Piece::Plain(text) => self.out.push_str(text),
            Piece::Reference { name, closed: false, .. } => {
                let name = name.split(|next| !is_word(next)).next().unwrap_or_default();
                return Err(Trouble::NotClosed(name.to_owned()));
            }
            Piece::Reference { name, field, kind, .. } => {
                if let Some(field) =
                    field.filter(|field| !field.starts_with(is_start) || !field.chars().all(is_word))
                {
                    return Err(Trouble::Field(field.to_owned()));
                }
                if let Some(kind) = kind.filter(|kind| !TYPES.contains(kind)) {
                    return Err(Trouble::Type(kind.to_owned()));
                }
                match field {
                    Some(field) => self.out += &format!("(?P<{field}>"),
                    None => self.out.push_str("(?:"),
                }
                self.expression(name)?;
                self.out.push(')');
            }
        }
        if self.out.len() > LEN_LIMIT { Err(Trouble::TooLong) } else { Ok(()) }
    }

    fn expression(&mut self, name: &'e str) -> Result<(), Trouble> {
        if self.root == Some(name) {
            let circle = [name].into_iter().chain(self.open.iter().copied()).chain([name]);
            return Err(Trouble::Circle(circle.map(str::to_owned).collect()));
        }
        if self.open.contains(&name) {
            return Err(Trouble::Elsewhere);
        }
        if self.open.len() > DEPTH_LIMIT {
            return Err(Trouble::TooDeep);
        }
        let own = self.own.iter().find(|(own, _)| own.text == name).map(|(_, text)| text.text.as_str());
        let expression =
            own.or_else(|| grok_library::find(name)).ok_or_else(|| Trouble::Unknown(name.to_owned()))?;
        self.open.push(name);
        if own.is_none() {
            // The library is about bytes and ASCII, whatever stands around it.
            self.out.push_str("(?-u:");
        }
        for piece in pieces(expression) {
            self.put(&piece).map_err(|trouble| match trouble {
                Trouble::Unknown(_) | Trouble::NotClosed(_) | Trouble::Field(_) | Trouble::Type(_) => {
                    Trouble::Elsewhere
                }
                other => other,
            })?;
        }
        if own.is_none() {
            self.out.push(')');
        }
        self.open.pop();
        Ok(())
    }
}

/// What a pattern without own definitions becomes.
#[cfg(test)]
pub(super) fn expanded(pattern: &str) -> String {
    let place = Place::whole(crate::raw::place::FileId(0));
    let text = Text { text: pattern.to_owned(), place, inside: None };
    let mut faults = Faults::new();
    let expanded = expand(&text, &[], &mut faults);
    expanded.unwrap_or_else(|| panic!("{}", faults.render(false))).regex
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_become_groups() {
        assert_eq!(expanded("^%{INT:n} %{INT}$"), r"^(?P<n>(?-u:[+-]?[0-9]+)) (?:(?-u:[+-]?[0-9]+))$");
        assert_eq!(expanded("%{INT:n:int}|%{INT:m:float}"), expanded("%{INT:n}|%{INT:m}"));
        assert_eq!(expanded("é%{QS}é"), format!("é(?:(?-u:{}))é", expanded("%{QUOTEDSTRING}")));
    }

    #[test]
    fn what_is_no_reference_stays() {
        for text in ["", "%", "%{3}", "100%", r"\%{INT}", r"\\%", "%{", "a{2}", r"\", "é%é"] {
            assert_eq!(expanded(text), text);
        }
        assert_eq!(expanded(r"\\%{SPACE}"), r"\\(?:(?-u:\s*))");
    }

    proptest! {
        #[test]
        fn any_text_can_be_expanded(text in "([%\\{\\}:\\\\é]|INT|n|INt){0,12}") {
            let place = Place { file: crate::raw::place::FileId(0), line: 1, column: 1, len: 1 };
            let text = Text { text, place, inside: Some(place) };
            let own_name = Text { text: "n".to_owned(), ..text.clone() };
            let mut faults = Faults::new();
            let own = [(&own_name, &text)];
            check(&own, |_, _| (), &mut faults);
            if let Some(expanded) = expand(&text, &own, &mut faults) {
                for at in 0..=expanded.regex.len() {
                    prop_assert!(expanded.place(at).column <= 1 + text.text.chars().count());
                }
            }
        }
    }
}
