//! Is the planner linear? Twice the fleet may cost at most 2.2 times as much. Both sizes are measured in turn within one
//! run, so the ratio holds on a noisy machine; absolute times do not, and are only printed.
//!
//! `cargo bench --bench planner`

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is an edge of its own"
)]

#[path = "../planner/world.rs"]
#[expect(dead_code, reason = "shared with the planner's tests")]
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use world::World;

const TENANTS: usize = 200;
const ROUNDS: usize = 15;
const MOST: f64 = 2.2;

fn main() -> ExitCode {
    let (small, large) = (World::settled(TENANTS), World::settled(2 * TENANTS));
    let (mut small_best, mut large_best) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        small_best = small_best.min(time(&small));
        large_best = large_best.min(time(&large));
    }
    let ratio = large_best.as_secs_f64() / small_best.as_secs_f64();
    println!(
        "plan of {TENANTS} tenants: {small_best:?}; of {}: {large_best:?}; ratio {ratio:.2} (at most {MOST})",
        2 * TENANTS
    );
    if ratio <= MOST {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn time(world: &World) -> Duration {
    let start = Instant::now();
    let plan = world.plan();
    let elapsed = start.elapsed();
    assert!(plan.is_empty() && plan.problems.is_empty());
    elapsed
}
