//! What sources report: faults, how far they are behind, what keeps them from working, and metrics of their own kinds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::batch::{Lane, LaneId};
use crate::model::family::FamilyKind;

/// How far a lane is behind its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lag {
    /// Bytes of a file.
    Bytes(u64),
    /// Messages of a partition, and the age in seconds of the newest one that was read while others wait.
    Messages {
        /// How many are not read yet.
        messages: u64,
        /// How far behind in time that is.
        seconds: f64,
    },
    /// The lane has no end that could be known.
    Unknown,
}

impl Lag {
    /// Both lags as one: of lanes that share a name.
    fn and(self, other: Lag) -> Lag {
        match (self, other) {
            (Lag::Bytes(one), Lag::Bytes(two)) => Lag::Bytes(one + two),
            (
                Lag::Messages { messages: one, seconds: early },
                Lag::Messages { messages: two, seconds: late },
            ) => Lag::Messages { messages: one + two, seconds: early.max(late) },
            (Lag::Unknown, known) | (known, _) => known,
        }
    }
}

/// A metric that one kind of source has beside those of every source.
#[derive(Debug)]
pub struct Meter {
    /// Its name, with `streamgauge_`.
    pub name: &'static str,
    /// One sentence on what it is.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: FamilyKind,
    /// Its label beside `pipeline` and `source`. Without one it is 0 from the start.
    pub label: Option<&'static str>,
}

/// What becomes of a meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It grows by this.
    Add(f64),
    /// It is this from now on.
    Set(f64),
}

/// How long an incident is told.
const KEPT: Duration = Duration::from_secs(600);

/// How many are kept: of a flood the first.
const MAX_INCIDENTS: usize = 32;

/// What sources report, by pipeline. Written by source threads, read by expositions; both rarely.
#[derive(Debug, Default)]
pub struct Sources(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What the pipelines are called.
    names: BTreeMap<usize, String>,
    errors: BTreeMap<(usize, &'static str), u64>,
    /// The lane's name and how far it is behind.
    lags: BTreeMap<(usize, LaneId), (String, Lag)>,
    /// Why a pipeline's source ended that should not have.
    failures: BTreeMap<usize, String>,
    /// By pipeline and what is the matter: what is wrong with it.
    troubles: BTreeMap<(usize, String), String>,
    /// By pipeline and what it happened to: what happened last, and when.
    incidents: BTreeMap<(usize, String), (String, Duration)>,
    /// By the meter's name, pipeline and label.
    meters: BTreeMap<(&'static str, usize, String), f64>,
}

impl Sources {
    /// Begins with the source of a pipeline that is called so. What was reported of another with its number is forgotten.
    pub fn begin(&self, pipeline: usize, name: &str) {
        self.end(pipeline);
        self.state().names.insert(pipeline, name.to_owned());
    }

    /// Forgets everything about the source of a pipeline.
    pub fn end(&self, pipeline: usize) {
        let mut state = self.state();
        state.names.remove(&pipeline);
        state.errors.retain(|(of, _), _| *of != pipeline);
        state.lags.retain(|(of, _), _| *of != pipeline);
        state.failures.remove(&pipeline);
        state.troubles.retain(|(of, _), _| *of != pipeline);
        state.incidents.retain(|(of, _), _| *of != pipeline);
        state.meters.retain(|(_, of, _), _| *of != pipeline);
    }

    /// What a pipeline is called.
    pub fn name(&self, pipeline: usize) -> String {
        self.state().names.get(&pipeline).cloned().unwrap_or_default()
    }

    /// Counts a fault that passed.
    pub fn error(&self, pipeline: usize, reason: &'static str) {
        *self.state().errors.entry((pipeline, reason)).or_default() += 1;
    }

    /// Notes that the source of a pipeline could not go on, and counts it.
    pub fn failed(&self, pipeline: usize, error: String) {
        self.error(pipeline, "failed");
        self.state().failures.insert(pipeline, error);
    }

    /// Why sources could not go on, by pipeline.
    pub fn failures(&self) -> BTreeMap<usize, String> {
        self.state().failures.clone()
    }

    /// Notes what keeps a source from working, or that it does no longer.
    pub fn trouble(&self, pipeline: usize, of: &str, what: Option<String>) {
        let mut state = self.state();
        match what {
            Some(what) => drop(state.troubles.insert((pipeline, of.to_owned()), what)),
            None => drop(state.troubles.remove(&(pipeline, of.to_owned()))),
        }
    }

    /// What keeps sources from working now: pipelines, and a sentence each.
    pub fn troubles(&self) -> Vec<(usize, String)> {
        self.state().troubles.iter().map(|((pipeline, _), what)| (*pipeline, what.clone())).collect()
    }

    /// Notes that something happened at `now` which passed, but of which somebody may want to know.
    pub fn incident(&self, pipeline: usize, of: &str, what: String, now: Duration) {
        let mut state = self.state();
        state.incidents.retain(|_, (_, at)| *at + KEPT > now);
        let key = (pipeline, of.to_owned());
        if state.incidents.len() < MAX_INCIDENTS || state.incidents.contains_key(&key) {
            state.incidents.insert(key, (what, now));
        }
    }

    /// What happened in the ten minutes before `now`: pipelines, and what.
    pub fn incidents(&self, now: Duration) -> Vec<(usize, String)> {
        let state = self.state();
        let recent = state.incidents.iter().filter(|(_, (_, at))| *at + KEPT > now);
        recent.map(|((pipeline, _), (what, _))| (*pipeline, what.clone())).collect()
    }

    /// Changes a meter of the source of a pipeline.
    pub fn meter(&self, pipeline: usize, meter: &Meter, label: &str, change: Change) {
        let mut state = self.state();
        let value = state.meters.entry((meter.name, pipeline, label.to_owned())).or_default();
        match change {
            Change::Add(by) => *value += by,
            Change::Set(to) => *value = to,
        }
    }

    /// What a meter shows: pipeline, label and value.
    pub fn read(&self, meter: &Meter) -> Vec<(usize, String, f64)> {
        let state = self.state();
        let from = state.meters.range((meter.name, 0, String::new())..);
        from.take_while(|((name, ..), _)| *name == meter.name)
            .map(|((_, pipeline, label), value)| (*pipeline, label.clone(), *value))
            .collect()
    }

    /// Notes how far a lane is behind its end; `None` when the lane is gone.
    pub fn lag(&self, pipeline: usize, lane: &Lane, lag: Option<Lag>) {
        let mut state = self.state();
        match lag {
            Some(lag) => {
                let name = || (lane.name.clone(), lag);
                state.lags.entry((pipeline, lane.id)).or_insert_with(name).1 = lag;
            }
            None => drop(state.lags.remove(&(pipeline, lane.id))),
        }
    }

    /// The faults by pipeline and reason.
    pub fn errors(&self) -> Vec<((usize, &'static str), u64)> {
        self.state().errors.iter().map(|(key, count)| (*key, *count)).collect()
    }

    /// The lag and the number of lanes, by pipeline and lane name. Lanes of one name (a file and what was rotated
    /// away from its path) are taken together.
    pub fn lags(&self) -> BTreeMap<(usize, String), (Lag, u64)> {
        let mut lags = BTreeMap::new();
        for ((pipeline, _), (name, lag)) in &self.state().lags {
            let (all, lanes): &mut (Lag, u64) =
                lags.entry((*pipeline, name.clone())).or_insert((Lag::Unknown, 0));
            *all = all.and(*lag);
            *lanes += 1;
        }
        lags
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts cannot be left half written by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LIT: Meter =
        Meter { name: "lit", help: "Lamps that are lit.", kind: FamilyKind::Gauge, label: Some("colour") };

    #[test]
    fn meters_add_up_and_are_set_by_label() {
        let sources = Sources::default();
        sources.meter(1, &LIT, "red", Change::Add(2.0));
        sources.meter(1, &LIT, "red", Change::Add(1.5));
        sources.meter(0, &LIT, "blue", Change::Set(7.0));
        assert_eq!(sources.read(&LIT), [(0, "blue".to_owned(), 7.0), (1, "red".to_owned(), 3.5)]);
    }

    #[test]
    fn a_trouble_stands_until_it_is_over() {
        let sources = Sources::default();
        sources.trouble(0, "broker", Some("it is away".to_owned()));
        sources.trouble(0, "topic", Some("it is not there".to_owned()));
        sources.trouble(0, "broker", None);
        assert_eq!(sources.troubles(), [(0, "it is not there".to_owned())]);
    }

    #[test]
    fn incidents_are_told_for_ten_minutes_and_have_no_flood() {
        let (sources, at) = (Sources::default(), Duration::from_secs);
        sources.incident(0, "orders/1", "the first".to_owned(), at(0));
        sources.incident(0, "orders/1", "the second".to_owned(), at(1));
        assert_eq!(sources.incidents(at(600)), [(0, "the second".to_owned())]);
        assert_eq!(sources.incidents(at(601)), []);
        (0..1000).for_each(|lane| sources.incident(0, &lane.to_string(), "a flood".to_owned(), at(700)));
        assert_eq!(sources.incidents(at(700)).len(), MAX_INCIDENTS);
    }

    #[test]
    fn lags_of_one_name_are_taken_together() {
        let one = Lag::Messages { messages: 2, seconds: 1.0 };
        let two = Lag::Messages { messages: 3, seconds: 0.5 };
        assert_eq!(one.and(two), Lag::Messages { messages: 5, seconds: 1.0 });
        assert_eq!(Lag::Unknown.and(Lag::Bytes(1)), Lag::Bytes(1));
    }
}
