//! The bytes beneath a connection: plain or encrypted, and when something came.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::base::clock::Clock;

/// A stream of bytes to and from a server.
#[derive(Debug)]
pub struct Wire {
    bytes: Bytes,
    clock: Clock,
    heard: Duration,
}

#[derive(Debug)]
enum Bytes {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// A stream as it is.
    pub fn plain(stream: TcpStream, clock: Clock) -> Wire {
        Wire { bytes: Bytes::Plain(stream), heard: clock.monotonic(), clock }
    }

    /// A stream within TLS.
    pub fn encrypted(stream: TlsStream<TcpStream>, clock: Clock) -> Wire {
        Wire { bytes: Bytes::Encrypted(Box::new(stream)), heard: clock.monotonic(), clock }
    }

    /// When something came the last time, be it a part of a message only.
    pub fn heard(&self) -> Duration {
        self.heard
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Bytes::Encrypted(stream) => Pin::new(stream).poll_read(context, into),
        };
        if matches!(read, Poll::Ready(Ok(()))) && !into.filled().is_empty() {
            self.heard = self.clock.monotonic();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Bytes::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_flush(context),
            Bytes::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Bytes::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
