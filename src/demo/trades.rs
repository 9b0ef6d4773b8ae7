//! Trades of a feed, as `pipelines/trades.yaml` reads them.
//!
//! ```text
//! {"type":"trade","seq":4711,"time":"2026-11-20T14:03:22.104Z","symbol":"OAK","side":"buy","price":101.25,"size":300}
//! ```

use std::time::Duration;

use super::random::Random;
use super::text::{self, Second};
use super::{Figure, Generate, Totals};

/// The pipeline that counts them.
pub const PIPELINE: &str = "trades";

const SYMBOLS: [&str; 20] = [
    "OAK", "ASH", "ELM", "FIR", "YEW", "BIRCH", "CEDAR", "ALDER", "MAPLE", "PINE", "LARCH", "BEECH", "HAZEL",
    "ROWAN", "ASPEN", "WILLOW", "LINDEN", "ACACIA", "CYPRESS", "JUNIPER",
];

const SIDES: [&str; 2] = ["buy", "sell"];

/// What is counted of a symbol.
#[derive(Clone, Copy, Debug)]
struct Market {
    /// The price now, and the one that it began with, in cents.
    price: u64,
    first: u64,
    trades: [u64; SIDES.len()],
    volume: u64,
}

/// The generator.
#[derive(Clone, Debug)]
pub struct Trades {
    random: Random,
    second: Second,
    markets: [Market; SYMBOLS.len()],
    made: u64,
    bytes: u64,
}

impl Trades {
    /// The trades of a seed.
    pub fn new(seed: u64) -> Trades {
        let mut random = Random::new(seed);
        let markets = SYMBOLS.map(|_| {
            let price = 500 + random.skewed(8_000.0, 2.0) as u64;
            Market { price, first: price, trades: [0; SIDES.len()], volume: 0 }
        });
        Trades { random, second: Second::iso(), markets, made: 0, bytes: 0 }
    }

    /// How many trades there were.
    pub fn made(&self) -> u64 {
        self.made
    }
}

impl Market {
    /// The price goes a small step up or down, and never far from where it began.
    fn step(&mut self, random: &mut Random) {
        let step = random.bell() * (self.price as f64 * 0.0004).max(1.0);
        let price = self.price.saturating_add_signed(step.round() as i64);
        self.price = price.clamp(self.first / 2, self.first * 2);
    }
}

impl Generate for Trades {
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>) {
        let start = out.len();
        // The first ones are the busiest.
        let [one, other] = [(); 2].map(|()| self.random.below(SYMBOLS.len() as u64) as usize);
        let symbol = one.min(other);
        let side = self.random.below(SIDES.len() as u64) as usize;
        let size = 1 + self.random.skewed(120.0, 3.0) as u64;
        let market = &mut self.markets[symbol];
        market.step(&mut self.random);
        market.trades[side] += 1;
        market.volume += size;
        self.made += 1;
        out.extend_from_slice(br#"{"type":"trade","seq":"#);
        text::number(self.made, out);
        out.extend_from_slice(br#","time":""#);
        self.second.append_millis(unix, out);
        text::json_text("symbol", SYMBOLS[symbol], out);
        text::json_text("side", SIDES[side], out);
        out.extend_from_slice(br#"","price":"#);
        text::hundredths(market.price, out);
        out.extend_from_slice(br#","size":"#);
        text::number(size, out);
        out.push(b'}');
        self.bytes += (out.len() - start) as u64;
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add(Figure::SourceEvents, &[PIPELINE], self.made);
        totals.add(Figure::SourceBytes, &[PIPELINE], self.bytes);
        for (symbol, market) in SYMBOLS.iter().zip(&self.markets) {
            for (side, trades) in SIDES.iter().zip(market.trades) {
                totals.add(Figure::Trades, &[symbol, side], trades);
                totals.add(Figure::TradeSizes, &[symbol], trades);
            }
            totals.add(Figure::TradeVolume, &[symbol], market.volume);
            totals.add(Figure::TradeSizeSum, &[symbol], market.volume);
            // A price that nobody has paid yet is not one.
            if market.volume > 0 {
                totals.add(Figure::PriceCents, &[symbol], market.price);
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::demo::tests::generate;
    use serde_json::Value;

    #[test]
    fn totals_are_those_of_the_text() {
        let (trades, text) = generate(Trades::new(1), 20_000);
        let mut recount = Totals::default();
        let mut prices = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let trade: Value = serde_json::from_str(line).unwrap();
            let [symbol, side] = ["symbol", "side"].map(|key| trade[key].as_str().unwrap().to_owned());
            let size = trade["size"].as_u64().unwrap();
            assert_eq!(trade["seq"], at as u64 + 1);
            recount.add(Figure::SourceEvents, &[PIPELINE], 1);
            recount.add(Figure::SourceBytes, &[PIPELINE], line.len() as u64);
            recount.add(Figure::Trades, &[&symbol, &side], 1);
            recount.add(Figure::TradeVolume, &[&symbol], size);
            recount.add(Figure::TradeSizes, &[&symbol], 1);
            recount.add(Figure::TradeSizeSum, &[&symbol], size);
            prices.insert(symbol, (trade["price"].as_f64().unwrap() * 100.0).round() as u64);
        }
        prices.iter().for_each(|(symbol, cents)| recount.add(Figure::PriceCents, &[symbol], *cents));
        assert_eq!(trades.totals(), recount);
        assert_eq!(recount.of(Figure::Trades).count(), SYMBOLS.len() * SIDES.len());
    }

    #[test]
    fn a_price_moves_and_stays_in_sight_of_where_it_began() {
        let first = Trades::new(1).markets.map(|market| market.price);
        let (trades, _) = generate(Trades::new(1), 200_000);
        for (market, first) in trades.markets.iter().zip(first) {
            assert!((first / 2..=first * 2).contains(&market.price), "{first} became {}", market.price);
        }
        assert_ne!(trades.markets.map(|market| market.price), first);
    }
}
