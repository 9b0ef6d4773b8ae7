//! What a PromQL expression names. Whether it is one at all is for promtool to say.

use std::collections::BTreeSet;

use regex::Regex;

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Metrics, by name.
    pub metrics: BTreeSet<String>,
    /// Metrics, by a regex for their name.
    pub patterns: BTreeSet<String>,
    /// Labels, in matchers and in groupings.
    pub labels: BTreeSet<String>,
}

const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];

/// Reads an expression as far as names go.
pub fn names(expression: &str) -> Names {
    let token = r#""(?:[^"\\]|\\.)*"|\[[^\]]*\]|[0-9][0-9a-z.]*|[A-Za-z_:][A-Za-z0-9_:]*|\S"#;
    let token = Regex::new(token).unwrap();
    let tokens: Vec<_> = token.find_iter(expression).map(|found| found.as_str()).collect();
    let mut names = Names::default();
    let (mut matches, mut groups) = (false, false);
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        let is_name = token.starts_with(|first: char| first.is_ascii_alphabetic() || "_:".contains(first));
        match *token {
            "{" => matches = true,
            "}" => matches = false,
            ")" => groups = false,
            grouping if GROUPINGS.contains(&grouping) && !matches => groups = true,
            "__name__" if matches => {
                assert_eq!(tokens[at + 1..at + 3], ["=", "~"], "{expression}");
                names.patterns.insert(tokens[at + 3].trim_matches('"').to_owned());
            }
            label if is_name && (matches || groups) => drop(names.labels.insert(label.to_owned())),
            _ if next == "(" || ["by", "without"].contains(&next) => {}
            metric if is_name && !WORDS.contains(&metric) => drop(names.metrics.insert(metric.to_owned())),
            _ => {}
        }
    }
    names
}

#[test]
fn names_are_found_in_expressions() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let of = |metrics: &[&str], patterns: &[&str], labels: &[&str]| Names {
        metrics: set(metrics),
        patterns: set(patterns),
        labels: set(labels),
    };
    for (expression, expected) in [
        (
            "60 * sum by (a, b) (rate(x_total{c=\"by (d)\"}[$__rate_interval]))",
            of(&["x_total"], &[], &["a", "b", "c"]),
        ),
        ("x / on (a) group_left (b) y > 1.5e3 and z == bool 0", of(&["x", "y", "z"], &[], &["a", "b"])),
        ("sum({__name__=~\"x_(a|b)\", c!~\"d\"}) by (e) or vector(0)", of(&[], &["x_(a|b)"], &["c", "e"])),
        ("max_over_time(x:y[5m:1m] offset 1h)", of(&["x:y"], &[], &[])),
    ] {
        assert_eq!(names(expression), expected, "{expression}");
    }
}
