//! Source → syntax tree, by the `cel` crate's parser, with its complaints put into words of our own.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::token::{Kind, MAX_DEPTH, Token, Tokens};
use crate::raw::fault::Faults;
use crate::raw::place::Place;

/// The parser's own bound on nesting, which sources that [`Tokens`] let pass stay below.
const MAX_NESTING: u16 = 2 * MAX_DEPTH as u16;

/// What the parser needs for [`MAX_DEPTH`] brackets, with room to spare; memory that is not touched costs nothing.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// A parsed expression and where its parts stand.
pub(super) struct Syntax<'s> {
    pub(super) root: IdedExpr,
    tokens: Tokens<'s>,
    info: SourceInfo,
}

impl<'s> Syntax<'s> {
    /// Parses `tokens`; `None` once a fault was added.
    pub(super) fn parse(tokens: Tokens<'s>, faults: &mut Faults) -> Option<Syntax<'s>> {
        match parse(&tokens.source.text) {
            Some(Ok((root, info))) => Some(Syntax { root, tokens, info }),
            Some(Err(errors)) => {
                Complaint::first(&errors).add(&tokens, faults);
                None
            }
            None => {
                faults.add(tokens.source.place, "the expression cannot be read: its parser failed");
                None
            }
        }
    }

    /// The place of everything that `expr` was written as.
    pub(super) fn place(&self, expr: &IdedExpr) -> Place {
        let Some(span) = self.span(expr) else {
            return self.tokens.source.place;
        };
        // Brackets around operands are no nodes of the tree: take in those that only one end of is inside.
        let (mut first, mut last) = span;
        for at in span.0..=span.1 {
            match self.tokens.list.get(at).map(|token| token.kind) {
                Some(Kind::Open(partner)) => last = last.max(partner),
                Some(Kind::Close(partner)) => first = first.min(partner),
                _ => {}
            }
        }
        self.between(first, last)
    }

    /// The place of the name of a called function or of the operator of `expr`.
    pub(super) fn name_place(&self, expr: &IdedExpr) -> Place {
        match self.token(expr) {
            Some(at) if matches!(self.kind(at), Some(Kind::Open(_))) && at > 0 => {
                self.between(at - 1, at - 1)
            }
            Some(at) => self.between(at, at),
            None => self.tokens.source.place,
        }
    }

    fn between(&self, first: usize, last: usize) -> Place {
        match (self.tokens.list.get(first), self.tokens.list.get(last)) {
            (Some(first), Some(last)) => self.tokens.place(first.start, last.end),
            _ => self.tokens.source.place,
        }
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.list.get(at).map(|token| token.kind)
    }

    /// The index of the token that the parser ties `expr` to: an operator, a dot, an opening bracket, a literal.
    fn token(&self, expr: &IdedExpr) -> Option<usize> {
        let (start, _) = self.info.offset_for(expr.id)?;
        Some(self.tokens.index_at(start as usize))
    }

    /// The first and last token of `expr`, brackets around the operands at its ends aside.
    fn span(&self, expr: &IdedExpr) -> Option<(usize, usize)> {
        let at = self.token(expr)?;
        let end = match self.kind(at) {
            Some(Kind::Open(partner)) => partner,
            _ => at,
        };
        Some(match &expr.expr {
            // The sign belongs to the literal, but the parser ties it to the digits.
            Expr::Literal(LiteralValue::Int(whole)) if *whole.inner() < 0 => (at.saturating_sub(1), at),
            Expr::Literal(LiteralValue::Double(number)) if *number.inner() < 0.0 => {
                (at.saturating_sub(1), at)
            }
            Expr::Select(select) => (self.span(&select.operand)?.0, at + 1),
            Expr::Struct(_) => (at.saturating_sub(1), end),
            Expr::Call(call) => match (&call.target, call.args.as_slice()) {
                (Some(target), _) => (self.span(target)?.0, end),
                (None, [operand, _]) if call.func_name == operators::INDEX => (self.span(operand)?.0, end),
                (None, []) => (at.saturating_sub(1), end),
                (None, _) if matches!(self.kind(at), Some(Kind::Open(_))) => (at.saturating_sub(1), end),
                (None, [operand]) => (at, self.span(operand)?.1),
                (None, [first, .., last]) => (self.span(first)?.0, self.span(last)?.1),
            },
            _ => (at, end),
        })
    }
}

/// Parses on a thread of its own: without optimisation the parser takes more than 100 KiB of stack for each
/// bracket, and the caller's stack may be small. `None` if there is no such thread or the parser panics.
fn parse(source: &str) -> Option<Result<(IdedExpr, SourceInfo), cel::ParseErrors>> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("parser".to_owned()).stack_size(PARSER_STACK);
        // The default environment expands no macros: `has(x)` and `list.all(…)` come as plain calls.
        let parse = || {
            let parser = cel::Env::default().parser().max_recursion_depth(MAX_NESTING);
            parser.parse_with_source_info(source)
        };
        parser.spawn_scoped(scope, parse).ok()?.join().ok()
    })
}

/// The first thing that the parser found wrong.
struct Complaint<'e> {
    message: &'e str,
    /// Line and column, from 1.
    position: (isize, isize),
}

impl Complaint<'_> {
    /// The first syntax error; what the parser says of the broken tree only where the syntax is right.
    fn first(errors: &cel::ParseErrors) -> Complaint<'_> {
        let syntax = errors.errors.iter().find(|error| error.msg.starts_with("Syntax error"));
        match syntax.or(errors.errors.first()) {
            Some(error) => Complaint { message: &error.msg, position: error.pos },
            None => Complaint { message: "", position: (1, 1) },
        }
    }

    fn add(&self, tokens: &Tokens<'_>, faults: &mut Faults) {
        let at = tokens.index_at(self.byte(&tokens.source.text));
        let found = tokens.list.get(at).copied();
        let place = match found.or(tokens.list.last().copied()) {
            Some(token) => tokens.place(token.start, token.end),
            None => tokens.source.place,
        };
        let shown = found.map_or("", |token| tokens.text(token));
        if self.message.starts_with("reserved identifier") {
            let help = format!("the field is written `event[\"{shown}\"]`");
            faults.add_with_help(place, format!("`{shown}` is a reserved word of the language"), help);
        } else if self.message.starts_with("invalid int") || self.message.starts_with("invalid uint") {
            faults.add(place, format!("`{shown}` does not fit 64 bits"));
        } else if self.message.starts_with("invalid double") {
            faults.add(place, format!("`{shown}` is not a finite number"));
        } else if self.message.starts_with("Syntax error") {
            let before = at.checked_sub(1).and_then(|at| tokens.list.get(at)).copied();
            unexpected(tokens, place, before, found, faults);
        } else {
            faults.add(place, format!("`{shown}` cannot be read"));
        }
    }

    fn byte(&self, text: &str) -> usize {
        let [line, column] =
            [self.position.0, self.position.1].map(|at| usize::try_from(at - 1).unwrap_or(0));
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        start + rest.chars().take(column).map(char::len_utf8).sum::<usize>()
    }
}

/// Adds the fault that `found` (`None`: the end) does not fit after `before` (`None`: the start).
fn unexpected(
    tokens: &Tokens<'_>,
    place: Place,
    before: Option<Token>,
    found: Option<Token>,
    faults: &mut Faults,
) {
    let text = found.map_or("", |token| tokens.text(token));
    let wanted = match before.map(|token| token.kind) {
        None | Some(Kind::Operator | Kind::Open(_) | Kind::Comma) => "a value",
        Some(Kind::Dot) => "the name of a field",
        Some(_) if found.is_none() => "`:` and the other value",
        Some(_) => "an operator or the end",
    };
    let help = match (wanted, text) {
        ("the name of a field", "in" | "true" | "false" | "null") => Some(format!("write `[\"{text}\"]`")),
        ("an operator or the end", "and") => Some("write `&&`".to_owned()),
        ("an operator or the end", "or") => Some("write `||`".to_owned()),
        ("an operator or the end", _) if text.starts_with('.') && text.len() > 1 => {
            Some(format!("an element of a list is written `[{}]`", &text[1..]))
        }
        ("an operator or the end", _) if before.is_some_and(|token| tokens.text(token) == "not") => {
            Some("write `!`".to_owned())
        }
        _ => None,
    };
    let problem = match (found, before) {
        (None, None) => "the expression is empty".to_owned(),
        (None, _) => format!("the expression ends where {wanted} was wanted"),
        _ => format!("`{text}` where {wanted} was wanted"),
    };
    match help {
        Some(help) => faults.add_with_help(place, problem, help),
        None => faults.add(place, problem),
    }
}
