//! One pipeline file: source, decoder, stages, metrics.

use std::sync::Arc;

use super::metric;
use super::plan::{PipelinePlan, StagePlan, Written};
use crate::decode;
use crate::model::field::Fields;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::source;
use crate::stage;

/// The keys of a pipeline file.
pub static KEYS: &[Key] = &[
    Key {
        name: "source",
        wanted: "a source, such as `{file: {include: [/var/log/app.log]}}`",
        required: true,
        help: "Where records come from.",
        default: None,
    },
    Key {
        name: "decode",
        wanted: "a decoder, such as `json`",
        required: false,
        help: "What the fields of a record are.",
        default: Some("text"),
    },
    Key {
        name: "stages",
        wanted: "a list of stages, such as `- keep: level == \"ERROR\"`",
        required: false,
        help: "What happens to events before they are counted, in order.",
        default: Some("[]"),
    },
    Key {
        name: "metrics",
        wanted: "a list of metrics, such as `- counter: {name: …, help: …}`",
        required: true,
        help: "What is counted.",
        default: None,
    },
];

/// Reads a pipeline; `None` if a fault was found in it.
pub(super) fn plan(name: &str, node: &Node, faults: &mut Faults) -> Option<PipelinePlan> {
    let keys = Mapping::read(node, "pipeline", &[KEYS], faults)?;
    let source = keys.get("source").and_then(|node| read_source(node, faults));
    let decode = match keys.get("decode") {
        Some(node) => read_decode(node, faults),
        None => Some(decode::default()),
    };
    let own: Vec<_> = source.iter().flat_map(|(kind, _)| kind.all_fields()).collect();
    let maps = source.as_ref().map_or(&[][..], |(kind, _)| kind.record_maps);
    // Without a decoder any name may come: its fault is reported, those that would follow from it are not.
    let mut fields = Fields::new(decode.as_ref().and_then(|decode| decode.known()), &own);
    fields = fields.with_source_maps(maps);
    if decode.as_ref().is_none_or(|decode| decode.has_lists()) {
        fields = fields.with_lists();
    }
    let stages = keys.get("stages").map_or(Some(Vec::new()), |node| read_stages(node, &mut fields, faults));
    let metrics = keys.get("metrics").and_then(|node| metric::read_all(node, &mut fields, faults));
    let (source_kind, source) = source?;
    let written = |node: &Node| {
        let mut text = String::new();
        node.canonical(&mut text);
        text
    };
    let written = Written { source: keys.get("source").map(written).unwrap_or_default(), all: written(node) };
    Some(PipelinePlan {
        number: 0,
        written,
        name: name.to_owned(),
        place: node.place,
        source_kind,
        source,
        decode: decode?,
        fields,
        stages: stages?,
        metrics: metrics?,
        order: Arc::default(),
    })
}

fn read_source(
    node: &Node,
    faults: &mut Faults,
) -> Option<(&'static source::Kind, Box<dyn source::Written>)> {
    let names: Vec<_> = source::KINDS.iter().map(|kind| kind.name).collect();
    let variant = node.variant("source", &names, faults)?;
    let kind = source::KINDS.iter().find(|kind| kind.name == variant.kind)?;
    Some((kind, (kind.read)(&variant.body, faults)?))
}

fn read_decode(node: &Node, faults: &mut Faults) -> Option<Box<dyn decode::Written>> {
    let names: Vec<_> = decode::KINDS.iter().map(|kind| kind.name).collect();
    let variant = node.variant("decoder", &names, faults)?;
    let kind = decode::KINDS.iter().find(|kind| kind.name == variant.kind)?;
    (kind.read)(&variant.body, faults)
}

fn read_stages(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Vec<StagePlan>> {
    let nodes = node.list("a list of stages", faults)?;
    let names: Vec<_> = stage::KINDS.iter().map(|kind| kind.name).collect();
    let read = nodes.iter().enumerate().map(|(at, node)| {
        let variant = node.variant("stage", &names, faults)?;
        let kind = stage::KINDS.iter().find(|kind| kind.name == variant.kind)?;
        let stage = (kind.build)(&variant.body, fields, faults)?;
        Some(StagePlan { name: format!("{} {}", at + 1, kind.name), stage })
    });
    // Every stage is read before one that is wrong ends this, so that all their faults are found.
    read.collect::<Vec<_>>().into_iter().collect()
}
