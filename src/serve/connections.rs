//! Connections: how many there may be, how long each may take its time, and how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::stalled::Stalled;

/// What a client may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// The time in which the next request has to arrive, on a connection that is kept open as on a new one.
    /// Longer than the minute between scrapes that Prometheus takes by default.
    pub request: Duration,
    /// How long a response may wait for the client to read on.
    pub stall: Duration,
    /// How long the requests under way may take to finish when the server stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            request: Duration::from_secs(90),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}

/// Accepts and serves connections until `shutdown` is done and the last of them has ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut shutdown => break,
        };
        tokio::spawn(connection(stream, router.clone(), limits, connections.watcher(), place));
    }
    // Those who come now are told by the closed port, not left waiting.
    drop(listener);
    if timeout(limits.grace, connections.shutdown()).await.is_err() {
        tracing::warn!("requests still under way are cut off");
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) if ended_before_it_began(&error) => {}
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only burn the processor.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn ended_before_it_began(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
) {
    let stream = TokioIo::new(Stalled::new(stream, limits.stall));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request)
        .serve_connection(stream, TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(20);

    async fn client(router: Router, limits: Limits) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, limits, std::future::pending()));
        TcpStream::connect(address).await.unwrap()
    }

    #[tokio::test]
    async fn who_never_finishes_a_request_is_sent_away() {
        let limits = Limits { request: SHORT, ..Limits::default() };
        let mut stream = client(Router::new(), limits).await;
        stream.write_all(b"GET / HTT").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_kept_open_does_not_stay_for_ever() {
        let limits = Limits { request: SHORT, ..Limits::default() };
        let mut stream = client(Router::new().route("/", get(|| async { "hello" })), limits).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"));
    }

    #[tokio::test]
    async fn who_stops_reading_does_not_hold_the_response() {
        /// Says when it is dropped, as the response's body is.
        struct Held(mpsc::Sender<()>);
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                static LARGE: [u8; 64 << 20] = [0; 64 << 20];
                &LARGE
            }
        }
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.try_send(()).unwrap();
            }
        }
        let (dropped, mut told) = mpsc::channel(1);
        let router = Router::new().route("/", get(async move || Bytes::from_owner(Held(dropped))));
        let limits = Limits { request: LONG, stall: SHORT, ..Limits::default() };
        let mut stream = client(router, limits).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        told.recv().await.unwrap();
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_for_it() {
        let router = Router::new().route("/", get(|| async { "hello" }));
        let first = client(router, Limits { connections: 1, request: LONG, ..Limits::default() }).await;
        let mut second = TcpStream::connect(first.peer_addr().unwrap()).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(timeout(SHORT, second.readable()).await.is_err());
        drop(first);
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"));
    }
}
