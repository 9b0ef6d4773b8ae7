//! The landing page: what runs here, and where to look.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::summary::grouped;
use super::{MetricSummary, PipelineSummary, Server, plain, scrape};
use crate::encode;
use crate::telemetry::Lag;

/// Where the page's style is. The page itself has none, so that its policy can forbid it.
pub const STYLE_PATH: &str = "/-/style.css";

/// Nothing may be loaded but the style, and nobody may frame the page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers with the page. It looks at every series, as a scrape does, and so counts as one.
pub async fn landing(State(server): State<Arc<Server>>) -> Response {
    let Ok(permit) = Arc::clone(&server.scrapes).try_acquire_owned() else { return scrape::busy() };
    let path = server.telemetry_path.clone();
    let faults = server.exposition.ready().faults;
    let look = move || {
        let page = html(&path, &faults, &server.exposition.pipelines());
        drop(permit);
        page
    };
    let looked = tokio::task::spawn_blocking(look).await;
    let page = match looked {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(%error, "the landing page failed");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "The page failed; the log says why.\n");
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

/// Answers with the page's style.
pub async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, include_str!("style.css")).into_response()
}

fn html(telemetry_path: &str, faults: &[String], pipelines: &[PipelineSummary]) -> String {
    let mut page = String::new();
    write_page(&mut page, telemetry_path, faults, pipelines).expect("writing to a string cannot fail");
    page
}

// Links are relative, so that they hold behind a proxy that puts the program under a path of its own.
fn write_page(
    page: &mut String,
    telemetry_path: &str,
    faults: &[String],
    pipelines: &[PipelineSummary],
) -> fmt::Result {
    write!(
        page,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>streamgauge</title>
<link rel="stylesheet" href=".{STYLE_PATH}">
</head>
<body>
<header>
<h1>streamgauge <small>{version}</small></h1>
<nav>"#,
        version = env!("CARGO_PKG_VERSION"),
    )?;
    let formats = encode::KINDS.iter().filter_map(|kind| kind.path);
    for path in [telemetry_path].into_iter().chain(formats).chain(["/-/ready", "/-/healthy"]) {
        let path = Escaped(path);
        write!(page, r#"<a href=".{path}">{path}</a> "#)?;
    }
    page.push_str("</nav>\n</header>\n<main>\n");
    for fault in faults {
        writeln!(page, "<p class=\"fault\">{}</p>", Escaped(fault))?;
    }
    if pipelines.is_empty() {
        page.push_str("<p>No pipeline is running.</p>\n");
    }
    for pipeline in pipelines {
        write_pipeline(page, telemetry_path, pipeline)?;
    }
    page.push_str(
        "</main>\n<footer>As of the moment this page was loaded. What streamgauge counts of itself is ",
    );
    writeln!(
        page,
        "among the <a href=\".{}\">metrics</a>.</footer>\n</body>\n</html>",
        Escaped(telemetry_path)
    )
}

fn write_pipeline(page: &mut String, telemetry_path: &str, pipeline: &PipelineSummary) -> fmt::Result {
    let (name, source) = (Escaped(&pipeline.name), Escaped(&pipeline.source));
    write!(page, "<section>\n<h2>{name} <small>from {source}</small></h2>\n")?;
    write_lanes(page, &pipeline.lanes)?;
    page.push_str("<dl class=\"figures\">\n");
    let refused: u64 = pipeline.refused.iter().map(|(.., times)| times).sum();
    let series: usize = pipeline.metrics.iter().map(|metric| metric.series).sum();
    let figures = [
        ("events", pipeline.events),
        ("bytes", pipeline.bytes),
        ("series", series as u64),
        ("refused", refused),
    ];
    for (what, figure) in figures {
        let class = if what == "refused" && figure > 0 { " class=\"warn\"" } else { "" };
        writeln!(page, "<div><dt>{what}</dt><dd{class}>{}</dd></div>", grouped(figure.into()))?;
    }
    page.push_str("</dl>\n");
    for metric in &pipeline.metrics {
        write_metric(page, telemetry_path, metric)?;
    }
    if !pipeline.refused.is_empty() {
        page.push_str("<article>\n<h3>refused</h3>\n<table>\n");
        for (component, reason, times) in &pipeline.refused {
            let (component, times) = (Escaped(component), grouped((*times).into()));
            writeln!(
                page,
                "<tr><td><code>{component}</code> {reason}</td><td class=\"value\">{times}</td></tr>"
            )?;
        }
        page.push_str("</table>\n</article>\n");
    }
    page.push_str("</section>\n");
    Ok(())
}

/// More lanes than this are only counted.
const LANES: usize = 5;

fn write_lanes(page: &mut String, lanes: &[(String, Lag)]) -> fmt::Result {
    for (lane, behind) in lanes.iter().take(LANES) {
        write!(page, "<p class=\"more\"><code>{}</code>", Escaped(lane))?;
        match *behind {
            Lag::Bytes(bytes) if bytes > 0 => write!(page, ", {} bytes behind", grouped(bytes.into()))?,
            Lag::Messages { messages, seconds } if messages > 0 => {
                write!(page, ", {} messages and {seconds:.1} s behind", grouped(messages.into()))?;
            }
            _ => {}
        }
        page.push_str("</p>\n");
    }
    match lanes.len().saturating_sub(LANES) {
        0 => Ok(()),
        more => writeln!(page, "<p class=\"more\">and {} more</p>", grouped(more as i128)),
    }
}

fn write_metric(page: &mut String, telemetry_path: &str, metric: &MetricSummary) -> fmt::Result {
    let MetricSummary { kind, series, max_series, .. } = metric;
    let (path, name, help) = (Escaped(telemetry_path), Escaped(&metric.name), Escaped(&metric.help));
    write!(
        page,
        r#"<article>
<h3><a href=".{path}?name[]={name}">{name}</a> <small>{kind}</small></h3>
<p>{help}</p>
<table>
"#
    )?;
    for series in &metric.largest {
        let (labels, value, share) = (Escaped(&series.labels), Escaped(&series.value), series.share);
        writeln!(
            page,
            r#"<tr><td><code>{labels}</code></td><td class="bar"><meter max="1000" value="{share}">{share}</meter></td><td class="value">{value}</td></tr>"#
        )?;
    }
    page.push_str("</table>\n");
    let more = series.saturating_sub(metric.largest.len());
    if *series >= *max_series {
        writeln!(page, "<p class=\"more\">At its limit of {max_series} series.</p>")?;
    } else if more > 0 {
        writeln!(page, "<p class=\"more\">The largest of {} series.</p>", grouped(*series as i128))?;
    }
    page.push_str("</article>\n");
    Ok(())
}

/// Text as it has to be written in HTML, in an attribute too.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let (plain, special) = match part.char_indices().next_back() {
                Some((at, '&')) => (&part[..at], "&amp;"),
                Some((at, '<')) => (&part[..at], "&lt;"),
                Some((at, '>')) => (&part[..at], "&gt;"),
                Some((at, '"')) => (&part[..at], "&quot;"),
                Some((at, '\'')) => (&part[..at], "&#39;"),
                _ => (part, ""),
            };
            out.write_str(plain)?;
            out.write_str(special)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::SeriesSummary;

    #[test]
    fn everything_from_outside_is_escaped() {
        let hostile = "<script>'\"&é";
        let safe = "&lt;script&gt;&#39;&quot;&amp;é";
        let text = || hostile.to_owned();
        let largest = vec![SeriesSummary { labels: text(), value: text(), share: 1 }];
        let metric = MetricSummary { name: text(), help: text(), largest, ..MetricSummary::default() };
        let page = html(
            "/metrics",
            &[text()],
            &[PipelineSummary {
                name: text(),
                source: text(),
                lanes: vec![(text(), Lag::Bytes(1))],
                refused: vec![(text(), "no_match", 1)],
                metrics: vec![metric],
                ..PipelineSummary::default()
            }],
        );
        assert_eq!(page.matches(safe).count(), 10);
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_links_what_there_is() {
        let page = html("/a/b", &[], &[]);
        assert!(!page.contains("://") && !page.contains("<style") && !page.contains("style="));
        for link in ["./a/b", "./json", "./influx", "./-/ready", "./-/healthy", "./-/style.css"] {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
        }
        assert!(page.contains("No pipeline is running."));
    }
}
