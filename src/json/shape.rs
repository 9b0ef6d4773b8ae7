//! The shapes of texts: whoever writes events writes the same keys in the same order, so that all but the values is known
//! before it is read.
//!
//! A shape is what stands between the scalars of a text, such as `{"id":` and `,"user":{"name":`. Equal bytes mean the
//! same, as long as all before them was equal but for its scalars: so they need not be read again, only compared. The
//! shapes that [`scan`](super::scan) came across are kept as a tree, with what was done at each scalar.

use bumpalo::Bump;

use super::scan::{Scan, Steps};
use crate::base::bytes;
use crate::model::field::Slot;
use crate::model::value::Value;

/// How many scalars all shapes have together.
const NODES: usize = Steps::MOST;

/// In how many ways a text may go on behind a scalar.
const EDGES: usize = 16;

/// How many bytes stand between two scalars.
const GAP: usize = 1 << 10;

/// What a text of a known shape gains, and one of another shape loses.
const GAIN: i32 = 1;
const LOSS: i32 = 2;

/// How much may be lost before the shapes are forgotten.
const STAKE: i32 = 128;

/// How many texts go by before shapes are learned anew.
const REST: u32 = 4096;

/// The shapes that were seen before.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    /// What may follow a scalar; at first the start of a text.
    nodes: Vec<Vec<Edge>>,
    balance: i32,
    rest: u32,
}

/// What may stand between two scalars.
#[derive(Clone, Debug)]
struct Edge {
    gap: Box<[u8]>,
    /// The slots that are emptied.
    cleared: Box<[Slot]>,
    /// Where the scalar goes that follows, and what may come then; `None` at the end of a text.
    next: Option<(Option<Slot>, usize)>,
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// By its shape, if that is known.
    Try,
    /// From byte to byte: shapes were of no use lately.
    Plain,
}

impl Default for Shapes {
    fn default() -> Shapes {
        Shapes { nodes: vec![Vec::new()], balance: STAKE, rest: 0 }
    }
}

impl Shapes {
    pub(super) fn manner(&mut self) -> Manner {
        if self.rest == 0 {
            return Manner::Try;
        }
        self.rest -= 1;
        Manner::Plain
    }

    /// Fills the row as it was filled from texts of this shape; `None` where none had it, and the row may then be filled in
    /// part.
    pub(super) fn fill<'b>(&mut self, text: &'b [u8], row: &mut [Value<'b>], arena: &'b Bump) -> Option<()> {
        let mut scan = Scan::new(text, row, arena)?;
        let mut node = 0;
        loop {
            let rest = scan.rest();
            let begins =
                |edge: &&Edge| rest.get(..edge.gap.len()).is_some_and(|start| bytes::same(start, &edge.gap));
            let edge = self.nodes[node].iter().find(begins)?;
            scan.pass(edge.gap.len());
            edge.cleared.iter().for_each(|slot| scan.clear(*slot));
            let Some((slot, next)) = edge.next else { break };
            scan.scalar(slot)?;
            node = next;
        }
        if !scan.rest().is_empty() {
            return None;
        }
        self.balance = (self.balance + GAIN).min(STAKE);
        Some(())
    }

    /// Learns the shape of a text that [`fill`](Shapes::fill) did not know.
    pub(super) fn learn(&mut self, text: &[u8], steps: &Steps) {
        self.balance -= LOSS;
        if self.balance < 0 {
            *self = Shapes { rest: REST, ..Shapes::default() };
            return;
        }
        let Some(steps) = steps.all() else { return };
        let mut steps = steps.peekable();
        let (mut node, mut end) = (0, 0);
        while let Some((step, cleared)) = steps.next() {
            if steps.peek().is_none() {
                self.add(node, &text[end..], cleared, None);
                return;
            }
            let Some(next) = self.add(node, &text[end..step.place.start], cleared, Some(step.slot)) else {
                return;
            };
            (node, end) = (next, step.place.end);
        }
    }

    /// Adds what follows a scalar, if it is not there: what may come then. `None` where there is no room.
    fn add(
        &mut self,
        node: usize,
        gap: &[u8],
        cleared: &[Slot],
        slot: Option<Option<Slot>>,
    ) -> Option<usize> {
        let known =
            self.nodes[node].iter().find(|edge| *edge.gap == *gap && edge.next.is_some() == slot.is_some());
        if let Some(edge) = known {
            return edge.next.map(|(_, next)| next);
        }
        let next = self.nodes.len();
        if gap.len() > GAP || self.nodes[node].len() >= EDGES || next >= NODES {
            return None;
        }
        self.nodes.push(Vec::new());
        let next = slot.map(|slot| (slot, next));
        // Of two of which one begins with the other, the longer one has to be looked for first.
        let at = self.nodes[node].partition_point(|edge| edge.gap.len() > gap.len());
        self.nodes[node].insert(at, Edge { gap: gap.into(), cleared: cleared.into(), next });
        next.map(|(_, next)| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Reader;
    use crate::json::tests::{json, reader};
    use crate::json::visit;
    use proptest::prelude::*;

    /// Reads a text, and says whether its shape was known.
    #[track_caller]
    fn read(reader: &mut Reader, text: &str) -> bool {
        let arena = Bump::new();
        let (mut row, mut expected) = ([Value::Missing; 6], [Value::Missing; 6]);
        let is_known = reader.shapes.fill(text.as_bytes(), &mut row, &arena).is_some();
        if is_known {
            let is_valid = visit::fill(text.as_bytes(), &reader.root, &mut expected, &arena).is_ok();
            assert!(is_valid, "{text}");
            assert_eq!(format!("{row:?}"), format!("{expected:?}"), "{text}");
        }
        let (mut again, mut expected) = ([Value::Missing; 6], [Value::Missing; 6]);
        let is_read = reader.read(text.as_bytes(), &mut again, &arena).is_ok();
        let is_valid = visit::fill(text.as_bytes(), &reader.root, &mut expected, &arena).is_ok();
        assert_eq!(is_read, is_valid, "{text}");
        if is_valid {
            assert_eq!(format!("{again:?}"), format!("{expected:?}"), "{text}");
        }
        is_known
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn a_known_shape_says_what_serde_json_says(
            texts in proptest::collection::vec(json(), 1..5),
            order in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut reader = reader();
            for (text, at, byte) in order {
                let text = text.get(&texts);
                read(&mut reader, text);
                let mut changed = text.clone().into_bytes();
                if !changed.is_empty() {
                    let at = at.index(changed.len());
                    changed[at] = byte;
                }
                if let Ok(changed) = String::from_utf8(changed) {
                    read(&mut reader, &changed);
                }
            }
        }
    }

    #[test]
    fn texts_that_differ_in_their_values_have_one_shape() {
        let mut reader = reader();
        assert!(!read(&mut reader, r#"{"a":1,"b":{"a":"x"},"c":[1,2]}"#));
        assert!(read(&mut reader, r#"{"a":"two","b":{"a":null},"c":[-1.5,"y\n"]}"#));
        assert!(!read(&mut reader, r#"{"a":1,"b":{"a":"x"},"c":[1,2,3]}"#));
        assert!(read(&mut reader, r#"{"a":1,"b":{"a":"x"},"c":[3,2,1]}"#));
        assert!(read(&mut reader, r#"{"a":1,"b":{"a":"x"},"c":[3,2]}"#));
        assert!(!read(&mut reader, r#"{"a":1,"b":{"a":"x"},"c":[3,2]"#));
    }

    #[test]
    fn what_an_empty_list_leaves_missing_is_missing_again() {
        let mut reader = reader();
        assert!(!read(&mut reader, r#"{"b":1,"b":[]}"#));
        assert!(read(&mut reader, r#"{"b":2,"b":[]}"#));
    }

    #[test]
    fn a_gap_that_begins_with_another_is_told_from_it() {
        let mut reader = reader();
        for text in [r#"{"c":1}"#, r#"{"c":[1]}"#, r#"{"c":[[],1]}"#, r#"{"c":{}}"#] {
            assert!(!read(&mut reader, text));
        }
        for text in [r#"{"c":2}"#, r#"{"c":[2]}"#, r#"{"c":[[],2]}"#, r#"{"c":{}}"#] {
            assert!(read(&mut reader, text), "{text}");
        }
    }

    #[test]
    fn a_text_of_very_many_scalars_is_read_and_not_noted() {
        let mut reader = reader();
        let text = format!("{{\"c\":[{}1],\"a\":2}}", "1,".repeat(100_000));
        assert!(!read(&mut reader, &text));
        assert!(!read(&mut reader, &text));
        let duplicates = format!("{{{}\"a\":2}}", "\"b\":{},".repeat(100_000));
        assert!(!read(&mut reader, &duplicates));
        assert!(size_of_val(&*format!("{:?}", reader.steps)) < 100_000, "what is noted is bounded");
    }

    #[test]
    fn what_is_known_has_a_bound_and_is_forgotten_when_it_is_of_no_use() {
        let mut reader = reader();
        let text = |at: u32| format!("{{\"key{at}\":1,\"a\":{at}}}");
        let known = (0..1000).filter(|at| read(&mut reader, &text(*at))).count();
        assert_eq!(known, 0);
        assert!(reader.shapes.nodes.len() <= NODES);
        assert_eq!(reader.shapes.nodes[0].len(), 0, "they were forgotten");
        for _ in 0..REST {
            read(&mut reader, &text(1));
        }
        assert!(read(&mut reader, &text(1)), "and others were learned");
    }
}
