//! The access log of a web server, as `pipelines/access-log.yaml` reads it.
//!
//! ```text
//! 203.0.113.9 - - [20/Nov/2026:14:03:21 +0000] "GET /products/42 HTTP/1.1" 200 5120 "-" "curl/8.5.0" 0.003
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use super::random::Random;
use super::text::{self, Second};
use super::{Figure, Generate, Totals};

/// The pipeline that counts it.
pub const PIPELINE: &str = "access-log";

/// How many routes there are.
pub const ROUTES: usize = 500;

const THINGS: [&str; 25] = [
    "products",
    "cart",
    "search",
    "orders",
    "login",
    "images",
    "prices",
    "reviews",
    "users",
    "stock",
    "brands",
    "offers",
    "coupons",
    "returns",
    "parcels",
    "invoices",
    "payments",
    "addresses",
    "wishes",
    "stores",
    "events",
    "news",
    "help",
    "teams",
    "reports",
];

const ASPECTS: [&str; 20] = [
    "", "-list", "-new", "-top", "-old", "-sale", "-gift", "-bulk", "-map", "-eu", "-us", "-asia", "-b2b",
    "-beta", "-feed", "-sync", "-draft", "-audit", "-stats", "-archive",
];

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "shop-app/4.2 (iOS 17.5)",
    "shop-app/4.1 (Android 14)",
    "curl/8.5.0",
];

const REFERERS: [&str; 3] = ["-", "https://shop.example/", "https://search.example/"];

/// Statuses with their shares of 1,000 requests that read, and that change something.
const READS: &[(u16, u64)] =
    &[(200, 905), (304, 45), (404, 28), (301, 8), (403, 5), (500, 5), (503, 3), (502, 1)];
const CHANGES: &[(u16, u64)] = &[(201, 700), (204, 240), (400, 35), (409, 12), (500, 9), (503, 4)];

struct Route {
    path: String,
    /// The method of its requests that change something.
    change: &'static str,
    median_seconds: f64,
}

/// The generator.
pub struct AccessLog {
    random: Random,
    second: Second,
    routes: Vec<Route>,
    /// By route, the part of all requests that go to it or to one before it.
    shares: Vec<f64>,
    lines: u64,
    /// Line ends included.
    bytes: u64,
    statuses: BTreeMap<u16, u64>,
    body_bytes: u64,
    milliseconds: u64,
}

impl AccessLog {
    /// The log of a seed.
    pub fn new(seed: u64) -> AccessLog {
        let mut random = Random::new(seed);
        let names = ASPECTS.iter().flat_map(|aspect| THINGS.map(|thing| format!("/{thing}{aspect}")));
        let route = |path| Route {
            path,
            change: random.pick(&["POST", "PUT", "DELETE"]),
            median_seconds: random.skewed(0.02, 2.0),
        };
        let routes = names.map(route).collect();
        AccessLog {
            shares: zipf(ROUTES),
            random,
            second: Second::common_log(),
            routes,
            lines: 0,
            bytes: 0,
            statuses: BTreeMap::new(),
            body_bytes: 0,
            milliseconds: 0,
        }
    }

    fn route(&mut self) -> usize {
        let drawn = self.random.unit();
        self.shares.partition_point(|share| *share <= drawn).min(ROUTES - 1)
    }

    fn client(&mut self, unix: Duration, out: &mut Vec<u8>) {
        out.extend_from_slice(self.random.pick(&["192.0.2.", "198.51.100.", "203.0.113."]).as_bytes());
        text::number(1 + self.random.below(254), out);
        out.extend_from_slice(b" - - [");
        self.second.append(unix, out);
        out.extend_from_slice(b"] \"");
    }

    fn target(&mut self, route: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.routes[route].path.as_bytes());
        match self.random.below(10) {
            0..7 => {
                out.push(b'/');
                text::number(self.random.below(100_000), out);
            }
            7 => {
                out.extend_from_slice(b"?page=");
                text::number(1 + self.random.below(20), out);
            }
            _ => {}
        }
    }

    fn status(&mut self, is_change: bool) -> u16 {
        let mut drawn = self.random.below(1000);
        for (status, share) in if is_change { CHANGES } else { READS } {
            match drawn.checked_sub(*share) {
                None => return *status,
                Some(rest) => drawn = rest,
            }
        }
        unreachable!("the shares add up to 1,000")
    }

    /// How long the request took, in milliseconds.
    fn duration(&mut self, route: usize, status: u16) -> u64 {
        let slower = if status >= 500 { 10.0 } else { 1.0 };
        let seconds = self.random.skewed(self.routes[route].median_seconds * slower, 2.2);
        (seconds * 1000.0) as u64 + 1
    }
}

/// The parts that the first 1, 2, … of `count` items have in all, where the n-th has 1/n times as much as the first.
fn zipf(count: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |rank| {
        sum += 1.0 / rank as f64;
        sum
    };
    let sums: Vec<f64> = (1..=count).map(add).collect();
    sums.iter().map(|part| part / sum).collect()
}

impl Generate for AccessLog {
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>) {
        let start = out.len();
        let route = self.route();
        let is_change = self.random.below(5) == 0;
        let status = self.status(is_change);
        let body = match status {
            204 | 304 => 0,
            _ => self.random.skewed(4000.0, 3.0) as u64,
        };
        let milliseconds = self.duration(route, status);
        self.client(unix, out);
        out.extend_from_slice(if is_change { self.routes[route].change } else { "GET" }.as_bytes());
        out.push(b' ');
        self.target(route, out);
        out.extend_from_slice(b" HTTP/1.1\" ");
        text::number(u64::from(status), out);
        out.push(b' ');
        text::number(body, out);
        for quoted in [self.random.pick(&REFERERS), self.random.pick(&AGENTS)] {
            out.extend_from_slice(b" \"");
            out.extend_from_slice(quoted.as_bytes());
            out.push(b'"');
        }
        out.push(b' ');
        text::number(milliseconds / 1000, out);
        out.push(b'.');
        text::padded(milliseconds % 1000, 3, out);
        self.lines += 1;
        self.bytes += (out.len() - start) as u64 + 1;
        *self.statuses.entry(status).or_default() += 1;
        self.body_bytes += body;
        self.milliseconds += milliseconds;
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add(Figure::SourceEvents, &[PIPELINE], self.lines);
        totals.add(Figure::SourceBytes, &[PIPELINE], self.bytes);
        for (status, requests) in &self.statuses {
            totals.add(Figure::Requests, &[&status.to_string()], *requests);
        }
        totals.add(Figure::ResponseBytes, &[], self.body_bytes);
        totals.add(Figure::Durations, &[], self.lines);
        totals.add(Figure::DurationMillis, &[], self.milliseconds);
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
        let (log, text) = generate(AccessLog::new(1), LINES);
        let mut recount = Totals::default();
        for line in text.lines() {
            let (_, answer) = line.split_once(" HTTP/1.1\" ").unwrap();
            let words: Vec<_> = answer.split(' ').collect();
            let seconds: f64 = words.last().unwrap().parse().unwrap();
            recount.add(Figure::SourceEvents, &[PIPELINE], 1);
            recount.add(Figure::SourceBytes, &[PIPELINE], line.len() as u64 + 1);
            recount.add(Figure::Requests, &[words[0]], 1);
            recount.add(Figure::ResponseBytes, &[], words[1].parse().unwrap());
            recount.add(Figure::Durations, &[], 1);
            recount.add(Figure::DurationMillis, &[], (seconds * 1000.0).round() as u64);
        }
        assert_eq!(log.totals(), recount);
    }

    #[test]
    fn lines_are_as_long_as_they_should_be() {
        let mean = generate(AccessLog::new(1), LINES).1.len() as f64 / LINES as f64;
        assert!((165.0..175.0).contains(&mean), "{mean} bytes a line");
    }

    #[test]
    fn a_few_routes_get_most_requests_and_all_get_some() {
        let (_, text) = generate(AccessLog::new(1), LINES);
        let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
        for line in text.lines() {
            let path = line.split(' ').nth(6).unwrap();
            *routes.entry(path[1..].split(['/', '?']).next().unwrap()).or_default() += 1;
        }
        assert_eq!(routes.len(), ROUTES);
        // The first of 500 has 1/H(500) of all, H being the harmonic numbers.
        let first = routes["products"] as f64 / LINES as f64;
        assert!((0.14..0.155).contains(&first), "{first}");
    }
}
