//! Whose account it is: the key of another owner sees other objects at the same place, and what is recorded must not look
//! deleted to it.

use serde_json::{Value, json};

use crate::places::{PLATFORM, space, tenant};
use crate::support::server::{self, Server};
use crate::support::{Run, Space, product};

/// Products whose platform says whose a key is.
fn telling(tenants: &[(&str, &str)]) -> Space {
    let space = space(tenants);
    let whoami = "whoami = { call = \"GET /me\", at = \"portal\", sees_everything = true }\n\n[resource.tool]";
    space.write("platforms/cocina.toml", PLATFORM.replacen("[resource.tool]", whoami, 1));
    space.commit("it says whose a key is");
    space
}

/// From now on these calls are answered so.
fn answers(server: &Server, account: &str, path: &str, body: &Value) {
    server.fault(&json!({"account": account, "method": "GET", "path": path, "times": 100, "kind": "status", "status": 200, "body": body}));
}

/// The paths that were called.
fn called(server: &Server) -> Vec<String> {
    let calls = server.ok("GET", "/_sandbox/calls", None);
    let paths = calls["calls"].as_array().unwrap().iter();
    paths.map(|call| call["path"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn refused(space: &Space, server: &Server, args: &[&str]) -> Run {
    let before = server.writes();
    let run = space.upa(args).exits(5);
    assert!(
        run.stderr
            .contains("the key belongs to `other`, and the objects are recorded with `sandbox`"),
        "{run}"
    );
    assert_eq!(server.writes(), before, "{run}");
    run
}

#[test]
fn another_owner_behind_the_recorded_one_is_asked_nothing_else() {
    let space = telling(&[("ana", "tool = \"booking\"\n")]);
    server::on(&space, |server| {
        space.apply();
        let owner = space.lock("ana")["resources"]["ana@v1/tool"]["owner"].clone();
        assert_eq!(owner.as_str(), Some("sandbox"));
        answers(server, "cocina", "/me", &json!({"portal": "other"}));
        server.ok("DELETE", "/_sandbox/calls", None);
        for args in [
            &["plan"][..],
            &["apply", "--yes"],
            &["apply", "--yes", "--recreate", "ana@v1/tool"],
        ] {
            refused(&space, server, args);
        }
        assert!(called(server).iter().all(|path| path == "/me"), "{:?}", called(server));
        // Neither for a tenant that is new there.
        tenant(&space, "bo", "tool = \"booking\"\n");
        refused(&space, server, &["apply", "--yes", "bo"]);
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
    });
}

#[test]
fn where_only_objects_tell_the_owner_the_first_of_another_is_enough() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server| {
        space.apply();
        let owner = space.lock("ana")["resources"]["ana@v1/assistant"]["owner"].clone();
        assert_eq!(owner.as_str(), Some("sandbox"), "its creation told it");
        let others = json!([{"id": "a1", "orgId": "other", "name": "Another's", "createdAt": "2026-01-01T00:00:00Z"}]);
        answers(server, "vapi", "/assistant$", &others);
        space.write("tenants/bo.toml", product::tenant("bo"));
        space.commit("bo");
        refused(&space, server, &["apply", "--yes", "bo"]);
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
    });
}

#[test]
fn two_names_of_one_owner_are_one_account() {
    let platform = telling(&[]);
    server::on(&platform, |server| {
        let space = telling(&[("ana", "plan = \"pro\"\nstudio = \"s1\"\n")]);
        let account = |key: &str| {
            format!(
                "base_url = \"{}/cocina\"\ncredentials.key = {{ env = \"{key}\" }}\n",
                server.url
            )
        };
        let both = format!(
            "[accounts.cocina]\n{}\n[accounts.cocina-b]\nplatform = \"cocina\"\n{}",
            account("KEY_A"),
            account("KEY_B")
        );
        space.edit("upa.toml", "[accounts.cocina]\nsandbox = true\n", &both);
        let elsewhere = |studio: &str| {
            let rest = format!("plan = \"pro\"\nstudio = \"{studio}\"\n\n[accounts]\ncocina = \"cocina-b\"\n");
            tenant(&space, "bo", &rest);
        };
        elsewhere("s1");
        // Nothing in Git shows that both keys are of one owner.
        space.upa(&["validate"]).exits(0);
        let keys = [("KEY_A", server.key.as_str()), ("KEY_B", server.key.as_str())];
        for args in [&["plan"][..], &["apply", "--yes"]] {
            let run = space.upa_with(args, &keys).exits(5);
            assert!(run.stderr.contains("are the same object"), "{run}");
        }
        elsewhere("s2");
        space.upa_with(&["apply", "--yes"], &keys).exits(0);
        // Once it is recorded, Git shows it.
        elsewhere("s1");
        let run = space.upa(&["validate"]).exits(5);
        assert!(run.stderr.contains("are the same object"), "{run}");
    });
}
