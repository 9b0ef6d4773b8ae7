//! The HTTP server: the metrics for those who scrape, the state of the program for those who watch it, and a
//! page for those who look.
//!
//! Knows nothing of pipelines or the ledger: whatever it shows it asks an [`Exposition`] for.

mod coding;
mod connections;
pub mod own;
mod page;
mod scrape;
mod stalled;
mod stream;
mod summary;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::encode;
use crate::telemetry::Lag;
use connections::Limits;

/// What there is to show.
pub trait Exposition: Send + Sync + 'static {
    /// Hands everything posted up to now that was asked for to `sink`, in chunks that together are one exposition. If it
    /// panics what was handed over is not taken for a whole one. May block: it is called on a thread kept for that, a few
    /// at a time.
    fn expose(&self, asked: &Asked, sink: &mut dyn encode::Sink);

    /// Whether all is well, or what is not: a sentence for each reason. Must not block.
    fn ready(&self) -> Readiness;

    /// What runs, for the landing page. May block, as [`expose`](Exposition::expose) may.
    fn pipelines(&self) -> Vec<PipelineSummary>;

    /// Loads the configuration again. May take a minute.
    fn reload(&self) -> Reload {
        Reload::Impossible("There is no configuration here that could be loaded again.\n".to_owned())
    }
}

/// What became of a configuration that was to be loaded again. Whatever it is, it is said in lines for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It runs.
    Done(String),
    /// It is faulty, and the one before it runs on; every fault.
    Faulty(String),
    /// It could not be changed now.
    Impossible(String),
}

/// What somebody wants to see.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In which format.
    pub kind: &'static encode::Kind,
    /// Which families.
    pub families: encode::Selection,
}

/// Whether every source works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps sources from working, a sentence each; none if they all work.
    pub faults: Vec<String>,
    /// What happened lately and is over.
    pub lately: Vec<String>,
}

/// What the landing page says of a pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineSummary {
    /// The pipeline's name.
    pub name: String,
    /// Where its records come from, in a few words.
    pub source: String,
    /// The lanes that are open there, each with how far it is behind its end.
    pub lanes: Vec<(String, Lag)>,
    /// How many records came from there.
    pub events: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// What was refused, how often: the component, the reason, the count.
    pub refused: Vec<(String, &'static str, u64)>,
    /// Its metrics.
    pub metrics: Vec<MetricSummary>,
}

/// What the landing page says of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricSummary {
    /// The metric's name.
    pub name: String,
    /// Its help.
    pub help: String,
    /// Its type.
    pub kind: &'static str,
    /// How many series it has.
    pub series: usize,
    /// How many series it may have.
    pub max_series: usize,
    /// Some of the series, the largest first.
    pub largest: Vec<SeriesSummary>,
}

/// What the landing page says of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesSummary {
    /// Its labels, as `name="value"`, each of which is shortened where it is long.
    pub labels: String,
    /// What it reads, for people.
    pub value: String,
    /// Its part of the largest, in thousandths.
    pub share: u16,
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
    let mut router = Router::new();
    for kind in encode::KINDS {
        if let Some(path) = kind.path {
            router = router.route(
                path,
                get(async |state, asked, headers| scrape::answer(kind, state, asked, headers).await),
            );
        }
    }
    router = router
        .route(&path, get(scrape::metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
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
    } else if encode::KINDS.iter().any(|kind| kind.path == Some(path)) {
        "is where another format is"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the telemetry path `{path}` {problem}")))
}

async fn healthy() -> Response {
    plain(StatusCode::OK, "streamgauge is healthy.\n")
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    let Readiness { faults, lately } = server.exposition.ready();
    let list = |lines: &[String]| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
    let (status, mut text) = if faults.is_empty() {
        (StatusCode::OK, "streamgauge is ready.\n".to_owned())
    } else {
        let text = format!("streamgauge is not ready:\n{}", list(&faults));
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    if !lately.is_empty() {
        text += &format!("In the last ten minutes:\n{}", list(&lately));
    }
    plain(status, text)
}

/// Loads the configuration again; the answer is that of the Prometheus server where it has one.
async fn reload(State(server): State<Arc<Server>>) -> Response {
    let reloaded = tokio::task::spawn_blocking(move || server.exposition.reload()).await;
    match reloaded {
        Ok(Reload::Done(text)) => plain(StatusCode::OK, text),
        Ok(Reload::Faulty(text)) => plain(StatusCode::INTERNAL_SERVER_ERROR, text),
        Ok(Reload::Impossible(text)) => plain(StatusCode::SERVICE_UNAVAILABLE, text),
        Err(error) => {
            tracing::error!(%error, "a reload failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "The reload failed; the log says why.\n")
        }
    }
}

async fn not_found(State(server): State<Arc<Server>>) -> Response {
    let path = &server.telemetry_path;
    plain(StatusCode::NOT_FOUND, format!("There is nothing here; try {path}, /-/healthy or /-/ready.\n"))
}

async fn method_not_allowed(uri: Uri) -> Response {
    let allowed = if uri.path() == "/-/reload" { "POST and PUT" } else { "GET and HEAD" };
    plain(StatusCode::METHOD_NOT_ALLOWED, format!("Only {allowed} are answered here.\n"))
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
        for path in ["", "metrics", "/{a}", "/*", "/a b", "/é", "/-/ready", "/-/", "/a?b", "/%20", "/json"] {
            let error = check_path(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
