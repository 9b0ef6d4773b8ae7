//! The label values that tell one series of a metric from another.

use std::borrow::Borrow;
use std::sync::Arc;

use memchr::memchr;

/// What stands between two values of a key, and therefore never in one.
pub const SEPARATOR: char = '\0';

/// What every label of the series says that takes in events beyond a metric's cap.
pub const OVERFLOW: &str = "__overflow__";

/// The dense number of a series within its metric, from 0 in the order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The id as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The label values of one series, in the order of the metric's labels, as valid UTF-8 without NUL.
///
/// Keys are ordered as their values are, the first label first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey(Arc<str>);

impl Borrow<str> for SeriesKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl SeriesKey {
    /// The key of these values. A NUL in a value becomes U+FFFD.
    pub fn new<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> SeriesKey {
        let mut key = String::new();
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                key.push(SEPARATOR);
            }
            key.extend(
                value.as_ref().chars().map(|c| if c == SEPARATOR { char::REPLACEMENT_CHARACTER } else { c }),
            );
        }
        SeriesKey(key.into())
    }

    /// The key of values that are joined already, as [`joined`](SeriesKey::joined) gives them.
    pub fn from_joined(values: &str) -> SeriesKey {
        SeriesKey(values.into())
    }

    /// The values, with a NUL between each two.
    pub fn joined(&self) -> &str {
        &self.0
    }

    /// The key of the series beyond the cap of a metric with `labels` labels.
    pub fn overflow(labels: usize) -> SeriesKey {
        SeriesKey::new(std::iter::repeat_n(OVERFLOW, labels))
    }

    /// The values, in order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.labels().values()
    }

    /// The same, borrowed.
    pub fn labels(&self) -> Labels<'_> {
        Labels(&self.0)
    }
}

/// The label values of one series, wherever their text is kept. Ordered as [`SeriesKey`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels<'k>(&'k str);

impl<'k> Labels<'k> {
    /// The values of a key that was joined by [`SeriesKey`].
    pub fn from_joined(values: &'k str) -> Labels<'k> {
        Labels(values)
    }

    /// The values, with a NUL between each two.
    pub fn joined(self) -> &'k str {
        self.0
    }

    /// The values, in order. For a metric without labels: one empty value, to be ignored.
    pub fn values(self) -> impl Iterator<Item = &'k str> {
        let mut rest = Some(self.0);
        // `str::split` takes several times as long for texts as short as these.
        std::iter::from_fn(move || {
            let text = rest?;
            let (value, others) = match memchr(SEPARATOR as u8, text.as_bytes()) {
                Some(end) => (&text[..end], Some(&text[end + 1..])),
                None => (text, None),
            };
            rest = others;
            Some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went_in() {
        for values in [vec![""], vec!["", ""], vec!["a", "", "b"], vec!["\u{ff}", "\n\"\\"]] {
            assert_eq!(SeriesKey::new(&values).values().collect::<Vec<_>>(), values);
        }
        assert_eq!(SeriesKey::new(["a\0b", "c"]).values().collect::<Vec<_>>(), ["a\u{fffd}b", "c"]);
    }

    #[test]
    fn keys_are_ordered_by_their_first_value_first() {
        assert!(SeriesKey::new(["a", "z"]) < SeriesKey::new(["aa", "a"]));
    }
}
