//! What must hold of every plan in which tenants come to want one place, however they name it: it has one owner, and who
//! is in nobody's way is planned as if there were nobody else.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use upa::lockfile::Pending;
use upa::plan::{Action, Change, Plan, Reason};
use upa::platform::{Activity, Object, Reading, Step};
use upa::problem::Class;
use upa::resource::{Address, Kind};
use upa::workspace::{Entry, Files, Origin};

use crate::world::{World, released};

/// Three places. One name begins like another, and is another.
const POOL: [&str; 3] = ["s1", "s10", "s2"];
const TENANTS: [&str; 4] = ["ana", "bo", "cy", "di"];

/// What a tenant has, by how a place is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    /// A setting: the titles in a named range of a sheet.
    Header,
    /// By a natural key that is found in lists, and no mark.
    Field,
    /// By a natural key that is its id.
    Property,
    /// Taken over by its id, which the platform gave it.
    Tool,
}

impl Thing {
    fn platform(self) -> &'static str {
        match self {
            Self::Header => "google",
            Self::Field => "gohighlevel",
            Self::Property => "hubspot",
            Self::Tool => "vapi",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Header => "google.header",
            Self::Field => "gohighlevel.custom_field",
            Self::Property => "hubspot.property",
            Self::Tool => "vapi.tool",
        }
    }

    /// Where its account is, and the credential in which two accounts differ.
    fn account(self) -> (&'static str, &'static str) {
        match self {
            Self::Header => (
                "base_url = \"https://drive.invalid\"\nhosts.sheets = \"https://sheets.invalid\"\nhosts.token = \"https://token.invalid\"\n\
                 credentials.client_id = { env = \"ID\" }\ncredentials.client_secret = { env = \"SECRET\" }\n",
                "refresh_token",
            ),
            Self::Field | Self::Property => ("base_url = \"https://crm.invalid\"\n", "token"),
            Self::Tool => ("base_url = \"https://voice.invalid\"\n", "api_key"),
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Header => r#"{ "spreadsheet_id": "one", "range": "<%= inputs.place %>", "values": [["a", "b"]] }"#,
            Self::Field => r#"{ "location_id": "one", "name": "<%= inputs.place %>", "dataType": "TEXT" }"#,
            Self::Property => {
                r#"{ "object_type": "contacts", "name": "<%= inputs.place %>", "label": "L", "type": "string", "fieldType": "text", "groupName": "g" }"#
            }
            Self::Tool => {
                r#"{ "type": "function", "function": { "name": "<%= tenant.name %>" }, "server": { "url": "https://x.invalid/<%= tenant.name %>" } }"#
            }
        }
    }
}

/// By which name a tenant calls its account: the first two are one account, the third has another key.
const NAMES: [&str; 3] = ["", "-again", "-other"];

/// One tenant: the place its lockfile records, the place Git wants, and the name of its account.
#[derive(Debug, Clone, Copy)]
struct Spot {
    recorded: Option<usize>,
    wanted: Option<usize>,
    name: usize,
}

#[derive(Debug, Clone)]
struct Case {
    thing: Thing,
    spots: Vec<Spot>,
}

fn place() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![1 => Just(None), 4 => (0..POOL.len()).prop_map(Some)]
}

/// What was recorded often stays as it is.
fn spot(name: impl Strategy<Value = usize>) -> impl Strategy<Value = Spot> {
    (place(), place(), any::<bool>(), name).prop_map(|(recorded, wanted, stays, name)| Spot {
        recorded,
        wanted: if stays { recorded } else { wanted },
        name,
    })
}

/// What each tenant may call its account.
type Names = [&'static [usize]; TENANTS.len()];
const ONE_NAME: Names = [&[0]; TENANTS.len()];

fn cases(things: &[Thing], names: Names) -> impl Strategy<Value = Case> + use<> {
    let spots = names.map(|names| spot(prop::sample::select(names)));
    (prop::sample::select(things.to_vec()), spots).prop_map(|(thing, spots)| Case {
        thing,
        spots: spots.to_vec(),
    })
}

impl Case {
    /// The workspace in which every tenant wants one of these places.
    fn files(&self, places: impl Fn(&Spot) -> Option<usize>) -> Files {
        let mut entries = BTreeMap::new();
        let mut add = |path: String, text: String| {
            entries.insert(path, Entry::Text(Arc::from(text)));
        };
        let platform = self.thing.platform();
        let (account, credential) = self.thing.account();
        let mut settings = "[workspace]\nname = \"w\"\n".to_owned();
        for (name, key) in NAMES.iter().zip(["KEY", "KEY", "OTHER_KEY"]) {
            settings.push_str(&format!(
                "[accounts.{platform}{name}]\nplatform = \"{platform}\"\n{account}credentials.{credential} = {{ env = \"{key}\" }}\n"
            ));
        }
        add("upa.toml".to_owned(), settings);
        let version = format!(
            "product = \"trio\"\nversion = \"v1\"\nrevision = 1\nstage = \"released\"\n[inputs]\nproperties.place = {{ type = \"string\" }}\n\
             [resources.thing]\nkind = \"{}\"\ntemplate = \"thing.json\"\nwhen = {{ input = \"place\", is_not = \"none\" }}\n",
            self.thing.kind()
        );
        released("trio", &version, &[("thing.json", self.thing.template())])
            .into_iter()
            .for_each(|(path, text)| add(path, text));
        for (tenant, spot) in TENANTS.iter().zip(&self.spots) {
            let place = places(spot).map(|place| POOL[place]);
            let text = format!(
                "product = \"trio\"\nversion = \"v1\"\ntier = \"client\"\noperator = \"ana\"\nstatus = \"active\"\n[inputs]\nplace = \"{}\"\n\
                 [accounts]\n{platform} = \"{platform}{}\"\n",
                place.unwrap_or("none"),
                NAMES[spot.name]
            );
            add(format!("tenants/{tenant}.toml"), text);
        }
        Files {
            origin: Origin::WorkTree,
            entries,
        }
    }

    /// The lockfiles and platforms as they were left, and what Git wants now.
    fn world(&self) -> World {
        let mut world = World::of(&self.files(|spot| spot.recorded));
        let later = World::of(&self.files(|spot| spot.wanted));
        (world.workspace, world.desired) = (later.workspace, later.desired);
        world.desired.remember(&world.locks);
        let kind = Kind::new(self.thing.kind());
        for name in NAMES {
            let account = format!("{}{name}", self.thing.platform());
            let answer = world.observed.accounts.entry(account).or_default();
            answer.complete.insert(kind.clone());
            if self.thing == Thing::Tool {
                let there = POOL.map(|id| ((kind.clone(), id.to_owned()), Reading::Present(Box::new(tool(id)))));
                answer.objects.extend(there);
            }
        }
        for (tenant, spot) in TENANTS.iter().zip(&self.spots).filter(|_| self.thing == Thing::Tool) {
            take_over(&mut world, tenant, spot);
        }
        world
    }

    /// What a place of a tenant is the same as: places of one account, and for ids that a platform gives those of one
    /// address, whoever asks for them.
    fn same(&self, spot: &Spot, place: usize) -> (bool, usize) {
        (self.thing != Thing::Tool && NAMES[spot.name] == "-other", place)
    }

    /// The tenants that record a place and those that want it, by place. The name of a field stands in no lockfile: it is
    /// known to be recorded where Git still wants it.
    fn claims(&self) -> BTreeMap<(bool, usize), [BTreeSet<usize>; 2]> {
        let mut claims: BTreeMap<_, [BTreeSet<usize>; 2]> = BTreeMap::new();
        for (tenant, spot) in self.spots.iter().enumerate() {
            let is_known = self.thing != Thing::Field || spot.recorded == spot.wanted;
            let recorded = spot.recorded.filter(|_| is_known);
            for (which, place) in [recorded, spot.wanted].into_iter().enumerate() {
                if let Some(place) = place {
                    claims.entry(self.same(spot, place)).or_default()[which].insert(tenant);
                }
            }
        }
        claims
    }

    /// The places that several tenants claim.
    fn contested(&self) -> impl Iterator<Item = [BTreeSet<usize>; 2]> {
        let claims = self.claims().into_values();
        claims.filter(|[recorded, wanted]| recorded.union(wanted).count() > 1)
    }

    /// Who may not go on: who claims another's place, unless it is theirs by the only lockfile that records it.
    fn refused(&self) -> BTreeSet<usize> {
        let refused = self.contested().flat_map(|[recorded, wanted]| {
            let all: Vec<usize> = recorded.union(&wanted).copied().collect();
            let keeps = move |tenant: &usize| recorded.len() == 1 && recorded.contains(tenant);
            all.into_iter().filter(move |tenant| !keeps(tenant))
        });
        refused.collect()
    }

    /// Whether two names of one account meet in a place.
    fn meets_by_another_name(&self) -> bool {
        self.contested().any(|[recorded, wanted]| {
            let names: BTreeSet<usize> = recorded.union(&wanted).map(|tenant| self.spots[*tenant].name).collect();
            names.contains(&0) && names.contains(&1)
        })
    }
}

fn address(tenant: &str) -> Address {
    format!("{tenant}@v1/thing").parse().unwrap()
}

/// What a tenant has taken over has the id it had before, and what it takes over is there.
fn take_over(world: &mut World, tenant: &str, spot: &Spot) {
    if let Some(id) = spot.recorded.map(|place| POOL[place].to_owned()) {
        let lock = world.locks.get_mut(tenant).unwrap();
        let applied = lock
            .resources
            .get_mut(&address(tenant))
            .unwrap()
            .applied
            .as_mut()
            .unwrap();
        (applied.id, applied.adopted) = (id.clone(), Some(id));
    }
    // Two lines of `[adopt]` with one id are refused when they are loaded: the plan must not depend on that.
    if let Some(id) = spot.wanted.map(|place| POOL[place].to_owned()) {
        let tenant = world.desired.tenants.get_mut(tenant).unwrap();
        tenant.resources.get_mut(&address(&tenant.name)).unwrap().adopt = Some(id);
    }
}

fn tool(id: &str) -> Object {
    Object {
        id: id.to_owned(),
        title: id.to_owned(),
        document: json!({ "type": "function", "function": { "name": id }, "server": { "url": "https://y.invalid" } }),
        activity: Activity::NotApplicable,
        mark: None,
        attempt: None,
        out: BTreeMap::new(),
    }
}

/// What a plan does about a tenant, and what it says.
fn about(plan: &Plan, tenant: &str) -> (Vec<Change>, Vec<String>) {
    let changes = plan.changes.iter().filter(|change| change.address.tenant() == tenant);
    let problems = plan
        .problems
        .iter()
        .filter(|problem| problem.tenant.as_deref() == Some(tenant));
    (
        changes.cloned().collect(),
        problems.map(|problem| problem.message.to_string()).collect(),
    )
}

/// The plan as if there were no other tenant.
fn alone(world: &mut World, tenant: &str) -> Plan {
    let (tenants, locks) = (
        std::mem::take(&mut world.desired.tenants),
        std::mem::take(&mut world.locks),
    );
    let (this, others) = tenants.into_iter().partition(|(name, _)| name == tenant);
    world.desired.tenants = this;
    world.locks = locks
        .iter()
        .filter(|(name, _)| *name == tenant)
        .map(|(name, lock)| (name.clone(), lock.clone()))
        .collect();
    let plan = world.plan();
    world.desired.tenants.extend(others);
    world.locks = locks;
    plan
}

/// The rule, in one case.
fn hold(case: &Case) -> Result<(), TestCaseError> {
    let mut world = case.world();
    let plan = world.plan();
    let (blocked, refused) = (plan.blocked(), case.refused());
    for (number, tenant) in TENANTS.iter().enumerate() {
        let (changes, said) = about(&plan, tenant);
        let collides = plan.problems.iter().any(|problem| {
            let is_own = problem.tenant.as_deref() == Some(tenant) && problem.class == Class::Configuration;
            is_own
                && problem
                    .message
                    .to_string()
                    .starts_with(&format!("{} and ", address(tenant)))
        });
        prop_assert_eq!(collides, refused.contains(&number), "{}: {:?}", tenant, said);
        if collides {
            prop_assert!(
                changes.is_empty() && blocked.contains(tenant),
                "{}: {:?}",
                tenant,
                changes
            );
        } else {
            let by_itself = about(&alone(&mut world, tenant), tenant);
            prop_assert_eq!((changes, said), by_itself, "{} is planned as if it were alone", tenant);
        }
    }
    // Whatever is admitted: nobody else has the place, and nobody else may take it.
    let admitted = |tenant: &usize| !blocked.contains(TENANTS[*tenant]);
    for [recorded, wanted] in case.contested() {
        let owners: BTreeSet<usize> = recorded.union(&wanted).copied().filter(admitted).collect();
        prop_assert!(owners.len() <= 1, "{owners:?} have one place");
        let others = recorded.iter().any(|other| !owners.contains(other));
        prop_assert!(
            owners.is_empty() || !others,
            "{owners:?} have what is recorded of another"
        );
    }
    Ok(())
}

/// Holds the rule in many cases, at least half of which must have `met`.
fn hold_all(things: &[Thing], names: Names, met: impl Fn(&Case) -> bool) {
    let (count, collided, free) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&cases(things, names), |case| {
        count.set(count.get() + 1);
        collided.set(collided.get() + usize::from(met(&case)));
        free.set(free.get() + usize::from(case.refused().len() < TENANTS.len()));
        hold(&case)
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let (count, collided, free) = (count.get(), collided.get(), free.get());
    println!("{collided} of {count} collided, in {free} somebody was admitted");
    assert!(
        count >= 200 && collided * 2 >= count,
        "only {collided} of {count} collided"
    );
    assert!(free * 2 >= count, "in only {free} of {count} was anybody admitted");
}

fn collides(case: &Case) -> bool {
    case.contested().next().is_some()
}

#[test]
fn a_setting_has_one_owner() {
    hold_all(&[Thing::Header], ONE_NAME, collides);
}

#[test]
fn a_natural_key_has_one_owner() {
    hold_all(&[Thing::Field, Thing::Property], ONE_NAME, collides);
}

#[test]
fn an_adopted_object_has_one_owner() {
    hold_all(&[Thing::Tool], ONE_NAME, collides);
}

#[test]
fn two_names_of_one_account_have_one_owner() {
    let things = [Thing::Header, Thing::Field, Thing::Property, Thing::Tool];
    hold_all(
        &things,
        [&[0], &[1], &[0, 1], &[0, 1, 1, 2]],
        Case::meets_by_another_name,
    );
}

/// A setting whose place changes is made anew there, also where one name begins like the other.
#[test]
fn a_setting_follows_its_place() {
    for (recorded, wanted) in [(1, 0), (0, 1), (0, 2)] {
        let spots = vec![
            Spot {
                recorded: Some(recorded),
                wanted: Some(wanted),
                name: 0
            };
            1
        ];
        let case = Case {
            thing: Thing::Header,
            spots,
        };
        let changes = case.world().changes();
        assert_eq!(
            changes,
            BTreeSet::from(["replace ana@v1/thing".to_owned()]),
            "{recorded} → {wanted}"
        );
    }
}

/// A run was cut off right after it had set something, and Git wants it elsewhere since.
#[test]
fn a_setting_of_a_cut_off_run_follows_its_place() {
    let spots = vec![Spot {
        recorded: Some(0),
        wanted: Some(2),
        name: 0,
    }];
    let case = Case {
        thing: Thing::Header,
        spots,
    };
    let mut world = case.world();
    let locked = world
        .locks
        .get_mut("ana")
        .unwrap()
        .resources
        .get_mut(&address("ana"))
        .unwrap();
    locked.pending = Some(Pending {
        run: uuid::Uuid::now_v7(),
        attempt: uuid::Uuid::from_u128(7),
        step: Step::Create,
        id: locked.applied.take().map(|applied| applied.id),
        needs: BTreeSet::new(),
        look: None,
        natural: None,
        out: BTreeMap::new(),
        operations: Vec::new(),
    });
    let plan = world.plan();
    let change = &plan.changes[0];
    assert_eq!((change.action, change.reason), (Action::Replace, Reason::Moved));
    assert_eq!(change.steps, [Step::Delete, Step::Create, Step::Fill]);
}
