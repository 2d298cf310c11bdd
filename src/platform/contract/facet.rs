//! One node of a schema: what it says about the value that stands there, and where a part of a path leads from it.

use serde_json::{Map, Value};

/// One node without its references and branches, and how it was reached.
#[derive(Clone, Copy)]
pub(super) struct Facet<'a> {
    pub(super) map: &'a Map<String, Value>,
    /// Others say more about the same value (`allOf`, or a node that also refers or branches): then saying nothing does
    /// not mean "anything goes".
    pub(super) joined: bool,
}

/// The schema that says nothing.
pub(super) fn anything() -> &'static Map<String, Value> {
    static ANYTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    &ANYTHING
}

pub(super) fn properties<'a>(facet: &Facet<'a>) -> Option<&'a Map<String, Value>> {
    facet.map.get("properties").and_then(Value::as_object)
}

/// `type` in both spellings: a word (3.0) or a list of words (3.1).
pub(super) fn types_of(map: &Map<String, Value>) -> Vec<&str> {
    match map.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if map.contains_key("properties") => vec!["object"],
        _ if map.contains_key("items") => vec!["array"],
        _ => Vec::new(),
    }
}

/// `enum` or `const`.
pub(super) fn values_of(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (map.get("enum").and_then(Value::as_array), map.get("const")) {
        (Some(values), _) => Some(values.iter().collect()),
        (None, Some(value)) => Some(vec![value]),
        (None, None) => None,
    }
}

/// Has the node only notes (description, example, nullable, which fields are required), nothing about what stands there?
pub(super) fn said_nothing(map: &Map<String, Value>) -> bool {
    let says = [
        "type",
        "properties",
        "additionalProperties",
        "patternProperties",
        "items",
        "prefixItems",
        "enum",
        "const",
        "format",
    ];
    !says.iter().any(|key| map.contains_key(*key))
}

impl<'a> Facet<'a> {
    /// A node that only has notes, and stands for itself.
    pub(super) fn says_anything_goes(&self) -> bool {
        !self.joined && said_nothing(self.map) && !self.map.contains_key("required") && !self.map.contains_key("not")
    }

    /// Where one part of a path leads from here.
    fn step(&self, part: &str) -> Step<'a> {
        let map = self.map;
        if said_nothing(map) {
            return if self.says_anything_goes() {
                Step::Open
            } else {
                Step::Silent
            };
        }
        let types = types_of(map);
        let may_be = |name: &str| types.is_empty() || types.contains(&name);
        let index = part.parse::<usize>().ok();
        let open = if self.joined { Step::Perhaps } else { Step::Open };
        let mut next = Vec::new();
        if may_be("array") && (part == "*" || index.is_some()) {
            let first = map.get("prefixItems").and_then(Value::as_array);
            match (index.and_then(|index| first?.get(index)), map.get("items")) {
                (Some(node), _) | (None, Some(node @ Value::Object(_))) => next.push(node),
                (None, None) if first.is_none() && types.contains(&"array") => return open,
                _ => {}
            }
        }
        if may_be("object") {
            let named = properties(self).filter(|names| !names.is_empty());
            let patterns = map.get("patternProperties").is_some();
            let more = map.get("additionalProperties");
            match named.and_then(|names| names.get(part)) {
                Some(node) => next.push(node),
                None => next.extend(by_pattern(map, part)),
            }
            if next.is_empty() {
                match more {
                    Some(Value::Bool(true)) => return Step::Open,
                    Some(Value::Object(node)) if node.is_empty() => return Step::Open,
                    Some(node @ Value::Object(_)) => next.push(node),
                    None if named.is_none() && !patterns && types.contains(&"object") => return open,
                    _ => {}
                }
            }
        }
        Step::Closed(next)
    }
}

/// What a node says about one part of a path.
enum Step<'a> {
    /// Nothing.
    Silent,
    /// Anything goes, if nobody else knows better.
    Perhaps,
    /// Anything goes.
    Open,
    /// What stands there; nothing, if it is empty.
    Closed(Vec<&'a Value>),
}

/// One part of a path: the nodes it leads to, and whether some node leaves open what stands there.
pub(super) fn step<'a>(facets: &[Facet<'a>], part: &str) -> (Vec<&'a Value>, bool) {
    let mut next = Vec::new();
    let (mut open, mut perhaps, mut closed) = (false, false, false);
    for facet in facets {
        match facet.step(part) {
            Step::Silent => {}
            Step::Perhaps => perhaps = true,
            Step::Open => open = true,
            Step::Closed(nodes) => {
                closed = true;
                next.extend(nodes);
            }
        }
    }
    (next, open || (perhaps && !closed))
}

/// 3.1's `patternProperties`; a pattern this crate's regular expressions cannot read is taken to match.
fn by_pattern<'a>(map: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    let patterns = map.get("patternProperties").and_then(Value::as_object);
    let matches = |pattern: &str| regex::Regex::new(pattern).map_or(true, |pattern| pattern.is_match(name));
    patterns
        .into_iter()
        .flatten()
        .filter(|(pattern, _)| matches(pattern))
        .map(|(_, node)| node)
        .collect()
}
