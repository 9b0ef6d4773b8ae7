//! Expressions: any text is compiled, and what can be is evaluated on events of many shapes.

use bumpalo::Bump;
use streamgauge::expr::{self, Program};
use streamgauge::model::field::{Field, Fields};
use streamgauge::model::value::Value;
use streamgauge::raw::fault::Faults;
use streamgauge::raw::place::{Place, Text};

use super::decoders::{same, shape};
use super::seen::Seen;
use super::{Target, words};

pub const EXPRESSIONS: Target = Target {
    name: "expressions",
    words: words::EXPRESSIONS,
    seeds,
    start: || Box::new(|input, seen| check(&String::from_utf8_lossy(input), seen)),
};

/// The expressions of the docs' tables, in backquotes there.
fn seeds() -> Vec<Vec<u8>> {
    let docs = include_str!("../../../docs/expressions.md");
    let quoted = docs.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.map(|text| text.replace("\\|", "|").into_bytes()).collect()
}

/// What a field may be.
const VALUES: &[Value<'static>] = &[
    Value::Missing,
    Value::Bool(true),
    Value::Bool(false),
    Value::Integer(0),
    Value::Integer(-1),
    Value::Integer(i64::MAX),
    Value::Integer(i64::MIN),
    Value::Float(0.5),
    Value::Float(-0.0),
    Value::Float(f64::NAN),
    Value::Float(f64::INFINITY),
    Value::Float(f64::MIN_POSITIVE),
    Value::Float(9_223_372_036_854_775_808.0),
    Value::Text(b""),
    Value::Text(b"x"),
    Value::Text(b" 12 "),
    Value::Text(b"1e999"),
    Value::Text(b"-9223372036854775808"),
    Value::Text(b"a\xff\0b"),
    Value::Text("É\u{1f600}".as_bytes()),
];

fn check(source: &str, seen: &mut Seen) {
    let mut fields = Fields::new(None, &["file.path"]);
    let value = compile(source, &mut fields, expr::compile, seen);
    let Some(program) = value else { return };
    compile(source, &mut fields, expr::compile_condition, seen);
    compile(source, &mut fields, expr::compile_number, seen);
    for field in fields.used() {
        seen.note(matches!(field, Field::Source(_)));
    }
    let arena = Bump::new();
    for first in 0..VALUES.len() {
        let value = |slot: usize| VALUES[(first + slot * 7) % VALUES.len()];
        let row: Vec<_> = (0..fields.used().len()).map(value).collect();
        evaluate(&program, &row, &arena, seen);
    }
}

/// A clone says the same, twice, and so does the program as a condition.
fn evaluate<'b>(program: &'b Program, row: &[Value<'b>], arena: &'b Bump, seen: &mut Seen) {
    let first = program.eval(row, arena);
    let second = program.clone().eval(row, arena);
    match (first, second) {
        (Ok(first), Ok(second)) => assert!(same(first, second), "{first:?} {second:?}"),
        (first, second) => assert_eq!(first, second),
    }
    match (first, program.holds(row, arena)) {
        (Ok(Value::Bool(truth)), holds) => assert_eq!(holds, Ok(truth)),
        (Ok(_), holds) => assert!(holds.is_err()),
        (Err(reason), holds) => assert_eq!(holds, Err(reason)),
    }
    seen.note(first.map(shape));
}

fn compile(
    source: &str,
    fields: &mut Fields,
    compile: fn(&Text, &mut Fields, &mut Faults) -> Option<Program>,
    seen: &mut Seen,
) -> Option<Program> {
    let mut faults = Faults::new();
    let file = faults.file("test.yaml", source);
    let place = Place { file, line: 1, column: 1, len: source.chars().count().max(1) };
    let inside = (!source.contains(['\n', '\r'])).then_some(place);
    let text = Text { text: source.to_owned(), place, inside };
    let program = compile(&text, fields, &mut faults);
    assert_eq!(program.is_none(), !faults.is_empty(), "a program, or a fault");
    faults.render(false);
    seen.note_faults(&faults);
    program
}
