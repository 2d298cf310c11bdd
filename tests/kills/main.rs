//! Real processes that are killed: `upa apply` with everything it started, at any moment of its run, in clones that work
//! with one bare remote and one platform. Whatever is left is found by the next run, in this clone, in another or in a new
//! one; when all is quiet, [`check`] asks the platform and the remote what they hold.
//!
//! A world is a seed: what happens in it, in which order, and at which part of a run it is cut off. To see one again:
//! `UPA_KILLS_SEED=7 cargo test --test kills -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod check;
mod cut;
mod life;
mod place;
#[allow(dead_code, unused_imports)]
#[path = "../cli/support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cut::Phase;
use place::Place;
use world::World;

/// How often a run is killed in one world.
const KILLS_OF_A_WORLD: usize = 10;
/// Worlds side by side.
const THREADS: usize = 3;

/// What happened in all worlds together.
#[derive(Default)]
struct Total {
    kills: usize,
    phases: BTreeMap<Phase, usize>,
    seen: BTreeMap<String, usize>,
    failures: Vec<String>,
}

/// Lives one life, to its end or to what went wrong.
fn live(seed: u64, place: &Place, total: &Mutex<Total>) {
    let mut world = World::new(seed, place);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        world.live(KILLS_OF_A_WORLD);
        check::check(&mut world)
    }));
    let mut total = total.lock().unwrap();
    total.kills += world.kills;
    for (phase, times) in &world.phases {
        *total.phases.entry(*phase).or_default() += times;
    }
    for (what, times) in &world.seen {
        *total.seen.entry(what.clone()).or_default() += times;
    }
    let wrong = match ended {
        Ok(wrong) if wrong.is_empty() => return,
        Ok(wrong) => wrong.join("\n  "),
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default(),
    };
    let (again, log) = (place.replay(seed), world.log.join("\n"));
    total
        .failures
        .push(format!("{again}\n  {wrong}\n--- what happened\n{log}\n"));
}

/// Lives so many worlds, or the one that `UPA_KILLS_SEED` names.
fn live_all(worlds: u64, place: &Place) {
    let only: Option<u64> = std::env::var("UPA_KILLS_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds: Vec<u64> = only.map_or_else(|| (1..=worlds).collect(), |seed| vec![seed]);
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(seeds.len()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    live(*seed, place, &total);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{} runs were killed:", total.kills);
    for (phase, times) in &total.phases {
        println!("  {times:4}  {}", phase.words());
    }
    println!("besides:");
    for (what, times) in &total.seen {
        println!("  {times:4}  {what}");
    }
    // A run that ends with 10 asks a person.
    let asked = total.seen.get("runs that ended with 10").copied().unwrap_or_default();
    println!("people needed: {asked}");
    total.failures.iter().for_each(|failure| println!("{failure}"));
    assert_eq!(asked, 0, "a person was needed");
    assert!(
        total.failures.is_empty(),
        "{} of {} worlds came out wrong",
        total.failures.len(),
        seeds.len()
    );
    if only.is_some() {
        return;
    }
    assert!(
        total.kills >= seeds.len() * KILLS_OF_A_WORLD,
        "only {} runs were killed",
        total.kills
    );
    let killed = |phases: &[Phase]| -> usize { phases.iter().filter_map(|phase| total.phases.get(phase)).sum() };
    // The moment between the announcement and the first call is short: fifty kills may miss it.
    let announced = usize::from(!place.is_real());
    for (phases, least) in [
        (&[Phase::Before][..], 5),
        (&[Phase::Announced], announced),
        (&[Phase::Calls], 5),
        (&[Phase::AfterCalls, Phase::Published], 5),
    ] {
        let words = phases[0].words();
        assert!(
            killed(phases) >= least,
            "too few runs were killed {words}: nothing is proved"
        );
    }
}

#[test]
fn two_hundred_kills_and_everything_is_there_once() {
    live_all(20, &Place::Sandbox);
}

#[test]
fn fifty_kills_on_the_real_n8n() {
    if let Some(place) = Place::real() {
        live_all(5, &place);
    }
}
