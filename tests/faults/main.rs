//! Platforms that fail: every call that writes is lost before it happens, after it happened, or answered with an error.
//! Then upa is run again, and there must be no twin, no orphan and no loss.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests are an edge of their own, and panic on purpose"
)]

#[path = "../support/canary.rs"]
mod canary;
#[path = "../support/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use small::{git, run, serve, upa, workspace};

/// One tenant, its sandbox, and what a person may see of it.
struct World {
    folder: tempfile::TempDir,
    _server: small::Server,
    url: String,
    http: reqwest::Client,
}

impl Drop for World {
    fn drop(&mut self) {
        canary::refuse_in(self.folder.path());
    }
}

impl World {
    async fn new() -> Self {
        Self::of_age("newest").await
    }

    async fn of_age(age: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        workspace(folder.path(), 1);
        let (server, url, http) = serve(folder.path(), age).await;
        Self {
            folder,
            _server: server,
            url,
            http,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}/{path}", self.url));
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    async fn fault(&self, account: &str, method: &str, skip: usize, kind: &str) {
        let mut faults = vec![
            json!({"account": account, "method": method, "times": 1, "kind": kind, "status": 500, "body": {"message": "Internal server error"}}),
        ];
        if skip > 0 {
            faults.insert(
                0,
                json!({"account": account, "method": method, "times": skip, "kind": "latency", "ms": 0}),
            );
        }
        for fault in faults {
            self.strike(&fault).await;
        }
    }

    async fn strike(&self, fault: &Value) {
        let request = self.http.post(format!("{}/_sandbox/faults", self.url));
        let request = request
            .header("content-type", "application/json")
            .body(fault.to_string());
        assert!(request.send().await.unwrap().status().is_success(), "{fault}");
    }

    async fn clear(&self) {
        self.http
            .delete(format!("{}/_sandbox/faults", self.url))
            .send()
            .await
            .unwrap();
        self.http
            .delete(format!("{}/_sandbox/calls", self.url))
            .send()
            .await
            .unwrap();
    }

    /// The calls that were answered or cut, as `account method` → how many.
    async fn writes(&self) -> BTreeMap<(String, String), usize> {
        let calls = self.get("_sandbox/calls").await;
        let mut writes = BTreeMap::new();
        for call in calls["calls"].as_array().unwrap() {
            let text = |key: &str| call[key].as_str().unwrap().to_owned();
            if text("method") != "GET" && text("method") != "OPTIONS" {
                *writes.entry((text("account"), text("method"))).or_default() += 1;
            }
        }
        writes
    }

    /// Every mark on the platforms, and how many objects carry it.
    async fn marks(&self) -> BTreeMap<String, usize> {
        let mut marks = BTreeMap::new();
        let workflows = self.get("n8n/api/v1/workflows?limit=250").await;
        for workflow in workflows["data"].as_array().unwrap() {
            let tags = workflow["settings"]["customTelemetryTags"].as_array().unwrap();
            let mark = tags.iter().find(|tag| tag["key"] == "upa.owner").unwrap()["value"]
                .as_str()
                .unwrap();
            *marks.entry(mark.to_owned()).or_default() += 1;
        }
        for assistant in self.get("vapi/assistant").await.as_array().unwrap() {
            *marks
                .entry(assistant["metadata"]["upa"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        marks
    }

    /// Runs until nothing is left, at most a few times; the tenant must come out whole.
    fn apply_until_quiet(&self, context: &str) {
        let mut last = String::new();
        for _ in 0..4 {
            let output = upa(self.path(), &["apply", "--yes"]).output().unwrap();
            last = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            if output.status.success() {
                let plan = run(self.path(), &["plan", "--detailed-exitcode"]);
                assert!(plan.contains("Nothing to do"), "{context}: {plan}");
                return;
            }
        }
        panic!("{context}: still failing: {last}");
    }

    fn deprovision(&self) {
        let file = self.path().join("tenants/client-000.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("tier = ", "status = \"deprovisioned\"\ntier = ")).unwrap();
        git(self.path(), &["commit", "-qam", "goodbye"]);
    }
}

const KINDS: [&str; 3] = ["drop_before", "drop_after_write", "status"];

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_write_is_lost_the_next_run_settles_it() {
    let calm = World::new().await;
    calm.clear().await;
    run(calm.path(), &["apply", "--yes"]);
    let up = calm.writes().await;
    // Callees are created first, so every reference is known when its workflow is created: nothing is written twice.
    assert_eq!(up.get(&("n8n".to_owned(), "PUT".to_owned())), None, "{up:?}");
    let settled = calm.marks().await;
    assert_eq!(settled.values().collect::<Vec<_>>(), [&1, &1, &1], "{settled:?}");
    calm.deprovision();
    calm.clear().await;
    run(calm.path(), &["apply", "--yes"]);
    let down = calm.writes().await;
    assert!(calm.marks().await.is_empty());

    let (mut positions, mut noticed) = (0, 0);
    for (phase, writes) in [("up", &up), ("down", &down)] {
        for ((account, method), count) in writes {
            for skip in 0..*count {
                for kind in KINDS {
                    positions += 1;
                    let context = format!("{phase}: {account} {method} number {} {kind}", skip + 1);
                    let world = World::new().await;
                    if phase == "down" {
                        run(world.path(), &["apply", "--yes"]);
                        world.deprovision();
                    }
                    world.fault(account, method, skip, kind).await;
                    let first = upa(world.path(), &["apply", "--yes"]).output().unwrap();
                    world.clear().await;
                    noticed += usize::from(!first.status.success());
                    // A lost answer may be settled within the run; whatever it was, nothing hangs and nothing panics.
                    assert_ne!(
                        first.status.code(),
                        Some(101),
                        "{context}: {}",
                        String::from_utf8_lossy(&first.stderr)
                    );
                    world.apply_until_quiet(&context);
                    let expected = if phase == "up" {
                        settled.clone()
                    } else {
                        BTreeMap::new()
                    };
                    assert_eq!(world.marks().await, expected, "{context}: a twin or an orphan");
                }
            }
        }
    }
    assert!(positions >= 24, "only {positions} positions were tried");
    assert!(
        noticed * 2 > positions,
        "only {noticed} of {positions} faults were noticed: do they strike?"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_starting_up_is_waited_for() {
    let world = World::new().await;
    world
        .strike(&json!({"account": "n8n", "times": 3, "kind": "boot"}))
        .await;
    run(world.path(), &["apply", "--yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_broken_is_said_to_be_and_nothing_is_planned_from_it() {
    let world = World::new().await;
    run(world.path(), &["apply", "--yes"]);
    for (status, body, exit, words) in [
        (401, json!({"message": "Unauthorized"}), 6, "Unauthorized (401)"),
        (403, json!({"message": "Forbidden"}), 6, "lacks a scope"),
        (500, json!("<html>boom</html>"), 7, "the platform failed (500"),
        (200, json!("<html>a proxy's login page</html>"), 7, "is this the API?"),
        (200, json!({"data": "nonsense"}), 7, "the list has no `data`"),
    ] {
        let fault =
            json!({"account": "n8n", "method": "GET", "times": 20, "kind": "status", "status": status, "body": body});
        world.strike(&fault).await;
        let output = upa(world.path(), &["plan"]).output().unwrap();
        world.clear().await;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(output.status.code(), Some(exit), "{status}: {err}");
        assert!(err.contains(words), "{status}: {err}");
        assert!(
            out.contains("No changes; 1 tenant could not be planned"),
            "{status}: {out}"
        );
    }
}

/// The life of a tenant on every n8n there has been: published, changed in Git, changed by hand, suspended, taken down.
#[tokio::test(flavor = "multi_thread")]
async fn every_age_of_n8n_is_driven_right() {
    for age in ["newest", "synchronous", "old"] {
        let world = World::of_age(age).await;
        run(world.path(), &["apply", "--yes"]);
        let plan = run(world.path(), &["plan", "--detailed-exitcode"]);
        assert!(plan.contains("Nothing to do"), "{age}: {plan}");
        let calls = world.get("_sandbox/calls").await.to_string();
        assert_eq!(calls.contains("/activate"), age == "old", "{age}");
        assert_eq!(calls.contains("/publish"), age != "old", "{age}");

        let tenant = world.path().join("tenants/client-000.toml");
        let text = std::fs::read_to_string(&tenant).unwrap();
        std::fs::write(&tenant, text.replace("Hello", "Good morning")).unwrap();
        git(world.path(), &["commit", "-qam", "another greeting"]);
        run(world.path(), &["apply", "--yes"]);
        let workflows = world.get("n8n/api/v1/workflows?limit=250").await.to_string();
        assert!(
            workflows.contains("Good morning") && !workflows.contains("Hello"),
            "{age}: the greeting is live"
        );

        for (status, live) in [("suspended", false), ("active", true), ("deprovisioned", false)] {
            let text = std::fs::read_to_string(&tenant).unwrap();
            let others: String = text
                .lines()
                .filter(|line| !line.starts_with("status"))
                .map(|line| format!("{line}\n"))
                .collect();
            std::fs::write(&tenant, format!("status = \"{status}\"\n{others}")).unwrap();
            git(world.path(), &["commit", "-qam", status]);
            run(world.path(), &["apply", "--yes"]);
            let plan = run(world.path(), &["plan", "--detailed-exitcode"]);
            assert!(plan.contains("Nothing to do"), "{age} {status}: {plan}");
            let workflows = world.get("n8n/api/v1/workflows?limit=250&active=true").await;
            let expected = if live { 2 } else { 0 };
            assert_eq!(workflows["data"].as_array().unwrap().len(), expected, "{age} {status}");
        }
        assert!(world.marks().await.is_empty(), "{age}: something was left");
    }
}
