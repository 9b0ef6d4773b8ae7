//! The answer to a scrape: the exposition in the format that the client prefers, sent chunk by chunk.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{Server, plain};
use crate::encode;

/// Answers a scrape, or says to come back when too many are under way.
pub async fn metrics(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let Ok(permit) = Arc::clone(&server.scrapes).try_acquire_owned() else {
        let busy =
            plain(StatusCode::SERVICE_UNAVAILABLE, "Too many scrapes at once; try again in a second.\n");
        return ([(header::RETRY_AFTER, "1")], busy).into_response();
    };
    let kind = encode::negotiate(accepted(&headers).as_deref());
    // The permit goes along: the work goes on when the client does not wait for it.
    let exposed = tokio::task::spawn_blocking(move || (server.exposition.expose(kind), permit)).await;
    match exposed {
        Ok((chunks, permit)) => {
            let headers = [
                (header::CONTENT_TYPE, kind.content_type),
                (header::VARY, "Accept"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, Body::new(Chunks::new(chunks, permit))).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a scrape failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "The scrape failed; the log says why.\n")
        }
    }
}

/// All `Accept` headers as one, which is what they mean.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let all: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// A body of known length. It holds the scrape's permit for as long as it holds memory.
struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    left: u64,
    _permit: OwnedSemaphorePermit,
}

impl Chunks {
    fn new(chunks: Vec<Bytes>, permit: OwnedSemaphorePermit) -> Chunks {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Chunks { chunks: chunks.into_iter(), left, _permit: permit }
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.find(|chunk| !chunk.is_empty());
        if let Some(chunk) = &chunk {
            self.left -= chunk.len() as u64;
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
