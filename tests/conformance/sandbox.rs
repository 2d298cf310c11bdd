//! What only the sandbox does: keeping its state, failing on demand, counting calls, playing the editor.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use upa::sandbox::Account;
use upa::sandbox::Sandbox;
use upa::sandbox::SandboxError;
use upa::sandbox::Service;
use upa::sandbox::n8n::Endpoints;
use upa::sandbox::n8n::Options;
use upa::sandbox::n8n::Publication;

use super::bodies::no_op;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::server::Mode;
use super::server::Server;
use super::server::send;
use super::server::text;

fn account(name: &str, options: Options) -> Account {
    Account {
        name: name.to_owned(),
        service: Service::N8n(options),
    }
}

async fn start(store: &Path, options: Options) -> Result<Sandbox, SandboxError> {
    let accounts = vec![account("n8n", options), account("other", Options::default())];
    Sandbox::start(store, None, accounts).await
}

/// A sandbox with an empty store, and its first account.
async fn fresh(options: Options) -> (TempDir, Sandbox, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = start(&folder.path().join("s.redb"), options).await.expect("a sandbox");
    let server = Server::sandbox(&sandbox, "/n8n", Mode::Async);
    (folder, sandbox, server)
}

fn slow(delay: Duration) -> Options {
    Options {
        publication: Publication::Asynchronous { delay },
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_what_is_due_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("s.redb");
    let options = slow(Duration::from_millis(400));
    let sandbox = start(&store, options.clone()).await.expect("a sandbox");
    let server = Server::sandbox(&sandbox, "/n8n", Mode::Async);
    let id = server
        .create(workflow("kept", json!([webhook("In", "POST", "kept")])))
        .await;
    server.publish(&id).await.ok();
    assert!(!server.is_live("POST", "kept").await);
    // Only one process at a time.
    assert!(matches!(start(&store, options.clone()).await, Err(SandboxError::InUse)));
    sandbox.stop().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sandbox = start(&store, options).await.expect("the same sandbox");
    let server = Server::sandbox(&sandbox, "/n8n", Mode::Async);
    assert!(server.is_live("POST", "kept").await, "it was due while nobody ran");
    assert_eq!(server.workflow(&id).await["active"], true);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_do_not_see_each_other() {
    let (_folder, sandbox, server) = fresh(Options::default()).await;
    let other = Server::sandbox(&sandbox, "/other", Mode::Async);
    for server in [&server, &other] {
        let id = server
            .create(workflow("mine", json!([webhook("In", "POST", "same")])))
            .await;
        server.publish_live(&id, "POST", "same").await;
        let list = server.get("/workflows").await.ok();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
    }
    let nobody = Server::sandbox(&sandbox, "/nobody", Mode::Async);
    assert_eq!(nobody.get("/workflows").await.status, 404);
    sandbox.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    let twice = vec![account("a", Options::default()), account("a", Options::default())];
    let refused = Sandbox::start(&folder.path().join("s.redb"), None, twice).await;
    assert!(matches!(refused, Err(SandboxError::Name(_))));
}

/// A request to the sandbox's switches, with its key.
fn switch(server: &Server, method: &str, path: &str) -> reqwest::RequestBuilder {
    server.request(method, path).bearer_auth(&server.key)
}

async fn fault(sandbox: &Sandbox, fault: Value) {
    let server = Server::sandbox(sandbox, "", Mode::Async);
    let fault = with(json!({"account": "n8n"}), fault);
    let reply = send(switch(&server, "POST", "/_sandbox/faults").json(&fault)).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_lost_after_the_write_or_before_it() {
    let (_folder, sandbox, server) = fresh(Options::default()).await;
    let post = |name: &'static str| {
        let request = server
            .request("POST", "/api/v1/workflows")
            .header("X-N8N-API-KEY", &server.key);
        request.json(&workflow(name, json!([no_op("A")]))).send()
    };
    fault(
        &sandbox,
        json!({"method": "POST", "path": "/api/v1/workflows", "kind": "drop_after_write"}),
    )
    .await;
    post("lost").await.expect_err("no answer");
    post("found").await.expect("an answer");
    fault(&sandbox, json!({"path": "/api/v1/work*", "kind": "drop_before"})).await;
    post("never").await.expect_err("no answer");
    let list = server.get("/workflows").await.ok();
    let mut names: Vec<&str> = list["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| text(item, "name"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["found", "lost"]);
    let statuses: Vec<u16> = sandbox.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [0, 200, 0, 200]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_answers_with_any_status_slowly_or_while_it_boots() {
    let (_folder, sandbox, server) = fresh(Options::default()).await;
    fault(
        &sandbox,
        json!({"kind": "status", "status": 429, "body": {"message": "slow down"}, "times": 2}),
    )
    .await;
    server.get("/workflows").await.refused(429, "slow down");
    server.get("/tags").await.refused(429, "slow down");
    fault(&sandbox, json!({"kind": "boot", "times": 3})).await;
    server
        .get("/workflows")
        .await
        .refused_in_html(200, "n8n is starting up");
    server
        .get("/workflows")
        .await
        .refused_in_html(404, "Cannot GET /api/v1/workflows");
    assert_eq!(send(server.request("GET", "/healthz/readiness")).await.status, 503);
    fault(&sandbox, json!({"kind": "latency", "ms": 300})).await;
    let begun = std::time::Instant::now();
    server.get("/workflows").await.ok();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    fault(&sandbox, json!({"kind": "drop_before", "times": 9})).await;
    let root = Server::sandbox(&sandbox, "", Mode::Async);
    send(switch(&root, "DELETE", "/_sandbox/faults")).await;
    server.get("/workflows").await.ok();
    let nonsense = send(switch(&root, "POST", "/_sandbox/faults").json(&json!({"kind": "?"}))).await;
    assert_eq!(nonsense.status, 400);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_counts_calls() {
    let (_folder, sandbox, server) = fresh(Options::default()).await;
    server.get("/workflows?limit=7").await.ok();
    server.hook("POST", "nobody").await;
    let root = Server::sandbox(&sandbox, "", Mode::Async);
    let calls = send(switch(&root, "GET", "/_sandbox/calls")).await.ok();
    assert_eq!(
        calls["calls"],
        json!([
            {"account": "n8n", "method": "GET", "path": "/api/v1/workflows", "query": "limit=7", "status": 200, "wrote": false},
            {"account": "n8n", "method": "POST", "path": "/webhook/nobody", "query": "", "status": 404, "wrote": true},
        ])
    );
    assert_eq!(sandbox.calls().len(), 2);
    send(switch(&root, "DELETE", "/_sandbox/calls")).await;
    assert_eq!(sandbox.calls(), []);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editor_duplicates_a_workflow_with_its_mark() {
    let (_folder, sandbox, server) = fresh(Options::default()).await;
    let mark = json!({"customTelemetryTags": [{"key": "upa.owner", "value": "upa:w/a/b"}]});
    let body = workflow("Reception", json!([webhook("In", "POST", "reception")]));
    let id = server
        .create(with(body, json!({"settings": mark, "staticData": {"a": 1}})))
        .await;
    server.publish_live(&id, "POST", "reception").await;
    let root = Server::sandbox(&sandbox, "", Mode::Async);
    let path = format!("/_sandbox/editor/n8n/workflows/{id}/duplicate");
    let copy = send(switch(&root, "POST", &path)).await.ok();
    assert_ne!(text(&copy, "id"), id);
    assert_eq!(
        (text(&copy, "name"), &copy["active"]),
        ("Reception copy", &json!(false))
    );
    assert_eq!(copy["settings"], mark);
    assert_eq!(copy["staticData"], Value::Null);
    let conflict = server.publish(text(&copy, "id")).await;
    conflict.refused(409, "There is a conflict with one of the webhooks.");
    let nobody = send(switch(&root, "POST", "/_sandbox/editor/n8n/workflows/nobody/duplicate")).await;
    assert_eq!(nobody.status, 404);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_has_only_the_older_names() {
    let options = Options {
        endpoints: Endpoints::Old,
        publication: Publication::Synchronous,
    };
    let (_folder, sandbox, server) = fresh(options).await;
    let id = server
        .create(workflow("old", json!([webhook("In", "POST", "old")])))
        .await;
    server.publish(&id).await.refused(405, "POST method not allowed");
    let reply = server.call("POST", &format!("/workflows/{id}/activate"), None).await;
    assert_eq!(reply.header("deprecation"), "");
    assert_eq!(reply.ok()["active"], true);
    let hook = send(server.request("POST", "/webhook/old")).await;
    assert_eq!(hook.header("x-upa-sandbox-workflow"), id);
    server
        .call("POST", &format!("/workflows/{id}/deactivate"), None)
        .await
        .ok();
    let document = send(server.request("GET", "/api/v1/openapi.yml")).await.text;
    assert!(document.contains("/activate:") && !document.contains("/publish:"));
    sandbox.stop().await;
}

/// Commands open the sandbox one after the other, some of them twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_closed_can_be_opened_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("sandbox.redb");
    for _ in 0..100 {
        let account = account("n8n", Options::default());
        let sandbox = Sandbox::start(&store, None, vec![account]).await.expect("a free store");
        let server = Server::sandbox(&sandbox, "/n8n", Mode::Async);
        let lists = (0..8).map(|_| server.get("/workflows"));
        futures::future::join_all(lists).await;
        drop(server);
        sandbox.stop().await;
    }
}
