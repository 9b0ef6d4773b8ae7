//! The same requests in the notation of each decoder.

use std::time::Duration;

use streamgauge::demo::{AccessLog, Generate};

/// When they happened: 2026-11-20 14:00 UTC.
const START: Duration = Duration::from_secs(1_795_183_200);

/// The fields that are wanted of each.
pub const FIELDS: &str = "method, path, status, bytes, seconds";

/// How many fields those are.
pub const WANTED: usize = 5;

/// How many items each has in JSON.
pub const ITEMS: usize = 3;

/// Lines, for as long as the program runs.
#[derive(Clone, Copy)]
pub struct Lines {
    /// With their line ends.
    pub text: &'static [u8],
    /// Without.
    pub records: &'static [&'static [u8]],
}

impl Lines {
    pub fn new(text: String) -> Lines {
        let text: &'static str = text.leak();
        let records: Vec<_> = text.lines().map(str::as_bytes).collect();
        Lines { text: text.as_bytes(), records: records.leak() }
    }
}

/// What a line of the access log says.
pub struct Request {
    pub client: &'static str,
    pub time: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub status: &'static str,
    pub bytes: &'static str,
    pub agent: &'static str,
    pub seconds: &'static str,
}

impl Request {
    /// Takes a line apart, without any of what is measured.
    fn read(line: &'static str) -> Request {
        let parts: Vec<_> = line.split('"').collect();
        let [head, request, sizes, _, _, agent, seconds] = parts[..] else {
            panic!("no line of an access log: {line}")
        };
        let words = |text: &'static str| text.split([' ', '[', ']']).filter(|word| !word.is_empty());
        let mut of_request = words(request);
        let mut of_sizes = words(sizes);
        let mut next = || of_request.next().expect("a request has a method and a path");
        let (method, path) = (next(), next());
        let mut next = || of_sizes.next().expect("a status and a size follow the request");
        Request {
            client: words(head).next().expect("a line begins with a client"),
            time: head.split(['[', ']']).nth(1).expect("a time stands in brackets"),
            method,
            path,
            status: next(),
            bytes: next(),
            agent,
            seconds: seconds.trim(),
        }
    }

    pub fn status(&self) -> u16 {
        self.status.parse().expect("a status is a number")
    }

    pub fn seconds(&self) -> f64 {
        self.seconds.parse().expect("a time is a number")
    }
}

/// The requests, and their notations.
pub struct Requests {
    pub all: Vec<Request>,
    pub log: Lines,
    pub json: Lines,
    pub logfmt: Lines,
    pub csv: Lines,
    pub tsv: Lines,
}

impl Requests {
    pub fn new(records: usize) -> Requests {
        let mut log = Vec::new();
        AccessLog::new(1).fill(records as u64, START, &mut log);
        let log = Lines::new(String::from_utf8(log).expect("the log is ASCII"));
        let text = |record: &&'static [u8]| std::str::from_utf8(record).expect("the log is ASCII");
        let all: Vec<_> = log.records.iter().map(text).map(Request::read).collect();
        let lines = |line: fn(&Request) -> String| Lines::new(all.iter().map(line).collect());
        let (json, logfmt, csv, tsv) = (lines(json), lines(logfmt), lines(csv), lines(tsv));
        Requests { log, json, logfmt, csv, tsv, all }
    }

    /// How many are so.
    pub fn count(&self, is_so: impl Fn(&Request) -> bool) -> usize {
        self.all.iter().filter(|request| is_so(request)).count()
    }
}

fn json(request: &Request) -> String {
    let Request { client, time, method, path, status, bytes, agent, seconds } = request;
    let items: Vec<_> =
        (1..=ITEMS).map(|item| format!("{{\"sku\":\"{method}-{item}\",\"n\":{item}}}")).collect();
    format!(
        "{{\"client\":\"{client}\",\"time\":\"{time}\",\"method\":\"{method}\",\"path\":\"{path}\",\
         \"status\":{status},\"bytes\":{bytes},\"agent\":\"{agent}\",\"items\":[{}],\"seconds\":{seconds}}}\n",
        items.join(",")
    )
}

fn logfmt(request: &Request) -> String {
    let Request { client, time, method, path, status, bytes, agent, seconds } = request;
    format!(
        "client={client} time=\"{time}\" method={method} path=\"{path}\" status={status} bytes={bytes} \
         agent=\"{agent}\" seconds={seconds}\n"
    )
}

fn csv(request: &Request) -> String {
    let Request { client, time, method, path, status, bytes, agent, seconds } = request;
    format!("{client},{time},{method},{path},{status},{bytes},\"{agent}\",{seconds}\n")
}

fn tsv(request: &Request) -> String {
    let Request { client, time, method, path, status, bytes, agent, seconds } = request;
    format!("{client}\t{time}\t{method}\t{path}\t{status}\t{bytes}\t{agent}\t{seconds}\n")
}
