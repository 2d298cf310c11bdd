//! What POST /workflows refuses, and in which words.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::connection;
use super::bodies::no_op;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Server;

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "missing and mistyped members are refused, in the schema's order",
            refused_members
        ),
        check!("unknown members are refused everywhere", unknown_members),
        check!(
            "what n8n owns is read-only, so a GET cannot be sent back",
            read_only_members
        ),
        check!(
            "a workflow without sound structure is refused, all findings at once",
            structure
        ),
    ]
}

pub async fn refuse(server: &Server, body: Value, message: &str) {
    let reply = server.post("/workflows", body.clone()).await;
    assert_eq!(
        (reply.status, reply.message()),
        (400, message),
        "{body}: {}",
        reply.text
    );
}

async fn refused_members(server: &Server) {
    let base = || workflow("conf-refused", json!([no_op("A")]));
    for (body, message) in [
        (json!({}), "request/body must have required property 'name'"),
        (json!({"name": "x"}), "request/body must have required property 'nodes'"),
        (
            json!({"name": "x", "nodes": []}),
            "request/body/connections must be object",
        ),
        (
            json!({"name": "x", "nodes": [], "connections": {}}),
            "request/body must have required property 'settings'",
        ),
        (json!([1]), "request/body Expected object, received array"),
        (
            with(base(), json!({"name": 5})),
            "request/body/name Expected string, received number",
        ),
        (
            with(base(), json!({"nodes": {}})),
            "request/body/nodes Expected array, received object",
        ),
        (
            with(base(), json!({"nodes": [1]})),
            "request/body/nodes/0 Expected object, received number",
        ),
        (
            with(base(), json!({"connections": []})),
            "request/body/connections must be object",
        ),
        (
            with(base(), json!({"settings": null})),
            "request/body/settings Expected object, received null",
        ),
        (
            with(base(), json!({"staticData": "x"})),
            "request/body/staticData must be a JSON string",
        ),
        (
            with(base(), json!({"settings": {"saveDataErrorExecution": "DEFAULT"}})),
            "request/body/settings/saveDataErrorExecution Invalid enum value. Expected 'all' | 'none', received \
             'DEFAULT'",
        ),
        (
            with(base(), json!({"settings": {"executionTimeout": "a"}})),
            "request/body/settings/executionTimeout Expected number, received string",
        ),
        (
            with(base(), json!({"settings": {"customTelemetryTags": [{"key": "a"}]}})),
            "request/body/settings/customTelemetryTags/0 must have required property 'value'",
        ),
        (
            with(
                base(),
                json!({"settings": {"customTelemetryTags": [{"key": 1, "value": "v"}]}}),
            ),
            "request/body/settings/customTelemetryTags/0/key Expected string, received number",
        ),
    ] {
        refuse(server, body, message).await;
    }
}

async fn unknown_members(server: &Server) {
    let base = || workflow("conf-unknown", json!([no_op("A")]));
    let odd_node = with(no_op("A"), json!({"foo": 1}));
    for (members, message) in [
        (json!({"foo": 1}), "request/body Unrecognized key(s) in object: 'foo'"),
        (
            json!({"description": "d"}),
            "request/body Unrecognized key(s) in object: 'description'",
        ),
        (
            json!({"nodes": [odd_node], "zoo": 1}),
            "request/body/nodes/0 Unrecognized key(s) in object: 'foo'",
        ),
        (
            json!({"settings": {"foo": 1}}),
            "request/body/settings Unrecognized key(s) in object: 'foo'",
        ),
        (
            json!({"settings": {"customTelemetryTags": [{"key": "a", "value": "b", "c": 1}]}}),
            "request/body/settings/customTelemetryTags/0 Unrecognized key(s) in object: 'c'",
        ),
    ] {
        refuse(server, with(base(), members), message).await;
    }
}

async fn read_only_members(server: &Server) {
    for key in [
        "id",
        "active",
        "createdAt",
        "updatedAt",
        "isArchived",
        "versionId",
        "triggerCount",
        "meta",
        "tags",
        "activeVersion",
    ] {
        let body = with(workflow("conf-read-only", json!([])), json!({key: null}));
        refuse(server, body, &format!("request/body/{key} is read-only")).await;
    }
    // Not read-only but unknown: what else a GET shows.
    for key in ["activeVersionId", "versionCounter", "sourceWorkflowId", "parentFolder"] {
        let body = with(workflow("conf-read-only", json!([])), json!({key: null}));
        refuse(
            server,
            body,
            &format!("request/body Unrecognized key(s) in object: '{key}'"),
        )
        .await;
    }
    let id = server.create(workflow("conf-read-only", json!([]))).await;
    let read = server.workflow(&id).await;
    refuse(server, read, "request/body/id is read-only").await;
}

async fn structure(server: &Server) {
    let a = || no_op("A");
    let without = |key: &str| {
        let mut node = a();
        node.as_object_mut().expect("an object").remove(key);
        json!([node])
    };
    let twin = with(no_op("B"), json!({"id": "id-A"}));
    for (nodes, connections, message) in [
        (without("name"), json!({}), "nodes[0].name (invalid_type): Required"),
        (without("type"), json!({}), "nodes[0].type (invalid_type): Required"),
        (
            without("position"),
            json!({}),
            "nodes[0].position (invalid_type): Required",
        ),
        (
            json!([with(a(), json!({"position": [0]}))]),
            json!({}),
            "nodes[0].position (too_small): Array must contain at least 2 element(s)",
        ),
        (
            json!([with(a(), json!({"position": [0, 0, 0]}))]),
            json!({}),
            "nodes[0].position (too_big): Array must contain at most 2 element(s)",
        ),
        (
            json!([a(), with(a(), json!({"id": "other"}))]),
            json!({}),
            "nodes[1].name (duplicate_node_name): Duplicate node name \"A\"",
        ),
        (
            json!([a(), twin]),
            json!({}),
            "nodes[1].id (duplicate_node_id): Nodes \"A\" and \"B\" share the node ID \"id-A\"",
        ),
        (
            json!([a()]),
            connection("Q", "Z"),
            "connections.Q (unknown_connection_source): Connection source \"Q\" does not reference an existing node; \
             connections.Q.main[0][0].node (unknown_connection_target): Connection target \"Z\" does not reference an \
             existing node",
        ),
        (
            json!([a()]),
            json!({"A": {"main": [[{"node": "A"}]]}}),
            "connections.A.main[0][0].type (invalid_type): Required; connections.A.main[0][0].index (invalid_type): \
             Required",
        ),
        (
            json!([a()]),
            json!({"A": {"main": [[{"node": "A", "type": "main", "index": -1}]]}}),
            "connections.A.main[0][0].index (too_small): Number must be greater than or equal to 0",
        ),
        (
            json!([a()]),
            json!({"A": []}),
            "connections.A (invalid_type): Expected object, received array",
        ),
    ] {
        let body = with(workflow("conf-structure", nodes), json!({"connections": connections}));
        refuse(server, body, &format!("Workflow structure is invalid. {message}")).await;
    }
}
