//! What POST /workflows stores, fills in and leaves alone.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::no_op;
use super::bodies::node;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::keys;
use super::server::text;
use super::strict;

pub fn checks() -> Vec<Check> {
    vec![
        check!("a create answers 200 with the whole workflow, a draft", whole),
        check!(
            "nodes, connections and settings read back as they were sent",
            reads_back
        ),
        check!("names are 1 to 128 long and need not be unique", names),
        check!("settings are stored as sent, but for three that vanish", settings),
        check!("node ids and webhookIds are filled in where missing", filled_in),
        check!(
            "static data may be JSON in a text; projects and folders must exist",
            other_members
        ),
    ]
}

async fn whole(server: &Server) {
    let tags = json!([{"key": "upa.owner", "value": "upa:conf/x"}]);
    let body = with(
        workflow("conf-whole", json!([no_op("A")])),
        json!({"settings": {"executionOrder": "v1", "customTelemetryTags": tags}}),
    );
    let made = server.post("/workflows", body).await.ok();
    assert_eq!(
        keys(&made),
        [
            "active",
            "activeVersion",
            "activeVersionId",
            "connections",
            "createdAt",
            "description",
            "id",
            "isArchived",
            "meta",
            "name",
            "nodeGroups",
            "nodes",
            "parentFolder",
            "pinData",
            "settings",
            "shared",
            "sourceWorkflowId",
            "staticData",
            "tags",
            "triggerCount",
            "updatedAt",
            "versionCounter",
            "versionId",
        ]
    );
    let id = text(&made, "id");
    assert!(id.len() == 16 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    let expected = json!({
        "active": false, "activeVersion": null, "activeVersionId": null, "connections": {}, "description": null,
        "isArchived": false, "meta": null, "nodeGroups": [], "parentFolder": null, "pinData": null,
        "sourceWorkflowId": null, "staticData": null, "tags": [], "triggerCount": 0, "versionCounter": 1,
        "settings": {"executionOrder": "v1", "customTelemetryTags": tags},
    });
    for (key, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&made[key], value, "{key}");
    }
    for key in ["createdAt", "updatedAt"] {
        let time = text(&made, key);
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    assert_eq!(made["shared"][0]["role"], "workflow:owner");
    assert_eq!(made["shared"][0]["project"]["type"], "personal");
    let mut read = server.workflow(id).await;
    read["parentFolder"] = Value::Null;
    assert_eq!(read, made);
}

async fn reads_back(server: &Server) {
    let parameters = json!({
        "a": null, "ünïcode": "✓ — „Anführung“", "nested": {"list": [1, 2.5, {"x": []}], "empty": {}},
        "expression": "={{ $json.body[\"x y\"] }}", "jsCode": "return [{json: {a: 1}}];\n",
    });
    let nodes = json!([
        webhook("In", "POST", "conf/reads-back"),
        with(
            node("Code", "n8n-nodes-base.code", 2, parameters),
            json!({
                "notes": "n", "notesInFlow": true, "onError": "continueRegularOutput", "retryOnFail": true,
                "maxTries": 3, "waitBetweenTries": 100, "executeOnce": false, "alwaysOutputData": true,
                "disabled": true, "position": [-100, 200.5],
            })
        ),
        node("Unknown", "no.such", 7, json!({"whatever": true})),
    ]);
    let connections = json!({"In": {"main": [null, [{"node": "Code", "type": "main", "index": 0}]]}});
    let body = json!({
        "name": "conf-reads-back ✓", "nodes": nodes, "connections": connections,
        "settings": {"callerPolicy": "none", "timezone": "Nowhere/At_all", "saveManualExecutions": true},
        "pinData": {"In": [{"json": {"a": 1}}]}, "staticData": {"lastId": 7},
    });
    let id = server.create(body.clone()).await;
    let read = server.workflow(&id).await;
    for key in ["name", "nodes", "connections", "settings", "pinData", "staticData"] {
        assert_eq!(read[key], body[key], "{key}");
    }
}

async fn names(server: &Server) {
    let message = "Workflow name must be 1 to 128 characters long.";
    strict::refuse(server, workflow("", json!([])), message).await;
    strict::refuse(server, workflow(&"conf-".repeat(26), json!([])), message).await;
    let longest = format!("conf-{}", "x".repeat(123));
    let one = server.create(workflow(&longest, json!([]))).await;
    let two = server.create(workflow(&longest, json!([]))).await;
    assert_ne!(one, two);
}

async fn settings(server: &Server) {
    let sent = json!({
        "binaryMode": "separate", "credentialResolverId": "x", "redactionPolicy": "all", "executionTimeout": -1,
        "errorWorkflow": "DEFAULT", "timezone": "DEFAULT", "callerPolicy": "any",
    });
    let id = server
        .create(with(workflow("conf-settings", json!([])), json!({"settings": sent})))
        .await;
    // The reset values mean something only in a PUT; a POST stores even them.
    let stored = json!({
        "executionTimeout": -1, "errorWorkflow": "DEFAULT", "timezone": "DEFAULT", "callerPolicy": "any",
    });
    assert_eq!(server.workflow(&id).await["settings"], stored);
}

async fn filled_in(server: &Server) {
    let bare = |name: &str, of: &str| json!({"name": name, "type": of, "position": [0, 0]});
    let nodes = json!([
        bare("Plain", "n8n-nodes-base.noOp"),
        bare("Hook", "n8n-nodes-base.webhook"),
        bare("Wait", "n8n-nodes-base.wait"),
        bare("Slack", "n8n-nodes-base.slack"),
        bare("Chat", "@n8n/n8n-nodes-langchain.chatTrigger"),
        with(
            bare("Kept", "n8n-nodes-base.webhook"),
            json!({"id": "any text", "webhookId": "of mine"})
        ),
    ]);
    let made = server.post("/workflows", workflow("conf-filled-in", nodes)).await.ok();
    let uuid = |value: &Value| value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_ok());
    for at in 0..5 {
        let node = &made["nodes"][at];
        assert!(uuid(&node["id"]), "{node}");
        assert_eq!(uuid(&node["webhookId"]), at > 0, "{node}");
        // Nothing else is: n8n adds neither parameters nor a version.
        assert!(
            node.get("parameters").is_none() && node.get("typeVersion").is_none(),
            "{node}"
        );
    }
    assert_eq!(made["nodes"][5]["id"], "any text");
    assert_eq!(made["nodes"][5]["webhookId"], "of mine");
}

async fn other_members(server: &Server) {
    let base = || workflow("conf-other", json!([no_op("A")]));
    let reply = server
        .post("/workflows", with(base(), json!({"projectId": "nope"})))
        .await;
    reply.refused(404, "Project not found");
    let reply = server
        .post("/workflows", with(base(), json!({"parentFolderId": "nope"})))
        .await;
    reply.refused(404, "Could not find the folder: nope");
    let members = json!({
        "staticData": "{\"a\":1}", "shared": [{"role": "workflow:owner"}], "parentFolderId": null, "pinData": null,
    });
    let made = server.post("/workflows", with(base(), members)).await.ok();
    assert_eq!(made["staticData"], json!({"a": 1}));
}
