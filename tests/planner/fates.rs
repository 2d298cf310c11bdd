//! What happens to objects behind upa's back, and what it means for others: of their tenant and of other tenants.

use proptest::prelude::*;
use upa::plan::{Action, Mover, Reason};
use upa::platform::{Activity, Reading, Step, Unread};
use upa::resource::Address;
use upa::workspace::Status;

use crate::world::{self, World, disturb};

/// What can happen to one object behind upa's back.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Deleted,
    Unreadable,
    Edited,
    Stopped,
    Unmarked,
    Stolen,
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Deleted),
        Just(Fate::Unreadable),
        Just(Fate::Edited),
        Just(Fate::Stopped),
        Just(Fate::Unmarked),
        Just(Fate::Stolen),
    ]
}

/// False: this cannot happen to it.
fn befall(world: &mut World, address: &Address, fate: Fate) -> bool {
    if matches!(fate, Fate::Unmarked | Fate::Stolen) && world.object(address).mark.is_none() {
        return false;
    }
    match fate {
        Fate::Deleted => *world.reading(address) = Reading::Absent,
        Fate::Unreadable => *world.reading(address) = Reading::Unreadable(Unread::because("no")),
        Fate::Edited => disturb(&mut world.object(address).document),
        Fate::Stopped if world.object(address).activity == Activity::NotApplicable => {}
        Fate::Stopped => world.object(address).activity = Activity::Stopped,
        Fate::Unmarked => world.object(address).mark = None,
        Fate::Stolen => world.object(address).mark = Some("upa:nexumops/other@v2.0/x".to_owned()),
    }
    true
}

/// A world of three tenants, after these fates of objects of the last one.
fn after(fates: &[(&str, Fate)]) -> World {
    let mut world = World::settled(3);
    for (name, fate) in fates {
        assert!(befall(
            &mut world,
            &format!("client-0002{name}").parse().unwrap(),
            *fate
        ));
    }
    world
}

/// What was heard on the wire is part of what was observed: the plan itself asks nothing.
#[test]
fn what_is_published_and_does_not_answer_is_published_anew() {
    let mut world = World::settled(2);
    let address: Address = "client-0000@v2.0/inbound-call".parse().unwrap();
    world.object(&address).activity = Activity::Silent;
    let changes = world.plan().changes;
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let change = &changes[0];
    assert_eq!((&change.address, change.action), (&address, Action::Update));
    assert_eq!(change.reason, Reason::Silent);
    assert_eq!(change.steps, [Step::Unpublish, Step::Publish]);
    assert!(change.is_drift());
}

/// Where it is to be gone, or not to run, it is only taken down.
#[test]
fn what_does_not_answer_and_is_not_to_run_is_taken_down() {
    let mut world = World::settled(1);
    let address: Address = "client-0000@v2.0/inbound-call".parse().unwrap();
    world.object(&address).activity = Activity::Silent;
    world.desired.tenants.get_mut("client-0000").unwrap().status = Status::Suspended;
    for resource in world
        .desired
        .tenants
        .get_mut("client-0000")
        .unwrap()
        .resources
        .values_mut()
    {
        resource.runs = false;
    }
    let changes = world.plan().changes;
    let change = changes.iter().find(|change| change.address == address).unwrap();
    assert_eq!(change.steps, [Step::Unpublish]);
}

/// A tab was deleted, and with it the titles of its columns: a range in no tab cannot even be read.
#[test]
fn what_lies_below_an_object_that_is_gone_is_gone_with_it() {
    use Fate::{Deleted, Unreadable};
    let tab = ("/calls-tab", Deleted);
    let header = ("/calls-header", Unreadable);
    let created = |names: &[&str]| names.iter().map(|name| format!("create client-0002{name}")).collect();
    let made = |world: &World| -> std::collections::BTreeSet<String> {
        let changes = world.changes().into_iter();
        changes.filter(|change| change.starts_with("create")).collect()
    };
    let world = after(&[tab, header]);
    assert_eq!(made(&world), created(&["/calls-tab", "/calls-header"]));
    assert!(world.plan().problems.is_empty(), "{:#?}", world.plan().problems);
    // The same over several steps.
    let below = ["/calls-tab", "/sheet-access"].map(|name| (name, Unreadable));
    let world = after(&[&[("/sheet", Deleted), header], &below[..]].concat());
    assert_eq!(
        made(&world),
        created(&["/sheet", "/calls-tab", "/calls-header", "/sheet-access"])
    );
    // Nothing is known of what is not below it, nor of what was recorded in another place.
    let world = after(&[tab, header, ("/calendar-access", Unreadable)]);
    let untouched = |world: &World, name: &str| {
        assert_eq!(world.plan().blocked().len(), 1, "{:#?}", world.plan().problems);
        let address = format!("client-0002/{name}").parse().unwrap();
        let plan = world.plan();
        assert!(plan.changes.iter().all(|change| change.address != address));
        assert!(plan.doubts["client-0002"].contains(&address));
    };
    untouched(&world, "calendar-access");
    let mut world = after(&[tab, header]);
    let lock = world.locks.get_mut("client-0002").unwrap();
    let recorded = lock
        .resources
        .get_mut(&"client-0002/calls-header".parse().unwrap())
        .unwrap();
    recorded.applied.as_mut().unwrap().id = "a sheet/another tab!A1:H1".to_owned();
    untouched(&world, "calls-header");
}

/// A new parent says nothing of what is below the old one.
#[test]
fn what_lies_below_an_object_that_is_replaced_is_not_gone() {
    let mut files = world::files(3);
    let definition = include_str!("../../src/platform/catalog/google.toml");
    let fixed = "fixed  = [\"template\", \"parents\"]";
    assert!(definition.contains(fixed));
    let definition = definition.replace(fixed, "fixed  = [\"template\", \"parents\", \"name\"]");
    let entry = upa::workspace::Entry::Text(definition.into());
    files.entries.insert("platforms/google.toml".to_owned(), entry);
    let mut world = World::of(&files);
    let [sheet, header] =
        ["sheet", "calls-header"].map(|name| format!("client-0002/{name}").parse::<Address>().unwrap());
    disturb(&mut world.object(&sheet).document);
    let tab = "client-0002/calls-tab".parse().unwrap();
    world.rules.confirmed.extend([sheet.clone(), tab]);
    assert!(
        world.changes().contains(&format!("replace {sheet}")),
        "{:#?}",
        world.plan().problems
    );
    assert!(befall(&mut world, &header, Fate::Unreadable));
    let plan = world.plan();
    assert_eq!(plan.changes, []);
    let unread = |problem: &upa::problem::Problem| {
        problem
            .message
            .to_string()
            .starts_with(&format!("{header} could not be read"))
    };
    assert!(plan.problems.iter().any(unread), "{:#?}", plan.problems);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_befalls_one_tenant_concerns_no_other(fates in prop::collection::vec((0usize..53, fates()), 0..6)) {
        let mut world = World::settled(3);
        let addresses = world.addresses();
        let mut touched = std::collections::BTreeMap::new();
        for (index, fate) in fates {
            // One fate per object: what is deleted cannot be edited.
            if !touched.contains_key(&addresses[index]) && befall(&mut world, &addresses[index], fate) {
                touched.insert(addresses[index].clone(), fate);
            }
        }
        let plan = world.plan();
        let again = world.plan();
        prop_assert_eq!(plan.digest(), again.digest(), "the same world has the same plan");
        let tenants: std::collections::BTreeSet<&str> = touched.keys().map(Address::tenant).collect();
        for change in &plan.changes {
            prop_assert!(tenants.contains(change.address.tenant()));
            prop_assert!(change.action != Action::Delete, "nothing that is wanted is ever deleted");
            prop_assert!(change.mover != Some(Mover::Git), "nobody moved Git");
        }
        // What lies below an object that is proven to be gone is gone with it, whatever was read of it: one fate is told
        // by the other. Nothing else makes an unreadable object an absent one.
        let is_gone_with_its_parent = |address: &Address, fate: Fate| {
            let deleted = |parent: &Address| matches!(touched.get(parent), Some(Fate::Deleted));
            matches!(fate, Fate::Unreadable) && world.parents(address).iter().any(deleted)
        };
        let asking = touched
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Unreadable | Fate::Unmarked | Fate::Stolen))
            .filter(|(address, fate)| !is_gone_with_its_parent(address, **fate));
        for (address, _) in asking {
            prop_assert!(plan.blocked().contains(address.tenant()), "{address}: a person is asked");
            // It stops nothing but what refers to it.
            let doubts = plan.doubts.get(address.tenant());
            let of_shared = address.is_shared() || doubts.is_some_and(|doubts| doubts.contains(address));
            prop_assert!(of_shared || !plan.changes.iter().any(|change| change.address.tenant() == address.tenant()), "{address}");
            let waits = |change: &upa::plan::Change| change.address == *address || change.work.needs.contains(address);
            prop_assert!(!plan.changes.iter().any(waits), "{address}");
        }
    }
}
