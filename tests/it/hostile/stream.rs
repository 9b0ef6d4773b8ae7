//! Lines that mean harm, in the format of a decoder and in none.

use std::io::Write;

use streamgauge::demo::Random;

/// Longer than a line may be.
const TOO_LONG: usize = (1 << 20) + 1;

/// What a number is not, or not quite.
const NUMBERS: &[&str] = &[
    "1e999",
    "-1e999",
    "NaN",
    "-NaN",
    "inf",
    "-0.0",
    "1e-400",
    "5e-324",
    "1e308",
    "-1e308",
    "1e-300",
    "9223372036854775808",
    "-9223372036854775809",
    "0x10",
    "1_000",
    "\u{661}",
    "",
    "null",
    "true",
    "[1]",
    "{}",
    "0.1",
    "7",
    "-7",
    "123456",
    "99999999999999999999999999999999999999999999",
];

/// What a label value should not be.
const TEXTS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xfe",
    b"a\0b",
    b"\xed\xa0\x80",
    b"\\",
    b"\\\"",
    b"\\n",
    b"\x1b[2J",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"__overflow__",
    b"{x=y}",
    b"a,b c",
    b"# HELP",
    b"\xf0\x9f\x98\x80",
    b"\r",
    b"\t",
    b"ok",
];

/// An endless supply of lines.
pub struct Stream {
    format: &'static str,
    random: Random,
}

impl Stream {
    pub fn new(format: &'static str, seed: u64) -> Stream {
        Stream { format, random: Random::new(seed) }
    }

    /// Appends a line without its end.
    pub fn line(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        match self.random.below(1000) {
            0 => out.resize(start + TOO_LONG, b'['),
            1 => self.deep(out),
            2 => self.record(&[b"k".repeat(100_000).as_slice()], out),
            3..100 => self.noise(out),
            100..400 => {
                let user = format!("user-{}", self.random.below(1 << 40));
                self.record(&[user.as_bytes()], out);
            }
            400..420 => self.record(&[b"\xc3\xa9\xff".repeat(500).as_slice()], out),
            _ => {
                let texts = [self.random.pick(TEXTS), self.random.pick(TEXTS)];
                self.record(&texts, out);
            }
        }
        // The line ends where its end is written.
        out[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    }

    /// Lines with label values that nothing had before.
    pub fn label_values(&mut self, values: std::ops::Range<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for value in values {
            self.record(&[format!("new-{value}").as_bytes()], &mut out);
            out.push(b'\n');
        }
        out
    }

    fn noise(&mut self, out: &mut Vec<u8>) {
        let len = 1 << self.random.below(10);
        let random = &mut self.random;
        out.extend((0..len).map(|_| random.bits() as u8));
    }

    /// Half a megabyte of brackets, of which the last few may be closed.
    fn deep(&mut self, out: &mut Vec<u8>) {
        let depth = self.random.pick(&[100, 127, 128, 129, 100_000]);
        let start = if self.format == "json" { &b"{\"user\":"[..] } else { b"user=" };
        out.extend_from_slice(start);
        out.extend(b"[".repeat(depth));
        out.extend(b"]".repeat(depth));
        out.push(b'}');
    }

    /// A record in the format at hand, as well as its label value allows.
    fn record(&mut self, user: &[&[u8]], out: &mut Vec<u8>) {
        let number = match self.random.below(3) {
            0 => self.random.pick(NUMBERS).to_owned(),
            1 => self.random.below(2_000_000).to_string(),
            _ => format!("{:e}", f64::from_bits(self.random.bits())),
        };
        let user = user.concat();
        let parts: [&[u8]; 3] = match self.format {
            "json" => [b"{\"user\":{\"id\":\"", b"\"},\"v\":", b",\"w\":[{\"\":\"\\u0000\\ud83d\\ude00\"}]}"],
            "regex" => [b"", b" ", b""],
            "logfmt" => [b"user=\"", b"\" v=", b" ok k=\"\""],
            "csv" => [b"\"", b"\",", b",\"x\"\"y\""],
            _ => [b"", b"", b""],
        };
        let both: [&[u8]; 5] = [parts[0], &user, parts[1], number.as_bytes(), parts[2]];
        match self.format {
            "text" if self.random.below(2) == 0 => out.extend_from_slice(number.as_bytes()),
            "text" => out.extend_from_slice(&user),
            _ => both.iter().for_each(|part| out.write_all(part).expect("writing to memory cannot fail")),
        }
    }
}
