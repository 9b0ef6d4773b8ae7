//! Numbers as the formats write them: whole numbers in full, floats as Go's `strconv` prints them or plainly.

use crate::model::sum::Sum;

/// Writes a whole number.
pub fn whole(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a sum: exactly, in full, where it has no fraction, else as [`float`] does.
pub fn sum(sum: Sum, out: &mut Vec<u8>) {
    match sum.whole() {
        // Nearly all fit, and are written in half the time.
        Some(number) => match i64::try_from(number) {
            Ok(number) => whole(number, out),
            Err(_) => whole(number, out),
        },
        None => float(sum.value(), out),
    }
}

/// Writes the fewest digits that read back as `number`, byte for byte as Go's `FormatFloat(number, 'g', -1, 64)`
/// does and so as every exporter in Go: `0.005`, `1`, `100000`, `1e+06`, `1e-05`, `+Inf`, `-Inf`, `NaN`.
pub fn float(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(not_finite(number));
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number);
    match number.abs() {
        0.0 | 1e-4..1e6 => out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes()),
        _ => scientific(text, out),
    }
}

/// Writes a float as OpenMetrics wants it in `le`: as [`float`] does, but never looking like a whole number.
pub fn canonical(number: f64, out: &mut Vec<u8>) {
    let start = out.len();
    float(number, out);
    let looks_whole = out.iter().skip(start).all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
    if looks_whole {
        out.extend_from_slice(b".0");
    }
}

/// Writes the fewest digits that read back as `number`, with an exponent only where it is very large or very
/// small: `0.005`, `1800000000`, `1e+20`, `+Inf`, `-Inf`, `NaN`. The finite ones are JSON.
pub fn plain(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(not_finite(number));
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number);
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

fn not_finite(number: f64) -> &'static [u8] {
    if number.is_nan() {
        b"NaN"
    } else if number > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    }
}

/// Writes a decimal number other than 0, in whatever notation, as `d.ddde±dd`.
fn scientific(text: &str, out: &mut Vec<u8>) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().expect("what follows an e is a decimal exponent");
    let (sign, mantissa) = mantissa.split_at(usize::from(mantissa.starts_with('-')));
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let leading = mantissa.bytes().filter(|byte| *byte != b'.').take_while(|byte| *byte == b'0').count();

    out.extend_from_slice(sign.as_bytes());
    let start = out.len();
    out.extend(mantissa.bytes().filter(|byte| *byte != b'.').skip(leading));
    while out.len() > start + 1 && out.last() == Some(&b'0') {
        out.pop();
    }
    if out.len() > start + 1 {
        out.insert(start + 1, b'.');
    }
    write_exponent(exponent + point as i32 - 1 - leading as i32, out);
}

fn write_exponent(exponent: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    whole(exponent.unsigned_abs(), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl Fn(f64, &mut Vec<u8>), number: f64) -> String {
        let mut out = b"before ".to_vec();
        write(number, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    /// Bits of floats and what Go 1.26's `strconv.FormatFloat(number, 'g', -1, 64)` makes of them.
    const GO: &str = include_str!("number_go.txt");

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for line in GO.lines() {
            let (bits, text) = line.split_once(' ').unwrap();
            let number = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            assert_eq!(written(float, number), text, "{bits}");
        }
        assert!(GO.lines().count() > 300);
    }

    #[test]
    fn plain_numbers_have_no_exponent_where_people_would_write_none() {
        for (number, text) in [
            (0.0, "0"),
            (1.8e9, "1800000000"),
            (0.005, "0.005"),
            (-2.5, "-2.5"),
            (1_700_000_000.25, "1700000000.25"),
        ] {
            assert_eq!(written(plain, number), text);
        }
    }

    #[test]
    fn what_is_not_finite_has_its_own_words() {
        for (number, text) in
            [(f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN"), (-f64::NAN, "NaN")]
        {
            assert_eq!(written(float, number), text);
            assert_eq!(written(canonical, number), text);
        }
    }

    #[test]
    fn canonical_floats_follow_the_examples_of_the_specification() {
        for (number, text) in [
            (0.0, "0.0"),
            (0.001, "0.001"),
            (0.01, "0.01"),
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (9.999, "9.999"),
            (10.0, "10.0"),
            (1e-10, "1e-10"),
            (1e-9, "1e-09"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1e10, "1e+10"),
        ] {
            assert_eq!(written(canonical, number), text);
        }
    }

    #[test]
    fn whole_sums_are_written_in_full_however_large() {
        let mut total = Sum::ZERO;
        total.add(1e18);
        total.increment();
        let mut out = Vec::new();
        sum(total, &mut out);
        assert_eq!(out, b"1000000000000000001");
        total = Sum::ZERO;
        total.add(1_234_567.5);
        out.clear();
        sum(total, &mut out);
        assert_eq!(out, b"1.2345675e+06");
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back_the_same(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            for write in [float, plain] {
                let back: f64 = written(write, number).parse().unwrap();
                prop_assert!(back.to_bits() == bits || number.is_nan() && back.is_nan());
            }
        }
    }
}
