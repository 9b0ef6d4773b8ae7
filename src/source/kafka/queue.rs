//! Queues of librdkafka's that the wrapper does not give out: the only place with `unsafe` code.
//!
//! rust-rdkafka gives out one message at a time, at about twice the cost ("Consuming" in `docs/performance.md`). Here
//! librdkafka's `rd_kafka_consume_batch_queue` is called on a queue that belongs to one partition alone. It must never
//! be called on the consumer's own queue: it would serve rebalances there and give up the assignment by force.
#![expect(
    unsafe_code,
    reason = "the wrapper has no call that takes several messages at once; measured: 1.9 x"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaErrorCode;

use super::client::PartitionName;

/// What is written to the bell: an eventfd counts in numbers of eight bytes.
static RING: u64 = 1;

/// A queue of librdkafka's, and the bell that it rings when something comes into it while it is empty.
struct Queue {
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Kept open as long as librdkafka may write to it.
    bell: Arc<OwnedFd>,
}

// SAFETY: librdkafka's queues are reference counted and lock themselves; nothing in them belongs to a thread
// (rdkafka.h: "all functions are thread-safe" unless they say otherwise).
unsafe impl Send for Queue {}

impl Queue {
    /// Takes over the reference that `queue` is.
    fn new(queue: *mut native::rd_kafka_queue_t, bell: Arc<OwnedFd>) -> Option<Queue> {
        let queue = Queue { queue: NonNull::new(queue)?, bell };
        let payload: *const u64 = &RING;
        // SAFETY: the queue is ours until `drop`, which turns the event off before the descriptor can be closed.
        // librdkafka copies the payload.
        unsafe {
            native::rd_kafka_queue_io_event_enable(
                queue.queue.as_ptr(),
                queue.bell.as_raw_fd(),
                payload.cast::<c_void>(),
                size_of::<u64>(),
            );
        }
        Some(queue)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: this is the one reference that we took, and it is given back once. A descriptor of -1 turns the event off.
        unsafe {
            native::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, ptr::null(), 0);
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// Has the bell rung when the consumer has something to say: a rebalance, an error, a commit.
pub struct ConsumerBell(#[expect(dead_code, reason = "held for what its drop does")] Queue);

impl ConsumerBell {
    /// `None` only if the consumer has no group.
    pub fn new<C: ConsumerContext>(consumer: &BaseConsumer<C>, bell: &Arc<OwnedFd>) -> Option<ConsumerBell> {
        // SAFETY: the client lives while it is borrowed; the call returns a reference of our own or null.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Queue::new(queue, Arc::clone(bell)).map(ConsumerBell)
    }
}

/// The messages of one partition that were fetched and not taken yet.
///
/// It must be dropped before its consumer is. There is one at a time for a partition: the drop of another would silence
/// the bell of this one.
pub struct PartitionQueue(Queue);

impl PartitionQueue {
    /// Takes the partition's queue away from the consumer's: to be called before the partition is assigned.
    pub fn new<C: ConsumerContext>(
        consumer: &BaseConsumer<C>,
        topic: &str,
        partition: i32,
        bell: &Arc<OwnedFd>,
    ) -> Option<PartitionQueue> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives while it is borrowed, the topic is a string that ends with a zero, and the call
        // returns a reference of our own or null.
        let queue = unsafe {
            native::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition)
        };
        let queue = Queue::new(queue, Arc::clone(bell))?;
        // SAFETY: as above. Forwarding to nowhere marks the queue as the application's, so that assigning the
        // partition does not forward it to the consumer's queue.
        unsafe { native::rd_kafka_queue_forward(queue.queue.as_ptr(), ptr::null_mut()) };
        Some(PartitionQueue(queue))
    }

    /// Takes what is there without waiting, at most as much as `into` has room for, in the order of the partition.
    pub fn take<'m>(&self, into: &'m mut Messages) -> &'m [Message] {
        into.clear();
        let room = into.taken.spare_capacity_mut();
        // SAFETY: the room is for so many pointers, and a message is laid out as a pointer. librdkafka fills the first
        // `taken` of them with messages that are ours from then on.
        let taken = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.0.queue.as_ptr(),
                0,
                room.as_mut_ptr().cast::<*mut native::rd_kafka_message_t>(),
                room.len(),
            )
        };
        // Less than zero is an error of the call, of which there is none for a queue that exists.
        let taken = usize::try_from(taken).unwrap_or(0);
        // SAFETY: that many were written, and the vector was empty before.
        unsafe { into.taken.set_len(taken) };
        &into.taken
    }
}

/// Where the answers to commits come: `rd_kafka_commit` of the wrapper, when it does not wait, tells nobody how it ended.
///
/// It must be dropped before its consumer is.
pub struct CommitQueue(Queue);

impl CommitQueue {
    /// An empty queue.
    pub fn new<C: ConsumerContext>(consumer: &BaseConsumer<C>, bell: &Arc<OwnedFd>) -> Option<CommitQueue> {
        // SAFETY: the client lives while it is borrowed; the call returns a reference of our own.
        let queue = unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Queue::new(queue, Arc::clone(bell)).map(CommitQueue)
    }

    /// Begins to commit; the answer comes into the queue.
    pub fn commit<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        offsets: &TopicPartitionList,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client, offsets and queue live while they are borrowed; librdkafka copies the offsets. Without a
        // callback the answer is an event in the queue.
        let error = unsafe {
            native::rd_kafka_commit_queue(
                consumer.client().native_ptr(),
                offsets.ptr(),
                self.0.queue.as_ptr(),
                None,
                ptr::null_mut(),
            )
        };
        match error {
            native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            error => Err(error.into()),
        }
    }

    /// The next answer, if there is one: what was committed, or why it was not.
    pub fn answer(&self) -> Option<Result<Vec<(PartitionName, i64)>, RDKafkaErrorCode>> {
        // SAFETY: the queue is ours. The event is ours too until it is destroyed, once, below; the list in it belongs to it.
        unsafe {
            let event = NonNull::new(native::rd_kafka_queue_poll(self.0.queue.as_ptr(), 0))?;
            let error = native::rd_kafka_event_error(event.as_ptr());
            let offsets = native::rd_kafka_event_topic_partition_list(event.as_ptr());
            let answer = match error {
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => committed(offsets.as_ref()),
                error => Err(error.into()),
            };
            native::rd_kafka_event_destroy(event.as_ptr());
            Some(answer)
        }
    }
}

/// The offsets of a list that were committed; an error where one of them was not.
///
/// # Safety
/// The list must be one of librdkafka's.
unsafe fn committed(
    list: Option<&native::rd_kafka_topic_partition_list_t>,
) -> Result<Vec<(PartitionName, i64)>, RDKafkaErrorCode> {
    let Some(list) = list.filter(|list| !list.elems.is_null()) else { return Ok(Vec::new()) };
    // SAFETY: librdkafka has that many elements there.
    let elements = unsafe { slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0)) };
    let each = elements.iter().map(|each| match each.err {
        native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
            Ok(((text_of(each.topic), each.partition), each.offset))
        }
        error => Err(error.into()),
    });
    each.collect()
}

/// Room for messages, which are given back to librdkafka when others take their place.
pub struct Messages {
    taken: Vec<Message>,
}

impl Messages {
    /// Room for so many at once.
    pub fn with_capacity(messages: usize) -> Messages {
        Messages { taken: Vec::with_capacity(messages) }
    }

    /// Gives back the messages that were taken last.
    pub fn clear(&mut self) {
        self.taken.clear();
    }
}

/// A message, or what went wrong instead of one.
#[repr(transparent)]
pub struct Message(NonNull<native::rd_kafka_message_t>);

// SAFETY: a message is memory of its own that no thread is bound to.
unsafe impl Send for Message {}

impl Message {
    fn native(&self) -> &native::rd_kafka_message_t {
        // SAFETY: the message is ours until it is dropped, and nobody writes to it.
        unsafe { self.0.as_ref() }
    }

    /// What went wrong, if this is no message.
    pub fn error(&self) -> Option<(RDKafkaErrorCode, String)> {
        let message = self.native();
        let error = message.err;
        (error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| {
            // SAFETY: librdkafka gives a string that ends with a zero and lives as long as the message, or null.
            let text = unsafe { native::rd_kafka_message_errstr(self.0.as_ptr()) };
            (RDKafkaErrorCode::from(error), text_of(text))
        })
    }

    /// Its place in the partition.
    pub fn offset(&self) -> i64 {
        self.native().offset
    }

    /// Its value; `None` for a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        let message = self.native();
        // SAFETY: librdkafka gives that many bytes there, which live as long as the message.
        unsafe { bytes(message.payload, message.len) }
    }

    /// Its key.
    pub fn key(&self) -> Option<&[u8]> {
        let message = self.native();
        // SAFETY: as for the value.
        unsafe { bytes(message.key, message.key_len) }
    }

    /// When it was made or written, by the topic's choice: milliseconds since the Unix epoch.
    pub fn timestamp(&self) -> Option<i64> {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is ours, and so is where its kind goes.
        let timestamp = unsafe { native::rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) };
        (timestamp >= 0).then_some(timestamp)
    }

    /// The last of its headers with this name that has a value.
    pub fn header(&self, name: &CStr) -> Option<&[u8]> {
        let mut headers = ptr::null_mut();
        let (mut value, mut len) = (ptr::null(), 0);
        // SAFETY: the message is ours. The headers that it gives out are its own, and so is the value: they live as long as it.
        unsafe {
            let found = native::rd_kafka_message_headers(self.0.as_ptr(), &mut headers);
            if found != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            let found = native::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut len);
            if found != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            bytes(value, len)
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: `take` made it ours, and it is given back once.
        unsafe { native::rd_kafka_message_destroy(self.0.as_ptr()) };
    }
}

/// The next offset that would be written to a partition, as of the last answer to a fetch.
pub fn end<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client lives while it is borrowed, the topic ends with a zero, and both numbers are ours.
    let error = unsafe {
        native::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &mut low,
            &mut high,
        )
    };
    (error == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// # Safety
/// Where `start` is not null, `len` bytes must stand there and live as long as `'m`.
unsafe fn bytes<'m>(start: *const c_void, len: usize) -> Option<&'m [u8]> {
    // SAFETY: the caller says so.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), len) })
}

fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka's strings end with a zero.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
