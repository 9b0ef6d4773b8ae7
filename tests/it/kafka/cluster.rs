//! What the tests share: a mock cluster, messages that are produced to any cluster, pipelines that read them.

use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A cluster of brokers in this process.
pub struct Mock {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Mock {
    /// So many brokers, and the topic `orders` with 8 partitions.
    pub fn new(brokers: i32) -> Mock {
        let cluster = MockCluster::new(brokers).unwrap();
        cluster.create_topic("orders", 8, brokers.min(3)).unwrap();
        Mock { cluster }
    }

    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}

/// A client that produces messages.
pub struct Messages {
    producer: BaseProducer,
    /// How many were produced.
    pub count: u64,
}

impl Messages {
    pub fn to(brokers: &str, codec: &str) -> Messages {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("compression.codec", codec)
            .set("linger.ms", "5")
            .set("enable.idempotence", "true")
            .set("queue.buffering.max.messages", "1000000");
        Messages { producer: config.create().unwrap(), count: 0 }
    }

    /// Produces `count` messages of some bytes each, one after the other to the partitions of `topic`.
    pub fn produce(&mut self, topic: &str, partitions: u64, count: u64) {
        for _ in 0..count {
            let number = self.count;
            let (key, value) =
                (format!("k{}", number % 10), format!(r#"{{"event":"order","number":{number}}}"#));
            let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("t-1") });
            let record = BaseRecord::to(topic).key(&key).payload(&value).headers(headers);
            self.queue(record.partition((number % partitions) as i32));
        }
        self.flush();
    }

    /// Produces one message, and does not wait for it.
    pub fn queue<K, P>(&mut self, mut record: BaseRecord<'_, K, P>)
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        while let Err((_, back)) = self.producer.send(record) {
            self.producer.poll(Duration::from_millis(5));
            record = back;
        }
        self.count += 1;
        if self.count.is_multiple_of(64) {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Produces one message.
    pub fn send(&mut self, record: BaseRecord<'_, str, [u8]>) {
        assert!(self.producer.send(record).is_ok());
        self.count += 1;
        self.flush();
    }

    /// Waits until everything is acknowledged.
    pub fn flush(&self) {
        for _ in 0..6000 {
            if self.producer.in_flight_count() == 0 {
                return;
            }
            self.producer.poll(Duration::from_millis(10));
        }
        panic!("{} messages are not acknowledged", self.producer.in_flight_count());
    }
}

/// The group of the members whose pipeline is in `folder`.
pub fn group(folder: &Path) -> String {
    folder.file_name().unwrap().display().to_string()
}

/// A pipeline that counts messages, with more options for the source. Its group is one of its own.
pub fn pipeline(folder: &Path, brokers: &str, options: &str) -> String {
    let group = group(folder);
    let text = format!(
        r#"
source: {{kafka: {{brokers: ["{brokers}"], group: {group}, {options}}}}}
decode: json
metrics:
  - counter: {{name: orders_total, help: Orders., labels: {{topic: kafka.topic, partition: kafka.partition}}}}
  - counter: {{name: numbers_total, help: The sum of their numbers., value: number}}
"#
    );
    let path = folder.join("orders.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The sum of the offsets that a group has committed in the first partitions of a topic; none counts as 0.
pub fn committed(brokers: &str, group: &str, topic: &str, partitions: i32) -> i64 {
    let mut config = ClientConfig::new();
    let consumer: BaseConsumer =
        config.set("bootstrap.servers", brokers).set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partitions - 1);
    let answer = consumer.committed_offsets(asked, Duration::from_secs(20)).unwrap();
    let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    answer.elements().iter().map(|each| offset(each.offset())).sum()
}
