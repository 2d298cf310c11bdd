//! What a PUT changes, keeps, and counts.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::no_op;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::text;

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "a PUT without ids makes new ones and a new version, every time",
            ids_each_time
        ),
        check!(
            "the version changes with nodes and connections, the counter with nodes and settings",
            versions
        ),
        check!("settings are merged; three keys have a reset value", settings_merge),
        check!("omitted members are kept", omitted_members),
        check!("a PUT refuses what a POST refuses, and a project", refused),
        check!("an unknown workflow is 404 in several wordings", unknown),
        check!("an empty name passes a PUT", empty_name),
    ]
}

async fn ids_each_time(server: &Server) {
    let bare = json!([{"name": "Hook", "type": "n8n-nodes-base.webhook", "position": [0, 0]}]);
    let body = workflow("conf-ids", bare);
    let id = server.create(body.clone()).await;
    let path = format!("/workflows/{id}");
    let before = server.workflow(&id).await;
    let after = server.put(&path, body).await.ok();
    for key in ["id", "webhookId"] {
        assert_ne!(before["nodes"][0][key], after["nodes"][0][key]);
    }
    assert_ne!(before["versionId"], after["versionId"]);
    // Sent back with its ids, no version changes. (The counter may, once: n8n compares the nodes as text, and so
    // counts a new order of keys. The sandbox does not know one.)
    let body = workflow("conf-ids", after["nodes"].clone());
    let again = server.put(&path, body.clone()).await.ok();
    assert_eq!(again["nodes"], after["nodes"]);
    assert_eq!(again["versionId"], after["versionId"]);
    let third = server.put(&path, body).await.ok();
    assert_eq!(third["versionId"], again["versionId"]);
    assert_eq!(third["versionCounter"], again["versionCounter"]);
    assert_ne!(third["updatedAt"], again["updatedAt"]);
}

async fn versions(server: &Server) {
    let hook = webhook("Hook", "POST", "conf/versions");
    let base = || workflow("conf-versions", json!([hook, no_op("A")]));
    let id = server.create(base()).await;
    let path = format!("/workflows/{id}");
    let mut last = server.workflow(&id).await;
    let moved = with(hook.clone(), json!({"position": [1, 1]}));
    let float = with(no_op("A"), json!({"typeVersion": 1.0}));
    let link = json!({"Hook": {"main": [[{"node": "A", "type": "main", "index": 0}]]}});
    for (what, body, version, counter) in [
        ("nothing", base(), false, 0),
        ("1 as 1.0", with(base(), json!({"nodes": [hook, float]})), false, 0),
        ("the name", with(base(), json!({"name": "conf-versions 2"})), false, 0),
        ("the description", with(base(), json!({"description": "d"})), false, 0),
        (
            "the settings",
            with(base(), json!({"settings": {"timezone": "Europe/Madrid"}})),
            false,
            1,
        ),
        (
            "the order of nodes",
            with(base(), json!({"nodes": [no_op("A"), hook]})),
            true,
            1,
        ),
        (
            "a position",
            with(base(), json!({"nodes": [moved, no_op("A")]})),
            true,
            1,
        ),
        ("one node less", with(base(), json!({"nodes": [moved]})), true, 1),
        ("back", base(), true, 1),
        ("a connection", with(base(), json!({"connections": link})), true, 0),
    ] {
        let now = server.put(&path, body).await.ok();
        assert_eq!(now["versionId"] != last["versionId"], version, "{what}");
        let counted = now["versionCounter"].as_u64().unwrap_or(0) - last["versionCounter"].as_u64().unwrap_or(0);
        assert_eq!(counted, counter, "{what}");
        last = now;
    }
    let history = server.get(&format!("{path}/history")).await.ok();
    let saved: Vec<&str> = history["data"]
        .as_array()
        .expect("data")
        .iter()
        .map(|version| text(version, "versionId"))
        .collect();
    assert_eq!(saved.len(), 6, "{history}");
    assert_eq!(saved[0], text(&last, "versionId"), "newest first");
    let oldest = server.get(&format!("{path}/versions/{}", saved[5])).await.ok();
    assert_eq!(oldest["nodes"], json!([hook, no_op("A")]));
    server
        .get(&format!("{path}/versions/nope"))
        .await
        .refused(404, "Version not found");
}

async fn settings_merge(server: &Server) {
    let base = |settings: Value| {
        with(
            workflow("conf-merge", json!([no_op("A")])),
            json!({"settings": settings}),
        )
    };
    let mark = json!([{"key": "upa.owner", "value": "one"}, {"key": "b", "value": "2"}]);
    let id = server
        .create(base(json!({
            "timezone": "Europe/Madrid", "errorWorkflow": "abc", "executionTimeout": 60, "executionOrder": "v1",
            "customTelemetryTags": mark,
        })))
        .await;
    let path = format!("/workflows/{id}");
    let other = json!([{"key": "upa.owner", "value": "two"}]);
    for (sent, stored) in [
        (
            json!({}),
            json!({
                "timezone": "Europe/Madrid", "errorWorkflow": "abc", "executionTimeout": 60, "executionOrder": "v1",
                "customTelemetryTags": mark,
            }),
        ),
        (
            json!({"timezone": "DEFAULT", "errorWorkflow": "DEFAULT", "executionTimeout": -1}),
            json!({"executionOrder": "v1", "customTelemetryTags": mark}),
        ),
        // A list is replaced as a whole.
        (
            json!({"customTelemetryTags": other}),
            json!({"executionOrder": "v1", "customTelemetryTags": other}),
        ),
        (
            json!({"customTelemetryTags": []}),
            json!({"executionOrder": "v1", "customTelemetryTags": []}),
        ),
    ] {
        assert_eq!(
            server.put(&path, base(sent.clone())).await.ok()["settings"],
            stored,
            "{sent}"
        );
    }
    for key in ["saveDataErrorExecution", "saveManualExecutions", "callerPolicy"] {
        for value in [json!("DEFAULT"), Value::Null] {
            let reply = server.put(&path, base(json!({key: value}))).await;
            assert_eq!(reply.status, 400, "{key}: {value}: {}", reply.text);
        }
    }
}

async fn omitted_members(server: &Server) {
    let base = || workflow("conf-omitted", json!([no_op("A")]));
    let id = server.create(base()).await;
    let path = format!("/workflows/{id}");
    let group = json!([{"id": "g", "name": "Group", "nodeIds": ["id-A"]}]);
    let members = json!({
        "description": "d", "staticData": {"a": 1}, "pinData": {"A": [{"json": {}}]}, "nodeGroups": group,
    });
    let set = server.put(&path, with(base(), members.clone())).await.ok();
    let kept = server.put(&path, base()).await.ok();
    for key in ["description", "staticData", "pinData", "nodeGroups"] {
        assert_eq!(set[key], members[key], "{key}");
        assert_eq!(kept[key], members[key], "{key}");
    }
    assert_eq!(kept["versionId"], set["versionId"]);
    let reset = json!({"description": "", "staticData": null, "pinData": null, "nodeGroups": []});
    let emptied = server.put(&path, with(base(), reset.clone())).await.ok();
    for key in ["description", "staticData", "pinData", "nodeGroups"] {
        assert_eq!(emptied[key], reset[key], "{key}");
    }
}

async fn refused(server: &Server) {
    let base = || workflow("conf-put-refused", json!([no_op("A")]));
    let id = server.create(base()).await;
    let path = format!("/workflows/{id}");
    for (members, message) in [
        (
            json!({"projectId": "x"}),
            "request/body Unrecognized key(s) in object: 'projectId'",
        ),
        (
            json!({"description": null}),
            "request/body/description Expected string, received null",
        ),
        (json!({"id": id}), "request/body/id is read-only"),
        (
            json!({"settings": {"x": 1}}),
            "request/body/settings Unrecognized key(s) in object: 'x'",
        ),
        (
            json!({"name": "n".repeat(129)}),
            "Workflow name must be 1 to 128 characters long.",
        ),
        (
            json!({"nodes": [no_op("A"), with(no_op("A"), json!({"id": "b"}))]}),
            "Workflow structure is invalid. nodes[1].name (duplicate_node_name): Duplicate node name \"A\"",
        ),
    ] {
        server.put(&path, with(base(), members)).await.refused(400, message);
    }
    let folder = with(base(), json!({"parentFolderId": "nope"}));
    server
        .put(&path, folder)
        .await
        .refused(404, "Could not find the folder: nope");
    // Nothing of all that was stored.
    assert_eq!(server.workflow(&id).await["versionCounter"], 1);
}

async fn unknown(server: &Server) {
    let body = workflow("conf-nobody", json!([no_op("A")]));
    let may_not =
        |verb: &str| format!("You do not have permission to {verb} this workflow. Ask the owner to share it with you.");
    server
        .put("/workflows/nobody", body)
        .await
        .refused(404, &may_not("update"));
    server.publish("nobody").await.refused(404, &may_not("activate"));
    server.unpublish("nobody").await.refused(404, &may_not("deactivate"));
    for (method, path, message) in [
        ("GET", "/workflows/nobody", "Not Found"),
        ("DELETE", "/workflows/nobody", "Not Found"),
        ("GET", "/workflows/nobody/tags", "Not Found"),
        ("GET", "/workflows/nobody/history", "Not Found"),
        ("GET", "/workflows/nobody/versions/x", "Workflow not found"),
        ("POST", "/workflows/nobody/archive", "Workflow not found"),
        ("POST", "/workflows/nobody/unarchive", "Workflow not found"),
    ] {
        server.call(method, path, None).await.refused(404, message);
    }
}

async fn empty_name(server: &Server) {
    let body = workflow("conf-empty-name", json!([no_op("A")]));
    let id = server.create(body.clone()).await;
    let named = server
        .put(&format!("/workflows/{id}"), with(body, json!({"name": ""})))
        .await
        .ok();
    assert_eq!(named["name"], "");
    // Without its name it would not be swept.
    server.remove(&id).await;
}
