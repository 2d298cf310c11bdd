//! Studios: places that carry no mark, so that only the files and lockfiles tell whose they are. What must be true of them,
//! by the files, the lockfiles and the platform alone.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::check::locks;
use super::fate::Point;
use super::people;
use super::process::Process;
use super::product::STUDIOS;
use super::scenario::settle_in;
use super::world::World;

/// Whether an address is that of the limits of a studio, under either name.
pub fn is_limits(address: &str) -> bool {
    address.ends_with("/limits") || address.ends_with("/quota")
}

/// By studio: the addresses that lockfiles record it at, in whatever state.
pub type Recorded = BTreeMap<String, BTreeSet<String>>;

pub fn recorded(world: &World) -> Recorded {
    let mut recorded = Recorded::new();
    for (address, locked) in locks(world).values().flat_map(|lock| &lock.resources) {
        if is_limits(&address.to_string()) {
            let ids = locked
                .id()
                .into_iter()
                .chain(locked.retiring.keys().map(String::as_str));
            for id in ids {
                recorded.entry(id.to_owned()).or_default().insert(address.to_string());
            }
        }
    }
    recorded
}

/// By studio: the tenants whose files want it.
fn wanted(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &*world.files.lock().unwrap() {
        let tenant = path
            .strip_prefix("tenants/")
            .and_then(|path| path.strip_suffix(".toml"));
        let value = |field: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{field} = ")))?;
            Some(line.trim_matches('"').to_owned())
        };
        if let (Some(tenant), Some(studio)) = (tenant, value("studio"))
            && studio != "none"
            && value("status").as_deref() != Some("deprovisioned")
        {
            wanted.entry(studio).or_default().insert(tenant.to_owned());
        }
    }
    wanted
}

/// The studios that the files of several tenants want: until a person decides nothing may be written at all.
fn disputed(world: &World) -> BTreeSet<String> {
    let wanted = wanted(world).into_iter();
    wanted
        .filter(|(_, tenants)| tenants.len() > 1)
        .map(|(studio, _)| studio)
        .collect()
}

/// The studios that several tenants want or record, with those who must give way: all but the one that records it, or but
/// one of those who want it.
fn giving_way(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let (recorded, wanted) = (recorded(world), wanted(world));
    let giving = STUDIOS.iter().map(|studio| {
        let mut asking = wanted.get(*studio).cloned().unwrap_or_default();
        let owner = match recorded.get(*studio).and_then(|addresses| addresses.first()) {
            Some(address) => Some(people::tenant(address).to_owned()),
            None => asking.first().cloned(),
        };
        asking.retain(|tenant| Some(tenant) != owner.as_ref());
        ((*studio).to_owned(), asking)
    });
    giving.filter(|(_, asking)| !asking.is_empty()).collect()
}

/// A person reads which tenants are refused, and gives all but one another wish. False: nobody had to be refused.
pub fn give_way(world: &World, said: &str) -> bool {
    let giving = giving_way(world);
    let refused = Regex::new(
        r"(?P<tenant>[a-z]+)@v1/(limits|quota) and .* are the same object: pine.limits `(?P<studio>[a-z-]+)`",
    )
    .unwrap();
    let refused: Vec<_> = refused.captures_iter(said).collect();
    let is_disputed = |studio: &str| giving.contains_key(studio);
    if refused.is_empty() || !refused.iter().all(|refused| is_disputed(&refused["studio"])) {
        return false;
    }
    for tenant in giving.values().flatten().collect::<BTreeSet<_>>() {
        settle_in(world, tenant, "none");
    }
    true
}

/// The tenants whose place an earlier run may have taken for another.
pub fn waiting(said: &str) -> BTreeSet<String> {
    let waits = Regex::new(r"(?P<tenant>[a-z]+)@v1/(limits|quota) is to be pine.limits").unwrap();
    waits
        .captures_iter(said)
        .map(|waits| waits["tenant"].to_owned())
        .collect()
}

/// What is wrong at any moment, also right after a run died: a studio has one address, and one that was recorded and is
/// still wanted by its tenant is still recorded of it, under the old name or the new one.
pub fn astray(world: &World, before: &Recorded) -> Vec<String> {
    let (now, wanted) = (recorded(world), wanted(world));
    let twice = now.iter().filter(|(_, addresses)| addresses.len() > 1);
    let mut wrong: Vec<String> = twice
        .map(|(studio, addresses)| format!("{studio} is recorded at {addresses:?}"))
        .collect();
    for (studio, address) in before
        .iter()
        .flat_map(|(studio, addresses)| addresses.iter().map(move |one| (studio, one)))
    {
        let tenant = people::tenant(address);
        let stays = wanted.get(studio).is_some_and(|tenants| tenants.contains(tenant));
        let is_there = now
            .get(studio)
            .is_some_and(|addresses| addresses.iter().any(|one| people::tenant(one) == tenant));
        if stays && !is_there {
            wrong.push(format!("{studio} of {tenant} is recorded no longer"));
        }
    }
    wrong
}

/// How it stood before a run.
pub struct Before {
    recorded: Recorded,
    held: BTreeMap<String, String>,
    /// What the files of several tenants want.
    disputed: BTreeSet<String>,
    /// Whether anybody must give way, to another's file or lockfile.
    contested: bool,
}

impl Before {
    pub async fn of(world: &World) -> Self {
        Self {
            recorded: recorded(world),
            held: held(world).await,
            disputed: disputed(world),
            contested: !giving_way(world).is_empty(),
        }
    }

    /// Whether a run may end so with the files: somebody must give way, and that is what it says.
    pub fn is_refusal(&self, said: &str) -> bool {
        self.contested && said.contains("are the same object")
    }

    pub fn is_disputed(&self) -> bool {
        !self.disputed.is_empty()
    }

    /// What is wrong after these processes ran, however they ended.
    pub async fn judge(&self, world: &World, processes: &[&Process]) -> Vec<String> {
        let mut wrong = astray(world, &self.recorded);
        let mut wrote = processes
            .iter()
            .map(|process| process.points.lock().unwrap().contains(&Point::Write));
        if self.is_disputed() && (wrote.any(|wrote| wrote) || held(world).await != self.held) {
            wrong.push(format!("a run wrote while several wanted {:?}", self.disputed));
        }
        wrong
    }

    /// How many studios are recorded under another name of the same tenant now.
    pub fn moved(&self, world: &World) -> usize {
        let is_moved = |(studio, addresses): (&String, &BTreeSet<String>)| {
            let then = self.recorded.get(studio).and_then(|addresses| addresses.first());
            let (Some(then), Some(now)) = (then, addresses.first()) else {
                return false;
            };
            then != now && people::tenant(then) == people::tenant(now)
        };
        recorded(world).iter().filter(|one| is_moved(*one)).count()
    }
}

/// Whose limits each studio has, by the platform.
pub async fn held(world: &World) -> BTreeMap<String, String> {
    let objects = world.look("GET", "_sandbox/editor/pine/limits", None).await;
    let whose = objects.as_array().unwrap().iter().filter_map(|object| {
        let tenant = object["object"]["whose"].as_str()?;
        Some((object["id"].as_str()?.to_owned(), tenant.to_owned()))
    });
    whose.collect()
}

/// A person sets the limits back that are a tenant's and recorded nowhere.
pub async fn free(world: &World, tenant: &str) {
    let recorded = recorded(world);
    let held = held(world).await.into_iter();
    for (studio, _) in held.filter(|(studio, whose)| whose == tenant && !recorded.contains_key(studio)) {
        world.note(format!("a person sets {studio} back"));
        let path = format!("_sandbox/editor/pine/limits?id={studio}");
        world.look("DELETE", &path, None).await;
    }
}

/// What differs between the platform and the files in a world that has come to rest.
pub async fn unlike(world: &World) -> Vec<String> {
    let wanted = wanted(world)
        .into_iter()
        .map(|(studio, tenants)| (studio, Vec::from_iter(tenants).join(", ")));
    let (wanted, held) = (BTreeMap::from_iter(wanted), held(world).await);
    match wanted == held {
        true => Vec::new(),
        false => vec![format!("studios are {held:?}, wanted {wanted:?}")],
    }
}
