//! The batches that wait for one worker, bounded in bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::model::batch::Batch;
use crate::source::Closed;

/// How many used buffers are kept for the sources to fill again.
const SPARE: usize = 16;

/// Larger buffers, in which a long line came, are not kept.
const SPARE_BYTES: usize = 1 << 20;

/// The memory that a batch takes while it waits.
fn size(batch: &Batch) -> usize {
    size_of::<Batch>() + batch.bytes.capacity()
}

/// Batches from any number of sources for one worker. A source waits while the queue is full.
pub(super) struct Queue {
    /// A batch is let in while batches of less memory than this wait, so at most this and one batch are held.
    limit: usize,
    /// Written by sources and the worker, by the ticker for `hand_over` only.
    state: Mutex<State>,
    /// Signalled when bytes leave or the queue is closed; sources wait for it.
    room: Condvar,
    /// Signalled when there is something for the worker to do.
    work: Condvar,
    /// The bytes that wait, for the metric: written under the lock, read without.
    fill: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    bytes: usize,
    closed: bool,
    hand_over: bool,
    spare: Vec<Vec<u8>>,
}

/// What a worker is to do next.
#[expect(clippy::large_enum_variant, reason = "it is moved once for each batch; a box would be allocated")]
pub(super) enum Work {
    /// Process this.
    Batch(Batch),
    /// Hand over the delta.
    HandOver,
    /// Hand over the delta and end: no batch will come.
    End,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Queue {
        Queue {
            limit,
            state: Mutex::default(),
            room: Condvar::new(),
            work: Condvar::new(),
            fill: Arc::default(),
        }
    }

    /// How many bytes wait.
    pub(super) fn fill(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.fill)
    }

    /// Adds a batch; waits while the queue is full.
    pub(super) fn push(&self, batch: Batch) -> Result<(), Closed> {
        let full = |state: &mut State| state.bytes >= self.limit && !state.closed;
        let mut state = self.room.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Closed);
        }
        self.set_bytes(&mut state, |bytes| bytes + size(&batch));
        state.batches.push_back(batch);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for something to do. A hand-over comes before the batches that wait.
    pub(super) fn next(&self) -> Work {
        let idle = |state: &mut State| !state.hand_over && state.batches.is_empty() && !state.closed;
        let mut state = self.work.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.hand_over) {
            return Work::HandOver;
        }
        let Some(batch) = state.batches.pop_front() else {
            return Work::End;
        };
        self.set_bytes(&mut state, |bytes| bytes - size(&batch));
        drop(state);
        self.room.notify_all();
        Work::Batch(batch)
    }

    /// Asks the worker to hand over its delta at the next batch boundary.
    pub(super) fn request_hand_over(&self) {
        self.state().hand_over = true;
        self.work.notify_one();
    }

    /// Takes no more batches. The worker gets those that wait.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
        self.room.notify_all();
    }

    /// An empty buffer, a used one if there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.state().spare.pop().unwrap_or_default()
    }

    /// Keeps a buffer for a source to fill again.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.state();
        if state.spare.len() < SPARE && buffer.capacity() <= SPARE_BYTES {
            state.spare.push(buffer);
        }
    }

    fn set_bytes(&self, state: &mut State, change: impl Fn(usize) -> usize) {
        state.bytes = change(state.bytes);
        self.fill.store(state.bytes as u64, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code between lock and unlock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{Ends, Lane, LaneId, Position};
    use crate::model::refused::Refusals;

    fn batch(bytes: &str) -> Batch {
        let lane =
            Lane { id: LaneId(0), pipeline: 0, key: String::new(), name: String::new(), fields: Vec::new() };
        let bytes = bytes.as_bytes().to_vec();
        Batch {
            lane: Arc::new(lane),
            bytes,
            ends: Ends::Newlines,
            end: Position::default(),
            refused: Refusals::default(),
            last: false,
        }
    }

    #[track_caller]
    fn check_next(queue: &Queue, expected: &str) {
        let found = match queue.next() {
            Work::Batch(batch) => String::from_utf8(batch.bytes).unwrap(),
            Work::HandOver => "hand over".to_owned(),
            Work::End => "end".to_owned(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hand_over_comes_before_the_batches_that_wait() {
        let queue = Queue::new(100);
        queue.push(batch("one")).unwrap();
        queue.request_hand_over();
        check_next(&queue, "hand over");
        check_next(&queue, "one");
        queue.push(batch("two")).unwrap();
        queue.close();
        check_next(&queue, "two");
        check_next(&queue, "end");
        assert_eq!(queue.push(batch("late")), Err(Closed));
    }

    #[test]
    fn a_full_queue_makes_the_source_wait_until_there_is_room() {
        let one = size(&batch("four")) as u64;
        let queue = Queue::new(one as usize);
        let fill = queue.fill();
        std::thread::scope(|scope| {
            let source = scope.spawn(|| {
                (0..100).for_each(|_| queue.push(batch("four")).unwrap());
                queue.close();
            });
            let mut got = 0;
            while let Work::Batch(batch) = queue.next() {
                // What waits is at most the limit and one batch.
                assert!(fill.load(Ordering::Relaxed) <= 2 * one);
                got += batch.bytes.len();
            }
            assert_eq!(got, 400);
            source.join().unwrap();
        });
    }

    #[test]
    fn a_waiting_source_learns_that_the_queue_is_closed() {
        let queue = Queue::new(1);
        queue.push(batch("full")).unwrap();
        std::thread::scope(|scope| {
            let source = scope.spawn(|| queue.push(batch("late")));
            queue.close();
            assert_eq!(source.join().unwrap(), Err(Closed));
        });
    }
}
