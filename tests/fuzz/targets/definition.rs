//! A platform's definition: read, checked and compiled; and what its kinds do to a document.

use std::sync::Arc;

use serde_json::{Value, json};
use upa::platform::Platform as _;
use upa::platform::definition::kind::Marker;
use upa::platform::definition::object::{self, Carried};
use upa::platform::definition::{Definition, KindDefinition};
use upa::resource::Kind;

use super::sound;

const MARK: &str = "upa:w/ana@v1/thing";
const ATTEMPT: &str = "0190a0b0-0000-7000-8000-000000000001";

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Definition::parse("platforms/p.toml", &Arc::from(text)) {
        Ok(definition) => {
            for (name, kind) in &definition.kinds {
                holds(&definition, &Kind::new(format!("{}.{name}", definition.name)), kind);
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused in silence");
            sound(&problems);
        }
    }
}

fn holds(definition: &Definition, kind: &Kind, compiled: &KindDefinition) {
    assert!(definition.facts(kind).is_some());
    let document = document(compiled);
    let same = definition.compare(kind, &document, &document, &definition.owned(kind, &document));
    assert_eq!(same, [], "a document differs from itself");
    assert_eq!(
        definition.owned_part(kind, &document, &document),
        definition.owned_part(kind, &document, &document)
    );
    assert!(definition.place_in_id(kind, &document).is_some());
    let Ok(sent) = object::marked(compiled, &document, None, MARK, ATTEMPT) else {
        return;
    };
    // What carries a mark is known again by it: else upa would make another at every run.
    match (&compiled.marker, object::carried(compiled, &sent)) {
        (Some(Marker::Field { .. } | Marker::Line { .. }), carried) => {
            assert!(carried.is(MARK), "{sent} carries {carried:?}");
        }
        (Some(Marker::Tag { .. }), carried) => assert_eq!(carried, Carried::Tag(object::short(MARK)), "{sent}"),
        (Some(Marker::Placed { .. } | Marker::Call { .. }) | None, _) => {}
    }
}

fn document(kind: &KindDefinition) -> Value {
    let mut document = json!({"name": "N", "list": [{"id": 1, "k": "a"}], "deep": {"er": {"est": null}}, "n": 1.5});
    for input in &kind.inputs {
        document[input] = json!("x/y");
    }
    document
}
