//! What must hold of every plan, whatever the world looks like.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod fates;
mod places;
mod shared;
mod standing;
mod suspended;
mod world;

use std::collections::BTreeSet;

use upa::lockfile::Pending;
use upa::plan::{Action, Mover, Reason};
use upa::platform::{Activity, Reading, Step};
use upa::problem::{Class, Severity};
use upa::resource::Address;
use upa::workspace::Status;
use world::{World, disturb};

#[test]
fn a_settled_world_has_an_empty_plan() {
    let plan = World::settled(3).plan();
    assert!(plan.is_empty() && plan.problems.is_empty(), "{plan:#?}");
}

#[test]
fn nothing_recorded_is_everything_created_callees_before_callers() {
    let mut world = World::settled(1);
    world.locks.clear();
    for answer in world.observed.accounts.values_mut() {
        answer.objects.clear();
    }
    let plan = world.plan();
    // 17 of its own, and two properties of HubSpot that all clients share.
    assert_eq!(plan.count(Action::Create), 19, "{plan:#?}");
    let order = upa::plan::order::order(&plan.changes).unwrap();
    let position = |resource: &str, step: Step| {
        let found = order
            .steps
            .iter()
            .position(|(index, at)| plan.changes[*index].address.resource == resource && *at == step);
        found.unwrap_or_else(|| panic!("{resource} {step:?}"))
    };
    for (callee, caller) in [
        ("error-handler", "inbound-call"),
        ("booking", "inbound-call"),
        ("crm-sync", "booking"),
    ] {
        assert!(
            position(callee, Step::Publish) < position(caller, Step::Publish),
            "{callee} before {caller}"
        );
        assert!(
            position(callee, Step::Create) < position(caller, Step::Fill),
            "{callee} before {caller}"
        );
    }
    // What the integrations know of each other: ids, an output, a shared name.
    for (known, knowing) in [
        ("booking-tool", "assistant"),
        ("sheet", "calls-tab"),
        ("calls-tab", "calls-header"),
        ("sheet", "post-call-summary"),
        ("calendar", "booking"),
        ("calendar", "calendar-watch"),
        ("hubspot-pipeline", "crm-sync"),
        ("hubspot-group", "hubspot-call-reason"),
    ] {
        let first = plan
            .changes
            .iter()
            .find(|change| change.address.resource == knowing)
            .unwrap()
            .steps[0];
        // A workflow is there before it knows anything.
        let step = if first == Step::Create
            && plan
                .changes
                .iter()
                .any(|change| change.address.resource == knowing && change.work.drafts)
        {
            Step::Fill
        } else {
            first
        };
        assert!(
            position(known, Step::Create) < position(knowing, step),
            "{known} before {knowing}"
        );
    }
}

#[test]
fn a_platform_that_cannot_be_read_plans_nothing_and_says_it_once() {
    let mut world = World::settled(3);
    let n8n = world.observed.accounts.get_mut("n8n").unwrap();
    n8n.objects.clear();
    n8n.complete.clear();
    n8n.credentials.clear();
    n8n.failure = Some(upa::platform::PlatformError::new(
        upa::platform::error::ErrorKind::Unreachable,
        "GET /workflows",
        "cannot connect",
    ));
    let plan = world.plan();
    assert_eq!(plan.changes, []);
    let accounts = plan
        .problems
        .iter()
        .filter(|problem| problem.message.to_string().contains("cannot connect"))
        .count();
    assert_eq!(accounts, 1, "{:#?}", plan.problems);
    assert_eq!(plan.blocked().len(), 3);
}

/// One call of an account fails, and what other calls showed is known: whatever cannot be had, nothing of its tenant is done.
#[test]
fn a_platform_that_could_be_read_in_part_plans_nothing_either() {
    let mut tried = 0;
    for account in ["n8n", "vapi", "google", "hubspot"] {
        let settled = World::settled(1);
        let ids: Vec<_> = settled.observed.accounts[account].objects.keys().cloned().collect();
        for id in ids {
            let mut world = World::settled(1);
            let answer = world.observed.accounts.get_mut(account).unwrap();
            answer.failure = Some(upa::platform::PlatformError::new(
                upa::platform::error::ErrorKind::Forbidden,
                "GET /it",
                "status 403 Forbidden",
            ));
            let why = "status 403 Forbidden".to_owned();
            let unread = Reading::Unreadable(upa::platform::Unread::because(why));
            answer.objects.insert(id.clone(), unread);
            let plan = world.plan();
            assert_eq!(plan.changes, [], "{account} {id:?}");
            assert!(!plan.blocked().is_empty(), "{account} {id:?}");
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} were tried");
}

#[test]
fn a_copied_lockfile_is_found() {
    let mut world = World::settled(2);
    let base = world.locks["client-0000"].versions["v2.0"].base;
    world
        .locks
        .get_mut("client-0001")
        .unwrap()
        .versions
        .get_mut("v2.0")
        .unwrap()
        .base = base;
    let problems = world.plan().problems;
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.to_string().contains("would share their webhook paths")),
        "{problems:#?}"
    );
}

#[test]
fn somebody_else_listening_at_our_path_stops_the_publication() {
    let mut world = World::settled(1);
    let address: Address = "client-0000@v2.0/inbound-call".parse().unwrap();
    world.object(&address).activity = Activity::Stopped;
    let path = format!(
        "{}/inbound",
        world.locks["client-0000"].versions["v2.0"].webhook_base_path
    );
    assert_eq!(world.changes().len(), 1);
    world
        .observed
        .accounts
        .get_mut("n8n")
        .unwrap()
        .listeners
        .push(upa::platform::Listener {
            method: "POST".to_owned(),
            path,
            object: "a stranger".to_owned(),
            title: "Stranger".to_owned(),
        });
    let problems = world.plan().problems;
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.to_string().contains("listens at its webhook `inbound`")),
        "{problems:#?}"
    );
}

#[test]
fn a_tenant_that_goes_is_deleted_callers_first_and_thresholds_hold() {
    let mut world = World::settled(2);
    let tenant = world.desired.tenants.get_mut("client-0000").unwrap();
    tenant.status = Status::Deprovisioned;
    tenant.resources.clear();
    // What people put something into goes only when it is named; until then all of it is shown, and nothing done.
    let plan = world.plan();
    assert_eq!((plan.changes.len(), plan.withheld.len()), (0, 17));
    // Who names the tenant is told that it cannot be done.
    for (named, severity) in [(false, Severity::Warning), (true, Severity::Error)] {
        world.rules.named = named.then(|| "client-0000".to_owned()).into_iter().collect();
        let plan = world.plan();
        let [problem] = &plan.problems[..] else {
            panic!("{:#?}", plan.problems)
        };
        assert_eq!((problem.class, problem.severity), (Class::Decision, severity));
    }
    let kept: Vec<Address> = ["calendar", "calls-tab", "sheet"]
        .map(|name| format!("client-0000/{name}").parse().unwrap())
        .into();
    // The words in Git speak for these objects and for no others, and for all of them together.
    let lock = &world.locks["client-0000"];
    let id = |address: &Address| lock.resources[address].id().unwrap().to_owned();
    let stated: BTreeSet<(Address, String)> = kept.iter().map(|address| (address.clone(), id(address))).collect();
    let said = |world: &mut World, said: Option<BTreeSet<(Address, String)>>| {
        world.desired.tenants.get_mut("client-0000").unwrap().confirmed = said;
        let plan = world.plan();
        (plan.changes.len(), plan.withheld.len(), plan.problems.len())
    };
    let others = stated.iter().map(|(address, id)| (address.clone(), format!("{id}-2")));
    let others = others.collect();
    let fewer = stated.iter().skip(1).cloned().collect();
    assert_eq!(said(&mut world, Some(others)), (0, 17, 1));
    assert_eq!(said(&mut world, Some(fewer)), (0, 17, 1));
    assert_eq!(
        said(&mut world, Some(stated)),
        (17, 0, 0),
        "and it does not count for the thresholds"
    );
    assert_eq!(said(&mut world, None), (0, 17, 1));
    world.rules.confirmed.extend(kept);
    let plan = world.plan();
    // The titles of the columns go with their sheet; what the other client uses too stays.
    assert_eq!(plan.count(Action::Delete), 17);
    assert!(
        plan.problems.iter().any(|problem| problem.class == Class::Policy),
        "17 of 36 is more than 20 %"
    );
    let order = upa::plan::order::order(&plan.changes).unwrap();
    let position = |resource: &str, step: Step| {
        order
            .steps
            .iter()
            .position(|(index, at)| plan.changes[*index].address.resource == resource && *at == step)
            .unwrap()
    };
    for step in [Step::Unpublish, Step::Delete] {
        assert!(position("inbound-call", step) < position("booking", step));
        assert!(position("booking", step) < position("error-handler", step));
    }
    world.rules.approved = Some(plan.digest().to_string());
    assert!(world.plan().problems.is_empty());
}

/// Somebody's merge put a wrong id into a lockfile, or a copy made by hand is all that is left: never a second object.
#[test]
fn a_recorded_object_that_is_gone_while_another_carries_its_mark_asks_a_person() {
    let mut world = World::settled(1);
    let address: Address = "client-0000@v2.0/crm-sync".parse().unwrap();
    let mut other = world.object(&address).clone();
    *world.reading(&address) = Reading::Absent;
    assert!(world.changes().contains("create client-0000@v2.0/crm-sync"));
    other.id = "another".to_owned();
    let key = (upa::resource::Kind::new("n8n.workflow"), other.id.clone());
    let n8n = world.observed.accounts.get_mut("n8n").unwrap();
    n8n.objects.insert(key, Reading::Present(Box::new(other)));
    let plan = world.plan();
    assert_eq!(plan.changes, []);
    assert!(
        plan.problems.iter().any(|problem| problem.class == Class::Decision
            && problem
                .message
                .to_string()
                .contains("carries its mark, which is \"client-0000@v2.0/crm-sync\" (another)")),
        "{:#?}",
        plan.problems
    );
}

/// A run was cut off after the platform created the object and before its answer came.
#[test]
fn a_lost_creation_is_found_by_its_attempt_or_by_the_mark_where_that_keeps_none() {
    let address: Address = "client-0000@v2.0/crm-sync".parse().unwrap();
    let attempt = uuid::Uuid::from_u128(7);
    for (made_by, created_again) in [
        (Some(attempt.to_string()), false),
        (None, false),
        (Some(uuid::Uuid::from_u128(8).to_string()), true),
    ] {
        let mut world = World::settled(1);
        world.object(&address).attempt.clone_from(&made_by);
        let locked = world.locks.get_mut("client-0000").unwrap();
        let locked = locked.resources.get_mut(&address).unwrap();
        locked.applied = None;
        locked.pending = Some(Pending {
            run: uuid::Uuid::now_v7(),
            attempt,
            step: Step::Create,
            id: None,
            needs: std::collections::BTreeSet::new(),
            look: None,
            natural: None,
            out: std::collections::BTreeMap::new(),
            operations: Vec::new(),
        });
        let create = format!("create {address}");
        assert_eq!(world.changes().contains(&create), created_again, "{made_by:?}");
    }
}

/// A platform that recognises an attempt answers it with the object it made then, also when that is deleted since.
#[test]
fn an_attempt_is_repeated_unless_its_object_is_known_to_be_gone() {
    let create = "create    = \"POST /assistant\"";
    let with_key = "create    = { call = \"POST /assistant\", idempotency = \"Idempotency-Key\" }";
    let definition = include_str!("../../src/platform/catalog/vapi.toml").replace(create, with_key);
    assert!(definition.contains(with_key));
    let mut files = world::files(1);
    let entry = upa::workspace::Entry::Text(definition.into());
    files.entries.insert("platforms/vapi.toml".to_owned(), entry);
    let address: Address = "client-0000@v2.0/assistant".parse().unwrap();
    let attempt = uuid::Uuid::from_u128(7);
    for (is_known, repeated) in [(false, Some(attempt)), (true, None)] {
        let mut world = World::of(&files);
        *world.reading(&address) = Reading::Absent;
        let locked = world.locks.get_mut("client-0000").unwrap();
        let locked = locked.resources.get_mut(&address).unwrap();
        let gone = locked.applied.take().map(|applied| applied.id);
        locked.pending = Some(Pending {
            run: uuid::Uuid::now_v7(),
            attempt,
            step: Step::Create,
            id: gone.filter(|_| is_known),
            needs: std::collections::BTreeSet::new(),
            look: None,
            natural: None,
            out: std::collections::BTreeMap::new(),
            operations: Vec::new(),
        });
        let plan = world.plan();
        let change = plan.changes.iter().find(|change| change.address == address);
        let change = change.unwrap_or_else(|| panic!("{:#?}", plan.problems));
        assert_eq!(
            (change.action, change.work.attempt),
            (Action::Create, repeated),
            "{is_known}"
        );
    }
}

/// Nobody wants it any more. What would carry the mark is known not to be there; of what carries none nobody knows.
#[test]
fn a_lost_creation_that_nobody_wants_is_asked_about_where_nothing_tells() {
    for (name, asked) in [("crm-sync", false), ("booking-tool", true)] {
        let address: Address = format!("client-0000@v2.0/{name}").parse().unwrap();
        let mut world = World::settled(1);
        *world.reading(&address) = Reading::Absent;
        let locked = world.locks.get_mut("client-0000").unwrap();
        let locked = locked.resources.get_mut(&address).unwrap();
        locked.applied = None;
        locked.pending = Some(Pending {
            run: uuid::Uuid::now_v7(),
            attempt: uuid::Uuid::from_u128(7),
            step: Step::Create,
            id: None,
            needs: std::collections::BTreeSet::new(),
            look: None,
            natural: None,
            out: std::collections::BTreeMap::new(),
            operations: Vec::new(),
        });
        let tenant = world.desired.tenants.get_mut("client-0000").unwrap();
        tenant.status = Status::Deprovisioned;
        tenant.resources.clear();
        let said = |problem: &upa::problem::Problem| {
            problem.class == Class::Decision
                && problem
                    .message
                    .to_string()
                    .starts_with(&format!("{address} should go, and"))
        };
        assert_eq!(world.plan().problems.iter().any(said), asked, "{name}");
        // A person looked.
        world.rules.recreate.insert(address.clone());
        assert!(!world.plan().problems.iter().any(said), "{name}");
    }
}

#[test]
fn objects_of_a_tenant_that_was_removed_with_its_lockfile_are_named() {
    let mut world = World::settled(2);
    world.locks.remove("client-0001");
    world.desired.tenants.remove("client-0001");
    let plan = world.plan();
    assert_eq!(plan.changes, []);
    let warnings: Vec<String> = plan
        .problems
        .iter()
        .map(|problem| problem.message.to_string())
        .collect();
    for of_account in ["2 in account `google`", "7 in account `n8n`", "1 in account `vapi`"] {
        let one = |warning: &&String| warning.starts_with(&format!("{of_account} carry this workspace's mark"));
        assert_eq!(warnings.iter().filter(one).count(), 1, "{of_account}: {warnings:#?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
}

#[test]
fn a_field_that_cannot_be_changed_means_a_new_object() {
    let kind = "[resource.assistant]\n";
    let definition =
        include_str!("../../src/platform/catalog/vapi.toml").replace(kind, &format!("{kind}fixed = [\"name\"]\n"));
    let mut files = world::files(1);
    let entry = upa::workspace::Entry::Text(definition.into());
    files.entries.insert("platforms/vapi.toml".to_owned(), entry);
    let mut world = World::of(&files);
    let address: Address = "client-0000@v2.0/assistant".parse().unwrap();
    disturb(&mut world.object(&address).document);
    let plan = world.plan();
    let by_address = |resource: &str| {
        let mut changes = plan.changes.iter();
        changes.find(|change| change.address.resource == resource)
    };
    let assistant = by_address("assistant").unwrap();
    assert_eq!(assistant.action, Action::Replace);
    assert_eq!(assistant.reason, Reason::CannotChange);
    assert_eq!(assistant.steps, [Step::Delete, Step::Create, Step::Fill]);
    // Whoever holds its id gets the new one.
    let summary = by_address("post-call-summary").unwrap();
    assert_eq!(
        (summary.action, summary.reason),
        (Action::Update, Reason::ReferenceChanged)
    );
}

/// The shipped product with a rule.
fn ruled(rule: &str) -> World {
    let mut files = world::files(2);
    let path = "versions/recepcionista-ia/v2.0.toml";
    let upa::workspace::Entry::Text(text) = &files.entries[path] else {
        panic!("{path} is no text")
    };
    let text = format!("{text}\n[[drift]]\nresource = \"*\"\npath = \"name\"\nreason = \"a test\"\n{rule}\n");
    files
        .entries
        .insert(path.to_owned(), upa::workspace::Entry::Text(text.into()));
    World::of(&files)
}

fn day(date: &str) -> i64 {
    format!("{date}T23:59:59Z")
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_millisecond()
}

#[test]
fn what_a_rule_leaves_is_no_change_until_its_day() {
    for rule in [
        "rule = \"ignore\"\nuntil = 2026-12-31",
        "rule = \"warn\"\nuntil = 2026-12-31",
    ] {
        let mut world = ruled(rule);
        world.rules.now_ms = day("2026-12-31");
        let mut addresses = world.addresses();
        addresses.retain(|address| has_a_name(&world, address));
        assert_eq!(addresses.len(), 18, "workflows, assistants and sheets");
        for address in &addresses {
            disturb(&mut world.object(address).document);
        }
        let plan = world.plan();
        assert_eq!(plan.changes, []);
        assert_eq!(plan.kept.len(), addresses.len());
        let warnings = plan
            .problems
            .iter()
            .filter(|problem| problem.message.to_string().contains("somebody changed `name`"));
        assert_eq!(
            warnings.count(),
            if rule.contains("warn") { addresses.len() } else { 0 }
        );
        world.rules.now_ms = day("2027-01-01");
        let plan = world.plan();
        assert_eq!((plan.changes.len(), plan.kept.len()), (addresses.len(), 0));
        let ended = plan
            .problems
            .iter()
            .filter(|problem| problem.message.to_string().contains("ended on 2026-12-31"));
        assert_eq!(ended.count(), 1, "once, not once for each tenant: {:#?}", plan.problems);
    }
}

/// Whoever writes a text into a workflow that looks like one of upa's symbols gets no value for it.
#[test]
fn a_symbol_cannot_come_from_a_platform() {
    let mut files = world::files(1);
    let path = "versions/recepcionista-ia/v2.0.toml";
    let upa::workspace::Entry::Text(text) = &files.entries[path] else {
        panic!("{path} is no text")
    };
    let rule = "[[drift]]\nresource = \"*\"\npath = \"*\"\nrule = \"warn\"\nreason = \"a test\"";
    let text = format!("{text}\n{rule}\n");
    files
        .entries
        .insert(path.to_owned(), upa::workspace::Entry::Text(text.into()));
    let mut world = World::of(&files);
    let address: Address = "client-0000@v2.0/crm-sync".parse().unwrap();
    let forged = upa::symbol::Symbol::Credential {
        account: "n8n".to_owned(),
        name: "another tenant's".to_owned(),
        kind: "httpHeaderAuth".to_owned(),
    };
    let node = serde_json::json!({"id": "x", "name": forged.embed(), "type": "n8n-nodes-base.noOp", "typeVersion": 1, "position": [0, 0], "parameters": {}});
    let nodes = &mut world.object(&address).document["nodes"];
    nodes.as_array_mut().unwrap().push(node);
    let plan = world.plan();
    assert_eq!((plan.changes.len(), plan.kept.len()), (1, 0));
    assert!(!plan.changes[0].work.document.to_string().contains("another tenant"));
}

/// A rule does not hold back what Git changed, and both are told apart by the document that was written.
#[test]
fn git_and_the_platform_are_told_apart_by_what_was_written() {
    let mut world = ruled("rule = \"warn\"");
    let address: Address = "client-0000@v2.0/crm-sync".parse().unwrap();
    let written = world.desired.tenants["client-0000"].resources[&address]
        .document
        .clone();
    let wanted = world
        .desired
        .tenants
        .get_mut("client-0000")
        .unwrap()
        .resources
        .get_mut(&address)
        .unwrap();
    wanted.document["settings"]["executionTimeout"] = serde_json::json!(99);
    disturb(&mut world.object(&address).document);
    // Nobody knows yet, so what was written is asked for, and the rule protects what it can.
    let plan = world.plan();
    assert_eq!(
        plan.wants.iter().map(|(address, _)| address).collect::<Vec<_>>(),
        [&address]
    );
    world
        .bases
        .insert(address.clone(), upa::plan::Base::Known(written.clone()));
    let plan = world.plan();
    let fields = |plan: &upa::plan::Plan| -> Vec<(String, Option<Mover>)> {
        let fields = plan.changes.iter().flat_map(|change| &change.fields);
        fields.map(|field| (field.field.clone(), field.mover)).collect()
    };
    assert_eq!(
        fields(&plan),
        [("settings.executionTimeout".to_owned(), Some(Mover::Git))]
    );
    assert_eq!((plan.kept.len(), plan.wants.len()), (1, 0));
    assert_eq!(
        plan.changes[0].work.document["name"], "somebody else's idea",
        "the update leaves it"
    );
    // Git changes the same field.
    let wanted = world
        .desired
        .tenants
        .get_mut("client-0000")
        .unwrap()
        .resources
        .get_mut(&address)
        .unwrap();
    wanted.document["name"] = serde_json::json!("Git's idea");
    let plan = world.plan();
    assert_eq!(fields(&plan)[0], ("name".to_owned(), Some(Mover::Both)));
    assert_eq!(plan.kept, []);
    assert_eq!(plan.changes[0].work.document["name"], "Git's idea");
}

/// Whether its template says what is disturbed.
fn has_a_name(world: &World, address: &Address) -> bool {
    let tenant = &world.desired.tenants[address.tenant()];
    let resource = &tenant.resources[address];
    let kind = resource.kind.as_str();
    resource.document.get("name").is_some() && ["n8n.workflow", "vapi.assistant", "google.spreadsheet"].contains(&kind)
}
