//! The HTTP server: the metrics for those who scrape, the state of the program for those who watch it, and a
//! page for those who look.
//!
//! Knows nothing of pipelines or the ledger: whatever it shows it asks an [`Exposition`] for.

mod connections;
pub mod own;
mod page;
mod scrape;
mod stalled;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use axum::body::Bytes;

use crate::encode;
use connections::Limits;

/// What there is to show.
pub trait Exposition: Send + Sync + 'static {
    /// Everything posted up to now, in chunks that together are one exposition. May block: it is called on
    /// a thread kept for that, a few at a time.
    fn expose(&self, kind: &'static encode::Kind) -> Vec<Bytes>;

    /// Whether all is well, or what is not: a sentence for each reason. Must not block.
    fn ready(&self) -> Result<(), Vec<String>>;

    /// What runs, for the landing page. Must not block.
    fn pipelines(&self) -> Vec<PipelineSummary>;
}

/// What the landing page says of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSummary {
    /// The pipeline's name.
    pub name: String,
    /// Where its records come from, in a few words.
    pub source: String,
    /// The name and help of each metric.
    pub metrics: Vec<(String, String)>,
}

/// What can be chosen about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The path of the metrics, from the root: `/metrics`.
    pub telemetry_path: String,
}

impl Default for Options {
    fn default() -> Options {
        Options { telemetry_path: "/metrics".to_owned() }
    }
}

/// Serves until `shutdown` is done, then lets the requests under way finish for a few seconds.
///
/// # Errors
/// If the telemetry path is one that cannot be served. What goes wrong with a connection ends that
/// connection only.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    exposition: Arc<dyn Exposition>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    check_path(&options.telemetry_path)?;
    connections::serve(listener, router(options, exposition), Limits::default(), shutdown).await;
    Ok(())
}

/// How many scrapes are answered at once. Each may hold a whole exposition in memory.
const SCRAPES: usize = 8;

/// Where everything but the metrics and the landing page is.
const OWN_PATHS: &str = "/-/";

/// What the handlers share.
struct Server {
    telemetry_path: String,
    exposition: Arc<dyn Exposition>,
    /// A permit for each scrape under way, held until its body is sent or given up.
    scrapes: Arc<Semaphore>,
}

fn router(options: Options, exposition: Arc<dyn Exposition>) -> Router {
    let path = options.telemetry_path.clone();
    let server = Server {
        telemetry_path: options.telemetry_path,
        exposition,
        scrapes: Arc::new(Semaphore::new(SCRAPES)),
    };
    let mut router = Router::new()
        .route(&path, get(scrape::metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route(page::STYLE_PATH, get(page::style));
    if path != "/" {
        router = router.route("/", get(page::landing));
    }
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Arc::new(server))
}

/// Refuses a telemetry path that is not a plain one, or that is taken.
///
/// # Errors
/// What is wrong with it, as `InvalidInput`.
pub fn check_path(path: &str) -> io::Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let problem = if !path.starts_with('/') {
        "does not start with /"
    } else if !path.bytes().all(plain) {
        "has characters other than letters, digits and /-._~"
    } else if path.starts_with(OWN_PATHS) {
        "starts with /-/, where the program's own pages are"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the telemetry path `{path}` {problem}")))
}

async fn healthy() -> Response {
    plain(StatusCode::OK, "streamgauge is healthy.\n")
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    match server.exposition.ready() {
        Ok(()) => plain(StatusCode::OK, "streamgauge is ready.\n"),
        Err(reasons) => {
            let reasons: String = reasons.iter().map(|reason| format!("- {reason}\n")).collect();
            plain(StatusCode::SERVICE_UNAVAILABLE, format!("streamgauge is not ready:\n{reasons}"))
        }
    }
}

async fn not_found(State(server): State<Arc<Server>>) -> Response {
    let path = &server.telemetry_path;
    plain(StatusCode::NOT_FOUND, format!("There is nothing here; try {path}, /-/healthy or /-/ready.\n"))
}

async fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n")
}

/// A response for people: text that no browser takes for anything else.
fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_that_are_free_are_served() {
        for path in ["/metrics", "/", "/a/b-c_d.e~1", "/metrics/", "/-", "/-healthy"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in ["", "metrics", "/{a}", "/*", "/a b", "/é", "/-/ready", "/-/", "/a?b", "/%20"] {
            let error = check_path(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
