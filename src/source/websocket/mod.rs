//! `source: {websocket: …}`: the messages of WebSocket feeds, each connection a lane.
//!
//! ```yaml
//! source:
//!   websocket:
//!     url: wss://feed.example.com/ws
//!     headers: {Authorization: 'Bearer ${FEED_TOKEN}'}
//!     subscribe: ['{"op":"subscribe","channel":"trades"}']    # sent after every connect
//!     ping_interval: 15s
//!     idle_timeout: 60s
//!     reconnect: {min: 250ms, max: 30s}
//! ```
//!
//! A feed does not wait and cannot be asked again, so events are counted at most once; what is missed is measured. One
//! thread serves all connections: [`feed`] keeps one of them up, [`connection`] opens it over a [`wire`], [`link`] reads
//! it while it lasts, [`failure`] says why there is none. [`options`], [`endpoint`] and [`tls`] read what is written in the pipeline file;
//! [`inbox`] makes batches of messages, [`sequence`] looks for holes in a feed's own numbering, [`meters`] counts.

use std::io;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::unix::AsyncFd;

use self::endpoint::Endpoint;
use self::feed::{Feed, Shared};
use self::options::{KEYS, Options};
use super::framing::Framing;
use super::{Context, Kind, Outlet, Source, SourceError, Written};
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub mod connection;
pub mod endpoint;
pub mod failure;
pub mod feed;
pub mod inbox;
pub mod link;
pub mod meters;
pub mod options;
pub mod sequence;
pub mod tls;
pub mod wire;

#[cfg(test)]
mod tests;

pub use options::{RECONNECT_KEYS, TLS_KEYS};

pub(super) static KIND: Kind = Kind {
    name: "websocket",
    help: "Receives the messages of WebSocket feeds, and connects again whenever that is needed.",
    example: "source:\n  websocket:\n    url: wss://feed.example.com/ws\n    subscribe: ['{\"op\":\"subscribe\",\"channel\":\"trades\"}']\n",
    keys: KEYS,
    fields: &["websocket.url"],
    record_fields: &[],
    record_maps: &[],
    meters: meters::ALL,
    read: |node: &Node, faults: &mut Faults| Some(Box::new(Options::read(node, faults)?)),
};

impl Written for Options {
    fn source(&self) -> Box<dyn Source> {
        Box::new(Feeds(self.clone()))
    }

    fn describe(&self) -> String {
        let names: Vec<_> = self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        names.join(", ")
    }

    fn framing(&self) -> Framing {
        let mut framing = Framing::default();
        framing.limits.max_line_bytes = self.max_message_bytes;
        framing
    }
}

/// The source.
struct Feeds(Options);

impl Source for Feeds {
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        let failed = |error: io::Error| SourceError { what: "the network cannot be used".to_owned(), error };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let ran = runtime.block_on(self.receive(outlet, context)).map_err(failed);
        // A name that is being resolved would hold up the end for as long as the resolver likes.
        runtime.shutdown_background();
        ran
    }
}

impl Feeds {
    /// Receives until the program is to end, or nobody is left to receive for.
    async fn receive(&self, outlet: &mut dyn Outlet, context: &Context) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, to have the caller vow what an owned descriptor is"
        )]
        let bell = AsyncFd::new(context.shutdown.bell()?)?;
        let shared = Shared::new(&self.0, outlet, context);
        let mut feeds: Vec<_> = open(&self.0.endpoints, &shared);
        let mut running: FuturesUnordered<_> = feeds.iter_mut().map(Feed::run).collect();
        tokio::select! {
            biased;
            _ = bell.readable() => {}
            _ = running.next() => {}
        }
        drop(running);
        join_all(feeds.iter_mut().map(Feed::end)).await;
        Ok(())
    }
}

/// A feed for each endpoint. Names leave out what may be secret, so several endpoints may share one; they are numbered
/// then.
fn open<'s>(endpoints: &'s [Endpoint], shared: &'s Shared<'s>) -> Vec<Feed<'s>> {
    let earlier = |at: usize| endpoints[..at].iter().filter(|other| other.name == endpoints[at].name).count();
    let name = |at: usize| match earlier(at) {
        0 => endpoints[at].name.clone(),
        number => format!("{} ({})", endpoints[at].name, number + 1),
    };
    endpoints.iter().enumerate().map(|(at, endpoint)| Feed::new(endpoint, name(at), shared)).collect()
}
