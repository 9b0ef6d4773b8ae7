//! Puts orders into Kafka, as a shop does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::drive::{BURST, Drive, Progress};
use super::orders::{Order, Orders, Tally};
use super::{Totals, text};
use crate::base::clock::Clock;

/// A producer of orders. An order counts as generated when the brokers have acknowledged it.
pub struct Producer {
    client: BaseProducer<Deliveries>,
    topic: String,
    orders: Orders,
    /// Orders that the client has taken.
    made: u64,
    /// The order that is to be sent next, with its key and text, where the client had no room for it.
    next: Option<Order>,
    key: Vec<u8>,
    text: Vec<u8>,
}

/// What became of the orders. Written by the callbacks of the client, which come while it is polled, and read by its owner.
struct Deliveries {
    delivered: Mutex<Delivered>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Delivered {
    tally: Tally,
    failed: u64,
    /// Why the last order failed that no one was told about yet.
    error: Option<KafkaError>,
}

impl ClientContext for Deliveries {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Single connections come and go.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            tracing::warn!(reason, "no broker can be reached; trying on");
        } else {
            tracing::debug!(error = %error, reason, "librdkafka");
        }
    }
}

impl ProducerContext for Deliveries {
    /// A box, because a pointer is all that the client keeps.
    type DeliveryOpaque = Box<Order>;

    fn delivery(&self, result: &DeliveryResult<'_>, order: Box<Order>) {
        let mut delivered = self.delivered();
        match result {
            Ok(_) => {
                delivered.tally.add(&order);
                self.progress.add_generated(1);
            }
            Err((error, _)) => {
                delivered.failed += 1;
                delivered.error = Some(error.clone());
            }
        }
    }
}

impl Deliveries {
    fn delivered(&self) -> MutexGuard<'_, Delivered> {
        // It cannot be left half written by a panic.
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client said, once: as its own source, an error of Kafka says it twice.
fn told(error: &KafkaError) -> io::Error {
    io::Error::other(error.to_string())
}

impl Producer {
    /// A producer to a topic of the cluster of these brokers, of which none need be there yet.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn new(brokers: &str, topic: &str, orders: Orders, progress: Arc<Progress>) -> io::Result<Producer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "streamgauge-generator")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            // An order waits for its broker as long as it takes, and while many wait no more are made.
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.kbytes", "16384")
            .set("reconnect.backoff.max.ms", "2000")
            // After so long a topic that is not there is taken for one that nobody creates.
            .set("topic.metadata.propagation.max.ms", "10000");
        let context = Deliveries { delivered: Mutex::default(), progress };
        let client = config.create_with_context(context).map_err(|error| told(&error))?;
        let topic = topic.to_owned();
        Ok(Producer { client, topic, orders, made: 0, next: None, key: Vec::new(), text: Vec::new() })
    }

    /// Produces until it is stopped, and until all is acknowledged: the true totals.
    ///
    /// # Errors
    /// If one order could not be delivered.
    pub fn run(mut self, drive: &Drive, grace: Duration) -> io::Result<Totals> {
        while !drive.stop.is_raised() {
            self.burst(drive)?;
            if let Some((_, error)) = self.failed() {
                return Err(told(&error));
            }
        }
        match self.flush(&drive.clock, grace) {
            0 => Ok(self.totals()),
            left => Err(io::Error::other(format!("{left} orders are not acknowledged"))),
        }
    }

    /// Sends what is due, after a pause in which it hears what became of earlier orders.
    ///
    /// # Errors
    /// What no later try can mend.
    pub fn burst(&mut self, drive: &Drive) -> io::Result<()> {
        self.client.poll(BURST);
        if let Some((_, reason)) = self.client.client().fatal_error() {
            return Err(io::Error::other(reason));
        }
        for _ in 0..drive.due(self.made) {
            if !self.send(drive.clock.unix())? {
                break;
            }
            self.made += 1;
        }
        Ok(())
    }

    /// Hands an order to the client; says whether it had room for it.
    fn send(&mut self, unix: Duration) -> io::Result<bool> {
        let order = *self.next.get_or_insert_with(|| {
            self.key.clear();
            self.text.clear();
            let order = self.orders.order(unix, &mut self.text);
            text::number(order.customer, &mut self.key);
            order
        });
        let record =
            BaseRecord::with_opaque_to(&self.topic, Box::new(order)).key(&self.key).payload(&self.text);
        match self.client.send(record) {
            Ok(()) => {
                self.next = None;
                Ok(true)
            }
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => Ok(false),
            Err((error, _)) => Err(told(&error)),
        }
    }

    /// Waits until no order is on its way, at most for `grace`: how many still are.
    pub fn flush(&self, clock: &Clock, grace: Duration) -> u64 {
        let start = clock.monotonic();
        while self.client.in_flight_count() > 0 && clock.monotonic() - start < grace {
            self.client.poll(BURST);
        }
        self.in_flight()
    }

    /// How many orders are on their way.
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.client.in_flight_count()).unwrap_or_default()
    }

    /// How many orders could not be delivered, and why the last one could not, if that is news.
    pub fn failed(&self) -> Option<(u64, KafkaError)> {
        let mut delivered = self.client.context().delivered();
        let error = delivered.error.take()?;
        Some((delivered.failed, error))
    }

    /// What a right count of the acknowledged orders comes to.
    pub fn totals(&self) -> Totals {
        self.client.context().delivered().tally.totals()
    }
}
