//! Credentials, and how saving a workflow rewrites the references to them.

use serde_json::Value;
use serde_json::json;

use super::Check;
use super::bodies::node;
use super::bodies::with;
use super::bodies::workflow;
use super::check;
use super::server::Reply;
use super::server::Server;
use super::server::keys;
use super::server::text;

const TYPE: &str = "httpHeaderAuth";

pub fn checks() -> Vec<Check> {
    vec![
        check!(
            "a credential's id may be chosen; its data is checked and never shown",
            create
        ),
        check!("bad ids, types and data are refused", refused),
        check!("PATCH replaces data or merges it, and minds the name only then", update),
        check!("the list is newest first and has no filters", list),
        check!("a deleted credential is gone though in use", delete),
        check!(
            "saving binds a reference by id, else by name, else to the oldest of its type",
            binding
        ),
    ]
}

async fn made(server: &Server, id: &str, name: &str) -> Reply {
    let data = json!({"name": "X", "value": "y"});
    server
        .post(
            "/credentials",
            json!({"id": id, "name": name, "type": TYPE, "data": data}),
        )
        .await
}

async fn create(server: &Server) {
    let credential = made(server, "conf-id_1", "conf-one").await.ok();
    assert_eq!(
        keys(&credential),
        [
            "createdAt",
            "id",
            "isGlobal",
            "isManaged",
            "isResolvable",
            "name",
            "resolvableAllowFallback",
            "resolverId",
            "type",
            "updatedAt",
        ]
    );
    assert_eq!(
        (text(&credential, "id"), text(&credential, "name")),
        ("conf-id_1", "conf-one")
    );
    assert_eq!(server.get("/credentials/conf-id_1").await.ok(), credential);
    made(server, "conf-id_1", "conf-two")
        .await
        .refused(409, "A credential with this ID already exists");
    let without_id = json!({"name": "conf-one", "type": TYPE, "data": {}, "nonsense": 1});
    let other = server.post("/credentials", without_id).await.ok();
    assert_eq!(text(&other, "id").len(), 16);
    let oauth = json!({"name": "conf-oauth", "type": "googleCalendarOAuth2Api", "data": {}});
    server.post("/credentials", oauth).await.ok();
    let untestable = server.call("POST", "/credentials/conf-id_1/test", None).await.ok();
    let message = "No testing function found for this credential.";
    assert_eq!(untestable, json!({"status": "Error", "message": message}));
}

async fn refused(server: &Server) {
    let base = || json!({"name": "conf-bad", "type": TYPE, "data": {}});
    for (members, message) in [
        (
            json!({"id": "12345678901234567"}),
            "request/body/id String must contain at most 16 character(s)",
        ),
        (
            json!({"id": "a b"}),
            "request/body/id Use only letters, digits, underscores, and hyphens for the ID",
        ),
        (
            json!({"id": ""}),
            "request/body/id String must contain at least 1 character(s)",
        ),
        (json!({"type": "nope"}), "req.body.type is not a known type"),
        (
            json!({"data": {"zz": 1}}),
            "request.body.data is not allowed to have the additional property \"zz\"",
        ),
        (
            json!({"data": {"name": 5}}),
            "request.body.data is not of a type(s) string",
        ),
        (
            json!({"data": null}),
            "request/body/data Expected object, received null",
        ),
        (json!({"createdAt": "x"}), "request/body/createdAt is read-only"),
    ] {
        server
            .post("/credentials", with(base(), members))
            .await
            .refused(400, message);
    }
    let nameless = json!({"type": TYPE, "data": {}});
    server
        .post("/credentials", nameless)
        .await
        .refused(400, "request/body must have required property 'name'");
    server
        .get("/credentials/nope")
        .await
        .refused(404, "Credential not found");
    server.get("/credentials/schema/nope").await.refused(404, "Not Found");
    let schema = server.get(&format!("/credentials/schema/{TYPE}")).await.ok();
    assert_eq!(schema["properties"]["value"]["type"], "string");
    let tested = server.call("POST", "/credentials/nope/test", None).await;
    tested.refused(404, "Credential with ID \"nope\" was not found.");
    server
        .put("/credentials/nope", json!({}))
        .await
        .refused(405, "PUT method not allowed");
}

async fn update(server: &Server) {
    made(server, "conf-patch", "conf-patch").await.ok();
    let patch = |body: Value| async move { server.call("PATCH", "/credentials/conf-patch", Some(body)).await };
    assert_eq!(
        patch(json!({"name": "conf-patched"})).await.ok()["name"],
        "conf-patched"
    );
    patch(json!({"data": {"value": "z"}})).await.ok();
    patch(json!({"data": {"name": "Y"}, "isPartialData": true})).await.ok();
    let odd = patch(json!({"data": {"q": 1}})).await;
    odd.refused(
        400,
        "request.body.data is not allowed to have the additional property \"q\"",
    );
    patch(json!({"type": "nope"}))
        .await
        .refused(400, "req.body.type is not a known type");
    // A short name is taken, and then blocks every change of the secret.
    patch(json!({"name": "x"})).await.ok();
    let message = "Credential name must be 3 to 128 characters long.";
    patch(json!({"data": {"value": "z"}})).await.refused(400, message);
    patch(json!({"name": "conf-patch"})).await.ok();
    let nobody = server
        .call("PATCH", "/credentials/nope", Some(json!({"name": "xxx"})))
        .await;
    nobody.refused(404, "Credential not found");
}

async fn list(server: &Server) {
    for id in ["conf-l1", "conf-l2", "conf-l3"] {
        made(server, id, id).await.ok();
        // The order is by a time that has milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let first = server.get("/credentials?limit=2&name=conf-l1&type=nope").await.ok();
    let data = first["data"].as_array().expect("data");
    assert_eq!((text(&data[0], "id"), text(&data[1], "id")), ("conf-l3", "conf-l2"));
    assert_eq!(
        keys(&data[0]),
        ["createdAt", "id", "name", "shared", "type", "updatedAt"]
    );
    let cursor = text(&first, "nextCursor").replace('=', "%3D");
    let second = server.get(&format!("/credentials?cursor={cursor}")).await.ok();
    assert_eq!(second["data"][0]["id"], "conf-l1");
}

async fn delete(server: &Server) {
    made(server, "conf-gone", "conf-gone").await.ok();
    let request = node("H", "n8n-nodes-base.httpRequest", json!(4.2), json!({"url": "x"}));
    let reference = json!({"credentials": {TYPE: {"id": "conf-gone", "name": "conf-gone"}}});
    let id = server
        .create(workflow("conf-user", json!([with(request, reference)])))
        .await;
    let deleted = server.call("DELETE", "/credentials/conf-gone", None).await.ok();
    assert_eq!(deleted["usageScope"], "project");
    server
        .call("DELETE", "/credentials/conf-gone", None)
        .await
        .refused(404, "Not Found");
    let kept = server.workflow(&id).await;
    assert_eq!(kept["nodes"][0]["credentials"][TYPE]["id"], "conf-gone");
}

async fn binding(server: &Server) {
    for (id, name) in [
        ("conf-old", "conf-oldest"),
        ("conf-a", "conf-alone"),
        ("conf-d1", "conf-twin"),
        ("conf-d2", "conf-twin"),
    ] {
        made(server, id, name).await.ok();
    }
    let other = json!({"id": "conf-basic", "name": "conf-basic", "type": "httpBasicAuth", "data": {}});
    server.post("/credentials", other).await.ok();
    let alone = json!({"id": "conf-a", "name": "conf-alone"});
    // Newest first; an instance may hold credentials of others, older than ours.
    let listed = server.get("/credentials?limit=250").await.ok();
    let of_type = |credential: &&serde_json::Value| credential["type"] == TYPE;
    let oldest = listed["data"]
        .as_array()
        .and_then(|all| all.iter().rfind(of_type))
        .expect("ours");
    let oldest = json!({"id": oldest["id"], "name": oldest["name"]});
    let node = node("H", "n8n-nodes-base.httpRequest", json!(4.2), json!({"url": "x"}));
    for (sent, stored) in [
        // The id counts, and the name is corrected.
        (json!({"id": "conf-a", "name": "wrong"}), alone.clone()),
        (json!({"id": "conf-a"}), alone.clone()),
        // An id nobody has: the only one of that name and type, silently.
        (json!({"id": "nope", "name": "conf-alone"}), alone.clone()),
        (
            json!({"id": "nope", "name": "conf-twin"}),
            json!({"id": "nope", "name": "conf-twin"}),
        ),
        (
            json!({"id": "nope", "name": "nobody"}),
            json!({"id": "nope", "name": "nobody"}),
        ),
        // The id of another type is nobody's.
        (json!({"id": "conf-basic", "name": "conf-alone"}), alone.clone()),
        (
            json!({"id": "conf-basic", "name": "conf-basic"}),
            json!({"id": "conf-basic", "name": "conf-basic"}),
        ),
        // By name, asked for by null or by a plain text.
        (json!({"id": null, "name": "conf-alone"}), alone.clone()),
        (
            json!({"id": null, "name": "conf-twin"}),
            json!({"id": null, "name": "conf-twin"}),
        ),
        (json!("conf-alone"), alone.clone()),
        (json!("conf-twin"), json!("conf-twin")),
        // Without an id, the name is not even looked at: any credential of the type will do.
        (json!({"name": "conf-alone"}), oldest.clone()),
        (json!({"name": "nobody"}), oldest.clone()),
        (json!({}), oldest.clone()),
    ] {
        let body = |disabled: bool| {
            let node = with(node.clone(), json!({"credentials": {TYPE: sent}, "disabled": disabled}));
            workflow("conf-binding", json!([node]))
        };
        let id = server.create(body(false)).await;
        let bound = server.workflow(&id).await;
        assert_eq!(bound["nodes"][0]["credentials"][TYPE], stored, "POST {sent}");
        // A disabled node is left alone.
        let disabled = server.put(&format!("/workflows/{id}"), body(true)).await.ok();
        assert_eq!(disabled["nodes"][0]["credentials"][TYPE], sent, "disabled {sent}");
        let bound = server.put(&format!("/workflows/{id}"), body(false)).await.ok();
        assert_eq!(bound["nodes"][0]["credentials"][TYPE], stored, "PUT {sent}");
    }
}
