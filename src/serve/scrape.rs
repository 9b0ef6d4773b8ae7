//! The answer to a scrape: the exposition in the format and coding that the client prefers, sent chunk by chunk.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::coding::Coding;
use super::stream::{Stream, stream};
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
    let permit = Arc::new(permit);
    let (mut source, made) = stream(Arc::clone(&permit));
    tokio::task::spawn_blocking(move || {
        server.exposition.expose(&asked, &mut source);
        source.end();
    });
    let body = if coding == Coding::Identity { made } else { compressed(coding, made, permit) };
    match body.begun().await {
        Ok(()) => respond(kind, coding, body),
        Err(error) => failed(&error),
    }
}

/// The same, compressed on a thread of its own: whoever makes the exposition holds the ledger, and is not to wait.
fn compressed(coding: Coding, made: Stream, permit: Arc<OwnedSemaphorePermit>) -> Stream {
    let (mut source, body) = stream(permit);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || match coding.encode(|| runtime.block_on(made.next()), &mut source) {
        Ok(()) => source.end(),
        Err(error) => tracing::debug!(%error, "nothing more to compress"),
    });
    body
}

/// The answer when too many look at the ledger already.
pub fn busy() -> Response {
    let busy = plain(StatusCode::SERVICE_UNAVAILABLE, "Too many scrapes at once; try again in a second.\n");
    ([(header::RETRY_AFTER, "1")], busy).into_response()
}

fn respond(kind: &Kind, coding: Coding, body: Stream) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.content_type),
        (header::VARY, "Accept, Accept-Encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (headers, Body::new(body)).into_response();
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
