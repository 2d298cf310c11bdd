//! A tenant's life: active, suspended, active again, deprovisioned, and its file removed.

use insta::assert_snapshot;

use crate::support::transcript::seen;
use crate::support::{Run, Server, Space, server};

fn set(space: &Space, tenant: &str, from: &str, to: &str) -> Run {
    space.edit(
        &format!("tenants/{tenant}.toml"),
        &format!("\"{from}\""),
        &format!("\"{to}\""),
    );
    space.commit(to);
    let plan = space.upa(&["plan"]).exits(0);
    space.apply();
    space.settled();
    plan
}

/// How many workflows run.
fn running(space: &Space) -> usize {
    server::on(space, |server: &Server| {
        let workflows = server.workflows();
        workflows.iter().filter(|workflow| workflow["active"] == true).count()
    })
}

#[test]
fn a_life() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    let ids = |space: &Space| ["answer", "record", "assistant"].map(|name| space.id("ana", &format!("ana@v1/{name}")));
    let before = ids(&space);
    let base = space.lock("ana")["versions"]["v1"]["webhook_base_path"].clone();

    assert_snapshot!(set(&space, "ana", "active", "suspended"), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · suspended
      ~ update  ana@v1/answer     n8n.workflow    the tenant is suspended, unpublishes
      ~ update  ana@v1/assistant  vapi.assistant  the tenant is suspended, sets endCallPhrases, firstMessage, [ID], maxDurationSeconds; a call that reaches it in another way than by its number hears one sentence and is hung up
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
      ~ update  ana@v1/record     n8n.workflow    the tenant is suspended, unpublishes

    Plan: 3 to update in 1 of 2 tenants
          1 live webhook affected
          about 9 API calls
    digest sha256:[DIGEST]
    "#);
    assert_eq!((running(&space), space.objects()), (2, 6));
    assert_eq!(ids(&space), before);

    // A fix reaches what is suspended, too.
    space.edit("tenants/ana.toml", "Hello", "Hi");
    assert_snapshot!(set(&space, "ana", "suspended", "suspended"), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · suspended
      ~ update  ana@v1/answer  n8n.workflow    Git changed
          node "Greeting" · parameters.assignments.assignments.0.value
            - "Hello from ana"
            + "Hi from ana"

    Plan: 1 to update in 1 of 2 tenants
          about 3 API calls
    digest sha256:[DIGEST]
    "#);

    assert_snapshot!(set(&space, "ana", "suspended", "active"), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/answer     n8n.workflow    Git wants it to run again, publishes
      ~ update  ana@v1/assistant  vapi.assistant  Git wants it to run again
          firstMessage
            - "This service is suspended."
            + "Hi from ana"
          endCallPhrases
            - [
            -   "This service is suspended"
            - ]
          [ID]
            - "assistant-speaks-first"
          maxDurationSeconds
            - 10
      ~ update  ana@v1/record     n8n.workflow    Git wants it to run again, publishes

    Plan: 3 to update in 1 of 2 tenants
          about 11 API calls
    digest sha256:[DIGEST]
    "#);
    assert_eq!((running(&space), space.objects()), (4, 6));
    assert_eq!(ids(&space), before);
    assert_eq!(space.lock("ana")["versions"]["v1"]["webhook_base_path"], base);

    assert_snapshot!(set(&space, "ana", "active", "deprovisioned"), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · deprovisioned
      - delete  ana@v1/answer     n8n.workflow    the tenant is deprovisioned (tenants/ana.toml:4)
      - delete  ana@v1/assistant  vapi.assistant  the tenant is deprovisioned (tenants/ana.toml:4)
      - delete  ana@v1/record     n8n.workflow    the tenant is deprovisioned (tenants/ana.toml:4)

    Plan: 3 to delete in 1 of 2 tenants
          1 live webhook affected
          about 15 API calls
    digest sha256:[DIGEST]
    "#);
    assert_eq!((running(&space), space.objects()), (2, 3));
    let lock = space.lock("ana");
    assert!(
        lock.get("resources")
            .is_none_or(|resources| resources.as_table().unwrap().is_empty()),
        "{lock}"
    );
    assert_eq!(
        lock["versions"]["v1"]["request"]["purpose"].as_str(),
        Some("deprovision")
    );
    assert_snapshot!(space.upa(&["status"]), @r#"
    exit 0
    --- stdout
    TENANT  TIER    STATUS         VERSION  REVISION  REQUEST    OBJECTS  SINCE
    ana     client  deprovisioned  bot v1   1         COMPLETED  0        [TIME]
    bo      client  active         bot v1   1         COMPLETED  3        [TIME]
    "#);

    // Nothing is left, so the file may go. The other tenant is as it was.
    space.remove("tenants/ana.toml");
    space.commit("gone");
    space.settled();
    assert_eq!(space.objects(), 3);
}

#[test]
fn callers_go_first() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("deprovisioned");
    let run = space.apply();
    let steps: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("n8n") || !line.contains("assistant"))
        .collect();
    assert_snapshot!(steps.join("\n"), @r#"
    unpublished ana@v1/answer
    unpublished ana@v1/record
    deleted     ana@v1/answer
    deleted     ana@v1/record
    "#);
}

#[test]
fn deletions_are_shown_first_and_counted() {
    let space = Space::with(&["ana", "bo", "cy"]);
    space.upa(&["apply", "--yes", "ana", "bo"]).exits(0);
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.edit("tenants/bo.toml", "Hello", "Hi");
    space.commit("all at once");
    let run = space.upa(&["plan"]).exits(0);
    let summary = run.stdout.lines().find(|line| line.starts_with("Plan:")).unwrap();
    assert_snapshot!(seen(summary), @r#"
    Plan: 3 to delete, 3 to create, 2 to update in 3 of 3 tenants
    "#);
}

#[test]
fn a_tenant_may_come_back() {
    let space = Space::with(&["ana"]);
    space.apply();
    let before = space.id("ana", "ana@v1/answer");
    let request = |space: &Space| space.lock("ana")["versions"]["v1"]["request"]["request_id"].clone();
    let first = request(&space);
    set(&space, "ana", "active", "deprovisioned");
    let second = request(&space);
    set(&space, "ana", "deprovisioned", "active");
    assert_eq!(space.objects(), 3);
    assert_ne!(space.id("ana", "ana@v1/answer"), before);
    assert!(first != second && second != request(&space));
}

#[test]
fn a_tenant_that_never_was_is_deprovisioned_by_doing_nothing() {
    let space = Space::with(&["ana"]);
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("never mind");
    let head = space.head();
    space.settled();
    space.apply();
    assert_eq!(space.head(), head);
}

#[test]
fn what_is_taken_down_needs_no_version() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.remove(crate::support::product::VERSION_FILE);
    space.commit("the product is gone");
    space.apply();
    assert_eq!(space.objects(), 0);
    space.settled();
}

#[test]
fn a_resource_that_a_version_drops_is_deleted() {
    let space = Space::with(&["ana"]);
    space.apply();
    let version = space.read(crate::support::product::VERSION_FILE);
    let start = version.find("[resources.assistant]").unwrap();
    let end = version.find("[files]").unwrap();
    let shorter = format!("{}{}", &version[..start], &version[end..]);
    space.write(crate::support::product::VERSION_FILE, shorter);
    crate::support::product::release(&space);
    space.commit("no assistant");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      - delete  ana@v1/assistant  vapi.assistant  the version has no such resource any more (tenants/ana.toml:4)

    Plan: 1 to delete in 1 of 1 tenant
          about 3 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    assert_eq!(space.objects(), 2);
    space.settled();
}
