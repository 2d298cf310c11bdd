//! `[adopt]`: what exists already is taken over by id, and by nothing else.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::product;
use crate::support::{Server, Space, server};

/// A workflow somebody made by hand.
fn by_hand(server: &Server, name: &str) -> String {
    let body = json!({
        "name": name,
        "nodes": [{"id": "a", "name": "Called", "type": "n8n-nodes-base.executeWorkflowTrigger", "typeVersion": 1, "position": [0, 0], "parameters": {"inputSource": "passthrough"}}],
        "connections": {},
        "settings": {"executionOrder": "v1"},
    });
    server.ok("POST", "/n8n/api/v1/workflows", Some(&body))["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn adopts(space: &Space, tenant: &str, resource: &str, id: &str) {
    let text = format!("{}\n[adopt]\n{resource} = \"{id}\"\n", product::tenant(tenant));
    space.write(&format!("tenants/{tenant}.toml"), text);
    space.commit("adopt");
}

#[test]
fn an_existing_object_is_taken_over() {
    let space = Space::with(&["ana"]);
    let id = server::on(&space, |server: &Server| by_hand(server, "Old recorder"));
    adopts(&space, "ana", "record", &id);
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      + create  ana@v1/answer     n8n.workflow    new in Git (versions/bot/v1.toml:15)
      + create  ana@v1/assistant  vapi.assistant  new in Git (versions/bot/v1.toml:25)
      > adopt   ana@v1/record     n8n.workflow    the tenant adopts it (versions/bot/v1.toml:20)
          name
            - "Old recorder"
            + "ana · Record"

    Plan: 2 to create, 1 to adopt in 1 of 1 tenant
          about 19 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    assert_eq!(space.id("ana", "ana@v1/record"), id);
    assert_eq!(space.objects(), 3);
    space.settled();
    // The line may stay or go.
    space.write("tenants/ana.toml", product::tenant("ana"));
    space.commit("adopted");
    space.settled();
}

#[test]
fn an_object_that_is_not_there_or_is_anothers_is_not_adopted() {
    let space = Space::with(&["ana", "bo"]);
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    adopts(&space, "bo", "record", "AbCdEfGh12345678");
    assert_snapshot!(space.upa(&["plan", "bo"]), @r#"
    exit 7
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: bo@v1/record could not be read, so nothing is done about it: n8n says it does not exist, but this key sees none of the recorded workflows: perhaps it is another user's key
      --> versions/bot/v1.toml:20:12
       |
    20 | [resources.record]
       |            ^^^^^^
       |
    help: check the id `[ID]` in `[adopt]` of tenants/bo.toml
    "#);
    adopts(&space, "bo", "record", &space.id("ana", "ana@v1/record"));
    let head = space.head();
    assert_snapshot!(space.upa(&["apply", "bo", "--yes"]), @r#"
    exit 5
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: bo@v1/record and ana@v1/record are the same object: n8n.workflow `[ID]`
      --> versions/bot/v1.toml:20:12
       |
    20 | [resources.record]
       |            ^^^^^^
       |
    help: an object belongs to one address: remove `record` from `[adopt]` of tenants/bo.toml
    "#);
    assert_eq!(space.head(), head);
    assert_eq!(space.objects(), 3);
    // Ana's is as it was.
    space.upa(&["plan", "--detailed-exitcode", "ana"]).exits(0);
}

#[test]
fn strangers_are_not_touched() {
    let space = Space::with(&["ana"]);
    let stranger = server::on(&space, |server: &Server| by_hand(server, "ana · Record"));
    space.apply();
    server::on(&space, |server: &Server| {
        let still = server.ok("GET", &format!("/n8n/api/v1/workflows/{stranger}"), None);
        assert_eq!(still["name"], "ana · Record");
        assert_eq!(server.workflows().len(), 3);
    });
    space.settled();
}
