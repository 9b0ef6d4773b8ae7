//! Opens a connection: name, TCP, TLS, handshake, and what is to be said first.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::endpoint::Endpoint;
use super::failure::{Failure, causes};
use super::options::Options;
use super::wire::Wire;
use crate::base::clock::Clock;

/// A connection that is open.
pub type Connection = WebSocketStream<Wire>;

/// What is read from the network at once. Each connection holds as much.
const READ_BYTES: usize = 64 << 10;

/// What may wait to be written, beside the messages that are sent first.
const WRITE_BYTES: usize = 64 << 10;

/// Opens connections.
#[derive(Debug)]
pub struct Opener<'o> {
    /// How.
    pub options: &'o Options,
    /// What TLS needs, where an endpoint has it.
    tls: Option<Arc<ClientConfig>>,
    clock: Clock,
}

impl<'o> Opener<'o> {
    /// Of connections that are configured so.
    pub fn new(options: &'o Options, clock: Clock) -> Opener<'o> {
        let config = || options.tls.client_config().expect("it was checked when it was read");
        Opener { options, tls: options.has_tls().then(|| Arc::new(config())), clock }
    }

    /// Opens a connection and sends what is to be sent first.
    pub async fn open(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let doing = Cell::new("the name of the host is resolved");
        let opening = self.open_step_by_step(endpoint, &doing);
        timeout(self.options.connect_timeout, opening).await.unwrap_or_else(|_| {
            let limit = self.options.connect_timeout;
            let doing = doing.get();
            Err(Failure::new(causes::TIMEOUT, format!("no connection within {limit:?}: {doing}")))
        })
    }

    async fn open_step_by_step(
        &self,
        endpoint: &Endpoint,
        doing: &Cell<&'static str>,
    ) -> Result<Connection, Failure> {
        let addresses = resolve(endpoint).await?;
        doing.set("the host does not answer");
        let stream = reach(&addresses, self.options.connect_timeout).await?;
        // A ping that waits for company is late.
        stream.set_nodelay(true).map_err(|error| Failure::of_io(&error))?;
        let wire = match (&endpoint.server_name, &self.tls) {
            (Some(name), Some(tls)) => {
                doing.set("the server does not answer the TLS handshake");
                let connecting = TlsConnector::from(Arc::clone(tls)).connect(name.clone(), stream);
                let stream = connecting.await.map_err(|error| Failure::in_tls(&error))?;
                Wire::encrypted(stream, self.clock.clone())
            }
            _ => Wire::plain(stream, self.clock.clone()),
        };
        doing.set("the server does not answer the WebSocket handshake");
        let request = request(endpoint, self.options)?;
        let opened = client_async_with_config(request, wire, Some(self.config())).await;
        let perhaps = match &endpoint.server_name {
            None => "perhaps it wants TLS, and the URL should begin with `wss://`",
            Some(_) if self.options.tls.has_client() => "perhaps it does not trust `tls.cert_file`",
            Some(_) => "perhaps it wants a client certificate: give `tls.cert_file` and `tls.key_file`",
        };
        let (mut connection, _) = opened.map_err(|error| Failure::in_handshake(error, perhaps))?;
        doing.set("the server does not read what is sent first");
        for text in &self.options.subscribe {
            connection.feed(Message::text(text)).await.map_err(Failure::of)?;
        }
        connection.flush().await.map_err(Failure::of)?;
        Ok(connection)
    }

    fn config(&self) -> WebSocketConfig {
        let limit = Some(self.options.max_message_bytes);
        let subscribe: usize = self.options.subscribe.iter().map(String::len).sum();
        WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(subscribe + WRITE_BYTES)
            .max_message_size(limit)
            .max_frame_size(limit)
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let Endpoint { host, port, .. } = endpoint;
    let addresses: Vec<_> = match lookup_host((host.as_str(), *port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(Failure::new(causes::DNS, format!("`{host}` cannot be resolved: {error}"))),
    };
    if addresses.is_empty() {
        return Err(Failure::new(causes::DNS, format!("`{host}` has no address")));
    }
    Ok(addresses)
}

/// Tries one address after the other. None may use up the time that the others need.
async fn reach(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Failure> {
    let share = limit / addresses.len().max(1) as u32;
    let mut failure = Failure::new(causes::DNS, "the host has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Failure::of_io(&error),
            Err(_) => failure = Failure::new(causes::TIMEOUT, format!("{address} does not answer")),
        }
    }
    Err(failure)
}

fn request(endpoint: &Endpoint, options: &Options) -> Result<Request, Failure> {
    let mut request = endpoint.uri.clone().into_client_request().map_err(Failure::of)?;
    let headers = request.headers_mut();
    // Some servers turn away who does not say what it is.
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("streamgauge/", env!("CARGO_PKG_VERSION"))));
    headers.extend(options.headers.clone());
    if let Some(authorization) = &endpoint.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    Ok(request)
}
