//! What happens, while it happens: one line per step on stderr, and below it, on a terminal, one line that lives.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Global;
use super::accounts::Accounts;
use super::output;
use super::plan::Format;
use super::report::{self, Failure};
use crate::apply::Progress;
use crate::platform::Step;
use crate::platform::http::ledger::{Ledger, Tally};
use crate::render::{self, CYAN, DIM, GREEN, RED, counted, styled};
use crate::resource::Address;

/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(120);
/// How many accounts the line names.
const NAMED: usize = 6;

/// A line on the terminal that says what upa is at. It is gone when it is dropped; where there is no terminal, it never
/// is.
pub struct Live {
    bar: ProgressBar,
    doing: Arc<Mutex<Doing>>,
}

#[derive(Default)]
struct Doing {
    what: String,
    ledgers: BTreeMap<String, Arc<Ledger>>,
}

impl Live {
    pub fn start(what: &str) -> Self {
        let doing = Arc::new(Mutex::new(Doing {
            what: what.to_owned(),
            ..Doing::default()
        }));
        if !is_watched() {
            return Self {
                bar: ProgressBar::hidden(),
                doing,
            };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let shown = doing.clone();
        let style = ProgressStyle::with_template("{spinner} {doing} {elapsed:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()).with_key(
            "doing",
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let doing = shown.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = out.write_str(&doing.line());
            },
        ));
        // Drawn by a thread of its own: planning a large fleet keeps this one busy.
        bar.enable_steady_tick(TICK);
        Self { bar, doing }
    }

    /// What is done now.
    pub fn says(&self, what: impl Into<String>) {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).what = what.into();
    }

    /// From now on with the calls of these accounts.
    pub fn counts(&self, accounts: &Accounts) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        doing.ledgers.clone_from(accounts.ledgers());
    }

    /// Where lines for good are written, above it.
    pub fn above(&self) -> Above {
        Above(self.bar.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Lines for good on stderr, above the line that lives where there is one.
#[derive(Clone)]
pub struct Above(ProgressBar);

impl Above {
    pub fn line(&self, text: &str) {
        self.0.suspend(|| {
            // Nobody to tell is no reason to stop.
            let _ = writeln!(output::stderr(), "{}", text.trim_end());
        });
    }
}

impl Doing {
    /// `observing: n8n 40 calls, vapi 12 calls`
    fn line(&self) -> String {
        let called = self
            .ledgers
            .iter()
            .map(|(account, ledger)| (account, ledger.tally().calls));
        let mut called: Vec<String> = called
            .filter(|(_, calls)| *calls > 0)
            .map(|(account, calls)| format!("{account} {}", counted(calls as usize, "call")))
            .collect();
        let more = called.len().saturating_sub(NAMED);
        called.truncate(NAMED);
        if more > 0 {
            called.push(format!("{more} more"));
        }
        if called.is_empty() {
            return self.what.clone();
        }
        format!("{}: {}", self.what, called.join(", "))
    }
}

/// Whether somebody looks on whose terminal can take a line back.
fn is_watched() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// The steps of an apply.
pub struct Lines<'a> {
    live: &'a Live,
    started: AtomicUsize,
    ended: AtomicUsize,
}

impl<'a> Lines<'a> {
    pub fn new(live: &'a Live) -> Self {
        let lines = Self {
            live,
            started: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        };
        lines.count(&lines.started, 0);
        lines
    }

    fn count(&self, counter: &AtomicUsize, by: usize) {
        counter.fetch_add(by, Ordering::Relaxed);
        let ended = self.ended.load(Ordering::Relaxed);
        let open = self.started.load(Ordering::Relaxed).saturating_sub(ended);
        self.live
            .says(format!("applying ({} done, {open} under way)", counted(ended, "step")));
    }
}

impl Progress for Lines<'_> {
    fn started(&self, _address: &Address, _step: Step) {
        self.count(&self.started, 1);
    }

    fn done(&self, address: &Address, step: Step, note: Option<&str>) {
        self.count(&self.ended, 1);
        let note = note
            .map(|note| format!("  {}", styled(DIM, format!("({note})"))))
            .unwrap_or_default();
        self.live
            .above()
            .line(&format!("  {} {address}{note}", styled(GREEN, done(step))));
    }

    fn failed(&self, address: &Address, step: Step, why: &str) {
        self.count(&self.ended, 1);
        self.live.above().line(&format!(
            "  {} {address}: {}: {why}",
            styled(RED, "failed     "),
            step.as_str()
        ));
    }

    fn waits(&self, address: &Address, _step: Step, why: &str) {
        self.count(&self.ended, 1);
        let waits = styled(CYAN, "waits      ");
        self.live.above().line(&format!("  {waits} {address}: {why}"));
    }
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

/// What the run asked of each account, to stderr: for whoever looks on or wants to know, and for every log of a run that
/// was held up.
pub fn print_ledger(global: &Global, format: Format, tallies: &BTreeMap<String, Tally>) -> Result<(), Failure> {
    let worth_it = match format {
        Format::Text => is_watched() || tallies.values().any(render::ledger::held_up),
        Format::Json => false,
    };
    if !global.verbose && !worth_it {
        return Ok(());
    }
    let tallies = tallies.iter().map(|(account, tally)| (account.as_str(), *tally));
    report::heard(render::ledger::write(&mut output::stderr(), tallies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_who_was_called() {
        let ledger = |calls| {
            let ledger = Ledger::default();
            (0..calls).for_each(|_| ledger.called(0));
            Arc::new(ledger)
        };
        let line = |ledgers: Vec<(String, Arc<Ledger>)>| {
            Doing {
                what: "observing".to_owned(),
                ledgers: ledgers.into_iter().collect(),
            }
            .line()
        };
        assert_eq!(line(Vec::new()), "observing");
        let two = [("n8n", 40), ("vapi", 1), ("quiet", 0)];
        assert_eq!(
            line(two.map(|(name, calls)| (name.to_owned(), ledger(calls))).into()),
            "observing: n8n 40 calls, vapi 1 call"
        );
        let nine = (1..=9).map(|number| (format!("a{number}"), ledger(1))).collect();
        assert!(line(nine).ends_with("a6 1 call, 3 more"));
    }
}
