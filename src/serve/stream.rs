//! A body that is sent while it is still being made.
//!
//! One thread makes chunks and never waits: not for the client, not for the network. What the client has not taken yet
//! waits in memory, at most a whole exposition; the permit that goes along bounds how many of those there are.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::encode::Sink;

/// How many buffers that were sent are kept to be filled again. A client that keeps up needs no more than these, and they
/// stay in the cache.
const SPARE: usize = 4;

/// The two ends of a new stream. The permit is let go of when both are gone, and every chunk.
pub(super) fn stream(permit: Arc<OwnedSemaphorePermit>) -> (Source, Stream) {
    let shared = Arc::new(Shared { state: Mutex::default(), _permit: permit });
    (Source(Arc::clone(&shared)), Stream(shared))
}

struct Shared {
    state: Mutex<State>,
    _permit: Arc<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct State {
    /// What the client has not taken yet. Filled by the source, emptied by the body.
    chunks: VecDeque<Vec<u8>>,
    /// Buffers whose chunks were sent.
    spare: Vec<Vec<u8>>,
    /// Set once by the source: nothing comes after `chunks`.
    ended: Option<End>,
    /// Set by the body when it is dropped: nobody takes any more.
    abandoned: bool,
    /// Set by the body when it found nothing; taken by the source when there is something.
    waiting: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// The end that chunks are put in. One that is dropped before it was ended breaks the body off.
pub(super) struct Source(Arc<Shared>);

impl Source {
    /// Says that the body is whole.
    pub(super) fn end(self) {
        self.0.change(|state| state.ended = Some(End::Whole));
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.ended.get_or_insert(End::Broken);
        });
    }
}

impl Sink for Source {
    fn take(&mut self, chunk: Vec<u8>) -> Option<Vec<u8>> {
        let mut next = None;
        self.0.change(|state| {
            if !state.abandoned {
                state.chunks.push_back(chunk);
                next = Some(state.spare.pop());
            }
        });
        next.map(|spare| spare.unwrap_or_else(Self::buffer))
    }
}

/// A chunk, whose buffer goes back when it was sent.
struct Chunk {
    bytes: Vec<u8>,
    from: Arc<Shared>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut state = self.from.state();
        if state.ended.is_none() && state.spare.len() < SPARE {
            let mut buffer = std::mem::take(&mut self.bytes);
            buffer.clear();
            state.spare.push(buffer);
        }
    }
}

/// The body that a client gets.
pub(super) struct Stream(Arc<Shared>);

impl Stream {
    /// Waits until it is known whether the body has more than one chunk, and so how long it is if it has not.
    ///
    /// # Errors
    /// If it broke off before there was anything to send.
    pub(super) async fn begun(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut state = self.0.state();
            match state.ended {
                Some(End::Broken) if state.chunks.is_empty() => Poll::Ready(Err(broken())),
                None if state.chunks.len() < 2 => {
                    state.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(Ok(())),
            }
        })
        .await
    }

    /// The next chunk; `None` after the last.
    ///
    /// # Errors
    /// If the body broke off.
    pub(super) async fn next(&self) -> io::Result<Option<Bytes>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let mut state = self.0.state();
        if let Some(bytes) = state.chunks.pop_front() {
            let chunk = Chunk { bytes, from: Arc::clone(&self.0) };
            return Poll::Ready(Ok(Some(Bytes::from_owner(chunk))));
        }
        match state.ended {
            Some(End::Whole) => Poll::Ready(Ok(None)),
            Some(End::Broken) => Poll::Ready(Err(broken())),
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the exposition broke off")
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.abandoned = true;
        let chunks = std::mem::take(&mut state.chunks);
        // What may be a whole exposition is given back while nobody waits for the lock.
        drop(state);
        drop(chunks);
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = ready!(self.poll_next(context)).inspect_err(|error| {
            // The client sees an answer that is cut off; nobody else would know.
            tracing::error!(%error, "a scrape failed");
        });
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.state();
        state.ended == Some(End::Whole) && state.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.state();
        let left = state.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        match state.ended {
            Some(End::Whole) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
