//! Why something was refused, and how often.

use std::fmt;

/// Why an event, a value or an expression's result was refused. Each is a `reason` label on `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refused {
    /// The record is longer than `max_line_bytes`; it was skipped to its end.
    LineTooLong,
    /// The message is longer than `max_message_bytes`.
    MessageTooLong,
    /// The message has no value, and such messages are to be dropped.
    Tombstone,
    /// The worker's queue was full, and the source cannot wait.
    QueueFull,
    /// The record does not match the decoder's regex or pattern.
    NoMatch,
    /// The record is not one JSON document.
    InvalidJson,
    /// The record is JSON, but not an object.
    NotAnObject,
    /// The record is not `key=value` pairs: an unclosed quote, a stray `=`, an unknown escape.
    InvalidLogfmt,
    /// The record has a quoted column that is not closed, or that goes on behind its closing quote.
    InvalidCsv,
    /// The record has more or fewer columns than the decoder was told.
    WrongColumns,
    /// A field that is needed is not in the event, or is null.
    MissingField,
    /// The field that is to be exploded is not a list.
    NotAList,
    /// A number was needed and the field is something else.
    NotANumber,
    /// The number is NaN or infinite.
    NotFinite,
    /// A counter was given a number below 0.
    Negative,
    /// An expression met a type it cannot work with, such as `!"text"`.
    WrongType,
    /// An expression divided by zero or left the range of 64-bit integers.
    Arithmetic,
    /// A label value held bytes that are not UTF-8; they were replaced, the event was counted.
    InvalidUtf8,
    /// A label value was longer than the limit; it was cut, the event was counted.
    LabelTooLong,
    /// The value is beyond the range of the metric.
    OutOfRange,
    /// The metric was at its cap of series; the event was counted in the overflow series.
    Overflow,
}

impl Refused {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Refused; 21] = [
        Refused::LineTooLong,
        Refused::MessageTooLong,
        Refused::Tombstone,
        Refused::QueueFull,
        Refused::NoMatch,
        Refused::InvalidJson,
        Refused::NotAnObject,
        Refused::InvalidLogfmt,
        Refused::InvalidCsv,
        Refused::WrongColumns,
        Refused::MissingField,
        Refused::NotAList,
        Refused::NotANumber,
        Refused::NotFinite,
        Refused::Negative,
        Refused::WrongType,
        Refused::Arithmetic,
        Refused::InvalidUtf8,
        Refused::LabelTooLong,
        Refused::OutOfRange,
        Refused::Overflow,
    ];

    /// The value of the `reason` label.
    pub fn reason(self) -> &'static str {
        match self {
            Refused::LineTooLong => "line_too_long",
            Refused::MessageTooLong => "message_too_long",
            Refused::Tombstone => "tombstone",
            Refused::QueueFull => "queue_full",
            Refused::NoMatch => "no_match",
            Refused::InvalidJson => "invalid_json",
            Refused::NotAnObject => "not_an_object",
            Refused::InvalidLogfmt => "invalid_logfmt",
            Refused::InvalidCsv => "invalid_csv",
            Refused::WrongColumns => "wrong_columns",
            Refused::MissingField => "missing_field",
            Refused::NotAList => "not_a_list",
            Refused::NotANumber => "not_a_number",
            Refused::NotFinite => "not_finite",
            Refused::Negative => "negative",
            Refused::WrongType => "wrong_type",
            Refused::Arithmetic => "arithmetic",
            Refused::InvalidUtf8 => "invalid_utf8",
            Refused::LabelTooLong => "label_too_long",
            Refused::OutOfRange => "out_of_range",
            Refused::Overflow => "overflow",
        }
    }
}

/// How often each reason occurred in one component since it was last taken.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refused::ALL.len()]);

impl Refusals {
    /// Counts one refusal.
    pub fn count(&mut self, reason: Refused) {
        self.add(reason, 1);
    }

    /// Counts `times` refusals.
    pub fn add(&mut self, reason: Refused, times: u64) {
        self.0[reason as usize] += times;
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Refusals) {
        for (into, from) in self.0.iter_mut().zip(other.0) {
            *into += from;
        }
    }

    /// How often `reason` occurred.
    pub fn get(&self, reason: Refused) -> u64 {
        self.0[reason as usize]
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().zip(self.0).filter(|(_, times)| *times > 0)
    }
}

/// Only the reasons that occurred, by name.
impl fmt::Debug for Refusals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter().map(|(refused, times)| (refused.reason(), times))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_numbers_and_differ() {
        let mut reasons: Vec<_> = Refused::ALL.iter().map(|refused| refused.reason()).collect();
        for (at, refused) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(refused as usize, at);
        }
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), Refused::ALL.len());
    }
}
