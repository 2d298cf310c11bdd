//! Tenants of the shipped product that are suspended, and those that come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use upa::plan::order::order;
use upa::plan::{Action, Mover, Plan, Reason, Still};
use upa::platform::suspension::{Effect, How};
use upa::platform::{Activity, Step};
use upa::resource::{Address, Kind};
use upa::workspace::{Entry, Files};

use super::world::{World, files};

const NAME: &str = "client-0000";

/// The shipped product with one client who has a number.
fn client(status: &str) -> Files {
    let mut files = files(1);
    let entry = files.entries.get_mut(&format!("tenants/{NAME}.toml")).unwrap();
    let Entry::Text(text) = entry else { panic!("a text") };
    let text = text.replace("status   = \"active\"", &format!("status = \"{status}\""));
    let text = text.replace("[credentials]", "phone_number = true\n\n[credentials]");
    assert!(text.contains(&format!("status = \"{status}\"")), "{text}");
    *entry = Entry::Text(Arc::from(text));
    files
}

/// A world that is as Git wants it before its status becomes another.
fn turned(from: &str, to: &str) -> World {
    let mut world = World::of(&client(from));
    world.desired = World::of(&client(to)).desired;
    // What was removed is known not to be there.
    let google = world.observed.accounts.get_mut("google").unwrap();
    google.complete.insert(Kind::new("google.watch_channel"));
    world
}

fn messages(plan: &Plan) -> Vec<String> {
    plan.problems
        .iter()
        .map(|problem| problem.message.to_string())
        .collect()
}

fn address(name: &str) -> Address {
    // It outlives a version.
    let owner = if name == "phone-number" {
        NAME.to_owned()
    } else {
        format!("{NAME}@v2.0")
    };
    format!("{owner}/{name}").parse().unwrap()
}

#[test]
fn what_stands_still_has_an_empty_plan() {
    for status in ["active", "suspended"] {
        let plan = World::of(&client(status)).plan();
        assert!(plan.problems.is_empty(), "{:#?}", plan.problems);
        assert!(
            plan.is_empty() && plan.standstills.is_empty(),
            "{status}: {:#?}",
            plan.changes
        );
    }
}

#[test]
fn every_object_of_the_shipped_product_says_why_it_is_stopped_or_goes_on() {
    let plan = turned("active", "suspended").plan();
    let stills: BTreeMap<&Address, &Still> = plan.standstills.iter().map(|still| (&still.address, still)).collect();
    let world = World::of(&client("active"));
    // What several share is nobody's to suspend.
    let own = world.addresses().into_iter().filter(|address| !address.is_shared());
    assert_eq!(stills.len(), own.count());
    for (address, still) in &stills {
        assert!(!still.words.contains("does not say"), "{address}: {}", still.words);
        let change = plan.changes.iter().find(|change| change.address == **address);
        match still.effect {
            Effect::Keeps => assert!(change.is_none(), "{address}: {change:#?}"),
            Effect::Removes => assert_eq!(change.unwrap().action, Action::Delete, "{address}"),
            Effect::Stops | Effect::Writes => assert_eq!(change.unwrap().action, Action::Update, "{address}"),
        }
        if let Some(change) = change {
            assert_eq!(change.reason, Reason::Suspended, "{address}");
            assert!(!change.is_drift(), "{address}");
        }
    }
    for (name, effect) in [
        ("assistant", Effect::Writes),
        ("phone-number", Effect::Writes),
        ("calendar-watch", Effect::Removes),
        ("inbound-call", Effect::Stops),
    ] {
        assert_eq!(stills[&address(name)].effect, effect, "{name}");
    }
}

#[test]
fn ways_in_are_closed_first_and_opened_last() {
    for (from, to, first) in [("active", "suspended", true), ("suspended", "active", false)] {
        let plan = turned(from, to).plan();
        assert_eq!(messages(&plan), Vec::<&str>::new());
        let order = order(&plan.changes).unwrap();
        let position = |name: &str| {
            let found = order
                .steps
                .iter()
                .position(|(index, step)| plan.changes[*index].address == address(name) && *step != Step::Wait);
            found.unwrap_or_else(|| panic!("{to}: no step of {name}"))
        };
        let doors = ["phone-number", "assistant", "calendar-watch"].map(position);
        let inner = ["inbound-call", "booking", "calendar-changes"].map(position);
        for door in doors {
            for inner in inner {
                assert_eq!(door < inner, first, "{to}");
            }
        }
        // Of two ways in the outer one is closed first, and opened last.
        assert_eq!(position("phone-number") < position("assistant"), first, "{to}");
    }
}

/// Whatever somebody opens of a suspended tenant is closed again, as drift.
#[test]
fn what_is_opened_meanwhile_is_drift() {
    let settled = World::of(&client("suspended"));
    for address in settled.addresses().into_iter().filter(|address| !address.is_shared()) {
        let mut world = World::of(&client("suspended"));
        let still = world.desired.tenants[NAME].standstill[&address].clone();
        let active = world.desired.tenants[NAME].resources[&address].runs;
        assert_eq!(active, matches!(still.suspension.how, How::Keeps(_)), "{address}");
        match still.suspension.how {
            How::Stops => world.object(&address).activity = Activity::Running,
            How::Writes { set, clear } => {
                let object = world.object(&address);
                let field = clear.iter().chain(set.keys()).next().unwrap();
                object.document[field] = "somebody else's idea".into();
            }
            How::Keeps(_) | How::Removes => continue,
        }
        let plan = world.plan();
        let [change] = &plan.changes[..] else {
            panic!("{address}: {:#?}", plan.changes)
        };
        assert_eq!((change.action, &change.address), (Action::Update, &address));
        assert!(change.is_drift(), "{address}: {:?}", change.reason);
        assert_ne!(change.mover, Some(Mover::Git), "{address}");
    }
}

/// A run was cut off after any of its steps: the next one does the rest, and nothing twice.
#[test]
fn what_is_left_of_a_suspension_is_done_by_the_next_run() {
    let whole = turned("active", "suspended").plan();
    let after = World::of(&client("suspended"));
    for done in &whole.changes {
        let mut world = turned("active", "suspended");
        let (address, lock) = (&done.address, world.locks.get_mut(NAME).unwrap());
        match after.locks[NAME].resources.get(address) {
            Some(locked) => {
                lock.resources.insert(address.clone(), locked.clone());
                let mut settled = World::of(&client("suspended"));
                let object = settled.object(address).clone();
                *world.object(address) = object;
            }
            None => drop(lock.resources.remove(address)),
        }
        let left = world.plan();
        assert_eq!(messages(&left), Vec::<&str>::new());
        let addresses =
            |plan: &Plan| -> Vec<Address> { plan.changes.iter().map(|change| change.address.clone()).collect() };
        let expected: Vec<Address> = addresses(&whole).into_iter().filter(|other| other != address).collect();
        assert_eq!(addresses(&left), expected, "{address}");
        assert_eq!(left.standstills, whole.standstills);
    }
}

/// A lockfile of before the suspension of other kinds was recorded: what is left is done, or nothing but the record.
#[test]
fn what_was_suspended_before_it_was_recorded_is_recorded() {
    let mut world = World::of(&client("suspended"));
    let lock = world.locks.get_mut(NAME).unwrap();
    lock.versions.values_mut().for_each(|version| version.suspended = false);
    let plan = world.plan();
    assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
    assert!(plan.due.contains(NAME) && !plan.standstills.is_empty());
}

/// What comes back when its tenant is active again does not count as lost.
#[test]
fn what_is_removed_meanwhile_is_no_loss() {
    let mut world = turned("active", "suspended");
    world.rules.policy.max_delete_percent = 0;
    let plan = world.plan();
    assert_eq!(plan.count(Action::Delete), 1);
    assert_eq!(messages(&plan), Vec::<&str>::new());
}
