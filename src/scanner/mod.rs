//! A regex as a walk over the record: for those in which each next byte says alone how to go on.
//!
//! Most log formats are literals and runs of classes, each run ended by a byte that is not in its class. To match
//! them no way is ever to be taken back and no state kept beside the position, so the walk is one pass of a few
//! steps, and what a group holds is known when its end is passed. [`compile`](compile()) takes a regex only
//! where it can prove that the walk finds the same match, with the same groups, as the regex: leftmost, first
//! alternative first. All others are left to `regex-automata`.

mod bytes;
mod compile;

use self::bytes::Class;
pub use self::compile::compile;
use crate::base::bytes::{begins_with, find};
use crate::model::field::Slot;
use crate::model::value::Value;

/// A regex that is anchored at the start of the record, and the registers to run it.
#[derive(Debug)]
pub struct Scanner {
    steps: Box<[Step]>,
    start: u32,
    /// Where the groups that are open begin.
    open: Box<[usize]>,
}

/// What happens at one position of the record, and the step that follows.
#[derive(Debug)]
struct Step {
    action: Action,
    next: u32,
}

#[derive(Debug)]
enum Action {
    /// These bytes follow.
    Literal(Box<[u8]>),
    /// One byte of a class follows.
    One(Class),
    /// As many bytes of the class as there are follow, and then these bytes.
    Run(Run),
    /// All up to the first place of a literal is of the class.
    Until {
        class: Class,
        min: usize,
        literal: Box<[u8]>,
    },
    /// The next byte, or the end, decides which step follows.
    Fork(Box<Fork>),
    /// A group begins; the number of its register.
    Open(usize),
    /// A group ends.
    Close {
        register: usize,
        slot: Slot,
    },
    /// What is required of the position.
    Look(Look),
    Accept,
}

#[derive(Debug)]
struct Run {
    class: Class,
    min: usize,
    max: usize,
    /// Where a group goes that is this run.
    slot: Option<Slot>,
    /// What follows the run; often nothing.
    behind: Box<[u8]>,
}

/// A step for each byte and, last, for the end of the record; [`NOWHERE`] where nothing could match.
#[derive(Debug)]
struct Fork {
    which: [u8; SYMBOLS],
    to: Box<[u32]>,
}

/// The bytes and the end.
const SYMBOLS: usize = 257;

const NOWHERE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Start,
    End,
    WordBoundary,
    NoWordBoundary,
}

impl Look {
    fn holds(self, record: &[u8], at: usize) -> bool {
        let is_word = |at: Option<usize>| {
            at.and_then(|at| record.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        match self {
            Look::Start => at == 0,
            Look::End => at == record.len(),
            Look::WordBoundary => is_word(at.checked_sub(1)) != is_word(Some(at)),
            Look::NoWordBoundary => is_word(at.checked_sub(1)) == is_word(Some(at)),
        }
    }
}

impl Run {
    /// How long the run is that `rest` begins with; `None` where it is too short.
    #[inline]
    fn len(&self, rest: &[u8]) -> Option<usize> {
        let len = self.class.run(rest.get(..self.max).unwrap_or(rest));
        (len >= self.min).then_some(len)
    }
}

/// How long the shortest text of a class is, of at least `min` bytes, that `literal` follows in `rest`.
fn until(class: &Class, min: usize, literal: &[u8], rest: &[u8]) -> Option<usize> {
    let (first, others) = literal.split_first()?;
    let mut at = min;
    loop {
        at += find(*first, rest.get(at..)?)?;
        if begins_with(&rest[at + 1..], others) {
            // All places before this one are no ends, whatever the class; so it is looked at only here.
            return (class.run(&rest[..at]) == at).then_some(at);
        }
        at += 1;
    }
}

impl Scanner {
    /// Fills the slots of the groups that take part: where the match ends. `None` where the record does not match, whose
    /// row is then filled in part.
    pub fn fill<'b>(&mut self, record: &'b [u8], row: &mut [Value<'b>]) -> Option<usize> {
        let (mut at, mut next) = (0, self.start);
        loop {
            let step = &self.steps[next as usize];
            next = step.next;
            match &step.action {
                Action::Literal(literal) => {
                    if !begins_with(&record[at..], literal) {
                        return None;
                    }
                    at += literal.len();
                }
                Action::One(class) => {
                    if !class.contains(*record.get(at)?) {
                        return None;
                    }
                    at += 1;
                }
                Action::Run(run) => {
                    let rest = &record[at..];
                    let len = run.len(rest)?;
                    if let Some(slot) = run.slot {
                        row[slot.0] = Value::Text(&rest[..len]);
                    }
                    if !begins_with(&rest[len..], &run.behind) {
                        return None;
                    }
                    at += len + run.behind.len();
                }
                Action::Until { class, min, literal } => at += until(class, *min, literal, &record[at..])?,
                Action::Fork(fork) => {
                    let symbol = record.get(at).map_or(SYMBOLS - 1, |byte| usize::from(*byte));
                    next = *fork.to.get(usize::from(fork.which[symbol]))?;
                }
                Action::Open(register) => self.open[*register] = at,
                Action::Close { register, slot } => {
                    row[slot.0] = Value::Text(&record[self.open[*register]..at]);
                }
                Action::Look(look) => {
                    if !look.holds(record, at) {
                        return None;
                    }
                }
                Action::Accept => return Some(at),
            }
        }
    }
}
