//! Why there is no connection, or no more: a cause to count, and a sentence for people.

use std::io;

use rustls::{AlertDescription, CertificateError};
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, handshake::client::Response};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`causes`].
    pub cause: &'static str,
    /// What happened, and what may help.
    pub what: String,
}

/// The values of the label `cause`.
pub mod causes {
    /// The server closed the connection as it should.
    pub const CLOSED: &str = "closed";
    /// The name of the host has no address.
    pub const DNS: &str = "dns";
    /// The server answered, but not with a WebSocket.
    pub const HANDSHAKE: &str = "handshake";
    /// Nothing came for too long.
    pub const IDLE: &str = "idle";
    /// A message is longer than it may be.
    pub const MESSAGE_TOO_LONG: &str = "message_too_long";
    /// What came is not what WebSocket allows.
    pub const PROTOCOL: &str = "protocol";
    /// Nobody listens at the port.
    pub const REFUSED: &str = "refused";
    /// The connection ended without a word.
    pub const RESET: &str = "reset";
    /// Connecting took too long.
    pub const TIMEOUT: &str = "timeout";
    /// TLS failed.
    pub const TLS: &str = "tls";
    /// There is no way to the host.
    pub const UNREACHABLE: &str = "unreachable";

    /// All of them.
    pub const ALL: [&str; 11] =
        [CLOSED, DNS, HANDSHAKE, IDLE, MESSAGE_TOO_LONG, PROTOCOL, REFUSED, RESET, TIMEOUT, TLS, UNREACHABLE];
}

impl Failure {
    /// Of this cause.
    pub fn new(cause: &'static str, what: impl Into<String>) -> Failure {
        Failure { cause, what: what.into() }
    }

    /// What a connection failed of, or an attempt behind its TCP handshake.
    pub fn of(error: Error) -> Failure {
        match error {
            Error::Io(error) => Failure::of_io(&error),
            Error::Http(response) => answered(&response),
            Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => Failure::new(
                causes::MESSAGE_TOO_LONG,
                format!(
                    "a message is longer than {max_size} bytes: raise `max_message_bytes` if that is right"
                ),
            ),
            Error::ConnectionClosed | Error::AlreadyClosed => {
                Failure::new(causes::CLOSED, "the server closed the connection")
            }
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Failure::new(causes::RESET, "the connection ended without a word of the server")
            }
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error)) => of_protocols(error),
            Error::Protocol(
                error @ (ProtocolError::WrongHttpVersion
                | ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::SecWebSocketAcceptKeyMismatch),
            ) => Failure::new(causes::HANDSHAKE, format!("what answers is no WebSocket server: {error}")),
            Error::Capacity(_) | Error::AttackAttempt | Error::HttpFormat(_) | Error::Url(_) => {
                Failure::new(causes::HANDSHAKE, format!("what answers is no WebSocket server: {error}"))
            }
            error => {
                Failure::new(causes::PROTOCOL, format!("what came is not what WebSocket allows: {error}"))
            }
        }
    }

    /// What the network, or TLS above it, failed of.
    pub fn of_io(error: &io::Error) -> Failure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(error) = inner {
            return of_tls(error);
        }
        let cause = match error.kind() {
            io::ErrorKind::ConnectionRefused => causes::REFUSED,
            io::ErrorKind::TimedOut => causes::TIMEOUT,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => causes::RESET,
            _ => causes::UNREACHABLE,
        };
        let what = match cause {
            causes::REFUSED => "nobody listens there".to_owned(),
            causes::RESET if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection ended without a word of the server".to_owned()
            }
            causes::RESET => format!("the connection ended without a word of the server: {error}"),
            _ => error.to_string(),
        };
        Failure::new(cause, what)
    }

    /// What the TLS handshake failed of.
    pub fn in_tls(error: &io::Error) -> Failure {
        match Failure::of_io(error) {
            Failure { cause: causes::RESET, .. } => Failure::new(
                causes::TLS,
                "the server ended the TLS handshake; perhaps it speaks none, and the URL should begin with `ws://`",
            ),
            failure => failure,
        }
    }

    /// What the WebSocket handshake failed of. `perhaps` is why a server could end it, or answer with something else.
    pub fn in_handshake(error: Error, perhaps: &str) -> Failure {
        let happened = match &error {
            Error::Protocol(ProtocolError::HttparseError(_)) => "what answers speaks no HTTP",
            Error::Protocol(ProtocolError::HandshakeIncomplete) => "the server ended the handshake",
            _ => match Failure::of(error) {
                Failure { cause: causes::RESET, .. } => "the server ended the handshake",
                failure => return failure,
            },
        };
        Failure::new(causes::HANDSHAKE, format!("{happened}; {perhaps}"))
    }

    /// The server said goodbye.
    pub fn closed(frame: Option<CloseFrame>) -> Failure {
        let what = match frame {
            None => "the server closed the connection".to_owned(),
            Some(CloseFrame { code, reason }) if reason.is_empty() => {
                format!("the server closed the connection with code {}", u16::from(code))
            }
            Some(CloseFrame { code, reason }) => {
                format!(
                    "the server closed the connection with code {}: {}",
                    u16::from(code),
                    reason.escape_debug()
                )
            }
        };
        Failure::new(causes::CLOSED, what)
    }

    /// Whether someone should look at it, unlike at a server that says goodbye.
    pub fn is_error(&self) -> bool {
        self.cause != causes::CLOSED
    }

    /// What the server is told, if it still can be.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self.cause {
            causes::MESSAGE_TOO_LONG => Some(CloseCode::Size),
            causes::PROTOCOL => Some(CloseCode::Protocol),
            causes::IDLE => Some(CloseCode::Away),
            _ => None,
        }
    }
}

/// The server answered with HTTP instead.
fn answered(response: &Response) -> Failure {
    let status = response.status();
    let help = match status.as_u16() {
        401 | 403 => ": check what `headers` and the URL say of who asks".to_owned(),
        404 => ": check the path of the URL".to_owned(),
        426 => ": it wants another version of the protocol".to_owned(),
        429 => ": it has been asked too often".to_owned(),
        300..=399 => match response.headers().get("location").and_then(|at| at.to_str().ok()) {
            // What follows the `?` may be secret.
            Some(at) => format!(
                ": write the URL that it names, {}",
                at.split('?').next().unwrap_or_default().escape_debug()
            ),
            None => String::new(),
        },
        _ => String::new(),
    };
    Failure::new(causes::HANDSHAKE, format!("the server answered {status}{help}"))
}

fn of_protocols(error: SubProtocolError) -> Failure {
    let what = match error {
        SubProtocolError::NoSubProtocol => "the server has none of `protocols`",
        SubProtocolError::InvalidSubProtocol => "the server chose a protocol that is not in `protocols`",
        SubProtocolError::ServerSentSubProtocolNoneRequested => {
            "the server chose a protocol: name the one that is wanted in `protocols`"
        }
    };
    Failure::new(causes::HANDSHAKE, what)
}

fn of_tls(error: &rustls::Error) -> Failure {
    let what = match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a client certificate: give `tls.cert_file` and `tls.key_file`".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::BadCertificate) => {
            format!("the server does not trust the client certificate of `tls.cert_file`: {error}")
        }
        rustls::Error::InvalidMessage(_) => {
            format!("what answers speaks no TLS; perhaps the URL should begin with `ws://`: {error}")
        }
        error => format!("TLS failed: {error}"),
    };
    Failure::new(causes::TLS, what)
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by nobody who is trusted: name the file with its issuer's certificate in `tls.ca_file`".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is for another host than the URL names: {error}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the server's certificate has expired: {error}")
        }
        error => format!("the server's certificate is refused: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Error, cause: &str, what: &str) {
        let failure = Failure::of(error);
        assert_eq!(failure.cause, cause, "{failure:?}");
        assert!(failure.what.contains(what), "{failure:?}");
        assert!(causes::ALL.contains(&failure.cause));
    }

    fn io(kind: io::ErrorKind) -> Error {
        Error::Io(kind.into())
    }

    fn tls(error: rustls::Error) -> Error {
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn http(status: u16, location: &str) -> Error {
        let mut response = Response::new(None);
        *response.status_mut() = status.try_into().unwrap();
        response.headers_mut().insert("location", location.parse().unwrap());
        Error::Http(Box::new(response))
    }

    #[test]
    fn a_network_that_fails_has_a_cause() {
        check(io(io::ErrorKind::ConnectionRefused), "refused", "nobody listens");
        check(io(io::ErrorKind::UnexpectedEof), "reset", "without a word");
        check(io(io::ErrorKind::HostUnreachable), "unreachable", "");
        check(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake), "reset", "without a word");
    }

    #[test]
    fn an_answer_that_is_no_websocket_says_what_may_help() {
        check(http(403, "/"), "handshake", "403 Forbidden: check what `headers`");
        check(http(302, "wss://b/?secret"), "handshake", "302 Found: write the URL that it names, wss://b/");
        check(
            Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch),
            "handshake",
            "no WebSocket server",
        );
        check(Error::Utf8("x".to_owned()), "protocol", "not what WebSocket allows");
        assert!(!Failure::of(http(302, "wss://b/?secret")).what.contains("secret"));
    }

    #[test]
    fn a_handshake_that_ends_early_has_perhaps_a_reason() {
        let incomplete = Error::Protocol(ProtocolError::HandshakeIncomplete);
        for error in [incomplete, io(io::ErrorKind::ConnectionReset)] {
            let failure = Failure::in_handshake(error, "perhaps");
            assert_eq!(failure, Failure::new("handshake", "the server ended the handshake; perhaps"));
        }
        assert_eq!(Failure::in_handshake(http(403, "/"), "perhaps"), Failure::of(http(403, "/")));
        assert_eq!(Failure::in_tls(&io::ErrorKind::ConnectionReset.into()).cause, "tls");
    }

    #[test]
    fn tls_says_which_key_to_write() {
        let invalid = rustls::Error::InvalidCertificate;
        check(tls(invalid(CertificateError::UnknownIssuer)), "tls", "`tls.ca_file`");
        check(tls(invalid(CertificateError::NotValidForName)), "tls", "another host");
        let required = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        check(tls(required), "tls", "`tls.cert_file`");
    }
}
