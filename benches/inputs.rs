//! The inputs of `benches/compare.sh` and `benches/instructions.sh`, with what a right count of them comes to.
//!
//! ```sh
//! cargo bench --bench inputs -- target/compare         # 5 M lines of each log, 3 M orders: 4 GB
//! cargo bench --bench inputs -- target/compare 0.01    # a hundredth of that
//! ```
//!
//! Everything follows from fixed seeds. For each job there is a file `<job>.expected` in the Prometheus text format. It
//! is recounted from the finished lines by splitting text, so that neither the generators nor the decoders of the
//! program vouch for themselves.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use streamgauge::demo::{AccessLog, AppLog, Generate, Random};

/// Where the logs begin: 2026-11-20 14:00 UTC.
const START: Duration = Duration::from_secs(1_795_183_200);

const LINES: f64 = 5e6;

const ORDERS: f64 = 3e6;

/// How many customers the orders of the first file have, of which nothing is counted, and those of the second.
const FEW_CUSTOMERS: f64 = 1e4;
const MANY_CUSTOMERS: f64 = 1e6;

/// Upper bounds of the buckets, in milliseconds.
const BUCKETS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

fn main() -> ExitCode {
    // Cargo passes `--bench` on, with which all benchmarks can be started at once; this one has nothing to measure.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (folder, scale) = match arguments.as_slice() {
        [folder] => (folder, 1.0),
        [folder, scale] => (folder, scale.parse().expect("the scale is a number such as 0.01")),
        _ => {
            say(format_args!("inputs: say where to: cargo bench --bench inputs -- FOLDER [SCALE]\n"));
            return ExitCode::SUCCESS;
        }
    };
    let inputs = Inputs { folder: PathBuf::from(folder), scale };
    fs::create_dir_all(&inputs.folder).expect("the folder can be made");
    inputs.app_log();
    inputs.access_log("access.log", 1).write(&inputs.expected("requests"));
    inputs.access_log("access-2.log", 2);
    inputs.orders();
    inputs.customers();
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is a program")]
fn say(text: fmt::Arguments<'_>) {
    print!("{text}");
}

/// Where everything is written, and which part of all.
struct Inputs {
    folder: PathBuf,
    scale: f64,
}

impl Inputs {
    fn expected(&self, job: &str) -> PathBuf {
        self.folder.join(job).with_extension("expected")
    }

    fn scaled(&self, number: f64) -> u64 {
        ((number * self.scale).round() as u64).max(1)
    }

    /// Writes a file line by line, each of which is shown to `recount`.
    fn write(
        &self,
        name: &str,
        records: f64,
        mut record: impl FnMut(Duration, &mut Vec<u8>),
        mut recount: impl FnMut(&str),
    ) {
        let path = self.folder.join(name);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path).expect("the folder is ours"));
        let (records, mut bytes) = (self.scaled(records), 0);
        let mut line = Vec::new();
        for at in 0..records {
            line.clear();
            record(START + Duration::from_micros(70 * at), &mut line);
            recount(std::str::from_utf8(&line).expect("what is generated is ASCII"));
            line.push(b'\n');
            file.write_all(&line).expect("there is room for the inputs");
            bytes += line.len();
        }
        file.flush().expect("there is room for the inputs");
        let mean = bytes as f64 / records as f64;
        say(format_args!("{name}: {records} records, {bytes} bytes, {mean:.1} each\n"));
    }

    /// W2: lines with a word, errors by service, and messages by what they say.
    fn app_log(&self) {
        let [mut words, mut services, mut one, mut hundred] = [(); 4].map(|()| Samples::default());
        let mut log = AppLog::new(1);
        self.write(
            "app.log",
            LINES,
            |unix, out| log.record(unix, out),
            |line| {
                let mut parts = line.splitn(4, ' ').skip(1);
                let mut next = || parts.next().expect("a line has a level, a service and a message");
                let (level, service, message) = (next(), next(), next());
                if line.contains("ERROR") {
                    words.add(1000, format_args!("errors_total"));
                }
                if level == "ERROR" {
                    services.add(1000, format_args!("errors_total{{service=\"{service}\"}}"));
                }
                let reason = reason(message);
                hundred.add(1000, format_args!("messages_total{{reason=\"{reason}\"}}"));
                let reason = if reason == "payment_declined" { &reason } else { "other" };
                one.add(1000, format_args!("messages_total{{reason=\"{reason}\"}}"));
            },
        );
        let jobs = [("words", words), ("services", services), ("one-rule", one), ("hundred-rules", hundred)];
        jobs.into_iter().for_each(|(job, samples)| samples.write(&self.expected(job)));
    }

    /// W1: requests by method, route and status, bytes and times by route.
    fn access_log(&self, name: &str, seed: u64) -> Samples {
        let mut samples = Samples::default();
        let mut log = AccessLog::new(seed);
        self.write(
            name,
            LINES,
            |unix, out| log.record(unix, out),
            |line| {
                let words: Vec<_> = line.split(' ').collect();
                let [_, _, _, _, _, method, path, _, status, bytes, .., seconds] = words[..] else {
                    panic!("no line of an access log: {line}");
                };
                let (method, route) = (&method[1..], path[1..].split(['/', '?']).next().unwrap_or_default());
                samples.add(
                    1000,
                    format_args!(
                        "http_requests_total{{method=\"{method}\",route=\"/{route}\",status=\"{status}\"}}"
                    ),
                );
                let bytes: u64 = bytes.parse().expect("bytes are a number");
                samples.add(1000 * bytes, format_args!("http_response_bytes_total{{route=\"/{route}\"}}"));
                let milliseconds: u64 = seconds.replace('.', "").parse().expect("a time has three decimals");
                samples.add_time(milliseconds, route);
            },
        );
        samples
    }

    /// W3: orders by status and region, money by status, latencies by region.
    fn orders(&self) {
        let mut samples = Samples::default();
        let mut latencies: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut shop = self.shop(FEW_CUSTOMERS);
        self.write(
            "orders.ndjson",
            ORDERS,
            |unix, out| shop.record(unix, out),
            |line| {
                let (status, region) = (text(line, "status"), text(line, "region"));
                samples.add(1000, format_args!("orders_total{{region=\"{region}\",status=\"{status}\"}}"));
                let cents: u64 =
                    number(line, "amount").replace('.', "").parse().expect("an amount has cents");
                samples.add(10 * cents, format_args!("order_amount_eur_total{{status=\"{status}\"}}"));
                let milliseconds = number(line, "latency_ms").parse().expect("a latency is whole");
                samples.add(1000, format_args!("order_latency_seconds_count{{region=\"{region}\"}}"));
                samples.add(milliseconds, format_args!("order_latency_seconds_sum{{region=\"{region}\"}}"));
                if let Some(of_region) = latencies.get_mut(region) {
                    of_region.push(milliseconds);
                } else {
                    latencies.insert(region.to_owned(), vec![milliseconds]);
                }
            },
        );
        for (region, mut latencies) in latencies {
            latencies.sort_unstable();
            for quantile in [0.5, 0.9, 0.99] {
                let rank = (latencies.len() as f64 * quantile).ceil() as usize;
                samples.add(
                    latencies[rank.max(1) - 1],
                    format_args!("order_latency_seconds{{quantile=\"{quantile}\",region=\"{region}\"}}"),
                );
            }
        }
        samples.write(&self.expected("orders"));
    }

    /// W3h: orders by customer.
    fn customers(&self) {
        let [mut customers, mut scrape] = [(); 2].map(|()| Samples::default());
        let mut shop = self.shop(MANY_CUSTOMERS);
        self.write("customers.ndjson", ORDERS, |unix, out| shop.record(unix, out), |line| {
            let (region, segment) = (text(line, "region"), text(line, "segment"));
            let customer = number(&line[line.find("\"customer\"").expect("an order has one")..], "id");
            customers.add(1000, format_args!("customer_orders_total{{customer=\"{customer}\"}}"));
            scrape.add(
                1000,
                format_args!(
                    "customer_orders_total{{customer=\"{customer}\",region=\"{region}\",segment=\"{segment}\"}}"
                ),
            );
        });
        customers.write(&self.expected("customers"));
        scrape.write(&self.expected("scrape"));
    }

    fn shop(&self, customers: f64) -> Shop {
        let customers = self.scaled(customers);
        let golden = (customers as f64 * 0.618) as u64;
        let step = (golden.max(1)..).find(|step| gcd(*step, customers) == 1);
        let step = step.expect("some number has no divisor in common with any other");
        Shop { random: Random::new(1), made: 0, customers, step }
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// What a message says, as the name of a rule: its words before the first `key=value`, with `_` between them.
fn reason(message: &str) -> String {
    let words = message.split(' ').take_while(|word| !word.contains('='));
    words.map(|word| word.trim_end_matches(',')).collect::<Vec<_>>().join("_")
}

/// The text that follows a key of JSON.
fn text<'l>(line: &'l str, key: &str) -> &'l str {
    number(line, key).trim_matches('"')
}

/// What follows a key of JSON up to where it must end.
fn number<'l>(line: &'l str, key: &str) -> &'l str {
    let is_it = |at: &usize| line[..*at].ends_with('"') && line[at + key.len()..].starts_with("\":");
    let at = line.match_indices(key).map(|(at, _)| at).find(is_it).expect("an order has all keys");
    let value = &line[at + key.len() + 2..];
    &value[..value.find([',', '}']).expect("an object ends")]
}

/// Orders of a shop as nested JSON.
struct Shop {
    random: Random,
    made: u64,
    customers: u64,
    /// From one customer to the next. It has no divisor in common with their number, so that all have their turn before
    /// one comes again.
    step: u64,
}

/// The region of each of 20 customers.
const REGIONS: [&str; 20] = [
    "eu", "eu", "eu", "eu", "eu", "eu", "eu", "eu", "eu", "eu", "us", "us", "us", "us", "us", "us", "us",
    "apac", "apac", "apac",
];

impl Shop {
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>) {
        let customer = self.made * self.step % self.customers;
        let region = REGIONS[(customer % 20) as usize];
        let segment = ["new", "returning", "business"][(customer / 20 % 3) as usize];
        self.made += 1;
        let random = &mut self.random;
        let status = ["created", "paid", "failed"][random.share(&[30, 62, 8])];
        let cents = 50 + random.skewed(3_500.0, 2.5) as u64;
        let median = if region == "apac" { 310.0 } else { 150.0 };
        let latency = 1 + random.skewed(median, 1.8) as u64;
        let method = random.pick(&["card", "invoice", "transfer"]);
        let [one, other] = [(); 2].map(|()| 10_000 + random.below(90_000));
        let (id, customer, zip) = (self.made, 1_000_000 + customer, 10_000 + customer % 90_000);
        let seconds = unix.as_secs();
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let (euros, rest, millis) = (cents / 100, cents % 100, unix.subsec_millis());
        let order = format!(
            "{{'event':'order','id':{id},'time':'2026-11-20T{hour:02}:{minute:02}:{second:02}.{millis:03}Z',\
             'status':'{status}','customer':{{'id':{customer},'segment':'{segment}',\
             'address':{{'region':'{region}','zip':'{zip}'}}}},\
             'items':[{{'sku':'A-{one}','quantity':2}},{{'sku':'B-{other}','quantity':1}}],\
             'payment':{{'method':'{method}','currency':'EUR','amount':{euros}.{rest:02}}},'latency_ms':{latency}}}"
        );
        out.extend(order.bytes().map(|byte| if byte == b'\'' { b'"' } else { byte }));
    }
}

/// Samples in thousandths, by name and labels.
#[derive(Default)]
struct Samples {
    values: HashMap<String, u64>,
    /// The one in hand.
    key: String,
}

impl Samples {
    fn add(&mut self, thousandths: u64, sample: fmt::Arguments<'_>) {
        self.key.clear();
        self.key.write_fmt(sample).expect("memory takes everything");
        if let Some(value) = self.values.get_mut(&self.key) {
            *value += thousandths;
        } else {
            self.values.insert(self.key.clone(), thousandths);
        }
    }

    /// Adds to a histogram of the times of a route.
    fn add_time(&mut self, milliseconds: u64, route: &str) {
        let name = "http_request_duration_seconds";
        for bound in BUCKETS {
            let (le, number) = (bound as f64 / 1000.0, if milliseconds <= bound { 1000 } else { 0 });
            self.add(number, format_args!("{name}_bucket{{le=\"{le}\",route=\"/{route}\"}}"));
        }
        self.add(1000, format_args!("{name}_bucket{{le=\"+Inf\",route=\"/{route}\"}}"));
        self.add(1000, format_args!("{name}_count{{route=\"/{route}\"}}"));
        self.add(milliseconds, format_args!("{name}_sum{{route=\"/{route}\"}}"));
    }

    fn write(&self, path: &Path) {
        let mut samples: Vec<_> = self.values.iter().collect();
        samples.sort_unstable();
        let mut file = BufWriter::new(File::create(path).expect("the folder is ours"));
        for (sample, thousandths) in samples {
            let (whole, rest) = (thousandths / 1000, thousandths % 1000);
            writeln!(file, "{sample} {whole}.{rest:03}").expect("there is room for the totals");
        }
        file.flush().expect("there is room for the totals");
    }
}
