//! Calls to webhooks: who answers, the preflight that proves liveness, and the many ways of not answering.
//!
//! The sandbox runs no nodes. A call to a live workflow records a successful execution and answers as a webhook node
//! set to "respond immediately" does; the header `x-upa-sandbox-workflow` says which workflow it was.

use serde_json::Value;
use serde_json::json;

use super::super::clock::Moment;
use super::super::faults::page;
use super::super::http::Answer;
use super::super::http::Request;
use super::super::http::decode;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::cache;
use super::execution;
use super::hook;
use super::hook::Hook;
use super::nodes;
use super::publication::Live;
use super::workflow::Version;
use super::workflow::Workflow;

const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
const METHOD_NAMED: &str = "access-control-request-method";
const INACTIVE: &str = "The workflow must be active for a production URL to run successfully. You can activate the \
    workflow using the toggle in the top-right of the editor. Note that unlike test URL calls, production URL calls \
    aren't shown on the canvas (only in the executions list)";

/// Does this request need a transaction that writes? A preflight that names a method may (see [`cache`]).
pub fn writes(request: &Request) -> bool {
    request.method != "OPTIONS" || request.header(METHOD_NAMED).is_some()
}

/// A request below `/webhook/` or `/form/`; `path` is what follows, as it was sent.
pub fn call(rows: &Rows, request: &Request, path: &str, form: bool, now: Moment) -> Result<Answer, StoreError> {
    let method = request.method.as_str();
    let path = decode(path, false);
    let path = path.strip_suffix('/').unwrap_or(&path);
    if let Some(refusal) = unreadable(request) {
        return Ok(refusal);
    }
    if method != "OPTIONS" && !METHODS.contains(&method) {
        let message = format!("The method {method} is not supported.");
        return Ok(Answer::json(500, &json!({"code": 0, "message": message})));
    }
    let mut headers = Vec::new();
    if let Some(origin) = request.header("origin") {
        let allowed = [vec!["OPTIONS".to_owned()], hook::methods(rows, path)?].concat();
        headers.push(("access-control-allow-methods", allowed.join(", ")));
        let wanted = match method {
            "OPTIONS" => request.header(METHOD_NAMED),
            other => Some(other),
        };
        // n8n looks the webhook up outside its error handling here, hence the HTML (seen).
        if let Some(wanted) = wanted {
            if cache::find_for_preflight(rows, wanted, path, now)?.is_none() {
                return Ok(with_all(page(500, "Internal Server Error"), headers));
            }
            headers.push(("access-control-allow-origin", origin.to_owned()));
        }
        if method == "OPTIONS" && wanted.is_some() {
            headers.push(("access-control-max-age", "300".to_owned()));
            if let Some(asked) = request.header("access-control-request-headers") {
                headers.push(("access-control-allow-headers", asked.to_owned()));
            }
        }
    }
    if method == "OPTIONS" {
        return Ok(with_all(Answer::empty(204), headers));
    }
    if form && method == "POST" && cache::find(rows, method, path, now)?.is_some() && !is_form(request) {
        let body = json!({"code": 415, "message": "Expected multipart/form-data"});
        return Ok(Answer::json(415, &body));
    }
    let found = cache::find(rows, method, path, now)?.filter(|hook| hook.form == form);
    let answer = match found {
        Some(hook) => run(rows, &hook, method, now)?,
        None => not_registered(rows, method, path, form)?,
    };
    Ok(with_all(answer, headers))
}

fn is_form(request: &Request) -> bool {
    request.content_type() == Some("multipart/form-data")
}

fn with_all(answer: Answer, headers: Vec<(&'static str, String)>) -> Answer {
    headers
        .into_iter()
        .fold(answer, |answer, (name, value)| answer.with(name, value))
}

/// A body that says it is JSON and is not.
fn unreadable(request: &Request) -> Option<Answer> {
    let json = request.content_type() == Some("application/json") && !request.body.is_empty();
    let error = serde_json::from_slice::<Value>(&request.body).err().filter(|_| json)?;
    let body = json!({"code": 422, "message": "Failed to parse request body", "hint": error.to_string()});
    Some(Answer::json(422, &body))
}

fn not_registered(rows: &Rows, method: &str, path: &str, form: bool) -> Result<Answer, StoreError> {
    let methods = hook::methods(rows, path)?;
    if form {
        return Ok(html(404, "Problem loading form"));
    }
    let body = match methods.split_last() {
        None => json!({
            "code": 404, "message": format!("The requested webhook \"{method} {path}\" is not registered."),
            "hint": INACTIVE,
        }),
        Some((last, others)) => {
            let methods = match others {
                [] => last.clone(),
                _ => format!("{} or {last}", others.join(", ")),
            };
            json!({
                "code": 404, "message": format!(
                    "This webhook is not registered for {method} requests. Did you mean to make a {methods} request?"
                ),
            })
        }
    };
    Ok(Answer::json(404, &body))
}

fn run(rows: &Rows, hook: &Hook, method: &str, now: Moment) -> Result<Answer, StoreError> {
    let Some(live) = Live::load(rows, &hook.workflow)? else {
        // Only the cache remembers this one.
        let message = format!("Published version not found for workflow with id \"{}\"", hook.workflow);
        return Ok(Answer::json(404, &json!({"code": 404, "message": message})));
    };
    let mark = |answer: Answer| answer.with("x-upa-sandbox-workflow", hook.workflow.as_str());
    let version = Version::load(rows, &hook.workflow, &live.version)?;
    let node = version.and_then(|version| {
        let own = |node: &Value| node["name"] == hook.node.as_str();
        version.nodes.into_iter().find(own)
    });
    let chat = node.filter(|node| nodes::type_of(node) == nodes::CHAT_TRIGGER);
    if chat
        .as_ref()
        .is_some_and(|node| node["parameters"]["public"] != json!(true))
    {
        return Ok(mark(Answer::empty(404)));
    }
    if method == "GET" && (hook.form || chat.is_some()) {
        return Ok(mark(html(200, "Form")));
    }
    let workflow = Workflow::load(rows, &hook.workflow)?;
    let keeps =
        workflow.is_none_or(|workflow| workflow.settings.get("saveDataSuccessExecution") != Some(&json!("none")));
    if keeps {
        execution::record(rows, &hook.workflow, &live.version, now)?;
    }
    Ok(mark(Answer::json(200, &json!({"message": "Workflow was started"}))))
}

fn html(status: u16, title: &str) -> Answer {
    let page =
        format!("<!DOCTYPE html>\n<html lang='en'>\n<head>\n<title>{title}</title>\n</head>\n<body></body>\n</html>\n");
    Answer::text(status, "text/html; charset=utf-8", page)
}
