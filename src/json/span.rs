//! Where the values of a JSON text lie. The text was checked to be JSON; of any other nothing is promised but an end.

use memchr::memchr2;

use crate::model::field::Step;

/// The texts of the elements of a list, in order.
pub fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    Parts::of(list)
}

/// The text of the value that `steps` lead to.
pub(super) fn find<'b>(value: &'b [u8], steps: &[Step]) -> Option<&'b [u8]> {
    let Some((first, rest)) = steps.split_first() else {
        return Parts { text: value, at: 0 }.next();
    };
    let value = value.trim_ascii_start();
    let part = match (first, value.first()) {
        (Step::Index(index), Some(b'[')) => Parts::of(value).nth(*index),
        (Step::Key(key), Some(b'{')) => member(value, key),
        _ => None,
    };
    find(part?, rest)
}

/// The value of the last of an object's members of this name.
fn member<'b>(object: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let mut parts = Parts::of(object);
    let mut found = None;
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if is_named(key, name) {
            found = Some(value);
        }
    }
    found
}

/// Whether a key, which is in quotes, says `name`.
fn is_named(key: &[u8], name: &str) -> bool {
    if memchr::memchr(b'\\', key).is_some() {
        return serde_json::from_slice::<String>(key).is_ok_and(|key| key == name);
    }
    key.get(1..key.len().saturating_sub(1)) == Some(name.as_bytes())
}

/// The elements of a list, or in turn the keys and values of an object.
struct Parts<'b> {
    text: &'b [u8],
    at: usize,
}

impl<'b> Parts<'b> {
    /// The parts of a value that begins with a bracket, spaces before it aside.
    fn of(value: &'b [u8]) -> Parts<'b> {
        let text = value.trim_ascii_start();
        Parts { text: text.get(1..).unwrap_or_default(), at: 0 }
    }
}

impl<'b> Iterator for Parts<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let separates = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b':');
        let start = self.at + self.text.get(self.at..)?.iter().position(|byte| !separates(byte))?;
        if matches!(self.text[start], b']' | b'}') {
            self.at = self.text.len();
            return None;
        }
        self.at = end(self.text, start);
        self.text.get(start..self.at)
    }
}

/// Where the value ends that begins at `start`.
fn end(text: &[u8], start: usize) -> usize {
    match text[start] {
        b'"' => string_end(text, start),
        b'[' | b'{' => bracket_end(text, start),
        _ => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
            text[start..].iter().position(ends).map_or(text.len(), |len| start + len.max(1))
        }
    }
}

fn bracket_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        match text[at + found] {
            b'"' => return at + found + 1,
            _ => at += found + 2,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\{}\\[\\],: \n\u{e9}]{0,5}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[ab\"\\\\]{0,2}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![(0..3_usize).prop_map(Step::Index), "[ab\"\\\\]{0,2}".prop_map(Step::Key)];
        proptest::collection::vec(step, 0..4)
    }

    proptest! {
        #[test]
        fn parts_are_those_of_the_tree(json in json(), steps in steps(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.unwrap();
            let wanted = steps.iter().try_fold(&json, |at, step| match step {
                Step::Index(index) => at.as_array()?.get(*index),
                Step::Key(key) => at.as_object()?.get(key),
            });
            let found = find(text.as_bytes(), &steps);
            let read = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("a JSON text");
            prop_assert_eq!(found.map(read), wanted.cloned());
            if let (Some(found), Some(Value::Array(list))) = (found, wanted) {
                prop_assert_eq!(&elements(found).map(read).collect::<Vec<_>>(), list);
            }
        }

        #[test]
        fn any_text_has_an_end(text in "[\\[\\]{}\",:\\\\a1 ]{0,20}", steps in steps()) {
            find(text.as_bytes(), &steps);
            prop_assert!(elements(text.as_bytes()).count() <= text.len());
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let key = |key: &str| vec![Step::Key(key.to_owned())];
        assert_eq!(find(br#"{"a":[1],"\u0061" : [2] ,"b":[3]}"#, &key("a")), Some(&b"[2]"[..]));
        assert_eq!(find(br#" {"a":[1]}"#, &key("b")), None);
    }
}
