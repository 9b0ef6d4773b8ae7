//! The batches that wait for one worker, bounded in bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::swap::Replacement;
use crate::model::batch::Batch;
use crate::source::{Closed, Rejected};

/// How many used buffers are kept for the sources to fill again.
const SPARE: usize = 16;

/// How much memory they may hold: enough for that many of the usual size, not for as many that grew with a long line.
const SPARE_BYTES: usize = SPARE * (512 << 10);

/// Batches from any number of sources for one worker. A source waits while the queue is full.
pub(super) struct Queue {
    /// A batch is let in while those that wait hold less memory than this, so at most this and one batch are held.
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
    waiting: VecDeque<Item>,
    /// The bytes of the batches' records.
    bytes: usize,
    /// The memory that the batches hold: a buffer may be far larger than the records in it.
    held: usize,
    closed: bool,
    /// What the worker is to take over once it has handed over its delta, if it is to do that.
    hand_over: Option<Replacement>,
    /// Whether the worker takes no batch, as nothing could be posted.
    held_up: bool,
    spare: Vec<Vec<u8>>,
    /// The memory that `spare` holds.
    spare_held: usize,
}

/// What waits.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are batches")]
enum Item {
    Batch(Batch),
    /// Everything before this is processed once it is taken: then it is dropped.
    Mark(SyncSender<()>),
}

/// What a worker is to do next.
#[expect(clippy::large_enum_variant, reason = "it is moved once for each batch; a box would be allocated")]
pub(super) enum Work {
    /// Process this.
    Batch(Batch),
    /// Say that everything before this is processed, by dropping it.
    Reached(SyncSender<()>),
    /// Hand over the delta, and go on with these processors in the place of others.
    HandOver(Replacement),
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
        let full = |state: &mut State| state.held >= self.limit && !state.closed;
        let state = self.room.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Closed);
        }
        self.let_in(state, batch);
        Ok(())
    }

    /// Adds a batch unless the queue is full; then it is given back.
    pub(super) fn offer(&self, batch: Batch) -> Result<(), Rejected> {
        let state = self.state();
        if state.closed {
            return Err(Rejected::Closed);
        }
        if state.held >= self.limit {
            return Err(Rejected::Full(Box::new(batch)));
        }
        self.let_in(state, batch);
        Ok(())
    }

    fn let_in(&self, mut state: MutexGuard<'_, State>, batch: Batch) {
        state.held += held(&batch);
        self.set_bytes(&mut state, |bytes| bytes + batch.bytes.len());
        state.waiting.push_back(Item::Batch(batch));
        drop(state);
        self.work.notify_one();
    }

    /// Has `reached` dropped when everything that waits now is processed.
    pub(super) fn mark(&self, reached: SyncSender<()>) -> Result<(), Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        state.waiting.push_back(Item::Mark(reached));
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for something to do. A hand-over comes before the batches that wait.
    pub(super) fn next(&self) -> Work {
        let idle = |state: &mut State| {
            state.hand_over.is_none() && (state.waiting.is_empty() || state.held_up) && !state.closed
        };
        let mut state = self.work.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        if let Some(replacement) = state.hand_over.take() {
            return Work::HandOver(replacement);
        }
        let batch = match state.waiting.pop_front() {
            Some(Item::Batch(batch)) => batch,
            Some(Item::Mark(reached)) => return Work::Reached(reached),
            None => return Work::End,
        };
        state.held -= held(&batch);
        self.set_bytes(&mut state, |bytes| bytes - batch.bytes.len());
        drop(state);
        self.room.notify_all();
        Work::Batch(batch)
    }

    /// Asks the worker to hand over its delta at the next batch boundary, and to go on with other processors.
    pub(super) fn request_hand_over(&self, replacement: Replacement) {
        self.state().hand_over = Some(replacement);
        self.work.notify_one();
    }

    /// Keeps the worker from taking batches, or lets it. Once the queue is closed it takes those that wait.
    pub(super) fn hold(&self, is_held_up: bool) {
        self.state().held_up = is_held_up;
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
        let mut state = self.state();
        let buffer = state.spare.pop().unwrap_or_default();
        state.spare_held -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer for a source to fill again.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.state();
        if state.spare.len() < SPARE && state.spare_held + buffer.capacity() <= SPARE_BYTES {
            state.spare_held += buffer.capacity();
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

/// The memory that a batch holds.
fn held(batch: &Batch) -> usize {
    size_of::<Batch>() + batch.bytes.capacity() + batch.ends.held()
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
            Work::Reached(_) => "reached".to_owned(),
            Work::HandOver(_) => "hand over".to_owned(),
            Work::End => "end".to_owned(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hand_over_comes_before_the_batches_that_wait() {
        let queue = Queue::new(100);
        queue.push(batch("one")).unwrap();
        queue.request_hand_over(Vec::new());
        check_next(&queue, "hand over");
        check_next(&queue, "one");
        queue.push(batch("two")).unwrap();
        queue.close();
        check_next(&queue, "two");
        check_next(&queue, "end");
        assert_eq!(queue.push(batch("late")), Err(Closed));
    }

    #[test]
    fn what_cannot_wait_is_given_back_while_the_queue_is_full() {
        let queue = Queue::new(held(&batch("one")));
        queue.offer(batch("one")).unwrap();
        let Err(Rejected::Full(back)) = queue.offer(batch("two")) else { panic!("it was let in") };
        check_next(&queue, "one");
        queue.offer(*back).unwrap();
        check_next(&queue, "two");
        queue.close();
        assert!(matches!(queue.offer(batch("late")), Err(Rejected::Closed)));
    }

    #[test]
    fn a_mark_is_reached_behind_what_waited_before_it() {
        let queue = Queue::new(10_000);
        let (reached, heard) = std::sync::mpsc::sync_channel(0);
        queue.push(batch("one")).unwrap();
        queue.mark(reached.clone()).unwrap();
        queue.push(batch("two")).unwrap();
        drop(reached);
        check_next(&queue, "one");
        assert_eq!(heard.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
        check_next(&queue, "reached");
        assert_eq!(heard.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        queue.close();
        assert_eq!(queue.mark(std::sync::mpsc::sync_channel(0).0), Err(Closed));
    }

    #[test]
    fn a_full_queue_makes_the_source_wait_until_there_is_room() {
        let queue = Queue::new(held(&batch("one")));
        let fill = queue.fill();
        std::thread::scope(|scope| {
            let source = scope.spawn(|| {
                (0..100).for_each(|_| queue.push(batch("four")).unwrap());
                queue.close();
            });
            let mut got = 0;
            while let Work::Batch(batch) = queue.next() {
                // What waits is at most the limit and one batch.
                assert!(fill.load(Ordering::Relaxed) <= 4 + 4);
                got += batch.bytes.len();
            }
            assert_eq!(got, 400);
            source.join().unwrap();
        });
    }

    #[test]
    fn large_buffers_with_little_in_them_fill_the_queue_too() {
        let queue = Queue::new(1000);
        let mut skipped = batch("");
        skipped.bytes.reserve_exact(1000);
        queue.push(skipped).unwrap();
        // No record waits, and yet the next batch would have to.
        assert!(queue.state().bytes == 0 && queue.state().held >= queue.limit);
        queue.next();
        assert_eq!(queue.state().held, 0);
    }

    #[test]
    fn used_buffers_hold_no_more_than_their_limit() {
        let queue = Queue::new(1000);
        let large = SPARE_BYTES / 2 - 1;
        (0..SPARE).for_each(|_| queue.give_back(Vec::with_capacity(large)));
        assert_eq!(queue.state().spare_held, 2 * large);
        let buffers = [queue.buffer(), queue.buffer(), queue.buffer()];
        assert_eq!(buffers.map(|buffer| buffer.capacity()), [large, large, 0]);
        assert_eq!(queue.state().spare_held, 0);
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
