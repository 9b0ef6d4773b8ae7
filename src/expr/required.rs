//! Which literals a record must have one of for a condition to hold, so that records can be searched for them.
//!
//! Only what is sure counts: a literal that is asked for here and is not in a record for which the condition holds
//! would lose an event. What is negated, chosen with `?:` or computed asks for nothing, and neither does a comparison
//! with a number, which `7`, `7.0` and `07` all equal.

use std::cmp::Reverse;

use regex_syntax::ParserBuilder;

use super::compare::{Comparison, Literal, Set};
use super::node::Node;
use super::text::Search;
use crate::model::field::Slot;
use crate::raw::required::Required;

/// More literals than this are not searched for in one pass any faster than records are decoded.
const MAX_LITERALS: usize = 64;

type Literals = Vec<Vec<u8>>;

/// The literals that `node`, as a condition, requires one of.
pub(super) fn of(node: &Node, is_verbatim: &dyn Fn(Slot) -> bool) -> Option<Literals> {
    let literals = match node {
        Node::And(terms) => terms.iter().filter_map(|term| of(term, is_verbatim)).max_by_key(worth)?,
        Node::Or(terms) => return of_any(terms.iter(), is_verbatim),
        Node::CompareField { slot, comparison: Comparison::Equal, literal: Literal::Text(text) }
            if is_verbatim(*slot) =>
        {
            vec![text.to_vec()]
        }
        Node::In(operand, Set::Texts(texts)) => {
            field(operand, is_verbatim)?;
            texts.iter().map(|text| text.to_vec()).collect()
        }
        Node::Search(operand, search) => {
            field(operand, is_verbatim)?;
            searched(search)?
        }
        Node::Affix(_, sides) => {
            field(&sides[0], is_verbatim)?;
            let Node::Literal(Literal::Text(part)) = &sides[1] else { return None };
            vec![part.to_vec()]
        }
        _ => return None,
    };
    checked(literals)
}

/// The literals that each of `nodes` requires one of, together.
pub(super) fn of_any<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    is_verbatim: &dyn Fn(Slot) -> bool,
) -> Option<Literals> {
    let found: Option<Vec<_>> = nodes.map(|node| of(node, is_verbatim)).collect();
    checked(found?.into_iter().flatten().collect())
}

/// Whether `operand` is just a field whose text stands in the record.
fn field(operand: &Node, is_verbatim: &dyn Fn(Slot) -> bool) -> Option<()> {
    matches!(operand, Node::Field(slot) if is_verbatim(*slot)).then_some(())
}

fn searched(search: &Search) -> Option<Literals> {
    match search {
        Search::Literal(finder) => Some(vec![finder.needle().to_vec()]),
        Search::Regex(regex) => {
            // As the `regex` crate reads it.
            let syntax = ParserBuilder::new().utf8(false).build().parse(regex.as_str()).ok()?;
            Some(Required::of(&syntax)?.literals)
        }
    }
}

/// The literals without repetitions, if they are worth a search. One with a line end is in no line, and would be found
/// where two of them meet, or in the return before a line end, which is no part of the line.
fn checked(mut literals: Literals) -> Option<Literals> {
    literals.sort_unstable();
    literals.dedup();
    let is_good = |literal: &Vec<u8>| {
        literal.len() >= Required::MIN_LEN && !literal.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
    };
    (!literals.is_empty() && literals.len() <= MAX_LITERALS && literals.iter().all(is_good))
        .then_some(literals)
}

/// Which of two searches finds less, in less time: one for long literals before one for a few.
fn worth(literals: &Literals) -> (usize, Reverse<usize>, usize) {
    // Beyond this length it is how many they are that matters.
    const ENOUGH: usize = 4;
    let shortest = literals.iter().map(Vec::len).min().unwrap_or(0);
    (shortest.min(ENOUGH), Reverse(literals.len()), shortest)
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use proptest::prelude::*;

    use super::super::{Program, compile_condition};
    use super::*;
    use crate::model::field::Fields;
    use crate::model::value::Value;
    use crate::raw::fault::Faults;
    use crate::raw::place::{FileId, Place, Text};

    /// A condition over `raw`, which is the record, `a` and `b`, which stand in it, and `other`, which does not.
    fn condition(source: &str) -> Program {
        let place = Place::whole(FileId(0));
        let text = Text { text: source.to_owned(), place, inside: None };
        let (mut fields, mut faults) = (Fields::new(None, &[]), Faults::new());
        for name in ["raw", "a", "b", "other"] {
            let name = Text { text: name.to_owned(), place, inside: None };
            super::super::compile_field(&name, &mut fields, &mut faults);
        }
        let program = compile_condition(&text, &mut fields, &mut faults);
        program.unwrap_or_else(|| panic!("{source}: {}", faults.render(false)))
    }

    fn required(source: &str) -> Option<Vec<Vec<u8>>> {
        condition(source).required(&|slot| slot.0 < 3)
    }

    #[track_caller]
    fn check(source: &str, literals: &[&str]) {
        let expected: Vec<_> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
        assert_eq!(required(source).unwrap_or_default(), expected, "{source}");
    }

    #[test]
    fn a_text_that_is_asked_for_is_required() {
        check(r#"raw.contains("ERROR")"#, &["ERROR"]);
        check(r#"a == "ERROR""#, &["ERROR"]);
        check(r#""ERROR" == a"#, &["ERROR"]);
        check(r#"a == "1.0""#, &["1.0"]);
        check(r#"a in ["WARN", "ERROR", "WARN"]"#, &["ERROR", "WARN"]);
        check(r#"a.startsWith("GET ")"#, &["GET "]);
        check(r#"a.endsWith(".css")"#, &[".css"]);
        check(r#"raw == "é""#, &["é"]);
    }

    #[test]
    fn a_regex_requires_its_literals() {
        check(r#"raw.matches("timed? out$")"#, &["time out", "timed out"]);
        check(r#"raw.matches("^[0-9]+ retries")"#, &[" retries"]);
        check(r#"raw.matches("(?i)ok")"#, &["OK", "Ok", "O\u{212a}", "oK", "ok", "o\u{212a}"]);
        check(r#"raw.matches("(error)?")"#, &[]);
        check(r#"raw.matches("error|[a-z]+")"#, &[]);
        check(r#"raw.matches("")"#, &[]);
    }

    #[test]
    fn and_requires_the_better_side_and_or_both() {
        check(r#"raw.contains("ab") && a == "ERROR" && other > 3"#, &["ERROR"]);
        check(r#"a in ["one1", "two2"] && b == "three""#, &["three"]);
        check(r#"a == "x" && b == "yy""#, &["yy"]);
        check(r#"a == "WARN" || b == "ERROR""#, &["ERROR", "WARN"]);
        check(r#"(a == "WARN" || b == "ERROR") && other"#, &["ERROR", "WARN"]);
        check(r#"a == "WARN" || other == "ERROR""#, &[]);
        check(r#"a == "WARN" || b != "ERROR""#, &[]);
    }

    #[test]
    fn what_could_hold_without_a_literal_requires_nothing() {
        for source in [
            r#"a != "ERROR""#,
            r#"!(a == "ERROR")"#,
            r#"!raw.contains("ERROR")"#,
            r#"a > "ERROR""#,
            r#"a <= "ERROR""#,
            "a == 503",
            "a == 1.5",
            "a == true",
            "a == null",
            "a == b",
            "has(a)",
            "a in [200, 404]",
            r#"a in ["ERROR", null]"#,
            r#"a in ["200", 404]"#,
            r#"a in ["ERROR", ""]"#,
            r#"a == """#,
            r#"a == "E""#,
            r#"raw.contains("")"#,
            r#"raw.contains("a\nb")"#,
            r#"raw.contains(a)"#,
            r#""ERROR".contains(a)"#,
            r#""ERROR".startsWith(a)"#,
            r#"a.lowerAscii() == "error""#,
            r#"a.lowerAscii().contains("error")"#,
            r#"a.upperAscii() in ["ERROR"]"#,
            r#"a + b == "ERROR""#,
            r#"string(a) == "ERROR""#,
            r#"a == "ERROR" ? true : true"#,
            r#"other == "ERROR" ? a == "ERROR" : b == "ERROR""#,
            r#"other == "ERROR""#,
            r#"other.contains("ERROR")"#,
            r#"size(raw) > 100"#,
            "true",
            "a",
        ] {
            check(source, &[]);
        }
    }

    #[test]
    fn too_many_literals_are_not_searched_for() {
        let list = |count: usize| {
            format!("a in [{}]", (0..count).map(|n| format!("'x{n}'")).collect::<Vec<_>>().join(","))
        };
        assert_eq!(required(&list(MAX_LITERALS)).unwrap().len(), MAX_LITERALS);
        assert_eq!(required(&list(MAX_LITERALS + 1)), None);
    }

    /// Conditions of all kinds over short texts, so that many of them hold.
    fn any_condition() -> impl Strategy<Value = String> {
        let term = (
            prop::sample::select(vec!["raw", "a", "b", "other"]),
            prop::sample::select(vec![
                ".contains('?')",
                ".startsWith('?')",
                ".endsWith('?')",
                " == '?'",
                " != '?'",
                " >= '?'",
                " in ['?', 'xy']",
                " in ['?', 12]",
                ".matches('?')",
                ".matches('(?i)?')",
                ".matches('^.??')",
                ".matches('?|[yz]{2}1')",
                ".lowerAscii() == '?'",
            ]),
            "[xyY1 ]{0,3}",
        );
        let term = term.prop_map(|(field, shape, text)| {
            let text = if shape == ".matches('^.??')" && text.is_empty() { "x".to_owned() } else { text };
            let shape = match shape.strip_suffix("??')") {
                Some(start) => format!("{start}?{text}')"),
                None if shape.contains("(?i)") => format!(".matches('(?i){text}')"),
                None => shape.replacen('?', &text, 1),
            };
            format!("{field}{shape}")
        });
        term.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
                inner.clone().prop_map(|operand| format!("!({operand})")),
                (inner.clone(), inner.clone(), inner)
                    .prop_map(|(condition, yes, no)| format!("({condition} ? {yes} : {no})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn without_a_required_literal_the_condition_is_false(
            source in any_condition(),
            record in "[xyY1 ]{0,8}",
            cuts in prop::array::uniform4(0..9usize),
            other in "[xyY1 ]{0,3}",
        ) {
            let program = condition(&source);
            if let Some(literals) = program.required(&|slot| slot.0 < 3) {
                let slice = |from: usize, to: usize| {
                    let (from, to) = (from.min(to).min(record.len()), from.max(to).min(record.len()));
                    Value::Text(&record.as_bytes()[from..to])
                };
                let row = [
                    Value::Text(record.as_bytes()),
                    slice(cuts[0], cuts[1]),
                    slice(cuts[2], cuts[3]),
                    Value::Text(other.as_bytes()),
                ];
                let has_one = literals.iter().any(|literal| memchr::memmem::find(record.as_bytes(), literal).is_some());
                if !has_one {
                    prop_assert_eq!(program.holds(&row, &Bump::new()), Ok(false), "{} {:?}", source, record);
                }
            }
        }
    }
}
