//! Worlds in which everything happens, by chance: people change their minds, on files and on platforms; runs meet, are cut
//! off, lose their disk and are answered wrongly; time passes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::check::{check, remember, things};
use super::fate::Fate;
use super::process::Process;
use super::product::{FURTHER, STUDIOS, TOKEN, VERSION};
use super::run::{Clone, Ended, until_quiet};
use super::scenario::{add, demand, fix, greet, join, remove, rename, replace, rotate, secret, settle_in, status};
use super::studios::{self, Before};
use super::world::World;

const TENANTS: [&str; 3] = ["ana", "bob", "cyd"];

/// What came of one seed.
pub struct Life {
    pub world: Arc<World>,
    pub wrong: Vec<String>,
    pub runs: usize,
    pub deaths: usize,
    pub faults: usize,
    /// How many runs met two tenants in one place.
    pub collisions: usize,
    /// How many objects got another name in a lockfile.
    pub moves: usize,
    /// How often a person had to answer, and how many objects were named to one and left.
    pub asked: usize,
    pub named: usize,
    /// How many objects are used in the end that nothing proves to be ours.
    pub unproven: usize,
}

impl Life {
    fn count(&mut self, ended: &Ended, before: &Before) {
        self.runs += 1;
        self.deaths += usize::from(*ended == Ended::Died);
        match ended {
            Ended::Exited(1, said) => self.wrong.push(format!("a run failed: {said}")),
            Ended::Exited(5, said) if before.is_refusal(said) => self.collisions += 1,
            Ended::Exited(5, said) if !said.contains("does not let anybody push") => {
                self.wrong.push(format!("a run refused the files: {said}"));
            }
            Ended::Exited(0, said) if before.is_disputed() => {
                self.wrong
                    .push(format!("a run was content with two in one studio: {said}"));
            }
            _ => {}
        }
    }
}

/// Lives through one seed.
pub async fn live(seed: u64) -> Life {
    let world = World::new(seed);
    let _here = world.enter();
    let mut life = Life {
        world: world.clone(),
        wrong: Vec::new(),
        runs: 0,
        deaths: 0,
        faults: 0,
        collisions: 0,
        moves: 0,
        asked: 0,
        named: 0,
        unproven: 0,
    };
    if world.roll(3) == 0 {
        demand(&world);
    }
    if world.roll(2) == 0 {
        super::strangers::settle(&world).await;
    }
    // In some worlds there are fewer studios than tenants.
    let crowded = world.roll(3) == 0;
    join(&world, "ana", "");
    if crowded {
        crowd(&world, "ana");
    }
    world.commit("the first");
    // How often something goes wrong is another thing in each world.
    let rate = [0, 3, 15, 60][world.roll(4) as usize];
    let deadly = [0, 300, 900][world.roll(3) as usize];
    let rounds = 1 + world.roll(3) + u32::from(crowded);
    for round in 0..rounds {
        for _ in 0..world.roll(3) {
            deed(&world, crowded).await;
        }
        if crowded && round > 0 && world.roll(2) == 0 {
            rename(&world);
        }
        if world.roll(4) == 0 {
            tokio::time::sleep(Duration::from_secs(u64::from(world.roll(500_000)))).await;
            world.forget("/token");
        }
        let one = Clone::of(&world, "one");
        let fate = || Fate::by_chance(rate, deadly);
        let first = Process::new(&world, "first", fate(), true);
        let second = Process::new(&world, "second", fate(), true);
        let before = Before::of(&world).await;
        let ended = if world.roll(3) == 0 {
            let two = Clone::of(&world, "two");
            let (these, others) = apart(&world, crowded);
            let (first, second) = futures::join!(one.apply_for(&these, &first), two.apply_for(&others, &second));
            vec![first, second]
        } else {
            vec![one.apply(&first).await]
        };
        ended.iter().for_each(|ended| life.count(ended, &before));
        life.wrong.extend(before.judge(&world, &[&first, &second]).await);
        life.moves += before.moved(&world);
        // People decide at once, or only when nothing goes on any more.
        if world.roll(4) > 0 {
            for ended in &ended {
                if let Ended::Exited(5, said) = ended {
                    studios::give_way(&world, said);
                }
            }
        }
        for process in [&first, &second] {
            life.faults += process.struck.load(std::sync::atomic::Ordering::SeqCst);
        }
        remember(&world);
        if world.roll(2) == 0 {
            for tenant in TENANTS {
                super::strangers::make(&world, tenant).await;
            }
        }
        if ended[0] == Ended::Died && world.roll(3) == 0 {
            world.note("the disk is lost");
            one.lose();
        }
    }
    // Wherever somebody goes on first: what the other clone still remembers does no harm.
    for name in ["two", "one"] {
        let clone = Clone::of(&world, name);
        // Where nothing is left behind a second run would only look once more, as the check does.
        if name == "one" && !clone.has_leftovers() {
            continue;
        }
        if let Err(why) = until_quiet(&world, &clone).await {
            life.wrong.push(why);
            return life;
        }
    }
    life.wrong.extend(check(&world, &Clone::of(&world, "one")).await);
    life.asked = world.asked.load(std::sync::atomic::Ordering::SeqCst);
    life.unproven = super::strangers::unproven(&world);
    life.named = world.named.load(std::sync::atomic::Ordering::SeqCst);
    life
}

/// For whom two runs are made that meet: both for all, or each for a tenant of its own, beside whom it changes what they share.
fn apart(world: &World, crowded: bool) -> (Vec<String>, Vec<String>) {
    let other = TENANTS[1 + world.roll(2) as usize];
    let is_known = |tenant: &str| {
        world
            .files
            .lock()
            .unwrap()
            .contains_key(&format!("tenants/{tenant}.toml"))
    };
    // Where studios are few, what a run may be content with is judged for those that are for all.
    if crowded || world.roll(2) == 0 || !is_known(other) {
        return (Vec::new(), Vec::new());
    }
    (vec![TENANTS[0].to_owned()], vec![other.to_owned()])
}

/// A tenant is in one of the few studios, or in none.
fn crowd(world: &World, tenant: &str) {
    let studio = [STUDIOS[0], STUDIOS[1], STUDIOS[0], "none"][world.roll(4) as usize];
    settle_in(world, tenant, studio);
}

/// Somebody does something.
async fn deed(world: &Arc<World>, crowded: bool) {
    let tenant = TENANTS[world.roll(3) as usize];
    let is_known = world
        .files
        .lock()
        .unwrap()
        .contains_key(&format!("tenants/{tenant}.toml"));
    if !is_known {
        join(world, tenant, "");
        world.commit(&format!("{tenant} joins"));
        if crowded {
            crowd(world, tenant);
        }
        return;
    }
    if crowded && world.roll(4) == 0 {
        return crowd(world, tenant);
    }
    let word = format!("w{}", world.roll(1000));
    match world.roll(10) {
        0 => fix(world, &word),
        1 => greet(world, tenant, &word),
        2 => status(world, tenant, "suspended"),
        3 => status(world, tenant, "active"),
        4 => status(world, tenant, "deprovisioned"),
        5 => rotate(world, tenant),
        6 => replace(world),
        7 => {
            let version = world.files.lock().unwrap()[VERSION].clone();
            if version.contains(TOKEN) {
                remove(world);
            } else if !version.contains(FURTHER) {
                add(world);
            }
        }
        _ => drift(world).await,
    }
}

/// Somebody takes away or changes something on a platform, whether it is recorded yet or not.
async fn drift(world: &Arc<World>) {
    let mut things = things(world).await;
    things.retain(|thing| thing.kind != "n8n.workflow" && !thing.is_anothers());
    if things.is_empty() {
        return;
    }
    let thing = &things[world.roll(things.len() as u32) as usize];
    let address = thing.mark().unwrap_or_default();
    let path = format!("_sandbox/editor/pine/{}?id={}", thing.kind, thing.id);
    world.note(format!("somebody touches {} of `{address}`", thing.kind));
    // Nothing of a token can be changed.
    if thing.kind == "token" || world.roll(2) == 0 {
        world.look("DELETE", &path, None).await;
        if !address.is_empty() {
            world.forget(&address);
        }
        if address.ends_with("/common") {
            // Tokens name it, and cannot be changed.
            world.forget("/token");
        }
    } else {
        world
            .look("PATCH", &path, Some(&json!({"about": "touched", "code": "XX"})))
            .await;
    }
}

/// Secrets that any tenant may have, so that making them is not part of a replay.
pub fn prepare() {
    for tenant in TENANTS {
        secret(tenant, 1);
        secret(tenant, 2);
    }
}
