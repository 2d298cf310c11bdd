//! The operations that a platform says a creation has started: of each what it takes to ask for it again, so that a later run
//! can go on waiting. What is kept comes from a stranger and stands in a lockfile, so it is little.

use serde_json::Value;

use crate::platform::definition::kind::Wait;
use crate::platform::definition::path;
use crate::platform::definition::placeholder::Root;
use crate::platform::error::{ErrorKind, PlatformError};

/// How many are waited for. What names more is not believed.
const MOST: usize = 100;

/// The longest text that is kept of one, in bytes: an id.
const LONGEST: usize = 256;

/// The operations in the answer of a creation. What is there and cannot be asked for is kept as an empty one: it was not
/// understood, and is not taken for done.
pub(super) fn of(wait: &Wait, answer: &Value) -> Vec<Value> {
    let named = wait.each.as_deref().and_then(|each| path::at(answer, each));
    match named {
        None | Some(Value::Null) => Vec::new(),
        // One more than is waited for, so that every run knows that there are too many.
        Some(Value::Array(each)) => each.iter().take(MOST + 1).map(|one| kept(wait, one)).collect(),
        Some(other) => vec![kept(wait, other)],
    }
}

/// That there are not more than anything takes.
pub(super) fn check(operations: &[Value]) -> Result<(), PlatformError> {
    if operations.len() <= MOST {
        return Ok(());
    }
    let why = format!("the platform named more than {MOST} operations to wait for, which is not believed");
    Err(PlatformError::new(ErrorKind::Unexpected, "wait", why))
}

/// The part of an operation that the call which asks for it puts in.
fn kept(wait: &Wait, operation: &Value) -> Value {
    let mut kept = Value::Object(serde_json::Map::new());
    let holes = wait.call.iter().flat_map(|call| call.holes());
    for hole in holes.filter(|hole| hole.root == Root::Item) {
        if let Some(value) = path::at(operation, &hole.path).filter(|value| is_plain(value)) {
            path::put(&mut kept, &hole.path, value.clone());
        }
    }
    kept
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            (1..=LONGEST).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        }
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::definition::Definition;
    use serde_json::json;
    use std::sync::Arc;

    fn wait() -> Wait {
        let text = "platform = \"p\"\n[resource.a]\ncreate = \"POST /a\"\nread = \"GET /a/{id}\"\ndelete = \"none\"\n\
                    wait = { each = \"operations\", call = \"GET /jobs/{item.job.id}?kind={item.kind}\", at = \"state\", \
                    ok = [\"done\"], every = \"1s\", max = \"1m\" }\n";
        let definition = Definition::parse("p.toml", &Arc::from(text)).unwrap();
        definition.kinds["a"].wait.clone().unwrap()
    }

    #[test]
    fn only_what_asks_again_is_kept() {
        let answer = json!({"operations": [
            {"job": {"id": "j1", "log": "x".repeat(1_000_000)}, "kind": 7, "secret": "s"},
            {"job": {"id": "j2"}, "kind": "k"},
        ]});
        let kept = [
            json!({"job": {"id": "j1"}, "kind": 7}),
            json!({"job": {"id": "j2"}, "kind": "k"}),
        ];
        assert_eq!(of(&wait(), &answer), kept);
        assert_eq!(of(&wait(), &json!({"operations": []})), [] as [Value; 0]);
        assert_eq!(of(&wait(), &json!({"other": 1})), [] as [Value; 0]);
    }

    #[test]
    fn what_cannot_be_asked_for_is_not_forgotten() {
        for odd in [
            json!("j1"),
            json!({"job": {"id": "x".repeat(257)}}),
            json!({"job": {"id": "a\u{1b}[31m"}}),
            json!({"job": {"id": ["j1"]}}),
            json!({"job": {"id": ""}}),
        ] {
            assert_eq!(of(&wait(), &json!({"operations": [odd]})), [json!({})]);
        }
        assert_eq!(of(&wait(), &json!({"operations": "j1"})), [json!({})]);
        let many = vec![json!({"job": {"id": "j"}, "kind": 1}); 100_000];
        let kept = of(&wait(), &json!({ "operations": many }));
        assert_eq!(kept.len(), MOST + 1);
        assert!(check(&kept).is_err() && check(&kept[1..]).is_ok());
    }
}
