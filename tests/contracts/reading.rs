//! The four OpenAPI contracts: calls found by their shape, paths in their answers, bodies they refuse.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use upa::platform::contract::{Contract, Encoding, Fault, NoOperation, Operation, Resolution, Rest, Schema, Sent};

pub fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts").join(name)).unwrap()
}

fn rest(name: &str) -> Rest {
    match Contract::parse(name, &text(name)) {
        Ok(Contract::Rest(rest)) => rest,
        other => panic!("{name}: {other:?}"),
    }
}

fn operation<'a>(rest: &'a Rest, call: &str) -> Operation<'a> {
    let (method, path) = call.split_once(' ').unwrap();
    rest.operation(method, path)
        .unwrap_or_else(|error| panic!("{call}: {error}"))
}

fn at(schema: Option<Schema<'_>>, path: &str) -> String {
    match schema.unwrap().resolve(path) {
        Resolution::Found(facts) => facts.types.join("|"),
        Resolution::Free => "free".to_owned(),
        Resolution::Missing { at, .. } => format!("no {at}"),
    }
}

/// A body of which every text is what an operator fills in, when it is `{}`.
fn sent(value: Value) -> Sent {
    match value {
        Value::String(text) if text == "{}" => Sent::Any,
        Value::Array(items) => Sent::List(items.into_iter().map(sent).collect()),
        Value::Object(map) => Sent::Object {
            fields: map.into_iter().map(|(name, value)| (name, sent(value))).collect(),
            open: false,
        },
        other => Sent::Value(other),
    }
}

fn faults(rest: &Rest, call: &str, body: Value) -> Vec<String> {
    let schema = operation(rest, call).body(Encoding::Json).unwrap();
    schema.faults(&sent(body), false).iter().map(Fault::to_string).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn vapi() {
    let vapi = rest("vapi.mock.openapi.json");
    let create = operation(&vapi, "POST /assistant");
    assert_eq!(create.successes(), ["201"]);
    let answer = || create.answer();
    for (path, expected) in [
        ("id", "string"),
        ("model.messages.0.content", "string"),
        ("model.tools.0.function.name", "free"),
        ("metadata.upa", "free"),
        ("server.url", "string"),
        ("voice.voiceId", "string"),
        ("voice.nonsense", "no voice.nonsense"),
        ("serverUrl", "no serverUrl"),
    ] {
        assert_eq!(at(answer(), path), expected, "{path}");
    }
    let Resolution::Found(name) = create.body(Encoding::Json).unwrap().resolve("name") else {
        panic!("no name")
    };
    assert_eq!(name.max_length, Some(40), "a mark in a name must fit");
    let list = operation(&vapi, "GET /assistant?limit=100");
    assert_eq!(at(list.answer(), "*.createdAt"), "string");
    assert_eq!(at(list.answer(), "results"), "no results");
    assert!(list.query_parameter("limit").is_some() && list.query_parameter("page").is_none());
}

#[test]
fn vapi_refuses_what_is_nearly_right() {
    let vapi = rest("vapi.mock.openapi.json");
    assert_eq!(
        faults(
            &vapi,
            "POST /assistant",
            json!({ "name": "{}", "firstMessageMode": "assistant-speaks-first" })
        ),
        NONE
    );
    assert_eq!(
        faults(
            &vapi,
            "POST /assistant",
            json!({ "nme": "x", "maxDurationSeconds": "600" })
        ),
        [
            "`maxDurationSeconds` is sent as string, and taken as number",
            "`nme` is not taken; known there: analysisPlan, artifactPlan, backgroundSound, backgroundSpeechDenoisingPlan, \
             clientMessages, compliancePlan, credentialIds, credentials, endCallMessage, endCallPhrases and 21 more"
        ]
    );
    // The discriminator decides which of the many kinds of tool is meant.
    assert_eq!(
        faults(
            &vapi,
            "POST /tool",
            json!({ "type": "function", "function": { "name": "{}" } })
        ),
        NONE
    );
    assert_eq!(
        faults(
            &vapi,
            "POST /tool",
            json!({ "type": "function", "function": { "description": "{}" } })
        ),
        ["`function.name` is required, and nothing can fill it"]
    );
    assert_eq!(
        faults(&vapi, "POST /squad", json!({})),
        ["`members` is required, and nothing can fill it"]
    );
    assert_eq!(faults(&vapi, "POST /squad", json!({ "members": "{}" })), NONE);
}

#[test]
fn google() {
    let google = rest("google.mock.openapi.json");
    for (call, path) in [
        (
            "POST /v4/spreadsheets/{sheet}:batchUpdate",
            "/v4/spreadsheets/{spreadsheetId}:batchUpdate",
        ),
        (
            "POST /v4/spreadsheets/{id}/values/{range}:clear",
            "/v4/spreadsheets/{spreadsheetId}/values/{range}:clear",
        ),
        (
            "PUT /v4/spreadsheets/{id}/values/{range}",
            "/v4/spreadsheets/{spreadsheetId}/values/{range}",
        ),
        (
            "POST /drive/v3/files/{spec.template}/copy?supportsAllDrives=true",
            "/drive/v3/files/{fileId}/copy",
        ),
        ("DELETE /drive/v3/files/{id}", "/drive/v3/files/{fileId}"),
        (
            "POST https://www.googleapis.com/calendar/v3/calendars/primary/acl",
            "/calendar/v3/calendars/{calendarId}/acl",
        ),
    ] {
        assert_eq!(operation(&google, call).path(), path, "{call}");
    }
    let files = operation(&google, "GET /drive/v3/files");
    assert_eq!(at(files.answer(), "files.*.appProperties.upa"), "string");
    assert_eq!(at(files.answer(), "nextPageToken"), "string");
    assert_eq!(at(files.answer(), "files.*.appProperty"), "no files.*.appProperty");
    // `fields` is a parameter of the path, not of the call.
    assert!(files.query_parameter("fields").is_some() && files.query_parameter("feilds").is_none());
    assert_eq!(
        google
            .operation("POST", "/v4/spreadsheets/{id}:batchUpdates")
            .unwrap_err(),
        NoOperation::Path {
            path: "/v4/spreadsheets/{id}:batchUpdates".to_owned(),
            nearest: Some("/v4/spreadsheets/{spreadsheetId}:batchUpdate".to_owned())
        }
    );
    assert_eq!(
        google.operation("PUT", "/drive/v3/files/{id}").unwrap_err().to_string(),
        "the contract's `/drive/v3/files/{fileId}` has other methods: GET, PATCH, DELETE"
    );
}

#[test]
fn hubspot() {
    let hubspot = rest("hubspot.2026-09.openapi.json");
    assert_eq!(
        faults(
            &hubspot,
            "POST /crm/properties/2026-09/{object_type}",
            json!({ "name": "{}", "label": "{}", "type": "text" })
        ),
        [
            "`fieldType` is required, and nothing can fill it",
            "`groupName` is required, and nothing can fill it",
            "`type` is \"text\", and taken is only \"bool\", \"date\", \"datetime\", \"enumeration\", \"number\", \"phone_number\", \"string\""
        ]
    );
    let pipeline = json!({ "label": "{}", "displayOrder": 1, "stages": [{ "label": "{}", "displayOrder": 0 }] });
    assert_eq!(
        faults(&hubspot, "POST /crm/pipelines/2026-09/deals", pipeline),
        ["`stages.0.metadata` is required, and nothing can fill it"]
    );
    assert!(
        hubspot.operation("POST", "/crm/v3/properties/{object_type}").is_err(),
        "the dated contract has other paths"
    );
}

#[test]
fn gohighlevel() {
    let gohighlevel = rest("gohighlevel.v2.openapi.json");
    let create = operation(&gohighlevel, "POST /locations/{location}/customValues");
    assert_eq!(create.required_headers(), ["Version"]);
    assert_eq!(at(create.answer(), "customValue.id"), "string");
    assert_eq!(at(create.answer(), "id"), "no id");
    assert_eq!(
        at(
            operation(&gohighlevel, "GET /locations/{l}/customValues").answer(),
            "customValues.*.name"
        ),
        "string"
    );
    assert_eq!(
        faults(
            &gohighlevel,
            "POST /locations/{l}/customValues",
            json!({ "name": "{}" })
        ),
        ["`value` is required, and nothing can fill it"]
    );
}

/// The largest is 900 kB; unoptimised it takes some 20 ms, of which this leaves a wide margin for a busy machine.
#[test]
fn reading_is_quick() {
    let text = text("vapi.mock.openapi.json");
    let start = Instant::now();
    assert!(Contract::parse("vapi.json", &text).is_ok());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
