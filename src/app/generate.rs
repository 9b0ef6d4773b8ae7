//! `generate`: puts orders into a Kafka, so that there is something to count.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;

use super::run::{self};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::Generate;
use crate::demo::Orders;
use crate::demo::drive::Drive;
use crate::demo::producer::Producer;

/// The time between two lines of the log.
const REPORT: Duration = Duration::from_secs(10);

/// How long orders that were sent may take to be acknowledged at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Produces until SIGTERM, SIGINT or the end of the time. Fails if orders are left that no broker has acknowledged.
pub(super) fn run(options: &Generate) -> anyhow::Result<ExitCode> {
    let runtime = run::runtime()?;
    let clock = Clock::system();
    let drive = Drive {
        progress: Arc::default(),
        clock: clock.clone(),
        stop: Shutdown::new(),
        rate: options.rate,
        ahead: u64::MAX,
        start: Arc::new(OnceLock::from(clock.monotonic())),
    };
    let (orders, progress) = (Orders::new(options.seed), Arc::clone(&drive.progress));
    let mut producer = Producer::new(&options.brokers, &options.topic, orders, progress)
        .with_context(|| format!("no producer to {} can be made", options.brokers))?;
    let mut signals = runtime.block_on(async { run::Signals::new() })?;
    let stop = drive.stop.clone();
    runtime.spawn(async move {
        signals.next().await;
        stop.raise();
    });
    tracing::info!(
        brokers = options.brokers,
        topic = options.topic,
        rate = options.rate,
        "generating orders"
    );
    let ended = produce(&mut producer, &drive, options.duration)
        .with_context(|| format!("no orders can be put into the topic {}", options.topic));
    let left = producer.flush(&clock, GRACE);
    report(&producer, &drive);
    ended?;
    anyhow::ensure!(left == 0, "{left} orders were not acknowledged by {}", options.brokers);
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn produce(producer: &mut Producer, drive: &Drive, duration: Option<Duration>) -> anyhow::Result<()> {
    let start = drive.clock.monotonic();
    let (end, mut next) = (duration.map(|duration| start + duration), start + REPORT);
    while !drive.stop.is_raised() && end.is_none_or(|end| drive.clock.monotonic() < end) {
        producer.burst(drive)?;
        if drive.clock.monotonic() >= next {
            report(producer, drive);
            next += REPORT;
        }
    }
    Ok(())
}

fn report(producer: &Producer, drive: &Drive) {
    tracing::info!(acknowledged = drive.progress.generated(), waiting = producer.in_flight(), "orders");
    if let Some((orders, error)) = producer.failed() {
        tracing::error!(orders, error = %error, "orders could not be delivered");
    }
}
