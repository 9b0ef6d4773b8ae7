//! Partitions that come and go.
//!
//! One that comes is read from where the group or the ledger is, whichever is further: the ledger may have posted
//! what could not be committed. One that goes is finished first: what was read is posted and committed, then the next
//! member may go on.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::PartitionName;
use super::health::{REBALANCED, SKIPPED};
use super::options::StartAt;
use super::partition::Partition;
use super::queue::PartitionQueue;
use super::session::Session;
use crate::source::Closed;
use crate::telemetry::{Change, Lag};

/// How long the cluster may take to answer where a partition begins and ends, or where the group is.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before the cluster is asked again.
const PAUSE: Duration = Duration::from_millis(200);

impl Session<'_> {
    /// Begins with partitions that were assigned.
    pub(super) fn take_over(&mut self, names: Vec<PartitionName>) -> Result<(), Closed> {
        self.outlet.meter(&REBALANCED, "assigned", Change::Add(names.len() as f64));
        tracing::info!(group = self.options.group, partitions = ?names, "partitions were assigned");
        let mut list = TopicPartitionList::new();
        // What cannot be begun, because it is lost or the program stops, is left out.
        let committed = self.committed_offsets(&names).unwrap_or_default();
        for (name, committed) in committed {
            if let Some(from) = self.begin(&name, committed)? {
                add(&mut list, &name, from);
            }
        }
        if let Err(error) = self.consumer.incremental_assign(&list) {
            self.outlet.error("rebalance");
            tracing::warn!(%error, "partitions could not be taken over");
        }
        Ok(())
    }

    /// Opens a partition, and says where it is read from; `None` if that could not be found out.
    fn begin(&mut self, name: &PartitionName, committed: Option<i64>) -> Result<Option<Offset>, Closed> {
        let Some(mut partition) = self.open(name) else {
            tracing::error!(topic = name.0, partition = name.1, "the client has no queue for the partition");
            return Ok(None);
        };
        partition.committed = committed;
        let from = match committed.max(partition.posted(self.outlet)) {
            Some(known) => {
                partition.go_on_at(known);
                Some(Offset::Offset(known))
            }
            None => self.first(&mut partition)?,
        };
        match from {
            Some(_) => drop(self.partitions.insert(name.clone(), partition)),
            None => self.outlet.lag(&partition.lane, None),
        }
        Ok(from)
    }

    fn open(&mut self, name: &PartitionName) -> Option<Partition> {
        let (topic, number) = name;
        let queue = PartitionQueue::new(&self.consumer, topic, *number, &self.bell)?;
        let key = format!("kafka:{}/{topic}/{number}", self.options.group);
        let fields = vec![topic.as_bytes().into(), number.to_string().into_bytes().into()];
        let lane = self.outlet.open(key, format!("{topic}/{number}"), fields);
        self.outlet.lag(&lane, Some(Lag::Unknown));
        Some(Partition::new(name.clone(), lane, queue))
    }

    /// Where the group is in these partitions; `None` if that was not to be known before they were lost.
    fn committed_offsets(&mut self, names: &[PartitionName]) -> Option<Vec<(PartitionName, Option<i64>)>> {
        let mut asked = TopicPartitionList::new();
        names.iter().for_each(|name| add(&mut asked, name, Offset::Invalid));
        self.insist("group_offsets", |session| {
            let answer = session.consumer.committed_offsets(asked.clone(), PATIENCE)?;
            let each = answer.elements().into_iter().map(|each| {
                // An answer may be right as a whole and say of one partition that it is not known now.
                each.error()?;
                let offset = match each.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                Ok(((each.topic().to_owned(), each.partition()), offset))
            });
            each.collect()
        })
    }

    /// Asks the cluster until it answers, as without the answer messages would be counted twice or not at all. `None` if
    /// the partitions were lost meanwhile, or the program stops.
    fn insist<T>(&mut self, reason: &'static str, ask: impl Fn(&Self) -> Result<T, KafkaError>) -> Option<T> {
        let answer = loop {
            match ask(self) {
                Ok(answer) => break Some(answer),
                Err(error) => {
                    self.outlet.error(reason);
                    self.outlet.trouble("start", Some(format!("it is not known where to begin: {error}")));
                    tracing::debug!(%error, reason, "the cluster is asked again");
                }
            }
            // The member has to be heard of, or it is thrown out of its group.
            self.keep_alive();
            if self.context.shutdown.wait(PAUSE) || self.consumer.assignment_lost() {
                break None;
            }
        };
        self.outlet.trouble("start", None);
        answer
    }

    /// Where to begin in a partition of which neither group nor ledger knows anything; `None` if that was not to be
    /// found out.
    fn first(&mut self, partition: &mut Partition) -> Result<Option<Offset>, Closed> {
        match self.options.start_at {
            StartAt::Beginning => Ok(Some(Offset::Beginning)),
            // The end of now is made the partition's position, so that whoever reads it next goes on from here, also if
            // nothing comes meanwhile.
            StartAt::End => {
                let bounds = self.insist("partition_bounds", |session| session.bounds(&partition.name));
                let Some((_, end)) = bounds else { return Ok(None) };
                partition.begin_at(end, self.outlet)?;
                Ok(Some(Offset::Offset(end)))
            }
        }
    }

    /// The first offset of a partition and the one behind its last.
    fn bounds(&self, (topic, number): &PartitionName) -> Result<(i64, i64), KafkaError> {
        self.consumer.fetch_watermarks(topic, *number, PATIENCE)
    }

    /// Goes on where the next offset is not in the partition any more: with the first one that is there if those
    /// before were deleted, as `start_at` says if the partition ends before it (its topic was made anew).
    pub(super) fn begin_again(&mut self, name: &PartitionName) -> Result<(), Closed> {
        let Some(mut partition) = self.partitions.remove(name) else { return Ok(()) };
        let from = match (self.bounds(name), partition.next) {
            (Ok((first, end)), Some(next)) => {
                let from = match self.options.start_at {
                    _ if next < first => first,
                    _ if next <= end => next,
                    StartAt::Beginning => first,
                    StartAt::End => end,
                };
                let (lane, skipped) = (&partition.lane.name, (from - next).max(0));
                let what = format!(
                    "offset {next} of {lane} was gone; it goes on at {from}, {skipped} messages are skipped"
                );
                match skipped {
                    0 => tracing::warn!(lane, next, from, "the next offset is not there"),
                    _ => tracing::error!(
                        lane,
                        next,
                        from,
                        skipped,
                        "messages were deleted before they were read"
                    ),
                }
                self.outlet.incident(&format!("offset {lane}"), what);
                self.outlet.meter(&SKIPPED, "", Change::Add(skipped as f64));
                partition.finish(self.outlet)?;
                partition.begin_at(from, self.outlet)?;
                // The ledger is to hold this before something else is committed.
                self.outlet.settle()?;
                Offset::Offset(from)
            }
            (Ok(_), None) => self.first(&mut partition)?.unwrap_or(Offset::Stored),
            // The client says once more that it does not know where to go on, and this is tried again.
            (Err(_), Some(next)) => Offset::Offset(next),
            (Err(_), None) => Offset::Stored,
        };
        self.context.shutdown.wait(PAUSE);
        let mut list = TopicPartitionList::new();
        add(&mut list, name, from);
        let again = self.consumer.incremental_unassign(&list);
        if let Err(error) = again.and_then(|()| self.consumer.incremental_assign(&list)) {
            self.outlet.error("rebalance");
            tracing::warn!(%error, topic = name.0, partition = name.1, "the partition could not be begun again");
        }
        self.partitions.insert(name.clone(), partition);
        Ok(())
    }

    /// Finishes partitions: what was read of them is posted and committed, and no more is read.
    pub(super) fn hand_on(&mut self, names: &[PartitionName]) -> Result<(), Closed> {
        let is_lost = self.consumer.assignment_lost();
        tracing::info!(group = self.options.group, partitions = ?names, is_lost, "partitions are given up");
        let event = if is_lost { "lost" } else { "given_up" };
        self.outlet.meter(&REBALANCED, event, Change::Add(names.len() as f64));
        let own = self.partitions.iter_mut().filter(|(name, _)| names.contains(name));
        let finished = own.map(|(_, partition)| partition.finish(self.outlet)).collect::<Vec<_>>();
        let settled = self.outlet.settle();
        // Of what is lost the next member may have read already; what we would commit is not ours to say.
        if !is_lost {
            self.commit_and_wait(names);
        }
        for name in names {
            if let Some(partition) = self.partitions.remove(name) {
                self.outlet.lag(&partition.lane, None);
            }
        }
        finished.into_iter().collect::<Result<(), Closed>>().and(settled)
    }

    /// Tells the client that partitions which were to be given up are.
    pub(super) fn answer_revoked(&mut self, names: &[PartitionName]) {
        let mut list = TopicPartitionList::new();
        let assigned = self.consumer.assignment().map(|list| list.to_topic_map()).unwrap_or_default();
        for (topic, number) in names.iter().filter(|name| assigned.contains_key(*name)) {
            list.add_partition(topic, *number);
        }
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            self.outlet.error("rebalance");
            tracing::warn!(%error, "partitions could not be given up");
        }
    }
}

fn add(list: &mut TopicPartitionList, (topic, number): &PartitionName, offset: Offset) {
    let added = list.add_partition_offset(topic, *number, offset);
    debug_assert!(added.is_ok(), "these offsets are all valid");
}
