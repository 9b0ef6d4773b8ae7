//! What the client has to say, kept until the source's thread has time for it.
//!
//! librdkafka calls back from within `poll`. Nothing is done there: a rebalance is answered later, where what was
//! read can be posted and committed first. librdkafka waits for the answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::statistics::Statistics;

/// A partition: its topic and number.
pub type PartitionName = (String, i32);

/// What the client said.
#[derive(Debug)]
pub enum Said {
    /// These partitions are ours from now on.
    Assigned(Vec<PartitionName>),
    /// These are to be given up.
    Revoked(Vec<PartitionName>),
    /// Something is wrong.
    Error(RDKafkaErrorCode, String),
    /// How the client and the cluster are.
    Statistics(Statistics),
}

/// The context of a consumer. Written to by `poll`, which the source's thread calls, and by nobody else; the lock is
/// there because librdkafka may be used from any thread.
#[derive(Default)]
pub struct Ears {
    heard: Mutex<VecDeque<Said>>,
    /// Nobody answers rebalances any more: partitions are given up at once.
    closing: AtomicBool,
}

impl Ears {
    /// What was said next.
    pub fn next(&self) -> Option<Said> {
        self.heard().pop_front()
    }

    /// From now on partitions are given up at once.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn hear(&self, said: Said) {
        self.heard().push_back(said);
    }

    fn heard(&self) -> MutexGuard<'_, VecDeque<Said>> {
        // Nothing between lock and unlock can panic half-way.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, said = message, "librdkafka says"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, said = message, "librdkafka says");
            }
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(statistics) => self.hear(Said::Statistics(statistics)),
            Err(error) => tracing::debug!(%error, "librdkafka's statistics cannot be read"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        self.hear(Said::Error(code, reason.to_owned()));
    }
}

impl ConsumerContext for Ears {
    fn rebalance(&self, consumer: &BaseConsumer<Ears>, what: RDKafkaRespErr, of: &mut TopicPartitionList) {
        let is_assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            let answered =
                if is_assigned { consumer.incremental_assign(of) } else { consumer.incremental_unassign(of) };
            if let Err(error) = answered {
                tracing::debug!(%error, "a rebalance could not be answered while closing");
            }
            return;
        }
        let names = of.elements().iter().map(|each| (each.topic().to_owned(), each.partition())).collect();
        self.hear(if is_assigned { Said::Assigned(names) } else { Said::Revoked(names) });
    }
}
