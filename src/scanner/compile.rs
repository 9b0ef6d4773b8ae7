//! The syntax of a regex → the steps of a scanner, where one pass is provably the same.
//!
//! A regex is compiled from its end to its start: each part is given the [`Tail`] that is to follow it and returns
//! itself with that tail. At a place where there is a choice (an alternative, one more of a repetition or not) the
//! next byte has to decide it: either no two of the options can go on with the same byte, or the one that the
//! regex would try first cannot fail with it.

use regex_syntax::hir::{self, Class as Written, Hir, HirKind, Repetition};

use super::bytes::{ByteSet, Class};
use super::{Action, Fork, Look, NOWHERE, Run, SYMBOLS, Scanner, Step};
use crate::model::field::Slot;

/// How many parts of a regex are compiled before it is left to the other engine: repetitions that are written
/// out, and loops in loops, would otherwise grow without bound.
const FUEL: usize = 4000;

/// The scanner of a regex whose `groups` go to slots; `None` where it is not of the kind that has one.
pub fn compile(regex: &Hir, groups: &[(usize, Slot)]) -> Option<Scanner> {
    if !regex.properties().look_set_prefix().contains(hir::Look::Start) {
        return None;
    }
    let mut compiler = Compiler { steps: Vec::new(), groups, fuel: FUEL };
    let accept = compiler.push(Action::Accept, 0);
    let everything = Symbols { bytes: ByteSet::ALL, end: true };
    let end = Tail { start: accept, first: everything, is_sure: true, grows: ByteSet::ALL, literal: None };
    let tail = compiler.part(regex, &end)?;
    Some(Scanner { steps: compiler.steps.into(), start: tail.start, open: vec![0; groups.len()].into() })
}

/// What may follow a position: bytes, or the end of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Symbols {
    bytes: ByteSet,
    end: bool,
}

impl Symbols {
    const NONE: Symbols = Symbols { bytes: ByteSet::EMPTY, end: false };

    fn of(bytes: ByteSet) -> Symbols {
        Symbols { bytes, end: false }
    }

    fn or(self, other: Symbols) -> Symbols {
        Symbols { bytes: self.bytes.or(other.bytes), end: self.end || other.end }
    }

    fn iter(self) -> impl Iterator<Item = usize> {
        self.bytes.iter().map(usize::from).chain(self.end.then_some(SYMBOLS - 1))
    }

    fn is_disjoint(self, other: Symbols) -> bool {
        self.bytes.and(other.bytes) == ByteSet::EMPTY && !(self.end && other.end)
    }
}

/// The rest of a regex, from some place on.
#[derive(Clone, Debug)]
struct Tail {
    /// Its first step.
    start: u32,
    /// It matches nothing that begins otherwise.
    first: Symbols,
    /// It matches everything that begins so.
    is_sure: bool,
    /// Where it matches, it also matches what has any of these bytes put in front.
    grows: ByteSet,
    /// The literal that it begins with, and by what the tail behind that literal grows.
    literal: Option<(Box<[u8]>, ByteSet)>,
}

impl Tail {
    /// What matches nothing, for finding out how a part begins.
    const NEVER: Tail =
        Tail { start: 0, first: Symbols::NONE, is_sure: false, grows: ByteSet::EMPTY, literal: None };

    fn matches_everything(&self) -> bool {
        self.is_sure && self.first == Symbols { bytes: ByteSet::ALL, end: true }
    }
}

struct Compiler<'g> {
    steps: Vec<Step>,
    groups: &'g [(usize, Slot)],
    fuel: usize,
}

impl Compiler<'_> {
    fn push(&mut self, action: Action, next: u32) -> u32 {
        self.steps.push(Step { action, next });
        self.steps.len() as u32 - 1
    }

    /// A part and what follows it.
    fn part(&mut self, part: &Hir, next: &Tail) -> Option<Tail> {
        self.fuel = self.fuel.checked_sub(1)?;
        match part.kind() {
            HirKind::Empty => Some(next.clone()),
            HirKind::Literal(literal) => Some(self.literal(&literal.0, next)),
            HirKind::Class(_) => Some(self.one(single(part)?, next)),
            HirKind::Look(look) => self.look(*look, next),
            HirKind::Repetition(repetition) => match single(&repetition.sub) {
                Some(class) => self.run(class, repetition, next, None),
                None => self.repetition(repetition, next),
            },
            HirKind::Capture(group) => self.group(group, next),
            HirKind::Concat(parts) => {
                parts.iter().rev().try_fold(next.clone(), |next, part| self.part(part, &next))
            }
            HirKind::Alternation(options) => {
                let options = options.iter().map(|option| self.part(option, next));
                let options: Vec<_> = options.collect::<Option<_>>()?;
                self.fork(&options)
            }
        }
    }

    fn literal(&mut self, literal: &[u8], next: &Tail) -> Tail {
        let first = Symbols::of(ByteSet::of(literal.first().copied()));
        let start = self.push(Action::Literal(literal.into()), next.start);
        let is_sure = literal.len() == 1 && next.matches_everything();
        Tail { start, first, is_sure, grows: ByteSet::EMPTY, literal: Some((literal.into(), next.grows)) }
    }

    fn one(&mut self, class: ByteSet, next: &Tail) -> Tail {
        let start = self.push(Action::One(Class::new(class)), next.start);
        let is_sure = next.matches_everything();
        Tail { start, first: Symbols::of(class), is_sure, grows: ByteSet::EMPTY, literal: None }
    }

    fn look(&mut self, look: hir::Look, next: &Tail) -> Option<Tail> {
        let mut tail = Tail { grows: ByteSet::EMPTY, literal: None, ..next.clone() };
        let look = match look {
            hir::Look::Start => Look::Start,
            hir::Look::End => Look::End,
            hir::Look::WordAscii => Look::WordBoundary,
            hir::Look::WordAsciiNegate => Look::NoWordBoundary,
            _ => return None,
        };
        match look {
            Look::End => tail.first.bytes = ByteSet::EMPTY,
            _ => tail.is_sure = false,
        }
        tail.start = self.push(Action::Look(look), next.start);
        Some(tail)
    }

    fn group(&mut self, group: &hir::Capture, next: &Tail) -> Option<Tail> {
        let index = group.index as usize;
        let Some(register) = self.groups.iter().position(|(wanted, _)| *wanted == index) else {
            return self.part(&group.sub, next);
        };
        let slot = self.groups[register].1;
        if let HirKind::Repetition(repetition) = group.sub.kind()
            && let Some(class) = single(&repetition.sub)
            && let Some(tail) = self.run(class, repetition, next, Some(slot))
        {
            return Some(tail);
        }
        let start = self.push(Action::Close { register, slot }, next.start);
        let body = self.part(&group.sub, &Tail { start, ..next.clone() })?;
        let start = self.push(Action::Open(register), body.start);
        Some(Tail { start, ..body })
    }

    /// A repetition of single bytes.
    fn run(
        &mut self,
        class: ByteSet,
        repetition: &Repetition,
        next: &Tail,
        slot: Option<Slot>,
    ) -> Option<Tail> {
        let min = repetition.min as usize;
        let mut max = repetition.max.map_or(usize::MAX, |max| max as usize);
        let ends_by_itself = Symbols::of(class).is_disjoint(next.first) || min == max;
        let grows = if repetition.max.is_none() { class } else { ByteSet::EMPTY };
        let mut first = Symbols::of(class);
        if min == 0 {
            first = first.or(next.first);
        }
        if !ends_by_itself && !next.matches_everything() {
            return self.until(class, repetition, next, slot).map(|start| Tail {
                start,
                first,
                is_sure: false,
                grows,
                literal: None,
            });
        }
        if !ends_by_itself && !repetition.greedy {
            max = min;
        }
        // A literal behind it is not worth a step of its own.
        let (behind, behind_it) = match &self.steps[next.start as usize] {
            Step { action: Action::Literal(literal), next } => (literal.clone(), *next),
            _ => (Box::default(), next.start),
        };
        let run = Run { class: Class::new(class), min, max, slot, behind };
        let start = self.push(Action::Run(run), behind_it);
        let is_sure = min <= 1 && next.matches_everything();
        Some(Tail { start, first, is_sure, grows, literal: None })
    }

    /// A lazy run that a literal ends. The first place of the literal is the right one if whatever follows a later
    /// place can follow the first one too: then trying further ones would not help.
    fn until(
        &mut self,
        class: ByteSet,
        repetition: &Repetition,
        next: &Tail,
        slot: Option<Slot>,
    ) -> Option<u32> {
        let (literal, grows) = next.literal.as_ref()?;
        let between = class.or(ByteSet::of(literal.iter().copied()));
        if repetition.greedy || repetition.max.is_some() || slot.is_some() || !between.is_within(*grows) {
            return None;
        }
        let (class, min) = (Class::new(class), repetition.min as usize);
        Some(self.push(Action::Until { class, min, literal: literal.clone() }, next.start))
    }

    /// A repetition of more than single bytes.
    fn repetition(&mut self, repetition: &Repetition, next: &Tail) -> Option<Tail> {
        let Repetition { min, max, greedy, ref sub } = *repetition;
        // What may be empty is repeated by rules of its own.
        if max != Some(1) && sub.properties().minimum_len().is_none_or(|len| len == 0) {
            return None;
        }
        let mut tail = match max {
            None => self.repeated(sub, min.min(1), next)?,
            Some(max) => {
                let mut tail = next.clone();
                for _ in min..max {
                    let once = self.part(sub, &tail)?;
                    tail = self.fork(&if greedy { [once, next.clone()] } else { [next.clone(), once] })?;
                }
                tail
            }
        };
        let written_out = if max.is_none() { min.saturating_sub(1) } else { min };
        for _ in 0..written_out {
            tail = self.part(sub, &tail)?;
        }
        Some(tail)
    }

    /// `sub*`, or `sub+` where `min` is 1.
    fn repeated(&mut self, sub: &Hir, min: u32, next: &Tail) -> Option<Tail> {
        let before = self.steps.len();
        let first = self.part(sub, &Tail::NEVER)?.first;
        self.steps.truncate(before);
        // The way back leads to a choice that can be made only after what it leads to; its place is taken before.
        let again = self.push(Action::Accept, 0);
        let back = Tail { start: again, first: first.or(next.first), ..Tail::NEVER };
        let once = self.body(sub, &back)?;
        let whole = self.fork(&[once.clone(), next.clone()])?;
        self.steps.swap(again as usize, whole.start as usize);
        Some(if min == 0 { back } else { once })
    }

    /// What is repeated. An option that is a single byte is a run of them: `(?:[^"\\]|\\.)*` then goes from one
    /// backslash to the next.
    fn body(&mut self, sub: &Hir, back: &Tail) -> Option<Tail> {
        let HirKind::Alternation(options) = sub.kind() else { return self.part(sub, back) };
        let options = options.iter().map(|option| match single(option) {
            Some(class) => {
                let (members, behind) = (Class::new(class), Box::default());
                let run = Run { class: members, min: 1, max: usize::MAX, slot: None, behind };
                let start = self.push(Action::Run(run), back.start);
                Some(Tail { start, first: Symbols::of(class), ..Tail::NEVER })
            }
            None => self.part(option, back),
        });
        let options: Vec<_> = options.collect::<Option<_>>()?;
        self.fork(&options)
    }

    /// A choice of options, of which the regex would try the first ones first.
    fn fork(&mut self, options: &[Tail]) -> Option<Tail> {
        let mut which = [NOWHERE; SYMBOLS];
        let mut first = Symbols::NONE;
        for (at, option) in options.iter().enumerate() {
            let at = u8::try_from(at).ok().filter(|at| *at != NOWHERE)?;
            for symbol in option.first.iter() {
                match options.get(usize::from(which[symbol])) {
                    None => which[symbol] = at,
                    Some(earlier) if earlier.is_sure => {}
                    Some(_) => return None,
                }
            }
            first = first.or(option.first);
        }
        let to = options.iter().map(|option| option.start).collect();
        let start = self.push(Action::Fork(Box::new(Fork { which, to })), 0);
        let is_sure = options.iter().all(|option| option.is_sure);
        Some(Tail { start, first, is_sure, grows: ByteSet::EMPTY, literal: None })
    }
}

/// The bytes that a part which always takes one byte can take.
fn single(part: &Hir) -> Option<ByteSet> {
    match part.kind() {
        HirKind::Literal(literal) if literal.0.len() == 1 => Some(ByteSet::of(literal.0.iter().copied())),
        HirKind::Class(Written::Bytes(class)) => {
            Some(ByteSet::of(class.iter().flat_map(|range| range.start()..=range.end())))
        }
        HirKind::Class(Written::Unicode(class)) if class.is_ascii() => {
            let bytes = class.to_byte_class()?;
            Some(ByteSet::of(bytes.iter().flat_map(|range| range.start()..=range.end())))
        }
        _ => None,
    }
}
