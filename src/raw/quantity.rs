//! Durations and sizes as people write them: `250ms`, `1h30m`, `64KiB`.

use std::time::Duration;

/// The units of a duration, the longest first, in milliseconds.
const DURATION_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size, in bytes.
const BYTES_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A duration: whole numbers with units, each unit once and the longest first (`1h30m`). `None` where the text is
/// none, or more than 2^64 milliseconds.
pub fn duration(text: &str) -> Option<Duration> {
    let mut units = DURATION_UNITS.iter();
    let mut milliseconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = leading_number(rest)?;
        let unit_len = behind.find(|next: char| next.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_len);
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        milliseconds = milliseconds.checked_add(number.checked_mul(*size)?)?;
        rest = behind;
    }
    (!text.is_empty()).then(|| Duration::from_millis(milliseconds))
}

/// A size: a whole number of bytes, or of a unit (`64KiB`, `10kB`). `None` where the text is none, or 2^64 and more.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let (_, size) = BYTES_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*size)
}

/// The digits at the start of a text, and what is behind them.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    let (digits, behind) = text.split_at(end);
    Some((digits.parse().ok()?, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_duration(text: &str, milliseconds: u64) {
        assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
    }

    #[test]
    fn durations_are_numbers_with_units() {
        check_duration("250ms", 250);
        check_duration("0s", 0);
        check_duration("1s", 1_000);
        check_duration("5m", 300_000);
        check_duration("1h", 3_600_000);
        check_duration("1d", 86_400_000);
        check_duration("1h30m", 5_400_000);
        check_duration("1d2h3m4s5ms", 93_784_005);
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1S", "1w", "30m1h", "1s1s", "1h30", "1sé", "９s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("18446744073709551615d"), None);
        assert_eq!(duration("99999999999999999999s"), None);
    }

    #[test]
    fn sizes_are_numbers_with_units() {
        for (text, expected) in
            [("0", 0), ("17", 17), ("5B", 5), ("10kB", 10_000), ("1MB", 1_000_000), ("64KiB", 65_536)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(bytes("2TiB"), Some(2 << 40));
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "KiB", "64K", "64 KiB", "64kib", "-1", "1.5MiB", "18446744073709551615kB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_tried(text in "\\PC{0,12}|[0-9]{1,20}[dhmsKMiB]{0,3}") {
            let _ = (duration(&text), bytes(&text));
        }

        #[test]
        fn whole_seconds_are_read_back(seconds in 0_u64..1 << 40) {
            prop_assert_eq!(duration(&format!("{seconds}s")), Some(Duration::from_secs(seconds)));
        }
    }
}
