//! What upa says is so: messages about what is there, what waits, and what is gone.

use serde_json::json;

use crate::support::origin::{Origin, slowly, until};
use crate::support::{Server, Space, product, server};

const WAITING: &str = "\
platform = \"parcels\"
usual_base = \"https://parcels.example\"

[auth]
bearer = \"{cred.api_key}\"

[resource.parcel]
create = \"POST /parcels\"
read = \"GET /parcels/{id}\"
update = \"PATCH /parcels/{id}\"
delete = \"DELETE /parcels/{id}\"
list = { call = \"GET /parcels\" }
marker = { field = \"hidden\" }
wait = { call = \"GET /parcels/{id}/state\", at = \"state\", ok = [\"ready\"], fail = [\"broken\"], every = \"1s\", max = \"2s\" }
keep = \"what is in it is lost\"
";

fn with_parcels(tenants: &[&str]) -> Space {
    let space = Space::with(tenants);
    space.write("platforms/parcels.toml", WAITING);
    space.edit(
        "upa.toml",
        "[accounts.vapi]",
        "[accounts.parcels]\nsandbox = true\n\n[accounts.vapi]",
    );
    product::template(&space, "parcel.json", &json!({"title": "<%= tenant.name %>"}));
    let parcel = "[resources.parcel]\nkind = \"parcels.parcel\"\ntemplate = \"parcel.json\"\n\n[resources.assistant]";
    space.edit(product::VERSION_FILE, "[resources.assistant]", parcel);
    product::release(&space);
    space.commit("parcels");
    space
}

#[test]
fn what_its_platform_is_not_done_with_waits_and_has_not_failed() {
    let space = with_parcels(&["ana"]);
    server::on(&space, |server: &Server| {
        server.fault(&json!({
            "account": "parcels", "method": "GET", "path": "/parcels/*/state", "times": 1000, "kind": "status", "status": 200,
            "body": {"state": "packing"}
        }));
        let run = space.upa(&["apply", "--yes"]);
        assert!(!run.stderr.contains("failed"), "{run}");
        assert!(!run.stdout.contains("failed"), "{run}");
        assert!(run.stderr.contains("waits       ana@v1/parcel"), "{run}");
        assert!(run.stdout.contains("ana@v1/parcel is not ready yet"), "{run}");
    });
}

#[test]
fn a_confirmation_of_what_is_gone_already_stands_in_nobodys_way() {
    let space = with_parcels(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
        space.commit("goodbye");
        let command = ["apply", "--yes", "ana", "--confirm", "ana@v1/parcel"];
        server.fault(&json!({
            "account": "vapi", "method": "DELETE", "times": 1000, "kind": "status", "status": 400, "body": {"message": "not now"}
        }));
        let run = space.upa(&command);
        assert!(run.status != 0 && run.stderr.contains("not now"), "{run}");
        assert!(space.lock("ana")["resources"].get("ana@v1/parcel").is_none());
        server.ok("DELETE", "/_sandbox/faults", None);
        space.upa(&command).exits(0);
        assert!(server.assistants().is_empty());
        // A slip of the pen is still one, where the tenant stays.
        space.write("tenants/bo.toml", product::tenant("bo"));
        space.commit("bo");
        let run = space.upa(&["plan", "bo", "--confirm", "bo@v1/parcl"]).exits(64);
        assert!(run.stderr.contains("did you mean `bo@v1/parcel`?"), "{run}");
        space.upa(&["plan", "bo", "--confirm", "bo@v1/parcel"]).exits(0);
    });
}

#[test]
fn a_tenant_file_that_git_does_not_know_is_not_committed() {
    let space = Space::with(&["ana"]);
    space.write("tenants/zoe.toml", product::tenant("zoe"));
    space.write("tenants/half.toml", "product = ");
    for (tenant, ignored) in [("zoe", false), ("zoe", true), ("half", false)] {
        if ignored {
            space.write(".gitignore", ".upa/\ntenants/zoe.toml\n");
            space.git(&["add", ".gitignore"]);
            space.git(&["commit", "-qm", "ignored"]);
        }
        let run = space.upa(&["apply", "--yes", tenant]).exits(5);
        let expected = format!("`tenants/{tenant}.toml` is not committed");
        assert!(run.stderr.contains(&expected), "{run}");
        assert!(!run.stderr.contains("there is no tenant"), "{run}");
    }
}

#[test]
fn a_version_that_was_never_provisioned_has_no_request() {
    let space = Space::with(&["ana"]);
    space.apply();
    let version = space.read(product::VERSION_FILE);
    space.write(
        "versions/bot/v2.toml",
        version.replace("version = \"v1\"", "version = \"v2\""),
    );
    for file in ["answer", "record", "assistant"] {
        let text = space.read(&format!("{}/{file}.json", product::TEMPLATES));
        space.write(&format!("templates/bot/v2/{file}.json"), text);
    }
    space.upa(&["release", "bot", "v2"]).exits(0);
    space.edit("tenants/ana.toml", "version = \"v1\"", "version = \"v2\"");
    let run = space.upa(&["show", "ana"]).exits(0);
    assert!(!run.stdout.contains("COMPLETED"), "{run}");
    assert!(
        run.stdout
            .contains("none yet for bot v2: what is recorded is of bot v1"),
        "{run}"
    );
    assert!(!run.stdout.contains("webhook_base_path      ana-"), "{run}");
    let json = space.upa(&["show", "ana", "--format", "json"]).exits(0).json();
    assert_eq!(json["provisioning_request"], json!(null), "{json:#}");
    assert!(space.upa(&["status"]).stdout.contains("none yet"));
}

#[test]
fn a_cause_is_told_before_what_follows_from_it() {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        server.fault(
            &json!({"account": "vapi", "times": 1000, "kind": "status", "status": 403, "body": {"message": "no"}}),
        );
        let run = space.upa(&["plan"]);
        let at = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("{text}: {run}"));
        assert!(at("account `vapi`: GET") < at("tenant `ana` was not planned"), "{run}");
    });
    // A version that is not where it belongs, and the tenants on it.
    space.git(&["mv", "versions/bot/v1.toml", "versions/bot/v3.toml"]);
    let run = space.upa(&["validate"]).exits(5);
    let at = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("{text}: {run}"));
    assert!(
        at("belongs into `versions/bot/v1.toml`") < at("tenants/ana.toml"),
        "{run}"
    );
}

#[test]
fn a_branch_that_was_forced_back_under_a_run_is_called_that_and_what_helps_helps() {
    for lost in [false, true] {
        let origin = Origin::path();
        let space = origin.first(&["ana"], "remote = \"origin\"");
        server::on(&space, |server: &Server| {
            let before = origin.git(&["rev-parse", "main"]);
            slowly(server, 300);
            let child = space.start(&["apply", "--yes"]);
            until(server, 1);
            server.ok("DELETE", "/_sandbox/faults", None);
            origin.git(&["update-ref", "refs/heads/main", &before]);
            let run = space.finish(child);
            assert!(run.status == 12 || run.status == 7, "{run}");
            assert!(run.stderr.contains("is recorded only in this clone"), "{run}");
            assert!(run.stderr.contains("was forced back"), "{run}");
            assert!(run.stderr.contains("run `upa apply` in this clone"), "{run}");
            assert!(!run.stderr.contains("another run took over"), "{run}");
            let next = match lost {
                false => space.upa(&["apply", "--yes"]),
                true => {
                    let other = origin.clone(&[]);
                    other.upa(&["recover", "ana"]).exits(0);
                    other.upa(&["apply", "--yes"])
                }
            };
            assert_eq!(next.status, 0, "{next}");
            assert_eq!((server.workflows().len(), server.assistants().len()), (2, 1));
            assert!(origin.lock("main", "ana").contains("COMPLETED"));
        });
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    for (blocked, is_folder) in [(".git/upa", false), (".git/upa/lease", true), (".git/upa/clone", true)] {
        let origin = Origin::path();
        let space = origin.first(&["ana"], "remote = \"origin\"");
        match is_folder {
            true => std::fs::create_dir_all(space.path(blocked)).unwrap(),
            false => std::fs::write(space.path(blocked), "").unwrap(),
        }
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{blocked}: {run}");
        assert!(run.stderr.contains(&format!("{blocked}`: ")), "{blocked}: {run}");
        assert!(run.stderr.contains("hint: "), "{blocked}: {run}");
    }
}
