//! One feed: keeps its connection up, and hands over what came.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::super::{Closed, Context, Outlet, Rejected};
use super::connection::{Connection, Opener};
use super::endpoint::Endpoint;
use super::failure::{Failure, causes};
use super::inbox::{Inbox, records};
use super::link::Link;
use super::meters;
use super::options::Options;
use super::sequence::{Found, Sequence};
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::jitter::Jitter;
use crate::model::batch::{Batch, Lane, Position};
use crate::model::refused::{Refusals, Refused};
use crate::telemetry::{Change, Lag, Meter};

/// How often the time without a connection is added up while it lasts.
const GAP_STEP: Duration = Duration::from_millis(250);

/// How long what was dropped may wait to be counted where no message follows.
const COUNT_WITHIN: Duration = Duration::from_millis(100);

/// What all feeds of a source share. They are on one thread.
pub struct Shared<'s> {
    opener: Opener<'s>,
    outlet: RefCell<&'s mut dyn Outlet>,
    clock: Clock,
    jitter: RefCell<Jitter>,
    /// How many connections are open.
    open: Cell<u32>,
}

impl<'s> Shared<'s> {
    /// What the feeds of a source need.
    pub fn new(options: &'s Options, outlet: &'s mut dyn Outlet, context: &Context) -> Shared<'s> {
        for cause in causes::ALL {
            outlet.meter(&meters::RECONNECTS, cause, Change::Add(0.0));
        }
        let clock = context.clock.clone();
        Shared {
            opener: Opener::new(options, clock.clone()),
            outlet: RefCell::new(outlet),
            clock,
            jitter: RefCell::new(Jitter::random()),
            open: Cell::new(0),
        }
    }

    fn options(&self) -> &'s Options {
        self.opener.options
    }

    fn count(&self, meter: &'static Meter, label: &str, by: f64) {
        self.outlet.borrow_mut().meter(meter, label, Change::Add(by));
    }

    /// Shows that a lane has a connection now, or has none.
    fn show(&self, lane: &Lane, is_open: bool) {
        let open = if is_open { self.open.get() + 1 } else { self.open.get() - 1 };
        self.open.set(open);
        let mut outlet = self.outlet.borrow_mut();
        outlet.meter(&meters::CONNECTIONS, "", Change::Set(open.into()));
        outlet.lag(lane, is_open.then_some(Lag::Unknown));
    }
}

/// A feed.
pub struct Feed<'s> {
    shared: &'s Shared<'s>,
    endpoint: &'s Endpoint,
    lane: Arc<Lane>,
    link: Option<Link>,
    inbox: Inbox,
    /// What was dropped since the last batch that was let in.
    refused: Refusals,
    backoff: Backoff,
    /// Up to when the time without a connection is counted, while there is none.
    gap: Option<Duration>,
    /// What was last said of a failure, so that an outage does not fill the log.
    said: Option<&'static str>,
}

impl<'s> Feed<'s> {
    /// A feed that is not connected yet.
    pub fn new(endpoint: &'s Endpoint, name: String, shared: &'s Shared<'s>) -> Feed<'s> {
        let url = endpoint.name.as_bytes().into();
        let lane = shared.outlet.borrow_mut().open(format!("websocket:{name}"), name, vec![url]);
        let options = shared.options();
        let (min, max) = options.reconnect;
        Feed {
            shared,
            endpoint,
            lane,
            link: None,
            inbox: Inbox::new(options.split, options.sequence.clone().map(Sequence::new)),
            refused: Refusals::default(),
            backoff: Backoff::new(min, max),
            gap: None,
            said: None,
        }
    }

    /// Receives until nobody is left to receive for.
    pub async fn run(&mut self) -> Closed {
        loop {
            if let Err(Closed) = self.connect_and_receive().await {
                return Closed;
            }
        }
    }

    /// One attempt, what comes of it, and the wait before the next.
    async fn connect_and_receive(&mut self) -> Result<(), Closed> {
        let began = self.shared.clock.monotonic();
        let (shared, endpoint) = (self.shared, self.endpoint);
        match self.without_connection(shared.opener.open(endpoint)).await? {
            Ok(connection) => {
                self.connected(connection);
                let (failure, since) = self.receive().await?;
                self.gap = Some(since);
                self.lost(failure).await;
            }
            Err(failure) => {
                self.gap = self.gap.or(Some(began));
                self.failed(&failure, true);
            }
        }
        self.count_gap();
        self.hand_over()?;
        let wait = shared.jitter.borrow_mut().part_of(self.backoff.failed());
        self.without_connection(sleep(wait)).await
    }

    /// Waits for something while there is no connection, and counts the time that is lost for as long as it lasts.
    async fn without_connection<T>(&mut self, waiting: impl Future<Output = T>) -> Result<T, Closed> {
        let mut waiting = pin!(waiting);
        loop {
            match timeout(GAP_STEP, waiting.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) => {
                    self.count_gap();
                    self.hand_over()?;
                }
            }
        }
    }

    fn connected(&mut self, connection: Connection) {
        self.count_gap();
        self.gap = None;
        self.said = None;
        self.link = Some(Link::new(connection, self.shared.options(), self.shared.clock.monotonic()));
        self.shared.show(&self.lane, true);
        self.shared.count(&meters::CONNECTS, "", 1.0);
        self.shared.outlet.borrow_mut().trouble(&self.lane.name, None);
        tracing::info!(url = self.lane.name, "connected");
    }

    /// Hands over messages until the connection is lost: why, and since when nothing comes.
    async fn receive(&mut self) -> Result<(Failure, Duration), Closed> {
        loop {
            let link = self.link.as_mut().expect("what is received from stays until it is lost");
            let due = link.due().saturating_sub(self.shared.clock.monotonic());
            let due = if self.refused == Refusals::default() { due } else { due.min(COUNT_WITHIN) };
            let received = tokio::select! {
                biased;
                received = link.receive(&mut self.inbox) => received,
                () = sleep(due) => Ok(()),
            };
            let now = self.shared.clock.monotonic();
            let received = received.and_then(|()| link.beat(now));
            let heard = link.heard();
            self.hand_over()?;
            if let Err(failure) = received {
                let since = if failure.cause == causes::IDLE { heard } else { now };
                return Ok((failure, since));
            }
            // Others have a turn as well, also where this one always has something to read.
            tokio::task::yield_now().await;
        }
    }

    /// Ends a connection that failed. One that lasted and is lost is most often back at once, which is no trouble.
    async fn lost(&mut self, failure: Failure) {
        let Some(link) = self.link.take() else { return };
        let lasted = self.shared.clock.monotonic().saturating_sub(link.opened());
        let is_lasting = lasted >= self.shared.options().reconnect.1;
        if is_lasting {
            self.backoff.succeeded();
        }
        self.shared.show(&self.lane, false);
        if failure.cause == causes::MESSAGE_TOO_LONG {
            self.refused.count(Refused::MessageTooLong);
        }
        self.failed(&failure, !is_lasting);
        match (failure.close_code(), failure.cause) {
            (Some(code), _) => link.say_goodbye(code).await,
            (None, causes::CLOSED) => link.answer_goodbye().await,
            _ => {}
        }
    }

    /// Books a failure, be it of a connection or of an attempt.
    fn failed(&mut self, failure: &Failure, is_trouble: bool) {
        let Failure { cause, what } = failure;
        let name = self.lane.name.as_str();
        self.shared.count(&meters::RECONNECTS, cause, 1.0);
        let mut outlet = self.shared.outlet.borrow_mut();
        if failure.is_error() {
            outlet.error(cause);
        }
        if is_trouble {
            outlet.trouble(name, Some(format!("{name} is not connected: {what}")));
        }
        match self.said.replace(cause) {
            Some(said) if said == *cause => tracing::debug!(url = name, cause, what, "still not connected"),
            _ => tracing::warn!(url = name, cause, what, "not connected, tried again until it is"),
        }
    }

    fn count_gap(&mut self) {
        let now = self.shared.clock.monotonic();
        if let Some(since) = self.gap {
            self.gap = Some(now);
            self.shared.count(&meters::GAP, "", now.saturating_sub(since).as_secs_f64());
        }
    }

    /// Hands over what came. Where the queue is full it is dropped, and counted with what is handed over next.
    fn hand_over(&mut self) -> Result<(), Closed> {
        if let Some(found) = self.inbox.take_found().filter(|found| *found != Found::default()) {
            self.shared.count(&meters::MISSED, "", found.missed as f64);
            self.shared.count(&meters::RESETS, "", found.resets as f64);
        }
        if self.inbox.is_empty() && self.refused == Refusals::default() {
            return Ok(());
        }
        let batch = self.batch();
        let mut outlet = self.shared.outlet.borrow_mut();
        match outlet.offer(batch) {
            Ok(()) => self.inbox.give_buffer(outlet.buffer()),
            Err(Rejected::Full(batch)) => {
                self.refused = batch.refused;
                self.refused.add(Refused::QueueFull, records(&batch.bytes, &batch.ends));
                self.inbox.give_buffer(batch.bytes);
            }
            Err(Rejected::Closed) => return Err(Closed),
        }
        Ok(())
    }

    fn batch(&mut self) -> Batch {
        let (bytes, ends) = self.inbox.take();
        let refused = std::mem::take(&mut self.refused);
        Batch { lane: Arc::clone(&self.lane), bytes, ends, end: Position::default(), refused, last: false }
    }

    /// Ends the connection politely and hands over what is left.
    pub async fn end(&mut self) {
        if let Some(link) = self.link.take() {
            self.shared.show(&self.lane, false);
            link.say_goodbye(CloseCode::Away).await;
        }
        self.count_gap();
        let last = Batch { last: true, ..self.batch() };
        // Where it is not taken, nobody is left to count for.
        self.shared.outlet.borrow_mut().send(last).ok();
    }
}
