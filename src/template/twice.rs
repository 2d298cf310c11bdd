//! A key that stands twice in one object of a JSON text: readers take the last, and people the first they see.

use std::collections::BTreeSet;
use std::ops::Range;

/// The first key that stands in its object already, and where it does so again. The text is valid JSON.
pub fn twice(text: &str) -> Option<(String, Range<usize>)> {
    // The keys of each object that is open; of a list none.
    let mut open: Vec<Option<BTreeSet<String>>> = Vec::new();
    let mut is_key = false;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                let end = at + length(text.get(at..)?);
                let keys = open.last_mut().and_then(Option::as_mut).filter(|_| is_key);
                if let Some(keys) = keys {
                    let key: String = serde_json::from_str(text.get(at..end)?).ok()?;
                    if !keys.insert(key.clone()) {
                        return Some((key, at..end));
                    }
                }
                is_key = false;
                at = end;
                continue;
            }
            b'{' => {
                open.push(Some(BTreeSet::new()));
                is_key = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b',' => is_key = open.last().is_some_and(Option::is_some),
            _ => {}
        }
        at += 1;
    }
    None
}

/// How long the string is that a text begins with, with its quotes.
fn length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_of_the_same_object_is_one_again() {
        for (text, expected) in [
            (r#"{"a": 1, "a": 2}"#, Some(("a", 9))),
            (r#"[{"x": {"k": "k", "b": ["k"], "k": {}}}]"#, Some(("k", 30))),
            (r#"{"a": 1, "\u0061": 2}"#, Some(("a", 9))),
            (r#"{"a": {"a": {"a": []}}, "b": ["a", "a", {"a": 1}]}"#, None),
            (r#"{"a\"": "\\", "a": "{\"a\": 1}"}"#, None),
            ("\"a\"", None),
            ("[]", None),
        ] {
            let found = twice(text);
            let found = found.as_ref().map(|(key, at)| (key.as_str(), at.start));
            assert_eq!(found, expected, "{text}");
        }
    }
}
