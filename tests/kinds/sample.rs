//! Documents to try a kind with.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// `samples/<platform>.<kind>.json`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The document. It may use `<%= tenant.name %>` and no other expression; what must differ from tenant to tenant (names
    /// that are keys, parents) must use it.
    pub document: Map<String, Value>,
    /// Other values for top-level fields; a field without one gets its first leaf changed.
    #[serde(default)]
    pub changes: Map<String, Value>,
    /// A top-level field that may be left out.
    pub drop: Option<String>,
    /// How many tenants can have one: 1 for a setting of the whole account.
    #[serde(default = "several")]
    pub tenants: usize,
}

fn several() -> usize {
    3
}

impl Sample {
    pub fn of(kind: &str) -> Option<Self> {
        let file = format!("tests/kinds/samples/{kind}.json");
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// The document of a tenant.
    pub fn of_tenant(&self, tenant: &str) -> Map<String, Value> {
        let text = Value::Object(self.document.clone()).to_string();
        serde_json::from_str(&text.replace("<%= tenant.name %>", tenant)).unwrap()
    }

    /// Another value for a field.
    pub fn changed(&self, field: &str) -> Value {
        let given = self.changes.get(field).cloned();
        given.unwrap_or_else(|| {
            let mut value = self.document[field].clone();
            assert!(disturb(&mut value), "`{field}` needs a value in `changes`");
            value
        })
    }
}

/// Changes the first leaf.
pub fn disturb(value: &mut Value) -> bool {
    match value {
        Value::String(text) => text.push('2'),
        Value::Number(number) => *value = Value::from(number.as_i64().unwrap_or_default() + 1),
        Value::Bool(flag) => *flag = !*flag,
        Value::Array(items) => return items.iter_mut().any(disturb),
        Value::Object(map) => return map.values_mut().any(disturb),
        Value::Null => return false,
    }
    true
}
