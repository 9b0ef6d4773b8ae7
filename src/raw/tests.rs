//! What a text is read as, where everything in it stands, and how every mistake is reported.

use std::fmt::Write;

use proptest::prelude::*;

use super::fault::Faults;
use super::node::{Node, NodeKind};
use super::parse;
use super::place::{Place, Text};

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9101".to_owned()),
        "SECRET" => Some("a: [b".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Node>, Faults) {
    let mut faults = Faults::new();
    let file = faults.file("a.yaml", text);
    let node = parse(file, text, &environment, &mut faults);
    (node, faults)
}

fn place(place: Place) -> String {
    format!("{}:{}+{}", place.line, place.column, place.len)
}

/// A tree on one line: `=` before a text without quotes, `$` before one from the environment, `@` and the place
/// behind every value, `~` and the place of the first character behind texts that stand one to one in the file.
fn show(node: &Node) -> String {
    let shown = match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Faulty => "faulty".to_owned(),
        NodeKind::Scalar { text, plain, secret } => {
            let marks = format!("{}{}", if *plain { "=" } else { "" }, if *secret { "$" } else { "" });
            let inside = text.inside.map_or(String::new(), |inside| format!("~{}", inside.column));
            format!("{marks}{:?}{inside}", text.text)
        }
        NodeKind::List(nodes) => format!("[{}]", nodes.iter().map(show).collect::<Vec<_>>().join(", ")),
        NodeKind::Map(entries) => {
            let entry = |(key, node): &(Text, Node)| format!("{}: {}", key.text, show(node));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{shown}@{}", place(node.place))
}

/// Checks the tree that a text is read as, without faults.
#[track_caller]
fn check(text: &str, expected: &str) {
    let (node, faults) = read(text);
    assert!(faults.is_empty(), "{text:?}\n{}", faults.render(false));
    assert_eq!(show(&node.expect("no fault, so a tree")), expected, "{text:?}");
}

/// Checks the faults of a text, one a line: `line:column+length: problem (help)`.
#[track_caller]
fn check_faults(text: &str, expected: &[&str]) {
    let (_, faults) = read(text);
    let found = faults.found().iter().map(|fault| {
        let mut shown = format!("{}: {}", place(fault.place), fault.problem);
        if let Some(help) = &fault.help {
            write!(shown, " ({help})").unwrap();
        }
        shown
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, expected, "{text:?}");
}

/// Checks the place and the words of the only fault of a text, without its help.
#[track_caller]
fn check_fault(text: &str, expected: &str) {
    let (node, faults) = read(text);
    let [fault] = faults.found() else { panic!("{text:?}: one fault\n{}", faults.render(false)) };
    assert_eq!(format!("{}: {}", place(fault.place), fault.problem), expected, "{text:?}");
    assert!(node.is_none() || !fault.problem.contains("YAML"), "{text:?}");
}

#[test]
fn texts_of_every_style_are_read_with_their_places() {
    check("a: b c", r#"{a: ="b c"~4@1:4+3}@1:1+1"#);
    check("a: 'b c'", r#"{a: "b c"~5@1:4+5}@1:1+1"#);
    check("a: \"b c\"", r#"{a: "b c"~5@1:4+5}@1:1+1"#);
    check("a: 'it''s'", r#"{a: "it's"@1:4+7}@1:1+1"#);
    check("a: \"b\\tc\"", r#"{a: "b\tc"@1:4+6}@1:1+1"#);
    check("a: b # c", r#"{a: ="b"~4@1:4+1}@1:1+1"#);
    check("a: |\n  b\n  c\n", r#"{a: "b\nc\n"@2:3+1}@1:1+1"#);
    check("a: >-\n  b\n  c\n", r#"{a: "b c"@2:3+1}@1:1+1"#);
    check("a: b\n  c\n", r#"{a: ="b c"@1:4+1}@1:1+1"#);
    check("a: 'b\n  c'\n", r#"{a: "b c"@1:4+2}@1:1+1"#);
    check("a: é日 # ü", r#"{a: ="é日"~4@1:4+2}@1:1+1"#);
    check("é: {日: b}", r#"{é: {日: ="b"~8@1:8+1}@1:4+1}@1:1+1"#);
}

#[test]
fn collections_stand_where_they_begin() {
    check("a:\n  - b\n  - c: d\n", r#"{a: [="b"~5@2:5+1, {c: ="d"~8@3:8+1}@3:5+1]@2:3+1}@1:1+1"#);
    check("a: [b, {c: d}]", r#"{a: [="b"~5@1:5+1, {c: ="d"~12@1:12+1}@1:8+1]@1:4+1}@1:1+1"#);
    check("- - a\n", r#"[[="a"~5@1:5+1]@1:3+1]@1:1+1"#);
    check("[]", "[]@1:1+1");
    check("\"a b\": {}", "{a b: {}@1:8+2}@1:1+5".replace("{}@1:8+2", "{}@1:8+1").as_str());
}

#[test]
fn nothing_is_null_and_stands_at_its_key() {
    check("a:\nb: ~\nc: null\n", "{a: null@1:1+1, b: null@2:4+1, c: null@3:4+4}@1:1+1");
    check("a: ''\nb: 'null'\n", r#"{a: ""~5@1:4+2, b: "null"~5@2:4+6}@1:1+1"#);
    check("a: &x\nb: *x\n", "{a: null@1:1+1, b: null@1:1+1}@1:1+1");
    check("a: |\nb: c\n", r#"{a: ""@1:1+1, b: ="c"~4@2:4+1}@1:1+1"#);
    check("[a, ]", r#"[="a"~2@1:2+1]@1:1+1"#);
}

#[test]
fn a_file_that_holds_nothing_is_a_fault() {
    for text in ["", "# x\n", "---\n", "~", "\u{feff}"] {
        check_fault(text, "1:1+1: the file is empty");
    }
}

#[test]
fn aliases_stand_for_their_anchors_and_where_those_stand() {
    check("a: &x [b]\nc: *x\n", r#"{a: [="b"~8@1:8+1]@1:7+1, c: [="b"~8@1:8+1]@1:7+1}@1:1+1"#);
    check("a: &x b\nc: [*x]\n", r#"{a: ="b"~7@1:7+1, c: [="b"~7@1:7+1]@2:4+1}@1:1+1"#);
    check("a: &x 1\na2: &x 2\nb: *x\n", r#"{a: ="1"~7@1:7+1, a2: ="2"~8@2:8+1, b: ="2"~8@2:8+1}@1:1+1"#);
    check_fault("a: &x [*x]\n", "1:8+2: this alias stands inside of what it stands for");
    check_faults(
        "a: *x\n",
        &["1:4+2: no anchor `&x` is set before the alias `*x` (set it above: `key: &x value`\n\
        a text or a glob that begins with `*` needs quotes: '*x')"],
    );
}

#[test]
fn merged_keys_yield_to_those_written() {
    check(
        "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
        concat!(
            r#"{a: {b: ="1"~11@1:11+1, c: ="2"~17@1:17+1}@1:7+1, "#,
            r#"d: {c: ="3"~6@4:6+1, b: ="1"~11@1:11+1}@3:3+2}@1:1+1"#
        ),
    );
    check("<<: [{a: 1}, {a: 2, b: 3}]", r#"{a: ="1"~10@1:10+1, b: ="3"~24@1:24+1}@1:1+2"#);
    check("'<<': a", r#"{<<: ="a"~7@1:7+1}@1:1+4"#);
    check_fault("<<: 1\n", "1:5+1: `<<` takes a mapping or a list of mappings, found `1`");
    check_fault("<<: [{a: 1}, 2]\n", "1:14+1: `<<` takes a mapping or a list of mappings, found `2`");
}

#[test]
fn tags_of_yaml_say_what_a_value_is() {
    check("a: !!str 1\nb: ! 2\n", r#"{a: "1"~10@1:10+1, b: "2"~6@2:6+1}@1:1+1"#);
    check("a: !!int '1'\nb: !!null x\n", r#"{a: ="1"~11@1:10+3, b: null@2:11+1}@1:1+1"#);
    check("a: !!seq [b]\nc: !!map {}\n", r#"{a: [="b"~11@1:11+1]@1:10+1, c: {}@2:10+1}@1:1+1"#);
    check_fault("a: !x y\n", "1:4+2: unknown tag `!x`");
    check_fault("a: &b !x y\n", "1:7+2: unknown tag `!x`");
    check_fault("a: !!int [1]\n", "1:4+5: this tag does not fit its value: `!!int`");
    check_fault("a: !!map b\n", "1:4+5: this tag does not fit its value: `!!map`");
    check_fault("a: !h!x y\n", "1:4+6: a text without quotes cannot begin with `!`");
}

#[test]
fn a_key_is_text_and_stands_once() {
    check_faults("a: 1\nb: 2\na: 3\n", &["3:1+1: duplicate key `a` (it is already on line 1)"]);
    check_fault("? [a]\n: b\n", "1:3+1: a key is text, found a list");
    check_fault("a: {{x}}\n", "1:5+1: a key is text, found a mapping");
    check_fault(": 1\n", "1:1+1: a key is missing before `:`");
    check("1: a\nnull: b\n", r#"{1: ="a"~4@1:4+1, null: ="b"~7@2:7+1}@1:1+1"#);
}

#[test]
fn the_environment_is_put_into_values_and_not_into_keys() {
    check("a: ${PORT}", r#"{a: =$"9101"@1:4+7}@1:1+1"#);
    check("a: '${SECRET}'", r#"{a: $"a: [b"@1:4+11}@1:1+1"#);
    check("${PORT}: $${PORT}", r#"{${PORT}: ="${PORT}"@1:10+8}@1:1+7"#);
    check("a: x${2}", r#"{a: ="x${2}"~4@1:4+5}@1:1+1"#);
}

#[test]
fn a_variable_that_is_not_set_is_reported_where_it_stands() {
    let problem = |name: &str| format!("the environment variable `{name}` is not set");
    check_fault("a: x ${NO}", &format!("1:6+5: {}", problem("NO")));
    check_fault("a: &b !!str  ${NO}\n", &format!("1:14+5: {}", problem("NO")));
    check_fault("a: |\n  x\n  é ${NO}\n", &format!("3:5+5: {}", problem("NO")));
    check_fault("a: x\n\n   ${NO}\n", &format!("3:4+5: {}", problem("NO")));
    check_fault("a: \"\\u00e9\\n${NO}\"\n", &format!("1:13+5: {}", problem("NO")));
    let (_, faults) = read("a: ['${NO}', \"${PORT} ${NO2}\"]\n");
    let places: Vec<_> = faults.found().iter().map(|fault| place(fault.place)).collect();
    assert_eq!(places, ["1:6+5", "1:23+6"]);
}

#[test]
fn marks_and_line_ends_of_other_systems_are_no_part_of_a_text() {
    check("\u{feff}a: b\n", r#"{a: ="b"~4@1:4+1}@1:1+1"#);
    check("a: b\r\nc: 'd'\r\n", r#"{a: ="b"~4@1:4+1, c: "d"~5@2:4+3}@1:1+1"#);
    check("a: b\rc: d\r", r#"{a: ="b"~4@1:4+1, c: ="d"~4@2:4+1}@1:1+1"#);
    check_fault("a: b\r\nc: [d\r\n", "2:4+1: this `[` is not closed");
}

#[test]
fn a_variable_in_brackets_needs_quotes() {
    check_faults(
        "a: [${PORT}]",
        &["1:6+1: found `{` where `,` or `]` was wanted (put the whole text in quotes: '${PORT}')"],
    );
}

#[test]
fn a_file_holds_one_document() {
    check("---\na: b\n...\n", r#"{a: ="b"~4@2:4+1}@2:1+1"#);
    check_fault("a: 1\n---\nb: [\n", "2:1+3: a second document in one file");
    check_fault("a: 1\n...\nb: 1\n", "3:1+2: a second document in one file");
}

#[test]
fn what_a_file_may_grow_to_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(64)).1.is_empty());
    check_fault(&nested(65), "1:65+1: nested too deep: at most 64 lists and mappings in each other");
    check_fault(
        &"- ".repeat(100_000),
        "1:129+1: nested too deep: at most 64 lists and mappings in each other",
    );
    let (node, faults) = read(&"[".repeat(100_000));
    assert!(node.is_none() && faults.len() == 1);
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for at in 1..60 {
        writeln!(bomb, "a{at}: &a{at} [*a{0}, *a{0}]", at - 1).unwrap();
    }
    let (node, faults) = read(&bomb);
    assert!(node.is_none());
    assert!(faults.found()[0].problem.ends_with("the file holds too much"));
    let (node, faults) = read(&format!("a: '{}'\n", "x".repeat(64 * 200_000)));
    assert!(node.is_none());
    assert_eq!(faults.found()[0].problem, "the file holds too much");
}

#[test]
fn quotes_that_are_not_closed_are_reported_where_they_open() {
    let unclosed = |quote: &str| format!("the text that begins with this `{quote}` is not closed");
    check_fault("a: 'x\nb: 1\n", &format!("1:4+2: {}", unclosed("'")));
    check_fault("a: \"x\nb: \"y\"\n", &format!("1:4+2: {}", unclosed("\"")));
    check_fault("a: \"x\n  b: \"y\"\n", &format!("1:4+2: {}", unclosed("\"")));
    check_fault("a: 'it''s\n  b: 'y'\n", &format!("1:4+6: {}", unclosed("'")));
    check_fault("a: {b: 'x}\nc: 'y'\n", &format!("1:8+3: {}", unclosed("'")));
    check_fault("a:\n  - b: 'c\n  - e: 'f'\n", &format!("2:8+2: {}", unclosed("'")));
    check_fault("a: \"x", &format!("1:4+2: {}", unclosed("\"")));
}

#[test]
fn brackets_that_are_not_closed_are_reported_where_they_open() {
    for text in ["a: [1, 2\nb: 3\n", "a: [1, {b: 'c]'}\nd: [e]\n", "a: [", "a: [b\n", "a: ['x'\nb: 1\n"] {
        check_fault(text, "1:4+1: this `[` is not closed");
    }
    check_fault("a: {x: 1\nb: 3\n", "1:4+1: this `{` is not closed");
    check_fault("a: [x, # ]\n\nb: 1\n", "1:4+1: this `[` is not closed");
    check_fault("a: {x: [y}\n", "1:8+1: this `[` is not closed before the `}` that follows");
    check_fault("- a: [x]\n- b: [c, d\n- e: [f, g]\n", "2:6+1: this `[` is not closed");
    check_fault("a: [1]]\n", "1:7+1: this `]` closes nothing");
    check_fault("a: {\n  b: c\n  d: e\n}\n", "2:7+1: no `,` behind this entry");
    check_fault("a: [b,, c]\n", "1:7+1: found `,` where a value was wanted");
}

#[test]
fn texts_that_need_quotes_are_named_with_their_quotes() {
    let quoted = "put the whole text in quotes:";
    check_faults(
        "a: @x\n",
        &[&format!("1:4+2: a text without quotes cannot begin with `@` ({quoted} '@x')")],
    );
    check_faults(
        "a: [`x`]\n",
        &[&format!("1:5+3: a text without quotes cannot begin with ``` ({quoted} '`x`')")],
    );
    check_faults(
        "a: >= 5 # x\n",
        &[&format!("1:4+4: a text without quotes cannot begin with `>` ({quoted} '>= 5')")],
    );
    check_faults("a: [a-z]+\n", &[&format!("1:9+1: found `+` behind the closing `]` ({quoted} '[a-z]+')")]);
    check_faults(
        "a: {b}'c'\n",
        &[&format!("1:7+3: found `'c'` behind the closing `}}` ({quoted} \"{{b}}'c'\")")],
    );
    check_faults(
        "a: \"x\" == y\n",
        &[&format!("1:8+2: found `==` behind the closing `\"` ({quoted} '\"x\" == y')")],
    );
    check_faults(
        "a: *.log\n",
        &["1:4+5: no anchor `&.log` is set before the alias `*.log` \
        (a text or a glob that begins with `*` needs quotes: '*.log')"],
    );
    check_faults(
        "a: {b: c in [d], e: f}\n",
        &[&format!("1:13+1: found `[` where `,` or `}}` was wanted ({quoted} 'c in [d]')")],
    );
    check_fault("a: 'it's'\n", "1:8+2: found `s'` behind the closing `'`");
    check_fault("a: b: c\n", "1:5+1: a second `:` on one line");
    check_fault("a: {b: c: d}\n", "1:9+1: a second `:` in one entry");
}

#[test]
fn escapes_are_reported_where_they_stand() {
    check_fault("a: \"x\\n\\d+\"\n", "1:8+2: `\\d` means nothing in double quotes");
    check_fault("a: \"x\\\\\\w\"\n", "1:8+2: `\\w` means nothing in double quotes");
    check_fault("a: \"\\x4\"\n", "1:5+2: `\\x` is not followed by the 2 hexadecimal digits of a character");
    check_fault(
        "a: \"\\ud800\"\n",
        "1:5+2: `\\u` is not followed by the 4 hexadecimal digits of a character",
    );
    check_fault("a: \"x\n  \\d\"\n", "2:3+2: `\\d` means nothing in double quotes");
}

#[test]
fn lines_in_the_wrong_column_are_told_where_to_go() {
    check_faults(
        "a:\n  b: 1\n c: 2\n",
        &["3:2+1: the indentation of `c` fits none of the lines above (start it in column 1 or 3)"],
    );
    check_faults(
        "a:\n  - b: 1\n   c: 2\n",
        &["3:4+1: the indentation of `c` fits none of the lines above (start it in column 3 or 5)"],
    );
    check_fault("a: 1\n  b: 2\n", "2:3+1: `b` is indented deeper than `a` above, which has a value already");
    check_fault(
        "a: 'b'\n  c: 2\n",
        "2:3+1: `c` is indented deeper than `a` above, which has a value already",
    );
    check_fault("a:\n  - b\n  c: 2\n", "3:3+1: `c` stands among the entries of a list");
    check_fault("b: 1\n- a\n", "2:1+1: this `-` stands among the keys of a mapping");
    check_fault("a: - b\n", "1:4+1: a list with dashes cannot begin on the line of its key");
    check_fault("a: 1\nb\nc: 2\n", "2:1+1: expected `key: value`, found `b`");
    check_fault("a: 1\nb", "2:1+1: expected `key: value`, found `b`");
    check_fault("a: 1\nb:1\nc: 2\n", "2:2+1: no space after this `:`");
    check_fault("a:1\nb: 2\n", "1:2+1: no space after this `:`");
    check_fault("a: {b:[c]}\n", "1:6+1: no space after this `:`");
}

#[test]
fn tabs_and_what_yaml_forbids_are_reported_where_they_stand() {
    check_fault("a:\n\tb: 1\n", "2:1+1: a tab in the indentation");
    check_fault("a:\n  - b\n\t- c\n", "3:1+1: a tab in the indentation");
    check_fault("a: >\n\tb\n", "2:1+1: a tab in the indentation");
    check_fault("a:\t1\n", "1:3+1: a tab between a key or a dash and its value");
    check_fault("a: b\0\n", "1:5+1: found the character U+0000, which YAML does not allow here");
    check_fault("%YAML 1.2\n", "1:1+5: a line that begins with `%` is a directive of YAML");
    check_fault("a: x # y\n  z\n", "1:6+1: a comment in the middle of a text that goes on in the next line");
}

/// These took time by the square of their length: minutes for a megabyte.
#[test]
fn long_faulty_texts_are_explained_at_once() {
    for word in ["%{", "%a ", "${NAME}", "${NAME", "${NAME:-", "${NAME:-x}"] {
        let (_, faults) = read(&word.repeat((1 << 20) / word.len()));
        assert_eq!(faults.is_empty(), word == "${NAME:-x}", "{word}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_and_its_faults_are_shown(text in any::<String>()) {
        let (node, faults) = read(&text);
        prop_assert!(node.is_some() || !faults.is_empty());
        prop_assert_eq!(faults.render(true).is_empty(), faults.is_empty());
    }

    #[test]
    fn any_text_that_looks_like_yaml_is_read_and_its_faults_are_shown(
        text in "[-ab:,\\[\\]{}'\"#&*!|>?%@`~<$.0\\\\ \t\r\né日\u{feff}]{0,40}",
    ) {
        let (node, faults) = read(&text);
        prop_assert!(node.is_some() || !faults.is_empty());
        prop_assert_eq!(faults.render(true).is_empty(), faults.is_empty());
    }

    #[test]
    fn any_lines_that_look_like_a_pipeline_are_read_and_their_faults_are_shown(
        lines in prop::collection::vec(
            "( {0,4}|\t)(- )?(ab?:( |\n)?)?(- |\\[|\\{|'|\"|\\*x|&x |!t |\\|\n|\\$\\{PORT)?[ab]?(: a| b|,|\\]|\\}|'|\"|\\}\\}| #c)?",
            0..8,
        ),
    ) {
        let (node, faults) = read(&lines.join("\n"));
        prop_assert!(node.is_some() || !faults.is_empty());
        let lines = lines.join("\n").split('\n').count();
        for fault in faults.found() {
            prop_assert!(fault.place.line <= lines + 1, "{:?}", fault);
        }
        prop_assert_eq!(faults.render(false).is_empty(), faults.is_empty());
    }

    #[test]
    fn a_text_in_single_quotes_is_read_back(text in "[a-z'\": #\\[{é\\\\]{1,20}") {
        let written = format!("a: '{}'", text.replace('\'', "''"));
        let (node, faults) = read(&written);
        prop_assert!(faults.is_empty());
        let NodeKind::Map(entries) = node.expect("no fault").kind else { panic!("a mapping") };
        prop_assert_eq!(entries[0].1.text(&mut Faults::new()).map(|read| read.text.as_str()), Some(text.as_str()));
    }
}
