//! The life of one client: messages in, batches out, posted positions committed, until something ends it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::client::{Ears, PartitionName, Said};
use super::health::{COMMITS, Health};
use super::options::Options;
use super::partition::{Partition, Reading};
use super::queue::{CommitQueue, ConsumerBell, Messages};
use crate::source::{Closed, Context, Outlet};
use crate::telemetry::{Change, Lag};

/// The time between two commits of what is posted.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two looks at whether there is room for what was read.
const RETRY: Duration = Duration::from_millis(2);

/// How long a commit may take before partitions are given up without it.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// The time between two tries of such a commit.
const COMMIT_PAUSE: Duration = Duration::from_millis(100);

/// How many messages are taken at once.
const MESSAGES: usize = 1024;

/// Why a session is over.
#[derive(Debug)]
pub enum Ended {
    /// The program stops, or nobody takes batches any more.
    Stopped,
    /// The client cannot go on.
    Fatal(String),
}

/// A client that is a member of the group.
pub struct Session<'s> {
    pub(super) options: &'s Options,
    pub(super) outlet: &'s mut dyn Outlet,
    pub(super) context: &'s Context,
    /// Those that are assigned. Their queues go before the client does.
    pub(super) partitions: BTreeMap<PartitionName, Partition>,
    pub(super) health: Health,
    messages: Messages,
    reading: Reading,
    /// Commits of which the end was not heard yet.
    commits: usize,
    commit_at: Duration,
    /// What the client cannot go on for, heard while something else was waited for.
    fatal: Option<String>,
    commit_queue: CommitQueue,
    /// Rung by librdkafka when there is something to do.
    pub(super) bell: Arc<OwnedFd>,
    stop_bell: Arc<OwnedFd>,
    #[expect(dead_code, reason = "held for what its drop does")]
    consumer_bell: ConsumerBell,
    pub(super) consumer: BaseConsumer<Ears>,
}

impl<'s> Session<'s> {
    /// Makes a client that joins the group.
    pub fn start(
        options: &'s Options,
        outlet: &'s mut dyn Outlet,
        context: &'s Context,
    ) -> Result<Session<'s>, String> {
        let told = |error: KafkaError| match error {
            KafkaError::ClientCreation(why) => format!("the client cannot be made: {why}"),
            error => error.to_string(),
        };
        let consumer: BaseConsumer<Ears> =
            options.client.create_with_context(Ears::default()).map_err(told)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = Arc::new(eventfd(0, flags).map_err(|error| error.to_string())?);
        let stop_bell = context.shutdown.bell().map_err(|error| error.to_string())?;
        let consumer_bell = ConsumerBell::new(&consumer, &bell).ok_or("the client has no group")?;
        let topics: Vec<_> = options.topics.iter().map(String::as_str).collect();
        let commit_queue = CommitQueue::new(&consumer, &bell).ok_or("the client has no queue for commits")?;
        consumer.subscribe(&topics).map_err(told)?;
        outlet.trouble("client", None);
        Ok(Session {
            options,
            outlet,
            context,
            partitions: BTreeMap::new(),
            health: Health::default(),
            messages: Messages::with_capacity(MESSAGES),
            reading: Reading::new(options, &context.columns),
            commits: 0,
            commit_at: Duration::ZERO,
            fatal: None,
            commit_queue,
            bell,
            stop_bell,
            consumer_bell,
            consumer,
        })
    }

    /// Reads until the program stops or the client cannot go on, and leaves the group in order.
    pub fn run(mut self) -> Ended {
        let ended = match self.read() {
            Ok(ended) => ended,
            Err(Closed) => Ended::Stopped,
        };
        let names: Vec<_> = self.partitions.keys().cloned().collect();
        // `Closed` means that nothing more can be posted; what is posted is committed all the same.
        self.hand_on(&names).ok();
        for of in ["brokers", "topics", "group", "start"] {
            self.outlet.trouble(of, None);
        }
        self.consumer.context().close();
        ended
    }

    fn read(&mut self) -> Result<Ended, Closed> {
        while !self.context.shutdown.is_raised() {
            self.clear_bell();
            if let Some(problem) = self.hear()? {
                return Ok(Ended::Fatal(problem));
            }
            let (mut progressed, mut waits) = (false, false);
            let mut out_of_range = Vec::new();
            for partition in self.partitions.values_mut() {
                let outcome = partition.read(&mut self.messages, &self.reading, self.outlet)?;
                progressed |= outcome.progressed;
                waits |= outcome.waits;
                if let Some((offset, bytes)) = outcome.too_long {
                    let what = format!(
                        "the message at offset {offset} of {} has {bytes} bytes, more than `max_message_bytes`",
                        partition.lane.name
                    );
                    self.outlet.incident(&format!("size {}", partition.lane.name), what);
                }
                for (code, said) in outcome.errors {
                    self.health.error(code, &said, self.outlet);
                    if code == RDKafkaErrorCode::AutoOffsetReset {
                        out_of_range.push(partition.name.clone());
                    }
                }
            }
            for name in out_of_range {
                self.begin_again(&name)?;
            }
            let now = self.context.clock.monotonic();
            if now >= self.commit_at {
                self.commit_at = now + COMMIT_INTERVAL;
                self.show_lag();
                self.commit_posted(None);
            }
            if !progressed {
                self.wait(if waits { RETRY } else { self.commit_at.saturating_sub(now) });
            }
        }
        Ok(Ended::Stopped)
    }

    /// Does what the client says; `Some` if it cannot go on.
    fn hear(&mut self) -> Result<Option<String>, Closed> {
        self.hear_commits();
        loop {
            // The client calls back for one thing at a time, and says nothing of it.
            if let Some(problem) = self.fatal.take().or_else(|| self.poll()) {
                return Ok(Some(problem));
            }
            let Some(said) = self.consumer.context().next() else { return Ok(None) };
            match said {
                Said::Assigned(names) => self.take_over(names)?,
                Said::Revoked(names) => {
                    self.hand_on(&names)?;
                    self.answer_revoked(&names);
                }
                Said::Error(code, said) => self.health.error(code, &said, self.outlet),
                Said::Statistics(statistics) => {
                    let known = (&self.consumer, self.options.topics.as_slice());
                    self.health.statistics(&statistics, known, self.outlet);
                }
            }
        }
    }

    /// Has the client call back; `Some` if it cannot go on. Nothing comes out of its own queue but what it has to
    /// say: every partition has another one.
    fn poll(&self) -> Option<String> {
        match self.consumer.poll(Duration::ZERO)? {
            Err(KafkaError::MessageConsumptionFatal(code)) => Some(code.to_string()),
            Err(_) | Ok(_) => None,
        }
    }

    /// Shows the group that the member is there; what is said meanwhile is heard later.
    pub(super) fn keep_alive(&mut self) {
        let fatal = self.poll();
        self.fatal = self.fatal.take().or(fatal);
    }

    /// Waits until there is something to do or the program stops, at most for so long.
    fn wait(&self, patience: Duration) {
        let fds = [&self.bell, &self.stop_bell].map(|bell| PollFd::new(&**bell, PollFlags::IN));
        wait(fds, patience);
    }

    fn wait_for_bell(&self, patience: Duration) {
        wait([PollFd::new(&*self.bell, PollFlags::IN)], patience);
    }

    fn clear_bell(&self) {
        // It fails where the bell has not rung.
        rustix::io::read(&*self.bell, &mut [0; 8]).ok();
    }

    /// Commits what is posted and not committed yet, of these partitions or of all.
    fn commit_posted(&mut self, of: Option<&[PartitionName]>) {
        // An answer that is late stands for its partitions; they are committed again when it is there.
        if of.is_none() && self.commits > 0 {
            return;
        }
        let mut offsets = TopicPartitionList::new();
        for (name, partition) in &self.partitions {
            if of.is_some_and(|of| !of.contains(name)) {
                continue;
            }
            if let Some(offset) = partition.to_commit(self.outlet) {
                let added = offsets.add_partition_offset(&name.0, name.1, Offset::Offset(offset));
                debug_assert!(added.is_ok(), "every number from 0 is an offset");
            }
        }
        if offsets.count() == 0 {
            return;
        }
        match self.commit_queue.commit(&self.consumer, &offsets) {
            Ok(()) => self.commits += 1,
            Err(code) => self.not_committed(code),
        }
    }

    fn hear_commits(&mut self) {
        while let Some(answer) = self.commit_queue.answer() {
            self.commits = self.commits.saturating_sub(1);
            match answer {
                Ok(offsets) => {
                    self.outlet.meter(&COMMITS, "ok", Change::Add(1.0));
                    for (name, offset) in offsets {
                        if let Some(partition) = self.partitions.get_mut(&name) {
                            partition.committed = Some(offset);
                        }
                    }
                }
                Err(code) => self.not_committed(code),
            }
        }
    }

    fn not_committed(&mut self, code: RDKafkaErrorCode) {
        self.outlet.meter(&COMMITS, "failed", Change::Add(1.0));
        self.outlet.error("commit_failed");
        tracing::debug!(?code, "offsets were not committed; they are committed again");
    }

    /// Commits what is posted of these partitions, and waits until it is done: again where it fails, as it may in
    /// the midst of a rebalance.
    pub(super) fn commit_and_wait(&mut self, of: &[PartitionName]) {
        let end = self.context.clock.monotonic() + COMMIT_PATIENCE;
        let mut again = Duration::ZERO;
        loop {
            self.hear_commits();
            let own = self.partitions.values().filter(|partition| of.contains(&partition.name));
            let left: Vec<_> = own.filter(|partition| partition.to_commit(self.outlet).is_some()).collect();
            if left.is_empty() {
                return;
            }
            if self.context.clock.monotonic() >= end || self.consumer.assignment_lost() {
                for partition in left {
                    let (lane, committed) = (&partition.lane.name, partition.committed);
                    let posted = partition.to_commit(self.outlet);
                    tracing::error!(
                        lane,
                        posted,
                        committed,
                        "not committed: what lies between is counted again"
                    );
                }
                return;
            }
            let now = self.context.clock.monotonic();
            if self.commits == 0 && now >= again {
                self.commit_posted(Some(of));
                // A cluster that refuses is not asked again at once.
                again = now + COMMIT_PAUSE;
            }
            self.wait_for_bell(COMMIT_PAUSE);
            self.clear_bell();
        }
    }

    fn show_lag(&mut self) {
        // The client's positions are behind the markers of transactions, which are no messages.
        let positions =
            self.consumer.position().map(|positions| positions.to_topic_map()).unwrap_or_default();
        let unix = self.context.clock.unix().as_millis() as i64;
        for (name, partition) in &self.partitions {
            let Some(end) = super::queue::end(&self.consumer, &name.0, name.1) else { continue };
            let read = match positions.get(name) {
                Some(Offset::Offset(offset)) => partition.next.map(|next| next.max(*offset)),
                _ => partition.next,
            };
            let Some(read) = read else { continue };
            let messages = u64::try_from(end - read).unwrap_or(0);
            let age = partition.newest.filter(|_| messages > 0).map_or(0, |newest| unix - newest);
            let seconds = age.max(0) as f64 / 1000.0;
            self.outlet.lag(&partition.lane, Some(Lag::Messages { messages, seconds }));
        }
    }
}

fn wait<const N: usize>(mut fds: [PollFd<'_>; N], patience: Duration) {
    let patience =
        Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    // Interrupted or not: whoever called looks again.
    poll(&mut fds, Some(&patience)).ok();
}
