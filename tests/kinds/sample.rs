//! Documents to try a kind with: `samples/<platform>.<kind>.json`, and in `samples/more.toml` what does not follow from the
//! kind's definition.
//!
//! A document may use `<%= tenant.name %>` and no other expression. Where it does not, the field that tells objects of
//! different tenants apart gets the tenant's name behind it: the last of the natural key, or a setting's first input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use upa::platform::definition::KindDefinition;
use upa::platform::definition::call::List;
use upa::platform::definition::placeholder::{Hole, Root, Text};

/// What a document says in place of a tenant's name.
const TENANT: &str = "<%= tenant.name %>";

#[derive(Debug)]
pub struct Sample {
    pub document: Map<String, Value>,
    more: More,
}

/// What the suite needs to know besides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    #[serde(default)]
    changes: Map<String, Value>,
    drop: Option<String>,
    per_tenant: Option<String>,
    tenants: Option<usize>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds/samples")
}

impl Sample {
    /// The sample of a kind.
    pub fn of(name: &str, kind: &KindDefinition) -> Option<Self> {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).ok()?;
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let more = std::fs::read_to_string(folder().join("more.toml")).unwrap();
        let mut more: BTreeMap<String, More> = toml::from_str(&more).unwrap();
        let more = more.remove(name).unwrap_or_default();
        if !text.contains(TENANT)
            && let Some(field) = more.per_tenant.clone().or_else(|| telling(kind))
        {
            let pointer = format!("/{}", field.replace('.', "/"));
            let value = document.pointer_mut(&pointer);
            let value = value.unwrap_or_else(|| panic!("{name}: the document has no `{field}`"));
            let said = value.as_str().unwrap_or_else(|| panic!("{name}: `{field}` is no text"));
            *value = Value::from(format!("{said}_{TENANT}"));
        }
        let Value::Object(document) = document else {
            panic!("{name}: the document is no object")
        };
        Some(Self { document, more })
    }

    /// A top-level field that may be left out.
    pub fn droppable(&self) -> Option<&str> {
        self.more.drop.as_deref()
    }

    /// How many tenants can have one.
    pub fn tenants(&self) -> usize {
        self.more.tenants.unwrap_or(3)
    }

    /// The document of a tenant.
    pub fn of_tenant(&self, tenant: &str) -> Map<String, Value> {
        let text = Value::Object(self.document.clone()).to_string();
        serde_json::from_str(&text.replace(TENANT, tenant)).unwrap()
    }

    /// Another value for a field.
    pub fn changed(&self, field: &str) -> Value {
        let given = self.more.changes.get(field).cloned();
        given.unwrap_or_else(|| {
            let mut value = self.document[field].clone();
            assert!(
                disturb(&mut value),
                "`{field}` needs a value in `changes` of samples/more.toml"
            );
            value
        })
    }
}

/// The field that tells objects of different tenants apart.
fn telling(kind: &KindDefinition) -> Option<String> {
    let spec = |text: &Text| -> Option<String> {
        let is_field = |hole: &&Hole| hole.root == Root::Spec && !hole.path.is_empty();
        text.holes().filter(is_field).last().map(|hole| hole.path.clone())
    };
    if kind.one || kind.gate {
        return kind.inputs.first().cloned();
    }
    let natural = |list: &List| list.conditions.iter().filter_map(|(_, text)| spec(text)).next_back();
    let lists = [&kind.find, &kind.clash];
    kind.key
        .as_ref()
        .and_then(spec)
        .or_else(|| lists.into_iter().flatten().find_map(natural))
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
