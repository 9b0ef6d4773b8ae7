//! `template: {field: …, into: …}`: the template of a URL's path, `/users/:id` of `/users/123`.
//!
//! ```yaml
//! - template: {field: path, into: route}
//! - template: {field: path, into: route, patterns: ['/users/:name/photo', '/static/*'], max_segments: 6}
//! ```
//!
//! Query and fragment are dropped, so is what follows a `;` in a segment, and slashes that are doubled or at the end.
//! The first of `patterns` that fits is the result: in one, `:name` is any one segment and `*` at the end one or more.
//! Without such a pattern each segment that looks like an identifier becomes `:id`: numbers, UUIDs, long hexadecimal
//! numbers, e-mail addresses, tokens, anything longer than 64 bytes; a file extension stays. Segments beyond
//! `max_segments` become one `*`. A template is its own template. A field that is missing stays missing.

use bumpalo::Bump;
use memchr::{memchr, memchr2};

use super::field::{FIELD, INTO, Way};
use super::{Kind, Stage};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::Text;

pub(super) static KIND: Kind = Kind {
    name: "template",
    help: "Makes `/users/:id` of `/users/123`, so that paths can be labels.",
    example: "- template: {field: path, into: route}\n",
    keys: KEYS,
    build,
};

const MAX_SEGMENTS: usize = 8;

const KEYS: &[Key] = &[
    FIELD,
    INTO,
    Key {
        name: "patterns",
        wanted: "a list of paths, such as `/users/:id` or `/static/*`",
        required: false,
        help: "Templates that are tried first, in this order.",
        default: Some("[]"),
    },
    Key {
        name: "max_segments",
        wanted: "a whole number from 1 to 64",
        required: false,
        help: "The most segments; those beyond become one `*`.",
        default: Some("8"),
    },
];

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
    let way = Way::read(&keys, fields, faults);
    let patterns = keys.get("patterns").map_or(Some(Vec::new()), |node| read_patterns(node, faults));
    let max_segments = keys.get("max_segments").map(|node| node.integer(1..=64_usize, faults));
    let max_segments = max_segments.unwrap_or(Some(MAX_SEGMENTS))?;
    Some(Box::new(Template { way: way?, patterns: patterns?, max_segments, built: Vec::new() }))
}

fn read_patterns(node: &Node, faults: &mut Faults) -> Option<Vec<Pattern>> {
    let nodes = node.list("a list of paths, such as `[/users/:id, /static/*]`", faults)?;
    let read: Vec<_> = nodes
        .iter()
        .map(|node| read_pattern(node.text_of("a path, such as `/users/:id`", faults)?, faults))
        .collect();
    read.into_iter().collect()
}

fn read_pattern(text: &Text, faults: &mut Faults) -> Option<Pattern> {
    let mut refuse = |problem: &str, help: &str| {
        faults.add_with_help(text.place, format!("the pattern `{}` {problem}", text.text), help);
        None
    };
    let Some(behind) = text.text.strip_prefix('/') else {
        return refuse("does not begin with `/`", "write the whole path, such as `/users/:id`");
    };
    if let Some(odd) = text.text.find(['?', '#', ';']) {
        let odd = &text.text[odd..=odd];
        return refuse(&format!("holds `{odd}`"), "what follows it is dropped before the pattern is tried");
    }
    let segments: Vec<&str> = if behind.is_empty() { Vec::new() } else { behind.split('/').collect() };
    if segments.iter().any(|segment| segment.is_empty()) {
        return refuse(
            "has an empty segment",
            "doubled slashes and one at the end are dropped before it is tried",
        );
    }
    let (last, before) = segments.split_last().map_or(("", [].as_slice()), |(last, before)| (*last, before));
    if before.contains(&"*") {
        return refuse(
            "goes on after `*`",
            "`*` stands for all that follows; one segment is written `:name`",
        );
    }
    let open = last == "*";
    let named = if open { before } else { &segments[..] };
    let read = |segment: &&str| match segment.starts_with(':') {
        true => Segment::Any,
        false => Segment::Is(segment.as_bytes().into()),
    };
    let segments = named.iter().map(read).collect();
    Some(Pattern { text: text.text.as_bytes().into(), segments, open })
}

/// One segment of a pattern.
#[derive(Clone, Debug)]
enum Segment {
    Is(Box<[u8]>),
    Any,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// As written, which is the result.
    text: Box<[u8]>,
    segments: Box<[Segment]>,
    /// Whether `*` follows.
    open: bool,
}

impl Pattern {
    fn fits(&self, path: &[u8]) -> bool {
        let mut segments = segments(path);
        let fit = self.segments.iter().all(|wanted| match (wanted, segments.next()) {
            (Segment::Is(wanted), Some(found)) => **wanted == *found,
            // What was cut off by a template is no segment.
            (Segment::Any, Some(found)) => found != b"*",
            (_, None) => false,
        });
        fit && segments.next().is_some() == self.open
    }
}

/// The segments of a path: what stands between slashes, up to a `;`.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cut = |segment| match memchr(b';', segment) {
        Some(end) => &segment[..end],
        None => segment,
    };
    path.split(|byte| *byte == b'/').map(cut).filter(|segment| !segment.is_empty())
}

#[derive(Clone)]
struct Template {
    way: Way,
    patterns: Vec<Pattern>,
    max_segments: usize,
    /// The template while it is put together.
    built: Vec<u8>,
}

impl Template {
    fn of<'b>(&mut self, text: &'b [u8], arena: &'b Bump) -> &'b [u8] {
        let path = memchr2(b'?', b'#', text).map_or(text, |end| &text[..end]);
        let absolute = path.starts_with(b"/");
        if absolute && let Some(pattern) = self.patterns.iter().find(|pattern| pattern.fits(path)) {
            return arena.alloc_slice_copy(&pattern.text);
        }
        self.built.clear();
        for (at, segment) in segments(path).enumerate() {
            if at > 0 || absolute {
                self.built.push(b'/');
            }
            if at == self.max_segments {
                self.built.push(b'*');
                break;
            }
            push_segment(&mut self.built, segment);
        }
        if self.built.is_empty() && absolute {
            self.built.push(b'/');
        }
        if self.built == text { text } else { arena.alloc_slice_copy(&self.built) }
    }
}

/// Longer segments are no names.
const MAX_SEGMENT_BYTES: usize = 64;

fn push_segment(built: &mut Vec<u8>, segment: &[u8]) {
    let (stem, extension) = match segment.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if is_extension(&segment[dot + 1..]) => segment.split_at(dot),
        _ => (segment, [].as_slice()),
    };
    if is_email(segment) || segment.len() > MAX_SEGMENT_BYTES || is_id(segment) {
        built.extend_from_slice(b":id");
    } else if is_id(stem) {
        built.extend_from_slice(b":id");
        built.extend_from_slice(extension);
    } else {
        built.extend_from_slice(segment);
    }
}

/// `png`, `html`, `mp4`.
fn is_extension(text: &[u8]) -> bool {
    (1..=5).contains(&text.len())
        && text[0].is_ascii_alphabetic()
        && text.iter().all(u8::is_ascii_alphanumeric)
}

fn is_email(segment: &[u8]) -> bool {
    let at = memchr(b'@', segment).map(|at| (at, at + 1));
    let at = at.or_else(|| memchr::memmem::find(segment, b"%40").map(|at| (at, at + 3)));
    at.is_some_and(|(end, start)| end > 0 && memchr(b'.', &segment[start..]).is_some_and(|dot| dot > 0))
}

/// What the bytes of a segment are, counted in one pass.
#[derive(Default)]
struct Census {
    digits: usize,
    upper: usize,
    lower: usize,
    /// Letters that are no hexadecimal digits.
    beyond_hex: usize,
    /// `-` and `_`.
    joints: usize,
    /// `.`, `,`, `:` and `+`, as in dates and versions.
    marks: usize,
    /// `=`, as at the end of Base64.
    padding: usize,
    other: usize,
}

impl Census {
    fn of(segment: &[u8]) -> Census {
        let mut census = Census::default();
        for byte in segment {
            match byte {
                b'0'..=b'9' => census.digits += 1,
                b'A'..=b'Z' => census.upper += 1,
                b'a'..=b'z' => census.lower += 1,
                b'-' | b'_' => census.joints += 1,
                b'.' | b',' | b':' | b'+' => census.marks += 1,
                b'=' => census.padding += 1,
                _ => census.other += 1,
            }
            census.beyond_hex += usize::from(byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit());
        }
        census
    }
}

/// Whether a segment is a number, a UUID, a long hexadecimal number or a token.
fn is_id(segment: &[u8]) -> bool {
    let census = Census::of(segment);
    let Census { digits, upper, lower, beyond_hex, joints, marks, padding, other } = census;
    let letters = upper + lower;
    if other > 0 || digits == 0 {
        return false;
    }
    // Numbers, dates, times, versions, telephone numbers.
    if letters == 0 && padding == 0 {
        return true;
    }
    if beyond_hex == 0 && marks == 0 && padding == 0 {
        let uuid =
            segment.len() == 36 && [8, 13, 18, 23].iter().all(|at| segment[*at] == b'-') && joints == 4;
        if uuid || (joints == 0 && segment.len() >= 8) {
            return true;
        }
    }
    // Base64, ULIDs and the like. Words joined by `-` have no capitals, or no digits among them.
    let token = marks == 0 && segment.len() >= 16;
    token && ((upper > 0 && lower > 0 && digits > 1) || (joints == 0 && digits >= 4))
}

impl Stage for Template {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, _: &mut Refusals) {
        events.retain(|row| {
            let text = self.way.text(row, arena);
            row[self.way.into.0] = text.map_or(Value::Missing, |text| Value::Text(self.of(text, arena)));
            true
        });
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::{build as stage, check, through};
    use proptest::prelude::*;

    const PLAIN: &str = "template: {field: text, into: result}";
    const PATTERNS: &str = "template: {field: text, into: result, patterns: [/users/:name/photo, /, /a/:x, '/a/*', /v1/7], max_segments: 3}";

    #[test]
    fn identifiers_become_id() {
        for (path, template) in [
            ("/users/123/orders/9f3a77c0", "/users/:id/orders/:id"),
            ("/users/123/?page=2", "/users/:id"),
            ("/", "/"),
            ("", ""),
            ("?a=1", ""),
            ("//a//b/", "/a/b"),
            ("/x/550e8400-e29b-41d4-a716-446655440000/y#top", "/x/:id/y"),
            ("/x/550e8400-e29b-41d4-a716-44665544000g", "/x/550e8400-e29b-41d4-a716-44665544000g"),
            ("/mail/jane.doe@example.org", "/mail/:id"),
            ("/mail/jane%40example.org/in", "/mail/:id/in"),
            ("/@jane/posts", "/@jane/posts"),
            ("/s/dGhpcyBpcyBhIHRva2Vu1A9", "/s/:id"),
            ("/s/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/s/:id"),
            (
                "/blog/2026/11/20/how-to-count-100-things-in-rust",
                "/blog/:id/:id/:id/how-to-count-100-things-in-rust",
            ),
            ("/blog/2026-11-20", "/blog/:id"),
            ("/img/9f3a77c0.png", "/img/:id.png"),
            ("/img/1.2.png", "/img/:id.png"),
            ("/img/logo.png", "/img/logo.png"),
            ("/api/v1/decade", "/api/v1/decade"),
            ("/cart;jsessionid=1A530637289A03B07199A44E8D531427/items", "/cart/items"),
            ("users/7", "users/:id"),
            ("*", "*"),
            ("-", "-"),
        ] {
            check(PLAIN, path, Some(template));
        }
        check(PLAIN, &format!("/{}", "x".repeat(65)), Some("/:id"));
    }

    #[test]
    fn segments_are_bounded() {
        check(PLAIN, "/a/b/c/d/e/f/g/h", Some("/a/b/c/d/e/f/g/h"));
        check(PLAIN, &"/a".repeat(1000), Some("/a/a/a/a/a/a/a/a/*"));
    }

    #[test]
    fn patterns_come_first_and_in_order() {
        for (path, template) in [
            ("/users/jane/photo?size=2", "/users/:name/photo"),
            ("/users/jane/photo/2", "/users/jane/photo/*"),
            ("/users/jane", "/users/jane"),
            ("/", "/"),
            ("/a", "/a"),
            ("/a/b/", "/a/:x"),
            ("/a/b/c/d/e/f", "/a/*"),
            ("/v1/7", "/v1/7"),
            ("/v1/8", "/v1/:id"),
            ("a/b", "a/b"),
        ] {
            check(PATTERNS, path, Some(template));
        }
    }

    #[test]
    fn what_is_missing_stays_missing() {
        assert_eq!(through(PLAIN, Value::Missing).value("result"), Value::Missing);
    }

    proptest! {
        #[test]
        fn a_template_is_its_own_template(
            path in proptest::collection::vec(
                prop_oneof!["/", "/a", "/users", "/photo", "[/;?#.@*:a-z0-9A-F=_-]{1,9}", "[a-zA-Z0-9]{1,70}", "/[*]", "/:x"],
                0..12,
            ),
            yaml in proptest::sample::select(vec![PLAIN, PATTERNS]),
        ) {
            let path = path.concat();
            let (mut stage, _) = stage(yaml);
            let arena = Bump::new();
            let mut once = |text| {
                let mut events = Events::new(2);
                events.reset(1);
                events.row_mut(0)[0] = Value::Text(text);
                events.admit(0);
                stage.apply(&mut events, &arena, &mut Refusals::default());
                match events.row(0)[1] {
                    Value::Text(text) => text,
                    other => panic!("{other:?}"),
                }
            };
            let template = once(path.as_bytes());
            prop_assert_eq!(once(template), template, "{:?}", path);
        }
    }
}
