//! The plan: what to do, with everything compiled and checked.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::search;
use crate::aggregate::Definition;
use crate::decode;
use crate::expr::Program;
use crate::group::{Directory, Group};
use crate::ledger::{Account, Ledger, Lifetimes};
use crate::model::family::Family;
use crate::model::field::{Field, Fields, RAW, Slot};
use crate::pipeline::{Layout, Metric, Processor};
use crate::raw::place::Place;
use crate::source;
use crate::stage::Stage;

/// Every pipeline, ready to run.
pub struct Plan {
    /// In the order in which they were given.
    pub pipelines: Vec<PipelinePlan>,
}

impl Plan {
    /// An empty ledger for these pipelines. A plan is for one ledger, which learns the numbers of series from it.
    pub fn ledger(&self, now: Duration) -> Ledger {
        let accounts = |pipeline: &PipelinePlan| pipeline.metrics.iter().map(MetricPlan::account).collect();
        Ledger::new(self.pipelines.iter().map(accounts).collect(), now)
    }

    /// What one worker needs: a processor for each pipeline.
    pub fn processors(&self) -> Vec<Processor> {
        self.pipelines.iter().map(PipelinePlan::processor).collect()
    }
}

/// One pipeline.
pub struct PipelinePlan {
    /// The stem of its file.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// The kind of its source.
    pub source_kind: &'static source::Kind,
    /// Its source.
    pub source: Box<dyn source::Written>,
    /// Its decoder.
    pub decode: Box<dyn decode::Written>,
    /// The fields that it uses.
    pub fields: Fields,
    /// Its stages, in order.
    pub stages: Vec<StagePlan>,
    /// Its metrics, in order.
    pub metrics: Vec<MetricPlan>,
    /// The number of its next batch.
    pub order: Arc<AtomicU64>,
}

/// One stage.
pub struct StagePlan {
    /// What our own metrics call it: its number in the file, from 1, and its kind.
    pub name: String,
    /// The stage, to be forked for each worker.
    pub stage: Box<dyn Stage>,
}

/// One metric.
pub struct MetricPlan {
    /// Its name, type, help and labels.
    pub family: Family,
    /// Where its name was written.
    pub place: Place,
    /// Which events it takes.
    pub condition: Option<Program>,
    /// What it records of them.
    pub value: Option<Program>,
    /// The labels' values.
    pub labels: Vec<Program>,
    /// The numbers of its series.
    pub directory: Arc<Directory>,
    /// What becomes of the values.
    pub definition: Arc<dyn Definition>,
    /// Which series are there from the start, and when others are hidden.
    pub lifetimes: Lifetimes,
}

impl PipelinePlan {
    fn processor(&self) -> Processor {
        Processor::new(
            self.layout(),
            self.decode.bind(&self.fields),
            self.stages.iter().map(|stage| stage.stage.fork(&self.fields)).collect(),
            self.metrics.iter().map(MetricPlan::metric).collect(),
            search::of(self),
        )
    }

    /// The fields of single records that its source is to fill.
    pub fn columns(&self) -> Vec<source::OwnField> {
        self.own_fields().map(|(field, _)| field).collect()
    }

    fn own_fields(&self) -> impl Iterator<Item = (source::OwnField, Slot)> {
        let used = self.fields.used().iter().enumerate();
        used.filter_map(|(slot, field)| {
            let (name, key) = match field {
                Field::Source(name) => (name, None),
                Field::SourceEntry(name, key) => (name, Some(key.clone())),
                Field::Event(_) | Field::List(_) => return None,
            };
            let name = self.source_kind.record_fields.iter().find(|own| *own == name)?;
            Some((source::OwnField { name, key }, Slot(slot)))
        })
    }

    fn layout(&self) -> Layout {
        let slot = |name: &str| {
            let field = Field::Source(name.to_owned());
            self.fields.used().iter().position(|used| *used == field).map(Slot)
        };
        let own = self.source_kind.fields.iter().enumerate();
        Layout {
            width: self.fields.used().len(),
            raw: slot(RAW),
            lane: own.filter_map(|(at, name)| Some((at, slot(name)?))).collect(),
            columns: self.own_fields().map(|(_, slot)| slot).collect(),
            order: Arc::clone(&self.order),
        }
    }
}

impl MetricPlan {
    fn metric(&self) -> Metric {
        let group = Group::new(Arc::clone(&self.directory));
        let shard = Arc::clone(&self.definition).shard();
        Metric::new(self.condition.clone(), self.value.clone(), self.labels.clone(), group, shard)
    }

    fn account(&self) -> Account {
        let book = Arc::clone(&self.definition).book();
        Account::new(self.family.clone(), Arc::clone(&self.directory), book, self.lifetimes.clone())
    }
}
