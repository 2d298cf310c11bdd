//! What a run asked of each account, and what that cost: one line per account.

use std::io::{self, Write};
use std::time::Duration;

use super::{DIM, counted, styled};
use crate::platform::http::ledger::Tally;

/// A wait that is shorter is not worth a word.
const WORTH_SAYING: Duration = Duration::from_millis(50);
/// A wait that is longer is worth a line where nobody asked for one.
const HELD_UP: Duration = Duration::from_secs(1);

/// Writes a line for every account that was called.
pub fn write<'a>(out: &mut impl Write, tallies: impl IntoIterator<Item = (&'a str, Tally)>) -> io::Result<()> {
    for (account, tally) in tallies {
        if tally.calls > 0 {
            writeln!(out, "{}", styled(DIM, line(account, &tally)))?;
        }
    }
    Ok(())
}

/// Whether the run was slow because of an account: its limit, or the pauses the platform asked for. (Calls that failed
/// are an error, which says so itself.)
pub fn held_up(tally: &Tally) -> bool {
    tally.limit > HELD_UP || tally.asked > HELD_UP
}

/// `vapi: 12 calls, 1 retry, waited 1.2 s (0.2 s limit, 1.0 s Retry-After), sent 3 kB, received 84 kB`
fn line(account: &str, tally: &Tally) -> String {
    let mut parts = vec![counted(tally.calls as usize, "call")];
    match tally.retries {
        0 => {}
        1 => parts.push("1 retry".to_owned()),
        more => parts.push(format!("{more} retries")),
    }
    let waits: Vec<String> = [
        (tally.limit, "limit"),
        (tally.asked, "Retry-After"),
        (tally.back_off, "back-off"),
    ]
    .into_iter()
    .filter(|(wait, _)| *wait >= WORTH_SAYING)
    .map(|(wait, why)| format!("{} {why}", time(wait)))
    .collect();
    if !waits.is_empty() {
        parts.push(format!("waited {}", waits.join(" + ")));
    }
    parts.push(format!("sent {}", bytes(tally.sent)));
    parts.push(format!("received {}", bytes(tally.received)));
    format!("{account}: {}", parts.join(", "))
}

fn time(wait: Duration) -> String {
    let seconds = wait.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", (count + 500) / 1_000),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(tallies: &[(&str, Tally)]) -> String {
        let mut out = Vec::new();
        write(&mut out, tallies.iter().copied()).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn every_account_that_was_called_has_a_line() {
        let busy = Tally {
            calls: 1200,
            retries: 2,
            limit: Duration::from_millis(1234),
            asked: Duration::from_secs(150),
            back_off: Duration::from_millis(20),
            sent: 999,
            received: 84_499,
        };
        let quiet = Tally {
            calls: 1,
            retries: 1,
            received: 2_340_000,
            ..Tally::default()
        };
        let lines = plain(&[("n8n", busy), ("none", Tally::default()), ("vapi", quiet)]);
        assert_eq!(
            lines,
            "n8n: 1200 calls, 2 retries, waited 1.2 s limit + 2.5 min Retry-After, sent 999 B, received 84 kB\n\
             vapi: 1 call, 1 retry, sent 0 B, received 2.3 MB\n"
        );
    }

    #[test]
    fn limits_and_pauses_hold_up() {
        let tally = Tally {
            calls: 9,
            retries: 2,
            limit: HELD_UP,
            asked: HELD_UP,
            back_off: HELD_UP * 2,
            ..Tally::default()
        };
        assert!(!held_up(&tally));
        let longer = HELD_UP * 2;
        assert!(held_up(&Tally { limit: longer, ..tally }));
        assert!(held_up(&Tally { asked: longer, ..tally }));
    }
}
