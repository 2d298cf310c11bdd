//! The conformance suite of kinds: every kind of every built-in definition, and of synthetic ones that use every feature of
//! the format, lives one life on the sandbox, driven through the real binary.
//!
//! A kind needs a document, `samples/<platform>.<kind>.json`: see [`sample`]. Without one it fails here by name. To run one
//! kind: `UPA_TEST_KIND=vapi.assistant cargo test --test kinds`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod lies;
mod life;
mod lying_answers;
mod sample;
#[allow(dead_code, unused_imports)]
#[path = "../cli/support/mod.rs"]
mod support;
mod world;

use std::panic::catch_unwind;

use upa::platform::Platform as _;
use upa::platform::definition::{CATALOG, Definition};

/// Lives the life of every kind of a definition; the kinds that failed.
fn all_kinds(file: &str, text: &str) -> Vec<String> {
    let definition = Definition::parse(file, &text.into()).unwrap();
    let only = std::env::var("UPA_TEST_KIND").ok();
    let mut failed = Vec::new();
    for kind in definition.kinds() {
        if only.as_ref().is_some_and(|only| *only != kind) {
            continue;
        }
        let begun = std::time::Instant::now();
        let lived = catch_unwind(|| life::live(text, &kind));
        let mark = if lived.is_ok() { "ok  " } else { "FAIL" };
        println!("{mark} {:4.1} s  {kind}", begun.elapsed().as_secs_f64());
        if lived.is_err() {
            failed.push(kind);
        }
    }
    failed
}

#[test]
fn every_built_in_kind() {
    let failed: Vec<String> = CATALOG.iter().flat_map(|(file, text)| all_kinds(file, text)).collect();
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn every_feature_over_json() {
    assert_eq!(
        all_kinds("pine.toml", include_str!("definitions/pine.toml")),
        Vec::<String>::new()
    );
}

#[test]
fn every_feature_over_forms() {
    assert_eq!(
        all_kinds("oak.toml", include_str!("definitions/oak.toml")),
        Vec::<String>::new()
    );
}

#[test]
fn every_feature_over_graphql() {
    assert_eq!(
        all_kinds("elm.toml", include_str!("definitions/elm.toml")),
        Vec::<String>::new()
    );
}
