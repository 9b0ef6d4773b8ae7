//! Reads the samples of a text exposition.

use std::collections::BTreeMap;

/// The samples by what stands before their value: `name{label="value"}`.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a sample is a name and a value");
        (name.to_owned(), value.parse().expect("the value is a number"))
    };
    lines.map(sample).collect()
}

/// The sum of the samples of all series of `name`.
pub fn total(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let of_name = |sample: &str| sample.split('{').next() == Some(name);
    samples.iter().filter(|(sample, _)| of_name(sample)).map(|(_, value)| value).sum()
}
