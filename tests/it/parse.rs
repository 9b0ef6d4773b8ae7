//! A small reader of both text formats, written from their specifications and apart from the encoders. It
//! panics on whatever is not valid.

use std::collections::BTreeMap;

/// A family as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub unit: String,
    pub samples: Vec<Sample>,
}

/// One line of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// The dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

/// The families of an exposition, by name.
#[track_caller]
pub fn parse(text: &str, format: Format) -> BTreeMap<String, Family> {
    let text = match format {
        Format::Prometheus => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("the end is marked"),
    };
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.split_terminator('\n') {
        let Some(comment) = line.strip_prefix("# ") else {
            let sample = sample(line);
            let family = families.get_mut(&current).expect("a family is declared before its samples");
            assert!(belongs(&sample.name, &current, &family.kind, format), "{} in {current}", sample.name);
            family.samples.push(sample);
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let [keyword, name, text] = [(); 3].map(|()| words.next().expect("a comment has three parts"));
        if name != current {
            assert!(families.insert(name.to_owned(), Family::default()).is_none(), "{name} comes twice");
            current = name.to_owned();
        }
        let family = families.get_mut(name).expect("it was just declared");
        assert!(family.samples.is_empty(), "{name} is declared before its samples");
        let place = match keyword {
            "TYPE" => &mut family.kind,
            "HELP" => &mut family.help,
            "UNIT" if format == Format::OpenMetrics => &mut family.unit,
            _ => panic!("unknown: {line}"),
        };
        assert!(place.is_empty(), "{keyword} of {name} comes twice");
        *place =
            if keyword == "HELP" { unescape(text, format == Format::OpenMetrics) } else { text.to_owned() };
    }
    families
}

fn belongs(sample: &str, family: &str, kind: &str, format: Format) -> bool {
    let suffix = sample.strip_prefix(family).unwrap_or("?");
    let suffixes: &[&str] = match (kind, format) {
        ("histogram", Format::Prometheus) => &["_bucket", "_sum", "_count"],
        ("summary", Format::Prometheus) => &["", "_sum", "_count"],
        ("counter" | "gauge", Format::Prometheus) => &[""],
        ("histogram", Format::OpenMetrics) => &["_bucket", "_sum", "_count", "_created"],
        ("summary", Format::OpenMetrics) => &["", "_sum", "_count", "_created"],
        ("counter", Format::OpenMetrics) => &["_total", "_created"],
        ("gauge", Format::OpenMetrics) => &[""],
        ("info", Format::OpenMetrics) => &["_info"],
        _ => panic!("{family} is a {kind}"),
    };
    suffixes.contains(&suffix)
}

fn sample(line: &str) -> Sample {
    let name_len = line.find(['{', ' ']).expect("a value follows the name");
    let (name, mut rest) = line.split_at(name_len);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label has a value");
            let len = closing_quote(after);
            labels.push((label.to_owned(), unescape(&after[..len], true)));
            rest = &after[len + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("the labels end");
    }
    let value = rest.strip_prefix(' ').expect("a value follows");
    assert!(!value.contains(' '), "no timestamp: {line}");
    Sample { name: name.to_owned(), labels, value: number(value) }
}

/// A number, of which Rust's parser must accept only what the formats do.
pub fn number(text: &str) -> f64 {
    assert!(
        matches!(text, "+Inf" | "-Inf" | "NaN") || text.bytes().all(|byte| b"0123456789+-.e".contains(&byte)),
        "{text}"
    );
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    let quote = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    quote.expect("a label value ends")
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        assert!(character != '"' || !quotes, "a quote is escaped: {text}");
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => panic!("unknown escape {other:?}: {text}"),
            },
            plain => plain,
        });
    }
    plain
}
