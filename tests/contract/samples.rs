//! One document of every built-in kind as a product would write it, and one mistake each that the vendor's contract knows.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use upa::platform::definition::{CATALOG, path};

/// What is wrong with the second document of a kind: a path and a value that must not be there.
fn mistakes() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("vapi.assistant", "maxDurationSeconds", json!(5)),
        ("vapi.tool", "type", json!("funktion")),
        ("vapi.phone_number", "provider", json!("nobody")),
        ("vapi.squad", "members", json!("all")),
        ("google.spreadsheet", "name", json!(5)),
        ("google.tab", "gridProperties.rowCount", json!("many")),
        ("google.header", "values", json!("Fecha")),
        ("google.permission", "role", json!(["writer"])),
        ("google.calendar", "summary", json!(5)),
        ("google.calendar_access", "scope", json!("user")),
        ("google.watch_channel", "params", json!("604800")),
        ("hubspot.property_group", "label", json!(5)),
        ("hubspot.property", "fieldType", json!("dropdown")),
        ("hubspot.pipeline", "stages", json!([{ "label": "Llamada" }])),
        ("gohighlevel.custom_field", "model", json!("company")),
        ("gohighlevel.custom_value", "value", json!(["x"])),
    ]
}

/// The document of a kind, of one tenant: the samples use no other expression.
pub fn sample(kind: &str) -> Value {
    let file = format!("{}/tests/kinds/samples/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let text = text.replace("<%= tenant.name %>", "welcs");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The same with its mistake.
pub fn mistaken(kind: &str) -> Value {
    let mistakes = mistakes();
    let (_, at, value) = mistakes.iter().find(|(name, ..)| *name == kind).unwrap();
    let mut document = sample(kind);
    assert_ne!(path::at(&document, at), Some(value));
    path::put(&mut document, at, value.clone());
    document
}

#[test]
fn every_kind_has_a_sample_and_a_mistake() {
    let mut kinds = BTreeSet::new();
    for (file, _) in CATALOG {
        let definition = crate::definition(file.strip_suffix(".toml").unwrap());
        kinds.extend(
            definition
                .kinds
                .keys()
                .map(|kind| format!("{}.{kind}", definition.name)),
        );
    }
    for kind in &kinds {
        mistaken(kind);
    }
    let known: BTreeSet<String> = mistakes().into_iter().map(|(kind, ..)| kind.to_owned()).collect();
    assert_eq!(known, kinds);
}
