//! The language as a whole: the examples of its page, every fault in full, and what holds for any input.

use std::fmt::Write;

use bumpalo::Bump;
use proptest::prelude::*;

use super::function::FUNCTIONS;
use super::{Program, compile, compile_condition};
use crate::model::field::{Field, Fields, Step};
use crate::model::refused::Refused;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::place::{FileId, Place, Text};

const DOC: &str = include_str!("../../docs/expressions.md");

/// An expression written in the file from line 3, column 10 on, without quotes.
fn text(source: &str) -> Text {
    let place = Place { file: FileId(0), line: 3, column: 10, len: source.chars().count().max(1) };
    Text { text: source.to_owned(), place, inside: Some(place) }
}

fn any_fields() -> Fields {
    Fields::new(None, &["file.path", "file.name"])
}

/// The event that the page shows.
fn event() -> serde_json::Value {
    let (_, rest) = DOC.split_once("```json").unwrap();
    let (json, _) = rest.split_once("```").unwrap();
    serde_json::from_str(json).unwrap()
}

fn value_of<'b>(field: &Field, event: &serde_json::Value, arena: &'b Bump) -> Value<'b> {
    let path = match field {
        Field::Source(name) if name == "raw" => return Value::Text(b"the record"),
        Field::Source(name) if name == "file.path" => return Value::Text(b"/var/log/app.log"),
        Field::Source(_) | Field::SourceEntry(..) | Field::List(_) => return Value::Missing,
        Field::Event(path) => path,
    };
    let found = path.0.iter().try_fold(event, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    });
    match found {
        Some(serde_json::Value::Bool(truth)) => Value::Bool(*truth),
        Some(serde_json::Value::String(text)) => Value::Text(arena.alloc_slice_copy(text.as_bytes())),
        Some(serde_json::Value::Number(number)) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().unwrap()),
        },
        _ => Value::Missing,
    }
}

/// The results of all programs that an expression compiles to, in the words of the page.
fn result(source: &str) -> String {
    let (mut fields, mut faults, arena) = (any_fields(), Faults::new(), Bump::new());
    let Some(program) = compile(&text(source), &mut fields, &mut faults) else {
        assert_ne!(faults.found(), [], "{source}");
        return "fault".to_owned();
    };
    assert_eq!(faults.found(), [], "{source}");
    let event = event();
    let row: Vec<_> = fields.used().iter().map(|field| value_of(field, &event, &arena)).collect();
    check_agreement(&program, &row);
    match program.eval(&row, &arena) {
        Ok(Value::Missing) => "missing".to_owned(),
        Ok(Value::Bool(truth)) => format!("`{truth}`"),
        Ok(Value::Integer(whole)) => format!("`{whole}`"),
        Ok(Value::Float(number)) => format!("`{number:?}`"),
        Ok(Value::Text(text)) => format!("`{:?}`", String::from_utf8_lossy(text)),
        Err(refused) => format!("refused: {}", refused.reason()),
    }
}

/// `holds` and `eval` say the same, on every row.
#[track_caller]
fn check_agreement(program: &Program, row: &[Value<'_>]) {
    let arena = Bump::new();
    let condition = match program.eval(row, &arena) {
        Ok(Value::Bool(truth)) => Ok(truth),
        Ok(Value::Missing) => Err(Refused::MissingField),
        Ok(_) => Err(Refused::WrongType),
        Err(refused) => Err(refused),
    };
    assert_eq!(program.holds(row, &arena), condition);
}

/// The faults of a condition over the fields `status`, `method` and `path`, one a line:
/// `column+len: problem (help)`.
#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let known = ["status", "method", "path"].map(str::to_owned).to_vec();
    let (mut fields, mut faults) = (Fields::new(Some(known), &["file.path", "file.name"]), Faults::new());
    let program = compile_condition(&text(source), &mut fields, &mut faults);
    assert_eq!(program.is_none(), !faults.found().is_empty(), "{source}");
    let found: Vec<_> = faults
        .found()
        .iter()
        .map(|fault| {
            let Place { line, column, len, .. } = fault.place;
            assert_eq!(line, 3);
            let mut shown = format!("{}+{len}: {}", column - 10, fault.problem);
            if let Some(help) = &fault.help {
                write!(shown, " ({help})").unwrap();
            }
            shown
        })
        .collect();
    assert_eq!(found, expected, "{source}");
}

#[test]
fn some_fields_of_a_source_are_reached_by_key() {
    let fields = || Fields::new(Some(vec![]), &["bus.key", "bus.headers"]).with_source_maps(&["bus.headers"]);
    let used = |source: &str| {
        let (mut fields, mut faults) = (fields(), Faults::new());
        let program = compile(&text(source), &mut fields, &mut faults);
        let used: Vec<_> = fields.used().iter().map(Field::to_string).collect();
        (
            program.is_some(),
            used,
            faults.found().iter().map(|fault| fault.problem.clone()).collect::<Vec<_>>(),
        )
    };
    let entry = r#"bus.headers["x-id"]"#.to_owned();
    assert_eq!(used(r#"bus.headers["x-id"]"#), (true, vec![entry], vec![]));
    assert_eq!(used("bus.headers.trace"), (true, vec![r#"bus.headers["trace"]"#.to_owned()], vec![]));
    assert_eq!(used("bus.headers").2, ["`bus.headers` is not one value"]);
    assert_eq!(used("bus.headers.a.b").2, ["the source has no field `bus.headers.a.b`"]);
}

#[test]
fn every_example_of_the_page_gives_what_it_says() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in DOC.lines().filter(|line| line.starts_with("| `")) {
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let found = result(cells[1].trim_matches('`'));
        if found != cells[2] {
            wrong.push(format!("{} gives {found}, not {}", cells[1], cells[2]));
        }
        seen += 1;
    }
    assert_eq!(wrong, [""; 0]);
    assert!(seen > 90, "only {seen} examples found");
}

#[test]
fn every_function_and_operator_has_an_example_on_the_page() {
    let rows: Vec<_> = DOC.lines().filter(|line| line.starts_with("| `")).collect();
    let functions = FUNCTIONS.iter().map(|function| format!("{}(", function.name));
    let operators =
        ["==", "!=", "<", "<=", ">", ">=", "&&", "\\|\\|", "!", " in ", "?", "+", "-", "*", "/", "%"];
    for name in functions.chain(operators.map(str::to_owned)) {
        assert!(rows.iter().any(|row| row.contains(&name)), "{name}");
    }
}

#[test]
fn broken_syntax_is_told_where_it_stands_and_in_words() {
    check("", &["0+1: the expression is empty"]);
    check("  ", &["0+2: the expression is empty"]);
    check("status >", &["7+1: the expression ends where a value was wanted"]);
    check("&& status", &["0+2: `&&` where a value was wanted"]);
    check("status 5", &["7+1: `5` where an operator or the end was wanted"]);
    check("method and path", &["7+3: `and` where an operator or the end was wanted (write `&&`)"]);
    check("not method", &["4+6: `method` where an operator or the end was wanted (write `!`)"]);
    check(
        "path.1",
        &["4+2: `.1` where an operator or the end was wanted (an element of a list is written `[1]`)"],
    );
    check("path.in", &["5+2: `in` where the name of a field was wanted (write `[\"in\"]`)"]);
    check("path.", &["4+1: the expression ends where the name of a field was wanted"]);
    check("status == 1 ? 2", &["14+1: the expression ends where `:` and the other value was wanted"]);
    check("size(path,)", &["10+1: `)` where a value was wanted"]);
    check("(status", &["0+1: this `(` is not closed by a `)`"]);
    check("status)", &["6+1: this `)` closes nothing"]);
    check("(path[0)", &["7+1: `)` where `]` was wanted"]);
    check("for", &["0+3: `for` is a reserved word of the language (the field is written `event[\"for\"]`)"]);
    check("status > 99999999999999999999", &["9+20: `99999999999999999999` does not fit 64 bits"]);
    check(
        "status > 9999999999999999999u",
        &["9+20: `9999999999999999999u` does not fit 64 bits with a sign"],
    );
    check("status > 1e999", &["9+5: `1e999` is not a finite number"]);
}

#[test]
fn what_is_no_token_is_told_with_what_was_meant() {
    check("status = 5", &["7+1: `=` has no meaning in an expression (write `==` to compare)"]);
    check(
        "status & 5 | 6",
        &[
            "7+1: `&` has no meaning in an expression (write `&&`)",
            "11+1: `|` has no meaning in an expression (write `||`)",
        ],
    );
    check(
        "é == 'ü' && method == 'c",
        &[
            "0+1: `é` has no meaning in an expression (a field with such a name is written `event[\"…\"]`, a text stands in quotes)",
            "22+2: the text that begins here has no closing quote",
        ],
    );
    check(
        r#"path.matches("\d+")"#,
        &[
            "14+2: `\\d` means nothing in a text (write `\\\\` for a backslash, or begin the text with r: r\"\\d+\")",
        ],
    );
    check(
        "path == `x`",
        &[
            "8+1: ``` has no meaning in an expression (a field with an odd name is written `event[\"odd key\"]`)",
            "10+1: ``` has no meaning in an expression (a field with an odd name is written `event[\"odd key\"]`)",
        ],
    );
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    check("staus > 1", &["0+5: no field is called `staus` (did you mean `status`?)"]);
    check(
        "zzz[0] > 1",
        &[
            "0+6: no field is called `zzz` (the fields here are `raw`, `file.path`, `file.name`, `status`, `method`, `path`)",
        ],
    );
    check(
        "file.pth == ''",
        &[
            "0+8: the source has no field `file.pth` (did you mean `file.path`? the event's own field is written `event.file.pth`)",
        ],
    );
    check(
        "file == ''",
        &[
            "0+4: the source has no field `file` (did you mean `file.name`? the event's own field is written `event.file`)",
        ],
    );
    check(
        "raw.x == ''",
        &["0+5: the source has no field `raw.x` (the event's own field is written `event.raw.x`)"],
    );
    check("event.file.x == ''", &["0+12: no field is called `file` (did you mean `file.name`?)"]);
    check("path.startWith('/')", &["5+9: no function is called `startWith` (did you mean `startsWith`?)"]);
    check(
        "now() > 1",
        &[
            "0+3: no function is called `now` (the functions are `has`, `size`, `contains`, `startsWith`, `endsWith`, `matches`, `lowerAscii`, `upperAscii`, `double`, `int`, `string`)",
        ],
    );
}

#[test]
fn places_count_characters_and_not_bytes() {
    check("path == 'üé€' && staus > 1", &["17+5: no field is called `staus` (did you mean `status`?)"]);
    check("path == 'üé€' status", &["14+6: `status` where an operator or the end was wanted"]);
}

#[test]
fn functions_are_told_how_they_are_written() {
    check(
        "contains(path, 'a')",
        &["0+8: `contains` follows the text that it looks at (write `text.contains(part)`)"],
    );
    check("status.int() > 1", &["7+3: `int` takes its value in brackets (write `int(value)`)"]);
    check(
        "path.contains()",
        &["5+8: `contains` takes 1 argument in brackets, found 0 (write `text.contains(part)`)"],
    );
    check(
        "path.lowerAscii(1) == ''",
        &["5+10: `lowerAscii` takes no argument in brackets, found 1 (write `text.lowerAscii()`)"],
    );
    check(
        "matches(path)",
        &["0+7: `matches` takes 2 arguments in brackets, found 1 (write `text.matches(\"regex\")`)"],
    );
    check("has(path, 1)", &["0+3: `has` takes 1 argument in brackets, found 2 (write `has(field)`)"]);
    check("has(1 + 2)", &["4+5: the name of a field was wanted here"]);
    check("path.exists(x, x > 1)", &["5+6: `exists` works on lists, and no field holds one"]);
    check("path.matches(method)", &["13+6: the regex must be written out (write `text.matches(r\"^a+$\")`)"]);
    check("path.matches('a(b')", &["13+5: the regex is not valid: unclosed group"]);
}

#[test]
fn values_that_cannot_work_are_told() {
    check("status + 1", &["0+10: this is a number, true or false was wanted"]);
    check("(status + 1) * 2 && path", &["0+16: this is a number, true or false was wanted"]);
    check("!'a'", &["1+3: this is a text, true or false was wanted"]);
    check("status > 1 || null", &["14+4: this is null, true or false was wanted"]);
    check("true + 1 > 2", &["0+4: this is true or false, a number was wanted"]);
    check("path.contains(5)", &["14+1: this is a number, a text was wanted"]);
    check("(1).contains('5')", &["1+1: this is a number, a text was wanted"]);
    check("status < null", &["9+4: null has no order"]);
    check("has(path) == 1", &["13+1: a number cannot be compared with true or false"]);
    check("status == [1]", &["10+3: a list can only stand right of `in`"]);
    check(
        "status in path",
        &["10+4: a list was wanted right of `in` (write the values out: `field in [\"a\", \"b\"]`)"],
    );
    check(
        "status in [path, 1]",
        &["11+4: only values written out can stand in a list (compare with `==` and join with `||`)"],
    );
    check("status == {'a': 1}", &["10+8: there are no maps in expressions"]);
    check("status == A{a: 1}", &["10+7: there are no messages in expressions"]);
    check("path[-1] == 1", &["5+2: an index must be a whole number from 0 or a key in quotes, written out"]);
    check("'a'.b == 1", &["0+3: the name of a field was wanted here"]);
    check(".path == 1", &["1+4: a field's name does not begin with a dot"]);
    check(
        "path.?x == 1",
        &["4+1: `?` cannot stand in a field's path (a field that is missing is asked for with `has(field)`)"],
    );
}

#[test]
fn all_faults_of_an_expression_are_found_at_once() {
    check(
        "staus > 1 && metod == 'a' || path.matches('(')",
        &[
            "0+5: no field is called `staus` (did you mean `status`?)",
            "13+5: no field is called `metod` (did you mean `method`?)",
            "42+3: the regex is not valid: unclosed group",
        ],
    );
}

#[test]
fn what_nests_too_deep_or_is_too_long_is_a_fault() {
    check(&" ".repeat(20_000), &["0+20000: the expression has 20000 bytes, at most 16384 are read"]);
    let brackets = format!("{}true{}", "(".repeat(101), ")".repeat(101));
    check(&brackets, &["0+206: the expression nests more than 100 operations deep"]);
    let sum = format!("{}1 > 0", "1+".repeat(200));
    check(&sum, &["0+405: the expression nests more than 100 operations deep"]);
    let long = format!("{}1 > 0", "1+".repeat(2000));
    check(&long, &["0+4005: the expression nests more than 100 operations deep"]);
    let deepest = format!("{}true{}", "(".repeat(100), ")".repeat(100));
    check(&deepest, &[]);
    let chain = vec!["status == 1"; 400].join(" || ");
    check(&chain, &[]);
}

#[test]
fn a_text_that_is_not_as_it_stands_in_the_file_has_its_faults_at_its_place() {
    let place = Place { file: FileId(0), line: 1, column: 5, len: 20 };
    let source = Text { text: "staus >".to_owned(), place, inside: None };
    let mut faults = Faults::new();
    assert!(compile(&source, &mut any_fields(), &mut faults).is_none());
    assert_eq!(faults.found()[0].place, place);
}

#[test]
fn a_program_that_is_one_field_says_so() {
    let (mut fields, mut faults) = (any_fields(), Faults::new());
    let mut slot = |source| compile(&text(source), &mut fields, &mut faults).unwrap().slot();
    let bare = slot("user.id");
    assert!(bare.is_some());
    assert_eq!(slot("(user['id'])"), bare);
    assert_ne!(slot("event"), bare);
    assert_eq!(slot("string(user.id)"), None);
}

#[test]
fn bytes_that_are_no_text_are_looked_through_as_they_are() {
    let (mut fields, mut faults) = (any_fields(), Faults::new());
    let source = r#"size(x) == 3 && x.contains("a") && x.matches("a$") && x == b"\xff\xfea""#;
    let program = compile(&text(source), &mut fields, &mut faults).unwrap();
    assert_eq!(program.holds(&[Value::Text(b"\xff\xfea")], &Bump::new()), Ok(true));
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Missing),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (-2i64..3).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Float),
        prop::sample::select(vec![
            "",
            "a",
            "true",
            "1",
            "-0.5",
            "1e400",
            "NaN",
            "9223372036854775808",
            "\u{e9}"
        ])
        .prop_map(|text| Value::Text(text.as_bytes())),
    ]
}

fn compiles_quietly(source: &str, row: &[Value<'_>]) {
    let (mut fields, mut faults) = (any_fields(), Faults::new());
    match compile(&text(source), &mut fields, &mut faults) {
        Some(program) => {
            assert_eq!(faults.found(), []);
            check_agreement(&program, row);
        }
        None => assert_ne!(faults.found(), []),
    }
}

const PIECES: [&str; 62] = [
    "a",
    "b",
    "raw",
    "file",
    ".path",
    ".x",
    "[0]",
    "['k']",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ".",
    "?",
    ":",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    "+",
    "-",
    "*",
    "/",
    "%",
    "1",
    "0",
    "-1",
    "2.5",
    "5u",
    "0x1F",
    "'a'",
    "\"1\"",
    "'true'",
    "r'\\d'",
    "b'x'",
    "'''t'''",
    "true",
    "false",
    "null",
    "has(",
    "size(",
    ".contains(",
    ".matches(",
    ".lowerAscii()",
    "int(",
    "string(",
    ".exists(",
    "for",
    "`",
    "\"",
    "\\",
    "\n",
    "// c\n",
];

proptest! {
    #[test]
    fn any_text_compiles_or_has_faults(source in "\\PC{0,60}", row in prop::collection::vec(any_value(), 4)) {
        compiles_quietly(&source, &row);
    }

    #[test]
    fn any_tokens_compile_or_have_faults(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..14),
        row in prop::collection::vec(any_value(), 4),
    ) {
        compiles_quietly(&pieces.concat(), &row);
    }

    #[test]
    fn any_nesting_compiles_or_has_faults(
        open in prop::sample::select(vec!["(", "[", "{", "-(", "!(", "a[", "f(", "int(", "a?b:", "a+", "a.", "a[0].", "!", "-", "a&&", "a<", "1 in [", "has(", "{1:"]),
        close in prop::sample::select(vec!["", ")", "]", "}", "a", ":c"]),
        times in prop_oneof![0usize..120, 0usize..6000],
    ) {
        compiles_quietly(&format!("{}a{}", open.repeat(times), close.repeat(times)), &[]);
    }

    #[test]
    fn built_expressions_are_evaluated_the_same_as_condition_and_value(
        source in expression(),
        row in prop::collection::vec(any_value(), 4),
    ) {
        let (mut fields, mut faults) = (any_fields(), Faults::new());
        if let Some(program) = compile(&text(&source), &mut fields, &mut faults) {
            check_agreement(&program, &row);
        }
    }

    #[test]
    fn exchanging_the_terms_of_a_condition_changes_no_decision(left in any_value(), right in any_value()) {
        for operator in ["&&", "||"] {
            let (mut fields, mut faults, arena) = (any_fields(), Faults::new(), Bump::new());
            let mut holds = |source: String| {
                let program = compile(&text(&source), &mut fields, &mut faults).unwrap();
                program.holds(&[left, right], &arena).ok()
            };
            let (forth, back) = (holds(format!("a > 0 {operator} b > 0")), holds(format!("b > 0 {operator} a > 0")));
            prop_assert_eq!(forth, back);
        }
    }

    #[test]
    fn a_comparison_and_its_mirror_agree(left in any_value(), right in any_value()) {
        let (mut fields, mut faults, arena) = (any_fields(), Faults::new(), Bump::new());
        for (operator, mirrored) in [("==", "=="), ("!=", "!="), ("<", ">"), ("<=", ">=")] {
            let mut holds = |source: String| {
                compile(&text(&source), &mut fields, &mut faults).unwrap().holds(&[left, right], &arena)
            };
            prop_assert_eq!(holds(format!("a {operator} b")), holds(format!("b {mirrored} a")));
        }
    }
}

/// Expressions that parse.
fn expression() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["a", "b", "c.d", "1", "2.5", "'a'", "'1'", "true", "null", "has(a)"]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec!["==", "!=", "<", ">=", "&&", "||", "+", "-", "*", "/", "%"]);
        let call = prop::sample::select(vec!["size", "int", "double", "string", "!", "-"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (call, inner.clone()).prop_map(|(name, operand)| format!("{name}({operand})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(condition, first, second)| format!("({condition} ? {first} : {second})")),
            inner.prop_map(|operand| format!("({operand} in [1, 'a', null])")),
        ]
    })
}
