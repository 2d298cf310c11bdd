//! Keys, scopes, routing, and bodies nobody can read.

use serde_json::json;

use super::Check;
use super::bodies::no_op;
use super::bodies::workflow;
use super::check;
use super::server::Server;
use super::server::keys;
use super::server::send;
use super::server::text;

pub fn checks() -> Vec<Check> {
    vec![
        check!("no key, or one nobody knows, is 401 and nothing more", no_key),
        check!(
            "a missing scope is 403, before the body or the workflow is looked at",
            no_scope
        ),
        check!(
            "an unknown path is 404 before anybody asks for a key; a wrong method is 405",
            no_route
        ),
        check!("a body must be called JSON", content_type),
        check!(
            "broken JSON is 500 and too much is 413, both as pages, whoever asks",
            unreadable_body
        ),
        check!("/discover names the scopes of the key, and what it may call", discover),
        check!("openapi.yml needs no key and tells new servers from old ones", openapi),
        check!("readiness is JSON; any other page is the editor", readiness),
    ]
}

async fn no_key(server: &Server) {
    for key in ["", "nonsense"] {
        let request = server.request("GET", "/api/v1/workflows");
        let request = if key.is_empty() {
            request
        } else {
            request.header("X-N8N-API-KEY", key)
        };
        let reply = send(request).await;
        reply.refused(401, "Unauthorized");
        assert_eq!(keys(&reply.json), ["message"]);
        assert!(!reply.headers.contains_key("www-authenticate"));
    }
    let bearer = server.request("GET", "/api/v1/workflows").bearer_auth(&server.key);
    send(bearer).await.refused(401, "Unauthorized");
    // Routes of the older router have their own words.
    send(server.request("GET", "/api/v1/discover"))
        .await
        .refused(401, "'X-N8N-API-KEY' header required");
}

async fn no_scope(server: &Server) {
    let key = &server.read_only_key;
    server.call_as(key, "GET", "/workflows", None).await.ok();
    server
        .call_as(key, "POST", "/workflows", Some(json!({"nonsense": 1})))
        .await
        .refused(403, "Forbidden");
    for (method, path) in [
        ("PUT", "/workflows/nobody"),
        ("DELETE", "/workflows/nobody"),
        ("POST", "/workflows/nobody/publish"),
        ("POST", "/tags"),
        ("POST", "/credentials"),
    ] {
        server.call_as(key, method, path, None).await.refused(403, "Forbidden");
    }
}

async fn no_route(server: &Server) {
    for key in ["", &server.key] {
        server
            .call_as(key, "GET", "/nonsense", None)
            .await
            .refused(404, "not found");
        server
            .call_as(key, "PATCH", "/workflows/nobody", None)
            .await
            .refused(405, "PATCH method not allowed");
        server
            .call_as(key, "PUT", "/workflows", None)
            .await
            .refused(405, "PUT method not allowed");
    }
    // An unknown word behind an id is taken for a version; so an older server answers 405 to `/publish`, not 404.
    server
        .call("POST", "/workflows/nobody/nonsense", None)
        .await
        .refused(405, "POST method not allowed");
    server
        .get("/workflows/nobody/nonsense")
        .await
        .refused(404, "Version not found");
}

async fn content_type(server: &Server) {
    let key = &server.key;
    let post = || server.request("POST", "/api/v1/workflows").header("X-N8N-API-KEY", key);
    send(post().header("content-type", "text/plain").body("{}"))
        .await
        .refused(415, "unsupported media type text/plain");
    send(post()).await.refused(415, "unsupported media type undefined");
    send(post().header("content-type", "application/json"))
        .await
        .refused(400, "request/body must have required property 'name'");
}

async fn unreadable_body(server: &Server) {
    let post = |body: String| {
        let request = server
            .request("POST", "/api/v1/workflows")
            .header("content-type", "application/json");
        request.body(body)
    };
    send(post("{bad".to_owned()))
        .await
        .refused_in_html(500, "Internal Server Error");
    let long = |bytes: usize| format!("{{\"name\":\"{}\"}}", "x".repeat(bytes));
    send(post(long(17 << 20)))
        .await
        .refused_in_html(413, "Payload Too Large");
    let fitting = post(long(15 << 20)).header("X-N8N-API-KEY", &server.key);
    send(fitting)
        .await
        .refused(400, "request/body must have required property 'nodes'");
}

async fn discover(server: &Server) {
    let reply = server
        .call_as(&server.read_only_key, "GET", "/discover", None)
        .await
        .ok();
    let scopes = reply["data"]["scopes"].as_array().expect("scopes");
    assert_eq!(scopes.len(), 6, "{scopes:?}");
    assert!(scopes.contains(&json!("workflow:list")) && !scopes.contains(&json!("workflow:create")));
    let resource = &reply["data"]["resources"]["workflow"];
    let methods: Vec<&str> = resource["endpoints"]
        .as_array()
        .expect("endpoints")
        .iter()
        .map(|endpoint| text(endpoint, "method"))
        .collect();
    assert!(methods.contains(&"GET") && !methods.contains(&"PUT"), "{resource}");
    let all = server.get("/discover").await.ok().to_string();
    assert!(all.contains("/api/v1/workflows/{workflowId}/publish"), "{all}");
}

async fn openapi(server: &Server) {
    let reply = send(server.request("GET", "/api/v1/openapi.yml")).await;
    // A 500 here: n8n is installed below a folder whose name begins with a dot, and express does not serve from those.
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "text/yaml; charset=utf-8");
    for path in ["publish", "unpublish", "activate", "deactivate"] {
        let line = format!("\n  /workflows/{{workflowId}}/{path}:\n");
        assert!(reply.text.contains(&line), "{path}");
    }
    // The older names say on each call that they are old.
    let id = server.create(workflow("conf-alias", json!([no_op("A")]))).await;
    let path = format!("/workflows/{id}/deactivate");
    let old = server.call("POST", &path, None).await;
    assert_eq!(old.header("deprecation"), "@1784764800");
    assert_eq!(server.unpublish(&id).await.header("deprecation"), "");
}

async fn readiness(server: &Server) {
    let reply = send(server.request("GET", "/healthz/readiness")).await.ok();
    assert_eq!(reply, json!({"status": "ok"}));
    // So a wrong base URL answers 200, and only the content type shows it.
    let page = send(server.request("GET", "/nonsense")).await;
    page.refused_in_html(200, "n8n");
    send(server.request("POST", "/nonsense"))
        .await
        .refused_in_html(404, "Cannot POST");
}
