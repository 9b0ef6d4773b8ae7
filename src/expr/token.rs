//! The tokens of an expression: where each stands, which brackets belong together, and lexical faults.
//!
//! The parser has a lexer of its own; this one is for the places and the words of faults, and bounds what
//! the parser is given.

use crate::raw::fault::Faults;
use crate::raw::place::{Place, Text};

/// The longest source that is read, in bytes.
const MAX_LEN: usize = 16 * 1024;

/// How deep operations, dots and brackets may nest: the parser, the compiler and evaluation recurse as deep.
pub(super) const MAX_DEPTH: usize = 100;

/// What a token is, as far as the words of a fault depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, a text, `true`, `false`, `null`.
    Literal,
    /// The name of a field or a function.
    Name,
    /// Everything between values: `==`, `in`, `?`, `:`.
    Operator,
    /// `(`, `[` or `{`, with the index of the token that closes it.
    Open(usize),
    /// `)`, `]` or `}`, with the index of the token that opens it.
    Close(usize),
    /// The dot before a field's name.
    Dot,
    /// Between arguments.
    Comma,
}

/// One token, as the bytes `start..end` of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// An expression and its tokens.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    pub(super) source: &'s Text,
    pub(super) list: Vec<Token>,
}

impl<'s> Tokens<'s> {
    /// The tokens of `source`; `None` once a fault was added.
    pub(super) fn read(source: &'s Text, faults: &mut Faults) -> Option<Tokens<'s>> {
        let len = source.text.len();
        if len > MAX_LEN {
            faults.add(source.place, format!("the expression has {len} bytes, at most {MAX_LEN} are read"));
            return None;
        }
        let before = faults.found().len();
        let mut lexer = Lexer { tokens: Tokens { source, list: Vec::new() }, at: 0, faults };
        lexer.read();
        let mut tokens = lexer.tokens;
        // An unclosed text swallows brackets, so brackets are looked at only where the texts are right.
        if faults.found().len() == before {
            tokens.pair_brackets(faults);
            tokens.check_depth(faults);
        }
        (faults.found().len() == before).then_some(tokens)
    }

    /// The place of the bytes `start..end` of the source.
    pub(super) fn place(&self, start: usize, end: usize) -> Place {
        let characters = |to: usize| self.source.text.get(..to).map_or(0, |before| before.chars().count());
        let at = characters(start);
        self.source.part(at, characters(end).saturating_sub(at))
    }

    /// The text of a token.
    pub(super) fn text(&self, token: Token) -> &'s str {
        self.source.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The index of the first token that ends after byte `at`; the number of tokens if none does.
    pub(super) fn index_at(&self, at: usize) -> usize {
        self.list.partition_point(|token| token.end <= at)
    }

    fn pair_brackets(&mut self, faults: &mut Faults) {
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.list.len() {
            let token = self.list[at];
            match token.kind {
                Kind::Open(_) => open.push(at),
                Kind::Close(_) => match open.pop() {
                    Some(from) if closing(self.text(self.list[from])) == self.text(token) => {
                        self.list[from].kind = Kind::Open(at);
                        self.list[at].kind = Kind::Close(from);
                    }
                    other => return self.fault_close(token, other, faults),
                },
                _ => {}
            }
        }
        if let Some(from) = open.pop() {
            let token = self.list[from];
            let text = self.text(token);
            faults.add(
                self.place(token.start, token.end),
                format!("this `{text}` is not closed by a `{}`", closing(text)),
            );
        }
    }

    fn fault_close(&self, token: Token, open: Option<usize>, faults: &mut Faults) {
        let found = self.text(token);
        let problem = match open {
            Some(from) => format!("`{found}` where `{}` was wanted", closing(self.text(self.list[from]))),
            None => format!("this `{found}` closes nothing"),
        };
        faults.add(self.place(token.start, token.end), problem);
    }

    /// Bounds the depth to which everything that walks the syntax tree recurses: each operator, dot and
    /// bracket may put what stands before or in it one level deeper; `&&`, `||` and commas begin anew.
    fn check_depth(&self, faults: &mut Faults) {
        let mut levels = vec![Chain::default()];
        let mut deepest = 0;
        for token in &self.list {
            let Some(chain) = levels.last_mut() else { return };
            match token.kind {
                Kind::Operator if matches!(self.text(*token), "&&" | "||") => chain.end(),
                Kind::Comma => chain.end(),
                Kind::Operator | Kind::Dot => chain.links += 1,
                Kind::Open(_) => {
                    chain.links += 1;
                    levels.push(Chain::default());
                }
                Kind::Close(_) => {
                    chain.end();
                    let inside = chain.longest;
                    levels.pop();
                    if let Some(outside) = levels.last_mut() {
                        outside.links += inside;
                    }
                }
                Kind::Literal | Kind::Name => {}
            }
            deepest = deepest.max(levels.iter().map(|chain| chain.links).sum());
            if deepest > MAX_DEPTH {
                let problem = format!("the expression nests more than {MAX_DEPTH} operations deep");
                return faults.add(self.source.place, problem);
            }
        }
    }
}

/// How deep the operands between two brackets nest.
#[derive(Default)]
struct Chain {
    links: usize,
    longest: usize,
}

impl Chain {
    fn end(&mut self) {
        self.longest = self.longest.max(self.links);
        self.links = 0;
    }
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

struct Lexer<'s, 'f> {
    tokens: Tokens<'s>,
    at: usize,
    faults: &'f mut Faults,
}

impl<'s> Lexer<'s, '_> {
    fn rest(&self) -> &'s str {
        self.tokens.source.text.get(self.at..).unwrap_or_default()
    }

    fn read(&mut self) {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return };
            if matches!(first, ' ' | '\t' | '\r' | '\n' | '\x0c') {
                self.at += 1;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(prefix) = text_prefix(rest) {
                self.read_text(prefix);
            } else if first.is_ascii_alphabetic() || first == '_' {
                self.read_word();
            } else if first.is_ascii_digit() || (first == '.' && digits(&rest[1..]) > 0) {
                self.push(Kind::Literal, number_len(rest));
            } else {
                self.read_operator(first);
            }
        }
    }

    fn push(&mut self, kind: Kind, len: usize) {
        self.tokens.list.push(Token { kind, start: self.at, end: self.at + len });
        self.at += len;
    }

    /// Skips `len` bytes that are no token.
    fn refuse(&mut self, len: usize, problem: String, help: Option<&str>) {
        let place = self.tokens.place(self.at, self.at + len);
        match help {
            Some(help) => self.faults.add_with_help(place, problem, help),
            None => self.faults.add(place, problem),
        }
        self.at += len;
    }

    fn read_word(&mut self) {
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let kind = match &rest[..len] {
            "true" | "false" | "null" => Kind::Literal,
            "in" => Kind::Operator,
            _ => Kind::Name,
        };
        self.push(kind, len);
    }

    fn read_operator(&mut self, first: char) {
        let rest = self.rest();
        if ["==", "!=", "<=", ">=", "&&", "||"].iter().any(|operator| rest.starts_with(operator)) {
            return self.push(Kind::Operator, 2);
        }
        if rest.starts_with("=~") {
            let help = Some("write `text.matches(\"regex\")`");
            return self.refuse(2, "`=~` has no meaning in an expression".to_owned(), help);
        }
        match first {
            '(' | '[' | '{' => self.push(Kind::Open(0), 1),
            ')' | ']' | '}' => self.push(Kind::Close(0), 1),
            '.' => self.push(Kind::Dot, 1),
            ',' => self.push(Kind::Comma, 1),
            '<' | '>' | '!' | '?' | ':' | '+' | '-' | '*' | '/' | '%' => self.push(Kind::Operator, 1),
            _ => {
                let help = match first {
                    '=' => Some("write `==` to compare"),
                    '&' => Some("write `&&`"),
                    '|' => Some("write `||`"),
                    '`' => Some("a field with an odd name is written `event[\"odd key\"]`"),
                    '$' | '@' => Some("a field is written by its bare name"),
                    '\u{2018}'..='\u{201f}' => Some("texts stand in plain quotes: \"…\" or '…'"),
                    _ if first.is_alphabetic() => {
                        Some("a field with such a name is written `event[\"…\"]`, a text stands in quotes")
                    }
                    _ => None,
                };
                let shown = first.escape_debug();
                self.refuse(first.len_utf8(), format!("`{shown}` has no meaning in an expression"), help);
            }
        }
    }

    fn read_text(&mut self, prefix: TextPrefix) {
        let rest = self.rest();
        let mut at = prefix.len + prefix.quote.len();
        loop {
            let left = rest.get(at..).unwrap_or_default();
            let Some(next) = left.chars().next() else {
                return self.refuse_unclosed();
            };
            if left.starts_with(prefix.quote) {
                return self.push(Kind::Literal, at + prefix.quote.len());
            }
            if prefix.quote.len() == 1 && matches!(next, '\n' | '\r') {
                return self.refuse_unclosed();
            }
            at += match next {
                '\\' if !prefix.raw => match escape_len(left) {
                    Some(len) => len,
                    None => {
                        self.refuse_escape(at, left);
                        left.chars().take(2).map(char::len_utf8).sum()
                    }
                },
                _ => next.len_utf8(),
            };
        }
    }

    fn refuse_unclosed(&mut self) {
        let len = self.rest().len();
        self.refuse(len, "the text that begins here has no closing quote".to_owned(), None);
    }

    fn refuse_escape(&mut self, at: usize, left: &str) {
        let shown: String = left.chars().take(2).collect();
        let start = self.at + at;
        self.faults.add_with_help(
            self.tokens.place(start, start + shown.len()),
            format!("`{}` means nothing in a text", shown.escape_debug().to_string().replace("\\\\", "\\")),
            "write `\\\\` for a backslash, or begin the text with r: r\"\\d+\"",
        );
    }
}

struct TextPrefix {
    len: usize,
    quote: &'static str,
    raw: bool,
}

/// What opens the text at the start of `rest`: `"`, `'''`, `r"`, `b'`, `bR"`.
fn text_prefix(rest: &str) -> Option<TextPrefix> {
    let bytes = rest.as_bytes();
    let letter = |at: usize, letter: u8| bytes.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&letter));
    let binary = usize::from(letter(0, b'b'));
    let raw = letter(binary, b'r');
    let len = binary + usize::from(raw);
    let quotes = rest.get(len..)?;
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quotes.starts_with(quote))?;
    Some(TextPrefix { len, quote, raw })
}

/// The length of the escape at the start of `left`, if it is one.
fn escape_len(left: &str) -> Option<usize> {
    let bytes = left.as_bytes();
    let hex = |count: usize| {
        let digits = bytes.get(2..2 + count)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(2 + count)
    };
    match bytes.get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(2),
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => bytes.get(2..4)?.iter().all(|byte| (b'0'..=b'7').contains(byte)).then_some(4),
        _ => None,
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The length of the number at the start of `rest`.
fn number_len(rest: &str) -> usize {
    let tail = |at: usize| rest.get(at..).unwrap_or_default();
    let unsigned = |at: usize| at + usize::from(tail(at).starts_with(['u', 'U']));
    if let Some(hex) = rest.strip_prefix("0x") {
        let len = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        if len > 0 {
            return unsigned(2 + len);
        }
    }
    let mut len = digits(rest);
    let whole = len;
    if tail(len).starts_with('.') && digits(tail(len + 1)) > 0 {
        len += 1 + digits(tail(len + 1));
    }
    let exponent = tail(len);
    if exponent.starts_with(['e', 'E']) {
        let sign = usize::from(tail(len + 1).starts_with(['+', '-']));
        let power = digits(tail(len + 1 + sign));
        if power > 0 {
            return len + 1 + sign + power;
        }
    }
    if len == whole { unsigned(len) } else { len }
}
