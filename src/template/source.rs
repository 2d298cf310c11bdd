//! A template file: its text, its JSON, and the way back from a finding to a line.

use std::sync::Arc;

use serde_json::Value;

use super::render::{MOST, cost};
use super::twice::twice;
use crate::number;
use crate::problem::{ENOUGH, Place, Problem};
use crate::symbol;

/// A parsed template file.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: String,
    pub text: Arc<str>,
    pub value: Value,
}

impl Source {
    /// Parses a JSON template.
    pub fn parse(file: &str, text: &Arc<str>) -> Result<Self, Problem> {
        // Editors on Windows put a byte order mark before the text, which is no part of it.
        let bare: Arc<str> = match text.strip_prefix('\u{feff}') {
            Some(bare) => Arc::from(bare),
            None => text.clone(),
        };
        let text = &bare;
        match serde_json::from_str(text) {
            Ok(value) if symbol::holds_reserved(&value) => {
                let problem = Problem::configuration(format!("this template contains {}", symbol::RESERVED));
                Err(problem.at(escape(file, text)).hint(symbol::REMOVE))
            }
            Ok(value) if cost(&value) > MOST => Err(Problem::configuration(format!(
                "this template takes more than {} MiB of memory: each of its values counts, not only its text",
                MOST >> 20
            ))
            .at(Place::file(file))
            .hint("make it smaller: an object that large is taken by hardly any platform")),
            Ok(value) => match number::literals(text).find(|(_, written)| !number::is_kept(written)) {
                Some((at, written)) => Err(Problem::configuration(format!(
                    "`{written}` has more digits than can be kept of it"
                ))
                .at(Place::new(file, text, at..at + written.len()))
                .hint("integers have 64 bits, other numbers 17 digits; write anything else as text, in quotes")),
                None => match twice(text) {
                    Some((key, at)) => Err(Problem::configuration(format!(
                        "`{key}` stands twice in one object, and only the last of them counts"
                    ))
                    .at(Place::new(file, text, at))
                    .hint("remove one of them")),
                    None => Ok(Self {
                        file: file.to_owned(),
                        text: text.clone(),
                        value,
                    }),
                },
            },
            Err(error) => {
                let at = offset(text, error.line(), error.column());
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                let hint = if message.contains("recursion limit") {
                    "nest it less than 128 deep"
                } else {
                    "export the document again, or check it with a JSON tool"
                };
                Err(Problem::configuration(format!("not valid JSON: {message}"))
                    .at(Place::new(file, text, at..at))
                    .hint(hint))
            }
        }
    }

    /// What is wrong with the numbers of the file where the platform keeps doubles.
    pub fn beyond_doubles(&self) -> Vec<Problem> {
        let kept = |written: &str| serde_json::from_str(written).map_or(true, |number| number::is_double(&number));
        let found = number::literals(&self.text).filter(|(_, written)| !kept(written));
        let problems = found.take(ENOUGH).map(|(at, written)| {
            Problem::configuration(format!("`{written}` {}", number::NOT_HELD))
                .at(Place::new(&*self.file, &self.text, at..at + written.len()))
                .hint(number::AS_TEXT)
        });
        problems.collect()
    }

    /// The place where a text (as a person sees it, unescaped) first stands in the file.
    pub fn find(&self, needle: &str) -> Place {
        let quoted = Value::from(needle).to_string();
        let escaped = quoted.get(1..quoted.len() - 1).unwrap_or(needle);
        let ascii = in_ascii(escaped);
        let spelled = [escaped, &ascii].into_iter();
        let mut found = spelled.filter_map(|spelled| Some((self.text.find(spelled)?, spelled.len())));
        match found.next() {
            Some((at, length)) => Place::new(&*self.file, &self.text, at..at + length),
            None => Place::file(&*self.file),
        }
    }

    /// The place where a node is named.
    pub fn find_name(&self, name: &str) -> Place {
        let quoted = Value::from(name).to_string();
        let quoted = match self.text.contains(&quoted) {
            true => quoted,
            false => in_ascii(&quoted),
        };
        let mut from = 0;
        while let Some(found) = self.text.get(from..).and_then(|rest| rest.find(&quoted)) {
            let at = from + found;
            let before = self.text[..at].trim_end().trim_end_matches(':').trim_end();
            if before.ends_with("\"name\"") {
                return Place::new(&*self.file, &self.text, at..at + quoted.len());
            }
            from = at + quoted.len();
        }
        self.find(name)
    }
}

/// A JSON string as some tools write it: every letter that is not of ASCII escaped.
fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_ascii() {
            true => out.push(letter),
            false => {
                let mut units = [0; 2];
                let units = letter.encode_utf16(&mut units).iter();
                units.for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
    out
}

/// The first escape of a reserved character: written as they are, they do not come this far.
fn escape(file: &str, text: &Arc<str>) -> Place {
    let escapes = text.match_indices("\\u");
    let found = escapes.map(|(at, _)| at..at + 6).find(|span| {
        let digits = text.get(span.start + 2..span.end).unwrap_or_default();
        digits.eq_ignore_ascii_case("fdd0") || digits.eq_ignore_ascii_case("fdd1")
    });
    found.map_or_else(|| Place::file(file), |span| Place::new(file, text, span))
}

/// Bytes before a 1-based line and column, as `serde_json` counts them.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_names_its_line() {
        let text: Arc<str> = Arc::from("{\n  \"a\": 1,\n  \"b\": ñ\n}");
        let problem = Source::parse("t.json", &text).unwrap_err();
        assert_eq!(problem.place.unwrap().line, 3);
    }

    #[test]
    fn reserved_characters_are_refused_however_they_are_spelled() {
        for text in ["{\n\"a\": [\"x\\uFDD0\"]}", "{\n\"\\ufDd1\": 1}"] {
            let problem = Source::parse("t.json", &Arc::from(text)).unwrap_err();
            assert_eq!(problem.place.unwrap().line, 2);
        }
        assert!(Source::parse("t.json", &Arc::from(r#"["\\\\uFDD0"]"#)).is_ok());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let text: Arc<str> = Arc::from("\u{feff}{\"a\": 1}");
        assert_eq!(Source::parse("t.json", &text).unwrap().value["a"], 1);
    }

    #[test]
    fn numbers_that_are_kept_otherwise_are_refused_where_they_stand() {
        let text: Arc<str> = Arc::from("{\"a\": 1,\n\"b\": 18446744073709551617}");
        let problem = Source::parse("t.json", &text).unwrap_err();
        assert!(
            problem.message.to_string().contains("18446744073709551617"),
            "{}",
            problem.message
        );
        assert_eq!(problem.place.unwrap().line, 2);
        let text: Arc<str> = Arc::from("{\"a\": [1, 0.1],\n\"b\":\n9007199254740993, \"c\": \"9007199254740993\"}");
        let source = Source::parse("t.json", &text).unwrap();
        let lines: Vec<usize> = source
            .beyond_doubles()
            .into_iter()
            .map(|found| found.place.unwrap().line)
            .collect();
        assert_eq!(lines, [3]);
    }

    #[test]
    fn nodes_are_found_by_name_and_not_by_mention() {
        let text: Arc<str> = Arc::from("{\"x\": \"Reception\",\n\"name\": \"Reception\"}");
        let source = Source::parse("t.json", &text).unwrap();
        assert_eq!(source.find_name("Reception").line, 2);
        assert_eq!(source.find("Reception").line, 1);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text: Arc<str> = Arc::from(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        assert!(Source::parse("t.json", &text).is_err());
    }
}
