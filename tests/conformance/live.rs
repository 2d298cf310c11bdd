//! What is live, and when: drafts and active versions, delays, and what may be deleted.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::node;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Mode;
use super::server::Server;
use super::server::keys;

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "publishing shows the version at once and the webhook a little later",
            becomes_live
        ),
        check!("a PUT publishes what it saves, unless told not to", draft_and_live),
        check!("an older version can be made live again; the draft stays", rollback),
        check!(
            "publishing what is live is 200 and one more pair of lines in the history",
            no_op
        ),
        check!("a PUT publishes a person's pending draft", pending_draft),
        check!(
            "settings of a live workflow take effect without publishIfActive",
            settings_at_once
        ),
        check!("unpublishing is idempotent and takes the webhook down", goes_dead),
        check!("deleting what is published", delete_published),
        check!(
            "a deleted workflow takes its webhook with it and frees the path",
            delete_frees
        ),
    ]
}

async fn becomes_live(server: &Server) {
    let id = server
        .create(workflow("conf-live", json!([webhook("In", "POST", "conf/live")])))
        .await;
    assert!(!server.is_live("POST", "conf/live").await);
    let draft = server.workflow(&id).await;
    let published = server.publish(&id).await.ok();
    let at_once = server.is_live("POST", "conf/live").await;
    assert!(at_once || server.mode == Mode::Async);
    assert!(published.get("shared").is_none() && published.get("tags").is_none());
    assert_eq!(published["active"], true);
    assert_eq!(published["activeVersionId"], draft["versionId"]);
    assert_eq!(published["updatedAt"], draft["updatedAt"]);
    let active = &published["activeVersion"];
    assert_eq!(active["nodes"], draft["nodes"]);
    assert_eq!(
        keys(active),
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
            "workflowPublishHistory",
        ]
    );
    let line = &active["workflowPublishHistory"][0];
    assert_eq!(
        keys(line),
        ["createdAt", "event", "id", "userId", "versionId", "workflowId"]
    );
    assert_eq!(line["event"], "activated");
    server.wait_live("POST", "conf/live", true).await;
    assert_eq!(
        server.hook("POST", "conf/live").await.ok(),
        json!({"message": "Workflow was started"})
    );
    assert_eq!(server.workflow(&id).await["triggerCount"], 1);
}

async fn draft_and_live(server: &Server) {
    let old = webhook("In", "POST", "conf/old");
    let id = server.create(workflow("conf-draft", json!([old]))).await;
    let path = format!("/workflows/{id}");
    server.publish_live(&id, "POST", "conf/old").await;
    let first = server.workflow(&id).await;
    let new = with(
        old.clone(),
        json!({"parameters": {"httpMethod": "POST", "path": "conf/new", "options": {}}}),
    );
    let body = workflow("conf-draft", json!([new]));
    let saved = server
        .put(&format!("{path}?publishIfActive=false"), body.clone())
        .await
        .ok();
    assert_eq!(saved["activeVersionId"], first["versionId"]);
    assert_ne!(saved["versionId"], first["versionId"]);
    assert_eq!(saved["nodes"], json!([new]));
    assert_eq!(saved["activeVersion"]["nodes"], json!([old]));
    server.settle().await;
    assert!(server.is_live("POST", "conf/old").await && !server.is_live("POST", "conf/new").await);
    // The pair of calls that keeps saving and publishing apart.
    let publish = format!("{path}/publish");
    let published = server
        .post(&publish, json!({"versionId": saved["versionId"]}))
        .await
        .ok();
    assert_eq!(published["activeVersion"]["nodes"], json!([new]));
    server.wait_live("POST", "conf/new", true).await;
    server.wait_live("POST", "conf/old", false).await;
    // And the default: both in one.
    let both = server.put(&path, workflow("conf-draft", json!([old]))).await.ok();
    assert_eq!(both["activeVersionId"], both["versionId"]);
    assert_eq!(both["activeVersion"]["nodes"], json!([old]));
    server.wait_live("POST", "conf/old", true).await;
    server.wait_live("POST", "conf/new", false).await;
}

async fn rollback(server: &Server) {
    let old = webhook("In", "POST", "conf/roll-1");
    let id = server.create(workflow("conf-roll", json!([old]))).await;
    let first = server.workflow(&id).await["versionId"].clone();
    server.publish(&id).await.ok();
    let new = workflow("conf-roll", json!([webhook("In", "POST", "conf/roll-2")]));
    let second = server.put(&format!("/workflows/{id}"), new).await.ok();
    server.wait_live("POST", "conf/roll-2", true).await;
    server
        .post(&format!("/workflows/{id}/publish"), json!({"versionId": first}))
        .await
        .ok();
    server.wait_live("POST", "conf/roll-1", true).await;
    server.wait_live("POST", "conf/roll-2", false).await;
    let now = server.workflow(&id).await;
    assert_eq!(now["versionId"], second["versionId"]);
    assert_eq!(now["activeVersionId"], first);
    assert_eq!(now["nodes"], second["nodes"]);
}

fn lines(workflow: &Value) -> usize {
    workflow["activeVersion"]["workflowPublishHistory"]
        .as_array()
        .map_or(0, Vec::len)
}

async fn no_op(server: &Server) {
    let body = workflow("conf-no-op", json!([webhook("In", "POST", "conf/no-op")]));
    let id = server.create(body.clone()).await;
    server.publish(&id).await.ok();
    server.settle().await;
    assert_eq!(lines(&server.workflow(&id).await), 1);
    server.publish(&id).await.ok();
    assert_eq!(lines(&server.workflow(&id).await), 3);
    server.put(&format!("/workflows/{id}"), body).await.ok();
    assert_eq!(lines(&server.workflow(&id).await), 5);
    server.settle().await;
    assert!(server.is_live("POST", "conf/no-op").await);
}

async fn pending_draft(server: &Server) {
    let hook = webhook("In", "POST", "conf/pending");
    let body = workflow("conf-pending", json!([hook]));
    let id = server.create(body).await;
    let path = format!("/workflows/{id}");
    server.publish(&id).await.ok();
    let draft = workflow("conf-pending", json!([with(hook, json!({"position": [7, 7]}))]));
    let saved = server
        .put(&format!("{path}?publishIfActive=false"), draft.clone())
        .await
        .ok();
    assert_ne!(saved["activeVersionId"], saved["versionId"]);
    let published = server.put(&path, draft).await.ok();
    assert_eq!(published["versionId"], saved["versionId"]);
    assert_eq!(published["activeVersionId"], saved["versionId"]);
}

async fn settings_at_once(server: &Server) {
    let body = workflow("conf-at-once", json!([webhook("In", "POST", "conf/at-once")]));
    let id = server.create(body.clone()).await;
    server.publish(&id).await.ok();
    server.settle().await;
    let before = server.workflow(&id).await;
    let body = with(
        body,
        json!({"settings": {"timezone": "Europe/Madrid"}, "name": "conf-at-once 2"}),
    );
    server
        .put(&format!("/workflows/{id}?publishIfActive=false"), body)
        .await
        .ok();
    let after = server.workflow(&id).await;
    assert_eq!(after["activeVersionId"], before["activeVersionId"]);
    assert_eq!(after["settings"]["timezone"], "Europe/Madrid");
    assert_eq!(lines(&after), 3);
    server.settle().await;
    assert!(server.is_live("POST", "conf/at-once").await);
}

async fn goes_dead(server: &Server) {
    let id = server
        .create(workflow("conf-dead", json!([webhook("In", "POST", "conf/dead")])))
        .await;
    server.publish_live(&id, "POST", "conf/dead").await;
    let unpublished = server.unpublish(&id).await.ok();
    assert_eq!(
        (&unpublished["active"], &unpublished["activeVersionId"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(unpublished["activeVersion"], Value::Null);
    assert!(unpublished.get("shared").is_some());
    server.wait_live("POST", "conf/dead", false).await;
    assert_eq!(server.hook("POST", "conf/dead").await.status, 404);
    assert_eq!(server.unpublish(&id).await.ok()["active"], false);
}

async fn delete_published(server: &Server) {
    let id = server
        .create(workflow("conf-delete", json!([webhook("In", "POST", "conf/delete")])))
        .await;
    let path = format!("/workflows/{id}");
    server.publish_live(&id, "POST", "conf/delete").await;
    let reply = server.call("DELETE", &path, None).await;
    if server.mode == Mode::Sync {
        reply.ok();
        server.get(&path).await.refused(404, "Not Found");
        return;
    }
    reply.refused(409, "Cannot delete a published workflow. Unpublish it before deleting.");
    server.unpublish(&id).await.ok();
    let still = "Workflow is still being unpublished. Please try again in a few moments.";
    let mut reply = server.call("DELETE", &path, None).await;
    // A real one may be through before it is asked.
    if server.name == "sandbox" || reply.status != 200 {
        reply.refused(409, still);
        server.wait_live("POST", "conf/delete", false).await;
        server.settle().await;
        reply = server.call("DELETE", &path, None).await;
    }
    let deleted = reply.ok();
    assert_eq!(deleted["id"], json!(id));
    assert!(deleted.get("activeVersion").is_none() && deleted.get("tags").is_none());
    server.call("DELETE", &path, None).await.refused(404, "Not Found");
    server.get(&path).await.refused(404, "Not Found");
}

async fn delete_frees(server: &Server) {
    let start = node(
        "T",
        "n8n-nodes-base.executeWorkflowTrigger",
        json!(1.1),
        json!({"inputSource": "passthrough"}),
    );
    let nodes = json!([webhook("In", "POST", "conf/frees"), start]);
    let id = server.create(workflow("conf-frees", nodes)).await;
    server.publish_live(&id, "POST", "conf/frees").await;
    assert_eq!(
        server.workflow(&id).await["triggerCount"],
        1,
        "a called workflow is no trigger"
    );
    server.remove(&id).await;
    assert!(!server.is_live("POST", "conf/frees").await);
    let next = server
        .create(workflow("conf-frees", json!([webhook("In", "POST", "conf/frees")])))
        .await;
    server.publish_live(&next, "POST", "conf/frees").await;
}
