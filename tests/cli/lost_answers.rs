//! Creations whose answer is lost: the next run takes over what is proven to be upa's, uses what is not and leaves it as it
//! is, and asks no person.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::transcript::Run;
use crate::support::{Server, Space, server};

/// The creations of the shipped product: account, method, path.
const CREATIONS: [(&str, &str, &str); 16] = [
    ("n8n", "POST", "/api/v1/workflows$"),
    ("vapi", "POST", "/assistant$"),
    ("vapi", "POST", "/tool$"),
    ("google", "POST", "/drive/v3/files/*/copy"),
    ("google", "POST", "/v4/spreadsheets/*:batchUpdate"),
    ("google", "PUT", "/v4/spreadsheets/*/values/*"),
    ("google", "POST", "/drive/v3/files/*/permissions"),
    ("google", "POST", "/calendar/v3/calendars$"),
    ("google", "POST", "/calendar/v3/calendars/*/acl"),
    ("google", "POST", "/calendar/v3/calendars/*/events/watch"),
    ("hubspot", "POST", "/crm/properties/2026-09/*/groups"),
    ("hubspot", "POST", "/crm/properties/2026-09/contacts$"),
    ("hubspot", "POST", "/crm/pipelines/2026-09/*"),
    ("gohighlevel", "POST", "/locations/*/customFields"),
    ("gohighlevel", "POST", "/locations/*/customValues"),
    ("vapi", "POST", "/phone-number$"),
];

/// Kinds as the sandbox's editor names them.
const KINDS: [&str; 12] = [
    "vapi/assistant",
    "vapi/tool",
    "vapi/phone_number",
    "google/spreadsheet",
    "google/tab",
    "google/permission",
    "google/calendar",
    "google/calendar_access",
    "hubspot/property_group",
    "hubspot/property",
    "hubspot/pipeline",
    "gohighlevel/custom_field",
];

fn lose(server: &Server, (account, method, path): (&str, &str, &str), kind: &str, times: u32) {
    let fault = json!({"account": account, "method": method, "path": path, "times": times, "kind": kind});
    server.fault(&fault);
}

fn made(server: &Server, kind: &str) -> Vec<Value> {
    let objects = server.ok("GET", &format!("/_sandbox/editor/{kind}"), None);
    objects.as_array().unwrap().clone()
}

fn counts(server: &Server) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<&str, usize> = KINDS.iter().map(|kind| (*kind, made(server, kind).len())).collect();
    counts.insert("n8n", server.workflows().len());
    counts
}

/// The addresses that a lockfile records as unproven.
fn unproven(space: &Space, tenant: &str) -> BTreeSet<String> {
    let lock = space.lock(tenant);
    let resources = lock["resources"].as_table().unwrap().iter();
    let is_unproven = |locked: &toml::Value| locked.get("applied").is_some_and(|it| it.get("unproven").is_some());
    let found = resources.filter(|(_, locked)| is_unproven(locked));
    found.map(|(address, _)| address.clone()).collect()
}

fn world(server: &Server, space: &Space) {
    server.shipped_credentials();
    let settings = space.read("upa.toml");
    assert!(!settings.contains("[policy]"));
    space.write("upa.toml", format!("{settings}\n[policy]\nmax_delete_percent = 100\n"));
    space.remove("tenants/plantilla.toml");
    space.edit(
        "tenants/demo.toml",
        "crm = \"gohighlevel\"",
        "phone_number = true\ncrm = \"gohighlevel\"",
    );
    space.commit("two clients, with a CRM each");
}

/// Applies until all is done; no person says anything.
fn settles(space: &Space) -> usize {
    for run in 1..=6 {
        if space.upa(&["apply", "--yes"]).status == 0 {
            space.settled();
            return run;
        }
    }
    panic!("it does not settle: {}", space.upa(&["plan"]));
}

#[test]
fn any_answer_may_be_lost_and_no_person_is_needed() {
    let honest = Space::shipped();
    let expected = server::on(&honest, |server| {
        world(server, &honest);
        honest.apply();
        counts(server)
    });
    // One at a time would take a minute; each third together leaves every neighbour of every creation intact once.
    for part in 0..3 {
        let space = Space::shipped();
        server::on(&space, |server| {
            world(server, &space);
            for creation in CREATIONS.iter().skip(part).step_by(3) {
                lose(server, *creation, "drop_after_write", 1);
            }
            let runs = settles(&space);
            assert!((2..=4).contains(&runs), "{runs} runs");
            assert_eq!(counts(server), expected, "part {part}");
        });
    }
    // All at once, of every client.
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        for creation in CREATIONS {
            lose(server, creation, "drop_after_write", 2);
        }
        settles(&space);
        assert_eq!(counts(server), expected);
        let addresses = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<String>>()
        };
        assert_eq!(
            unproven(&space, "welcs"),
            addresses(&[
                "welcs/calendar-access",
                "welcs/calls-header",
                "welcs/calls-tab",
                "welcs/sheet-access"
            ])
        );
        assert_eq!(
            unproven(&space, "demo"),
            addresses(&[
                "demo/calendar-access",
                "demo/calls-header",
                "demo/calls-tab",
                "demo/ghl-last-call",
                "demo/sheet-access"
            ])
        );
        // Doctor names them too, and what it says to type makes one upa's own.
        let doctor = space.upa(&["doctor", "--quick", "--format", "json"]);
        let findings = doctor.json()["findings"].as_array().unwrap().clone();
        let of = |address: &str| {
            let mut found = findings.iter();
            found.find(|finding| {
                finding["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(address))
            })
        };
        let hint = of("welcs/sheet-access").unwrap()["hint"].as_str().unwrap().to_owned();
        space.upa(&hint.split(' ').skip(1).collect::<Vec<_>>()).exits(0);
        space.apply();
        assert!(!unproven(&space, "welcs").contains("welcs/sheet-access"));
        // They are named, and the way down leaves them.
        let status = space.upa(&["status"]).exits(0);
        assert!(status.stdout.contains("welcs/calls-tab"), "{status}");
        for tenant in ["welcs", "demo"] {
            space.edit(&format!("tenants/{tenant}.toml"), "\"active\"", "\"deprovisioned\"");
        }
        space.commit("goodbye");
        let plan = space.upa(&["plan", "demo"]);
        assert!(
            plan.stderr.contains("demo/ghl-last-call: gohighlevel.custom_field") && plan.stderr.contains("stays"),
            "{plan}"
        );
    });
}

/// The client's sheet, and what a person puts into it after upa has looked.
fn a_tab_by_hand(server: &Server) {
    let sheet = made(server, "google/spreadsheet")[0]["id"].as_str().unwrap().to_owned();
    let tab = json!({"inputs": {"spreadsheet_id": sheet}, "spec": {"title": "Llamadas"}});
    server.ok("POST", "/_sandbox/editor/google/tab", Some(&tab));
    let row = json!({"inputs": {"spreadsheet_id": sheet, "range": "Llamadas!A1:H1"}, "spec": {"values": [["Mis notas", "no tocar"]]}});
    server.ok("POST", "/_sandbox/editor/google/header", Some(&row));
}

fn one_client(server: &Server, space: &Space) {
    world(server, space);
    space.remove("tenants/demo.toml");
    space.edit("tenants/welcs.toml", "crm = \"hubspot\"", "crm = \"none\"");
    space.commit("one client");
}

#[test]
fn a_tab_that_a_person_made_meanwhile_is_used_and_never_overwritten_nor_deleted() {
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        // Nothing is made, and nothing is heard of it.
        lose(
            server,
            ("google", "POST", "/v4/spreadsheets/*:batchUpdate"),
            "drop_before",
            1,
        );
        space.upa(&["apply", "--yes"]).exits(7);
        a_tab_by_hand(server);
        let plan = space.upa(&["plan"]).exits(0);
        let used = |line: &str| line.contains("= use") && line.contains("welcs/calls-tab");
        assert!(plan.stdout.lines().any(used), "{plan}");
        assert!(plan.stdout.contains("nothing proves that upa made it"), "{plan}");
        let run = settles(&space);
        assert!(run <= 2, "{run}");
        let expected = BTreeSet::from(["welcs/calls-header".to_owned(), "welcs/calls-tab".to_owned()]);
        assert_eq!(unproven(&space, "welcs"), expected);
        let kept = |server: &Server| {
            assert_eq!(made(server, "google/tab").len(), 1);
            let rows = made(server, "google/header");
            assert_eq!(
                rows[0]["spec"]["values"],
                json!([["Mis notas", "no tocar"]]),
                "{rows:?}"
            );
        };
        kept(server);
        // A change in Git is told, and not written.
        space.edit(
            "templates/recepcionista-ia/v2.0/calls-tab.json",
            "\"frozenRowCount\": 1",
            "\"frozenRowCount\": 2",
        );
        space.upa(&["release", "recepcionista-ia", "v2.0"]).exits(0);
        space.commit("two rows stay");
        let run = space.apply();
        assert!(run.stderr.contains("is left as it is"), "{run}");
        assert!(made(server, "google/tab")[0]["spec"]["gridProperties"].is_null());
        // A person says that it is upa's: from here on it is.
        let tab = space.id("welcs", "welcs/calls-tab");
        let own = tab.rsplit('/').next().unwrap().to_owned();
        assert!(!own.is_empty());
        let text = space.read("tenants/welcs.toml");
        space.write(
            "tenants/welcs.toml",
            format!("{text}\n[adopt]\ncalls-tab = \"{tab}\"\n"),
        );
        space.commit("it is ours");
        space.apply();
        space.settled();
        assert_eq!(
            made(server, "google/tab")[0]["spec"]["gridProperties"]["frozenRowCount"],
            2
        );
        assert!(!unproven(&space, "welcs").contains("welcs/calls-tab"));
    });
}

#[test]
fn what_is_not_proven_stays_when_the_client_goes() {
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        lose(
            server,
            ("google", "POST", "/v4/spreadsheets/*:batchUpdate"),
            "drop_before",
            1,
        );
        space.upa(&["apply", "--yes"]).exits(7);
        a_tab_by_hand(server);
        settles(&space);
        space.edit("tenants/welcs.toml", "\"active\"", "\"deprovisioned\"");
        space.commit("goodbye");
        let plan = space.upa(&["plan"]);
        assert!(plan.stderr.contains("welcs/calls-tab: google.tab"), "{plan}");
        assert!(!plan.stdout.contains("- welcs/calls-tab"), "{plan}");
    });
}

/// A tool whose creation is lost, and what else is there by then.
fn lost_tool(space: &Space, server: &Server, others: &[Value]) -> Run {
    one_client(server, space);
    lose(server, ("vapi", "POST", "/tool$"), "drop_after_write", 1);
    space.upa(&["apply", "--yes"]).exits(7);
    for other in others {
        server.ok("POST", "/_sandbox/editor/vapi/tool", Some(&json!({ "spec": other })));
    }
    space.upa(&["apply", "--yes"])
}

#[test]
fn a_tool_with_our_own_address_is_ours_and_goes_with_the_client() {
    let space = Space::shipped();
    server::on(&space, |server| {
        let run = lost_tool(&space, server, &[]).exits(0);
        assert!(!run.stdout.contains("= welcs@v2.0/booking-tool"), "{run}");
        assert!(unproven(&space, "welcs").is_empty());
        space.settled();
    });
    // Nobody wants it any more before the next run looks.
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        lose(server, ("vapi", "POST", "/tool$"), "drop_after_write", 1);
        space.upa(&["apply", "--yes"]).exits(7);
        assert_eq!(made(server, "vapi/tool").len(), 1);
        space.edit("tenants/welcs.toml", "\"active\"", "\"deprovisioned\"");
        space.commit("goodbye");
        let lock = space.lock("welcs");
        let addresses: Vec<String> = lock["resources"].as_table().unwrap().keys().cloned().collect();
        let mut args = vec!["apply", "--yes"];
        for address in addresses
            .iter()
            .filter(|address| ["welcs/sheet", "welcs/calls-tab", "welcs/calendar"].contains(&address.as_str()))
        {
            args.extend(["--confirm", address]);
        }
        let run = space.upa(&args);
        assert_eq!(made(server, "vapi/tool").len(), 0, "{run}");
    });
}

#[test]
fn two_that_could_be_it_are_asked_about_and_stop_no_sibling() {
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        lose(server, ("vapi", "POST", "/tool$"), "drop_after_write", 1);
        space.upa(&["apply", "--yes"]).exits(7);
        let tool = made(server, "vapi/tool")[0]["spec"].clone();
        server.ok("POST", "/_sandbox/editor/vapi/tool", Some(&json!({ "spec": tool })));
        // Something else of the same client is changed: it is not stopped.
        space.edit("tenants/welcs.toml", "reminder_hour = ", "reminder_hour = 1");
        space.commit("another hour");
        let run = space.upa(&["apply", "--yes"]).exits(10);
        assert!(run.stderr.contains("there is one like it"), "{run}");
        let lock = space.read("tenants/welcs.lock");
        assert!(lock.contains("welcs/calendar"), "{lock}");
        assert_eq!(made(server, "vapi/tool").len(), 2);
        let plan = space.upa(&["plan"]).exits(10);
        assert!(plan.stdout.contains("o changes"), "{plan}");
        let shown = space.upa(&["show", "welcs", "--format", "json"]).exits(0).json();
        assert!(!shown.to_string().contains("\"COMPLETED\",\"step"), "{shown}");
        // Deleting one of them is an answer too.
        let id = made(server, "vapi/tool")[1]["id"].as_str().unwrap().to_owned();
        server.ok("DELETE", &format!("/_sandbox/editor/vapi/tool?id={id}"), None);
        settles(&space);
    });
}

#[test]
fn what_another_workspace_marked_is_never_taken() {
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        space.remove("tenants/demo.toml");
        space.commit("one client");
        lose(
            server,
            ("hubspot", "POST", "/crm/properties/2026-09/contacts$"),
            "drop_before",
            1,
        );
        space.upa(&["apply", "--yes"]);
        let property = json!({"inputs": {"object_type": "contacts"}, "spec": {
            "name": "recepcion_motivo_llamada", "label": "x", "type": "string", "fieldType": "text", "groupName": "g",
            "description": "upa:another/@shared:hubspot/recepcionista-ia.hubspot-call-reason"}});
        server.ok("POST", "/_sandbox/editor/hubspot/property", Some(&property));
        let run = space.upa(&["apply", "--yes"]).exits(10);
        assert!(!run.stdout.contains("= @shared"), "{run}");
    });
}

/// The same name, and the webhook address of a workspace that no lockfile here knows: this client's forms would lead there.
#[test]
fn what_leads_to_another_workspace_is_never_used() {
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        space.remove("tenants/welcs.toml");
        space.commit("one client");
        lose(
            server,
            ("gohighlevel", "POST", "/locations/*/customValues"),
            "drop_before",
            1,
        );
        space.upa(&["apply", "--yes"]).exits(7);
        let other = "https://n8n.otherworkspace.example/webhook/otro-4b9e0f0c-98c5-4f33-9a1c-0f6f1a4d2d11/booking";
        let made = json!({"inputs": {"location_id": "ve9EPM428h8vShlRW1KT"}, "spec": {"name": "Recepción v2.0 · reservas", "value": other}});
        server.ok("POST", "/_sandbox/editor/gohighlevel/custom_value", Some(&made));
        let run = space.upa(&["apply", "--yes"]).exits(10);
        assert!(run.stderr.contains("there is one like it"), "{run}");
        assert!(!unproven(&space, "demo").contains("demo@v2.0/ghl-booking-url"), "{run}");
    });
}

/// An answer that names another object: what it names is not written to, and what was made is found.
#[test]
fn a_creation_that_is_answered_with_a_strangers_id_writes_nothing_to_it() {
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        let other = json!({"spec": {"type": "function", "function": {"name": "de otra persona"}, "server": {"url": "https://otra.example"}}});
        server.ok("POST", "/_sandbox/editor/vapi/tool", Some(&other));
        let id = made(server, "vapi/tool")[0]["id"].as_str().unwrap().to_owned();
        server.fault(&json!({"account": "vapi", "method": "POST", "path": "/tool$", "kind": "odd_id", "body": id}));
        space.upa(&["apply", "--yes"]);
        settles(&space);
        let tools = made(server, "vapi/tool");
        assert_eq!(tools.len(), 2, "{tools:?}");
        let theirs = tools.iter().find(|tool| tool["id"] == id.as_str()).unwrap();
        assert_eq!(theirs["spec"]["server"]["url"], "https://otra.example");
        assert_ne!(space.id("welcs", "welcs@v2.0/booking-tool"), id);
    });
}

/// A stranger may make an equal object as soon as the call has ended: the time that proves ends with it, and not with the
/// longest that a call may take.
#[test]
fn what_is_made_after_the_call_has_ended_is_not_proven_by_its_time() {
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        space.remove("tenants/demo.toml");
        space.commit("one client");
        lose(
            server,
            ("hubspot", "POST", "/crm/pipelines/2026-09/*"),
            "drop_before",
            1,
        );
        space.upa(&["apply", "--yes"]).exits(4);
        let lock = space.lock("welcs");
        let look = &lock["resources"]["welcs/hubspot-pipeline"]["pending"]["look"];
        let time = |name: &str| look[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let open = time("until").duration_since(time("at"));
        assert!(open < jiff::SignedDuration::from_secs(120), "{look}");
    });
}

/// Git wants another by the time that the next run looks: what was made before is named, and no access is left in silence.
#[test]
fn what_was_made_under_another_key_is_named() {
    let space = Space::shipped();
    server::on(&space, |server| {
        one_client(server, &space);
        space.edit("tenants/welcs.toml", "team_email = \"", "team_email = \"typo-");
        space.commit("a typing error");
        for path in ["/drive/v3/files/*/permissions", "/calendar/v3/calendars/*/acl"] {
            lose(server, ("google", "POST", path), "drop_after_write", 1);
        }
        space.upa(&["apply", "--yes"]).exits(7);
        space.edit("tenants/welcs.toml", "team_email = \"typo-", "team_email = \"");
        space.commit("as it should be");
        let plan = space.upa(&["plan"]);
        for address in ["welcs/sheet-access", "welcs/calendar-access"] {
            let named = |line: &str| line.contains(address) && line.contains("stays on the platform");
            assert!(plan.stderr.lines().any(named), "{address}: {plan}");
        }
        settles(&space);
        assert!(unproven(&space, "welcs").is_empty());
    });
}

/// A recorded id that is wrong is no reason to make a second object beside the first.
#[test]
fn a_wrong_id_of_a_kind_without_a_mark_makes_no_twin() {
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        space.remove("tenants/demo.toml");
        space.commit("one client");
        space.apply();
        let id = space.id("welcs", "welcs/hubspot-pipeline");
        let wrong = format!("{}0000", &id[..id.len() - 4]);
        let lock = space.read("tenants/welcs.lock").replace(&id, &wrong);
        space.write("tenants/welcs.lock", lock);
        space.commit("a hand in the lockfile");
        let run = space.upa(&["apply", "--yes"]);
        assert_eq!(made(server, "hubspot/pipeline").len(), 1, "{run}");
        let take = format!("welcs/hubspot-pipeline={id}");
        assert!(
            run.stderr.contains(&format!("upa recover welcs --take {take}")),
            "{run}"
        );
        space.upa(&["recover", "welcs", "--take", &take]).exits(0);
        settles(&space);
        assert_eq!(space.id("welcs", "welcs/hubspot-pipeline"), id);
        assert_eq!(made(server, "hubspot/pipeline").len(), 1);
    });
}

/// An unselected tenant that Git says goodbye to still uses what it shares.
#[test]
fn what_a_leaving_tenant_shares_goes_with_it_and_not_before() {
    let space = Space::shipped();
    server::on(&space, |server| {
        world(server, &space);
        space.apply();
        space.edit("tenants/welcs.toml", "\"active\"", "\"deprovisioned\"");
        space.commit("goodbye");
        space.upa(&[
            "apply",
            "--yes",
            "demo",
            "--confirm",
            "@shared:hubspot/hubspot-call-reason",
        ]);
        assert_eq!(made(server, "hubspot/property").len(), 1);
        assert_eq!(made(server, "hubspot/property_group").len(), 1);
    });
}
