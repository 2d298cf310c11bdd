//! A suspended tenant: every object stands still as its kind says, nothing is started meanwhile, and all of it comes back.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::server;
use crate::support::{Run, Server, Space, product};

/// Lines that are paused by a call, and pages of which nothing is said.
const PAGER: &str = r#"platform = "pager"
auth     = { bearer = "{cred.key}" }

[resource.line]
title   = "label"
list    = { call = "GET /lines", items = "" }
create  = "POST /lines"
read    = "GET /lines/{id}"
update  = "PATCH /lines/{id}"
delete  = "DELETE /lines/{id}"
marker  = { field = "mark" }
suspend = { call = "POST /lines/{id}/pause", resume = "POST /lines/{id}/unpause", at = "paused", is = true, note = "callers hear that the line is busy" }

[resource.page]
title   = "label"
list    = { call = "GET /pages", items = "" }
create  = "POST /pages"
read    = "GET /pages/{id}"
update  = "PATCH /pages/{id}"
delete  = "DELETE /pages/{id}"
marker  = { field = "mark" }
"#;

const RESOURCES: &str = r#"
[resources.number]
kind = "vapi.phone_number"
template = "number.json"

[resources.calendar]
kind = "google.calendar"
template = "calendar.json"

[resources.watch]
kind = "google.watch_channel"
template = "watch.json"

[resources.line]
kind = "pager.line"
template = "line.json"

[resources.page]
kind = "pager.page"
template = "page.json"
"#;

/// The small product with a number, a calendar that is watched, a line and a page.
fn space() -> Space {
    let space = Space::bare();
    product::write(&space);
    space.write("platforms/pager.toml", PAGER);
    let accounts = "\n[accounts.google]\nsandbox = true\n\n[accounts.pager]\nsandbox = true\n";
    space.write("upa.toml", format!("{}{accounts}", product::SETTINGS));
    for (name, value) in [
        (
            "number.json",
            json!({"provider": "vapi", "name": "<%= tenant.name %>", "assistantId": "<%= resources.assistant.id %>",
                   "fallbackDestination": {"type": "number", "number": "+34910000000"}}),
        ),
        ("calendar.json", json!({"summary": "<%= tenant.name %>"})),
        (
            "watch.json",
            json!({"calendar_id": "<%= resources.calendar.id %>", "address": "<%= webhooks.inbound.url %>"}),
        ),
        (
            "line.json",
            json!({"label": "<%= tenant.name %>", "to": "<%= resources.assistant.id %>"}),
        ),
        ("page.json", json!({"label": "<%= tenant.name %>"})),
    ] {
        product::template(&space, name, &value);
    }
    let version = space.read(product::VERSION_FILE);
    space.write(
        product::VERSION_FILE,
        version.replace("\n[files]\n", &format!("{RESOURCES}\n[files]\n")),
    );
    product::release(&space);
    space.write("tenants/ana.toml", product::tenant("ana"));
    space.commit("workspace");
    space
}

fn set(space: &Space, from: &str, to: &str) {
    space.edit("tenants/ana.toml", &format!("\"{from}\""), &format!("\"{to}\""));
    space.commit(to);
}

/// Suspends and resumes: applied, and nothing is left.
fn comes_to(space: &Space, from: &str, to: &str) {
    set(space, from, to);
    space.apply();
    space.settled();
}

/// The contents of the only object of a kind, with what the platform sets.
fn only(server: &Server, kind: &str) -> Value {
    let found = all(server, kind);
    assert_eq!(found.len(), 1, "{kind}: {found:#?}");
    let mut object = found[0]["object"].clone();
    // Every write moves it.
    object.as_object_mut().unwrap().remove("updatedAt");
    object
}

fn all(server: &Server, kind: &str) -> Vec<Value> {
    let path = format!("/_sandbox/editor/{kind}");
    server.ok("GET", &path, None).as_array().cloned().unwrap_or_default()
}

fn by_hand(server: &Server, kind: &str, id: &str, fields: &Value) {
    server.ok("PATCH", &format!("/_sandbox/editor/{kind}?id={id}"), Some(fields));
}

fn running(server: &Server) -> usize {
    let workflows = server.workflows();
    workflows.iter().filter(|workflow| workflow["active"] == true).count()
}

fn ids(space: &Space) -> Vec<String> {
    let names = ["answer", "record", "assistant", "number", "calendar", "line", "page"];
    names
        .iter()
        .map(|name| space.id("ana", &format!("ana@v1/{name}")))
        .collect()
}

/// The writes of a story, as `METHOD /path` with the ids left out.
fn writes(server: &Server, story: impl FnOnce()) -> Vec<String> {
    let calls = |server: &Server| -> Vec<Value> {
        let answer = server.ok("GET", "/_sandbox/calls", None);
        let calls = answer["calls"].as_array().unwrap().iter();
        calls.filter(|call| call["wrote"] == true).cloned().collect()
    };
    let before = calls(server).len();
    story();
    let after = calls(server).into_iter().skip(before);
    after
        .map(|call| {
            let path = call["path"].as_str().unwrap();
            let known = |part: &&str| part.len() < 16 && !part.is_empty();
            let words: Vec<&str> = path.split('/').filter(known).collect();
            format!("{} {}", call["method"].as_str().unwrap(), words.join("/"))
        })
        .collect()
}

#[test]
fn nothing_of_it_answers_and_all_of_it_comes_back() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        space.settled();
        let before = ids(&space);
        let (number, assistant) = (only(server, "vapi/phone_number"), only(server, "vapi/assistant"));

        set(&space, "active", "suspended");
        assert_snapshot!(space.upa(&["status"]), @r#"
        exit 0
        --- stdout
        TENANT  TIER    STATUS                   VERSION  REVISION  REQUEST    OBJECTS  SINCE
        ana     client  suspended (not applied)  bot v1   1         COMPLETED  8        [TIME]
        "#);
        assert_snapshot!(space.upa(&["plan"]), @r#"
        exit 0
        --- stdout
        ana  bot v1 revision 1 · suspended
          ~ update  ana@v1/answer     n8n.workflow         the tenant is suspended, unpublishes
          ~ update  ana@v1/assistant  vapi.assistant       the tenant is suspended, sets endCallPhrases, firstMessage, [ID], maxDurationSeconds; a call that reaches it in another way than by its number hears one sentence and is hung up
              endCallPhrases
                + [
                +   "This service is suspended"
                + ]
              firstMessage
                - "Hello from ana"
                + "This service is suspended."
              [ID]
                + "assistant-speaks-first"
              maxDurationSeconds
                + 10
          ~ update  ana@v1/line       pager.line           the tenant is suspended, is stopped; callers hear that the line is busy
          ~ update  ana@v1/number     vapi.phone_number    the tenant is suspended, clears assistantId, squadId, workflowId, server; callers reach its `fallbackDestination`, or are hung up; where the organisation has a server URL of its own, that is asked who answers
              assistantId
                - "[UUID]"
                + null
          ~ update  ana@v1/record     n8n.workflow         the tenant is suspended, unpublishes
          - delete  ana@v1/watch      google.watch_channel the tenant is suspended, is deleted, and created again when the tenant is active; what changes meanwhile is not told (tenants/ana.toml:4)
          = stays   ana@v1/calendar   google.calendar      keeps running: people's appointments are in it
          = stays   ana@v1/page       pager.page           keeps running: its definition does not say how it is suspended

        Plan: 1 to delete, 5 to update in 1 of 1 tenant
              1 live webhook affected
              about 20 API calls
        digest sha256:[DIGEST]
        "#);
        space.apply();
        space.settled();
        assert_eq!(ids(&space), before);
        assert_eq!(running(server), 0);
        let now = only(server, "vapi/phone_number");
        assert_eq!((now.get("assistantId"), &now["number"]), (None, &number["number"]));
        assert_eq!(now["fallbackDestination"], number["fallbackDestination"]);
        assert_eq!(only(server, "vapi/assistant")["maxDurationSeconds"], 10);
        assert_eq!(all(server, "google/watch_channel"), Vec::<Value>::new());
        assert_eq!(only(server, "pager/line")["paused"], true);
        only(server, "google/calendar");
        assert_snapshot!(space.upa(&["status"]), @r#"
        exit 0
        --- stdout
        TENANT  TIER    STATUS     VERSION  REVISION  REQUEST    OBJECTS  SINCE
        ana     client  suspended  bot v1   1         COMPLETED  7        [TIME]
        "#);

        set(&space, "suspended", "active");
        assert_snapshot!(space.upa(&["status"]), @r#"
        exit 0
        --- stdout
        TENANT  TIER    STATUS                VERSION  REVISION  REQUEST    OBJECTS  SINCE
        ana     client  active (not applied)  bot v1   1         COMPLETED  7        [TIME]
        "#);
        assert_snapshot!(space.upa(&["plan"]), @r#"
        exit 0
        --- stdout
        ana  bot v1 revision 1 · active
          ~ update  ana@v1/answer     n8n.workflow         Git wants it to run again, publishes
          ~ update  ana@v1/assistant  vapi.assistant       Git wants it to run again
              firstMessage
                - "This service is suspended."
                + "Hello from ana"
              endCallPhrases
                - [
                -   "This service is suspended"
                - ]
              [ID]
                - "assistant-speaks-first"
              maxDurationSeconds
                - 10
          ~ update  ana@v1/line       pager.line           Git wants it to run again, is started again
          ~ update  ana@v1/number     vapi.phone_number    Git wants it to run again
              assistantId
                + "[UUID]"
          ~ update  ana@v1/record     n8n.workflow         Git wants it to run again, publishes
          + create  ana@v1/watch      google.watch_channel Git wants it to run again, is created again (versions/bot/v1.toml:37)

        Plan: 1 to create, 5 to update in 1 of 1 tenant
              about 24 API calls
        digest sha256:[DIGEST]
        "#);
        space.apply();
        space.settled();
        assert_eq!(ids(&space), before);
        assert_eq!(running(server), 2);
        assert_eq!(only(server, "vapi/phone_number"), number);
        assert_eq!(only(server, "vapi/assistant"), assistant);
        assert_eq!(only(server, "pager/line")["paused"], false);
        only(server, "google/watch_channel");
        let status = space.upa(&["status"]);
        assert!(!status.stdout.contains("not applied"), "{status}");
    });
}

#[test]
fn the_plan_says_of_each_object_what_happens_to_it() {
    let space = space();
    server::on(&space, |_| {
        space.apply();
        let stills = |run: &Run| -> Vec<String> {
            let plan = run.json();
            let stills = plan["standstills"].as_array().cloned().unwrap_or_default();
            let text = |still: &Value, key: &str| still[key].as_str().unwrap().to_owned();
            stills
                .iter()
                .map(|still| {
                    format!(
                        "{} {}: {}",
                        text(still, "address"),
                        text(still, "effect"),
                        text(still, "words")
                    )
                })
                .collect()
        };
        let plan = || space.upa(&["plan", "--format", "json"]).exits(0);
        assert_eq!(stills(&plan()), Vec::<String>::new());
        set(&space, "active", "suspended");
        let suspends = plan();
        assert_snapshot!(stills(&suspends).join("\n"), @r#"
        ana@v1/answer stops: is stopped
        ana@v1/assistant writes: sets endCallPhrases, firstMessage, firstMessageMode, maxDurationSeconds; a call that reaches it in another way than by its number hears one sentence and is hung up
        ana@v1/calendar keeps: keeps running: people's appointments are in it
        ana@v1/line stops: is stopped; callers hear that the line is busy
        ana@v1/number writes: clears assistantId, squadId, workflowId, server; callers reach its `fallbackDestination`, or are hung up; where the organisation has a server URL of its own, that is asked who answers
        ana@v1/page keeps: keeps running: its definition does not say how it is suspended
        ana@v1/record stops: is stopped
        ana@v1/watch removes: is deleted, and created again when the tenant is active; what changes meanwhile is not told
        "#);
        let reasons: Vec<String> = suspends.json()["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| json!([change["address"], change["action"], change["reason"], change["drift"]]).to_string())
            .collect();
        assert_snapshot!(reasons.join("\n"), @r#"
        ["ana@v1/answer","update","suspended",false]
        ["ana@v1/assistant","update","suspended",false]
        ["ana@v1/line","update","suspended",false]
        ["ana@v1/number","update","suspended",false]
        ["ana@v1/record","update","suspended",false]
        ["ana@v1/watch","delete","suspended",false]
        "#);
        space.apply();
        assert_eq!(stills(&plan()), Vec::<String>::new());
        set(&space, "suspended", "active");
        assert_snapshot!(stills(&plan()).join("\n"), @r#"
        ana@v1/answer stops: is started again
        ana@v1/assistant writes: is written as Git says again
        ana@v1/calendar keeps: keeps running: people's appointments are in it
        ana@v1/line stops: is started again
        ana@v1/number writes: is written as Git says again
        ana@v1/page keeps: keeps running: its definition does not say how it is suspended
        ana@v1/record stops: is started again
        ana@v1/watch removes: is created again
        "#);
    });
}

/// What stands outside is closed first and opened last.
#[test]
fn ways_in_are_closed_first_and_opened_last() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        set(&space, "active", "suspended");
        let closing = writes(server, || drop(space.apply()));
        assert_snapshot!(closing.join("\n"), @r#"
        PATCH phone-number
        POST lines/pause
        PATCH assistant
        POST calendar/v3/channels/stop
        POST api/v1/workflows/unpublish
        POST api/v1/workflows/unpublish
        "#);
        set(&space, "suspended", "active");
        let opening = writes(server, || drop(space.apply()));
        assert_snapshot!(opening.join("\n"), @r#"
        POST api/v1/workflows/publish
        POST api/v1/workflows/publish
        POST calendar/v3/calendars/events/watch
        PATCH assistant
        PATCH phone-number
        POST lines/unpause
        "#);
    });
}

/// One that cannot be closed keeps nothing else open, and is closed by the next run.
#[test]
fn one_that_cannot_be_closed_leaves_the_others_closed() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        set(&space, "active", "suspended");
        server.fault(
            &json!({"account": "vapi", "kind": "status", "method": "PATCH", "path": "/phone-number/*", "status": 400}),
        );
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{run}");
        assert_eq!(running(server), 0);
        assert_eq!(only(server, "pager/line")["paused"], true);
        assert!(only(server, "vapi/phone_number").get("assistantId").is_some());
        let status = space.upa(&["status"]);
        assert!(status.stdout.contains("suspended (not applied)"), "{status}");
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
        assert!(only(server, "vapi/phone_number").get("assistantId").is_none());
        let status = space.upa(&["status"]);
        assert!(!status.stdout.contains("not applied"), "{status}");
    });
}

/// Where a workflow behind it cannot be published, the number stays closed.
#[test]
fn a_way_in_is_not_opened_before_what_it_leads_to() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        comes_to(&space, "active", "suspended");
        set(&space, "suspended", "active");
        server.fault(&json!({"account": "n8n", "kind": "status", "method": "POST", "path": "/api/v1/workflows/*/publish", "status": 400, "times": 9}));
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{run}");
        assert!(only(server, "vapi/phone_number").get("assistantId").is_none());
        assert_eq!(all(server, "google/watch_channel"), Vec::<Value>::new());
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
        assert!(only(server, "vapi/phone_number").get("assistantId").is_some());
        only(server, "google/watch_channel");
    });
}

/// What somebody opens by hand meanwhile is drift, and is closed again.
#[test]
fn what_is_opened_by_hand_meanwhile_is_closed_again() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        comes_to(&space, "active", "suspended");
        let (number, line) = (space.id("ana", "ana@v1/number"), space.id("ana", "ana@v1/line"));
        let (assistant, answer) = (space.id("ana", "ana@v1/assistant"), space.id("ana", "ana@v1/answer"));
        // A squad is no field of the template.
        by_hand(
            server,
            "vapi/phone_number",
            &number,
            &json!({"squadId": "5c1f7a60-0000-4000-8000-000000000001"}),
        );
        by_hand(
            server,
            "vapi/assistant",
            &assistant,
            &json!({"maxDurationSeconds": 600}),
        );
        server.ok("POST", &format!("/pager/lines/{line}/unpause"), None);
        for workflow in [space.id("ana", "ana@v1/record"), answer] {
            server.ok("POST", &format!("/n8n/api/v1/workflows/{workflow}/activate"), None);
        }
        let plan = space.upa(&["plan", "--detailed-exitcode"]);
        assert_snapshot!(plan, @r#"
        exit 2
        --- stdout
        ana  bot v1 revision 1 · suspended
          ~ update  ana@v1/answer     n8n.workflow      it runs, and Git wants it stopped, unpublishes
          ~ update  ana@v1/assistant  vapi.assistant    drift: changed on the platform
              maxDurationSeconds
                - 600
                + 10
          ~ update  ana@v1/line       pager.line        it runs, and Git wants it stopped
          ~ update  ana@v1/number     vapi.phone_number drift: changed on the platform
              squadId
                - "[UUID]"
                + null
          ~ update  ana@v1/record     n8n.workflow      it runs, and Git wants it stopped, unpublishes

        Plan: 5 to update in 1 of 1 tenant
              5 of them because of changes made on the platform
              1 live webhook affected
              about 17 API calls
        digest sha256:[DIGEST]
        "#);
        space.apply();
        space.settled();
        assert!(only(server, "vapi/phone_number").get("squadId").is_none());
        assert_eq!(only(server, "vapi/assistant")["maxDurationSeconds"], 10);
        assert_eq!(only(server, "pager/line")["paused"], true);
        assert_eq!(running(server), 0);
    });
}

/// A fix reaches what is suspended, and starts nothing.
#[test]
fn a_release_meanwhile_starts_nothing() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        comes_to(&space, "active", "suspended");
        let mut number: Value = serde_json::from_str(&space.read("templates/bot/v1/number.json")).unwrap();
        number["fallbackDestination"]["number"] = json!("+34910000001");
        product::template(&space, "number.json", &number);
        product::template(
            &space,
            "line.json",
            &json!({"label": "<%= tenant.name %> 2", "to": "<%= resources.assistant.id %>"}),
        );
        product::template(
            &space,
            "watch.json",
            &json!({"calendar_id": "<%= resources.calendar.id %>", "address": "https://hooks.example/new"}),
        );
        let version = space.read(product::VERSION_FILE);
        space.write(
            product::VERSION_FILE,
            version.replace(
                "\n[files]\n",
                "\n[resources.second]\nkind = \"pager.line\"\ntemplate = \"line.json\"\n\n[files]\n",
            ),
        );
        product::release(&space);
        space.commit("a fix");
        space.apply();
        space.settled();
        let now = only(server, "vapi/phone_number");
        assert_eq!(
            (now.get("assistantId"), &now["fallbackDestination"]["number"]),
            (None, &json!("+34910000001"))
        );
        let lines = all(server, "pager/line");
        assert_eq!(lines.len(), 2);
        assert!(
            lines
                .iter()
                .all(|line| line["object"]["paused"] == true && line["object"]["label"] == "ana 2"),
            "{lines:#?}"
        );
        assert_eq!(all(server, "google/watch_channel"), Vec::<Value>::new());
        comes_to(&space, "suspended", "active");
        assert!(
            all(server, "pager/line")
                .iter()
                .all(|line| line["object"]["paused"] == false)
        );
        assert_eq!(
            only(server, "google/watch_channel")["address"],
            "https://hooks.example/new"
        );
    });
}

#[test]
fn a_tenant_can_begin_suspended() {
    let space = space();
    server::on(&space, |server| {
        set(&space, "active", "suspended");
        space.apply();
        space.settled();
        assert_eq!(running(server), 0);
        assert_eq!(only(server, "pager/line")["paused"], true);
        assert!(only(server, "vapi/phone_number").get("assistantId").is_none());
        assert_eq!(all(server, "google/watch_channel"), Vec::<Value>::new());
        let status = space.upa(&["status"]);
        assert!(
            status.stdout.contains("suspended") && !status.stdout.contains("not applied"),
            "{status}"
        );
        comes_to(&space, "suspended", "active");
        assert_eq!(running(server), 2);
        assert_eq!(only(server, "pager/line")["paused"], false);
        only(server, "google/watch_channel");
    });
}

#[test]
fn a_suspended_tenant_can_be_deprovisioned() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        comes_to(&space, "active", "suspended");
        set(&space, "suspended", "deprovisioned");
        let run = space.upa(&[
            "apply",
            "--yes",
            "--confirm",
            "ana@v1/number",
            "--confirm",
            "ana@v1/calendar",
        ]);
        assert_eq!(run.status, 0, "{run}");
        space.settled();
        for kind in [
            "vapi/phone_number",
            "vapi/assistant",
            "google/calendar",
            "google/watch_channel",
            "pager/line",
            "pager/page",
        ] {
            assert_eq!(all(server, kind), Vec::<Value>::new(), "{kind}");
        }
        assert_eq!(server.workflows().len(), 0);
        // Who comes back is active, and nothing is left of the suspension.
        comes_to(&space, "deprovisioned", "active");
        assert_eq!(only(server, "pager/line").get("paused"), None);
        only(server, "google/watch_channel");
    });
}

/// The answer to the channel's stop is lost, and then the tenant is to be active again: no call shows whether the channel is
/// there, so that another is opened.
#[test]
fn a_removal_that_was_cut_off_is_made_good_when_it_is_resumed() {
    for lie in ["drop_after_write", "drop_before"] {
        let space = space();
        server::on(&space, |server| {
            space.apply();
            let first = space.id("ana", "ana@v1/watch");
            set(&space, "active", "suspended");
            server.fault(
                &json!({"account": "google", "kind": lie, "method": "POST", "path": "/calendar/v3/channels/stop"}),
            );
            let run = space.upa(&["apply", "--yes"]);
            assert_ne!(run.status, 0, "{lie}: {run}");
            server.ok("DELETE", "/_sandbox/faults", None);
            comes_to(&space, "suspended", "active");
            assert_ne!(space.id("ana", "ana@v1/watch"), first, "{lie}");
            only(server, "google/watch_channel");
        });
    }
}

/// One that expired, or was stopped by another run, is not there to be stopped.
#[test]
fn a_channel_that_is_gone_already_does_not_hold_the_suspension() {
    let space = space();
    server::on(&space, |server| {
        space.apply();
        let id = space.id("ana", "ana@v1/watch").replace('/', "%2F");
        server.ok(
            "DELETE",
            &format!("/_sandbox/editor/google/watch_channel?id={id}"),
            None,
        );
        comes_to(&space, "active", "suspended");
        assert!(!space.read("tenants/ana.lock").contains("ana@v1/watch"));
    });
}

/// What another object refers to cannot be removed meanwhile: it would refer to nothing.
#[test]
fn what_something_else_refers_to_is_not_removed() {
    let space = space();
    product::template(
        &space,
        "page.json",
        &json!({"label": "<%= tenant.name %>", "of": "<%= resources.watch.id %>"}),
    );
    product::release(&space);
    space.commit("a page about the channel");
    server::on(&space, |server| {
        space.apply();
        let first = space.id("ana", "ana@v1/watch");
        set(&space, "active", "suspended");
        let plan = space.upa(&["plan"]);
        assert!(
            plan.stdout.contains("keeps running: ana@v1/page refers to it"),
            "{plan}"
        );
        space.apply();
        space.settled();
        only(server, "google/watch_channel");
        comes_to(&space, "suspended", "active");
        assert_eq!(space.id("ana", "ana@v1/watch"), first);
    });
}

/// A tenant of whom everything goes on: it is said, recorded, and not said again.
#[test]
fn a_tenant_of_whom_nothing_is_stopped_is_recorded_as_suspended_all_the_same() {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.pager]\nsandbox = true\n",
    );
    space.write("platforms/pager.toml", PAGER);
    space.write(
        "versions/bot/v1.toml",
        "product = \"bot\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n\n[resources.page]\nkind = \"pager.page\"\ntemplate = \"page.json\"\n",
    );
    space.write("templates/bot/v1/page.json", "{ \"label\": \"<%= tenant.name %>\" }\n");
    space.write(
        "tenants/ana.toml",
        "product = \"bot\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n",
    );
    space.upa(&["release", "bot", "v1"]).exits(0);
    space.commit("pages");
    server::on(&space, |server| {
        space.apply();
        set(&space, "active", "suspended");
        assert_snapshot!(space.upa(&["plan"]), @r#"
        exit 0
        --- stdout
        ana  bot v1 revision 1 · suspended
          = stays   ana@v1/page  pager.page      keeps running: its definition does not say how it is suspended

        Nothing to change; apply has something to record of 1 tenant.
        "#);
        let wrote = writes(server, || drop(space.apply()));
        assert_eq!(wrote, Vec::<String>::new());
        space.settled();
        let status = space.upa(&["status"]);
        assert!(
            status.stdout.contains("suspended") && !status.stdout.contains("not applied"),
            "{status}"
        );
        comes_to(&space, "suspended", "active");
    });
}

/// What carries no mark and is removed while its tenant is suspended.
const BELL: &str = r#"
[resource.bell]
title   = "label"
list    = { call = "GET /bells", items = "" }
find    = { where = { label = "{spec.label}" } }
create  = "POST /bells"
read    = "GET /bells/{id}"
update  = "PATCH /bells/{id}"
delete  = "DELETE /bells/{id}"
suspend = { remove = true, note = "it does not ring" }
"#;

/// A client with a page and a bell, of which the answer to its creation is lost.
fn a_lost_bell(lost: &str, test: impl FnOnce(&Space, &Server)) {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.pager]\nsandbox = true\n",
    );
    space.write("platforms/pager.toml", format!("{PAGER}{BELL}"));
    space.write(
        "versions/bot/v1.toml",
        "product = \"bot\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n\n[resources.page]\nkind = \"pager.page\"\ntemplate = \"page.json\"\n\n[resources.bell]\nkind = \"pager.bell\"\ntemplate = \"page.json\"\n",
    );
    space.write("templates/bot/v1/page.json", "{ \"label\": \"<%= tenant.name %>\" }\n");
    space.write(
        "tenants/ana.toml",
        "product = \"bot\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n",
    );
    space.upa(&["release", "bot", "v1"]).exits(0);
    space.commit("pages and bells");
    server::on(&space, |server| {
        server.fault(&json!({"account": "pager", "method": "POST", "path": "/bells$", "times": 1, "kind": lost}));
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{run}");
        test(&space, server);
    });
}

/// Whether it was made is found out when the tenant is active again: one bell, and no question.
#[test]
fn a_creation_of_unknown_outcome_is_not_forgotten_while_its_tenant_is_suspended() {
    for lost in ["drop_after_write", "drop_before"] {
        a_lost_bell(lost, |space, server| {
            comes_to(space, "active", "suspended");
            comes_to(space, "suspended", "active");
            only(server, "pager/bell");
        });
    }
}

/// What nothing proves to be upa's is neither deleted nor forgotten meanwhile.
#[test]
fn what_is_not_proven_keeps_running_and_stays_recorded() {
    a_lost_bell("drop_before", |space, server| {
        let bell = json!({"spec": {"label": "ana", "rings": "by hand"}});
        server.ok("POST", "/_sandbox/editor/pager/bell", Some(&bell));
        space.apply();
        let used = space.id("ana", "ana@v1/bell");
        comes_to(space, "active", "suspended");
        assert_eq!(space.id("ana", "ana@v1/bell"), used);
        comes_to(space, "suspended", "active");
        assert_eq!(space.id("ana", "ana@v1/bell"), used);
        assert_eq!(only(server, "pager/bell")["rings"], "by hand");
    });
}

#[test]
fn what_a_kind_does_is_shown() {
    let space = space();
    let shown = |name: &str| space.upa(&["platform", "show", name]).exits(0).stdout;
    for (kind, words) in [
        (
            "vapi.phone_number",
            "clears assistantId, squadId, workflowId, server; callers reach its `fallbackDestination`",
        ),
        (
            "google.watch_channel",
            "is deleted, and created again when the tenant is active",
        ),
        ("pager.line", "is stopped; callers hear that the line is busy"),
        (
            "pager.page",
            "keeps running: its definition does not say how it is suspended",
        ),
    ] {
        let shown = shown(kind);
        assert!(shown.contains(words), "{kind}: {shown}");
    }
}

/// The product that is shipped: every object of it says what happens, and nothing is left once it is done.
#[test]
fn the_shipped_product_stands_still_and_comes_back() {
    let space = Space::shipped();
    server::on(&space, |server| {
        server.shipped_credentials();
        space.apply();
        let set = |from: &str, to: &str| {
            space.edit(
                "tenants/demo.toml",
                &format!("status   = \"{from}\""),
                &format!("status   = \"{to}\""),
            );
            space.commit(to);
        };
        let before = running(server);
        set("active", "suspended");
        let plan = space.upa(&["plan", "demo"]).exits(0);
        assert!(!plan.stdout.contains("does not say how it is suspended"), "{plan}");
        let stays = plan.stdout.lines().filter(|line| line.contains("= stays"));
        let stays: Vec<&str> = stays.filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_snapshot!(stays.join("\n"), @r#"
        demo@v2.0/booking-tool
        demo@v2.0/ghl-booking-url
        demo/calendar
        demo/calendar-access
        demo/calls-header
        demo/calls-tab
        demo/ghl-last-call
        demo/sheet
        demo/sheet-access
        "#);
        space.apply();
        space.settled();
        assert_eq!(running(server), before - 7);
        let channels = all(server, "google/watch_channel");
        assert_eq!(channels.len(), 2, "{channels:#?}");
        space.upa(&["show", "demo"]).exits(0);
        let status = space.upa(&["status"]);
        assert!(!status.stdout.contains("not applied"), "{status}");
        set("suspended", "active");
        space.apply();
        space.settled();
        assert_eq!(running(server), before);
        assert_eq!(all(server, "google/watch_channel").len(), 3);
    });
}
