//! Webhook addresses: what answers, what does not, and in which words.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::node;
use super::bodies::webhook;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Mode;
use super::server::Reply;
use super::server::Server;
use super::server::send;

pub fn checks() -> Vec<Check> {
    vec![
        check!("the preflight proves liveness and runs nothing", preflight),
        check!(
            "polling with a method named leaves a dead webhook undead: its path stays taken",
            undead
        ),
        check!(
            "one trailing slash is forgiven; case and doubled slashes are not",
            spelling
        ),
        check!(
            "a wrong method says which is right; an unknown path says it is not active",
            words
        ),
        check!("several methods on one node", several_methods),
        check!("a path with :param lives below the webhookId", params),
        check!("an empty path is the webhookId", empty_path),
        check!("a form lives below /form/", form),
        check!("a public chat lives below its webhookId", chat),
    ]
}

async fn live(server: &Server, name: &str, node: Value, method: &str, path: &str) -> String {
    let id = server.create(workflow(name, json!([node]))).await;
    server.publish_live(&id, method, path).await;
    id
}

async fn preflight(server: &Server) {
    let id = live(
        server,
        "conf-probe",
        webhook("In", "POST", "conf/probe"),
        "POST",
        "conf/probe",
    )
    .await;
    let methods = |reply: &Reply| reply.header("access-control-allow-methods").to_owned();
    // With an origin alone: always 204, and the list of methods tells.
    for (path, allowed) in [("conf/probe", "OPTIONS, POST"), ("conf/nobody", "OPTIONS")] {
        let request = server.request("OPTIONS", &format!("/webhook/{path}"));
        let reply = send(request.header("origin", "https://probe.invalid")).await;
        assert_eq!((reply.status, methods(&reply).as_str()), (204, allowed));
    }
    // With a method named, the status tells as well.
    let yes = server.preflight("POST", "conf/probe").await;
    assert_eq!((yes.status, methods(&yes).as_str()), (204, "OPTIONS, POST"));
    assert_eq!(yes.header("access-control-allow-origin"), "https://probe.invalid");
    let wrong = server.preflight("GET", "conf/probe").await;
    assert_eq!((wrong.status, methods(&wrong).as_str()), (500, "OPTIONS, POST"));
    let no = server.preflight("POST", "conf/nobody").await;
    assert_eq!(methods(&no), "OPTIONS");
    no.refused_in_html(500, "Internal Server Error");
    // Without an origin nothing does.
    for path in ["conf/probe", "conf/nobody"] {
        let request = server.request("OPTIONS", &format!("/webhook/{path}"));
        let reply = send(request.header("access-control-request-method", "POST")).await;
        assert_eq!((reply.status, methods(&reply).as_str()), (204, ""));
    }
    server.settle().await;
    let executions = server.get(&format!("/executions?workflowId={id}")).await.ok();
    assert_eq!(executions["data"], json!([]));
}

/// n8n drops a cached lookup before the registration; a lookup in between puts it back for an hour.
async fn undead(server: &Server) {
    if server.mode == Mode::Sync {
        return;
    }
    // The sandbox does it each time, n8n about every second time.
    for at in 0..40 {
        let path = format!("conf/undead-{at}");
        let body = workflow("conf-undead", json!([webhook("In", "POST", &path)]));
        let id = server.create(body.clone()).await;
        server.publish_live(&id, "POST", &path).await;
        server.unpublish(&id).await.ok();
        while server
            .preflight("POST", &path)
            .await
            .header("access-control-allow-methods")
            != "OPTIONS"
        {}
        server.settle().await;
        let looked_up = server.preflight("POST", &path).await.status;
        if looked_up == 500 {
            server.remove(&id).await;
            continue;
        }
        assert_eq!(looked_up, 204);
        assert!(
            !server.is_live("POST", &path).await,
            "the list of methods is right all the same"
        );
        let message = format!("Published version not found for workflow with id \"{id}\"");
        let called = server.hook("POST", &path).await;
        assert_eq!(called.json, json!({"code": 404, "message": message}));
        let other = server.create(body).await;
        let conflict = "There is a conflict with one of the webhooks.";
        server.publish(&other).await.refused(409, conflict);
        // Not even deleting the workflow helps; publishing the same one again does, and so would an hour.
        server.publish_live(&id, "POST", &path).await;
        server.unpublish(&id).await.ok();
        server.wait_live("POST", &path, false).await;
        server.settle().await;
        assert_eq!(server.preflight("POST", &path).await.status, 500);
        server.publish_live(&other, "POST", &path).await;
        return;
    }
    assert_eq!(server.name, "real n8n", "the sandbox does it each time");
    println!("     note: no undead webhook in 40 tries");
}

async fn spelling(server: &Server) {
    live(
        server,
        "conf-spelling",
        webhook("In", "POST", "/conf/a b/ü/"),
        "POST",
        "conf/a%20b/%C3%BC",
    )
    .await;
    for path in ["conf/a%20b/%C3%BC", "conf/a%20b/%C3%BC/", "conf%2Fa%20b/%C3%BC"] {
        assert_eq!(server.hook("POST", path).await.status, 200, "{path}");
    }
    for path in ["conf//a%20b/%C3%BC", "Conf/a%20b/%C3%BC", "conf/a%20b"] {
        assert_eq!(server.hook("POST", path).await.status, 404, "{path}");
    }
}

async fn words(server: &Server) {
    live(
        server,
        "conf-words",
        webhook("In", "POST", "conf/words"),
        "POST",
        "conf/words",
    )
    .await;
    let reply = server.hook("GET", "conf/words").await;
    let message = "This webhook is not registered for GET requests. Did you mean to make a POST request?";
    assert_eq!(
        (reply.status, &reply.json),
        (404, &json!({"code": 404, "message": message}))
    );
    let reply = server.hook("POST", "conf/nobody").await;
    assert_eq!((reply.status, &reply.json["code"]), (404, &json!(404)));
    assert_eq!(
        reply.message(),
        "The requested webhook \"POST conf/nobody\" is not registered."
    );
    assert!(
        reply.json["hint"]
            .as_str()
            .is_some_and(|hint| hint.starts_with("The workflow must be active"))
    );
    let broken = server
        .request("POST", "/webhook/conf/words")
        .header("content-type", "application/json");
    let reply = send(broken.body("{bad")).await;
    assert_eq!((reply.status, reply.message()), (422, "Failed to parse request body"));
    let plain = server
        .request("POST", "/webhook/conf/words")
        .header("content-type", "text/plain");
    assert_eq!(send(plain.body("hello")).await.status, 200);
    let reply = send(server.request("PURGE", "/webhook/conf/words")).await;
    assert_eq!(
        reply.json,
        json!({"code": 0, "message": "The method PURGE is not supported."})
    );
    let request = server
        .request("POST", "/webhook/conf/nobody")
        .header("origin", "https://x.invalid");
    let reply = send(request).await;
    match server.name {
        // Its door lets no page of a browser in.
        "sandbox" => assert_eq!(reply.status, 403),
        // With an Origin even a plain request to nobody becomes a page.
        _ => reply.refused_in_html(500, "Internal Server Error"),
    }
}

async fn several_methods(server: &Server) {
    let parameters =
        json!({"multipleMethods": true, "httpMethod": ["GET", "POST"], "path": "conf/multi", "options": {}});
    let node = with(webhook("In", "GET", "conf/multi"), json!({"parameters": parameters}));
    live(server, "conf-multi", node, "GET", "conf/multi").await;
    for method in ["GET", "POST"] {
        assert_eq!(server.hook(method, "conf/multi").await.status, 200);
    }
    let message = "This webhook is not registered for PUT requests. Did you mean to make a GET or POST request?";
    assert_eq!(server.hook("PUT", "conf/multi").await.message(), message);
}

async fn params(server: &Server) {
    let node = webhook("In", "GET", "conf/:user/orders");
    let id = node["webhookId"].as_str().expect("a webhookId").to_owned();
    live(server, "conf-params", node, "GET", &format!("{id}/conf/7/orders")).await;
    assert_eq!(server.hook("GET", &format!("{id}/conf/8/orders")).await.status, 200);
    for path in [
        "conf/7/orders".to_owned(),
        format!("{id}/conf/7"),
        format!("{id}/conf/7/bills"),
    ] {
        assert_eq!(server.hook("GET", &path).await.status, 404, "{path}");
    }
}

async fn empty_path(server: &Server) {
    let node = webhook("In", "GET", "");
    let id = node["webhookId"].as_str().expect("a webhookId").to_owned();
    live(server, "conf-empty-path", node, "GET", &id).await;
}

async fn form(server: &Server) {
    let id = uuid::Uuid::new_v4().to_string();
    let parameters = json!({"formTitle": "t", "formFields": {"values": [{"fieldLabel": "a"}]}});
    let node = with(
        node("F", "n8n-nodes-base.formTrigger", json!(2.2), parameters),
        json!({"webhookId": id}),
    );
    let made = server.create(workflow("conf-form", json!([node]))).await;
    let missing = send(server.request("GET", &format!("/form/{id}"))).await;
    missing.refused_in_html(404, "Problem loading form");
    server.publish_live(&made, "POST", &id).await;
    let page = send(server.request("GET", &format!("/form/{id}"))).await;
    page.refused_in_html(200, "html");
    let post = server.request("POST", &format!("/form/{id}")).json(&json!({}));
    let reply = send(post).await;
    assert_eq!(
        reply.json,
        json!({"code": 415, "message": "Expected multipart/form-data"})
    );
    // The other door knows the address, yet does not open.
    let message = "This webhook is not registered for GET requests. Did you mean to make a GET or POST request?";
    assert_eq!(server.hook("GET", &id).await.message(), message);
}

async fn chat(server: &Server) {
    let chat = |name: &str, public: bool, id: &str| {
        let parameters = json!({"public": public, "options": {}});
        with(
            node(name, "@n8n/n8n-nodes-langchain.chatTrigger", json!(1.1), parameters),
            json!({"webhookId": id}),
        )
    };
    let (open, shut) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string());
    let nodes = json!([chat("Open", true, &open), chat("Shut", false, &shut)]);
    let id = server.create(workflow("conf-chat", nodes)).await;
    server.publish_live(&id, "POST", &format!("{open}/chat")).await;
    let page = send(server.request("GET", &format!("/webhook/{open}/chat"))).await;
    page.refused_in_html(200, "html");
    let message = json!({"action": "sendMessage", "chatInput": "x", "sessionId": "1"});
    for (address, status) in [(&open, 200), (&shut, 404)] {
        let request = server
            .request("POST", &format!("/webhook/{address}/chat"))
            .json(&message);
        assert_eq!(send(request).await.status, status);
    }
}
