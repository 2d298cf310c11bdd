//! The table of what is built in, as people read it: made from the definitions, never by hand.

use upa::platform::definition::abilities::Abilities;
use upa::platform::definition::{CATALOG, KindDefinition};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/catalog/README.md");

const HEAD: &str = "\
# Built-in definitions

One file for each platform; `upa platform list` and `upa platform show NAME` print this from the definitions a workspace
has. n8n is not among them: its workflows must be understood, so it is code (`src/platform/n8n`).

- list: one list shows `all` objects of a kind, or only `some` (those that are searched for), or there is `none`
- mark: our mark stands in the `object`, comes by a `second call`, or has no place (`none`: the lockfile says what is ours)
- lost create: when nobody knows what became of a creation, upa can `repeat` it, `look` for it, or must `ask`
- read: by a `call`, through the `list`, or `never`
- change: an `update`, or a new object (`replace`)
- end: `delete`, or it is `left behind`
- suspend: while its tenant is suspended it `keeps` running, is stopped by a call (`stop`), is written otherwise (`write`), or
  is deleted and created again (`remove`); `upa platform show KIND` says more

This file is written by `UPA_UPDATE=1 cargo test --test contract readme`.
";

fn notes(kind: &KindDefinition) -> String {
    let mut notes = Vec::new();
    if kind.one {
        notes.push("a setting, there from the beginning".to_owned());
    }
    if kind.wait.is_some() {
        notes.push("is waited for".to_owned());
    }
    if kind.costs {
        notes.push("costs money".to_owned());
    }
    if kind.renew.is_some() {
        notes.push("expires and is renewed".to_owned());
    }
    if kind.keep.is_some() {
        notes.push("its end must be confirmed".to_owned());
    }
    if !kind.inputs.is_empty() {
        notes.push(format!("belongs to `{}`", kind.inputs.join("`, `")));
    }
    if !kind.out.is_empty() {
        let names: Vec<&str> = kind.out.keys().map(String::as_str).collect();
        notes.push(format!("gives `{}`", names.join("`, `")));
    }
    notes.join("; ")
}

fn text() -> String {
    let mut text = format!("{HEAD}\n");
    let mut row = |cells: Vec<String>| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    let mut head = vec!["kind".to_owned(), "what it is".to_owned()];
    head.extend(Abilities::HEAD.map(str::to_owned));
    head.push("notes".to_owned());
    let rule = head.iter().map(|_| "---".to_owned()).collect();
    row(head);
    row(rule);
    for (file, _) in CATALOG {
        let definition = crate::definition(file.strip_suffix(".toml").unwrap());
        for (name, kind) in &definition.kinds {
            let mut cells = vec![format!("`{}.{name}`", definition.name), kind.about.clone()];
            cells.extend(Abilities::of(kind).words().map(str::to_owned));
            cells.push(notes(kind));
            row(cells);
        }
    }
    text
}

#[test]
fn the_readme_is_what_the_definitions_say() {
    let text = text();
    if std::env::var("UPA_UPDATE").is_ok() {
        std::fs::write(FILE, &text).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        written == text,
        "src/platform/catalog/README.md is not what the definitions say; write it with \
         `UPA_UPDATE=1 cargo test --test contract readme`"
    );
}

#[test]
fn every_kind_says_what_it_is() {
    for (file, _) in CATALOG {
        for (name, kind) in &crate::definition(file.strip_suffix(".toml").unwrap()).kinds {
            assert!(!kind.about.is_empty(), "{file}: {name}");
        }
    }
}
