//! Text → nodes: one document per file, anchors and merge keys resolved, the environment put in.
//!
//! Nothing here recurses over the input, and what a file may grow to through its aliases is bounded, so no file can
//! exhaust the stack or the memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::entries::Entries;
use super::environment::{Environment, substitute};
use super::fault::Faults;
use super::node::{Node, NodeKind};
use super::place::{FileId, Place, Text};
use super::source::{ScalarPlace, Source, without_byte_order_mark};
use super::syntax;

/// How deep lists and mappings may be nested.
const DEPTH_LIMIT: usize = 64;

/// How many values a file may hold once its aliases are followed; 64 bytes of text count as one more.
const SIZE_LIMIT: usize = 200_000;

/// Reads the nodes of a file, with the environment put into its values. `None` when it cannot be read to its end;
/// the reason is then among the faults. A tree can come with faults, too: what they concern is
/// [`Faulty`](NodeKind::Faulty) in it, so that the rest can be read and its faults found.
pub fn parse(file: FileId, text: &str, environment: Environment<'_>, faults: &mut Faults) -> Option<Node> {
    let text = without_byte_order_mark(text);
    let mut builder = Builder {
        source: Source::new(file, text),
        environment,
        faults,
        frames: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        size_left: SIZE_LIMIT,
    };
    for event in Parser::new_from_str(text) {
        let flow = match event {
            Ok((event, span)) => {
                let flow = builder.take(event, span);
                builder.source.look(span.end);
                flow
            }
            Err(error) => {
                let open: Vec<_> = builder.frames.iter().map(|frame| frame.place).collect();
                syntax::report(&error, &mut builder.source, &open, builder.faults);
                return None;
            }
        };
        if flow.is_break() {
            break;
        }
    }
    builder.finish(file)
}

/// Builds the tree from the parser's events.
struct Builder<'t, 'e, 'f> {
    source: Source<'t>,
    environment: Environment<'e>,
    faults: &'f mut Faults,
    /// The lists and mappings that are open, the outermost first.
    frames: Vec<Frame>,
    /// What each anchor stands for; `None` while that is still being built.
    anchors: HashMap<usize, Option<Node>>,
    root: Option<Node>,
    size_left: usize,
}

/// A list or a mapping that is open.
struct Frame {
    place: Place,
    anchor: usize,
    inner: Inner,
}

enum Inner {
    List(Vec<Node>),
    Map(Box<Entries>),
}

/// What a tag makes of a scalar or a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// No tag.
    Untagged,
    /// A tag that is none of ours; its fault is reported.
    Unknown,
    /// `!!str`, or `!`: text, even without quotes.
    Text,
    /// `!!int`, `!!float`, `!!bool`: as if without quotes.
    Plain,
    /// `!!null`.
    Null,
    /// `!!seq`.
    List,
    /// `!!map`.
    Map,
}

impl Builder<'_, '_, '_> {
    /// Takes the next event; breaks where the rest of the file is not to be read.
    fn take(&mut self, event: Event<'_>, span: Span) -> ControlFlow<()> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                let spot = self.source.spot(span.start);
                let place = spot.until(spot.word_len());
                let help = "keep one document, or put each in a file of its own";
                self.faults.add_with_help(place, "a second document in one file", help);
                ControlFlow::Break(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let meaning = self.meaning(tag.as_deref(), span);
                let properties = anchor > 0 || meaning != Meaning::Untagged;
                let place = self.scalar_place(span, style, &text, properties);
                if self.expects_key() {
                    return self.complete(key_scalar(text, style, place), anchor);
                }
                let node = self.scalar(&text, style, meaning, (span, place));
                self.complete(node, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_collection(tag.as_deref(), span, Meaning::List);
                self.open(span, anchor, Inner::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_collection(tag.as_deref(), span, Meaning::Map);
                self.open(span, anchor, Inner::Map(Box::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => ControlFlow::Continue(()),
        }
    }

    /// The tree, where it was read to its end and holds anything.
    fn finish(self, file: FileId) -> Option<Node> {
        let complete = self.frames.is_empty() && self.size_left > 0;
        let empty = self.root.as_ref().is_none_or(Node::is_null);
        if complete && empty {
            self.faults.add(Place { file, line: 1, column: 1, len: 1 }, "the file is empty");
        }
        self.root.filter(|_| complete && !empty)
    }

    /// What a tag means; a fault where it is none of ours.
    fn meaning(&mut self, tag: Option<&Tag>, span: Span) -> Meaning {
        let Some(tag) = tag else { return Meaning::Untagged };
        let known = match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str") => Some(Meaning::Text),
            (true, "int" | "float" | "bool") => Some(Meaning::Plain),
            (true, "null") => Some(Meaning::Null),
            (true, "seq") => Some(Meaning::List),
            (true, "map") => Some(Meaning::Map),
            (false, "!") if tag.handle.is_empty() => Some(Meaning::Text),
            _ => None,
        };
        known.unwrap_or_else(|| {
            self.unfit_tag(span, "unknown tag");
            Meaning::Unknown
        })
    }

    fn check_collection(&mut self, tag: Option<&Tag>, span: Span, fitting: Meaning) {
        if tag.is_some_and(Tag::is_yaml_core_schema) && self.meaning(tag, span) != fitting {
            self.unfit_tag(span, "this tag does not fit its value:");
        } else {
            self.meaning(tag, span);
        }
    }

    fn unfit_tag(&mut self, span: Span, problem: &str) {
        let mut spot = self.source.spot(span.start);
        spot.skip_anchor();
        let written: String = spot.rest.chars().take(spot.word_len()).collect();
        let help = "remove it, or put the whole text in quotes: a text without them cannot begin with `!`";
        self.faults.add_with_help(spot.until(spot.word_len()), format!("{problem} `{written}`"), help);
    }

    /// Where a scalar stands. One that takes no room stands where its key does.
    fn scalar_place(&mut self, span: Span, style: ScalarStyle, text: &str, properties: bool) -> ScalarPlace {
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        match self.pending_place().filter(|_| text.is_empty() && !quoted) {
            Some(key) => key.into(),
            None => self.source.scalar(span, style, text, properties),
        }
    }

    /// The node of a scalar that is a value.
    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        meaning: Meaning,
        (span, place): (Span, ScalarPlace),
    ) -> Node {
        if meaning == Meaning::Unknown {
            return Node { kind: NodeKind::Faulty, place: place.whole };
        }
        let untagged_plain = style == ScalarStyle::Plain && meaning == Meaning::Untagged;
        if untagged_plain && text.is_empty() {
            return Node::null(place.whole);
        }
        if meaning == Meaning::Null || (untagged_plain && is_null(text)) {
            return Node::null(place.whole);
        }
        if matches!(meaning, Meaning::List | Meaning::Map) {
            self.unfit_tag(span, "this tag does not fit its value:");
            return Node { kind: NodeKind::Faulty, place: place.whole };
        }
        let plain = untagged_plain || meaning == Meaning::Plain;
        self.put_in_environment(text, plain, span, place)
    }

    fn put_in_environment(&mut self, text: &str, plain: bool, span: Span, place: ScalarPlace) -> Node {
        let substituted = substitute(text, self.environment);
        let whole = place.whole;
        for problem in &substituted.problems {
            let spot = self.source.reference(span, problem.ordinal, &problem.written);
            self.faults.add_with_help(spot.unwrap_or(whole), problem.problem.as_str(), problem.help.as_str());
        }
        if !substituted.problems.is_empty() {
            return Node { kind: NodeKind::Faulty, place: whole };
        }
        let inside = place.inside.filter(|_| matches!(substituted.text, Cow::Borrowed(_)));
        let text = Text { text: substituted.text.into_owned(), place: whole, inside };
        Node { kind: NodeKind::Scalar { text, plain, secret: substituted.secret }, place: whole }
    }

    fn open(&mut self, span: Span, anchor: usize, inner: Inner) -> ControlFlow<()> {
        let mut spot = self.source.spot(span.start);
        spot.skip_properties();
        let place = spot.until(1);
        if self.frames.len() >= DEPTH_LIMIT {
            return self.too_deep(place);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.frames.push(Frame { place, anchor, inner });
        ControlFlow::Continue(())
    }

    fn close(&mut self) -> ControlFlow<()> {
        let Some(frame) = self.frames.pop() else { return ControlFlow::Break(()) };
        let node = match frame.inner {
            Inner::List(nodes) => Node { kind: NodeKind::List(nodes), place: frame.place },
            Inner::Map(entries) => {
                Node { kind: NodeKind::Map(entries.finish(self.faults)), place: frame.place }
            }
        };
        self.complete(node, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> ControlFlow<()> {
        let place = Place { len: span.len().max(1), ..self.source.place(span.start) };
        let Some(Some(node)) = self.anchors.get(&anchor) else {
            self.faults.add(place, "this alias stands inside of what it stands for");
            return self.complete(Node { kind: NodeKind::Faulty, place }, 0);
        };
        if depth(node) + self.frames.len() > DEPTH_LIMIT {
            return self.too_deep(place);
        }
        let (node, size) = (node.clone(), size(node));
        self.charge(size, place)?;
        self.complete(node, 0)
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> ControlFlow<()> {
        self.charge(own_size(&node), node.place)?;
        if anchor > 0 {
            self.charge(size(&node), node.place)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame { inner: Inner::List(nodes), .. }) => nodes.push(node),
            Some(Frame { inner: Inner::Map(entries), place, .. }) => {
                if (place.line, place.column) == (node.place.line, node.place.column) && entries.is_empty() {
                    *place = node.place;
                }
                entries.take(node, self.faults);
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes what a value costs from what the file may hold.
    fn charge(&mut self, cost: usize, place: Place) -> ControlFlow<()> {
        self.size_left = self.size_left.saturating_sub(cost);
        if self.size_left > 0 {
            return ControlFlow::Continue(());
        }
        let help = "split the file; an alias counts as all that it stands for";
        self.faults.add_with_help(place, "the file holds too much", help);
        ControlFlow::Break(())
    }

    fn too_deep(&mut self, place: Place) -> ControlFlow<()> {
        self.faults
            .add(place, format!("nested too deep: at most {DEPTH_LIMIT} lists and mappings in each other"));
        ControlFlow::Break(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { inner: Inner::Map(entries), .. }) if entries.expects_key())
    }

    /// The place of the key whose value comes next.
    fn pending_place(&self) -> Option<Place> {
        match &self.frames.last()?.inner {
            Inner::Map(entries) => entries.pending_place(),
            Inner::List(_) => None,
        }
    }
}

/// The node of a scalar that is a key: its text, whatever it looks like.
fn key_scalar(text: Cow<'_, str>, style: ScalarStyle, place: ScalarPlace) -> Node {
    let text = Text { text: text.into_owned(), place: place.whole, inside: place.inside };
    Node {
        kind: NodeKind::Scalar { text, plain: style == ScalarStyle::Plain, secret: false },
        place: place.whole,
    }
}

/// The plain texts that YAML reads as nothing.
fn is_null(text: &str) -> bool {
    matches!(text, "~" | "null" | "Null" | "NULL")
}

/// What a value costs without the values in it.
fn own_size(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar { text, .. } => 1 + text.text.len() / 64,
        NodeKind::Map(entries) => 1 + entries.iter().map(|(key, _)| key.text.len() / 64).sum::<usize>(),
        _ => 1,
    }
}

/// What a value costs with all that is in it. It recurses no deeper than [`DEPTH_LIMIT`].
fn size(node: &Node) -> usize {
    own_size(node) + node.children().map(size).sum::<usize>()
}

/// How deep the lists and mappings of a value are nested.
fn depth(node: &Node) -> usize {
    match node.kind {
        NodeKind::List(_) | NodeKind::Map(_) => 1 + node.children().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
