//! Tags, and the tags of a workflow.

use serde_json::json;

use super::Check;
use super::bodies::no_op;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::keys;
use super::server::text;

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "a tag is made with 201; every refusal of a name is 409 in the same words",
            names
        ),
        check!("tags are renamed and deleted", life),
        check!(
            "a workflow's tags are set by id, all at once, and leave no trace on it",
            of_workflow
        ),
    ]
}

async fn names(server: &Server) {
    let made = server.post("/tags", json!({"name": "  conf-tag "})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(keys(&made.json), ["createdAt", "id", "name", "updatedAt"]);
    assert_eq!(made.json["name"], "conf-tag");
    for name in ["conf-tag", "", &"conf-".repeat(5)] {
        let reply = server.post("/tags", json!({"name": name})).await;
        reply.refused(409, "Tag already exists");
    }
    assert_eq!(server.post("/tags", json!({"name": "conf-Tag"})).await.status, 201);
    server
        .post("/tags", json!({}))
        .await
        .refused(400, "request/body must have required property 'name'");
    server
        .post("/tags", json!({"name": "q", "id": "x"}))
        .await
        .refused(400, "request/body/id is read-only");
    let wrong = server.post("/tags", json!({"name": 5})).await;
    wrong.refused(400, "request/body/name Expected string, received number");
}

async fn life(server: &Server) {
    let made = server.post("/tags", json!({"name": "conf-life"})).await;
    let path = format!("/tags/{}", text(&made.json, "id"));
    assert_eq!(server.get(&path).await.ok(), made.json);
    let renamed = server.put(&path, json!({"name": "conf-later"})).await.ok();
    assert_eq!(keys(&renamed), ["id", "name", "updatedAt"]);
    let list = server.get("/tags?limit=250").await.ok();
    assert!(list["data"].to_string().contains("conf-later"));
    assert_eq!(server.call("DELETE", &path, None).await.ok()["name"], "conf-later");
    for method in ["GET", "DELETE"] {
        server.call(method, &path, None).await.refused(404, "Not Found");
    }
}

async fn of_workflow(server: &Server) {
    let id = server.create(workflow("conf-tagged", json!([no_op("A")]))).await;
    let path = format!("/workflows/{id}/tags");
    let before = server.workflow(&id).await;
    let tag = server.post("/tags", json!({"name": "conf-of-workflow"})).await.json;
    let set = server.put(&path, json!([{"id": tag["id"]}])).await.ok();
    assert_eq!(set, json!([tag]));
    assert_eq!(server.get(&path).await.ok(), set);
    let after = server.workflow(&id).await;
    assert_eq!(after["tags"], set);
    for key in ["updatedAt", "versionId", "versionCounter"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    server
        .put(&path, json!([{"id": "nope"}]))
        .await
        .refused(404, "Some tags not found");
    let named = server.put(&path, json!([{"id": tag["id"], "name": "x"}])).await;
    named.refused(400, "request/body/0 Unrecognized key(s) in object: 'name'");
    server
        .put(&path, json!({}))
        .await
        .refused(400, "request/body Expected array, received object");
    assert_eq!(server.workflow(&id).await["tags"], set);
    let tag_path = format!("/tags/{}", text(&tag, "id"));
    server.call("DELETE", &tag_path, None).await.ok();
    assert_eq!(server.workflow(&id).await["tags"], json!([]));
}
