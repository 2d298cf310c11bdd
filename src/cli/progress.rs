//! What happens, while it happens: one line per step on stderr.

use std::io::Write as _;

use crate::apply::Progress;
use crate::platform::Step;
use crate::render::{DIM, GREEN, RED, styled};
use crate::resource::Address;

/// Lines on stderr.
pub struct Lines;

impl Progress for Lines {
    fn started(&self, _address: &Address, _step: Step) {}

    fn done(&self, address: &Address, step: Step, note: Option<&str>) {
        let note = note
            .map(|note| format!("  {}", styled(DIM, format!("({note})"))))
            .unwrap_or_default();
        line(format!("  {} {address}{note}", styled(GREEN, done(step))));
    }

    fn failed(&self, address: &Address, step: Step, why: &str) {
        line(format!(
            "  {} {address}: {}: {why}",
            styled(RED, "failed     "),
            step.as_str()
        ));
    }
}

fn line(text: String) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end());
}

fn done(step: Step) -> &'static str {
    match step {
        Step::Create => "created    ",
        Step::Fill => "filled     ",
        Step::Wait => "ready      ",
        Step::Publish => "published  ",
        Step::Retire => "retired    ",
        Step::Unpublish => "unpublished",
        Step::Delete => "deleted    ",
    }
}
