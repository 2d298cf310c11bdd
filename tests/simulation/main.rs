//! The whole of upa in a simulated world: one clock, one source of chance, platforms and a remote that break whenever the
//! simulation wants. The same seed gives the same run to the byte.
//!
//! Every scenario is cut off at every position it has, and every call and push in it is answered wrongly in every way there
//! is; then many worlds have all of it at once, by chance. Whatever happened: upa is run again until nothing is left to do,
//! and [`check`] must find nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod chance;
mod check;
mod fate;
mod git;
mod people;
mod process;
mod product;
mod run;
mod scenario;
mod strangers;
mod studios;
mod world;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use fate::{Fate, Fault, Point, answers, deaths};
use process::Process;
use run::{Clone, Ended, until_quiet};
use scenario::{SCENARIOS, Scenario};
use world::World;

const THREADS: usize = 2;

/// A world is younger than any bit rot.
fn trust_the_disk() {
    git2::opts::strict_hash_verification(false);
    git2::opts::strict_object_creation(false);
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    trust_the_disk();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

/// One fault at one position of one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    number: usize,
    fault: Fault,
    /// Whether the clone is gone afterwards.
    disk_lost: bool,
}

/// What came out of it: what is wrong, if anything, and whether the fault struck.
async fn attempt(base: &World, trial: Trial) -> (Vec<String>, bool, Arc<World>) {
    let world = base.copy();
    let _here = world.enter();
    let clone = Clone::of(&world, "work");
    let studios = studios::recorded(&world);
    let process = Process::new(&world, "run", Fate::at(trial.number, trial.fault), false);
    let ended = clone.apply(&process).await;
    let struck = process.struck.load(Ordering::SeqCst) == 1;
    let mut wrong = studios::astray(&world, &studios);
    let deadly = matches!(trial.fault, Fault::DieBefore | Fault::DieAfter);
    if deadly != (ended == Ended::Died) {
        wrong.push(format!("it ended with {ended:?}"));
    }
    if let Ended::Exited(code, said) = &ended
        && !matches!(code, 0 | 4 | 6 | 7 | 8 | 12)
        && !is_told_so(trial.fault, *code)
    {
        wrong.push(format!("it ended with {code}: {said}"));
    }
    // What was recorded on the remote by now is not lost from here on.
    check::remember(&world);
    let clone = match trial.disk_lost {
        true => {
            clone.lose();
            Clone::of(&world, "another")
        }
        false => clone,
    };
    match until_quiet(&world, &clone).await {
        Ok(()) => wrong.extend(check::check(&world, &clone).await),
        Err(why) => wrong.push(why),
    }
    (wrong, struck, world)
}

/// What a run may say besides, because the platform or the remote said so.
fn is_told_so(fault: Fault, code: u8) -> bool {
    match fault {
        Fault::Refused => code == 5,
        // Somebody has what was to be created.
        Fault::Status(409) => code == 10,
        _ => false,
    }
}

/// Everything there is to try of a scenario.
async fn trials(
    scenario: &Scenario,
    faults: fn(Point) -> &'static [Fault],
    disks: &[bool],
) -> (Arc<World>, Vec<Trial>) {
    let base = scenario.world(1).await;
    let world = base.copy();
    let _here = world.enter();
    let clone = Clone::of(&world, "work");
    let process = Process::new(&world, "calm", Fate::calm(), false);
    let ended = clone.apply(&process).await;
    assert!(
        matches!(ended, Ended::Exited(0, _)),
        "{}: {ended:?}\n{}",
        scenario.name,
        world.trace()
    );
    // Whoever is waited for approves.
    let quiet = until_quiet(&world, &clone).await;
    assert_eq!(quiet, Ok(()), "{}\n{}", scenario.name, world.trace());
    let wrong = check::check(&world, &clone).await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}\n{}", scenario.name, world.trace());
    let points = process.points.lock().unwrap().clone();
    let all = points.iter().enumerate().flat_map(|(number, point)| {
        let faults = faults(*point).iter();
        faults.flat_map(move |fault| {
            disks.iter().map(move |disk_lost| Trial {
                number,
                fault: *fault,
                disk_lost: *disk_lost,
            })
        })
    });
    (base, all.collect())
}

/// Which of the trials there are, and of how many parts that is one: `UPA_SIMULATE_PART` is the first, from 0, and
/// `UPA_SIMULATE_PARTS` the second, so that a share of them can be another one each day.
fn part() -> (usize, usize) {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |number| number.parse().unwrap());
    let parts = number("UPA_SIMULATE_PARTS", 1);
    (number("UPA_SIMULATE_PART", 0) % parts, parts)
}

/// Tries this run's part of all of it, of which there are at least so many.
fn everything(faults: fn(Point) -> &'static [Fault], disks: &'static [bool], at_least: usize) {
    let (part, parts) = part();
    let failures: Mutex<Vec<String>> = Mutex::default();
    let counts: Mutex<(usize, usize)> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (failures, counts) = (&failures, &counts);
            scope.spawn(move || {
                for scenario in &SCENARIOS {
                    block_on(async {
                        let (base, trials) = trials(scenario, faults, disks).await;
                        let mine = trials.into_iter().skip(part).step_by(parts);
                        for trial in mine.skip(thread).step_by(THREADS) {
                            let (wrong, struck, _) = attempt(&base, trial).await;
                            let mut counts = counts.lock().unwrap();
                            counts.0 += 1;
                            counts.1 += usize::from(struck);
                            if !wrong.is_empty() {
                                let replay = format!(
                                    "{}:{}:{:?}:{}",
                                    scenario.name, trial.number, trial.fault, trial.disk_lost
                                );
                                failures.lock().unwrap().push(format!(
                                    "{}\n    {}",
                                    replayed_by(&replay),
                                    wrong.join("\n    ")
                                ));
                            }
                        }
                    });
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let (tried, struck) = counts.into_inner().unwrap();
    println!(
        "{tried} positions, part {part} of {parts}; {struck} faults struck, {} failed",
        failures.len()
    );
    failures.iter().for_each(|failure| println!("{failure}"));
    assert!(failures.is_empty(), "{} of {tried} failed", failures.len());
    assert_eq!(struck, tried, "some faults did not strike");
    assert!(tried * parts >= at_least, "only {tried} positions");
}

fn replayed_by(what: &str) -> String {
    format!("UPA_SIMULATE='{what}' cargo test --profile checked --test simulation replay -- --nocapture")
}

#[test]
fn cut_off_at_every_position() {
    everything(deaths, &[false, true], 1_500);
}

#[test]
fn answered_wrongly_at_every_position() {
    everything(answers, &[false], 5_000);
}

/// How many worlds there are, unless `UPA_SIMULATE_SEEDS` says otherwise. `UPA_SIMULATE_FIRST` is the first of them, so that
/// a share of them can be another one each day.
const SEEDS: u64 = 10_000;

#[test]
fn by_chance() {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |number| number.parse().unwrap());
    let (first, seeds) = (number("UPA_SIMULATE_FIRST", 0), number("UPA_SIMULATE_SEEDS", SEEDS));
    chance::prepare();
    let failures: Mutex<Vec<String>> = Mutex::default();
    let totals: Mutex<[usize; 8]> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (failures, totals) = (&failures, &totals);
            scope.spawn(move || {
                for seed in (first + thread..first + seeds).step_by(THREADS) {
                    let life = block_on(chance::live(seed));
                    let mut totals = totals.lock().unwrap();
                    let came = [
                        life.runs,
                        life.deaths,
                        life.faults,
                        life.collisions,
                        life.moves,
                        life.asked,
                        life.named,
                        life.unproven,
                    ];
                    totals.iter_mut().zip(came).for_each(|(total, came)| *total += came);
                    if !life.wrong.is_empty() {
                        let replay = replayed_by(&format!("seed:{seed}"));
                        failures
                            .lock()
                            .unwrap()
                            .push(format!("{replay}\n    {}", life.wrong.join("\n    ")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let [runs, deaths, faults, collisions, moves, asked, named, unproven] = totals.into_inner().unwrap();
    println!(
        "{seeds} seeds of {SEEDS}, from {first}: {runs} runs, {deaths} deaths, {faults} faults, {collisions} collisions, {moves} moves, {asked} questions to people, {named} objects named and left, {unproven} unproven; {} failed",
        failures.len()
    );
    failures.iter().for_each(|failure| println!("{failure}"));
    assert!(failures.is_empty(), "{} of {seeds} failed", failures.len());
    assert!(
        faults as u64 > seeds && deaths as u64 * 5 > seeds,
        "little went wrong: nothing is proved"
    );
    // Of a few worlds none may be crowded.
    assert!(
        seeds < 200 || collisions as u64 * 20 > seeds && moves as u64 * 20 > seeds,
        "few collisions or moves: nothing is proved"
    );
}

/// Two tenants come to want one studio: the one that has it keeps it, nothing is written before a person has decided, and
/// then there is nothing left of the other's wish.
#[test]
fn a_place_that_two_want_is_nobodys_until_a_person_decides() {
    use product::STUDIOS;
    for ana_is_there in [true, false] {
        block_on(async {
            let world = World::new(1);
            let _here = world.enter();
            scenario::onboard(&world);
            scenario::settle_in(&world, "ana", if ana_is_there { STUDIOS[0] } else { "none" });
            scenario::settle(&world).await;
            let held = studios::held(&world).await;
            assert_eq!(held.len(), usize::from(ana_is_there));
            scenario::settle_in(&world, "ana", STUDIOS[0]);
            scenario::settle_in(&world, "bob", STUDIOS[0]);
            let locks = world.locks();
            let clone = Clone::of(&world, "work");
            // Again and again: it does not depend on whose turn it is.
            for number in 0..3 {
                let process = Process::new(&world, &format!("run{number}"), Fate::calm(), false);
                let ended = clone.apply(&process).await;
                let Ended::Exited(5, said) = &ended else {
                    panic!("{ended:?}\n{}", world.trace())
                };
                let refused = |tenant: &str| said.contains(&format!("{tenant}@v1/limits and "));
                assert_eq!((refused("ana"), refused("bob")), (!ana_is_there, true), "{said}");
                assert!(
                    !process.points.lock().unwrap().contains(&Point::Write),
                    "{}",
                    world.trace()
                );
                assert_eq!(studios::held(&world).await, held);
                assert_eq!(world.locks(), locks);
                clone.pull(&world);
            }
            assert_eq!(until_quiet(&world, &clone).await, Ok(()), "{}", world.trace());
            let wrong = check::check(&world, &clone).await;
            assert!(wrong.is_empty(), "{wrong:#?}\n{}", world.trace());
            assert_eq!(studios::held(&world).await[STUDIOS[0]], "ana");
        });
    }
}

#[test]
fn a_seed_gives_the_same_to_the_byte() {
    chance::prepare();
    for seed in 0..40 {
        let traces: [String; 2] = std::array::from_fn(|_| block_on(async { chance::live(seed).await.world.trace() }));
        assert!(traces[0].lines().count() > 20, "{}", traces[0]);
        let differs = traces[0]
            .lines()
            .zip(traces[1].lines())
            .find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

/// Prints what happens in one trial, or under one seed: `UPA_SIMULATE` names it.
#[test]
fn replay() {
    let Ok(what) = std::env::var("UPA_SIMULATE") else {
        return;
    };
    let parts: Vec<&str> = what.split(':').collect();
    if parts[0] == "seed" {
        chance::prepare();
        let life = block_on(chance::live(parts[1].parse().unwrap()));
        println!("{}\n\n{:#?}", life.world.trace(), life.wrong);
        return assert!(life.wrong.is_empty());
    }
    block_on(async {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == parts[0]).unwrap();
        let number: usize = parts[1].parse().unwrap();
        let all: [fn(Point) -> &'static [Fault]; 2] = [deaths, answers];
        for faults in all {
            let (base, trials) = trials(scenario, faults, &[false, true]).await;
            let named = |trial: &Trial| {
                trial.number == number
                    && format!("{:?}", trial.fault) == parts[2]
                    && trial.disk_lost.to_string() == parts[3]
            };
            if let Some(trial) = trials.into_iter().find(named) {
                let (wrong, _, world) = attempt(&base, trial).await;
                println!("{}\n\n{wrong:#?}", world.trace());
                assert!(wrong.is_empty());
            }
        }
    });
}
