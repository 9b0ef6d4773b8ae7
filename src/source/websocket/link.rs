//! A connection while it lasts: messages in, pings out, and whether anyone is still there.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::connection::Connection;
use super::failure::{Failure, causes};
use super::inbox::Inbox;
use super::options::Options;

/// How long we wait for the network to take our goodbye.
const GOODBYE: Duration = Duration::from_millis(100);

/// How long we wait for a server to end the connection after its goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that is open.
pub struct Link {
    connection: Connection,
    ping_interval: Duration,
    idle_timeout: Duration,
    opened: Duration,
    next_ping: Duration,
    /// Whether a ping waits for the network to take it.
    unwritten: bool,
}

impl Link {
    /// A connection that was opened just now. All times are of the monotonic clock.
    pub fn new(connection: Connection, options: &Options, now: Duration) -> Link {
        let Options { ping_interval, idle_timeout, .. } = *options;
        let next_ping = now + ping_interval;
        Link { connection, ping_interval, idle_timeout, opened: now, next_ping, unwritten: false }
    }

    /// When it was opened.
    pub fn opened(&self) -> Duration {
        self.opened
    }

    /// When something came the last time.
    pub fn heard(&self) -> Duration {
        self.connection.get_ref().heard()
    }

    /// When to call [`beat`](Link::beat) next.
    pub fn due(&self) -> Duration {
        self.next_ping.min(self.heard() + self.idle_timeout)
    }

    /// Waits for messages and takes all that can be had without waiting, as far as the inbox has room. Where the
    /// connection is lost, what came before is in the inbox too. Nothing is lost where this is given up.
    pub async fn receive(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        poll_fn(|context| self.poll_receive(inbox, context)).await
    }

    fn poll_receive(&mut self, inbox: &mut Inbox, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.unwritten {
            match Pin::new(&mut self.connection).poll_flush(context) {
                Poll::Ready(Ok(())) => self.unwritten = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::of(error))),
                // A server that does not read may still be sending.
                Poll::Pending => {}
            }
        }
        while !inbox.is_full() {
            let message = match Pin::new(&mut self.connection).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Failure::of(error))),
                Poll::Ready(None) => return Poll::Ready(Err(Failure::of(Error::ConnectionClosed))),
                Poll::Pending if inbox.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            };
            match message {
                Message::Text(text) => inbox.push(text.as_bytes()),
                Message::Binary(bytes) => inbox.push(&bytes),
                Message::Close(frame) => return Poll::Ready(Err(Failure::closed(frame))),
                // Pings are answered with the next read, which comes before anything is waited for.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Pings when it is time; fails where nothing came for too long, an answer to pings included.
    pub fn beat(&mut self, now: Duration) -> Result<(), Failure> {
        if now.saturating_sub(self.heard()) >= self.idle_timeout {
            let what = format!("nothing came for {:?}, no answer to pings either", self.idle_timeout);
            return Err(Failure::new(causes::IDLE, what));
        }
        if now < self.next_ping {
            return Ok(());
        }
        self.next_ping = now + self.ping_interval;
        // Where the last ping still waits, another one would not be sooner.
        if !self.unwritten {
            Pin::new(&mut self.connection).start_send(Message::Ping(Bytes::new())).map_err(Failure::of)?;
            self.unwritten = true;
        }
        Ok(())
    }

    /// Tells the server that we leave.
    pub async fn say_goodbye(mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: "".into() };
        // Whoever does not take it learns it from the end of the connection.
        drop(timeout(GOODBYE, self.connection.close(Some(frame))).await);
    }

    /// Answers the server's goodbye, and leaves it to the server to end the connection, as RFC 6455 has it.
    pub async fn answer_goodbye(mut self) {
        let ended = poll_fn(|context| {
            while ready!(self.connection.poll_next_unpin(context)).is_some_and(|next| next.is_ok()) {}
            Poll::Ready(())
        });
        drop(timeout(FAREWELL, ended).await);
    }
}
