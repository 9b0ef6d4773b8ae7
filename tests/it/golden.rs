//! Golden cases: each shipped pipeline's sample input makes exactly the expected expositions.
//!
//! `STREAMGAUGE_BLESS=1 cargo test golden` writes what the program says now, for review with `git diff`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use streamgauge::config;
use streamgauge::encode;

use crate::replayed::exposition;
use crate::tool;

/// When the golden cases happen.
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Calls `each` with the name and the folder of each case.
fn cases(mut each: impl FnMut(&str, &Path)) {
    let mut found = 0;
    for entry in fs::read_dir(root().join("tests/it/golden")).unwrap() {
        let folder = entry.unwrap().path();
        each(&folder.file_name().unwrap().to_string_lossy(), &folder);
        found += 1;
    }
    assert!(found >= 2, "only {found} golden cases");
}

#[test]
fn shipped_pipelines_say_exactly_this() {
    let bless = std::env::var_os("STREAMGAUGE_BLESS").is_some();
    cases(|name, folder| {
        let path = root().join("pipelines").join(format!("{name}.yaml"));
        let input = fs::read(folder.join("input.log")).unwrap();
        for format in encode::KINDS.iter().map(|kind| kind.name) {
            // A plan is for one ledger, which learns the series from it.
            let plan = config::load(std::slice::from_ref(&path), &|_| None)
                .unwrap_or_else(|faults| panic!("{}", faults.render(false)));
            let (text, flow) = exposition(&plan, &input, format, NOW);
            let known = ["ERROR", "eu", "/cart", "OAK"].map(|value| text.matches(value).count());
            assert!(known.iter().sum::<usize>() > 3, "{text}");
            let refused = format!("{flow:#?}\n");
            for (file, now) in [(format!("expected.{format}"), text), ("expected.flow".to_owned(), refused)] {
                let file = folder.join(file);
                if bless {
                    fs::write(&file, &now).unwrap();
                }
                assert_eq!(now, fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
            }
        }
    });
}

#[test]
fn promtool_has_nothing_to_say_about_them() {
    cases(|name, folder| {
        let Some(mut promtool) = tool::program("promtool", "prometheus") else { return };
        let text = fs::read(folder.join("expected.prometheus")).unwrap();
        assert!(!text.is_empty(), "{name}");
        tool::check_silent(&tool::feed(promtool.args(["check", "metrics"]), &text));
    });
}

/// Prints how many families the reference parser of OpenMetrics finds.
const REFERENCE_PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(len(list(parse(sys.stdin.read()))))
";

#[test]
fn the_python_client_parses_them() {
    cases(|name, folder| {
        let Some(mut python) = tool::python("prometheus_client", "python3-prometheus-client") else { return };
        let text = fs::read(folder.join("expected.openmetrics")).unwrap();
        let output = tool::feed(python.args(["-c", REFERENCE_PARSER]), &text);
        let families: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or_default();
        assert!(
            output.status.success() && families >= 2,
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
}
