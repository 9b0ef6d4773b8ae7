//! `security`: how connections are encrypted, and who logs in.

use std::fs;

use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::Text;

const fn key(name: &'static str, wanted: &'static str, help: &'static str) -> Key {
    Key { name, wanted, required: false, help, default: None }
}

/// The keys of `security`.
pub static KEYS: &[Key] = &[
    Key {
        name: "protocol",
        wanted: "`plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`",
        required: true,
        help: "Whether connections are encrypted (`ssl`), and whether the client logs in (`sasl`).",
        default: None,
    },
    key("mechanism", "`plain`, `scram-sha-256` or `scram-sha-512`", "How the client logs in, with `sasl`."),
    key("username", "a name", "Who logs in, with `sasl`."),
    key("password", "a password, such as `${KAFKA_PASSWORD}`", "The password of that user."),
    key("password_file", "the path of a file", "The file that holds the password instead."),
    key(
        "ca_file",
        "the path of a file",
        "Certificates, as PEM, of the authorities that the brokers' may come from; without it those of the system.",
    ),
    key("cert_file", "the path of a file", "The client's own certificate, as PEM."),
    key("key_file", "the path of a file", "The key of that certificate, as PEM."),
    key("key_password", "a password", "The password of that key."),
];

/// Keys that say who logs in.
const LOGIN: [&str; 4] = ["mechanism", "username", "password", "password_file"];

/// Keys that say how to encrypt, with the property of each.
const ENCRYPTION: [(&str, &str); 4] = [
    ("ca_file", "ssl.ca.location"),
    ("cert_file", "ssl.certificate.location"),
    ("key_file", "ssl.key.location"),
    ("key_password", "ssl.key.password"),
];

#[derive(Clone, Copy)]
struct Protocol {
    property: &'static str,
    encrypts: bool,
    logs_in: bool,
}

const fn protocol(property: &'static str, encrypts: bool, logs_in: bool) -> (&'static str, Protocol) {
    (property, Protocol { property, encrypts, logs_in })
}

const PROTOCOLS: [(&str, Protocol); 4] = [
    protocol("plaintext", false, false),
    protocol("ssl", true, false),
    protocol("sasl_plaintext", false, true),
    protocol("sasl_ssl", true, true),
];

const MECHANISMS: [(&str, &str); 3] =
    [("plain", "PLAIN"), ("scram-sha-256", "SCRAM-SHA-256"), ("scram-sha-512", "SCRAM-SHA-512")];

/// Properties of librdkafka, and their values.
type Properties = Vec<(String, String)>;

/// Reads the body of `security`.
pub fn read(node: &Node, faults: &mut Faults) -> Option<Properties> {
    let keys = Mapping::read(node, "security", &[KEYS], faults)?;
    let protocol = keys.get("protocol").and_then(|node| node.one_of("protocol", &PROTOCOLS, faults))?;
    let mut properties = vec![("security.protocol".to_owned(), protocol.property.to_owned())];
    let before = faults.len();
    if protocol.logs_in {
        properties.extend(login(&keys, faults));
    } else {
        let help = "choose `sasl_ssl` (or `sasl_plaintext`) for a client that logs in";
        LOGIN.iter().for_each(|key| meaningless(&keys, key, help, faults));
    }
    for (key, property) in ENCRYPTION {
        if !protocol.encrypts {
            let help = "choose `ssl` or `sasl_ssl` for connections that are encrypted";
            meaningless(&keys, key, help, faults);
        } else if let Some(text) = keys.text(key, faults)
            && (key == "key_password" || is_readable(text, faults))
        {
            properties.push((property.to_owned(), text.text.clone()));
        }
    }
    for (key, other) in [("cert_file", "key_file"), ("key_file", "cert_file"), ("key_password", "key_file")] {
        if let (Some(written), None) = (keys.key(key), keys.key(other)) {
            faults.add(written.place, format!("`{key}` is of no use without `{other}`"));
        }
    }
    (faults.len() == before).then_some(properties)
}

fn login(keys: &Mapping<'_>, faults: &mut Faults) -> Properties {
    let mut properties = Vec::new();
    let mut add = |name: &str, value: String| properties.push((name.to_owned(), value));
    for key in ["mechanism", "username"] {
        if keys.key(key).is_none() {
            faults.add(keys.place(), format!("`{key}` is missing: the client is to log in"));
        }
    }
    if let Some(mechanism) =
        keys.get("mechanism").and_then(|node| node.one_of("mechanism", &MECHANISMS, faults))
    {
        add("sasl.mechanism", mechanism.to_owned());
    }
    if let Some(username) = keys.text("username", faults) {
        add("sasl.username", username.text.clone());
    }
    match (keys.text("password", faults), keys.text("password_file", faults)) {
        (Some(_), Some(file)) => faults.add(file.place, "there is a `password` already"),
        (Some(password), None) => add("sasl.password", password.text.clone()),
        (None, Some(file)) => match fs::read_to_string(&file.text) {
            Ok(password) => add("sasl.password", password.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => faults.add(file.place, format!("the file cannot be read: {error}")),
        },
        (None, None) if keys.key("password").is_none() && keys.key("password_file").is_none() => {
            faults.add(keys.place(), "`password` or `password_file` is missing: the client is to log in");
        }
        (None, None) => {}
    }
    properties
}

fn meaningless(keys: &Mapping<'_>, key: &str, help: &str, faults: &mut Faults) {
    if let Some(written) = keys.key(key) {
        faults.add_with_help(written.place, format!("`{key}` means nothing with this protocol"), help);
    }
}

fn is_readable(file: &Text, faults: &mut Faults) -> bool {
    // What is in it is for the client to judge, which says so when it connects.
    match fs::File::open(&file.text) {
        Ok(_) => true,
        Err(error) => {
            faults.add(file.place, format!("the file cannot be read: {error}"));
            false
        }
    }
}
