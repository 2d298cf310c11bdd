//! A place has one owner: no object belongs to two addresses, however the second one comes to name it.

use crate::support::origin::Origin;
use crate::support::{Server, Space, server};

pub const PLATFORM: &str = r#"platform = "cocina"
usual_base = "https://cocina.invalid"
auth = { bearer = "{cred.key}" }

[resource.tool]
list = { call = "GET /tools", items = "tools" }
create = "POST /tools"
read = "GET /tools/{id}"
update = "PATCH /tools/{id}"
delete = "DELETE /tools/{id}"

[resource.field]
list = { call = "GET /fields", items = "fields" }
find = { where = { name = "{spec.name}" } }
create = "POST /fields"
read = "GET /fields/{id}"
update = "PATCH /fields/{id}"
delete = "DELETE /fields/{id}"

[resource.studio]
list = { call = "GET /studios", items = "studios" }
create = "POST /studios"
read = "GET /studios/{id}"
update = "PATCH /studios/{id}"
delete = "DELETE /studios/{id}"

[resource.limits]
one = true
inputs = ["studio"]
create = "PUT /studios/{studio}/limits"
read = "GET /studios/{studio}/limits"
update = "PUT /studios/{studio}/limits"
delete = "DELETE /studios/{studio}/limits"
"#;

const VERSION: &str = r#"product = "cocinas"
version = "v1"
revision = 0
stage = "released"

[inputs]
properties.studio = { type = "string" }
properties.field = { type = "string" }
properties.tool = { type = "string" }
properties.plan = { type = "string", enum = ["none", "own", "pro", "elite"] }

[resources.tool]
kind = "cocina.tool"
template = "tool.json"
when = { input = "tool", is_not = "none" }

[resources.field]
kind = "cocina.field"
template = "field.json"
when = { input = "field", is_not = "none" }

[resources.base]
kind = "cocina.studio"
template = "studio.json"
when = { input = "plan", is = "own" }

[resources.limits-own]
kind = "cocina.limits"
template = "own.json"
when = { input = "plan", is = "own" }

[resources.limits-pro]
kind = "cocina.limits"
template = "pro.json"
when = { input = "plan", is = "pro" }

[resources.limits-elite]
kind = "cocina.limits"
template = "elite.json"
when = { input = "plan", is = "elite" }
"#;

/// A workspace of tenants, each with what follows `[inputs]` in its file.
pub fn space(tenants: &[(&str, &str)]) -> Space {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.cocina]\nsandbox = true\n",
    );
    space.write("platforms/cocina.toml", PLATFORM);
    space.write("versions/cocinas/v1.toml", VERSION);
    let template = |name: &str, text: &str| space.write(&format!("templates/cocinas/v1/{name}.json"), text);
    template("tool", r#"{ "title": "<%= inputs.tool %>" }"#);
    template("field", r#"{ "name": "<%= inputs.field %>" }"#);
    template("pro", r#"{ "studio": "<%= inputs.studio %>", "calls": 100 }"#);
    template("elite", r#"{ "studio": "<%= inputs.studio %>", "calls": 900 }"#);
    template("studio", r#"{ "title": "<%= tenant.name %>" }"#);
    template("own", r#"{ "studio": "<%= resources.base.id %>", "calls": 50 }"#);
    space.commit("before the release");
    space.upa(&["release", "cocinas", "v1"]).exits(0);
    for (name, rest) in tenants {
        tenant(&space, name, rest);
    }
    space.commit("workspace");
    space
}

pub fn tenant(space: &Space, name: &str, rest: &str) {
    let head = "product = \"cocinas\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n";
    let inputs = ["tool", "field", "studio", "plan"];
    let left_out = inputs.iter().filter(|input| !rest.contains(&format!("{input} = ")));
    let left_out: String = left_out.map(|input| format!("{input} = \"none\"\n")).collect();
    space.write(
        &format!("tenants/{name}.toml"),
        format!("{head}\n[inputs]\n{left_out}{rest}"),
    );
    space.commit(name);
}

/// Every command that could write to `bo`'s neighbour refuses, and nothing is recorded.
fn refused(space: &Space, says: &[&str]) {
    for command in [&["validate"][..], &["plan"], &["plan", "bo"], &["apply", "--yes", "bo"]] {
        let run = space.upa(command).exits(5);
        for text in says {
            assert!(run.stderr.contains(text), "{command:?} lacks {text}:\n{}", run.stderr);
        }
    }
    assert!(!space.exists("tenants/bo.lock"), "nothing of bo's is recorded");
}

#[test]
fn an_object_that_another_tenant_records_is_not_adopted_although_it_carries_no_mark() {
    let space = space(&[("ana", "tool = \"booking\"\n")]);
    space.apply();
    let id = space.id("ana", "ana@v1/tool");
    tenant(
        &space,
        "bo",
        &format!("tool = \"booking\"\n\n[adopt]\n\"tool\" = \"{id}\"\n"),
    );
    refused(
        &space,
        &[
            "bo@v1/tool and ana@v1/tool are the same object",
            &id,
            "remove `tool` from `[adopt]`",
        ],
    );
    space.upa(&["plan", "ana"]).exits(0);
}

#[test]
fn an_object_that_another_tenant_records_is_not_taken_by_recovery() {
    let space = space(&[("ana", "tool = \"booking\"\n")]);
    space.apply();
    let id = space.id("ana", "ana@v1/tool");
    tenant(&space, "bo", "tool = \"booking\"\n");
    let take = format!("bo@v1/tool={id}");
    let run = space.upa(&["recover", "bo", "--take", &take]).exits(5);
    assert!(run.stderr.contains("ana@v1/tool are the same object"), "{}", run.stderr);
    assert!(!space.exists("tenants/bo.lock"));
}

#[test]
fn two_tenants_do_not_have_one_setting() {
    let space = space(&[("ana", "plan = \"pro\"\nstudio = \"s1\"\n")]);
    space.apply();
    tenant(&space, "bo", "plan = \"elite\"\nstudio = \"s1\"\n");
    refused(
        &space,
        &["bo@v1/limits-elite and ana@v1/limits-pro are the same object", "`s1`"],
    );
    tenant(&space, "bo", "plan = \"elite\"\nstudio = \"s2\"\n");
    space.apply();
    space.settled();
}

#[test]
fn two_new_tenants_do_not_have_one_natural_key() {
    let space = space(&[("ana", "field = \"Origin\"\n"), ("bo", "field = \"Origin\"\n")]);
    let run = space.upa(&["validate"]).exits(5);
    for text in [
        "ana@v1/field and bo@v1/field are the same object",
        "bo@v1/field and ana@v1/field",
        "name = \"Origin\"",
    ] {
        assert!(run.stderr.contains(text), "{text}:\n{}", run.stderr);
    }
    space.upa(&["apply", "--yes"]).exits(5);
    // Recorded first, found on the platform then: what is there belongs to the other, and is not proposed.
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    let run = space.upa(&["plan", "bo"]).exits(5);
    assert!(run.stderr.contains("belongs to ana@v1/field"), "{}", run.stderr);
    assert!(!run.stderr.contains("to `[adopt]`"), "{}", run.stderr);
}

#[test]
fn two_names_of_one_account_are_one_account() {
    let space = space(&[("ana", "plan = \"pro\"\nstudio = \"s1\"\n")]);
    let account = "base_url = \"https://cocina.invalid\"\ncredentials.key = { env = \"COCINA_KEY\" }\n";
    let second = format!("[accounts.cocina]\n{account}\n[accounts.cocina-b]\nplatform = \"cocina\"\n{account}");
    space.edit("upa.toml", "[accounts.cocina]\nsandbox = true\n", &second);
    tenant(
        &space,
        "bo",
        "plan = \"pro\"\nstudio = \"s1\"\n\n[accounts]\ncocina = \"cocina-b\"\n",
    );
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("are the same object"), "{}", run.stderr);
    // With another key it is another account, where the same path is another place.
    let other = account.replace("COCINA_KEY", "COCINA_B_KEY");
    space.edit(
        "upa.toml",
        &format!("platform = \"cocina\"\n{account}"),
        &format!("platform = \"cocina\"\n{other}"),
    );
    space.upa(&["validate"]).exits(0);
}

#[test]
fn adopt_with_another_id_than_the_recorded_one_is_refused() {
    let space = space(&[("ana", "tool = \"booking\"\n")]);
    space.apply();
    tenant(&space, "ana", "tool = \"booking\"\n\n[adopt]\n\"tool\" = \"another\"\n");
    let run = space.upa(&["plan"]).exits(5);
    assert!(run.stderr.contains("and `[adopt]` names another"), "{}", run.stderr);
    let id = space.id("ana", "ana@v1/tool");
    tenant(
        &space,
        "ana",
        &format!("tool = \"booking\"\n\n[adopt]\n\"tool\" = \"{id}\"\n"),
    );
    space.settled();
}

/// A setting's id ends with its parent's: an order that is guessed from ids in documents has a circle.
#[test]
fn the_way_down_is_recorded_and_a_setting_goes_before_what_it_belongs_to() {
    let space = space(&[("ana", "plan = \"own\"\n")]);
    space.apply();
    let needs = &space.lock("ana")["resources"]["ana@v1/limits-own"]["applied"]["needs"];
    assert_eq!(needs.as_array().unwrap(), &["ana@v1/base".into()]);
    space.edit("tenants/ana.toml", "status = \"active\"", "status = \"deprovisioned\"");
    space.commit("goodbye");
    let run = space.upa(&["apply", "--yes"]).exits(0);
    let at = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("{text}:\n{run}"));
    assert!(
        at("deleted     ana@v1/limits-own") < at("deleted     ana@v1/base"),
        "{run}"
    );
    assert!(space.lock("ana").get("resources").is_none(), "nothing of it is left");
}

/// Another name for one setting: it is written where it differs, and never emptied.
#[test]
fn the_same_place_under_another_name_of_the_tenant_is_a_move() {
    let space = space(&[("ana", "plan = \"pro\"\nstudio = \"s1\"\n")]);
    space.apply();
    tenant(&space, "ana", "plan = \"elite\"\nstudio = \"s1\"\n");
    let plan = space.upa(&["plan"]).exits(0);
    assert!(plan.stdout.contains("Plan: 1 to update in 1 of 1 tenant"), "{plan}");
    assert!(plan.stdout.contains("was ana@v1/limits-pro"), "{plan}");
    space.apply();
    let lock = space.lock("ana");
    let recorded: Vec<&String> = lock["resources"].as_table().unwrap().keys().collect();
    assert_eq!(recorded, ["ana@v1/limits-elite"]);
    space.settled();
}

#[test]
fn two_names_of_one_tenant_may_change_places() {
    let space = space(&[]);
    let each = "[resources.limits]\nkind = \"cocina.limits\"\ntemplate = \"each.json\"\neach = { in = \"inputs.rooms\", key = \"name\" }\n";
    let version = space.read("versions/cocinas/v1.toml");
    let (before, files) = version.split_once("\n[files]\n").unwrap();
    let rooms = "properties.rooms = { type = \"array\", items = { type = \"object\", properties = { name = { type = \"string\" }, studio = { type = \"string\" } } } }";
    let before = before.replace("[inputs]\n", &format!("[inputs]\n{rooms}\n"));
    space.write(
        "versions/cocinas/v1.toml",
        format!("{before}\n{each}\n[files]\n{files}"),
    );
    let document = r#"{ "studio": "<%= each.value.studio %>", "calls": 5 }"#;
    space.write("templates/cocinas/v1/each.json", document);
    space.commit("before the release");
    space.upa(&["release", "cocinas", "v1"]).exits(0);
    let rooms = |a: &str, b: &str| {
        let room = |name: &str, studio: &str| format!("{{ name = \"{name}\", studio = \"{studio}\" }}");
        tenant(
            &space,
            "ana",
            &format!("rooms = [{}, {}]\n", room("a", a), room("b", b)),
        );
    };
    rooms("s1", "s2");
    space.apply();
    rooms("s2", "s1");
    let plan = space.upa(&["plan"]).exits(0);
    assert!(plan.stdout.contains("Plan: 2 to move in 1 of 1 tenant"), "{plan}");
    space.apply();
    assert_eq!(space.id("ana", "ana@v1/limits[a]"), "s2");
    assert_eq!(space.id("ana", "ana@v1/limits[b]"), "s1");
    space.settled();
    // One that moves to another's place leaves its own, which is deleted.
    tenant(&space, "ana", "rooms = [{ name = \"a\", studio = \"s1\" }]\n");
    space.apply();
    assert_eq!(space.id("ana", "ana@v1/limits[a]"), "s1");
    space.settled();
}

#[test]
fn what_lies_in_an_object_of_another_tenant_is_that_tenants() {
    let space = space(&[("ana", "plan = \"own\"\n")]);
    space.apply();
    let studio = space.id("ana", "ana@v1/base");
    tenant(&space, "bo", &format!("plan = \"pro\"\nstudio = \"{studio}\"\n"));
    // The setting itself is ana's too; without it the studio still is.
    refused(&space, &["are the same object"]);
    space.write(
        "platforms/cocina.toml",
        PLATFORM
            .replace(
                "one = true\n",
                "list = { call = \"GET /studios/{studio}/limits\", items = \"limits\" }\n",
            )
            .replace(
                "create = \"PUT /studios/{studio}/limits\"",
                "create = \"POST /studios/{studio}/limits\"",
            )
            .replace("/limits\"\nupdate", "/limits/{id}\"\nupdate")
            .replace(
                "update = \"PUT /studios/{studio}/limits\"",
                "update = \"PUT /studios/{studio}/limits/{id}\"",
            )
            .replace(
                "delete = \"DELETE /studios/{studio}/limits\"",
                "delete = \"DELETE /studios/{studio}/limits/{id}\"",
            ),
    );
    space.commit("several limits");
    refused(
        &space,
        &[&format!("bo@v1/limits-pro lies in `{studio}`, which is ana@v1/base")],
    );
}

#[test]
fn a_natural_key_is_what_the_platform_takes_for_one() {
    let space = space(&[]);
    let same = "find = { where = { name = \"{spec.name}\" } }\nsame = { name = \"lower\" }";
    space.write(
        "platforms/cocina.toml",
        PLATFORM.replace("find = { where = { name = \"{spec.name}\" } }", same),
    );
    tenant(&space, "ana", "field = \"Origin\"\n");
    tenant(&space, "bo", "field = \"ORIGIN\"\n");
    let says = |args: &[&str], text: &str| {
        let run = space.upa(args).exits(5);
        assert!(run.stderr.contains(text), "{run}");
    };
    says(&["validate"], "are the same object");
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    says(&["validate"], "are the same object");
    // However many are looked at together.
    says(&["plan", "bo"], "belongs to ana@v1/field");
    says(&["plan"], "are the same object");
    says(&["apply", "--yes"], "are the same object");
    assert!(!space.exists("tenants/bo.lock"));
}

/// Two commits, of which neither shows that both want one place: what was begun is seen by the run that comes second.
#[test]
fn of_two_runs_that_begin_at_one_place_only_one_makes_a_call() {
    let origin = Origin::path();
    let first = space(&[("ana", "plan = \"pro\"\nstudio = \"s1\"\n")]);
    first.edit("upa.toml", "[accounts", "[git]\nremote = \"origin\"\n\n[accounts");
    first.commit("a remote");
    first.git(&["remote", "add", "origin", &origin.url()]);
    first.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
    origin.equip(&first);
    let second = origin.clone(&[]);
    tenant(&second, "ana", "plan = \"pro\"\nstudio = \"s2\"\n");
    tenant(&second, "bo", "plan = \"pro\"\nstudio = \"s1\"\n");
    second.git(&["push", "--quiet"]);
    server::on(&first, |server: &Server| {
        // Both have planned before one of them has announced what it begins.
        origin.hook("while read _ _ name; do [ \"$name\" != refs/heads/main ] || sleep 3; done");
        let looking = second.start(&["apply", "--yes", "bo"]);
        let writing = first.start(&["apply", "--yes", "ana"]);
        let (looked, wrote) = (second.finish(looking), first.finish(writing));
        let (won, lost) = match wrote.status {
            0 => (&wrote, &looked),
            _ => (&looked, &wrote),
        };
        assert_eq!(won.status, 0, "{wrote}\n{looked}");
        // On a busy machine the second may see already when it plans what the first has begun.
        match lost.status {
            12 => assert!(lost.stderr.contains("are the same object"), "{lost}"),
            _ => assert_eq!(
                (lost.status, lost.stderr.contains("may have made for")),
                (10, true),
                "{lost}"
            ),
        }
        let calls = server.ok("GET", "/_sandbox/calls", None);
        let puts = calls["calls"].as_array().unwrap().iter();
        assert_eq!(puts.filter(|call| call["method"] == "PUT").count(), 1);
    });
}
