//! What can be written after `websocket:`.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};

use super::super::block;
use super::endpoint::Endpoint;
use super::inbox::Split;
use super::sequence::Numbered;
use super::tls;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};

pub use super::tls::KEYS as TLS_KEYS;

const fn key(name: &'static str, wanted: &'static str, help: &'static str, default: &'static str) -> Key {
    Key { name, wanted, required: false, help, default: Some(default) }
}

/// The keys of the source.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "url",
        wanted: "a URL, such as `wss://feed.example.com/ws`, or a list of URLs",
        required: true,
        help: "Where the feed is; with several, each has a connection of its own.",
        default: None,
    },
    key(
        "headers",
        "a mapping of header names to values",
        "What the handshake says beside what it must.",
        "{}",
    ),
    key("protocols", "a list of sub-protocols", "The sub-protocols that are offered, the best first.", "[]"),
    key("subscribe", "a list of messages", "Texts that are sent after every connect, in order.", "[]"),
    key("ping_interval", "a duration, such as `15s`", "The time from one ping to the next.", "15s"),
    key(
        "idle_timeout",
        "a duration, such as `60s`",
        "A connection on which nothing came for so long, no answer to a ping either, is given up.",
        "60s",
    ),
    key(
        "connect_timeout",
        "a duration, such as `10s`",
        "How long connecting may take, with all handshakes and what is sent first.",
        "10s",
    ),
    key(
        "reconnect",
        "a mapping, such as `{min: 250ms, max: 30s}`",
        "The bounds of the waits before connecting again.",
        "{min: 250ms, max: 30s}",
    ),
    key("split", "`message` or `lines`", "What an event is: a message, or each line of one.", "message"),
    key("max_message_bytes", "a size, such as `1MiB`", "A longer message ends the connection.", "1MiB"),
    key(
        "sequence",
        "a field, such as `seq`",
        "The field of JSON messages in which the feed numbers them, to count those that are missing.",
        "none",
    ),
    key(
        "tls",
        "a mapping, such as `{ca_file: ca.pem}`",
        "Whom `wss://` trusts, and the client's certificate.",
        "the certificates of the system",
    ),
];

/// The keys of `reconnect`.
pub static RECONNECT_KEYS: &[Key] = &[
    key(
        "min",
        "a duration, such as `250ms`",
        "The longest wait after the first failure; it doubles with each.",
        "250ms",
    ),
    key("max", "a duration, such as `30s`", "The longest wait of all.", "30s"),
];

/// What was written, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the feeds are.
    pub endpoints: Vec<Endpoint>,
    /// What the handshake says beside what it must.
    pub headers: HeaderMap,
    /// What is sent after every connect.
    pub subscribe: Vec<String>,
    /// The time from one ping to the next.
    pub ping_interval: Duration,
    /// How long nothing may come.
    pub idle_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The bounds of the waits before connecting again.
    pub reconnect: (Duration, Duration),
    /// What a record is.
    pub split: Split,
    /// The longest message.
    pub max_message_bytes: usize,
    /// Where messages are numbered.
    pub sequence: Option<Numbered>,
    /// Whom to trust.
    pub tls: tls::Settings,
}

impl Options {
    /// Reads the body of the source.
    pub(super) fn read(node: &Node, faults: &mut Faults) -> Option<Options> {
        let keys = Mapping::read(node, "websocket", &[KEYS], faults)?;
        let endpoints = keys.get("url").and_then(|node| endpoints(node, faults));
        let headers = keys.get("headers").map_or(Some(HeaderMap::new()), |node| headers(node, faults));
        let protocols = keys.get("protocols").map_or(Some(Vec::new()), |node| protocols(node, faults));
        let subscribe = keys.get("subscribe").map_or(Some(Vec::new()), |node| texts(node, faults));
        let beat = beat(&keys, faults);
        let connect_timeout = duration(&keys, "connect_timeout", Duration::from_secs(10), faults);
        let reconnect = keys.get("reconnect").map_or(Some(RECONNECT), |node| reconnect(node, faults));
        let splits = [("message", Split::Message), ("lines", Split::Lines)];
        let split =
            keys.get("split").map_or(Some(Split::Message), |node| node.one_of("split", &splits, faults));
        let max_message_bytes = keys
            .get("max_message_bytes")
            .map_or(Some(1 << 20), |node| block::read_bytes("max_message_bytes", node, faults));
        let sequence = keys.get("sequence").map_or(Some(None), |node| Numbered::read(node, faults).map(Some));
        let settings =
            keys.get("tls").map_or(Some(tls::Settings::default()), |node| tls::Settings::read(node, faults));
        report_unused_tls(&keys, endpoints.as_deref().unwrap_or_default(), faults);
        report_two_authorizations(&keys, endpoints.as_deref().unwrap_or_default(), faults);
        let (ping_interval, idle_timeout) = beat?;
        Some(Options {
            endpoints: endpoints?,
            headers: with_protocols(headers?, &protocols?),
            subscribe: subscribe?,
            ping_interval,
            idle_timeout,
            connect_timeout: connect_timeout?,
            reconnect: reconnect?,
            split: split?,
            max_message_bytes: max_message_bytes?,
            sequence: sequence?,
            tls: settings?,
        })
    }

    /// Whether any of the connections is encrypted.
    pub fn has_tls(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.server_name.is_some())
    }
}

const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Reads every entry of a list, so that all their faults are found, and keeps them if there was none.
fn each<T>(
    nodes: &[Node],
    faults: &mut Faults,
    mut read: impl FnMut(&Node, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<_> = nodes.iter().map(|node| read(node, faults)).collect();
    read.into_iter().collect()
}

fn endpoints(node: &Node, faults: &mut Faults) -> Option<Vec<Endpoint>> {
    let nodes = node.list_or_one("a URL or a list of URLs", faults)?;
    if nodes.is_empty() {
        faults.add_with_help(node.place, "there is no URL", "name at least one");
        return None;
    }
    let mut seen = Vec::new();
    each(nodes, faults, |node, faults| {
        let endpoint = Endpoint::read(node, faults)?;
        if seen.contains(&endpoint.uri) {
            let help = "each message would be counted twice";
            faults.add_with_help(node.place, format!("duplicate URL `{}`", endpoint.name), help);
            return None;
        }
        seen.push(endpoint.uri.clone());
        Some(endpoint)
    })
}

/// The headers that the handshake itself sets.
const OWN_HEADERS: &[&str] = &[
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

fn headers(node: &Node, faults: &mut Faults) -> Option<HeaderMap> {
    let entries = node.entries("a mapping of header names to values", faults)?;
    let mut headers = HeaderMap::new();
    let before = faults.len();
    for (name, value) in entries {
        let value = value.text_of("the value of a header", faults).and_then(|text| {
            let read = HeaderValue::from_str(&text.text);
            if read.is_err() {
                let help = "a header holds no line breaks and no other control characters";
                faults.add_with_help(
                    text.place,
                    format!("`{}` is given what no header can hold", name.text),
                    help,
                );
            }
            read.ok()
        });
        let Ok(header) = HeaderName::try_from(name.text.as_str()) else {
            let help = "a name has letters, digits and `-`, and no spaces";
            faults.add_with_help(name.place, format!("`{}` is not the name of a header", name.text), help);
            continue;
        };
        if OWN_HEADERS.contains(&header.as_str()) {
            let help = match header.as_str() {
                "sec-websocket-protocol" => "write `protocols: […]`",
                "host" => "it is the host of the URL",
                _ => "leave it out",
            };
            faults.add_with_help(name.place, format!("`{}` is set by the handshake", name.text), help);
        } else if let Some(mut value) = value {
            value.set_sensitive(true);
            if headers.insert(header, value).is_some() {
                faults.add_with_help(
                    name.place,
                    format!("duplicate header `{}`", name.text),
                    "names of headers that differ in case only are the same",
                );
            }
        }
    }
    (faults.len() == before).then_some(headers)
}

fn protocols(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    let nodes = node.list_or_one("a list of sub-protocols", faults)?;
    let mut seen = Vec::new();
    each(nodes, faults, |node, faults| {
        let text = node.text_of("a sub-protocol", faults)?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.text.is_empty() || !text.text.bytes().all(is_token) {
            let help = "it has letters, digits and `-._`, and no spaces";
            faults.add_with_help(text.place, format!("{} is not a sub-protocol", node.found()), help);
            return None;
        }
        if seen.contains(&text.text) {
            faults.add(text.place, format!("duplicate sub-protocol `{}`", text.text));
            return None;
        }
        seen.push(text.text.clone());
        Some(text.text.clone())
    })
}

fn with_protocols(mut headers: HeaderMap, protocols: &[String]) -> HeaderMap {
    if !protocols.is_empty() {
        let value =
            HeaderValue::try_from(protocols.join(", ")).expect("a header may hold what tokens are made of");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    headers
}

fn texts(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    let nodes = node.list_or_one("a list of messages", faults)?;
    each(nodes, faults, |node, faults| {
        if !matches!(node.kind, NodeKind::Scalar { .. } | NodeKind::Faulty) {
            let problem = format!("expected a message, found {}", node.found());
            faults.add_with_help(
                node.place,
                problem,
                "put JSON in single quotes: `'{\"op\":\"subscribe\"}'`",
            );
            return None;
        }
        Some(node.text_of("a message", faults)?.text.clone())
    })
}

const DURATIONS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

fn duration(keys: &Mapping<'_>, name: &str, default: Duration, faults: &mut Faults) -> Option<Duration> {
    let Some(node) = keys.get(name) else { return Some(default) };
    let duration = node.duration(faults)?;
    if DURATIONS.contains(&duration) {
        return Some(duration);
    }
    let found = node.found();
    faults.add(node.place, format!("`{name}` is out of range: expected 10ms to 1h, found {found}"));
    None
}

/// The interval of pings, and the time without an answer.
fn beat(keys: &Mapping<'_>, faults: &mut Faults) -> Option<(Duration, Duration)> {
    let interval = duration(keys, "ping_interval", Duration::from_secs(15), faults);
    let idle = duration(keys, "idle_timeout", Duration::from_secs(60), faults);
    let (interval, idle) = (interval?, idle?);
    if idle > interval {
        return Some((interval, idle));
    }
    let written = keys.get("idle_timeout").or_else(|| keys.get("ping_interval"));
    let problem = format!("`idle_timeout` ({idle:?}) is not longer than `ping_interval` ({interval:?})");
    let help = "a silent feed is given up before it could answer a ping: make it at least twice as long";
    faults.add_with_help(written.map_or(keys.place(), |node| node.place), problem, help);
    None
}

fn reconnect(node: &Node, faults: &mut Faults) -> Option<(Duration, Duration)> {
    let keys = Mapping::read(node, "reconnect", &[RECONNECT_KEYS], faults)?;
    let min = duration(&keys, "min", RECONNECT.0, faults);
    let max = duration(&keys, "max", RECONNECT.1, faults);
    let (min, max) = (min?, max?);
    if min <= max {
        return Some((min, max));
    }
    let written = keys.get("min").or_else(|| keys.get("max"));
    let problem = format!("`min` ({min:?}) is longer than `max` ({max:?})");
    faults.add_with_help(
        written.map_or(keys.place(), |node| node.place),
        problem,
        "waits grow from `min` to `max`",
    );
    None
}

fn report_unused_tls(keys: &Mapping<'_>, endpoints: &[Endpoint], faults: &mut Faults) {
    let plain = !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.server_name.is_none());
    if let (Some(tls), true) = (keys.key("tls"), plain) {
        let help = "write `wss://` in the URL, or leave out `tls`";
        faults.add_with_help(tls.place, "`tls` means nothing with `ws://`", help);
    }
}

fn report_two_authorizations(keys: &Mapping<'_>, endpoints: &[Endpoint], faults: &mut Faults) {
    let in_url = endpoints.iter().any(|endpoint| endpoint.authorization.is_some());
    let entries = match keys.get("headers").map(|node| &node.kind) {
        Some(NodeKind::Map(entries)) if in_url => entries.as_slice(),
        _ => &[],
    };
    for (name, _) in entries.iter().filter(|(name, _)| name.text.eq_ignore_ascii_case(AUTHORIZATION.as_str()))
    {
        let help = "leave out one of them";
        faults.add_with_help(name.place, "user and password of the URL make an `Authorization` too", help);
    }
}
