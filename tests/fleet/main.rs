//! Fleets on the sandbox: a plan makes list calls only, exactly as many as there are pages.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests are an edge of their own, and panic on purpose"
)]

#[path = "../support/canary.rs"]
mod canary;
#[path = "../support/small.rs"]
mod small;
mod terminal;
mod thousand;

use std::collections::BTreeMap;

use serde_json::Value;
use small::{run, serve, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_200_tenants_makes_list_calls_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    workspace(folder, 200);
    let (_server, url, http) = serve(folder, "newest").await;
    run(folder, &["apply", "--yes"]);
    http.delete(format!("{url}/_sandbox/calls")).send().await.unwrap();

    let plan = run(folder, &["plan", "--detailed-exitcode"]);

    assert!(plan.contains("all 200 tenants are as Git says"), "{plan}");
    let text = http
        .get(format!("{url}/_sandbox/calls"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let calls: Value = serde_json::from_str(&text).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls["calls"].as_array().unwrap() {
        let name = format!(
            "{} {}",
            call["method"].as_str().unwrap(),
            call["path"].as_str().unwrap()
        );
        *counts.entry(name).or_default() += 1;
    }
    // 400 workflows on pages of 250, 200 assistants on a page of 1000, and nothing else.
    let expected = BTreeMap::from([
        ("GET /api/v1/workflows".to_owned(), 2),
        ("GET /assistant".to_owned(), 1),
    ]);
    assert_eq!(counts, expected);
    canary::refuse_in(folder);
}
