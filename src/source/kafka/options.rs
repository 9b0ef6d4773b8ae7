//! What is written of the source, read: which topics, how it starts, and the client's own settings.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

use super::security;
use crate::raw;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::Text;

const fn key(name: &'static str, wanted: &'static str, help: &'static str, default: &'static str) -> Key {
    Key { name, wanted, required: false, help, default: Some(default) }
}

const fn required(name: &'static str, wanted: &'static str, help: &'static str) -> Key {
    Key { name, wanted, required: true, help, default: None }
}

/// The keys of `kafka`.
pub static KEYS: &[Key] = &[
    required(
        "brokers",
        "a list of addresses, such as `[localhost:9092]`",
        "Some of the cluster's brokers; the others are found through them.",
    ),
    required(
        "topics",
        "a list of topics, such as `[orders]`",
        "Which topics are read; one that begins with `^` is a POSIX extended regular expression, and topics that it comes to match are found while running.",
    ),
    required(
        "group",
        "the name of a consumer group",
        "The consumer group: its members share the partitions, its offsets say where to go on.",
    ),
    key(
        "start_at",
        "`beginning` or `end`",
        "Where to begin in a partition of which the group has no offset.",
        "beginning",
    ),
    key(
        "protocol",
        "`classic` or `consumer`",
        "How the group shares its partitions: cooperatively by the classic protocol, or by that of KIP-848, which needs Kafka 4.0.",
        "classic",
    ),
    key(
        "tombstones",
        "`drop` or `keep`",
        "Whether a message without a value is counted as refused, or is an event that has only the fields of the source.",
        "drop",
    ),
    key("max_message_bytes", "a size, such as `1MiB`", "Larger values are skipped and counted.", "1MiB"),
    Key {
        name: "security",
        wanted: "a mapping, such as `{protocol: ssl}`",
        required: false,
        help: "How connections are encrypted and who logs in.",
        default: Some("neither encrypted nor logged in"),
    },
    Key {
        name: "properties",
        wanted: "a mapping of librdkafka's properties",
        required: false,
        help: "Other settings of the client, by the names that librdkafka gives them; those that would break what is promised here are faults.",
        default: None,
    },
];

/// Where to begin in a partition of which the group has no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With its oldest message.
    Beginning,
    /// With the next one that comes.
    End,
}

/// What becomes of messages without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    /// They are counted as refused.
    Drop,
    /// They are events without fields of their own.
    Keep,
}

/// The source as configured.
#[derive(Clone)]
pub struct Options {
    /// Some of the cluster's brokers.
    pub brokers: Vec<String>,
    /// The topics, those that begin with `^` as patterns.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Where to begin in a partition of which the group has no offset.
    pub start_at: StartAt,
    /// What becomes of messages without a value.
    pub tombstones: Tombstones,
    /// Values that are larger are skipped and counted.
    pub max_message_bytes: usize,
    /// The client's settings.
    pub client: ClientConfig,
}

/// Reads the body of `kafka`.
pub fn read(node: &Node, faults: &mut Faults) -> Option<Options> {
    let keys = Mapping::read(node, "kafka", &[KEYS], faults)?;
    let brokers = keys.get("brokers").and_then(|node| texts(node, "an address", faults, broker));
    let topics = keys.get("topics").and_then(|node| texts(node, "a topic", faults, topic));
    let group = keys.text("group", faults).filter(|group| {
        let is_valid = !group.text.is_empty();
        if !is_valid {
            faults.add(group.place, "the name of the group is empty");
        }
        is_valid
    });
    let words = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
    let start_at = word(&keys, "start_at", &words, faults);
    let protocol = word(&keys, "protocol", &[("classic", false), ("consumer", true)], faults);
    let words = [("drop", Tombstones::Drop), ("keep", Tombstones::Keep)];
    let tombstones = word(&keys, "tombstones", &words, faults);
    let max_message_bytes = match keys.get("max_message_bytes") {
        Some(node) => max_message_bytes(node, faults),
        None => Some(1 << 20),
    };
    let security = match keys.get("security") {
        Some(node) => security::read(node, faults),
        None => Some(Vec::new()),
    };
    let properties = match keys.get("properties") {
        Some(node) => properties(node, faults),
        None => Some(Vec::new()),
    };
    let (brokers, group) = (brokers?, group?.text.clone());
    let new_protocol = protocol?;
    let mut client = client(&brokers, &group, new_protocol);
    for (name, value) in security?.into_iter().chain(properties?) {
        client.set(name, value);
    }
    let topics = topics?;
    if let Some(written) = keys.key("properties").or(keys.key("security")) {
        check_together(&client, written, faults)?;
    }
    Some(Options {
        brokers,
        topics: if new_protocol { topics.into_iter().map(whole).collect() } else { topics },
        group,
        start_at: start_at?,
        tombstones: tombstones?,
        max_message_bytes: max_message_bytes?,
        client,
    })
}

/// Has librdkafka judge the settings together, and read the certificates: it makes a client that knows no broker.
fn check_together(client: &ClientConfig, written: &Text, faults: &mut Faults) -> Option<()> {
    let mut client = client.clone();
    client.remove("bootstrap.servers").remove("group.id").set_log_level(RDKafkaLogLevel::Emerg);
    match client.create::<BaseConsumer>() {
        Ok(_) => Some(()),
        Err(KafkaError::ClientCreation(problem)) => {
            faults.add(written.place, format!("librdkafka does not take these settings: {problem}"));
            None
        }
        // What else goes wrong is not for the settings to mend.
        Err(_) => Some(()),
    }
}

/// The value of a key that is one of some words, the first of them without the key.
fn word<T: Clone>(
    keys: &Mapping<'_>,
    key: &str,
    words: &[(&'static str, T)],
    faults: &mut Faults,
) -> Option<T> {
    match keys.get(key) {
        Some(node) => node.one_of(&format!("value of `{key}`"), words, faults),
        None => words.first().map(|(_, meant)| meant.clone()),
    }
}

/// The settings of every client, and what the records' exactness hangs on.
fn client(brokers: &[String], group: &str, new_protocol: bool) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", brokers.join(","))
        .set("group.id", group)
        .set("client.id", "streamgauge")
        // Only what is posted is committed, by us.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // We find out ourselves where to begin, and where to go on when the offset is gone.
        .set("auto.offset.reset", "error")
        .set("statistics.interval.ms", "2000")
        // Every partition has a queue of its own, so these are limits for each.
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "20")
        .set("fetch.wait.max.ms", "100")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set_log_level(RDKafkaLogLevel::Info);
    if new_protocol {
        client.set("group.protocol", "consumer");
    } else {
        client.set("partition.assignment.strategy", "cooperative-sticky");
    }
    client
}

fn texts(
    node: &Node,
    what: &str,
    faults: &mut Faults,
    check: fn(&Text, &mut Faults) -> bool,
) -> Option<Vec<String>> {
    let nodes = node.list_or_one(&format!("{what} or a list of them"), faults)?;
    if nodes.is_empty() {
        faults.add(node.place, format!("the list is empty: it needs {what}"));
        return None;
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut valid = true;
    for node in nodes {
        let Some(text) = node.text_of(what, faults) else {
            valid = false;
            continue;
        };
        if seen.contains(&text.text.as_str()) {
            faults.add(text.place, format!("{} stands here twice", node.found()));
            valid = false;
        }
        valid &= check(text, faults);
        seen.push(&text.text);
    }
    valid.then(|| seen.into_iter().map(str::to_owned).collect())
}

fn broker(text: &Text, faults: &mut Faults) -> bool {
    let port = |address: &str| {
        let (host, port) = address.rsplit_once(':')?;
        (!host.is_empty() && !host.contains("://")).then_some(port)?.parse::<u16>().ok()
    };
    let listed = text.text.split(',').map(str::trim);
    let is_valid = listed.clone().all(|address| port(address).is_some());
    if !is_valid {
        let help = "write host and port, as in `localhost:9092`";
        faults.add_with_help(text.place, "the address of a broker is not `HOST:PORT`", help);
    }
    is_valid
}

/// A name as Kafka's brokers take it, or a pattern.
fn topic(text: &Text, faults: &mut Faults) -> bool {
    let name = text.text.as_str();
    if name.starts_with('^') {
        return pattern(text, faults);
    }
    let odd = name.chars().position(|c| !c.is_ascii_alphanumeric() && !['.', '_', '-'].contains(&c));
    let problem = match odd {
        _ if name.is_empty() => "the name of the topic is empty".to_owned(),
        Some(_) => "the name of a topic has only letters, digits, `.`, `_` and `-`".to_owned(),
        None if name.len() > 249 => "the name of a topic has at most 249 characters".to_owned(),
        None if name == "." || name == ".." => format!("`{name}` cannot be the name of a topic"),
        None => return true,
    };
    let place = odd.map_or(text.place, |at| text.part(at, 1));
    faults.add_with_help(place, problem, "begin with `^` what is a pattern of names");
    false
}

/// A pattern as the brokers of the new protocol want it, which compare it with whole names: it goes on as it likes unless
/// it says where it ends.
fn whole(topic: String) -> String {
    let ends = topic.ends_with('$') && !topic.ends_with("\\$");
    if topic.starts_with('^') && !ends { format!("{topic}.*") } else { topic }
}

/// Constructs that the patterns of librdkafka and of the brokers do not have, so that they would silently match nothing.
fn pattern(text: &Text, faults: &mut Faults) -> bool {
    if let Err((at, problem)) = raw::regex::parse(&text.text) {
        let at = text.text.get(..at).map_or(0, |before| before.chars().count());
        faults.add(text.part(at, 1), format!("the pattern of topics is not valid: {problem}"));
        return false;
    }
    let characters: Vec<_> = text.text.chars().collect();
    let unknown = characters.windows(2).position(|pair| match pair {
        ['\\', escaped] => escaped.is_ascii_alphanumeric(),
        ['(', '?'] | ['*' | '+' | '?', '?'] => true,
        _ => false,
    });
    let Some(at) = unknown else { return true };
    let construct: String = characters[at..at + 2].iter().collect();
    let help = "patterns of topics are POSIX extended regular expressions: write `[0-9]` for `\\d`, `[A-Za-z0-9_]` for `\\w`, `(…)` for `(?:…)`";
    faults.add_with_help(text.part(at, 2), format!("patterns of topics have no `{construct}`"), help);
    false
}

fn max_message_bytes(node: &Node, faults: &mut Faults) -> Option<usize> {
    let bytes = node.bytes(faults)?;
    let range = 1..=64 << 20;
    if !range.contains(&bytes) {
        let found = node.found();
        faults.add(
            node.place,
            format!("`max_message_bytes` is out of range: expected 1 to 64MiB, found {found}"),
        );
        return None;
    }
    Some(bytes as usize)
}

/// Properties that are not to be set here, and what to do instead.
const RESERVED: &[(&str, &str)] = &[
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    ("auto.offset.reset", "write `start_at` instead"),
    ("bootstrap.servers", "write `brokers` instead"),
    ("enable.auto.commit", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("enable.partition.eof", "the end of a partition is shown by `streamgauge_source_lag_messages`"),
    ("group.id", "write `group` instead"),
    ("group.protocol", "write `protocol` instead"),
    ("metadata.broker.list", "write `brokers` instead"),
    ("offset.store.method", COMMITS),
    ("offset.store.sync.interval.ms", COMMITS),
    (
        "partition.assignment.strategy",
        "partitions are handed over cooperatively (`cooperative-sticky`), so that none is counted twice",
    ),
    ("sasl.mechanism", SECURITY),
    ("sasl.mechanisms", SECURITY),
    ("sasl.password", SECURITY),
    ("sasl.username", SECURITY),
    ("security.protocol", SECURITY),
    ("ssl.ca.location", SECURITY),
    ("ssl.certificate.location", SECURITY),
    ("ssl.key.location", SECURITY),
    ("ssl.key.password", SECURITY),
    ("test.mock.num.brokers", "it would take the place of `brokers`"),
    ("statistics.interval.ms", "statistics are what lag and the state of the brokers come from"),
];

const COMMITS: &str =
    "offsets are committed once what was read up to them is posted; that is what makes counters exact";
const SECURITY: &str = "write it under `security` instead";

fn properties(node: &Node, faults: &mut Faults) -> Option<Vec<(String, String)>> {
    let entries = node.entries("a mapping of librdkafka's properties to their values", faults)?;
    let read: Vec<_> = entries.iter().map(|(name, value)| property(name, value, faults)).collect();
    read.into_iter().collect()
}

fn property(name: &Text, value: &Node, faults: &mut Faults) -> Option<(String, String)> {
    if let Some((_, help)) = RESERVED.iter().find(|(reserved, _)| *reserved == name.text) {
        faults.add_with_help(name.place, format!("`{}` cannot be set here", name.text), *help);
        return None;
    }
    let text = value.text_of("the value of the property", faults)?;
    // The client's own judgement, of this one property.
    match ClientConfig::new().set(&name.text, &text.text).create_native_config() {
        Ok(_) => Some((name.text.clone(), text.text.clone())),
        Err(KafkaError::ClientConfig(_, problem, ..)) if problem.starts_with("No such") => {
            let help = "the properties are listed in librdkafka's CONFIGURATION.md";
            faults.add_with_help(name.place, format!("librdkafka has no property `{}`", name.text), help);
            None
        }
        Err(_) => {
            let problem = format!("`{}` cannot be {}", name.text, value.found());
            let help = "its type and range are in librdkafka's CONFIGURATION.md";
            faults.add_with_help(text.place, problem, help);
            None
        }
    }
}
