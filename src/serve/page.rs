//! The landing page: what runs here, and where to look.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{PipelineSummary, Server};

/// Where the page's style is. The page itself has none, so that its policy can forbid it.
pub const STYLE_PATH: &str = "/-/style.css";

/// Nothing may be loaded but the style, and nobody may frame the page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers with the page.
pub async fn landing(State(server): State<Arc<Server>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html(&server.telemetry_path, &server.exposition.pipelines())).into_response()
}

/// Answers with the page's style.
pub async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, include_str!("style.css")).into_response()
}

fn html(telemetry_path: &str, pipelines: &[PipelineSummary]) -> String {
    let mut page = String::new();
    write_page(&mut page, telemetry_path, pipelines).expect("writing to a string cannot fail");
    page
}

// Links are relative, so that they hold behind a proxy that puts the program under a path of its own.
fn write_page(page: &mut String, telemetry_path: &str, pipelines: &[PipelineSummary]) -> fmt::Result {
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
<nav><a href=".{path}">Metrics</a> <a href="./-/ready">Ready?</a> <a href="./-/healthy">Healthy?</a></nav>
</header>
<main>
"#,
        version = env!("CARGO_PKG_VERSION"),
        path = Escaped(telemetry_path),
    )?;
    if pipelines.is_empty() {
        page.push_str("<p>No pipeline is running.</p>\n");
    }
    for pipeline in pipelines {
        write_pipeline(page, pipeline)?;
    }
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_pipeline(page: &mut String, pipeline: &PipelineSummary) -> fmt::Result {
    let (name, source) = (Escaped(&pipeline.name), Escaped(&pipeline.source));
    write!(page, "<section>\n<h2>{name}</h2>\n<p>{source}</p>\n<dl>\n")?;
    for (metric, help) in &pipeline.metrics {
        writeln!(page, "<dt><code>{}</code></dt><dd>{}</dd>", Escaped(metric), Escaped(help))?;
    }
    page.push_str("</dl>\n</section>\n");
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

    #[test]
    fn everything_from_outside_is_escaped() {
        let hostile = "<script>'\"&é";
        let safe = "&lt;script&gt;&#39;&quot;&amp;é";
        let page = html(
            "/metrics",
            &[PipelineSummary {
                name: hostile.to_owned(),
                source: hostile.to_owned(),
                metrics: vec![(hostile.to_owned(), hostile.to_owned())],
            }],
        );
        assert_eq!(page.matches(safe).count(), 4);
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_links_what_there_is() {
        let page = html("/a/b", &[]);
        assert!(!page.contains("://") && !page.contains("<style") && !page.contains("style="));
        for link in ["./a/b", "./-/ready", "./-/healthy", "./-/style.css"] {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
        }
        assert!(page.contains("No pipeline is running."));
    }
}
