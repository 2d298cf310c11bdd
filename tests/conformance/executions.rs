//! Executions: what a call leaves behind.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::keys;
use super::server::text;

pub fn checks() -> Vec<Check> {
    vec![
        check!("each call of a live webhook is an execution, newest first", recorded),
        check!("saveDataSuccessExecution=none keeps none", not_kept),
        check!("bad questions about executions", refused),
    ]
}

/// The executions of a workflow, once there are so many.
async fn wait_for(server: &Server, id: &str, many: usize) -> Vec<Value> {
    for _ in 0..100 {
        let list = server
            .get(&format!("/executions?workflowId={id}&status=success"))
            .await
            .ok();
        let data = list["data"].as_array().cloned().unwrap_or_default();
        if data.len() >= many {
            return data;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("not {many} executions in 5 s");
}

async fn recorded(server: &Server) {
    let id = server
        .create(workflow("conf-runs", json!([webhook("In", "POST", "conf/runs")])))
        .await;
    server.publish_live(&id, "POST", "conf/runs").await;
    for _ in 0..3 {
        server.hook("POST", "conf/runs").await.ok();
    }
    let runs = wait_for(server, &id, 3).await;
    assert_eq!(
        keys(&runs[0]),
        [
            "finished",
            "id",
            "mode",
            "retryOf",
            "retrySuccessId",
            "startedAt",
            "status",
            "stoppedAt",
            "waitTill",
            "workflowId",
        ]
    );
    let number = |run: &Value| text(run, "id").parse::<u64>().expect("a number");
    assert!(number(&runs[0]) > number(&runs[1]) && number(&runs[1]) > number(&runs[2]));
    assert_eq!(
        (text(&runs[0], "status"), text(&runs[0], "mode")),
        ("success", "webhook")
    );
    assert_eq!(runs[0]["workflowId"], json!(id));
    let first = server.get(&format!("/executions?workflowId={id}&limit=2")).await.ok();
    assert_eq!(first["data"].as_array().map(Vec::len), Some(2));
    let cursor = text(&first, "nextCursor");
    let decoded: Value = serde_json::from_slice(&STANDARD.decode(cursor).expect("base64")).expect("JSON");
    assert_eq!(decoded, json!({"lastId": runs[1]["id"], "limit": 2}));
    let cursor = cursor.replace('=', "%3D");
    let second = server
        .get(&format!("/executions?workflowId={id}&cursor={cursor}"))
        .await
        .ok();
    assert_eq!(second["data"], json!([runs[2]]));
    assert_eq!(second["nextCursor"], Value::Null);
    let path = format!("/executions/{}", text(&runs[0], "id"));
    let alone = server.get(&path).await.ok();
    assert_eq!(alone["workflowVersionId"], server.workflow(&id).await["versionId"]);
    server.call("DELETE", &path, None).await.ok();
    server.get(&path).await.refused(404, "Not Found");
    // A deleted workflow takes the others along.
    server.remove(&id).await;
    let rest = format!("/executions/{}", text(&runs[1], "id"));
    server.get(&rest).await.refused(404, "Not Found");
}

async fn not_kept(server: &Server) {
    let body = workflow("conf-quiet", json!([webhook("In", "POST", "conf/quiet")]));
    let id = server
        .create(with(body, json!({"settings": {"saveDataSuccessExecution": "none"}})))
        .await;
    server.publish_live(&id, "POST", "conf/quiet").await;
    server.hook("POST", "conf/quiet").await.ok();
    server.settle().await;
    let list = server
        .get(&format!("/executions?workflowId={id}&status=success"))
        .await
        .ok();
    assert_eq!(list["data"], json!([]));
}

async fn refused(server: &Server) {
    server.get("/executions/999999999").await.refused(404, "Not Found");
    server
        .get("/executions/abc")
        .await
        .refused(400, "request/params/executionId must be a positive integer");
    let message = "request/query/status Invalid enum value. Expected 'canceled' | 'crashed' | 'error' | 'new' | \
                   'running' | 'success' | 'unknown' | 'waiting', received 'bogus'";
    server.get("/executions?status=bogus").await.refused(400, message);
    let none = server.get("/executions?workflowId=nobody").await.ok();
    assert_eq!(none, json!({"data": [], "nextCursor": null}));
}
