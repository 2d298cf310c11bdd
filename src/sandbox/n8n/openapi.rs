//! What a server says about itself: `openapi.yml` without a key, `/discover` for a key.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use super::super::http::Answer;
use super::Endpoints;
use super::auth::Key;
use super::routes::ROUTES;
use super::session::Refusal;
use super::session::Session;

/// `GET /openapi.yml`: only the paths and methods; clients use it to tell servers apart.
pub fn document(endpoints: Endpoints) -> Answer {
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for route in ROUTES.iter().filter(|route| route.exists(endpoints)) {
        paths.entry(route.path).or_default().push(route.method);
    }
    let mut text = "openapi: 3.0.0\ninfo:\n  title: n8n Public API\n  description: imitated by the upa sandbox\n  \
                    version: 1.1.1\nservers:\n  - url: /api/v1\npaths:\n"
        .to_owned();
    for (path, methods) in paths {
        text.push_str(&format!("  {path}:\n"));
        for method in methods {
            let method = method.to_lowercase();
            text.push_str(&format!(
                "    {method}:\n      responses:\n        '200':\n          description: ok\n"
            ));
        }
    }
    Answer::text(200, "text/yaml; charset=utf-8", text).with("access-control-allow-origin", "*")
}

/// `GET /discover`: what this key may do.
pub fn discover(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut resources: BTreeMap<String, Value> = BTreeMap::new();
    let routes = ROUTES.iter().filter(|route| route.exists(session.options.endpoints));
    for route in routes.filter(|route| route.scope.is_none_or(|scope| session.key.may(scope))) {
        let operation = route.scope.and_then(|scope| scope.split(':').nth(1));
        let resource = resources
            .entry(resource_of(route.path).to_owned())
            .or_insert_with(|| json!({"operations": [], "endpoints": []}));
        let endpoint = json!({"method": route.method, "path": format!("/api/v1{}", route.path)});
        push(&mut resource["endpoints"], endpoint);
        if let Some(operation) = operation {
            push(&mut resource["operations"], json!(operation));
        }
    }
    let scopes: Vec<&str> = match session.key {
        Key::Scopes(scopes) => scopes.iter().map(String::as_str).collect(),
        Key::Everything => {
            let mut all: Vec<&str> = ROUTES.iter().filter_map(|route| route.scope).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
    };
    Ok(Answer::json(
        200,
        &json!({"data": {"scopes": scopes, "resources": resources}}),
    ))
}

/// n8n's name for what a path is about.
fn resource_of(path: &str) -> &str {
    match path.split('/').nth(1).unwrap_or_default() {
        "workflows" => "workflow",
        "credentials" => "credential",
        other => other,
    }
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut()
        && !list.contains(&item)
    {
        list.push(item);
    }
}
