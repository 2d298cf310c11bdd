//! A version's file: read and checked with its templates, released, and rendered for a tenant.

use upa::desired::desired;
use upa::workspace::{Loaded, load, release};

use super::{small, sound};

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let loaded = load(&small::files(small::TENANT, text));
    sound(&loaded.problems);
    let Some(released) = released(&loaded) else {
        return rendered(&loaded);
    };
    let loaded = load(&small::files(small::TENANT, &released));
    sound(&loaded.problems);
    let workspace = loaded.workspace.as_ref().expect("the settings are right");
    let version = workspace
        .versions
        .values()
        .next()
        .expect("a release makes no file unreadable");
    assert!(release::unreleased(version).is_empty(), "{released}");
    assert!(matches!(release::released(version), Ok(None)), "{released}");
    rendered(&loaded);
}

/// The text after a release, where there is something to release.
fn released(loaded: &Loaded) -> Option<String> {
    let version = loaded.workspace.as_ref()?.versions.values().next()?;
    match release::released(version) {
        Ok(released) => released.map(|(_, text)| text),
        Err(problem) => {
            sound(&[problem]);
            None
        }
    }
}

fn rendered(loaded: &Loaded) {
    if let Some(workspace) = &loaded.workspace
        && loaded.problems.iter().all(|problem| !problem.is_error())
    {
        let (_, problems) = desired(workspace, |_| true);
        sound(&problems);
    }
}
