//! Stages as a pipeline runs them, between decoder and metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use streamgauge::model::refused::Refused;
use streamgauge::pipeline::Flow;

use crate::replayed::replay;

/// The samples of `a_total` for an input of JSON lines, and what became of the events.
fn counted(stages: &str, metric: &str, input: &str) -> (Vec<String>, Flow) {
    let pipeline = format!(
        "source: stdin\ndecode: json\nstages:\n{stages}metrics:\n  - counter: {{name: a_total, help: A., {metric}}}\n"
    );
    let (text, flow) = replay(&pipeline, input, Duration::from_secs(1));
    let samples = text.lines().filter_map(|line| line.strip_prefix("a_total")).map(str::to_owned);
    (samples.collect(), flow)
}

#[track_caller]
fn check(stages: &str, metric: &str, input: &str, expected: &[&str]) -> Flow {
    let (mut samples, flow) = counted(stages, metric, input);
    samples.sort();
    assert_eq!(samples, expected, "{stages}{input}");
    flow
}

const ORDERS: &str = r#"{"id":1,"items":[{"sku":"p","n":2},{"sku":"q"},null,{"n":1,"sku":"p"}]}
{"id":2,"items":[]}
{"id":3}
{"id":4,"items":{"sku":"r"}}
{"id":5,"items":null}
{"id":6,"items":["x",true,7,{"sku":[1]}]}
"#;

#[test]
fn an_element_stands_in_place_of_its_list() {
    let flow = check(
        "  - explode: items\n",
        "labels: {id: id, sku: items.sku}",
        ORDERS,
        &[r#"{id="1",sku=""} 1"#, r#"{id="1",sku="p"} 2"#, r#"{id="1",sku="q"} 1"#, r#"{id="6",sku=""} 4"#],
    );
    let (refused, filtered) = &flow.stages[0];
    assert_eq!(*filtered, 4);
    assert_eq!(refused.get(Refused::MissingField), 2);
    assert_eq!(refused.get(Refused::NotAList), 1);
    check(
        "  - keep: id == 6\n  - explode: items\n",
        "labels: [items]",
        ORDERS,
        &[r#"{items=""} 1"#, r#"{items="7"} 1"#, r#"{items="true"} 1"#, r#"{items="x"} 1"#],
    );
}

#[test]
fn what_stages_before_found_is_repeated_and_what_was_of_the_list_is_not() {
    check(
        "  - set: {first: 'items[0].sku'}\n  - keep: id == 1\n  - explode: items\n  - keep: has(items.sku)\n",
        "labels: {first: first, sku: items.sku, again: 'items[0].sku'}",
        ORDERS,
        &[r#"{first="p",sku="p",again=""} 2"#, r#"{first="p",sku="q",again=""} 1"#],
    );
}

#[test]
fn lists_in_lists_are_exploded_again() {
    let input = r#"{"o":{"orders":[{"lines":[{"n":1},{"n":2}]},{"lines":[]},{},{"lines":[{"n":4}]}]}}"#;
    let flow = check(
        "  - explode: o.orders\n  - explode: o.orders.lines\n",
        "value: o.orders.lines.n",
        input,
        &[" 7"],
    );
    assert_eq!((flow.stages[0].1, flow.stages[1].1), (0, 2));
    check(
        "  - explode: a\n  - explode: a\n",
        "labels: [a]",
        r#"{"a":[[1,2],[],[1]]}"#,
        &[r#"{a="1"} 2"#, r#"{a="2"} 1"#],
    );
}

#[test]
fn the_list_is_the_last_of_equal_keys_wherever_it_stands() {
    check(
        "  - explode: 'event[\"a b\"][1]'\n",
        "value: 'event[\"a b\"][1]'",
        r#"{"a b":[[9],[9]],"a\u0020b":[0,[1,2]]}"#,
        &[" 3"],
    );
}

/// A list of orders, as a tree.
fn orders() -> impl Strategy<Value = Vec<Value>> {
    let item = prop_oneof![
        4 => ("[a-c\"\\\\\n]{0,2}", 0..5_u8).prop_map(|(sku, n)| json!({"sku": sku, "n": n, "more": [{"sku": "z"}]})),
        1 => Just(Value::Null),
        1 => any::<i16>().prop_map(Value::from),
    ];
    let items = prop_oneof![5 => proptest::collection::vec(item, 0..6).prop_map(Value::from), 1 => Just(json!("none"))];
    proptest::collection::vec(
        (items, 0..3_u8).prop_map(|(items, id)| json!({"id": id, "items": items})),
        0..400,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn elements_are_counted_as_a_tree_counts_them(orders in orders()) {
        let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
        for order in &orders {
            for item in order["items"].as_array().into_iter().flatten() {
                *expected.entry(order["id"].as_u64().unwrap()).or_default() += item["n"].as_u64().unwrap_or(100);
            }
        }
        let input: String = orders.iter().map(|order| format!("{order}\n")).collect();
        let stages = "  - explode: items\n  - set: {n: 'has(items.n) ? items.n : 100'}\n";
        let (mut samples, flow) = counted(stages, "value: n, labels: [id]", &input);
        samples.sort();
        let expected: Vec<_> = expected.iter().map(|(id, sum)| format!("{{id=\"{id}\"}} {sum}")).collect();
        prop_assert_eq!(samples, expected);
        let empty = orders.iter().filter(|order| order["items"].as_array().is_none_or(Vec::is_empty)).count();
        prop_assert_eq!(flow.stages[0].1, empty as u64);
    }
}

#[test]
fn many_elements_of_one_record_are_all_there() {
    let list = vec!["1"; 200_000].join(",");
    check("  - explode: a\n", "value: a", &format!("{{\"a\":[{list}]}}"), &[" 200000"]);
}
