//! The plan: what to do, with everything compiled and checked.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::search;
use crate::aggregate::Definition;
use crate::decode;
use crate::expr::Program;
use crate::group::{Directory, Group};
use crate::ledger::{self, About, Declared, Ledger, Lifetimes};
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
        Ledger::new(self.accounts(), now)
    }

    /// Makes this the plan of a ledger: the pipelines and the series that it knows have the numbers that they have there.
    /// Before anything else is made of the plan.
    pub fn join(&mut self, ledger: &Ledger) {
        let names: Vec<_> = self.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
        let numbers = ledger.numbers(&names);
        for (pipeline, number) in self.pipelines.iter_mut().zip(numbers) {
            pipeline.number = number;
            if let Some(order) = ledger.order(&pipeline.name) {
                pipeline.order = order;
            }
            for metric in &mut pipeline.metrics {
                let known = ledger.directory(&pipeline.name, &metric.family.name, &metric.declared);
                if let Some(directory) = known {
                    metric.directory = directory;
                }
            }
        }
    }

    /// What a ledger is to keep of these pipelines.
    pub fn accounts(&self) -> Vec<ledger::Pipeline> {
        self.pipelines.iter().map(PipelinePlan::accounts).collect()
    }

    /// What one worker needs: a processor for each pipeline.
    pub fn processors(&self) -> Vec<Processor> {
        self.pipelines.iter().map(PipelinePlan::processor).collect()
    }
}

/// What was written, by which one plan is told from another. May hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    /// The source.
    pub source: String,
    /// The whole file.
    pub all: String,
}

/// One pipeline.
pub struct PipelinePlan {
    /// Its number in the ledger.
    pub number: usize,
    /// The stem of its file.
    pub name: String,
    /// What was written.
    pub written: Written,
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
    /// What it is declared as.
    pub declared: Declared,
    /// Where its name was written.
    pub place: Place,
    /// Which events it takes.
    pub condition: Option<Program>,
    /// What it records of them.
    pub value: Option<Program>,
    /// The labels' values.
    pub labels: Vec<Program>,
    /// The most series that it may have.
    pub max_series: usize,
    /// The numbers of its series.
    pub directory: Arc<Directory>,
    /// What becomes of the values.
    pub definition: Arc<dyn Definition>,
    /// Which series are there from the start, and when others are hidden.
    pub lifetimes: Lifetimes,
}

impl PipelinePlan {
    fn accounts(&self) -> ledger::Pipeline {
        let about = About {
            name: self.name.clone(),
            source: self.source_kind.name.to_owned(),
            reads: self.source.describe(),
            stages: self.stages.iter().map(|stage| stage.name.clone()).collect(),
        };
        let metrics = self.metrics.iter().map(MetricPlan::account).collect();
        ledger::Pipeline { about, order: Arc::clone(&self.order), metrics }
    }

    /// What one worker needs of it.
    pub fn processor(&self) -> Processor {
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
            pipeline: self.number,
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

    fn account(&self) -> ledger::Metric {
        ledger::Metric {
            family: self.family.clone(),
            declared: self.declared.clone(),
            definition: Arc::clone(&self.definition),
            max_series: self.max_series,
            directory: Arc::clone(&self.directory),
            lifetimes: self.lifetimes.clone(),
        }
    }
}
