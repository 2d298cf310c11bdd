//! Every input that fuzzing found something with, and some that show what a target understands: none may do it again.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests are an edge of their own, and panic on purpose"
)]

mod targets;

use std::path::Path;

use targets::{TARGETS, small};
use upa::problem::Problem;

#[test]
fn every_kept_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/cases");
    for (name, target) in TARGETS {
        let mut cases: Vec<_> = std::fs::read_dir(folder.join(name))
            .unwrap()
            .map(|case| case.unwrap().path())
            .collect();
        cases.sort();
        assert!(!cases.is_empty(), "{name} has no case");
        for case in cases {
            let bytes = std::fs::read(&case).unwrap();
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                // Which input it was is all that the panic's own message does not say.
                drop(panic);
                panic!("{}", case.display());
            }
        }
    }
}

fn said(problems: &[Problem]) -> String {
    upa::cli::report::problems(problems)
}

#[test]
fn what_the_targets_start_from_is_right() {
    let loaded = upa::workspace::load(&small::files(small::TENANT, &small::VERSION));
    assert_eq!(said(&loaded.problems), "");
    let (desired, problems) = upa::desired::desired(&loaded.workspace.unwrap(), |_| true);
    assert_eq!(said(&problems), "");
    assert_eq!(desired.tenants["ana"].resources.len(), 5);
}
