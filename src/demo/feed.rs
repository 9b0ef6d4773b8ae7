//! Serves trades over a WebSocket, as an exchange does.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::drive::{BURST, Drive};
use super::{Generate, Totals, Trades};

/// How long a client may take to read a burst.
const GRACE: Duration = Duration::from_secs(10);

/// A server of trades to one client at a time.
pub struct Feed {
    listener: TcpListener,
    trades: Trades,
}

/// A client.
type Socket = WebSocketStream<TcpStream>;

impl Feed {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// If there is none.
    pub async fn listen(seed: u64) -> io::Result<Feed> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Feed { listener, trades: Trades::new(seed) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is stopped: the true totals. What is on its way then still gets there: the connection stays until the
    /// client ends it.
    ///
    /// # Errors
    /// If the client does not read.
    pub async fn run(mut self, drive: &Drive) -> io::Result<Totals> {
        while !drive.stop.is_raised() {
            let Ok(accepted) = timeout(BURST, self.listener.accept()).await else { continue };
            let Ok(mut socket) = tokio_tungstenite::accept_async(accepted?.0).await else { continue };
            match self.serve(&mut socket, drive).await {
                Ok(()) => drop(tokio::spawn(answer(socket))),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                // The client comes again; what it did not get is missing in the counts.
                Err(error) => tracing::warn!(%error, "the client of the trades went away"),
            }
        }
        Ok(self.trades.totals())
    }

    /// Sends to a client what is due, until it is stopped or the client is gone.
    async fn serve(&mut self, socket: &mut Socket, drive: &Drive) -> Result<(), Error> {
        let mut bursts = tokio::time::interval(BURST);
        while !drive.stop.is_raised() {
            tokio::select! {
                _ = bursts.tick() => match timeout(GRACE, self.burst(socket, drive)).await {
                    Ok(sent) => sent?,
                    Err(_) => return Err(Error::Io(io::ErrorKind::TimedOut.into())),
                },
                // Pings are answered as they are read.
                message = socket.next() => {
                    message.ok_or(Error::ConnectionClosed)??;
                }
            }
        }
        Ok(())
    }

    async fn burst(&mut self, socket: &mut Socket, drive: &Drive) -> Result<(), Error> {
        let due = drive.due(self.trades.made());
        let unix = drive.clock.unix();
        for _ in 0..due {
            let mut text = Vec::with_capacity(160);
            self.trades.record(unix, &mut text);
            let text = String::from_utf8(text).expect("trades are ASCII");
            socket.feed(Message::text(text)).await?;
        }
        socket.flush().await?;
        drive.progress.add_generated(due);
        Ok(())
    }
}

/// Answers pings until the client goes.
async fn answer(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::demo::Figure;

    #[tokio::test]
    async fn what_is_served_is_what_the_totals_say() {
        let feed = Feed::listen(1).await.unwrap();
        let url = format!("ws://{}", feed.address().unwrap());
        let drive = Drive::begun(1_000_000, 1000, Clock::system());
        let serving = tokio::spawn({
            let drive = drive.clone();
            async move { feed.run(&drive).await }
        });
        let (mut client, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let (mut expected, mut generator) = (Vec::new(), Trades::new(1));
        for _ in 0..1000 {
            expected.clear();
            generator.record(Duration::ZERO, &mut expected);
            let text = client.next().await.unwrap().unwrap().into_text().unwrap();
            let tail = |text: &str| text.split_once("symbol").unwrap().1.to_owned();
            assert_eq!(tail(&text), tail(str::from_utf8(&expected).unwrap()));
        }
        drive.stop.raise();
        let totals = serving.await.unwrap().unwrap();
        assert_eq!((totals.sum(Figure::SourceEvents), drive.progress.generated()), (1000, 1000));
    }
}
