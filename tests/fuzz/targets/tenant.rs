//! A tenant's file: read, checked, rendered, and edited by `upa adopt`.

use std::sync::Arc;

use serde_json::{Value, json};
use upa::desired::desired;
use upa::export::edit;
use upa::workspace::load;
use upa::workspace::toml::Toml;

use super::{small, sound};

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let loaded = load(&small::files(text, &small::VERSION));
    sound(&loaded.problems);
    let workspace = loaded.workspace.expect("the settings are right");
    let read = workspace.tenants.contains_key("ana");
    assert!(
        read || loaded.problems.iter().any(|problem| problem.is_error()),
        "a tenant vanished in silence"
    );
    if loaded.problems.iter().any(|problem| problem.is_error()) {
        return;
    }
    let (state, problems) = desired(&workspace, |_| true);
    sound(&problems);
    let (again, _) = desired(&workspace, |_| true);
    assert_eq!(format!("{:?}", state.tenants), format!("{:?}", again.tenants));
    edits(text);
}

/// One input becomes another value: that is what is read afterwards, and nothing else changes.
fn edits(text: &str) {
    let value = |text: &str| Toml::parse("tenants/ana.toml", &Arc::from(text)).map(|toml| toml.value);
    let before = value(text).expect("it was read before");
    for name in before["inputs"]
        .as_object()
        .into_iter()
        .flat_map(|inputs| inputs.keys())
    {
        for new in [json!("a\"'\n\u{7f}#"), json!(-1.5), json!([1, {"a b": true}])] {
            let Some(edited) = edit::toml(text, &["inputs", name], &new) else {
                continue;
            };
            let mut wanted: Value = before.clone();
            wanted["inputs"][name] = new;
            assert_eq!(value(&edited).ok(), Some(wanted), "{edited}");
        }
    }
}
