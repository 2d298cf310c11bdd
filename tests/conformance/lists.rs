//! GET /workflows: shape, filters, pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::no_op;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::keys;
use super::server::text;

pub fn checks() -> Vec<Check> {
    vec![
        check!("a list shows whole workflows, but for a few members", shape),
        check!(
            "name filters by substring, without case, with SQL's wildcards",
            name_filter
        ),
        check!(
            "active, tags and projectId filter; unknown parameters do not",
            other_filters
        ),
        check!("excludePinnedData leaves test data out", pinned),
        check!("pages are offsets into the order of ids", pages),
        check!("limit is clamped to 250, and 0 is everything for ever", limits),
        check!("bad parameters are refused in zod's words", bad_parameters),
    ]
}

async fn names(server: &Server, query: &str) -> Vec<String> {
    let list = server.get(&format!("/workflows?{query}")).await.ok();
    let items = list["data"].as_array().expect("data").iter();
    let mut names: Vec<String> = items.map(|item| text(item, "name").to_owned()).collect();
    names.retain(|name| name.starts_with("conf-"));
    names.sort();
    names
}

async fn shape(server: &Server) {
    let id = server
        .create(workflow("conf-shape", json!([webhook("In", "POST", "conf/shape")])))
        .await;
    let members = [
        "active",
        "activeVersion",
        "activeVersionId",
        "connections",
        "createdAt",
        "id",
        "isArchived",
        "meta",
        "name",
        "nodeGroups",
        "nodes",
        "pinData",
        "settings",
        "shared",
        "staticData",
        "tags",
        "triggerCount",
        "updatedAt",
        "versionId",
    ];
    let list = server.get("/workflows?name=conf-shape").await.ok();
    assert_eq!(keys(&list), ["data", "nextCursor"]);
    assert_eq!(keys(&list["data"][0]), members);
    server.publish_live(&id, "POST", "conf/shape").await;
    let list = server.get("/workflows?name=conf-shape").await.ok();
    let listed = &list["data"][0];
    let read = server.workflow(&id).await;
    assert_eq!(keys(listed), members);
    for key in members.iter().filter(|key| !["shared", "activeVersion"].contains(key)) {
        assert_eq!(listed[key], read[key], "{key}");
    }
    assert_eq!(
        keys(&listed["activeVersion"]),
        [
            "authors",
            "autosaved",
            "connections",
            "createdAt",
            "description",
            "name",
            "nodeGroups",
            "nodes",
            "updatedAt",
            "versionId",
            "workflowId",
        ]
    );
    assert_eq!(listed["activeVersion"]["nodes"], read["nodes"]);
    assert_eq!(
        keys(&listed["shared"][0]),
        ["createdAt", "projectId", "role", "updatedAt", "workflowId"]
    );
}

async fn name_filter(server: &Server) {
    for name in ["conf-Filter one", "conf-filter two", "conf-other"] {
        server.create(workflow(name, json!([]))).await;
    }
    assert_eq!(
        names(server, "name=FILTER").await,
        ["conf-Filter one", "conf-filter two"]
    );
    assert_eq!(names(server, "name=filter_one").await, ["conf-Filter one"]);
    assert_eq!(names(server, "name=conf-%25r").await.len(), 3);
    assert_eq!(names(server, "name=filter%20three").await.len(), 0);
}

async fn other_filters(server: &Server) {
    let on = server
        .create(workflow("conf-on", json!([webhook("In", "POST", "conf/on")])))
        .await;
    let off = server.create(workflow("conf-off", json!([]))).await;
    server.publish(&on).await.ok();
    assert_eq!(names(server, "active=true").await, ["conf-on"]);
    assert_eq!(names(server, "active=false").await, ["conf-off"]);
    let mut tags = Vec::new();
    for name in ["conf-red", "conf-blue"] {
        let reply = server.post("/tags", json!({"name": name})).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        tags.push(json!({"id": text(&reply.json, "id")}));
    }
    server.put(&format!("/workflows/{on}/tags"), json!(tags)).await.ok();
    server
        .put(&format!("/workflows/{off}/tags"), json!([tags[0]]))
        .await
        .ok();
    assert_eq!(names(server, "tags=conf-red").await.len(), 2);
    assert_eq!(names(server, "tags=conf-red,conf-blue").await, ["conf-on"]);
    assert_eq!(names(server, "tags=CONF-red").await.len(), 0);
    assert_eq!(names(server, "tags=conf").await.len(), 0);
    assert_eq!(names(server, "projectId=nope").await.len(), 0);
    assert_eq!(names(server, "nonsense=1").await.len(), 2);
}

async fn pinned(server: &Server) {
    let body = with(
        workflow("conf-pinned", json!([no_op("A")])),
        json!({"pinData": {"A": [{"json": {"a": 1}}]}}),
    );
    let id = server.create(body).await;
    let with_data = server.get("/workflows?name=conf-pinned").await.ok();
    assert_eq!(with_data["data"][0]["pinData"], json!({"A": [{"json": {"a": 1}}]}));
    let without = server
        .get("/workflows?name=conf-pinned&excludePinnedData=true")
        .await
        .ok();
    assert_eq!(without["data"][0].get("pinData"), None);
    let alone = server
        .get(&format!("/workflows/{id}?excludePinnedData=true"))
        .await
        .ok();
    assert_eq!(alone.get("pinData"), None);
}

fn decode(cursor: &Value) -> Value {
    let bytes = STANDARD.decode(cursor.as_str().expect("a cursor")).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn pages(server: &Server) {
    let mut made = Vec::new();
    for at in 0..5 {
        made.push(server.create(workflow(&format!("conf-page-{at}"), json!([]))).await);
    }
    made.sort();
    let first = server.get("/workflows?name=conf-page&limit=2").await.ok();
    let ids = |list: &Value| -> Vec<String> {
        list["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| text(item, "id").to_owned())
            .collect()
    };
    assert_eq!(ids(&first), made[..2]);
    assert_eq!(decode(&first["nextCursor"]), json!({"limit": 2, "offset": 2}));
    // A page is a window, not a snapshot: a deletion before it makes it skip one.
    server.remove(&made[0]).await;
    let cursor = STANDARD.encode(json!({"limit": 2, "offset": 2}).to_string());
    let cursor = cursor.replace('=', "%3D");
    let second = server
        .get(&format!("/workflows?name=conf-page&cursor={cursor}"))
        .await
        .ok();
    assert_eq!(ids(&second), made[3..5]);
    assert_eq!(second["nextCursor"], Value::Null);
    let offset = server.get("/workflows?name=conf-page&offset=3&limit=2").await.ok();
    assert_eq!(ids(&offset), made[4..]);
}

async fn limits(server: &Server) {
    let many = 252;
    futures::stream::iter(0..many)
        .for_each_concurrent(4, |at| async move {
            server.create(workflow(&format!("conf-many-{at}"), json!([]))).await;
        })
        .await;
    let clamped = server.get("/workflows?name=conf-many&limit=1000").await.ok();
    assert_eq!(clamped["data"].as_array().map(Vec::len), Some(250));
    assert_eq!(decode(&clamped["nextCursor"]), json!({"limit": 250, "offset": 250}));
    let usual = server.get("/workflows?name=conf-many").await.ok();
    assert_eq!(usual["data"].as_array().map(Vec::len), Some(100));
    let all = server.get("/workflows?name=conf-many&limit=0").await.ok();
    assert_eq!(all["data"].as_array().map(Vec::len), Some(many));
    assert_eq!(decode(&all["nextCursor"]), json!({"limit": 0, "offset": 0}));
    // Faster than the sweep, which goes one by one.
    let items = all["data"].as_array().expect("data");
    futures::stream::iter(items)
        .for_each_concurrent(4, |item| async move { server.remove(text(item, "id")).await })
        .await;
}

async fn bad_parameters(server: &Server) {
    for (query, message) in [
        ("limit=abc", "request/query/limit Param `limit` must be a valid integer"),
        (
            "limit=-1",
            "request/query/limit Param `limit` must be a non-negative integer",
        ),
        (
            "offset=x",
            "request/query/offset Param `offset` must be a valid integer",
        ),
        (
            "offset=-1",
            "request/query/offset Param `offset` must be a non-negative integer",
        ),
        ("cursor=zzz", "An invalid cursor was provided"),
        (
            "active=yes",
            "request/query/active Invalid enum value. Expected 'true' | 'false', received 'yes'",
        ),
        (
            "excludePinnedData=1",
            "request/query/excludePinnedData Invalid enum value. Expected 'true' | 'false', received '1'",
        ),
    ] {
        server.get(&format!("/workflows?{query}")).await.refused(400, message);
    }
}
