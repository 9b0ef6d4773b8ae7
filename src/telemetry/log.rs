//! Logging: `tracing` events to standard error, one line each, as logfmt or JSON.

use std::fmt::{self, Write as _};
use std::io;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sends log lines of at least `level` to standard error. Does nothing if something already does.
pub fn start(level: Level, json: bool) {
    let lines =
        tracing_subscriber::fmt().with_max_level(LevelFilter::from_level(level)).with_writer(io::stderr);
    // A second start, as in a test, keeps the first.
    let started = if json {
        lines.json().flatten_event(true).with_target(false).try_init()
    } else {
        lines.with_ansi(false).event_format(Logfmt).try_init()
    };
    drop(started);
}

/// `ts=… level=info msg="…" key=value`, as Prometheus and its exporters write.
struct Logfmt;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N>
    for Logfmt
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        out.write_str("ts=")?;
        SystemTime.format_time(&mut out)?;
        write!(out, " level={}", event.metadata().level().as_str().to_ascii_lowercase())?;
        let mut line = Line { out, result: Ok(()) };
        event.record(&mut line);
        line.result?;
        writeln!(line.out)
    }
}

struct Line<'w> {
    out: Writer<'w>,
    result: fmt::Result,
}

impl Line<'_> {
    fn pair(&mut self, field: &Field, value: &str) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        let bare = !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"=\\".contains(&byte));
        self.result = self.result.and_then(|()| match bare {
            true => write!(self.out, " {name}={value}"),
            // The standard library's quoting escapes quotes, backslashes and control characters.
            false => write!(self.out, " {name}={value:?}"),
        });
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        self.result = self.result.and_then(|()| write!(text, "{value:?}"));
        self.pair(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn values_are_quoted_where_they_must_be() {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer({
                let sink = sink.clone();
                move || sink.clone()
            })
            .event_format(Logfmt)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(path = "/a b", line = "x\n\u{1b}[0m\"", empty = "", bytes = 7, plain = %"ok", "cannot be read");
        });
        let line = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "level=warn msg=\"cannot be read\" path=\"/a b\" line=\"x\\n\\u{1b}[0m\\\"\" empty=\"\" bytes=7 plain=ok\n"
        );
    }
}
