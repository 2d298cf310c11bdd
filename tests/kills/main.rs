//! Real processes, killed at random: `upa apply` in clones of a remote, against a sandbox over HTTP and against a real n8n.
//! It is killed anywhere between its start and its end; sometimes its disk goes with it, sometimes another clone goes on.
//! Afterwards it is run until nothing is left to do, and there must be no twin, no orphan and no lost id.
//!
//! A failing seed is replayed by the command that its message names.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod life;
mod place;
#[allow(dead_code, unused_imports)]
#[path = "../cli/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use life::Life;
use place::Place;

/// Kills per world: then it is settled and looked at.
const PER_WORLD: u32 = 10;

/// Worlds at once: most of their time they wait.
const AT_ONCE: u64 = 4;

/// Lives through so many worlds, each with a seed of its own, and says where the kills struck.
fn worlds(name: &str, worlds: u64, place: impl Fn() -> Option<Place> + Sync) {
    let only: Option<u64> = std::env::var("UPA_KILLS_SEED").ok().map(|seed| seed.parse().unwrap());
    let phases: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            let (place, phases) = (&place, &phases);
            scope.spawn(move || {
                let seeds = (thread..worlds).step_by(AT_ONCE as usize);
                for seed in seeds.filter(|seed| only.is_none_or(|only| only == *seed)) {
                    let Some(place) = place() else { return };
                    let mut life = Life::new(
                        seed,
                        &place,
                        &format!("UPA_KILLS_SEED={seed} cargo test --test kills {name}"),
                    );
                    for _ in 0..PER_WORLD {
                        let phase = life.kill();
                        *phases.lock().unwrap().entry(phase).or_default() += 1;
                    }
                    life.settle();
                    life.check();
                }
            });
        }
    });
    let phases = phases.into_inner().unwrap();
    let kills: usize = phases.values().sum();
    println!("{name}: {kills} kills: {phases:?}");
    if only.is_none() && place().is_some() {
        assert_eq!(kills as u64, worlds * u64::from(PER_WORLD));
        let hit = kills - phases.get("it had ended").copied().unwrap_or_default();
        assert!(hit * 10 >= kills * 6, "too few kills struck: {phases:?}");
        assert!(phases.len() >= 4, "they did not strike everywhere: {phases:?}");
    }
}

#[test]
fn killed_two_hundred_times_on_the_sandbox() {
    worlds("killed_two_hundred_times_on_the_sandbox", 20, || Some(Place::sandbox()));
}

#[test]
fn killed_fifty_times_on_the_real_n8n() {
    worlds("killed_fifty_times_on_the_real_n8n", 5, Place::real);
}

/// Kills a process and every one it started.
pub fn kill(child: &mut std::process::Child) {
    let children = Command::new("pgrep").args(["-P", &child.id().to_string()]).output();
    let _ = child.kill();
    let kill_git = child.id().is_multiple_of(2);
    // `git` has a group of its own, and may finish what it is at: it is killed every other time.
    if let Ok(children) = children
        && kill_git
    {
        for id in String::from_utf8_lossy(&children.stdout).split_whitespace() {
            let _ = Command::new("kill")
                .args(["-KILL", id])
                .stderr(std::process::Stdio::null())
                .status();
        }
    }
    child.wait().unwrap();
}
