//! Fuzzing with libFuzzer, on stable Rust: `tests/fuzz/run` builds this with coverage and starts it once for each of the
//! [`targets`], which `UPA_FUZZ_TARGET` names. What it finds stays a case in `cases/`, which `cargo test` replays.

#![no_main]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod targets;

use std::sync::LazyLock;

use targets::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("UPA_FUZZ_TARGET").expect("UPA_FUZZ_TARGET names the target");
    targets::named(&name).unwrap_or_else(|| panic!("there is no target `{name}`"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (*TARGET)(bytes));
