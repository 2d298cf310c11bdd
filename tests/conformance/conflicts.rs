//! Two workflows, one path.

use serde_json::json;

use super::Check;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Mode;
use super::server::Server;

const CONFLICT: &str = "There is a conflict with one of the webhooks.";

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "a path another workflow answers is 409; spelling it with slashes does not help",
            taken
        ),
        check!("the same path with another method is free", other_method),
        check!("one workflow cannot answer a path twice", twice_in_one),
        check!(
            "two published together: one is live, the other dead though active",
            race
        ),
        check!(
            "a path with :param belongs to one workflow, whatever the webhookId",
            param_clash
        ),
    ]
}

async fn published(server: &Server, name: &str, method: &str, path: &str) -> String {
    let id = server
        .create(workflow(name, json!([webhook("In", method, path)])))
        .await;
    server.publish_live(&id, method, path.trim_matches('/')).await;
    id
}

async fn taken(server: &Server) {
    let first = published(server, "conf-first", "POST", "/conf/q/x/").await;
    for path in ["conf/q/x", "/conf/q/x", "conf/q/x/", " conf/q/x "] {
        let id = server
            .create(workflow("conf-second", json!([webhook("In", "POST", path)])))
            .await;
        server.publish(&id).await.refused(409, CONFLICT);
        assert_eq!(server.workflow(&id).await["active"], false);
    }
    let other = server
        .create(workflow("conf-case", json!([webhook("In", "POST", "conf/Q/x")])))
        .await;
    server.publish(&other).await.ok();
    // Free again once the first is really down.
    server.unpublish(&first).await.ok();
    server.wait_live("POST", "conf/q/x", false).await;
    let id = server
        .create(workflow("conf-third", json!([webhook("In", "POST", "conf/q/x")])))
        .await;
    server.publish(&id).await.ok();
}

async fn other_method(server: &Server) {
    published(server, "conf-post", "POST", "conf/both").await;
    published(server, "conf-get", "GET", "conf/both").await;
    assert!(server.is_live("POST", "conf/both").await && server.is_live("GET", "conf/both").await);
}

async fn twice_in_one(server: &Server) {
    let nodes = json!([
        webhook("One", "POST", "conf/twice"),
        webhook("Two", "POST", "conf/twice/")
    ]);
    let id = server.create(workflow("conf-twice", nodes)).await;
    server.publish(&id).await.refused(409, CONFLICT);
}

async fn race(server: &Server) {
    let body = |name: &str| workflow(name, json!([webhook("In", "POST", "conf/race")]));
    let one = server.create(body("conf-race-1")).await;
    let two = server.create(body("conf-race-2")).await;
    let (first, second) = tokio::join!(server.publish(&one), server.publish(&two));
    if server.mode == Mode::Sync {
        // One of them wins; the loser hears of it, by one check or the other.
        let statuses = [first.status, second.status];
        assert!(
            statuses.contains(&200) && statuses.iter().any(|status| *status != 200),
            "{statuses:?}"
        );
        return;
    }
    first.ok();
    second.ok();
    server.settle().await;
    for id in [&one, &two] {
        assert_eq!(server.workflow(id).await["active"], true);
    }
    assert_eq!(server.hook("POST", "conf/race").await.status, 200);
    server.settle().await;
    let executions = server.get("/executions?limit=1").await.ok();
    let winner = executions["data"][0]["workflowId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let loser = if winner == one { &two } else { &one };
    // The loser is not tried again: with the winner gone, nobody answers.
    server.remove(&winner).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(!server.is_live("POST", "conf/race").await);
    assert_eq!(server.workflow(loser).await["active"], true);
    server.publish_live(loser, "POST", "conf/race").await;
}

async fn param_clash(server: &Server) {
    let node = |id: &str| with(webhook("In", "GET", "conf/:user"), json!({"webhookId": id}));
    let (one, two) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string());
    let first = server.create(workflow("conf-param-1", json!([node(&one)]))).await;
    server.publish_live(&first, "GET", &format!("{one}/conf/7")).await;
    let second = server.create(workflow("conf-param-2", json!([node(&two)]))).await;
    let reply = server.publish(&second).await;
    match server.mode {
        Mode::Async => {
            assert_eq!(reply.ok()["active"], true);
            server.settle().await;
            assert_eq!(server.workflow(&second).await["active"], true);
        }
        Mode::Sync => {
            let message =
                "The URL path that the \"In\" node uses is already taken. Please change it to something else.";
            reply.refused(400, message);
            assert_eq!(server.workflow(&second).await["active"], false);
        }
    }
    assert!(!server.is_live("GET", &format!("{two}/conf/7")).await);
    assert!(server.is_live("GET", &format!("{one}/conf/7")).await);
}
