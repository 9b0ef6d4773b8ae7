//! Appends numbers and times to a line.

use std::time::Duration;

use crate::base::civil::Civil;

/// Appends a number.
pub fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a number, with zeros before it up to `width` digits.
pub fn padded(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(digits.as_bytes());
}

/// Appends a number of hundredths: 1990 as `19.90`.
pub fn hundredths(number_of: u64, out: &mut Vec<u8>) {
    number(number_of / 100, out);
    out.push(b'.');
    padded(number_of % 100, 2, out);
}

/// Appends a key of a JSON object with a text that needs no escapes, behind a text that is still open; leaves it open.
pub fn json_text(key: &str, value: &str, out: &mut Vec<u8>) {
    for part in ["\",\"", key, "\":\"", value] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends 16 hexadecimal digits.
pub fn hex(bits: u64, out: &mut Vec<u8>) {
    out.extend((0..16).rev().map(|digit| b"0123456789abcdef"[(bits >> (4 * digit)) as usize & 15]));
}

/// A second as people write it, kept because many lines fall into the same one.
#[derive(Clone, Debug)]
pub struct Second {
    unix: u64,
    write: fn(Civil, &mut Vec<u8>),
    text: Vec<u8>,
}

impl Second {
    /// `2026-11-20T14:03:22`, as ISO 8601 says.
    pub fn iso() -> Second {
        Second::new(|civil, out| {
            padded(civil.year, 4, out);
            out.push(b'-');
            padded(civil.month, 2, out);
            out.push(b'-');
            padded(civil.day, 2, out);
            out.push(b'T');
            clock(civil, out);
        })
    }

    /// `20/Nov/2026:14:03:22 +0000`, as web servers write in their logs.
    pub fn common_log() -> Second {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        Second::new(|civil, out| {
            padded(civil.day, 2, out);
            out.push(b'/');
            out.extend_from_slice(MONTHS[civil.month as usize - 1].as_bytes());
            out.push(b'/');
            padded(civil.year, 4, out);
            out.push(b':');
            clock(civil, out);
            out.extend_from_slice(b" +0000");
        })
    }

    fn new(write: fn(Civil, &mut Vec<u8>)) -> Second {
        Second { unix: u64::MAX, write, text: Vec::new() }
    }

    /// Appends the second that `unix`, the time since the epoch, falls into.
    pub fn append(&mut self, unix: Duration, out: &mut Vec<u8>) {
        if unix.as_secs() != self.unix {
            self.unix = unix.as_secs();
            self.text.clear();
            (self.write)(Civil::of(self.unix), &mut self.text);
        }
        out.extend_from_slice(&self.text);
    }

    /// Appends the millisecond that `unix` falls into, with the `Z` of UTC.
    pub fn append_millis(&mut self, unix: Duration, out: &mut Vec<u8>) {
        self.append(unix, out);
        out.push(b'.');
        padded(u64::from(unix.subsec_millis()), 3, out);
        out.push(b'Z');
    }
}

fn clock(civil: Civil, out: &mut Vec<u8>) {
    padded(civil.second_of_day / 3600, 2, out);
    out.push(b':');
    padded(civil.second_of_day / 60 % 60, 2, out);
    out.push(b':');
    padded(civil.second_of_day % 60, 2, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unix: u64, iso: &str, common_log: &str) {
        for (mut second, expected) in [(Second::iso(), iso), (Second::common_log(), common_log)] {
            let mut out = Vec::new();
            second.append(Duration::from_secs(unix), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn seconds_are_written_as_the_calendar_says() {
        check(0, "1970-01-01T00:00:00", "01/Jan/1970:00:00:00 +0000");
        check(951_782_399, "2000-02-28T23:59:59", "28/Feb/2000:23:59:59 +0000");
        check(951_782_400, "2000-02-29T00:00:00", "29/Feb/2000:00:00:00 +0000");
        check(1_798_761_599, "2026-12-31T23:59:59", "31/Dec/2026:23:59:59 +0000");
        check(1_795_183_402, "2026-11-20T14:03:22", "20/Nov/2026:14:03:22 +0000");
    }

    #[test]
    fn numbers_are_filled_up_with_zeros() {
        let mut out = Vec::new();
        padded(7, 3, &mut out);
        padded(1234, 3, &mut out);
        hex(0xabc, &mut out);
        hundredths(1205, &mut out);
        assert_eq!(out, b"00712340000000000000abc12.05");
    }
}
