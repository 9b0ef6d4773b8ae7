//! The streams of the demo, and what carries them: a Kafka, a WebSocket server, a file, all within this process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::app::run::GRACE;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::Demo;
use crate::demo::drive::{Drive, Stream};
use crate::demo::feed::Feed;
use crate::demo::log_writer::LogWriter;
use crate::demo::producer::Producer;
use crate::demo::{Counted, Orders, Totals, app_log, orders, report, trades};

/// A stream, and the pipeline that counts it.
pub(super) struct Kind {
    /// What its events are called.
    pub(super) name: &'static str,
    /// The pipeline, the name of its file and its text.
    pub(super) pipeline: &'static str,
    pub(super) file: &'static str,
    pub(super) text: &'static str,
    /// The variable by which the pipeline is told where to read.
    pub(super) variable: &'static str,
    /// What its place is called before its address.
    pub(super) at: &'static str,
    /// How many events may be on their way without being counted.
    ///
    /// The mock cluster forgets what is more than 5 MB behind in a partition, so the orders on their way have 8 MB in all
    /// eight. What comes over a WebSocket is dropped while the queue of a worker is full, so [`QUEUE_BYTES`] has room for
    /// everything that is on its way.
    ahead: u64,
    /// What its metrics say.
    pub(super) says: fn(&Counted) -> String,
}

/// How many bytes may wait for each worker: 15 MB are on their way at most, in batches that hold up to four times as much.
pub(super) const QUEUE_BYTES: usize = 64 << 20;

/// The streams, in the order in which everything of them is listed.
pub(super) const KINDS: [Kind; 3] = [
    Kind {
        name: "orders",
        pipeline: orders::PIPELINE,
        file: "orders.yaml",
        text: include_str!("../../../pipelines/orders.yaml"),
        variable: "KAFKA_BROKERS",
        at: "Kafka at ",
        ahead: 40_000,
        says: report::orders,
    },
    Kind {
        name: "trades",
        pipeline: trades::PIPELINE,
        file: "trades.yaml",
        text: include_str!("../../../pipelines/trades.yaml"),
        variable: "TRADES_URL",
        at: "",
        ahead: 20_000,
        says: report::trades,
    },
    Kind {
        name: "log lines",
        pipeline: app_log::PIPELINE,
        file: "log-errors.yaml",
        text: include_str!("../../../pipelines/log-errors.yaml"),
        variable: "APP_LOG",
        at: "",
        ahead: 30_000,
        says: report::log,
    },
];

/// How many partitions the topic of the orders has.
const PARTITIONS: i32 = 8;

/// Streams that run once they have begun.
pub(super) struct Streams {
    /// The drive of each.
    pub(super) drives: Vec<Drive>,
    /// What the variable of each pipeline is.
    pub(super) places: [String; KINDS.len()],
    threads: Vec<Stream>,
    start: Arc<OnceLock<Duration>>,
    stop: Shutdown,
    #[expect(dead_code, reason = "it must stay until the pipelines have ended")]
    cluster: MockCluster<'static, DefaultProducerContext>,
    #[expect(dead_code, reason = "it must stay until the pipelines have ended")]
    folder: TempDir,
}

impl Streams {
    /// Sets up all that the pipelines connect to; nothing is generated until the streams [begin](Streams::begin).
    pub(super) fn prepare(
        options: &Demo,
        runtime: &Runtime,
        clock: &Clock,
        stop: &Shutdown,
    ) -> anyhow::Result<Streams> {
        let start = Arc::<OnceLock<_>>::default();
        let quarter = options.rate / 4;
        let rates = [quarter, quarter, options.rate - 2 * quarter];
        let drive = |(kind, rate): (&Kind, u64)| Drive {
            progress: Arc::default(),
            clock: clock.clone(),
            stop: stop.clone(),
            rate,
            ahead: kind.ahead,
            start: Arc::clone(&start),
        };
        let drives: Vec<_> = KINDS.iter().zip(rates).map(drive).collect();

        let cluster = MockCluster::new(1).context("the mock cluster of librdkafka cannot be started")?;
        cluster.create_topic("orders", PARTITIONS, 1).context("the mock cluster has no topic")?;
        let (brokers, progress) = (cluster.bootstrap_servers(), Arc::clone(&drives[0].progress));
        let producer = Producer::new(&brokers, "orders", Orders::new(options.seed), progress);
        let producer = producer.context("the orders have no producer")?;
        // No two streams follow from the same numbers.
        let feed = runtime.block_on(Feed::listen(options.seed.rotate_left(32))).context("no port is free")?;
        let url = format!("ws://{}", feed.address()?);
        let folder = tempfile::Builder::new().prefix("streamgauge-demo-").tempdir();
        let folder = folder.context("no temporary folder can be made")?;
        let log = LogWriter::create(folder.path(), !options.seed).context("the log cannot be created")?;
        let places = [brokers, url, log.path().display().to_string()];

        let handle = runtime.handle().clone();
        let [order, trade, line] = [0, 1, 2].map(|at: usize| drives[at].clone());
        let threads = vec![
            Stream::start("orders", stop.clone(), move || producer.run(&order, GRACE)),
            Stream::start("trades", stop.clone(), move || handle.block_on(feed.run(&trade))),
            Stream::start("log", stop.clone(), move || log.run(&line)),
        ];
        let stop = stop.clone();
        Ok(Streams { drives, places, threads, start, stop, cluster, folder })
    }

    /// From now on events are due.
    pub(super) fn begin(&self, now: Duration) {
        self.start.get_or_init(|| now);
    }

    /// Ends all of them: the true totals.
    pub(super) fn finish(&mut self) -> anyhow::Result<Totals> {
        self.stop.raise();
        let mut totals = Totals::default();
        // All of them end, whether or not one has failed.
        let ended: Vec<_> = self.threads.drain(..).map(Stream::finish).collect();
        for (kind, ended) in KINDS.iter().zip(ended) {
            totals.merge(ended.with_context(|| format!("the stream of {} broke off", kind.name))?);
        }
        Ok(totals)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        // After an error nobody asks for the totals, but no thread may use what goes now.
        self.finish().ok();
    }
}
