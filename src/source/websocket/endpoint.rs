//! A URL of a feed, and what may be said of it.

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};

use crate::raw::fault::{Faults, did_you_mean};
use crate::raw::node::Node;

/// Where a feed is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The URL as the handshake needs it.
    pub uri: Uri,
    /// The URL without user, password and query, which may be secret.
    pub name: String,
    /// The host as the resolver wants it: an IPv6 address without its brackets.
    pub host: String,
    /// The port, also where the URL does not say it.
    pub port: u16,
    /// By what name the certificate must know the server; `None` where there is no TLS.
    pub server_name: Option<ServerName<'static>>,
    /// The header that user and password of the URL make.
    pub authorization: Option<HeaderValue>,
}

const EXAMPLE: &str = "write for example `wss://feed.example.com/ws`";

impl Endpoint {
    /// Reads a URL.
    pub fn read(node: &Node, faults: &mut Faults) -> Option<Endpoint> {
        let text = node.text_of("a URL, such as `wss://feed.example.com/ws`", faults)?;
        match parse(&text.text) {
            Ok(endpoint) => Some(endpoint),
            Err((problem, help)) => {
                let problem = format!("expected a WebSocket URL, found {}: {problem}", node.found());
                faults.add_with_help(node.place, problem, help);
                None
            }
        }
    }
}

/// What is wrong with a URL, and how to mend it.
type Wrong = (String, String);

fn wrong<T>(problem: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err((problem.into(), help.into()))
}

fn parse(text: &str) -> Result<Endpoint, Wrong> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("it does not begin with `ws://` or `wss://`", EXAMPLE);
    };
    let secure = secure(scheme)?;
    if rest.contains('#') {
        return wrong("it has a fragment", "leave out `#` and what follows it, or write the `#` as `%23`");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let scheme = if secure { "wss" } else { "ws" };
    let slash = if path.starts_with('/') { "" } else { "/" };
    if authority.is_empty() {
        return wrong("it names no host", EXAMPLE);
    }
    let uri: Uri = match format!("{scheme}://{authority}{slash}{path}").parse() {
        Ok(uri) => uri,
        Err(error) => return wrong(format!("{error}"), EXAMPLE),
    };
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, at)| (Some(user), at));
    let in_uri = uri.host().unwrap_or_default();
    let host = in_uri.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return wrong("it names no host", EXAMPLE);
    }
    let port = match place.strip_prefix(in_uri) {
        Some("") => Some(if secure { 443 } else { 80 }),
        _ => uri.port_u16().filter(|port| *port > 0),
    };
    let Some(port) = port else {
        return wrong("its port is not a number from 1 to 65535", EXAMPLE);
    };
    let server_name = match ServerName::try_from(host.clone()) {
        Ok(name) => Some(name).filter(|_| secure),
        Err(_) => return wrong(format!("`{host}` is not the name of a host"), EXAMPLE),
    };
    let name = format!("{scheme}://{place}{}", uri.path());
    Ok(Endpoint { name, host, port, server_name, authorization: user.map(basic).transpose()?, uri })
}

/// Whether a scheme asks for TLS.
fn secure(scheme: &str) -> Result<bool, Wrong> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => Ok(false),
        "wss" => Ok(true),
        "http" => wrong("`http` is not its scheme", "did you mean `ws://`?"),
        "https" => wrong("`https` is not its scheme", "did you mean `wss://`?"),
        other => {
            let help =
                did_you_mean(other, ["ws", "wss"]).unwrap_or_else(|| "write `ws://` or `wss://`".to_owned());
            wrong("its scheme is unknown", help)
        }
    }
}

/// `user:password` of a URL as the header that says the same.
fn basic(user: &str) -> Result<HeaderValue, Wrong> {
    let user: Vec<u8> = percent_decode_str(user).collect();
    let value = format!("Basic {}", BASE64.encode(&user));
    let mut value = HeaderValue::try_from(value).expect("Base64 has only characters that a header may have");
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what a URL becomes, `name host port`, or what is wrong with it.
    #[track_caller]
    fn check(url: &str, expected: &str) {
        let found = match parse(url) {
            Ok(Endpoint { name, host, port, .. }) => format!("{name} {host} {port}"),
            Err((problem, help)) => format!("{problem} ({help})"),
        };
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn a_name_holds_no_secrets() {
        check(
            "wss://me:secret@feed.example.com/ws?token=secret",
            "wss://feed.example.com/ws feed.example.com 443",
        );
        check("WS://localhost:9000?a=b", "ws://localhost:9000/ localhost 9000");
        check("ws://[::1]:80", "ws://[::1]:80/ ::1 80");
        check("wss://127.0.0.1", "wss://127.0.0.1/ 127.0.0.1 443");
    }

    #[test]
    fn a_request_always_has_a_path() {
        assert_eq!(parse("ws://a?b=c").unwrap().uri.path_and_query().unwrap().as_str(), "/?b=c");
        assert_eq!(parse("ws://a").unwrap().uri.path_and_query().unwrap().as_str(), "/");
    }

    #[test]
    fn user_and_password_become_a_header() {
        let basic = parse("ws://user:p%40ss@a/").unwrap().authorization.unwrap();
        assert_eq!(basic, "Basic dXNlcjpwQHNz");
        assert!(parse("ws://a/").unwrap().authorization.is_none());
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        check("localhost:9000", &format!("it does not begin with `ws://` or `wss://` ({EXAMPLE})"));
        check("https://a/", "`https` is not its scheme (did you mean `wss://`?)");
        check("wsss://a/", "its scheme is unknown (did you mean `wss`?)");
        check("ws:///a", &format!("it names no host ({EXAMPLE})"));
        check("ws://:80/a", &format!("it names no host ({EXAMPLE})"));
        check("ws://a:99999/", &format!("its port is not a number from 1 to 65535 ({EXAMPLE})"));
        check("ws://a:/", &format!("its port is not a number from 1 to 65535 ({EXAMPLE})"));
        check("ws://a:0/", &format!("its port is not a number from 1 to 65535 ({EXAMPLE})"));
        check(
            "ws://a/#b",
            "it has a fragment (leave out `#` and what follows it, or write the `#` as `%23`)",
        );
        check("ws://a b/", &format!("invalid uri character ({EXAMPLE})"));
    }
}
