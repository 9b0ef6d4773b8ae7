//! A scanner says the same as the regex it was compiled from: 3,000 lines for each of more than 300 regexes, and a
//! million where `STREAMGAUGE_LONG=1` is set.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::grok;
use crate::model::field::Slot;
use crate::model::value::Value;
use crate::raw::regex;
use crate::scanner::{Scanner, compile};

/// Regexes that are scanned: formats of logs as people write them, and one for each kind of part.
const SCANNED: &[&str] = &[
    // Access logs.
    r#"^\S+ \S+ \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<route>/[^/? "]*)(?:[/?][^ "]*)? [^"]*" (?P<status>\d{3}) (?P<bytes>\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*" (?P<time>[\d.]+)$"#,
    r#"^(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)""#,
    r#"^(.*?) - (.*?) \[(.*?)\] "(.*?)" (.*)$"#,
    // Application logs.
    r"^\S+ (?P<level>[A-Z]+) (?P<service>\S+)",
    r"^(?P<time>\S+) +(?P<level>[A-Z]+) +(?P<service>[^ :\[]+)",
    r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) (\w+) (.*)",
    r"^\[([^\]]*)\] (\w+)\.(\w+): (.*)$",
    r"^(?P<date>\d+-\d+-\d+) (?P<clock>[\d:,]+) \[(?P<thread>[^\]]*)\] (?P<level>\w+) +(?P<class>[\w.$]+) - (?P<message>.*)$",
    r"^([IWEF])(\d{4}) (\d\d:\d\d:\d\d\.\d+) +(\d+) ([^:]+):(\d+)\] (.*)$",
    r"^level=(\w+) msg=(\x22(?:[^\x22\\]|\\.)*\x22|[^ \x22]\S*)(?: err=(.*))?$",
    // System logs.
    r"^<(\d{1,3})>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^:\[ ]+)(?:\[(\d+)\])?: (.*)",
    r"^<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|\[(?:[^\]\\]|\\.)*\]) ?([^ ].*)$",
    r"^(\w{3}) +(\d+) (\d+):(\d+):(\d+) (\S+) (\w+)\[(\d+)\]: ",
    // Databases and queues.
    r"^# Query_time: ([\d.]+) +Lock_time: ([\d.]+) Rows_sent: (\d+) +Rows_examined: (\d+)$",
    r"^(\d+):([MSCX]) (\d+ \w+ \d+ [\d:.]+) ([.*#-]) (.*)$",
    r"^%{NOTSPACE:time} %{USER:user} %{DATA:what}: %{GREEDYDATA:rest}$",
    r"^%{INT:n} %{QS:q} %{NOTSPACE:x}%{SPACE}$",
    // Kinds of parts.
    "^",
    "^$",
    "^a$",
    "^a*",
    "^a*?",
    "^a+?",
    "^(a*)",
    "^(a*?)b",
    "^(a??)b",
    "^(a?)b",
    "^(a)?$",
    "^a{2,3}b",
    "^(a{2,3}?)",
    "^(?:ab){2,3}c",
    "^(?:ab){2,}c",
    "^(?:(a)|b)*c",
    "^(?:(a)|(b))+c",
    "^(?:(a)x|b(c)?y)*$",
    "^(?:a(b)?)*?c",
    r"^\b\w+\b \B-",
    "^a$b",
    "^(x|)$",
    "^(|x)$",
    "^(a|b|cd|)e",
    "^(?:|a)$",
    "^(?:a|ab)",
    "^a(?:b)?",
    "^((a)(b*))c",
    "^(?:éa|x)ü([a-c])$",
    r"^(?i:get|put) \d",
    r"^(.*?), (.*)",
    r"^([^,]*?), ([^;]*);",
    "^(?:a|b)*c",
    "^(?:(?:ab)+c)+d",
];

/// Regexes that would need to take a way back.
const LEFT: &[&str] = &[
    // The method may hold a quote and the quote ends it: `"GET"" 200` takes a way back.
    r#"^(?P<client>[^ ]*) - (?P<user>[^ ]*) \[(?P<time>[^\]]*)\] "(?P<method>\S+)(?: +(?P<path>[^" ]*)(?: +\S*)?)?" (?P<code>[^ ]*) (?P<size>[^ ]*)(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?$"#,
    "a",
    r"(\S+) (\S+)",
    "^a|b",
    "(?m)^a$",
    "^a*a",
    "^.*a",
    "^(.*) (.*)$",
    r"^\w+\d$",
    "^(?:a|ab)c",
    "^ab(?:ab)?a",
    "^(?:ab)*a",
    "^a(?:bc)?",
    "^a(?:b{2,})?",
    "^(?:a*)*",
    "^(?:a*b?)*c",
    r"^(.*?)\d",
    "^(.*?)ab([a-z]*)c",
    "^(.+?), [ab](.*)",
    r"^é(\w+)",
    "^(?u:.)$",
    r"^%{IP:client} ",
    "^(?:(?:(?:(?:a{20}b){20}c){20}d){5})$",
];

/// The regex behind a pattern with grok names, and the scanner of all its groups.
fn scanner(pattern: &str) -> (String, Hir, Option<Scanner>) {
    let pattern = grok::expanded(pattern);
    let (_, syntax) = regex::compile(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
    let groups: Vec<_> =
        (1..=syntax.properties().explicit_captures_len()).map(|at| (at, Slot(at - 1))).collect();
    let scanner = compile(&syntax, &groups);
    (pattern, syntax, scanner)
}

#[test]
fn formats_of_logs_are_scanned() {
    let left: Vec<_> = SCANNED.iter().filter(|pattern| scanner(pattern).2.is_none()).collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn what_could_have_to_go_back_is_left_to_the_other_engine() {
    let scanned: Vec<_> = LEFT.iter().filter(|pattern| scanner(pattern).2.is_some()).collect();
    assert!(scanned.is_empty(), "{scanned:#?}");
}

/// A source of choices that is the same in every run.
struct Choices(u64);

impl Choices {
    /// A number below `bound`, by SplitMix64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn of<'c, C: ?Sized>(&mut self, choices: &[&'c C]) -> &'c C {
        choices[self.below(choices.len())]
    }
}

/// A regex of a few parts of the kinds that scanners know, many of which are one word away from having none.
fn pattern(choices: &mut Choices, depth: usize) -> String {
    const ATOMS: [&str; 18] = [
        "a",
        "b",
        "ab",
        " ",
        " ",
        "-",
        "\\[",
        "\"",
        "\\d",
        "[ab]",
        "[^ ]",
        "[^\"]",
        r"\S",
        r"\w",
        "[^a-]",
        ".",
        r"(?:[^\x22\\]|\\.)",
        "1",
    ];
    const TIMES: [&str; 16] =
        ["", "", "", "", "", "*", "+", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "??", "{0,2}?"];
    let mut pattern = String::new();
    for _ in 0..1 + choices.below(if depth == 0 { 6 } else { 3 }) {
        let atom = match choices.below(if depth < 3 { 14 } else { 9 }) {
            0 => choices.of(&[r"\b", r"\B", "$", "^", "(?:)"]).to_owned(),
            9 => format!("(?:{}|{})", self::pattern(choices, depth + 1), self::pattern(choices, depth + 1)),
            10 => format!("({}|{})", self::pattern(choices, depth + 1), self::pattern(choices, depth + 1)),
            11 => format!("(?:{})", self::pattern(choices, depth + 1)),
            12 | 13 => format!("({})", self::pattern(choices, depth + 1)),
            _ => choices.of(&ATOMS).to_owned(),
        };
        pattern += &atom;
        if !matches!(atom.as_str(), "^" | "$" | r"\b" | r"\B" | "ab") {
            pattern += choices.of(&TIMES);
        }
    }
    pattern
}

/// Appends what a part of a regex could match, looks aside.
fn sample(part: &Hir, choices: &mut Choices, line: &mut Vec<u8>) {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => line.extend(&*literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let Some(range) = class.ranges().get(choices.below(class.ranges().len().max(1))) else { return };
            line.push(match choices.below(3) {
                0 => range.start(),
                1 => range.end(),
                _ => range.start() + choices.below(usize::from(range.end() - range.start()) + 1) as u8,
            });
        }
        HirKind::Class(Class::Unicode(_)) => line.extend("é".as_bytes()),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 3) - repetition.min;
            let times = repetition.min as usize + choices.below(most as usize + 1);
            (0..times).for_each(|_| sample(&repetition.sub, choices, line));
        }
        HirKind::Capture(group) => sample(&group.sub, choices, line),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, choices, line)),
        HirKind::Alternation(options) => sample(&options[choices.below(options.len())], choices, line),
    }
}

/// Changes a line that may match to one that nearly does, or leaves it.
fn distort(line: &mut Vec<u8>, choices: &mut Choices) {
    const BYTES: &[u8] = b"ab -[\"\\1x\n\xff";
    for _ in 0..choices.below(4).saturating_sub(1) {
        let (at, byte) = (choices.below(line.len() + 1), BYTES[choices.below(BYTES.len())]);
        match choices.below(4) {
            0 => line.truncate(at),
            1 => line.insert(at, byte),
            2 if at < line.len() => line[at] = byte,
            _ if at < line.len() => drop(line.remove(at)),
            _ => line.push(byte),
        }
    }
}

/// How many lines were compared, and how many of them matched.
fn compare(pattern: &str, lines: usize, choices: &mut Choices) -> Option<(usize, usize)> {
    let (pattern, syntax, scanner) = scanner(pattern);
    let mut scanner = scanner?;
    let regex = ::regex::bytes::RegexBuilder::new(&pattern).unicode(!pattern.is_ascii()).build().unwrap();
    let count = syntax.properties().explicit_captures_len();
    let some: Vec<_> = (1..=count).filter(|_| choices.below(2) == 0).map(|at| (at, Slot(at - 1))).collect();
    let mut partial = compile(&syntax, &some).expect("fewer groups are no harder");
    let mut locations = regex.capture_locations();
    let (mut line, mut matches) = (Vec::new(), 0);
    for _ in 0..lines {
        line.clear();
        sample(&syntax, choices, &mut line);
        distort(&mut line, choices);
        let expected = regex.captures_read(&mut locations, &line).map(|whole| {
            let group =
                |at| locations.get(at).map_or(Value::Missing, |(start, end)| Value::Text(&line[start..end]));
            (whole.end(), (1..=count).map(group).collect::<Vec<_>>())
        });
        let mut row = vec![Value::Missing; count];
        let found = scanner.fill(&line, &mut row).map(|end| (end, row));
        assert_eq!(found, expected, "{pattern} on {}", line.escape_ascii());
        let mut row = vec![Value::Missing; count];
        let found = partial.fill(&line, &mut row).map(|end| (end, row));
        matches += usize::from(expected.is_some());
        let expected = expected.map(|(end, mut row)| {
            let is_wanted = |at: usize| some.iter().any(|(group, _)| group - 1 == at);
            (0..count).filter(|at| !is_wanted(*at)).for_each(|at| row[at] = Value::Missing);
            (end, row)
        });
        assert_eq!(found, expected, "{pattern} on {}", line.escape_ascii());
    }
    Some((lines, matches))
}

#[test]
fn a_scanner_says_the_same_as_its_regex() {
    const GENERATED: usize = 300;
    let is_long = std::env::var_os("STREAMGAUGE_LONG").is_some_and(|value| value == "1");
    let lines = if is_long { 1_000_000 } else { 3000 };
    let mut choices = Choices(5);
    let mut totals = (0, 0);
    let mut count = |found: (usize, usize)| totals = (totals.0 + found.0, totals.1 + found.1);
    SCANNED.iter().for_each(|pattern| count(compare(pattern, lines, &mut choices).expect("it is scanned")));
    let (mut scanned, mut tried) = (0, 0);
    while scanned < GENERATED {
        let pattern = format!("^{}", pattern(&mut choices, 0));
        tried += 1;
        if let Some(found) = compare(&pattern, lines, &mut choices) {
            scanned += 1;
            count(found);
        }
    }
    // Enough of both: patterns that have a scanner and that have none, lines that match and that do not.
    assert!(tried < 10 * GENERATED && tried > GENERATED * 3 / 2, "{scanned} of {tried}");
    assert!(totals.0 >= 1_000_000 && totals.1 > totals.0 / 4 && totals.1 < totals.0 * 3 / 4, "{totals:?}");
}
