//! The server, over real connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use streamgauge::base::shutdown::Shutdown;
use streamgauge::encode::{self, Selection, Sink};
use streamgauge::serve::{self, Asked, Exposition, MetricSummary, Options, PipelineSummary, Readiness};

/// An exposition that a test has in its hands.
#[derive(Default)]
struct Shown {
    reasons: Vec<String>,
    lately: Vec<String>,
    fails: bool,
    breaks_off: bool,
    /// Goes on until nobody takes it any more.
    endless: bool,
    chunk: usize,
    /// Passed before anything is exposed, and after everything was.
    gate: Gate,
    end: Gate,
    /// Whether somebody took the last chunk of the last exposition.
    taken: Mutex<Option<bool>>,
    /// What the last scrape asked for.
    asked: Mutex<Option<Asked>>,
}

/// Holds scrapes back while it is closed.
#[derive(Default)]
struct Gate {
    /// Whether it is closed, and how many wait before it.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(closed, _)| *closed).unwrap());
    }

    fn close(&self) {
        self.state.lock().unwrap().0 = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().0 = false;
        self.changed.notify_all();
    }

    fn forget(&self) {
        self.state.lock().unwrap().1 = 0;
    }

    fn wait_for(&self, waiting: usize) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |(_, count)| *count < waiting).unwrap());
    }
}

/// Bytes that can hardly be compressed.
fn noise(seed: u64) -> Vec<u8> {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(seed), next).map(|state| (state >> 56) as u8).take(1 << 16).collect()
}

impl Exposition for Shown {
    fn expose(&self, asked: &Asked, sink: &mut dyn Sink) {
        assert!(!self.fails, "this exposition was told to fail");
        self.gate.pass();
        *self.asked.lock().unwrap() = Some(asked.clone());
        let first = format!("{} says 1\n", asked.kind.name);
        let mut taken = sink.take(first.into_bytes());
        for _ in 0..self.chunk {
            taken = taken.and_then(|_| sink.take(vec![b'#'; 1 << 16]));
        }
        let mut seed = 0;
        while self.endless && taken.is_some() {
            seed += 1;
            taken = sink.take(noise(seed));
        }
        *self.taken.lock().unwrap() = Some(taken.is_some());
        self.end.pass();
        assert!(!self.breaks_off, "this exposition was told to break off");
    }

    fn ready(&self) -> Readiness {
        Readiness { faults: self.reasons.clone(), lately: self.lately.clone() }
    }

    fn pipelines(&self) -> Vec<PipelineSummary> {
        vec![PipelineSummary {
            name: "orders <b>".to_owned(),
            source: "file /var/log/orders.log".to_owned(),
            metrics: vec![MetricSummary {
                name: "orders_total".to_owned(),
                help: "Orders & more.".to_owned(),
                ..MetricSummary::default()
            }],
            ..PipelineSummary::default()
        }]
    }
}

/// A server that runs until it is dropped.
struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(shown: Arc<Shown>, telemetry_path: &str) -> Server {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let (raised, told) = tokio::sync::oneshot::channel();
        thread::spawn({
            let shutdown = shutdown.clone();
            move || {
                while !shutdown.wait(std::time::Duration::from_secs(3600)) {}
                raised.send(()).ok();
            }
        });
        let options = Options { telemetry_path: telemetry_path.to_owned() };
        let thread = thread::spawn(move || {
            let told = async move { told.await.unwrap_or(()) };
            runtime.block_on(serve::serve(listener, options, shown, told)).unwrap();
        });
        Server { address, shutdown, thread: Some(thread) }
    }

    fn with(shown: Shown) -> Server {
        Server::start(Arc::new(shown), "/metrics")
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Response {
        read(self.send(&request(method, path, headers)))
    }

    fn get(&self, path: &str) -> Response {
        self.ask("GET", path, "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.raise();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()) || thread::panicking(), "the server panicked");
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    /// Decompressed.
    body: String,
    /// How many bytes of the body were sent.
    sent: usize,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    fn check(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{}", self.head);
        assert_eq!(self.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{headers}\r\n")
}

fn read(mut stream: TcpStream) -> Response {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut sent = bytes.split_off(end + 4);
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    if is_chunked {
        sent = joined(&sent).expect("the last chunk says that it is the last");
    }
    let body = decompressed(&head, &sent);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head, body: String::from_utf8(body).unwrap(), sent: sent.len() }
}

/// A body that was sent in chunks; `None` if it breaks off.
fn joined(mut sent: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = sent.windows(2).position(|end| end == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&sent[..end]).unwrap(), 16).unwrap();
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(sent.get(end + 2..end + 2 + len)?);
        sent = &sent[end + 4 + len..];
    }
}

fn decompressed(head: &str, body: &[u8]) -> Vec<u8> {
    if body.is_empty() {
        return Vec::new();
    }
    if head.contains("content-encoding: gzip") {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(body).read_to_end(&mut text).unwrap();
        return text;
    }
    if head.contains("content-encoding: zstd") {
        return zstd::decode_all(body).unwrap();
    }
    body.to_vec()
}

#[test]
fn a_scrape_gets_the_format_it_asks_for() {
    let server = Server::with(Shown::default());
    for (accept, kind) in [
        ("", "prometheus"),
        ("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n", "openmetrics"),
        (
            "Accept: application/openmetrics-text;q=0.4\r\nAccept: text/plain;version=0.0.4;q=0.5\r\n",
            "prometheus",
        ),
        ("Accept: \u{fffd}\r\n", "prometheus"),
    ] {
        let response = server.ask("GET", "/metrics?any=thing", accept);
        let kind = encode::KINDS.iter().find(|known| known.name == kind).unwrap();
        assert_eq!((response.status, response.body), (200, format!("{} says 1\n", kind.name)), "{accept}");
        let response = server.ask("GET", "/metrics", accept);
        assert_eq!(response.header("content-type"), Some(kind.content_type));
        assert_eq!(response.header("vary"), Some("Accept, Accept-Encoding"));
        assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    }
}

#[test]
fn a_scrape_is_compressed_as_the_client_prefers() {
    let server = Server::with(Shown { chunk: 20, ..Shown::default() });
    let whole = server.get("/metrics");
    assert_eq!(whole.header("content-encoding"), None);
    for (path, accepted, coding) in [
        ("/metrics", "gzip", Some("gzip")),
        ("/metrics", "gzip;q=0.5, zstd", Some("zstd")),
        ("/metrics", "gzip;q=0, identity", None),
        ("/metrics", "br", None),
        ("/json", "zstd;q=0.1", Some("zstd")),
        ("/influx", "deflate\r\nAccept-Encoding: gzip", Some("gzip")),
    ] {
        let response = server.ask("GET", path, &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(response.header("content-encoding"), coding, "{accepted}");
        assert_eq!(response.header("vary"), Some("Accept, Accept-Encoding"));
        // What fits one chunk has a length; all else may be sent while it is made.
        let len = response.header("content-length").map(|len| len.parse().unwrap());
        assert!(len == Some(response.sent) || len.is_none() && coding.is_none(), "{accepted}: {len:?}");
        assert_eq!(response.body[6..].trim_start_matches(|c| c != '#').len(), 20 << 16);
        assert!(coding.is_none() || response.sent < 20_000, "{} bytes", response.sent);
    }
}

#[test]
fn other_formats_have_paths_of_their_own() {
    let server = Server::with(Shown::default());
    for kind in encode::KINDS {
        let Some(path) = kind.path else { continue };
        // Whatever the client would rather have: who asks for the path wants this.
        let response = server.ask("GET", path, "Accept: text/plain\r\n");
        assert_eq!(
            (response.status, response.body.as_str()),
            (200, format!("{} says 1\n", kind.name).as_str())
        );
        assert_eq!(response.header("content-type"), Some(kind.content_type));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn families_are_selected_by_name() {
    let shown = Arc::new(Shown::default());
    let server = Server::start(Arc::clone(&shown), "/metrics");
    for (query, names) in [
        ("", &[][..]),
        ("?name=a&nom[]=b", &[]),
        ("?name[]=a", &["a"]),
        ("?name%5B%5D=a&x=y&name%5b%5d=%62", &["a", "b"]),
        ("?name[]=", &[""]),
    ] {
        for path in ["/metrics", "/json", "/influx"] {
            assert_eq!(server.get(&format!("{path}{query}")).status, 200, "{query}");
            let asked = shown.asked.lock().unwrap().take().unwrap();
            assert_eq!(asked.families, Selection::of(names.iter().map(|name| (*name).to_owned())), "{query}");
        }
    }
}

#[test]
fn head_answers_as_get_does_without_a_body() {
    let server = Server::with(Shown::default());
    let response = server.ask("HEAD", "/metrics", "");
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    assert_eq!(response.header("content-length"), Some("18"));
    assert_eq!(server.ask("HEAD", "/-/healthy", "").status, 200);
}

#[test]
fn a_large_exposition_arrives_whole() {
    let server = Server::with(Shown { chunk: 200, ..Shown::default() });
    for coding in ["identity", "gzip", "zstd"] {
        let response = server.ask("GET", "/metrics", &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!(response.body.len(), 18 + 200 * (1 << 16), "{coding}");
    }
}

#[test]
fn what_is_there_is_sent_before_the_exposition_is_whole() {
    let shown = Arc::new(Shown { chunk: 20, ..Shown::default() });
    let server = Server::start(Arc::clone(&shown), "/metrics");
    shown.end.close();
    let mut stream = server.send(&request("GET", "/metrics", ""));
    let mut most = vec![0; 20 << 16];
    stream.read_exact(&mut most).unwrap();
    assert!(most.windows(18).any(|text| text == b"prometheus says 1\n"));
    shown.end.open();
    stream.read_to_end(&mut most).unwrap();
    assert!(most.ends_with(b"#\r\n0\r\n\r\n"));
}

#[test]
fn what_breaks_off_is_not_taken_for_whole() {
    let server = Server::with(Shown { breaks_off: true, chunk: 40, ..Shown::default() });
    // More often than there are permits: none is lost.
    for coding in ["identity", "gzip", "zstd"].repeat(4) {
        let mut sent = Vec::new();
        let headers = format!("Accept-Encoding: {coding}\r\n");
        let ended = server.send(&request("GET", "/metrics", &headers)).read_to_end(&mut sent);
        // What is short when it is compressed was not begun yet.
        let begun = sent.starts_with(b"HTTP/1.1 200");
        assert!(begun || sent.starts_with(b"HTTP/1.1 500") && coding != "identity", "{coding}");
        assert!(!begun || ended.is_err() || !sent.ends_with(b"\r\n0\r\n\r\n"), "{coding}");
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_who_makes_the_exposition() {
    // Far more than sockets hold.
    let shown = Arc::new(Shown { chunk: 1000, ..Shown::default() });
    let server = Server::start(Arc::clone(&shown), "/metrics");
    for coding in ["identity", "zstd"] {
        let stream = server.send(&request("GET", "/metrics", &format!("Accept-Encoding: {coding}\r\n")));
        shown.end.wait_for(1);
        assert_eq!(*shown.taken.lock().unwrap(), Some(true), "{coding}");
        assert_eq!(read(stream).body.len(), 18 + 1000 * (1 << 16));
        shown.end.forget();
    }
}

#[test]
fn nothing_more_is_made_for_a_client_that_has_gone() {
    let shown = Arc::new(Shown { endless: true, ..Shown::default() });
    let server = Server::start(Arc::clone(&shown), "/metrics");
    for coding in ["identity", "zstd"] {
        let mut stream = server.send(&request("GET", "/metrics", &format!("Accept-Encoding: {coding}\r\n")));
        stream.read_exact(&mut [0; 15]).unwrap();
        drop(stream);
        shown.end.wait_for(1);
        shown.end.forget();
    }
}

#[test]
fn the_state_of_the_program_is_told() {
    let server = Server::with(Shown::default());
    server.get("/-/healthy").check(200, "streamgauge is healthy.\n");
    server.get("/-/ready").check(200, "streamgauge is ready.\n");

    let reasons = vec!["The broker is away.".to_owned(), "The disk is full.".to_owned()];
    let server = Server::with(Shown { reasons, ..Shown::default() });
    server.get("/-/healthy").check(200, "streamgauge is healthy.\n");
    server
        .get("/-/ready")
        .check(503, "streamgauge is not ready:\n- The broker is away.\n- The disk is full.\n");

    let lately = vec!["A message was too large.".to_owned()];
    let server = Server::with(Shown { lately, ..Shown::default() });
    let told = "streamgauge is ready.\nIn the last ten minutes:\n- A message was too large.\n";
    server.get("/-/ready").check(200, told);
}

#[test]
fn the_landing_page_shows_the_pipelines_and_loads_nothing() {
    let server = Server::with(Shown::default());
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"));
    for part in
        ["orders &lt;b&gt;", "file /var/log/orders.log", "orders_total", "Orders &amp; more.", "./metrics"]
    {
        assert!(page.body.contains(part), "{part}");
    }
    let shown = Shown { reasons: vec!["The broker is away.".to_owned()], ..Shown::default() };
    assert!(Server::with(shown).get("/").body.contains("The broker is away."));
    assert_eq!(server.get("/-/style.css").header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn whoever_asks_for_something_else_is_told_what_there_is() {
    let server = Server::with(Shown::default());
    for path in ["/metric", "/metrics/", "/-/", "/../etc/passwd", "/%00", "//"] {
        server.get(path).check(404, "There is nothing here; try /metrics, /-/healthy or /-/ready.\n");
    }
    for path in ["/metrics", "/-/healthy", "/-/ready", "/"] {
        let response = server.ask("POST", path, "Content-Length: 0\r\n");
        response.check(405, "Only GET and HEAD are answered here.\n");
        assert_eq!(response.header("allow"), Some("GET,HEAD"));
    }
}

#[test]
fn the_metrics_may_be_anywhere_but_where_the_program_has_its_own() {
    let server = Server::start(Arc::default(), "/");
    assert_eq!(server.get("/").body, "prometheus says 1\n");
    assert_eq!(server.get("/metrics").status, 404);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options { telemetry_path: "/{all}".to_owned() };
        serve::serve(listener, options, Arc::<Shown>::default(), async {}).await.unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "the telemetry path `/{all}` has characters other than letters, digits and /-._~"
    );
}

#[test]
fn a_ninth_scrape_is_asked_to_come_back() {
    let shown = Arc::new(Shown::default());
    let server = Server::start(Arc::clone(&shown), "/metrics");
    shown.gate.close();
    let scrapes: Vec<_> = (0..8).map(|_| server.send(&request("GET", "/metrics", ""))).collect();
    shown.gate.wait_for(8);
    let ninth = server.get("/metrics");
    ninth.check(503, "Too many scrapes at once; try again in a second.\n");
    assert_eq!(ninth.header("retry-after"), Some("1"));
    assert_eq!(server.get("/").status, 503);
    server.get("/-/healthy").check(200, "streamgauge is healthy.\n");

    shown.gate.open();
    for scrape in scrapes {
        assert_eq!(read(scrape).status, 200);
    }
    assert_eq!(server.get("/metrics").status, 200);
}

#[test]
fn a_scrape_that_fails_takes_nothing_with_it() {
    let server = Server::with(Shown { fails: true, ..Shown::default() });
    // More often than there are permits: none is lost.
    for _ in 0..10 {
        server.get("/metrics").check(500, "The scrape failed; the log says why.\n");
    }
}

#[test]
fn what_is_no_request_is_refused_and_the_server_goes_on() {
    let server = Server::with(Shown::default());
    for garbage in ["\r\n\r\n\r\nnonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"] {
        assert_eq!(read(server.send(garbage)).status, 400, "{garbage:?}");
    }
    let many: String = (0..200).map(|at| format!("X-{at}: y\r\n")).collect();
    assert_eq!(server.ask("GET", "/metrics", &many).status, 431);
    assert_eq!(server.get("/metrics").status, 200);
}

#[test]
fn a_request_under_way_is_finished_before_the_server_stops() {
    let shown = Arc::new(Shown::default());
    let mut server = Server::start(Arc::clone(&shown), "/metrics");
    shown.gate.close();
    let idle = TcpStream::connect(server.address).unwrap();
    let scrape = server.send(&request("GET", "/metrics", ""));
    shown.gate.wait_for(1);
    server.shutdown.raise();
    while TcpStream::connect(server.address).is_ok() {
        thread::yield_now();
    }
    shown.gate.open();
    assert_eq!(read(scrape).body, "prometheus says 1\n");
    server.thread.take().unwrap().join().unwrap();
    drop(idle);
}
