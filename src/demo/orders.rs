//! Orders of a shop, as `pipelines/orders.yaml` reads them.
//!
//! ```text
//! {"event":"order","id":4711,"customer":283412,"time":"2026-11-20T14:03:22.104Z","status":"paid","region":"eu",…
//! ```

use std::time::Duration;

use super::random::Random;
use super::text::{self, Second};
use super::{Figure, Generate, Totals};

/// The pipeline that counts them.
pub const PIPELINE: &str = "orders";

const STATUSES: [&str; 3] = ["created", "paid", "failed"];

/// The status whose amounts are revenue.
const PAID: usize = 1;

/// How many of 100 orders have each status.
const STATUS_SHARES: [u64; 3] = [30, 62, 8];

const REGIONS: [&str; 3] = ["eu", "us", "apac"];

/// The median latency in each region, in milliseconds.
const MEDIANS: [f64; 3] = [120.0, 180.0, 310.0];

const REGION_SHARES: [u64; 3] = [50, 35, 15];

/// The last one is what the pipeline calls an order without a channel.
const CHANNELS: [&str; 4] = ["web", "app", "store", "unknown"];

const CHANNEL_SHARES: [u64; 4] = [55, 30, 13, 2];

/// How many customers there are.
const CUSTOMERS: u64 = 900_000;

/// What is counted of an order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Who ordered: the key of the message, so that the orders of a customer stay in order.
    pub customer: u64,
    status: usize,
    region: usize,
    channel: usize,
    cents: u64,
    latency_ms: u64,
    bytes: u64,
}

/// What a right count of some orders comes to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    orders: [[u64; REGIONS.len()]; STATUSES.len()],
    cents: [u64; CHANNELS.len()],
    latencies_ms: [u64; REGIONS.len()],
    bytes: u64,
}

impl Tally {
    /// Counts an order.
    pub fn add(&mut self, order: &Order) {
        self.orders[order.status][order.region] += 1;
        if order.status == PAID {
            self.cents[order.channel] += order.cents;
        }
        self.latencies_ms[order.region] += order.latency_ms;
        self.bytes += order.bytes;
    }

    /// How many orders were counted.
    pub fn orders(&self) -> u64 {
        self.orders.iter().flatten().sum()
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add(Figure::SourceEvents, &[PIPELINE], self.orders());
        totals.add(Figure::SourceBytes, &[PIPELINE], self.bytes);
        for (status, regions) in STATUSES.iter().zip(self.orders) {
            for (region, orders) in REGIONS.iter().zip(regions) {
                totals.add(Figure::Orders, &[status, region], orders);
                totals.add(Figure::OrderLatencies, &[region], orders);
            }
        }
        for (channel, cents) in CHANNELS.iter().zip(self.cents) {
            totals.add(Figure::RevenueCents, &[channel], cents);
        }
        for (region, milliseconds) in REGIONS.iter().zip(self.latencies_ms) {
            totals.add(Figure::OrderLatencyMillis, &[region], milliseconds);
        }
        totals
    }
}

/// The generator.
#[derive(Clone, Debug)]
pub struct Orders {
    random: Random,
    second: Second,
    made: u64,
    tally: Tally,
}

impl Orders {
    /// The orders of a seed.
    pub fn new(seed: u64) -> Orders {
        Orders { random: Random::new(seed), second: Second::iso(), made: 0, tally: Tally::default() }
    }

    /// Appends one order as JSON. It is not in the totals: whoever delivers it tallies it.
    pub fn order(&mut self, unix: Duration, out: &mut Vec<u8>) -> Order {
        let start = out.len();
        self.made += 1;
        let mut order = self.draw();
        out.extend_from_slice(br#"{"event":"order","id":"#);
        text::number(self.made, out);
        out.extend_from_slice(br#","customer":"#);
        text::number(order.customer, out);
        out.extend_from_slice(br#","time":""#);
        self.second.append_millis(unix, out);
        for (key, value) in [("status", STATUSES[order.status]), ("region", REGIONS[order.region])] {
            text::json_text(key, value, out);
        }
        if order.channel < CHANNELS.len() - 1 {
            text::json_text("channel", CHANNELS[order.channel], out);
        }
        out.extend_from_slice(br#"","amount":"#);
        text::hundredths(order.cents, out);
        out.extend_from_slice(br#","latency_ms":"#);
        text::number(order.latency_ms, out);
        out.push(b'}');
        order.bytes = (out.len() - start) as u64;
        order
    }

    fn draw(&mut self) -> Order {
        let random = &mut self.random;
        let region = random.share(&REGION_SHARES);
        Order {
            customer: 100_000 + random.below(CUSTOMERS),
            status: random.share(&STATUS_SHARES),
            region,
            channel: random.share(&CHANNEL_SHARES),
            cents: 50 + random.skewed(3_500.0, 2.5) as u64,
            latency_ms: 1 + random.skewed(MEDIANS[region], 1.8) as u64,
            bytes: 0,
        }
    }
}

impl Generate for Orders {
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>) {
        let order = self.order(unix, out);
        self.tally.add(&order);
    }

    fn totals(&self) -> Totals {
        self.tally.totals()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::tests::generate;
    use serde_json::Value;

    #[test]
    fn totals_are_those_of_the_text() {
        let (orders, text) = generate(Orders::new(1), 20_000);
        let mut recount = Totals::default();
        for line in text.lines() {
            let order: Value = serde_json::from_str(line).unwrap();
            let of = |key: &str| order[key].as_str().unwrap_or("unknown").to_owned();
            let (status, region) = (of("status"), of("region"));
            recount.add(Figure::SourceEvents, &[PIPELINE], 1);
            recount.add(Figure::SourceBytes, &[PIPELINE], line.len() as u64);
            recount.add(Figure::Orders, &[&status, &region], 1);
            recount.add(Figure::OrderLatencies, &[&region], 1);
            recount.add(Figure::OrderLatencyMillis, &[&region], order["latency_ms"].as_u64().unwrap());
            if status == "paid" {
                let cents = (order["amount"].as_f64().unwrap() * 100.0).round() as u64;
                recount.add(Figure::RevenueCents, &[&of("channel")], cents);
            }
        }
        assert_eq!(orders.totals(), recount);
        assert_eq!(recount.of(Figure::Orders).count(), STATUSES.len() * REGIONS.len());
        assert_eq!(recount.of(Figure::RevenueCents).count(), CHANNELS.len());
    }

    #[test]
    fn an_order_is_what_the_pipeline_wants() {
        let mut out = Vec::new();
        let order = Orders::new(1).order(Duration::from_millis(1_795_183_402_104), &mut out);
        let text = String::from_utf8(out).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((json["event"].as_str(), json["id"].as_u64()), (Some("order"), Some(1)));
        assert_eq!(json["time"], "2026-11-20T14:03:22.104Z");
        assert_eq!((json["customer"].as_u64(), order.bytes), (Some(order.customer), text.len() as u64));
    }
}
