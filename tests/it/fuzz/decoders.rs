//! Every decoder under options of many kinds. The first byte of an input chooses the options, the others are
//! lines.

use std::collections::BTreeSet;

use bumpalo::Bump;
use streamgauge::decode::{Decode, KINDS};
use streamgauge::model::event::Events;
use streamgauge::model::field::{Field, Fields, Path, Step};
use streamgauge::model::refused::Refusals;
use streamgauge::model::value::Value;

use super::seen::Seen;
use super::{Taker, Target, words};
use crate::replayed::plan;

pub const JSON: Target = Target {
    name: "json",
    words: words::JSON,
    seeds: || seeds(JSON_OPTIONS, &[ACCESS_LOG]),
    start: || start(JSON_OPTIONS, Some(json_agrees)),
};

pub const LOGFMT: Target = Target {
    name: "logfmt",
    words: words::LOGFMT,
    seeds: || seeds(LOGFMT_OPTIONS, &[]),
    start: || start(LOGFMT_OPTIONS, None),
};

pub const LINES: Target = Target {
    name: "lines",
    words: words::LINES,
    seeds: || seeds(LINES_OPTIONS, &[ACCESS_LOG, APP_LOG]),
    start: || start(LINES_OPTIONS, None),
};

pub const COLUMNS: Target = Target {
    name: "columns",
    words: words::COLUMNS,
    seeds: || seeds(COLUMNS_OPTIONS, &[]),
    start: || start(COLUMNS_OPTIONS, None),
};

const ACCESS_LOG: &str = include_str!("../golden/access-log/input.log");
const APP_LOG: &str = include_str!("../golden/log-errors/input.log");

/// A decoder as in a pipeline file, the fields that are wanted of it, and a record.
type Options = (&'static str, &'static [&'static str], &'static str);

const JSON_OPTIONS: &[Options] = &[
    (
        "json",
        &["a", "user.id", "items.0.sku", "items.2", "a.b.c", "", "status"],
        r#"{"a":{"b":{"c":-0.5}},"user":{"id":"é\n"},"items":[{"sku":"x"},2,true],"":null,"status":1e3}"#,
    ),
    ("json", &[], r#"{"a":[1,{"b":"\ud83d\ude00"}]}"#),
];

const LOGFMT_OPTIONS: &[Options] = &[
    (
        "logfmt",
        &["level", "msg", "a", "user.id", "ok"],
        r#"level=info msg="say \"hi\" \u00e9" user.id=7 ok a="#,
    ),
    ("logfmt", &[], "a=b"),
];

const LINES_OPTIONS: &[Options] = &[
    (r"{regex: '^(?P<a>\S+) +(?P<b>[A-Z]+) +(?P<c>[^ :\[]+)'}", &["a", "b", "c"], "x ERROR y z"),
    (r"{regex: '(?P<a>(x+x+)+y)|(?P<b>(?:a|aa)*)$'}", &["a", "b"], "xxxxxxxxxxxxxxxxxxxxxxxx"),
    (r"{regex: '(?s-u)^(?P<a>.*?)\xff(?P<b>.*)$'}", &["a", "b"], "plain"),
    (
        "{regex: '^%{IPORHOST:a} %{USER:b} \\[%{HTTPDATE:c}\\] \"%{WORD:d} %{URIPATHPARAM:e}\" %{INT:f:int} %{NUMBER:g:float}'}",
        &["a", "b", "c", "d", "e", "f", "g"],
        "127.0.0.1 bob [20/Nov/2026:14:03:22 +0000] \"GET /a?b=c\" 200 0.25",
    ),
    (
        "{regex: '%{TIMESTAMP_ISO8601:a} %{LOGLEVEL:b} %{GREEDYDATA:c}'}",
        &["a", "b", "c"],
        "2026-11-20T14:03:22Z WARN x",
    ),
    ("{regex: '%{IP:a}|%{URI:b}|%{QS:c}|%{MAC:d}'}", &["a", "b", "c", "d"], "fe80::1"),
    (
        "{pattern: '$client - $user [$time] \"$method $path $protocol\" $status $bytes'}",
        &["client", "user", "time", "method", "path", "protocol", "status", "bytes"],
        "::1 - - [now] \"GET / HTTP/1.1\" 200 12",
    ),
    ("{pattern: '$a\"$b\"'}", &["a", "b"], r#"x"y\x22z""#),
    ("{pattern: '$a'}", &["a"], "x"),
    ("text", &[], "x"),
];

const COLUMNS_OPTIONS: &[Options] = &[
    ("{csv: {columns: [a, b, c]}}", &["a", "b", "c"], r#"1,"x""y",3"#),
    ("{csv: {columns: [a, b, c], header: skip}}", &["a", "c"], "a,b,c"),
    ("{csv: {columns: [a, _, c], delimiter: ';', quote: \"'\", trim: true}}", &["a", "c"], "1 ; ' x''y' ;3"),
    ("{csv: {columns: [a, b], quote: none, header: skip, trim: true}}", &["b"], " a,b "),
    ("{csv: {columns: [a]}}", &["a"], "\"a\""),
    ("{csv: {columns: [a, b, c], delimiter: tab, quote: '|'}}", &["b", "c"], "1\t|2\t|\t3"),
    ("{tsv: {columns: [a, b, c]}}", &["a", "b", "c"], "1\t2\t3"),
    ("{tsv: {columns: [a, b, c], header: skip, quote: '\"', trim: true}}", &["a", "b", "c"], "1\t \"2\" \t3"),
];

#[test]
fn every_kind_of_decoder_is_fuzzed() {
    let options = [JSON_OPTIONS, LOGFMT_OPTIONS, LINES_OPTIONS, COLUMNS_OPTIONS].concat();
    let first = |(text, ..): &Options| {
        text.trim_start_matches('{').split(':').next().expect("`split` gives something").to_owned()
    };
    let fuzzed: BTreeSet<_> = options.iter().map(first).collect();
    assert_eq!(fuzzed, KINDS.iter().map(|kind| kind.name.to_owned()).collect());
}

fn seeds(options: &[Options], texts: &[&str]) -> Vec<Vec<u8>> {
    let with = |at: usize, text: &str| [&[at as u8], text.as_bytes()].concat();
    let own = options.iter().enumerate().map(|(at, (.., record))| with(at, record));
    let lines = texts.iter().flat_map(|text| text.lines().take(20).collect::<Vec<_>>());
    let lines: Vec<_> = lines.collect();
    own.chain((0..options.len()).flat_map(|at| lines.iter().map(move |line| with(at, line)))).collect()
}

/// What a decoder made of a record must be.
type Law = fn(&[u8], Option<&[Value<'_>]>);

fn start(options: &[Options], law: Option<Law>) -> Taker {
    let mut decoders: Vec<_> = options.iter().map(|(text, names, _)| decoder(text, names)).collect();
    Box::new(move |input, seen| {
        let Some((chosen, lines)) = input.split_first() else { return };
        let at = usize::from(*chosen) % decoders.len();
        let (decoder, width) = &mut decoders[at];
        let records: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
        seen.note(("option", at));
        check(&mut **decoder, *width, &records, (seen, law));
    })
}

fn decoder(text: &str, names: &[&str]) -> (Box<dyn Decode>, usize) {
    let head = format!("source: stdin\ndecode: {text}\n");
    let plan = plan(&format!("{head}metrics: [{{counter: {{name: lines_total, help: Lines.}}}}]"));
    let mut fields = Fields::new(None, &[]);
    for name in names {
        fields.slot(Field::Event(path(name)));
    }
    (plan.pipelines[0].decode.bind(&fields), names.len())
}

fn path(name: &str) -> Path {
    let step = |step: &str| step.parse().map_or_else(|_| Step::Key(step.to_owned()), Step::Index);
    Path(name.split('.').map(step).collect())
}

/// Every record is decoded, refused for one reason, or passed over as a header; and alone no other way than with
/// the rest.
fn check(decoder: &mut dyn Decode, width: usize, records: &[&[u8]], (seen, law): (&mut Seen, Option<Law>)) {
    let arena = Bump::new();
    let (mut events, mut refused) = (Events::new(width), Refusals::default());
    events.reset(records.len());
    decoder.decode(records, &arena, &mut events, &mut refused);
    let count: u64 = refused.iter().map(|(_, times)| times).sum();
    assert!(events.live() as u64 + count <= records.len() as u64);
    let mut rows = events.iter();
    let (mut alone_live, mut alone_refused) = (0, Refusals::default());
    for record in records {
        let mut one = Events::new(width);
        let mut why = Refusals::default();
        one.reset(1);
        decoder.decode(&[record], &arena, &mut one, &mut why);
        let reasons: Vec<_> = why.iter().collect();
        assert!(reasons.iter().map(|(_, times)| times).sum::<u64>() + one.live() as u64 <= 1);
        let row = one.iter().next();
        if let Some(row) = row {
            let among = rows.next().expect("it is decoded among others as well");
            assert!(row.iter().zip(among).all(|(alone, among)| same(*alone, *among)), "{row:?} {among:?}");
        }
        alone_live += one.live();
        alone_refused.merge(&why);
        if let Some(law) = law {
            law(record, row);
        }
        seen.note(reasons.first().map(|(reason, _)| *reason));
        for (slot, value) in row.into_iter().flatten().enumerate() {
            seen.note((slot, shape(*value)));
        }
    }
    assert_eq!((alone_live, alone_refused), (events.live(), refused));
}

pub fn same(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (left, right) => left == right,
    }
}

/// What tells one value from another for our purposes.
pub fn shape(value: Value<'_>) -> (u8, u32, bool) {
    match value {
        Value::Missing => (0, 0, false),
        Value::Bool(truth) => (1, 0, truth),
        Value::Integer(whole) => (2, whole.unsigned_abs().leading_zeros() / 16, whole < 0),
        Value::Float(number) => (3, (number.to_bits() >> 61) as u32, number.is_finite()),
        Value::Text(text) => (4, usize::BITS - text.len().leading_zeros(), std::str::from_utf8(text).is_ok()),
    }
}

/// `serde_json`, reading the whole document, says the same of it.
fn json_agrees(record: &[u8], row: Option<&[Value<'_>]>) {
    let whole: Option<serde_json::Value> = serde_json::from_slice(record).ok();
    let Some(object) = whole.filter(serde_json::Value::is_object) else {
        assert!(row.is_none(), "it is no object");
        return;
    };
    let row = row.expect("it is an object");
    let [_, names @ ..] = JSON_OPTIONS[0].1 else { unreachable!("the list is not empty") };
    for (value, name) in row.iter().skip(1).zip(names) {
        let pointer = format!("/{}", name.replace('.', "/"));
        let wanted = object.pointer(&pointer).unwrap_or(&serde_json::Value::Null);
        let equal = match (*value, wanted) {
            (Value::Missing, wanted) => wanted.is_null() || wanted.is_object() || wanted.is_array(),
            (Value::Bool(truth), wanted) => wanted.as_bool() == Some(truth),
            (Value::Integer(whole), wanted) => wanted.as_i64() == Some(whole),
            (Value::Float(number), wanted) => wanted.as_f64() == Some(number),
            (Value::Text(text), wanted) => wanted.as_str().map(str::as_bytes) == Some(text),
        };
        assert!(equal, "{name}: {value:?} instead of {wanted}");
    }
}
