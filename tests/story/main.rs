//! The main job as a person would do it, on the embedded sandbox and on a real n8n: the same story, the same checks.
//!
//! The real n8n is named by `UPA_TEST_N8N_URL` and `UPA_TEST_N8N_KEY` (`tests/run` starts one); without them that half
//! says that it is skipped, and with `UPA_TEST_REQUIRE_N8N=1` it fails instead.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests are an edge of their own, and panic on purpose"
)]

#[path = "../support/canary.rs"]
mod canary;
mod instance;
mod traffic;
mod workspace;

use instance::Instance;
use serde_json::Value;
use traffic::Traffic;
use workspace::{TENANTS, Workspace, flags};

/// Stories on the one real n8n follow each other: each looks at everything that is there.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn on_the_sandbox() {
    let mut workspace = Workspace::new("story", None);
    let instance = workspace.serve().await;
    story(&workspace, &instance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_n8n() {
    let Some(instance) = Instance::real() else { return };
    let _turn = ONE_AT_A_TIME.lock().await;
    let workspace = Workspace::new("story-real", Some(&instance));
    story(&workspace, &instance).await;
}

/// Every step leaves the world as the next one expects it.
async fn story(workspace: &Workspace, n8n: &Instance) {
    workspace.seed_credentials(n8n).await;
    let strangers = n8n.workflow_ids().await;

    // Three tenants.
    let first = workspace.plan_json(&[]);
    // 7 workflows, 2 objects at Vapi and 7 at Google for each; 1 and 2 more in the CRMs, and 2 that are shared.
    assert_eq!(first["counts"]["create"], 53, "{first}");
    workspace.apply();
    assert_eq!(workspace.commits(), 2, "an apply is one commit");
    assert_eq!(workspace.uncommitted(), "", "index and work tree are clean");
    let traffic = Traffic::start(workspace, n8n).await;

    // A second plan is empty, and an apply then writes nothing.
    workspace.assert_nothing_to_do();
    workspace.apply();
    assert_eq!(workspace.commits(), 2, "nothing to do is no commit");

    // A workflow is edited in n8n: drift, field by field.
    let booking = workspace.id("welcs", "booking");
    let mut edited = n8n.workflow(&booking).await;
    let settings_node = instance::node(&mut edited, "Ajustes");
    settings_node["notes"] = Value::from("somebody was here");
    settings_node["position"] = serde_json::json!([1, 2]);
    edited["settings"]["timezone"] = Value::from("America/Lima");
    n8n.write(&booking, &edited).await;
    let drift = workspace.plan_json(&[]);
    let changes = instance::changes(&drift);
    assert_eq!(changes, ["update welcs@v2.0/booking"], "{drift:#}");
    assert_eq!(drift["changes"][0]["mover"], "platform");
    let fields: Vec<&str> = instance::fields(&drift["changes"][0]);
    assert_eq!(
        fields,
        ["node \"Ajustes\" · notes", "settings.timezone"],
        "positions never show"
    );

    // One is deleted by hand: planned again, and so is what refers to it.
    let summary = workspace.id("demo", "post-call-summary");
    n8n.delete(&summary).await;
    let changes = instance::changes(&workspace.plan_json(&["demo"]));
    assert_eq!(
        changes,
        ["update demo@v2.0/inbound-call", "create demo@v2.0/post-call-summary"]
    );

    // One is duplicated by hand: reported, not touched.
    let copy = n8n.duplicate(&workspace.id("plantilla", "crm-sync")).await;
    let copy_before = n8n.workflow(&copy).await;
    let (text, warnings) = workspace.plan_text(&["plantilla"]);
    assert!(text.contains("Nothing to do"), "{text}");
    assert!(
        warnings.contains(&copy) && warnings.contains("copy made by hand"),
        "{warnings}"
    );

    // Apply repairs all of it.
    workspace.apply();
    workspace.assert_nothing_to_do();
    assert_ne!(workspace.id("demo", "post-call-summary"), summary);
    assert_eq!(n8n.workflow(&copy).await, copy_before, "the copy is a stranger's");
    assert_eq!(n8n.workflow(&booking).await["settings"]["timezone"], "Europe/Madrid");

    // A fix to a template: exactly the affected workflows of all tenants.
    workspace.edit_template("error-handler.json", ".slice(0, 500)", ".slice(0, 1000)");
    workspace.refused_without_release();
    workspace.release();
    let fix = workspace.plan_json(&[]);
    let expected: Vec<String> = TENANTS
        .iter()
        .map(|tenant| format!("update {tenant}@v2.0/error-handler"))
        .collect();
    assert_eq!(instance::changes(&fix), expected);
    assert!(
        fix["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|change| change["mover"] == "git"),
        "{fix:#}"
    );
    workspace.commit("a fix");
    workspace.apply();
    workspace.assert_nothing_to_do();
    for tenant in TENANTS {
        let live = n8n.workflow(&workspace.id(tenant, "error-handler")).await;
        let live = &live["activeVersion"]["nodes"];
        assert!(
            live.to_string().contains(".slice(0, 1000)"),
            "{tenant}: the fix is live"
        );
    }

    // All through this every call reached its own tenant, and nobody else's.
    let calls = traffic.finish().await;
    assert!(calls >= 3 * TENANTS.len(), "only {calls} calls were made");

    // Suspended: unpublished, everything kept. Active again: back on the same paths.
    let path = workspace.webhook_path("welcs", "inbound");
    workspace.set_status("welcs", "suspended");
    workspace.apply();
    workspace.assert_nothing_to_do();
    assert_eq!(n8n.call(&path, "welcs").await.0, 404);
    workspace.set_status("welcs", "active");
    workspace.apply();
    assert_eq!(n8n.call(&path, "welcs").await.0, 200);

    // Deprovisioned: counted, first, gone; the strangers are still there.
    for tenant in TENANTS {
        workspace.set_status(tenant, "deprovisioned");
    }
    // What people put something into goes only when it is named; until then the tenants wait, and nothing has failed.
    let (status, _, error) = workspace.upa(&["plan"]);
    assert_eq!(status, 0, "{error}");
    let (status, _, error) = workspace.upa(&["plan", "welcs"]);
    assert_eq!(status, 10, "{error}");
    assert!(error.contains("--confirm welcs/calendar"), "{error}");
    let confirmed = workspace.confirmations();
    let (status, goodbye, error) = workspace.upa(&[&["plan"], &*flags(&confirmed)].concat());
    assert_eq!(
        status, 14,
        "a share of deletions above the threshold needs an approval: {error}"
    );
    assert!(
        goodbye.contains("Plan: 53 to delete") && error.contains("--approve sha256:"),
        "{goodbye}{error}"
    );
    workspace.apply_approved();
    workspace.assert_nothing_to_do();
    let mut left = strangers;
    left.insert(copy);
    assert_eq!(n8n.workflow_ids().await, left);
}

/// Accounts are not platforms: tenants of one workspace on two n8n instances at once.
#[tokio::test(flavor = "multi_thread")]
async fn two_sandboxes_at_once() {
    let mut workspace = Workspace::new("two", None);
    workspace.add_account("n8n-eu", "platform = \"n8n\"\nsandbox = true");
    workspace.move_to_account("demo", "n8n-eu");
    let n8n = workspace.serve().await;
    let eu = n8n.account("n8n-eu");
    two_instances(&workspace, &n8n, &eu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_n8n_beside_a_sandbox() {
    let Some(n8n) = Instance::real() else { return };
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut workspace = Workspace::new("two-real", Some(&n8n));
    workspace.add_account("n8n-eu", "platform = \"n8n\"\nsandbox = true");
    workspace.move_to_account("demo", "n8n-eu");
    let eu = workspace.serve().await.account("n8n-eu");
    two_instances(&workspace, &n8n, &eu).await;
}

async fn two_instances(workspace: &Workspace, n8n: &Instance, eu: &Instance) {
    let (before, before_eu) = (n8n.workflow_ids().await, eu.workflow_ids().await);
    workspace.seed_credentials(n8n).await;
    workspace.seed_credentials(eu).await;
    workspace.apply();
    workspace.assert_nothing_to_do();
    let ids = |tenant: &str| workspace.workflow_ids(tenant);
    let here: std::collections::BTreeSet<String> = n8n.workflow_ids().await.difference(&before).cloned().collect();
    let there: std::collections::BTreeSet<String> = eu.workflow_ids().await.difference(&before_eu).cloned().collect();
    assert_eq!(here, ids("plantilla").union(&ids("welcs")).cloned().collect());
    assert_eq!(there, ids("demo"));
    // An id is worth nothing on another instance: moving a tenant is a decision, not an update.
    workspace.move_to_account("welcs", "n8n-eu");
    let (status, _, error) = workspace.upa(&["plan", "welcs"]);
    assert_eq!(status, 10, "{error}");
    assert!(error.contains("is recorded in account `n8n`"), "{error}");
    workspace.move_back("welcs");
    for tenant in TENANTS {
        workspace.set_status(tenant, "deprovisioned");
    }
    workspace.apply_approved();
    assert_eq!(n8n.workflow_ids().await, before);
    assert_eq!(eu.workflow_ids().await, before_eu);
}
