//! `when` and `each`: which tenants have a resource, and how many of it.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::duo::{self, VERSION_FILE};
use crate::support::{Server, Space, product, server, transcript};

#[test]
fn an_input_says_which_of_two_a_tenant_has() {
    let space = duo::space(&[]);
    duo::tenant(&space, "ana", "own");
    duo::tenant(&space, "bo", "none");
    space.commit("two");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  duo v1 revision 1 · active
      + create  ana@v1/main       vapi.assistant  new in Git (versions/duo/v1.toml:24)
      + create  ana@v1/voice-own  vapi.assistant  new in Git (versions/duo/v1.toml:19)

    bo  duo v1 revision 1 · active
      + create  bo@v1/main        vapi.assistant  new in Git (versions/duo/v1.toml:24)

    Plan: 3 to create in 2 of 2 tenants
          about 12 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 3);
    space.edit("tenants/ana.toml", "\"own\"", "\"none\"");
    space.commit("no voice");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  duo v1 revision 1 · active
      ~ update  ana@v1/main       vapi.assistant  Git changed
          firstMessage
            - "[UUID]"
            + ""
      - delete  ana@v1/voice-own  vapi.assistant  the tenant's inputs do not ask for it any more (tenants/ana.toml:4)

    Plan: 1 to delete, 1 to update in 1 of 2 tenants
          about 6 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    assert_eq!(space.objects(), 2);
    space.settled();
}

#[test]
fn a_condition_that_nobody_can_fulfil_is_refused() {
    let space = duo::space(&["ana"]);
    for (from, to) in [
        (
            "when = { input = \"voice\", is = \"shared\" }",
            "when = { input = \"voise\", is = \"shared\" }",
        ),
        (
            "when = { input = \"voice\", is = \"own\" }",
            "when = { input = \"voice\", is_not = \"owm\" }",
        ),
    ] {
        space.edit(VERSION_FILE, from, to);
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: there is no input `voise`
      --> versions/duo/v1.toml:17:18
       |
    17 | when = { input = "voise", is = "shared" }
       |                  ^^^^^^^
       |
    help: did you mean `voice`?
    error: `voice` is never "owm": it is one of shared, own, none
      --> versions/duo/v1.toml:22:36
       |
    22 | when = { input = "voice", is_not = "owm" }
       |                                    ^^^^^
       |
    help: did you mean `own`?
    2 errors
    "#);
    for (from, to) in [
        (
            "when = { input = \"voise\", is = \"shared\" }",
            "when = { input = \"voice\" }",
        ),
        (
            "when = { input = \"voice\", is_not = \"owm\" }",
            "when = { input = \"voice\", is = [\"own\"] }",
        ),
    ] {
        space.edit(VERSION_FILE, from, to);
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `when` of `voice` must have one of `is` and `is_not`
      --> versions/duo/v1.toml:17:8
       |
    17 | when = { input = "voice" }
       |        ^^^^^^^^^^^^^^^^^^^
       |
    help: write `when = { input = "…", is = "…" }`
    error: `is` must be a text, a number or a boolean: a condition is plain equality
      --> versions/duo/v1.toml:22:32
       |
    22 | when = { input = "voice", is = ["own"] }
       |                                ^^^^^^^
       |
    help: write one value; for another, make a second resource
    2 errors
    "#);
}

#[test]
fn what_a_tenant_does_not_have_cannot_be_referred_to() {
    let space = duo::space(&[]);
    duo::tenant(&space, "ana", "own");
    duo::tenant(&space, "bo", "none");
    duo::template(&space, "main.json", &json!({"name": "<%= resources.voice-own.id %>"}));
    duo::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `<%= resources.voice-own.id %>` in templates/duo/v1/main.json: `main` refers to `voice-own`, which this tenant does not have: it is for those whose voice is "own"
     --> tenants/bo.toml:8:9
      |
    8 | voice = "none"
      |         ^^^^^^
      |
    help: give `main` the same `when`, or say in the template what stands there without it: `<%= … ?? "" %>`
    "#);
    // A slip of the pen is not something a tenant may lack.
    duo::template(
        &space,
        "main.json",
        &json!({"name": "<%= resources.voice-onw.id ?? \"\" %>"}),
    );
    let run = space.upa(&["release", "duo", "v1"]).exits(5);
    assert!(run.stderr.contains("did you mean `voice-own`?"), "{run}");
}

#[test]
fn a_workflow_cannot_call_one_that_its_tenant_does_not_have() {
    let space = Space::with(&["ana"]);
    let record = "[resources.record]\n";
    space.edit(
        product::VERSION_FILE,
        record,
        &format!("{record}when = {{ input = \"minutes\", is = 15 }}\n"),
    );
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `answer` calls `record`, which this tenant does not have: it is for those whose minutes is 15
     --> tenants/ana.toml:7:1
      |
    7 | [inputs]
      | ^^^^^^^^
      |
    help: give `answer` the same `when` in versions/bot/v1.toml, or let it call something every tenant has
    "#);
    space.edit("tenants/ana.toml", "[inputs]\n", "[inputs]\nminutes = 15\n");
    space.commit("quarters");
    space.apply();
    space.settled();
}

#[test]
fn a_credential_that_only_serves_what_a_tenant_does_not_have_is_not_asked_for() {
    let space = Space::with(&["ana"]);
    let mut record = product::record();
    record["nodes"].as_array_mut().unwrap().push(json!({
        "name": "Write", "type": "n8n-nodes-base.googleSheets", "typeVersion": 4.5, "position": [0, 0], "parameters": {},
        "credentials": {"googleSheetsOAuth2Api": {"id": "SheetSheetSheet1", "name": "Template · Sheet"}},
    }));
    product::template(&space, "record.json", &record);
    let mut answer = product::answer();
    let nodes = answer["nodes"].as_array_mut().unwrap();
    nodes.retain(|node| node["name"] != "Record it");
    answer["connections"] = json!({"Call": {"main": [[{"node": "Greeting", "type": "main", "index": 0}]]}});
    product::template(&space, "answer.json", &answer);
    space.edit(
        product::VERSION_FILE,
        "[resources.record]\n",
        "[credentials.sheet]\nplatform = \"n8n\"\ntype = \"googleSheetsOAuth2Api\"\ntemplate_name = \"Template · Sheet\"\n\n[resources.record]\nwhen = { input = \"minutes\", is = 15 }\n",
    );
    product::release(&space);
    space.commit("a sheet for some");
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 2);
    space.edit("tenants/ana.toml", "[inputs]\n", "[inputs]\nminutes = 15\n");
    let run = space.refused();
    assert!(run.stderr.contains("the version needs a credential `sheet`"), "{run}");
    space.upa(&["new", "bo"]).exits(0);
    let text = space.read("tenants/bo.toml");
    let (_, inputs) = text.split_once("[inputs]").unwrap();
    assert_snapshot!(inputs.trim(), @r#"
    greeting = ""
    # If minutes is 15, the tenant has `record`.
    # minutes = 30

    # Existing credentials, by the name they have on the platform.
    [credentials]
    # sheet = ""   # n8n of type googleSheetsOAuth2Api; only if minutes is 15
    "#);
}

const DOMAIN: &str =
    "[resources.domain]\nkind = \"vapi.assistant\"\ntemplate = \"domain.json\"\neach = \"inputs.domains\"\n";

#[test]
fn one_for_each_whatever_their_order() {
    let space = duo::space(&[]);
    duo::add(
        &space,
        DOMAIN,
        "domain.json",
        &json!({"name": "<%= tenant.name %> <%= each.key %>", "firstMessage": "<%= each.value %>"}),
    );
    duo::add(
        &space,
        "[resources.room]\nkind = \"vapi.assistant\"\nscope = \"tenant\"\ntemplate = \"room.json\"\neach = { in = \"inputs.rooms\", key = \"name\" }\n",
        "room.json",
        &json!({"name": "<%= each.value.name %>", "seats": "<%= each.value.seats ?? 0 %>"}),
    );
    duo::tenant(&space, "ana", "none");
    duo::tenant(&space, "bo", "none");
    let inputs = "\ndomains = [\"a.es\", \"b/ü.es\"]\nrooms = [{ name = \"blue\", seats = 4 }, { name = \"red\" }]\n";
    space.write("tenants/ana.toml", space.read("tenants/ana.toml") + inputs);
    space.commit("one has some, one has none");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  duo v1 revision 3 · active
      + create  ana@v1/domain[a.es]           vapi.assistant  new in Git (versions/duo/v1.toml:28)
      + create  ana@v1/domain[b%2F%C3%BC.es]  vapi.assistant  new in Git (versions/duo/v1.toml:28)
      + create  ana@v1/main                   vapi.assistant  new in Git (versions/duo/v1.toml:24)
      + create  ana/room[blue]                vapi.assistant  new in Git (versions/duo/v1.toml:33)
      + create  ana/room[red]                 vapi.assistant  new in Git (versions/duo/v1.toml:33)

    bo  duo v1 revision 3 · active
      + create  bo@v1/main                    vapi.assistant  new in Git (versions/duo/v1.toml:24)

    Plan: 6 to create in 2 of 2 tenants
          about 24 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 6);
    let id = space.id("ana", "ana@v1/domain[b%2F%C3%BC.es]");
    server::on(&space, |server: &Server| {
        let names: Vec<_> = server.assistants().iter().map(|one| one["name"].clone()).collect();
        assert!(
            names.contains(&json!("ana b/ü.es")) && names.contains(&json!("red")),
            "{names:?}"
        );
    });
    let trace = space.upa(&["trace", "ana@v1/domain[b%2F%C3%BC.es]"]).exits(0);
    assert!(trace.stdout.contains(&id), "{trace}");
    // Another order is no change; one that is taken out goes, and only that one.
    space.edit("tenants/ana.toml", "[\"a.es\", \"b/ü.es\"]", "[\"b/ü.es\", \"a.es\"]");
    space.commit("another order");
    space.settled();
    space.edit("tenants/ana.toml", "[\"b/ü.es\", \"a.es\"]", "[\"b/ü.es\", \"c.es\"]");
    space.commit("another domain");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  duo v1 revision 3 · active
      - delete  ana@v1/domain[a.es]  vapi.assistant  the tenant's inputs do not ask for it any more (tenants/ana.toml:4)
      + create  ana@v1/domain[c.es]  vapi.assistant  new in Git (versions/duo/v1.toml:28)

    Plan: 1 to delete, 1 to create in 1 of 2 tenants
          about 7 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    assert_eq!(space.id("ana", "ana@v1/domain[b%2F%C3%BC.es]"), id);
    space.settled();
    // Each of them can be named, for taking it over too.
    let object = server::on(&space, |server: &Server| {
        server.ok("POST", "/vapi/assistant", Some(&json!({"name": "by hand"})))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    space.edit("tenants/ana.toml", "\"c.es\"", "\"c.es\", \"d.es\"");
    let text = space.read("tenants/ana.toml");
    space.write(
        "tenants/ana.toml",
        format!("{text}\n[adopt]\n\"domain[d.es]\" = \"{object}\"\n"),
    );
    space.commit("one was there");
    space.apply();
    assert_eq!(space.id("ana", "ana@v1/domain[d.es]"), object);
    space.edit("tenants/ana.toml", "\"domain[d.es]\"", "domain");
    let run = space.refused();
    assert!(
        run.stderr.contains("cannot adopt `domain`: there are several of it"),
        "{run}"
    );
}

#[test]
fn a_workflow_that_nobody_calls_from_outside_may_be_repeated() {
    let space = Space::with(&["ana"]);
    let mut answer = product::answer();
    answer["nodes"].as_array_mut().unwrap().pop();
    answer["connections"] = json!({"Call": {"main": [[{"node": "Greeting", "type": "main", "index": 0}]]}});
    product::template(&space, "answer.json", &answer);
    let mut record = product::record();
    record["name"] = json!("Record of <%= each.key %>");
    let note = product::node(
        "Note",
        "set",
        json!({"assignments": {"assignments": [{"id": "1", "name": "list", "value": "<%= each.value %>", "type": "string"}]}}),
    );
    record["nodes"].as_array_mut().unwrap().push(note);
    product::template(&space, "record.json", &record);
    for (from, to) in [
        (
            "properties.minutes",
            "properties.lists = { type = \"array\" }\nproperties.minutes",
        ),
        ("[resources.record]\n", "[resources.record]\neach = \"inputs.lists\"\n"),
    ] {
        space.edit(product::VERSION_FILE, from, to);
    }
    product::release(&space);
    space.edit(
        "tenants/ana.toml",
        "[inputs]\n",
        "[inputs]\nlists = [\"calls\", \"mails\"]\n",
    );
    space.commit("two lists");
    space.apply();
    space.settled();
    server::on(&space, |server: &Server| {
        let names: Vec<_> = server.workflows().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(
            names
                .iter()
                .any(|name| name.as_str().unwrap().contains("Record of mails")),
            "{names:?}"
        );
    });
    let show = space.upa(&["show", "ana", "--format", "json"]).json();
    let ids = show["tenant_configuration"]["workflow_ids"].as_object().unwrap();
    let names: Vec<&String> = ids.keys().collect();
    assert_eq!(names, ["answer", "record[calls]", "record[mails]"]);
}

#[test]
fn lists_that_cannot_be_told_apart() {
    let space = duo::space(&[]);
    duo::add(&space, DOMAIN, "domain.json", &json!({"name": "<%= each.value %>"}));
    duo::add(
        &space,
        "[resources.room]\nkind = \"vapi.assistant\"\ntemplate = \"room.json\"\neach = { in = \"inputs.rooms\", key = \"name\" }\n",
        "room.json",
        &json!({"name": "<%= each.key %>"}),
    );
    duo::tenant(&space, "ana", "none");
    let inputs = "domains = [\"a\", \"b\", \"a\", \"\"]\nrooms = [{ seats = 4 }, { name = \"red\" }]\n";
    space.write("tenants/ana.toml", space.read("tenants/ana.toml") + inputs);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: "a" stands twice in `inputs.domains` (elements 1 and 3), and `domain` is one object for each
     --> tenants/ana.toml:9:22
      |
    9 | domains = ["a", "b", "a", ""]
      |                      ^^^
      |
    help: remove one of the two
    error: element 4 of `inputs.domains` is no text, and nothing else tells one `domain` from another
     --> tenants/ana.toml:9:27
      |
    9 | domains = ["a", "b", "a", ""]
      |                           ^^
      |
    help: give every element a text of its own
    error: element 1 of `inputs.rooms` has no text in `name`, and nothing else tells one `room` from another
      --> tenants/ana.toml:10:10
       |
    10 | rooms = [{ seats = 4 }, { name = "red" }]
       |          ^^^^^^^^^^^^^
       |
    help: give every element a text of its own
    3 errors
    "#);
}

#[test]
fn what_cannot_be_repeated() {
    let space = duo::space(&["ana"]);
    duo::add(&space, DOMAIN, "domain.json", &json!({"name": "<%= each.value %>"}));
    duo::template(
        &space,
        "main.json",
        &json!({"name": "<%= resources.domain.id %> <%= each.value %>"}),
    );
    space.edit(VERSION_FILE, "\"inputs.domains\"", "\"inputs.domain\"");
    let voice = "template = \"voice.json\"\n";
    space.edit(VERSION_FILE, voice, &format!("{voice}each = \"inputs.domains\"\n"));
    let own = "template = \"own.json\"\n";
    space.edit(VERSION_FILE, own, &format!("{own}each = \"inputs.rooms\"\n"));
    let run = space.upa(&["validate"]).exits(5);
    transcript::complete(&run.stderr);
    assert_snapshot!(run, @r#"
    exit 5
    --- stderr
    error: `voice` is one object for all tenants, so no tenant's list can repeat it
      --> versions/duo/v1.toml:17:8
       |
    17 | each = "inputs.domains"
       |        ^^^^^^^^^^^^^^^^
       |
    help: remove `each`, or the scope
    error: `inputs.rooms` is a list of tables, and nothing says what tells one from another
      --> versions/duo/v1.toml:23:8
       |
    23 | each = "inputs.rooms"
       |        ^^^^^^^^^^^^^^
       |
    help: name the field: `each = { in = "inputs.rooms", key = "…" }`
    error: there is no input `domain`
      --> versions/duo/v1.toml:33:8
       |
    33 | each = "inputs.domain"
       |        ^^^^^^^^^^^^^^^
       |
    help: did you mean `domains`?
    error: `templates/duo/v1/main.json` was edited without a release: revision 2 has another
    --> templates/duo/v1/main.json
     |
    help: run `upa release duo v1`, then commit
    error: `<%= resources.domain.id %>`: `domain` is one object for each of `inputs.domain`, so it has no single id
     --> templates/duo/v1/main.json:2:12
      |
    2 |   "name": "<%= resources.domain.id %> <%= each.value %>"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: an object that is repeated cannot be referred to
    error: `<%= each.value %>`: `each.value` is not defined
     --> templates/duo/v1/main.json:2:39
      |
    2 |   "name": "<%= resources.domain.id %> <%= each.value %>"
      |                                       ^^^^^^^^^^^^^^^^^
      |
    help: only a resource with `each` has it
    6 errors
    "#);
    let space = Space::with(&["ana"]);
    space.edit(
        product::VERSION_FILE,
        "properties.minutes",
        "properties.list = { type = \"array\" }\nproperties.minutes",
    );
    let answer = "[resources.answer]\n";
    space.edit(
        product::VERSION_FILE,
        answer,
        &format!("{answer}each = \"inputs.list\"\n"),
    );
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `answer` cannot be repeated: all its copies would listen at one webhook (node "Call")
      --> versions/bot/v1.toml:17:8
       |
    17 | each = "inputs.list"
       |        ^^^^^^^^^^^^^
       |
    help: keep the webhook in a workflow of its own, which is there once, and repeat what it works with
    "#);
}
