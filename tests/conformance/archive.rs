//! Archived workflows, and moving them between projects.

use serde_json::json;

use super::Check;
use super::bodies::webhook;
use super::bodies::workflow;
use super::check;
use super::server::Server;

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "archiving unpublishes; lists still show it; it can be neither changed nor published",
            archive
        ),
        check!("a workflow moves to no other project", transfer),
    ]
}

async fn archive(server: &Server) {
    let body = workflow("conf-archive", json!([webhook("In", "POST", "conf/archive")]));
    let id = server.create(body.clone()).await;
    let path = format!("/workflows/{id}");
    let post = |verb: &'static str| {
        let path = format!("{path}/{verb}");
        async move { server.call("POST", &path, None).await }
    };
    server.publish_live(&id, "POST", "conf/archive").await;
    let before = server.workflow(&id).await;
    let archived = post("archive").await.ok();
    assert_eq!(
        (&archived["isArchived"], &archived["active"]),
        (&json!(true), &json!(false))
    );
    assert_ne!(archived["versionId"], before["versionId"]);
    server.wait_live("POST", "conf/archive", false).await;
    let again = post("archive").await.ok();
    assert_eq!(again["versionId"], archived["versionId"]);
    let list = server.get("/workflows?name=conf-archive").await.ok();
    assert_eq!(list["data"][0]["isArchived"], true);
    server
        .put(&path, body)
        .await
        .refused(400, "Cannot update an archived workflow.");
    server
        .publish(&id)
        .await
        .refused(400, "Cannot activate an archived workflow.");
    server.unpublish(&id).await.ok();
    let back = post("unarchive").await.ok();
    assert_eq!((&back["isArchived"], &back["active"]), (&json!(false), &json!(false)));
    post("unarchive").await.refused(400, "Workflow is not archived.");
    server.publish_live(&id, "POST", "conf/archive").await;
    // An archived workflow can be deleted as it is.
    post("archive").await.ok();
    server.remove(&id).await;
    server.get(&path).await.refused(404, "Not Found");
}

async fn transfer(server: &Server) {
    let id = server.create(workflow("conf-transfer", json!([]))).await;
    let path = format!("/workflows/{id}/transfer");
    let message = "Could not find project with the id \"nope\". Make sure you have the permission to create workflows \
                   in it.";
    server
        .put(&path, json!({"destinationProjectId": "nope"}))
        .await
        .refused(404, message);
    let own = server.workflow(&id).await["shared"][0]["projectId"].clone();
    let reply = server.put(&path, json!({"destinationProjectId": own})).await;
    let message = "You can't transfer a workflow into the same destination it already belongs to.";
    reply.refused(400, message);
}
