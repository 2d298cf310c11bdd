//! `<%= inputs.business_name %>`: finding expressions in a text and reading their paths.

use std::fmt;

use serde_json::Value;

use crate::symbol::{holds_reserved, is_reserved};

/// `inputs.business_name`, `files["prompt.md"]`: a root and what is below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<String>);

impl Path {
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The segments behind the root.
    pub fn rest(&self) -> Vec<&str> {
        self.0.iter().skip(1).map(String::as_str).collect()
    }

    /// An expression that renders the value at these segments.
    pub fn expression(segments: &[&str]) -> String {
        let mut out = String::from("<%= ");
        for (index, segment) in segments.iter().enumerate() {
            if is_word(segment) {
                if index > 0 {
                    out.push('.');
                }
                out.push_str(segment);
            } else {
                out.push('[');
                // `%>` would end the expression inside the quotes.
                out.push_str(&serde_json::Value::from(*segment).to_string().replace("%>", "\\u0025>"));
                out.push(']');
            }
        }
        out.push_str(" %>");
        out
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// A piece of a string leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    /// The path, the expression as written, and what stands in for a thing the tenant does not have (behind `??`).
    Value(Path, &'a str, Option<Value>),
}

/// An expression that cannot be read: the text of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub written: String,
    pub why: &'static str,
}

/// Whether a text contains an expression at all.
pub fn has_expression(text: &str) -> bool {
    text.contains("<%=")
}

/// Cuts a string leaf into text and expressions.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Malformed> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("<%=") {
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        let behind = &rest[start + 3..];
        let Some(end) = behind.find("%>") else {
            let written: String = rest[start..].chars().take(40).collect();
            return Err(Malformed {
                written,
                why: "`<%=` is not closed by `%>`",
            });
        };
        let written = &rest[start..start + 3 + end + 2];
        match value(behind[..end].trim()) {
            // An escape within the quotes of an expression is read only here.
            Some((path, instead))
                if path.0.iter().any(|word| is_reserved(word)) || instead.iter().any(holds_reserved) =>
            {
                return Err(Malformed {
                    written: written.to_owned(),
                    why: "it contains the noncharacters U+FDD0 or U+FDD1, which are reserved",
                });
            }
            Some((path, instead)) => pieces.push(Piece::Value(path, written, instead)),
            None => {
                return Err(Malformed {
                    written: written.to_owned(),
                    why: "expected a path such as `inputs.name` or `files[\"prompt.md\"]`, with `?? \"…\"` behind it where the tenant may not have it; there are no filters and no logic",
                });
            }
        }
        rest = &behind[end + 2..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn is_word(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(is_word_char)
}

/// How many `??` may stand in one expression, in quotes or not: each may be the one that is meant.
const MOST_OPERATORS: usize = 64;

/// A path, and behind `??` a JSON value.
fn value(text: &str) -> Option<(Path, Option<Value>)> {
    if let Some(path) = path(text) {
        return Some((path, None));
    }
    // A quoted segment may hold any text, so what is left of the operator must be a path as well.
    text.match_indices("??")
        .take(MOST_OPERATORS)
        .find_map(|(at, operator)| {
            let path = path(text[..at].trim_end())?;
            let instead = serde_json::from_str(text[at + operator.len()..].trim()).ok()?;
            Some((path, Some(instead)))
        })
}

fn path(text: &str) -> Option<Path> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('[') {
            if segments.is_empty() {
                return None;
            }
            let mut stream = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            segments.push(stream.next()?.ok()?);
            rest = quoted.get(stream.byte_offset()..)?.strip_prefix(']')?;
        } else {
            let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            segments.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        match rest.chars().next() {
            None => return Some(Path(segments)),
            Some('.') => rest = &rest[1..],
            Some('[') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn text_and_values() {
        let found = pieces("a <%= inputs.x %> b <%=files[\"p.md\"].y%>").unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], Piece::Text("a "));
        assert!(matches!(&found[3], Piece::Value(path, _, None) if path.0 == ["files", "p.md", "y"]));
    }

    #[test]
    fn what_stands_in_is_any_json_value() {
        for (text, instead) in [
            ("\"\"", json!("")),
            ("null", json!(null)),
            ("[1, \"??\"]", json!([1, "??"])),
        ] {
            let text = format!("<%= files[\"a ?? 1\"] ?? {text} %>");
            let found = pieces(&text).unwrap();
            assert_eq!(found.len(), 1);
            assert!(
                matches!(&found[0], Piece::Value(path, _, Some(value)) if path.0 == ["files", "a ?? 1"] && *value == instead),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in [
            "<%= %>",
            "<%= a | upper %>",
            "<%= a. %>",
            "<%= [\"a\"] %>",
            "<%= a",
            "<%= a[b] %>",
            "<%= a ?? %>",
            "<%= a ?? b %>",
            "<%= ?? 1 %>",
            r#"<%= a ?? "\uFDD0x\ufdd1" %>"#,
            r#"<%= a ?? {"\uFDD0": 1} %>"#,
            r#"<%= a["\uFDD1"] %>"#,
        ] {
            assert!(pieces(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_expression_made_of_segments_reads_back(root in "[a-z]{1,5}", others in prop::collection::vec("(\\PC|%>|<%=){1,8}", 0..4)) {
            let mut segments = vec![root.as_str()];
            segments.extend(others.iter().map(String::as_str));
            let text = Path::expression(&segments);
            let found = pieces(&text).unwrap();
            prop_assert!(matches!(&found[..], [Piece::Value(path, _, None)] if path.0 == segments));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = pieces(&text);
        }
    }
}
