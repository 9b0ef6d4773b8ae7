//! Scrapes all the while, and holds each page against those before it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use streamgauge::base::shutdown::Shutdown;

use crate::program::get;
use crate::sample::{samples, total};

const INTERVAL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest page that was scraped, for those who wait for what it says.
#[derive(Default)]
pub struct Counted(Mutex<BTreeMap<String, f64>>);

impl Counted {
    /// A sample of the newest page; 0 if it is not there.
    pub fn sample(&self, name: &str) -> f64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// Waits until a sample has at least this value, or panics after a minute; not for longer than until `over` is raised.
    #[track_caller]
    pub fn wait_for(&self, name: &str, value: f64, over: &Shutdown) {
        let pause = Duration::from_millis(5);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if self.sample(name) >= value || over.wait(pause) {
                return;
            }
        }
        panic!("after a minute {name} is {} instead of {value}", self.sample(name));
    }
}

/// Everything that was ever scraped, as far as it must not change or go back.
#[derive(Default)]
pub struct Seen {
    counters: BTreeMap<String, f64>,
    created: BTreeMap<String, f64>,
    /// How many pages there were.
    pub pages: u64,
    /// How often there was none: the program was not there, or was killed in the midst of it.
    pub failures: u64,
}

/// Scrapes until `over` is raised. `prefixes` are those of the pipelines' metrics.
pub fn scrape(address: &str, prefixes: &[&str], counted: &Counted, over: &Shutdown) -> Seen {
    let mut seen = Seen::default();
    while !over.wait(INTERVAL) {
        // Now and then with the times of birth, which only OpenMetrics has.
        let accept = match seen.pages % 4 {
            0 => "Accept: application/openmetrics-text; version=1.0.0\r\n",
            _ => "",
        };
        let Ok((head, page)) = get(address, "/metrics", accept) else {
            seen.failures += 1;
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        seen.pages += 1;
        let samples = samples(&page);
        seen.take(&page, &samples);
        prefixes.iter().for_each(|prefix| check_cut(prefix, &samples));
        *counted.0.lock().unwrap() = samples;
    }
    seen
}

impl Seen {
    /// Checks that nothing of a page went back, or is gone.
    fn take(&mut self, page: &str, samples: &BTreeMap<String, f64>) {
        for name in self.counters.keys() {
            assert!(samples.contains_key(name), "{name} was there, and is gone");
        }
        for (name, value) in samples.iter().filter(|(name, _)| is_counter(name)) {
            let before = self.counters.insert(name.clone(), *value).unwrap_or_default();
            assert!(*value >= before, "{name} went from {before} back to {value}");
        }
        if !page.ends_with("# EOF\n") {
            return;
        }
        let created: BTreeMap<_, _> = samples
            .iter()
            .filter(|(name, _)| name.split('{').next().unwrap().ends_with("_created"))
            .collect();
        for (name, before) in &self.created {
            assert_eq!(created.get(name).copied(), Some(before), "{name}");
        }
        let kept = created.into_iter().filter(|(name, _)| is_kept(name));
        self.created.extend(kept.map(|(name, value)| (name.clone(), *value)));
    }

    /// How many counters were watched, and how many times of birth.
    pub fn watched(&self) -> (usize, usize) {
        (self.counters.len(), self.created.len())
    }
}

/// Whether a sample lasts longer than the process.
fn is_kept(name: &str) -> bool {
    ["files_", "topic_", "streamgauge_source_events", "streamgauge_source_bytes", "streamgauge_instance_info"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn is_counter(name: &str) -> bool {
    let family = name.split('{').next().unwrap();
    let ends = ["_total", "_bucket", "_count", "_sum", "_info"].iter().any(|end| family.ends_with(end));
    is_kept(name) && ends
}

/// Checks that a page is one consistent cut: everything that counts the events of a pipeline says the same.
fn check_cut(prefix: &str, samples: &BTreeMap<String, f64>) {
    let events = samples[&format!("{prefix}_events_total")];
    for name in ["kinds_total", "lanes_total", "amount_count", "recent_count"] {
        assert_eq!(total(samples, &format!("{prefix}_{name}")), events, "{prefix}_{name}");
    }
    let source = if prefix == "files" { "file" } else { "kafka" };
    let name = format!("streamgauge_source_events_total{{pipeline=\"{prefix}\",source=\"{source}\"}}");
    assert_eq!(samples[&name], events, "{name}");
    for sum in ["amount_sum", "recent_sum"] {
        let amounts = total(samples, &format!("{prefix}_amounts_total"));
        assert_eq!(total(samples, &format!("{prefix}_{sum}")), amounts, "{prefix}_{sum}");
    }
}
