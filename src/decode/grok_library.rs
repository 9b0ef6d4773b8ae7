//! The grok names that need no definition: what each matches, in the syntax of Rust's `regex` crate.
//!
//! All of them are about ASCII: `\w`, `\d` and `\b` know no other letters, `.` is any byte. Of several alternatives
//! the first that lets the whole pattern match is taken, so the longer ones stand first. `docs/decoders.md` has an
//! example of each, which a test matches.

/// Names and their expressions, which may use other names.
pub(super) static LIBRARY: &[(&str, &str)] = &[
    // Words and numbers.
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("QUOTEDSTRING", r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"#),
    ("QS", "%{QUOTEDSTRING}"),
    ("INT", r"[+-]?[0-9]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?[0-9A-Fa-f]+"),
    ("BOOLEAN", r"\b(?i:true|false)\b"),
    ("UUID", r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"),
    ("SEMVER", r"\bv?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"),
    ("DURATION", r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|\xc2\xb5s|ms|s|m|h|d))+"),
    // People.
    ("USERNAME", r"[A-Za-z0-9._-]+"),
    ("USER", "%{USERNAME}"),
    ("EMAILLOCALPART", r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"),
    ("EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"),
    // Networks.
    ("IPV4", r"\b(?:%{OCTET}\.){3}%{OCTET}\b"),
    ("OCTET", r"25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]"),
    (
        "IPV6",
        concat!(
            r"(?:(?:%{HEXTET}:){6}|::(?:%{HEXTET}:){0,5}|%{HEXTET}::(?:%{HEXTET}:){0,4}",
            r"|(?:%{HEXTET}:){2}:(?:%{HEXTET}:){0,3}|(?:%{HEXTET}:){3}:(?:%{HEXTET}:){0,2}",
            r"|(?:%{HEXTET}:){4}:(?:%{HEXTET}:)?|(?:%{HEXTET}:){5}:)%{IPV4}",
            r"|(?:(?:%{HEXTET}:){7}%{HEXTET}",
            r"|%{HEXTET}:(?::%{HEXTET}){1,6}|(?:%{HEXTET}:){2}(?::%{HEXTET}){1,5}|(?:%{HEXTET}:){3}(?::%{HEXTET}){1,4}",
            r"|(?:%{HEXTET}:){4}(?::%{HEXTET}){1,3}|(?:%{HEXTET}:){5}(?::%{HEXTET}){1,2}|(?:%{HEXTET}:){6}:%{HEXTET}",
            r"|:(?::%{HEXTET}){1,7}|(?:%{HEXTET}:){1,7}:|::)(?:%[0-9A-Za-z]+)?",
        ),
    ),
    ("HEXTET", r"[0-9A-Fa-f]{1,4}"),
    ("IP", "%{IPV6}|%{IPV4}"),
    ("HOSTLABEL", r"[0-9A-Za-z](?:[0-9A-Za-z_-]*[0-9A-Za-z])?"),
    ("HOSTNAME", r"\b%{HOSTLABEL}(?:\.%{HOSTLABEL})*\b"),
    ("HOST", "%{HOSTNAME}"),
    ("IPORHOST", "%{IP}|%{HOSTNAME}"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT}"),
    ("MAC", "%{COMMONMAC}|%{WINDOWSMAC}|%{CISCOMAC}"),
    ("COMMONMAC", r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b"),
    ("WINDOWSMAC", r"\b[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}\b"),
    ("CISCOMAC", r"\b[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}\b"),
    // Paths and addresses of documents.
    ("PATH", "%{UNIXPATH}|%{WINPATH}"),
    ("UNIXPATH", r"(?:/[\w%!$@:.,+~=&#-]*)+"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\/:*?<>|\s]*)+"),
    ("TTY", r"/dev/(?:pts/[0-9]+|tty\w*)"),
    ("URIPROTO", r"[A-Za-z][A-Za-z0-9+.-]*"),
    ("URIHOST", r"(?:\[%{IPV6}\]|%{IPORHOST})(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[A-Za-z0-9$.+!*'(),~:;=@#%&_-]*)+"),
    ("URIQUERY", r"[A-Za-z0-9$.+!*'(),~:;=@#%&_?/\[\]{}|-]*"),
    ("URIPARAM", r"\?%{URIQUERY}"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", r"%{URIPROTO}://(?:[^\s/@]+@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    ("URN", r"(?i:urn):[0-9A-Za-z][0-9A-Za-z-]{0,31}:[\w%()+,.:=@;$!*'/?#-]+"),
    // Dates and times.
    (
        "MONTH",
        concat!(
            r"\b(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?",
            r"|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b",
        ),
    ),
    ("MONTHNUM", r"1[0-2]|0?[1-9]"),
    ("MONTHNUM2", r"0[1-9]|1[0-2]"),
    ("MONTHDAY", r"[12][0-9]|3[01]|0?[1-9]"),
    (
        "DAY",
        r"\b(?i:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)\b",
    ),
    ("YEAR", r"[0-9]{4}|[0-9]{2}"),
    ("HOUR", r"2[0-3]|[01]?[0-9]"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:60|[0-5]?[0-9])(?:[.,:][0-9]+)?"),
    ("TIME", r"\b%{HOUR}:%{MINUTE}(?::%{SECOND})?\b"),
    ("DATE_US", r"\b%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}\b"),
    ("DATE_EU", r"\b%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}\b"),
    ("DATE", "%{DATE_US}|%{DATE_EU}"),
    ("DATESTAMP", "%{DATE}[- ]%{TIME}"),
    ("TZ", r"\b[A-Z]{3,5}\b"),
    ("ISO8601_TIMEZONE", r"Z|[+-]%{HOUR}(?::?%{MINUTE})?"),
    (
        "TIMESTAMP_ISO8601",
        concat!(
            r"\b[0-9]{4}-%{MONTHNUM2}-(?:[12][0-9]|3[01]|0[1-9])[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?",
            r"(?:%{ISO8601_TIMEZONE})?",
        ),
    ),
    ("DATESTAMP_RFC822", "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} (?:%{TZ}|[+-][0-9]{4})"),
    ("DATESTAMP_OTHER", "%{DAY} %{MONTH} +%{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} [+-][0-9]{4}"),
    ("HTTPDERROR_DATE", "%{DAY} %{MONTH} +%{MONTHDAY} %{TIME} %{YEAR}"),
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("UNIXTIME", r"\b[0-9]{9,10}(?:\.[0-9]+)?\b"),
    // Logs.
    (
        "LOGLEVEL",
        concat!(
            r"\b(?i:trace|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|alert|fatal|severe",
            r"|emerg(?:ency)?|panic|verbose)\b",
        ),
    ),
    ("PROG", r"[\w./%@-]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    ("SYSLOGPRI", "<[0-9]{1,3}>"),
    ("SYSLOGBASE", "(?:%{SYSLOGPRI})?%{SYSLOGTIMESTAMP:timestamp} %{SYSLOGHOST:logsource} %{SYSLOGPROG}:"),
    ("SYSLOGLINE", "%{SYSLOGBASE} *%{GREEDYDATA:message}"),
    ("JAVACLASS", r"(?:[A-Za-z_$][\w$]*\.)*[A-Za-z_$][\w$]*"),
    ("JAVAMETHOD", r"<init>|<clinit>|[A-Za-z_$][\w$]*"),
    ("JAVAFILE", r"[\w$.-]+\.(?:java|kt|scala|groovy)|Native Method|Unknown Source"),
    ("HTTPMETHOD", r"\b(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND)\b"),
    ("HTTPDUSER", r"[^\s\[]+"),
    (
        "HTTPDREQUEST",
        concat!(
            r"%{WORD:verb} (?P<request>[^\s\x22]+)(?: HTTP/%{NUMBER:httpversion})?",
            r"|(?P<rawrequest>(?:[^\x22\\]|\\.)*)",
        ),
    ),
    (
        "COMMONAPACHELOG",
        concat!(
            r"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] ",
            r"\x22%{HTTPDREQUEST}\x22 %{INT:response} (?:%{INT:bytes}|-)",
        ),
    ),
    (
        "COMBINEDAPACHELOG",
        r"%{COMMONAPACHELOG} \x22(?P<referrer>(?:[^\x22\\]|\\.)*)\x22 \x22(?P<agent>(?:[^\x22\\]|\\.)*)\x22",
    ),
];

/// The expression of a name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, expression)| *expression)
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::super::trial;
    use super::*;
    use crate::model::value::Value;

    /// Whether the name matches the whole of a text.
    fn matches(name: &str, text: &str) -> bool {
        let written = trial::read(&format!("regex: '^(?:%{{{name}}})$'"));
        trial::decode(&*written, &trial::fields(&[]), text.as_bytes(), &Bump::new()).is_ok()
    }

    /// The rows of the table of names in the documentation: name, example.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let text = include_str!("../../docs/decoders.md");
        let table = text.split_once("| name | matches | example |").expect("the table of grok names").1;
        let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
        let row = |line: &'static str| {
            let name = line.strip_prefix("| `")?.split_once('`')?.0;
            let example = line.strip_suffix(" |")?.rsplit_once(" | ")?.1;
            Some((name, example.strip_prefix('`')?.strip_suffix('`')?))
        };
        rows.map(|line| row(line).unwrap_or_else(|| panic!("not a row of the table: {line}"))).collect()
    }

    #[test]
    fn every_name_is_documented_with_an_example_that_it_matches() {
        let documented = documented();
        let names: Vec<_> = documented.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, LIBRARY.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, example) in documented {
            assert!(matches(name, example), "{name} does not match {example}");
        }
    }

    #[test]
    fn there_are_no_groups_without_names_and_no_name_twice() {
        for (at, (name, expression)) in LIBRARY.iter().enumerate() {
            assert!(!LIBRARY[..at].iter().any(|(other, _)| other == name), "{name} twice");
            let expanded = super::super::grok::expanded(&format!("%{{{name}}}"));
            let regex = regex::bytes::Regex::new(&expanded).unwrap();
            assert!(regex.capture_names().skip(1).all(|group| group.is_some()), "{name}: {expression}");
            assert!(expression.is_ascii(), "{name}: {expression}");
        }
    }

    #[track_caller]
    fn check_not(name: &str, texts: &[&str]) {
        for text in texts {
            assert!(!matches(name, text), "{name} matches {text}");
        }
    }

    #[test]
    fn names_do_not_match_what_they_do_not_mean() {
        check_not("INT", &["", "1.5", "x", "+"]);
        check_not("POSINT", &["0", "-1", "01"]);
        check_not("NUMBER", &["", ".", "1.", "e5", "1e"]);
        check_not("UUID", &["550e8400e29b41d4a716446655440000", "550e8400-e29b-41d4-a716-44665544000g"]);
        check_not("IPV4", &["256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4"]);
        check_not(
            "IPV6",
            &[
                ":",
                "1:2:3:4:5:6:7",
                "1::2::3",
                "1:2:3:4:5:6:7::8",
                "12345::",
                "1:2:3:4:5:6:7:8:9",
                "1:2:3:4:5::1.2.3.4.5",
            ],
        );
        check_not("HOSTNAME", &["-a", "a-", "a..b", "a b", ".a"]);
        check_not("MAC", &["00:1b:44:11:3a", "00:1b-44:11:3a:b7"]);
        check_not("TIMESTAMP_ISO8601", &["2026-13-01T00:00:00Z", "2026-11-32 10:00", "26-11-20T10:00:00"]);
        check_not("HTTPDATE", &["20/Foo/2026:14:03:21 +0000", "20/Nov/2026 14:03:21 +0000"]);
        check_not("TIME", &["25:00:00", "10:60:00", "10"]);
        check_not("LOGLEVEL", &["INFOS", "level", ""]);
        check_not("URI", &["/a/b", "http:/a"]);
        check_not("EMAILADDRESS", &["a@", "@b.c", "a b@c.d"]);
    }

    #[test]
    fn every_kind_of_ipv6_address_is_one() {
        for text in [
            "::",
            "::1",
            "1::",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::3:4:5:6:7:8",
            "1:2::4:5:6:7:8",
            "1:2:3::5:6:7:8",
            "1:2:3:4::6:7:8",
            "1:2:3:4:5::7:8",
            "1:2:3:4:5:6::8",
            "::ffff:10.0.0.1",
            "64:ff9b::192.0.2.33",
            "1:2:3:4:5:6:10.0.0.1",
            "1:2:3:4:5::10.0.0.1",
            "::10.0.0.1",
        ] {
            assert!(matches("IPV6", text) && matches("IP", text), "{text}");
            assert_eq!(text.split('%').next().unwrap().parse::<std::net::Ipv6Addr>().err(), None, "{text}");
        }
    }

    #[track_caller]
    fn check_fields(name: &str, record: &str, expected: &[(&str, &str)]) {
        let written = trial::read(&format!("regex: '^%{{{name}}}$'"));
        let mut names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        let arena = Bump::new();
        let found = trial::decode(&*written, &trial::fields(&names), record.as_bytes(), &arena);
        let wanted = expected.iter().map(|(_, value)| match *value {
            "(missing)" => Value::Missing,
            value => Value::Text(value.as_bytes()),
        });
        assert_eq!(found, Ok(wanted.collect()), "{record}");
        let mut known = written.known().unwrap();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, names);
    }

    #[test]
    fn a_combined_access_log_has_these_fields() {
        let rest = [("referrer", "-"), ("agent", r#"a \"b\""#)];
        let common = [
            ("clientip", "2001:db8::1"),
            ("ident", "-"),
            ("auth", "ann"),
            ("timestamp", "20/Nov/2026:14:03:21 +0000"),
        ];
        let request = [
            ("verb", "GET"),
            ("request", "/a?b"),
            ("httpversion", "1.1"),
            ("rawrequest", "(missing)"),
            ("response", "200"),
            ("bytes", "12"),
        ];
        let record =
            r#"2001:db8::1 - ann [20/Nov/2026:14:03:21 +0000] "GET /a?b HTTP/1.1" 200 12 "-" "a \"b\"""#;
        check_fields("COMBINEDAPACHELOG", record, &[&common[..], &request, &rest].concat());
        let common = [
            ("clientip", "shop.example"),
            ("ident", "-"),
            ("auth", "-"),
            ("timestamp", "20/Nov/2026:14:03:21 +0000"),
        ];
        let request = [
            ("verb", "(missing)"),
            ("request", "(missing)"),
            ("httpversion", "(missing)"),
            ("rawrequest", r"\x16\x03"),
            ("response", "400"),
            ("bytes", "(missing)"),
        ];
        let record = r#"shop.example - - [20/Nov/2026:14:03:21 +0000] "\x16\x03" 400 -"#;
        check_fields("COMMONAPACHELOG", record, &[&common[..], &request].concat());
    }

    #[test]
    fn a_line_of_syslog_has_these_fields() {
        let fields = [
            ("timestamp", "Nov  3 14:03:21"),
            ("logsource", "web-1"),
            ("program", "sshd"),
            ("pid", "42"),
            ("message", "a: b"),
        ];
        check_fields("SYSLOGLINE", "<13>Nov  3 14:03:21 web-1 sshd[42]: a: b", &fields);
    }
}
