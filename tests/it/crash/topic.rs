//! Produces to the partitions of a topic.

use std::time::Duration;

use rdkafka::producer::BaseRecord;
use streamgauge::base::shutdown::Shutdown;

use super::scraper::Counted;
use super::truth::event;
use crate::kafka::cluster::Messages;

pub const PARTITIONS: u64 = 4;

const PAUSE: Duration = Duration::from_millis(4);
const MESSAGES_AT_ONCE: u64 = 80;
/// What may wait to be counted: the mock cluster forgets what is more than 5 MB behind.
const MOST_AHEAD: u64 = 40_000;

/// Produces until `stop` is raised; says how many messages it were.
pub fn produce(brokers: &str, topic: &str, (counted, stop, over): (&Counted, &Shutdown, &Shutdown)) -> u64 {
    let mut messages = Messages::to(brokers, "lz4");
    while !stop.wait(PAUSE) {
        if messages.count - counted.sample("topic_events_total") as u64 > MOST_AHEAD {
            continue;
        }
        for number in messages.count..messages.count + MESSAGES_AT_ONCE {
            let partition = (number % PARTITIONS) as i32;
            let event = event(number, 0);
            messages.queue(BaseRecord::<(), _>::to(topic).payload(event.as_bytes()).partition(partition));
        }
    }
    messages.flush();
    counted.wait_for("topic_events_total", messages.count as f64, over);
    messages.count
}
