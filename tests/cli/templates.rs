//! Wrong versions and templates, and files that cannot be read: refused like any other, see `refusals`.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::Space;
use crate::support::product::{self, TEMPLATES, VERSION_FILE, template};

#[test]
fn templates_that_are_missing_or_broken() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "template = \"record.json\"", "template = \"recrd.json\"");
    space.edit(
        VERSION_FILE,
        "template = \"assistant.json\"",
        "template = \"../../../upa.toml\"",
    );
    space.write(
        &format!("{TEMPLATES}/answer.json"),
        "{\n  \"name\": \"Answer\",\n  \"nodes\": [,]\n}\n",
    );
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: there is no template `templates/bot/v1/recrd.json`
      --> versions/bot/v1.toml:22:12
       |
    22 | template = "recrd.json"
       |            ^^^^^^^^^^^^
       |
    help: did you mean `record.json`?
    error: `../../../upa.toml` leaves the version's folder `templates/bot/v1/`
      --> versions/bot/v1.toml:27:12
       |
    27 | template = "../../../upa.toml"
       |            ^^^^^^^^^^^^^^^^^^^
       |
    help: a template is a file in that folder
    error: not valid JSON: expected value
     --> templates/bot/v1/answer.json:3:13
      |
    3 |   "nodes": [,]
      |             ^
      |
    help: export the document again, or check it with a JSON tool
    3 errors
    "#);
}

#[test]
fn names_that_are_not_defined() {
    let space = Space::with(&["ana"]);
    let mut assistant = product::assistant();
    assistant["firstMessage"] = json!("<%= inputs.greting %> <%= tenant.nme %>");
    assistant["endCallMessage"] = json!("<%= webhook.inbound.url %>");
    assistant["idleMessage"] = json!("<%= inputs. %>");
    template(&space, "assistant.json", &assistant);
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `<%= webhook.inbound.url %>`: `webhook.inbound.url` is not defined
     --> templates/bot/v1/assistant.json:2:22
      |
    2 |   "endCallMessage": "<%= webhook.inbound.url %>",
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: did you mean `webhooks`?
    error: `<%= inputs.greting %>`: `inputs.greting` is not defined
     --> templates/bot/v1/assistant.json:3:20
      |
    3 |   "firstMessage": "<%= inputs.greting %> <%= tenant.nme %>",
      |                    ^^^^^^^^^^^^^^^^^^^^^
      |
    help: did you mean `greeting`?
    error: `<%= tenant.nme %>`: `tenant.nme` is not defined
     --> templates/bot/v1/assistant.json:3:42
      |
    3 |   "firstMessage": "<%= inputs.greting %> <%= tenant.nme %>",
      |                                          ^^^^^^^^^^^^^^^^^
      |
    help: did you mean `name`?
    error: `<%= inputs. %>`: expected a path such as `inputs.name` or `files["prompt.md"]`, with `?? "…"` behind it where the tenant may not have it
     --> templates/bot/v1/assistant.json:4:19
      |
    4 |   "idleMessage": "<%= inputs. %>",
      |                   ^^^^^^^^^^^^^^
      |
    help: there are no filters and no logic
    4 errors
    "#);
}

#[test]
fn workflows_that_call_each_other_in_a_circle() {
    let space = Space::with(&["ana"]);
    let mut record = product::record();
    let nodes = record["nodes"].as_array_mut().unwrap();
    nodes.push(product::call("Answer again", "AnswerAnswer0001"));
    template(&space, "record.json", &record);
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: these workflows call each other in a circle, and n8n publishes none of them before the others: answer → record → answer
    --> templates/bot/v1/answer.json
     |
    help: break the circle: let one of them answer instead of calling back
    "#);
}

#[test]
fn kinds_and_platforms_that_nobody_knows() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "kind = \"vapi.assistant\"", "kind = \"vapi.asistant\"");
    space.edit(VERSION_FILE, "kind = \"n8n.workflow\"", "kind = \"n8m.workflow\"");
    space.edit(VERSION_FILE, "resource = \"answer\"", "resource = \"anser\"");
    space.edit("upa.toml", "[accounts.vapi]", "[accounts.vapy]");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: account `vapy`: there is no platform `vapy`
     --> upa.toml:7:1
      |
    7 | [accounts.vapy]
      | ^^^^^^^^^^^^^^^
      |
    help: did you mean `platform = "vapi"`?
    error: webhook `inbound`: there is no resource `anser`
      --> versions/bot/v1.toml:12:12
       |
    12 | resource = "anser"
       |            ^^^^^^^
       |
    help: resources of this version: answer, assistant, record
    error: there is no platform `n8m`
      --> versions/bot/v1.toml:16:8
       |
    16 | kind = "n8m.workflow"
       |        ^^^^^^^^^^^^^^
       |
    help: did you mean `n8n`?
    error: there is no kind `vapi.asistant`
      --> versions/bot/v1.toml:26:8
       |
    26 | kind = "vapi.asistant"
       |        ^^^^^^^^^^^^^^^
       |
    help: did you mean `vapi.assistant`?
    error: `<%= webhooks.inbound.url %>`: `webhooks.inbound.url` is not defined
     --> templates/bot/v1/assistant.json:5:13
      |
    5 |     "url": "<%= webhooks.inbound.url %>"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: known here: none
    error: upa.toml has no account for `vapi`, which the version uses
     --> tenants/ana.toml:2:11
      |
    2 | version = "v1"
      |           ^^^^
      |
    help: add `[accounts.vapi]` to upa.toml
    6 errors
    "#);
}

#[test]
fn links_are_not_followed() {
    let space = Space::with(&["ana"]);
    space.remove(&format!("{TEMPLATES}/record.json"));
    std::os::unix::fs::symlink("/etc/hostname", space.path(&format!("{TEMPLATES}/record.json"))).unwrap();
    std::os::unix::fs::symlink("/etc", space.path("tenants/more")).unwrap();
    std::os::unix::fs::symlink("ana.toml", space.path("tenants/bo.toml")).unwrap();
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: cannot use `templates/bot/v1/record.json`: it is a symbolic link (to `/etc/hostname`), and links are never followed
    --> templates/bot/v1/record.json
     |
    help: replace the link by the file itself
    error: cannot use `tenants/bo.toml`: it is a symbolic link (to `ana.toml`), and links are never followed
    --> tenants/bo.toml
     |
    help: replace the link by the file itself
    error: cannot use `tenants/more`: it is a symbolic link (to `/etc`), and links are never followed
    --> tenants/more
     |
    help: replace the link by the file itself
    4 errors
    "#);
}

#[test]
fn files_that_are_too_large() {
    let space = Space::with(&["ana"]);
    let large = vec![b' '; 50 << 20];
    space.write(&format!("{TEMPLATES}/record.json"), &large);
    space.write("tenants/bo.toml", &large);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: cannot use `templates/bot/v1/record.json`: it has 52428800 bytes, and upa reads at most 16777216
    --> templates/bot/v1/record.json
     |
    help: keep large data out of the workspace
    error: cannot use `tenants/bo.toml`: it has 52428800 bytes, and upa reads at most 1048576
    --> tenants/bo.toml
     |
    help: keep large data out of the workspace
    3 errors
    "#);
}

#[test]
fn files_that_are_nested_too_deep() {
    let space = Space::with(&["ana"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    space.write(&format!("{TEMPLATES}/record.json"), &deep);
    product::release(&space);
    space.write("tenants/bo.toml", format!("labels{} = 1\n", ".a".repeat(5_000)));
    space.write("tenants/cy.toml", format!("labels = {deep}\n"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: not valid JSON: recursion limit exceeded
     --> templates/bot/v1/record.json:1:61
      |
    1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                                             ^
      |
    help: nest it less than 128 deep
    error: not valid TOML: recursion limit
     --> tenants/bo.toml:1:1
      |
    1 | labels.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a
      | ^
      |
    help: nest tables and arrays less deep
    error: not valid TOML: cannot recurse further; max recursion depth met
     --> tenants/cy.toml:1:61
      |
    1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                                             ^
      |
    help: nest tables and arrays less deep
    4 errors
    "#);
}

#[test]
fn files_that_are_not_utf_8() {
    let space = Space::with(&["ana"]);
    space.write(&format!("{TEMPLATES}/record.json"), b"{\"name\": \"Grabaci\xf3n\"}");
    space.write("tenants/bo.toml", b"product = \"\xff\"\n");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: cannot use `templates/bot/v1/record.json`: it is not UTF-8 text
    --> templates/bot/v1/record.json
     |
    help: save it as UTF-8
    error: cannot use `tenants/bo.toml`: it is not UTF-8 text
    --> tenants/bo.toml
     |
    help: save it as UTF-8
    3 errors
    "#);
}

#[test]
fn templates_that_were_edited_added_or_removed_without_a_release() {
    let space = Space::with(&["ana"]);
    space.edit(&format!("{TEMPLATES}/assistant.json"), "assistant\"", "helper\"");
    space.write(&format!("{TEMPLATES}/notes.md"), "new\n");
    space.remove(&format!("{TEMPLATES}/record.json"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: there is no template `templates/bot/v1/record.json`
      --> versions/bot/v1.toml:22:12
       |
    22 | template = "record.json"
       |            ^^^^^^^^^^^^^
       |
    help: files there: answer.json, assistant.json, notes.md
    error: `templates/bot/v1/record.json` is part of revision 1 and is missing
      --> versions/bot/v1.toml:32:1
       |
    32 | "record.json" = "sha256:[DIGEST]"
       | ^^^^^^^^^^^^^
       |
    help: restore it with git, or run `upa release bot v1`, then commit
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: `templates/bot/v1/assistant.json` was edited without a release: revision 1 has another
    --> templates/bot/v1/assistant.json
     |
    help: run `upa release bot v1`, then commit
    error: `templates/bot/v1/notes.md` was added without a release: it is not part of revision 1
    --> templates/bot/v1/notes.md
     |
    help: run `upa release bot v1`, then commit
    5 errors
    "#);
}

#[test]
fn a_client_on_a_version_that_is_not_released() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "stage = \"released\"", "stage = \"demo\"");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `bot` v1 is not released for tier `client`: its stage is `demo`
     --> tenants/ana.toml:2:11
      |
    2 | version = "v1"
      |           ^^^^
      |
    help: use a released version, or promote this one by changing its `stage`
    "#);
}

/// A key that counts only the second time it is written, and expressions of other languages.
#[test]
fn what_reads_otherwise_than_it_is_written() {
    let space = Space::with(&["ana"]);
    let text = space.read(&format!("{TEMPLATES}/assistant.json"));
    let first = text.find("\"firstMessage\"").unwrap();
    let twice = format!("{}\"firstMessage\": \"Hi\", {}", &text[..first], &text[first..]);
    space.write(&format!("{TEMPLATES}/assistant.json"), twice);
    product::release(&space);
    let refused = space.refused();
    for words in [
        "`firstMessage` stands twice in one object",
        "remove one of them",
        "assistant.json:",
    ] {
        assert!(refused.stderr.contains(words), "{refused}");
    }
    let mut assistant = product::assistant();
    assistant["firstMessage"] = json!("{{ inputs.greeting }}, ${inputs.greeting}, {{name}} of {{ inputs.nothing }}");
    template(&space, "assistant.json", &assistant);
    product::release(&space);
    space.commit("lookalikes");
    let validated = space.upa(&["validate"]).exits(0);
    let told = validated.stderr.matches("is no expression of a template").count();
    assert_eq!(told, 2, "{validated}");
    assert!(
        validated.stderr.contains("write `<%= inputs.greeting %>`"),
        "{validated}"
    );
}
