//! Every built-in kind, driven by the real engine against the vendor's own contract: Prism serves it and refuses a path,
//! query, header or body that the contract does not take.
//!
//! Prism keeps nothing and makes its answers up, so a proxy stands between: it notes every call and what came of it, and
//! writes one object of ours into the made-up answers ([`proxy`]). What this shows: each call of each kind is one the
//! vendor takes, and each path a definition names (`id`, `live`, `items`, `out`, `next`, the mark) is where the vendor's
//! answers have it. A mock that compiled no schema takes anything, so one wrong body for each kind must be refused.
//!
//! The addresses are in `UPA_TEST_PRISM_VAPI`, `…_GOOGLE`, `…_HUBSPOT` and `…_GOHIGHLEVEL` (`tests/servers/prism-start`).
//! Without them these tests are skipped, unless `UPA_TEST_REQUIRE_PRISM` is set.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod drive;
mod proxy;
mod readme;
mod samples;

use std::sync::Arc;

use upa::platform::definition::{CATALOG, Definition};

/// A built-in definition.
fn definition(platform: &str) -> Arc<Definition> {
    let (file, text) = CATALOG
        .iter()
        .find(|(file, _)| file.strip_suffix(".toml") == Some(platform))
        .unwrap();
    Arc::new(Definition::parse(file, &Arc::from(*text)).unwrap())
}

/// The address of the Prism that serves a platform's contract, unless the test is to be skipped.
fn prism(platform: &str) -> Option<String> {
    let name = format!("UPA_TEST_PRISM_{}", platform.to_uppercase());
    let url = std::env::var(&name).ok();
    if url.is_none() {
        assert!(
            std::env::var("UPA_TEST_REQUIRE_PRISM").is_err(),
            "{name} is not set, and UPA_TEST_REQUIRE_PRISM is"
        );
        eprintln!("skipped: {name} is not set");
    }
    url
}

async fn platform(name: &str) {
    let Some(prism) = prism(name) else { return };
    let definition = definition(name);
    for kind in definition.kinds.keys() {
        drive::whole_life(&prism, &definition, kind).await;
    }
    if definition.whoami.is_some() {
        drive::identity(&prism, &definition).await;
    }
}

#[tokio::test]
async fn vapi() {
    platform("vapi").await;
    if let Some(prism) = prism("vapi") {
        drive::nothing_tells_it_apart(&prism, &definition("vapi")).await;
    }
}

#[tokio::test]
async fn google() {
    platform("google").await;
}

#[tokio::test]
async fn hubspot() {
    platform("hubspot").await;
}

#[tokio::test]
async fn gohighlevel() {
    platform("gohighlevel").await;
}
