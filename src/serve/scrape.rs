//! The answer to a scrape: the exposition in the format and coding that the client prefers, sent chunk by chunk.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::coding::Coding;
use super::{Asked, Server, plain};
use crate::encode::{self, Kind, Selection};

/// The parameters of a request, in order, each as often as it occurs.
type Parameters = Query<Vec<(String, String)>>;

/// The parameter that names a family to show, as other exporters have it.
const NAME: &str = "name[]";

/// Answers a scrape with the metrics in the format that the client prefers.
pub async fn metrics(state: State<Arc<Server>>, parameters: Parameters, headers: HeaderMap) -> Response {
    let kind = encode::negotiate(accepted(&headers, &header::ACCEPT).as_deref());
    answer(kind, state, parameters, headers).await
}

/// Answers a scrape in this format, or says to come back when too many are under way.
pub async fn answer(
    kind: &'static Kind,
    State(server): State<Arc<Server>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let Ok(permit) = Arc::clone(&server.scrapes).try_acquire_owned() else { return busy() };
    let names = parameters.into_iter().filter(|(name, _)| name == NAME).map(|(_, family)| family);
    let asked = Asked { kind, families: Selection::of(names) };
    let coding = Coding::negotiate(accepted(&headers, &header::ACCEPT_ENCODING).as_deref());
    // The permit goes along: the work goes on when the client does not wait for it.
    let exposed =
        tokio::task::spawn_blocking(move || (coding.encode(server.exposition.expose(&asked)), permit)).await;
    match exposed {
        Ok((Ok(chunks), permit)) => respond(kind, coding, Chunks::new(chunks, permit)),
        Ok((Err(error), _)) => failed(&error),
        Err(error) => failed(&io::Error::other(error)),
    }
}

/// The answer when too many look at the ledger already.
pub fn busy() -> Response {
    let busy = plain(StatusCode::SERVICE_UNAVAILABLE, "Too many scrapes at once; try again in a second.\n");
    ([(header::RETRY_AFTER, "1")], busy).into_response()
}

fn respond(kind: &Kind, coding: Coding, chunks: Chunks) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.content_type),
        (header::VARY, "Accept, Accept-Encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (headers, Body::new(chunks)).into_response();
    if let Some(token) = coding.token() {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
    }
    response
}

fn failed(error: &io::Error) -> Response {
    tracing::error!(%error, "a scrape failed");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "The scrape failed; the log says why.\n")
}

/// All headers of this name as one, which is what they mean.
fn accepted(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let all: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
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
