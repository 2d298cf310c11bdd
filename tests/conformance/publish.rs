//! Publishing: what is checked before anything happens, and what a refused PUT leaves behind.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::connection;
use super::bodies::node;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Mode;
use super::server::Server;
use super::server::text;

const NO_TRIGGER: &str = "Workflow cannot be activated because it has no trigger node. At least one trigger, webhook, \
    or polling node is required.";

pub fn checks() -> Vec<Check> {
    vec![
        check!("a workflow needs something that starts it", needs_a_start),
        check!(
            "a node type nobody knows cannot be published, though saved",
            unknown_type
        ),
        check!("connected nodes need their parameters and credentials", configuration),
        check!(
            "called workflows must be published first, or at least asked to be",
            callees
        ),
        check!("an error workflow is not checked at all", error_workflow),
        check!("publishing takes a version and labels it", body),
        check!(
            "a refused PUT has saved the draft; the old version stays live",
            saved_not_published
        ),
        check!("without workflow:activate a PUT saves and says so", saved_without_scope),
        check!(
            "a trigger that cannot start: silent when asynchronous, down when synchronous",
            broken_trigger
        ),
    ]
}

fn manual() -> Value {
    node("M", "n8n-nodes-base.manualTrigger", 1, json!({}))
}

fn call(name: &str, id: &str) -> Value {
    let locator = json!({"__rl": true, "mode": "id", "value": id});
    node(
        name,
        "n8n-nodes-base.executeWorkflow",
        json!(1.3),
        json!({"workflowId": locator}),
    )
}

fn called() -> Value {
    node(
        "T",
        "n8n-nodes-base.executeWorkflowTrigger",
        json!(1.1),
        json!({"inputSource": "passthrough"}),
    )
}

async fn needs_a_start(server: &Server) {
    let disabled = with(webhook("In", "POST", "conf/disabled"), json!({"disabled": true}));
    for nodes in [json!([]), json!([manual()]), json!([disabled])] {
        let id = server.create(workflow("conf-start", nodes)).await;
        server.publish(&id).await.refused(400, NO_TRIGGER);
        let after = server.workflow(&id).await;
        assert_eq!(
            (&after["active"], &after["activeVersionId"]),
            (&json!(false), &Value::Null)
        );
    }
    let error = node("E", "n8n-nodes-base.errorTrigger", 1, json!({}));
    let schedule = json!({"rule": {"interval": [{"field": "days"}]}});
    let schedule = node("S", "n8n-nodes-base.scheduleTrigger", json!(1.2), schedule);
    let wait = node("W", "n8n-nodes-base.wait", 1, json!({}));
    for nodes in [json!([called()]), json!([error]), json!([schedule]), json!([wait])] {
        let id = server.create(workflow("conf-start", nodes)).await;
        let published = server.publish(&id).await.ok();
        assert_eq!(published["active"], true);
    }
}

async fn unknown_type(server: &Server) {
    for disabled in [false, true] {
        let odd = with(node("Q", "no.such", 1, json!({})), json!({"disabled": disabled}));
        let nodes = json!([webhook("In", "POST", "conf/unknown-type"), odd]);
        let id = server.create(workflow("conf-unknown-type", nodes)).await;
        server
            .publish(&id)
            .await
            .refused(400, "Unrecognized node type: no.such");
    }
    // A version nobody knows does not matter.
    let late = with(webhook("In", "POST", "conf/late"), json!({"typeVersion": 99}));
    let id = server.create(workflow("conf-late", json!([late]))).await;
    server.publish(&id).await.ok();
}

async fn configuration(server: &Server) {
    let hook = || webhook("In", "POST", "conf/configuration");
    let request = || node("H", "n8n-nodes-base.httpRequest", json!(4.2), json!({}));
    let sheets = node("G", "n8n-nodes-base.googleSheets", json!(4.7), json!({}));
    let typed = node("M", "n8n-nodes-base.executeWorkflowTrigger", json!(1.1), json!({}));
    for (nodes, connections, issues) in [
        (
            json!([hook(), request()]),
            connection("In", "H"),
            "Node \"H\":\n  - Missing or invalid required parameters: url",
        ),
        (
            json!([hook(), sheets]),
            connection("In", "G"),
            "Node \"G\":\n  - Missing required credential: googleSheetsOAuth2Api\n  - Missing or invalid required \
             parameters: documentId, sheetName",
        ),
        (
            json!([typed]),
            json!({}),
            "Node \"M\":\n  - Missing or invalid required parameters: workflowInputs",
        ),
    ] {
        let body = with(
            workflow("conf-configuration", nodes),
            json!({"connections": connections}),
        );
        let id = server.create(body).await;
        let message = format!("Cannot publish workflow: 1 node have configuration issues:\n\n{issues}");
        server.publish(&id).await.refused(400, &message);
    }
    // Nobody minds a node that is not connected.
    let id = server.create(workflow("conf-loose", json!([hook(), request()]))).await;
    server.publish(&id).await.ok();
}

async fn callees(server: &Server) {
    let child = server.create(workflow("conf-child", json!([called()]))).await;
    let caller = |nodes: Value| workflow("conf-caller", nodes);
    let hook = || webhook("In", "POST", "conf/caller");
    let id = server
        .create(caller(json!([hook(), call("One", &child), call("Two", "nobody")])))
        .await;
    let message = format!(
        "Cannot publish workflow: Node \"One\" references workflow {child} (\"conf-child\") which is not published; \
         Node \"Two\" references workflow nobody which is not published. Please publish all referenced sub-workflows \
         first."
    );
    server.publish(&id).await.refused(400, &message);
    // Expressions and disabled nodes are nobody's business, nor is a call of itself.
    let expression = call("X", "={{ $json.id }}");
    let disabled = with(call("D", "nobody"), json!({"disabled": true}));
    let path = format!("/workflows/{id}");
    let nodes = json!([hook(), call("One", &child), call("Self", &id), expression, disabled]);
    server.put(&path, caller(nodes)).await.ok();
    server.publish(&child).await.ok();
    server.publish(&id).await.ok();
    // A callee may go; its callers can then not be published again.
    server.unpublish(&child).await.ok();
    let message = format!(
        "Cannot publish workflow: Node \"One\" references workflow {child} (\"conf-child\") which is not published. \
         Please publish all referenced sub-workflows first."
    );
    server.publish(&id).await.refused(400, &message);
    assert_eq!(server.workflow(&id).await["active"], true);
}

async fn error_workflow(server: &Server) {
    let body = workflow("conf-error", json!([webhook("In", "POST", "conf/error")]));
    let id = server
        .create(with(body, json!({"settings": {"errorWorkflow": "nobody"}})))
        .await;
    server.publish(&id).await.ok();
}

async fn body(server: &Server) {
    let id = server
        .create(workflow("conf-body", json!([webhook("In", "POST", "conf/body")])))
        .await;
    let path = format!("/workflows/{id}/publish");
    server
        .post(&path, json!({"versionId": "nope"}))
        .await
        .refused(404, "Version not found");
    let wrong = server.post(&path, json!({"versionId": 5})).await;
    wrong.refused(400, "request/body/versionId Expected string, received number");
    let label = json!({"name": "r3", "description": "commit abc", "nonsense": 1});
    let published = server.post(&path, label).await.ok();
    assert_eq!(published["activeVersion"]["name"], "r3");
    assert_eq!(published["activeVersion"]["description"], "commit abc");
    let listed = server.get("/workflows?name=conf-body").await.ok();
    assert_eq!(listed["data"][0]["activeVersion"]["name"], "r3");
    let history = server.get(&format!("/workflows/{id}/history")).await.ok();
    assert_eq!(history["data"][0]["name"], "r3");
}

async fn saved_not_published(server: &Server) {
    let hook = webhook("In", "POST", "conf/saved");
    let id = server.create(workflow("conf-saved", json!([hook]))).await;
    let path = format!("/workflows/{id}");
    server.publish_live(&id, "POST", "conf/saved").await;
    let live = server.workflow(&id).await["activeVersionId"].clone();
    let taken = server
        .create(workflow("conf-taken", json!([webhook("In", "POST", "conf/taken")])))
        .await;
    server.publish_live(&taken, "POST", "conf/taken").await;
    let conflict = "There is a conflict with one of the webhooks.";
    for (nodes, status, message) in [
        (json!([manual()]), 400, NO_TRIGGER),
        (json!([webhook("In", "POST", "conf/taken")]), 409, conflict),
    ] {
        server
            .put(&path, workflow("conf-saved 2", nodes.clone()))
            .await
            .refused(status, message);
        let after = server.workflow(&id).await;
        assert_eq!(after["name"], "conf-saved 2");
        assert_eq!(after["nodes"], nodes);
        assert_eq!((&after["active"], &after["activeVersionId"]), (&json!(true), &live));
        assert_ne!(after["versionId"], live);
        assert_eq!(server.hook("POST", "conf/saved").await.status, 200);
    }
}

async fn saved_without_scope(server: &Server) {
    let id = server
        .create(workflow("conf-scope", json!([webhook("In", "POST", "conf/scope")])))
        .await;
    let path = format!("/workflows/{id}");
    server.publish_live(&id, "POST", "conf/scope").await;
    let before = server.workflow(&id).await;
    let key = server
        .key_for(&["workflow:read", "workflow:update", "workflow:list"])
        .await;
    let moved = with(before["nodes"][0].clone(), json!({"position": [9, 9]}));
    let body = workflow("conf-scope", json!([moved]));
    let reply = server.call_as(&key, "PUT", &path, Some(body.clone())).await;
    let after = server.workflow(&id).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    assert_eq!(
        reply.json,
        json!({
            "message": "Your change was saved as a draft. It wasn't published because this API key does not have the \
                        workflow:activate scope.",
            "reason": "insufficient_api_key_scope", "versionId": after["versionId"],
        })
    );
    assert_ne!(after["versionId"], before["versionId"]);
    assert_eq!(after["activeVersionId"], before["activeVersionId"]);
    let quiet = format!("{path}?publishIfActive=false");
    server.call_as(&key, "PUT", &quiet, Some(body)).await.ok();
}

async fn broken_trigger(server: &Server) {
    let hook = webhook("In", "POST", "conf/broken");
    let rule = json!({"rule": {"interval": [{"field": "cronExpression", "expression": "bad cron"}]}});
    let schedule = node("S", "n8n-nodes-base.scheduleTrigger", json!(1.2), rule);
    let message = "There was a problem activating the workflow: \"Invalid cron expression\"";
    let id = server.create(workflow("conf-broken", json!([schedule]))).await;
    match server.mode {
        Mode::Async => assert_eq!(server.publish(&id).await.ok()["active"], true),
        Mode::Sync => server.publish(&id).await.refused(400, message),
    }
    let id = server.create(workflow("conf-broken", json!([hook]))).await;
    server.publish_live(&id, "POST", "conf/broken").await;
    let before = server.workflow(&id).await;
    let body = workflow("conf-broken", json!([hook, schedule]));
    let reply = server.put(&format!("/workflows/{id}"), body).await;
    server.settle().await;
    let after = server.workflow(&id).await;
    assert_ne!(after["versionId"], before["versionId"]);
    match server.mode {
        Mode::Async => {
            assert_eq!(text(&reply.ok(), "activeVersionId"), text(&after, "versionId"));
            assert!(server.is_live("POST", "conf/broken").await);
            assert_eq!(after["active"], true);
        }
        Mode::Sync => {
            reply.refused(400, message);
            assert!(!server.is_live("POST", "conf/broken").await);
            assert_eq!(
                (&after["active"], &after["activeVersionId"]),
                (&json!(false), &Value::Null)
            );
        }
    }
}
