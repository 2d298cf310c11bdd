//! What an object is that a creation of unknown outcome may have made: proven, used as it is, or asked about.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use upa::lockfile::{Look, Pending};
use upa::plan::{Action, Plan};
use upa::platform::{Object, Reading, Rival, Search, Step};
use upa::problem::Class;
use upa::resource::Address;
use uuid::Uuid;

use super::world::World;

const LOOKED: &str = "2026-11-29T12:00:00Z";
const DURING: &str = "2026-11-29T12:00:03Z";
const ENDED: &str = "2026-11-29T12:05:10Z";

/// A world in which the answer to one creation was lost.
struct Lost {
    world: World,
    address: Address,
    made: Object,
}

impl Lost {
    fn of(resource: &str) -> Self {
        let mut world = World::settled(2);
        let mut addresses = world.addresses().into_iter();
        let is_it = |address: &Address| address.resource == resource && address.tenant() == "client-0000";
        let address = addresses.find(is_it).unwrap();
        let Reading::Present(made) = world.reading(&address).clone() else {
            panic!("it is there")
        };
        let locked = world
            .locks
            .get_mut("client-0000")
            .unwrap()
            .resources
            .get_mut(&address)
            .unwrap();
        let (kind, account) = (locked.kind.clone(), locked.account.clone());
        let applied = locked.applied.take().unwrap();
        locked.pending = Some(Pending {
            run: Uuid::now_v7(),
            attempt: Uuid::from_u128(7),
            step: Step::Create,
            id: None,
            needs: BTreeSet::new(),
            natural: None,
            look: Some(Look {
                at: Some(LOOKED.parse().unwrap()),
                until: Some(ENDED.parse().unwrap()),
            }),
            out: applied.out,
            operations: Vec::new(),
        });
        let answer = world.observed.accounts.get_mut(&account).unwrap();
        answer.objects.remove(&(kind, applied.id));
        let mut lost = Self {
            world,
            address,
            made: *made,
        };
        lost.finds(vec![lost.made.clone()], None);
        lost
    }

    /// What looking for it finds.
    fn finds(&mut self, objects: Vec<Object>, created: Option<&str>) {
        let account = self.pending_of().1;
        let created = created.map(|at| at.parse().unwrap());
        let rivals = objects.into_iter().map(|object| Rival { object, created }).collect();
        let answer = self.world.observed.accounts.get_mut(&account).unwrap();
        answer.searches.insert(self.address.clone(), Search::Rivals(rivals));
    }

    fn pending_of(&mut self) -> (&mut Pending, String) {
        let lock = self.world.locks.get_mut("client-0000").unwrap();
        let locked = lock.resources.get_mut(&self.address).unwrap();
        (locked.pending.as_mut().unwrap(), locked.account.clone())
    }

    fn plan(&self) -> Plan {
        self.world.plan()
    }

    /// What is done about it, or the class of what is asked.
    fn decision(&self) -> Result<Action, Class> {
        let plan = self.plan();
        if let Some(change) = plan.changes.iter().find(|change| change.address == self.address) {
            return Ok(change.action);
        }
        let name = self.address.to_string();
        let problem = plan
            .problems
            .iter()
            .find(|problem| problem.message.to_string().contains(&name));
        Err(problem.unwrap_or_else(|| panic!("nothing is said: {plan:#?}")).class)
    }
}

#[test]
fn the_platforms_own_time_proves_an_equal_object_between_the_look_and_the_end_of_the_call() {
    let mut lost = Lost::of("hubspot-pipeline");
    for (created, expected) in [
        (None, Action::Use),
        (Some("2026-11-29T11:59:59Z"), Action::Use),
        (Some(LOOKED), Action::Adopt),
        (Some(DURING), Action::Adopt),
        (Some(ENDED), Action::Adopt),
        (Some("2026-11-29T12:05:11Z"), Action::Use),
    ] {
        lost.finds(vec![lost.made.clone()], created);
        assert_eq!(lost.decision(), Ok(expected), "{created:?}");
    }
    // An object that differs may be anybody's, whenever it was made.
    let mut other = lost.made.clone();
    other.document["stages"][0]["metadata"]["probability"] = json!("0.5");
    lost.finds(vec![other], Some(DURING));
    assert_eq!(lost.decision(), Ok(Action::Use));
    // A run that did not come to its call, or a platform without a clock: no time proves anything.
    for look in [
        Look {
            at: Some(LOOKED.parse().unwrap()),
            until: None,
        },
        Look {
            at: None,
            until: Some(ENDED.parse().unwrap()),
        },
    ] {
        lost.pending_of().0.look = Some(look);
        lost.finds(vec![lost.made.clone()], Some(DURING));
        assert_eq!(lost.decision(), Ok(Action::Use));
    }
}

#[test]
fn the_tenants_own_webhook_address_proves_an_object_whatever_else_it_says() {
    let mut lost = Lost::of("booking-tool");
    assert_eq!(lost.decision(), Ok(Action::Adopt));
    let mut changed = lost.made.clone();
    changed.document["function"]["description"] = json!("another");
    lost.finds(vec![changed], None);
    assert_eq!(lost.decision(), Ok(Action::Update));
    let mut elsewhere = lost.made.clone();
    elsewhere.document["server"]["url"] = json!("https://elsewhere.example/webhook/x");
    // It has another key than Git wants: what is wanted is made, and this one is named and stays.
    lost.finds(vec![elsewhere], None);
    assert_eq!(lost.decision(), Ok(Action::Create));
    let named = |problem: &upa::problem::Problem| problem.message.to_string().contains("stays on the platform");
    assert!(lost.plan().problems.iter().any(named));
}

#[test]
fn what_may_be_anothers_is_never_taken_nor_used() {
    let asked = Err(Class::Decision);
    for resource in ["booking-tool", "calls-tab", "hubspot-pipeline"] {
        // Two of them.
        let mut lost = Lost::of(resource);
        let mut twin = lost.made.clone();
        twin.id.push('x');
        lost.finds(vec![lost.made.clone(), twin], Some(DURING));
        assert_eq!(lost.decision(), asked, "{resource}");
        // The mark of another workspace.
        let mut lost = Lost::of(resource);
        let mut marked = lost.made.clone();
        marked.mark = Some("upa:another/client-0000/x".to_owned());
        lost.finds(vec![marked], Some(DURING));
        assert_eq!(lost.decision(), asked, "{resource}");
        // The webhook address of another tenant.
        let mut lost = Lost::of(resource);
        let base = lost.world.locks["client-0001"].versions["v2.0"]
            .webhook_base_path
            .clone();
        let mut others = lost.made.clone();
        others.document["note"] = Value::from(format!("https://n8n.example/webhook/{base}/in"));
        lost.finds(vec![others], Some(DURING));
        assert_eq!(lost.decision(), asked, "{resource}");
        // No look before the attempt is recorded.
        let mut lost = Lost::of(resource);
        lost.pending_of().0.look = None;
        assert_eq!(lost.decision(), asked, "{resource}");
    }
}

#[test]
fn a_doubt_stops_only_what_waits_for_it() {
    let mut lost = Lost::of("calls-tab");
    let mut twin = lost.made.clone();
    twin.id.push('x');
    lost.finds(vec![lost.made.clone(), twin], None);
    let all: Vec<Address> = lost.world.addresses();
    let of = |resource: &str| {
        let mut found = all.iter().filter(|address| address.tenant() == "client-0000");
        found.find(|address| address.resource == resource).unwrap().clone()
    };
    for resource in ["assistant", "calls-header"] {
        let Reading::Present(object) = lost.world.reading(&of(resource)) else {
            panic!("it is there")
        };
        match resource {
            "assistant" => object.document["firstMessage"] = json!("changed by hand"),
            _ => object.document["values"] = json!([["changed by hand"]]),
        }
    }
    let plan = lost.plan();
    let changed: Vec<&Address> = plan.changes.iter().map(|change| &change.address).collect();
    assert_eq!(changed, [&of("assistant")], "the header waits for its tab");
    let held = &plan.doubts["client-0000"];
    assert!(
        held.contains(&of("calls-tab")) && held.contains(&of("calls-header")),
        "{held:?}"
    );
}

#[test]
fn what_is_recorded_as_unproven_is_neither_changed_nor_deleted() {
    let mut lost = Lost::of("calls-tab");
    assert_eq!(lost.decision(), Ok(Action::Use));
    let mut world = World::settled(2);
    let address = lost.address.clone();
    let locked = world
        .locks
        .get_mut("client-0000")
        .unwrap()
        .resources
        .get_mut(&address)
        .unwrap();
    locked.applied.as_mut().unwrap().unproven = true;
    assert!(world.plan().changes.is_empty());
    let Reading::Present(object) = world.reading(&address) else {
        panic!("it is there")
    };
    object.document["gridProperties"] = json!({"frozenRowCount": 9});
    let plan = world.plan();
    assert!(plan.changes.is_empty(), "{:?}", plan.changes);
    assert!(plan.problems.iter().any(|problem| !problem.is_error()), "it is told");
    // It goes from the record alone.
    world
        .desired
        .tenants
        .get_mut("client-0000")
        .unwrap()
        .resources
        .remove(&address);
    let plan = world.plan();
    let change = plan.changes.iter().find(|change| change.address == address).unwrap();
    assert_eq!((change.action, change.steps.len()), (Action::Forget, 0));
    // A person says that it is upa's.
    let mut world = World::settled(2);
    let lock = world.locks.get_mut("client-0000").unwrap();
    let applied = lock.resources.get_mut(&address).unwrap().applied.as_mut().unwrap();
    applied.unproven = true;
    let id = applied.id.clone();
    let tenant = world.desired.tenants.get_mut("client-0000").unwrap();
    tenant.resources.get_mut(&address).unwrap().adopt = Some(id);
    let plan = world.plan();
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(
        (plan.changes[0].action, plan.changes[0].work.unproven),
        (Action::Adopt, false)
    );
    lost.finds(Vec::new(), None);
}
