//! An application log, as `pipelines/log-errors.yaml` reads it.
//!
//! ```text
//! 2026-11-20T14:03:22.104Z ERROR billing payment declined order=471117 user=283412 took=37ms host=node-07.shop …
//! ```

use std::time::Duration;

use super::random::Random;
use super::text::{self, Second};
use super::{Figure, Generate, Totals};

/// The pipeline that counts it.
pub const PIPELINE: &str = "log-errors";

/// A level, how many of 1,000 lines have it, and what such lines say.
#[derive(Clone, Copy)]
struct Level {
    name: &'static str,
    share: u64,
    is_error: bool,
    messages: &'static [&'static str],
}

const LEVELS: [Level; 5] = [
    Level {
        name: "INFO",
        share: 850,
        is_error: false,
        messages: &[
            "item added to the cart",
            "order accepted and handed to the warehouse",
            "payment authorised by the bank",
            "price list loaded from the catalogue",
            "session opened for a returning customer",
            "parcel label printed",
            "confirmation sent by mail",
        ],
    },
    Level {
        name: "DEBUG",
        share: 80,
        is_error: false,
        messages: &["query served from the cache", "connection taken from the pool", "retry not needed"],
    },
    Level {
        name: "WARN",
        share: 50,
        is_error: false,
        messages: &["answer was slow, kept waiting", "stock is low", "token expires soon, renewed early"],
    },
    Level {
        name: "ERROR",
        share: 19,
        is_error: true,
        messages: &[
            "payment declined",
            "connection refused by the database",
            "timed out while waiting for the warehouse",
            "order has no such item",
        ],
    },
    Level {
        name: "FATAL",
        share: 1,
        is_error: true,
        messages: &["out of memory, giving up", "disk is full"],
    },
];

const SERVICES: [&str; 20] = [
    "checkout",
    "cart",
    "search",
    "billing",
    "catalogue",
    "login",
    "orders",
    "payment",
    "pricing",
    "shipping",
    "stock",
    "mail",
    "profile",
    "reviews",
    "gateway",
    "coupons",
    "returns",
    "reports",
    "images",
    "audit",
];

/// The generator.
#[derive(Clone, Debug)]
pub struct AppLog {
    random: Random,
    second: Second,
    lines: [u64; LEVELS.len()],
    errors: [u64; SERVICES.len()],
    /// Line ends included.
    bytes: u64,
}

impl AppLog {
    /// The log of a seed.
    pub fn new(seed: u64) -> AppLog {
        AppLog {
            random: Random::new(seed),
            second: Second::iso(),
            lines: [0; LEVELS.len()],
            errors: [0; SERVICES.len()],
            bytes: 0,
        }
    }
}

impl Generate for AppLog {
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>) {
        let start = out.len();
        let level = self.random.share(&LEVELS.map(|level| level.share));
        // The first ones are the busiest.
        let [one, other] = [(); 2].map(|()| self.random.below(SERVICES.len() as u64) as usize);
        let service = one.min(other);
        self.second.append_millis(unix, out);
        out.push(b' ');
        out.extend_from_slice(LEVELS[level].name.as_bytes());
        out.push(b' ');
        out.extend_from_slice(SERVICES[service].as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.random.pick(LEVELS[level].messages).as_bytes());
        out.extend_from_slice(b" order=");
        text::number(100_000 + self.random.below(900_000), out);
        out.extend_from_slice(b" user=");
        text::number(100_000 + self.random.below(900_000), out);
        out.extend_from_slice(b" took=");
        text::number(self.random.skewed(30.0, 3.0) as u64, out);
        out.extend_from_slice(b"ms host=node-");
        text::padded(self.random.below(40), 2, out);
        out.extend_from_slice(b".shop trace=");
        text::hex(self.random.bits(), out);
        self.lines[level] += 1;
        self.errors[service] += u64::from(LEVELS[level].is_error);
        self.bytes += (out.len() - start) as u64 + 1;
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add(Figure::SourceEvents, &[PIPELINE], self.lines.iter().sum());
        totals.add(Figure::SourceBytes, &[PIPELINE], self.bytes);
        for (level, lines) in LEVELS.iter().zip(self.lines) {
            totals.add(Figure::LogLines, &[level.name], lines);
        }
        for (service, errors) in SERVICES.iter().zip(self.errors) {
            totals.add(Figure::LogErrors, &[service], errors);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::tests::generate;

    const LINES: u64 = 50_000;

    #[test]
    fn totals_are_those_of_the_text() {
        let (log, text) = generate(AppLog::new(1), LINES);
        let mut recount = Totals::default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            recount.add(Figure::SourceEvents, &[PIPELINE], 1);
            recount.add(Figure::SourceBytes, &[PIPELINE], line.len() as u64 + 1);
            recount.add(Figure::LogLines, &[words[1]], 1);
            recount.add(Figure::LogErrors, &[words[2]], u64::from(["ERROR", "FATAL"].contains(&words[1])));
        }
        assert_eq!(log.totals(), recount);
        let lines = text.lines().filter(|line| line.contains("ERROR")).count() as u64;
        assert!(log.totals().of(Figure::LogLines).any(|total| total == (&["ERROR".to_owned()][..], lines)));
    }

    #[test]
    fn lines_are_as_long_and_as_often_errors_as_they_should_be() {
        let (log, text) = generate(AppLog::new(1), LINES);
        let mean = text.len() as f64 / LINES as f64;
        assert!((140.0..150.0).contains(&mean), "{mean} bytes a line");
        let errors = log.totals().sum(Figure::LogErrors) as f64 / LINES as f64;
        assert!((0.018..0.022).contains(&errors), "{errors} of the lines are errors");
        assert_eq!(log.totals().of(Figure::LogErrors).count(), SERVICES.len());
    }
}
