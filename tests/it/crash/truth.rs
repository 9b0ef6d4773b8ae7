//! The events, each made of its number alone, and what their metrics must say.

use std::collections::BTreeMap;

const KINDS: [&str; 3] = ["buy", "look", "sell"];
const STEPS: u64 = 1000;
/// OpenMetrics, which Prometheus asks for, writes them the same way.
const BOUNDS: [&str; 4] = ["0.25", "10.5", "100.5", "200.25"];

/// The metrics of a pipeline, whose names begin with PREFIX. Amounts are multiples of a quarter, so that their sums are exact.
const METRICS: &str = "decode: json
metrics:
  - counter: {name: PREFIX_events_total, help: Events.}
  - counter: {name: PREFIX_kinds_total, help: Events., labels: [kind], init: {kind: [buy, look, sell]}}
  - counter: {name: PREFIX_lanes_total, help: Events., labels: {lane: LANE, part: part}}
  - counter: {name: PREFIX_numbers_total, help: Numbers., value: number}
  - counter: {name: PREFIX_amounts_total, help: Amounts., value: amount, labels: [kind], init: {kind: [buy, look, sell]}}
  - histogram: {name: PREFIX_amount, help: Amounts., value: amount, labels: [kind], buckets: [0.25, 10.5, 100.5, 200.25], init: {kind: [buy, look, sell]}}
  - summary: {name: PREFIX_recent, help: Amounts., value: amount, labels: [kind], quantiles: [0.1, 0.5, 0.9], window: 1h, init: {kind: [buy, look, sell]}}
  - gauge: {name: PREFIX_last, help: The last number., value: number, labels: {lane: LANE}}
";

/// Decoder and metrics of a pipeline whose lanes are told apart by the field `lane`.
pub fn metrics(prefix: &str, lane: &str) -> String {
    METRICS.replace("PREFIX", prefix).replace("LANE", lane)
}

fn kind(number: u64) -> usize {
    ((number / 3 + number * number) % KINDS.len() as u64) as usize
}

/// A number of quarters.
fn steps(number: u64) -> u64 {
    number * 37 % STEPS + 1
}

/// The event of this number, as JSON; `part` tells the parts of a lane from each other.
pub fn event(number: u64, part: usize) -> String {
    let (kind, amount) = (KINDS[kind(number)], steps(number) as f64 / 4.0);
    format!(r#"{{"number":{number},"kind":"{kind}","amount":{amount},"part":{part}}}"#)
}

/// What the metrics of a pipeline are to say.
pub struct Truth {
    /// What the metrics' names begin with.
    pub prefix: &'static str,
    /// How often each amount was there, by kind.
    amounts: [Vec<u64>; KINDS.len()],
    numbers: u64,
    /// The number of the last event of a lane.
    last: BTreeMap<String, u64>,
    /// How many events a part of a lane has.
    parts: BTreeMap<(String, usize), u64>,
}

impl Truth {
    /// Before the first event.
    pub fn new(prefix: &'static str) -> Truth {
        let amounts = std::array::from_fn(|_| vec![0; STEPS as usize + 1]);
        Truth { prefix, amounts, numbers: 0, last: BTreeMap::new(), parts: BTreeMap::new() }
    }

    /// Takes in the next events of a lane, which are of this part of it.
    pub fn add(&mut self, lane: &str, part: usize, numbers: impl Iterator<Item = u64>) {
        let events = self.parts.entry((lane.to_owned(), part)).or_default();
        for number in numbers {
            self.amounts[kind(number)][steps(number) as usize] += 1;
            self.numbers += number;
            *events += 1;
            self.last.insert(lane.to_owned(), number);
        }
    }

    /// How many events there are.
    pub fn events(&self) -> u64 {
        self.parts.values().sum()
    }

    /// The samples that have to be there from the start, with their values in the end.
    pub fn samples(&self) -> BTreeMap<String, f64> {
        let prefix = self.prefix;
        let mut samples = BTreeMap::from([
            (format!("{prefix}_events_total"), self.events() as f64),
            (format!("{prefix}_numbers_total"), self.numbers as f64),
        ]);
        for (kind, amounts) in KINDS.iter().zip(&self.amounts) {
            let up_to = |most: u64| amounts[..=most as usize].iter().sum::<u64>() as f64;
            let sum = amounts.iter().zip(0..).map(|(times, steps)| times * steps).sum::<u64>() as f64 / 4.0;
            for (name, value) in [
                ("kinds_total", up_to(STEPS)),
                ("amounts_total", sum),
                ("amount_count", up_to(STEPS)),
                ("amount_sum", sum),
                ("recent_count", up_to(STEPS)),
                ("recent_sum", sum),
            ] {
                samples.insert(format!("{prefix}_{name}{{kind=\"{kind}\"}}"), value);
            }
            let bounds = BOUNDS.map(|bound| (bound, (bound.parse::<f64>().unwrap() * 4.0) as u64));
            for (bound, steps) in bounds.into_iter().chain([("+Inf", STEPS)]) {
                let name = format!("{prefix}_amount_bucket{{kind=\"{kind}\",le=\"{bound}\"}}");
                samples.insert(name, up_to(steps));
            }
        }
        samples
    }

    /// The samples of the lanes, which come with their first events.
    fn lanes(&self) -> BTreeMap<String, f64> {
        let Truth { prefix, last, parts, .. } = self;
        let last =
            last.iter().map(|(lane, last)| (format!("{prefix}_last{{lane=\"{lane}\"}}"), *last as f64));
        let parts = parts.iter().map(|((lane, part), events)| {
            (format!("{prefix}_lanes_total{{lane=\"{lane}\",part=\"{part}\"}}"), *events as f64)
        });
        last.chain(parts).collect()
    }

    /// Checks that these samples say it, and nothing else: all but the quantiles exactly.
    #[track_caller]
    pub fn check(&self, found: &BTreeMap<String, f64>) {
        let is_own = |name: &str| name.starts_with(&format!("{}_", self.prefix));
        let own = found.iter().filter(|(name, _)| is_own(name));
        let (quantiles, exact): (Vec<_>, Vec<_>) = own.partition(|(name, _)| name.contains("quantile="));
        let exact: BTreeMap<_, _> = exact.into_iter().map(|(name, value)| (name.clone(), *value)).collect();
        let mut expected = self.samples();
        expected.append(&mut self.lanes());
        let wrong: Vec<_> = expected.iter().filter(|(name, value)| exact.get(*name) != Some(value)).collect();
        assert!(wrong.is_empty(), "expected {wrong:?}, found {exact:?}");
        assert_eq!(exact.len(), expected.len(), "there are others: {exact:?}");
        assert_eq!(quantiles.len(), 3 * KINDS.len());
        for (name, value) in quantiles {
            let quantile = name.split("quantile=\"").nth(1).unwrap().split('"').next().unwrap();
            let kind = KINDS.iter().position(|kind| name.contains(&format!("\"{kind}\""))).unwrap();
            let expected = self.quantile(kind, quantile.parse().unwrap());
            // The sketch's error is at most 1 %; the next rank may hold the next amount.
            let tolerance = expected * 0.01 + 0.25;
            assert!((value - expected).abs() <= tolerance, "{name} is {value}, expected {expected}");
        }
    }

    fn quantile(&self, kind: usize, quantile: f64) -> f64 {
        let amounts = &self.amounts[kind];
        let rank = quantile * amounts.iter().sum::<u64>() as f64;
        let mut below = 0;
        let reaches = |times: &u64| {
            below += times;
            below as f64 >= rank
        };
        amounts.iter().position(reaches).unwrap() as f64 / 4.0
    }
}
