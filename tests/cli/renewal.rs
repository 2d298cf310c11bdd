//! Objects that expire: replaced in time, the new one first, and the old one taken down after it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::server;
use crate::support::{Server, Space};

pub const ADDRESS: &str = "ana@v1/watch";

pub fn space() -> Space {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.google]\nsandbox = true\n",
    );
    space.write(
        "versions/diary/v1.toml",
        "product = \"diary\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n\n\
         [resources.calendar]\nkind = \"google.calendar\"\ntemplate = \"calendar.json\"\n\n\
         [resources.watch]\nkind = \"google.watch_channel\"\ntemplate = \"watch.json\"\n",
    );
    let template = |name: &str, value: &Value| {
        space.write(&format!("templates/diary/v1/{name}"), format!("{value:#}\n"));
    };
    template("calendar.json", &json!({"summary": "<%= tenant.name %>"}));
    template(
        "watch.json",
        &json!({"calendar_id": "<%= resources.calendar.id %>", "address": "https://hooks.example/<%= tenant.name %>"}),
    );
    space.write(
        "tenants/ana.toml",
        "product = \"diary\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n",
    );
    space.commit("before the release");
    space.upa(&["release", "diary", "v1"]).exits(0);
    space.commit("a diary");
    space
}

fn channels(server: &Server) -> Vec<Value> {
    let found = server.ok("GET", "/_sandbox/editor/google/watch_channel", None);
    found.as_array().cloned().unwrap_or_default()
}

/// Writes another time into the lockfile, as if days had passed.
pub fn expires(space: &Space, in_hours: i64) {
    let text = space.read("tenants/ana.lock");
    let line = text
        .lines()
        .find(|line| line.starts_with("expiration = "))
        .unwrap()
        .to_owned();
    let at = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let at = i64::try_from(at.as_millis()).unwrap() + in_hours * 3_600_000;
    space.write(
        "tenants/ana.lock",
        text.replace(&line, &format!("expiration = \"{at}\"")),
    );
    space.commit("days pass");
}

#[test]
fn a_watch_channel_is_renewed_before_it_expires() {
    let space = space();
    server::on(&space, |server: &Server| {
        space.apply();
        space.settled();
        let first = space.id("ana", ADDRESS);
        assert_eq!(channels(server).len(), 1);
        // Three days are enough.
        expires(&space, 72);
        space.settled();
        expires(&space, 24);
        assert_snapshot!(space.upa(&["plan"]), @r#"
        exit 0
        --- stdout
        ana  diary v1 revision 1 · active
          ± replace ana@v1/watch  google.watch_channel it expires soon (versions/diary/v1.toml:11)

        Plan: 1 to replace in 1 of 1 tenant
              about 7 API calls
        digest sha256:[DIGEST]
        "#);
        space.apply();
        let second = space.id("ana", ADDRESS);
        assert_ne!(first, second);
        let left = channels(server);
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(
            !space.read("tenants/ana.lock").contains(&first),
            "nothing is left to retire"
        );
        space.settled();
    });
}

#[test]
fn a_renewal_that_is_cut_off_is_finished_by_the_next_run() {
    // The new channel is there and the old one could not be stopped.
    let space = space();
    server::on(&space, |server: &Server| {
        space.apply();
        let first = space.id("ana", ADDRESS);
        expires(&space, 24);
        server.fault(&json!({"account": "google", "method": "POST", "path": "/calendar/v3/channels/stop", "kind": "status", "status": 400, "body": {"error": {"message": "not today"}}}));
        space.upa(&["apply", "--yes"]).exits(7);
        assert_eq!(channels(server).len(), 2);
        assert_ne!(space.id("ana", ADDRESS), first);
        let plan = space.upa(&["plan"]).exits(0);
        assert!(plan.stdout.contains("the object it replaced is still there"), "{plan}");
        space.apply();
        assert_eq!(channels(server).len(), 1);
        space.settled();
    });
}
