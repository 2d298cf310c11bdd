//! Whether a call is sent again, and when.
//!
//! What is retried follows from what is known. A call that may be repeated is repeated whenever the failure may pass. A
//! write is repeated only when it cannot have had an effect: nothing listened, or the platform said that it did nothing
//! (429, and what its definition says means the same). Everything else is the caller's to settle, by looking at what is
//! there.
//!
//! | what came of a write | can it have had an effect? |
//! |---|---|
//! | no connection; it cannot be sent | no |
//! | 429 | no: whoever limits calls does so before it passes them on |
//! | a status the definition calls `retry`, in an answer of the platform's own | no |
//! | another 4xx of the platform's own | no: it understood and said no |
//! | 413, whoever says it | no: the call was not read |
//! | a page (of a proxy, of a platform that starts) with any other status | yes: it may stand before or behind the work |
//! | 1xx, 3xx | yes: a 303 is how some say that it is done |
//! | 2xx that is cut, no JSON, too large, or has no id | yes |
//! | 408, 5xx; the connection broke; no answer in time | yes |

use std::collections::BTreeSet;
use std::time::Duration;

/// How long one attempt may take, from sending to the last byte.
pub const ATTEMPT_DEADLINE: Duration = Duration::from_secs(60);
/// How long a call may take with everything that is tried again. Waiting for the account's turn is not counted: it is
/// work, not failure.
pub const CALL_DEADLINE: Duration = Duration::from_secs(300);
/// How long a platform that is starting up is waited for.
const BOOT_DEADLINE: Duration = Duration::from_secs(30);
/// How often a platform is asked that starts up.
const BOOT_PAUSE: Duration = Duration::from_secs(1);
/// How often a call is sent at most when the platform says that it was not its time.
const TRIES_WHEN_LATER: u32 = 8;
/// How often a call is sent at most when it failed.
const TRIES_WHEN_FAILED: u32 = 3;
/// The first pause when the platform names none; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// The longest pause when the platform names none.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is added at most to the pause a platform names, so that not all callers come back at once.
const SPREAD: Duration = Duration::from_millis(250);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Nothing listened: the platform has not seen the call.
    NotConnected,
    /// It answered with the page it has while it starts up.
    Starting,
    /// The connection broke after the call went out, or no answer came in time.
    Broke,
    /// It cannot be sent as it is: a URL that is none.
    Unsendable,
    /// It answered with this status.
    Answered(u16),
    /// Something answered with this status, and not in the platform's language: a page.
    Page(u16),
}

impl Happened {
    /// The status of the answer, if there was one.
    pub fn status(self) -> Option<u16> {
        match self {
            Happened::Answered(status) | Happened::Page(status) => Some(status),
            Happened::NotConnected | Happened::Starting | Happened::Broke | Happened::Unsendable => None,
        }
    }
}

/// What a failed attempt means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The answer is final.
    Stop,
    /// It may be sent again.
    Retry,
    /// It may or may not have happened: only looking tells.
    Unclear,
}

/// The class of a failed attempt. `later` are the statuses that mean "not now, nothing happened" besides 429.
pub fn class(repeatable: bool, happened: Happened, later: &BTreeSet<u16>) -> Class {
    match happened {
        Happened::NotConnected => Class::Retry,
        Happened::Answered(status) if means_later(status, later) => Class::Retry,
        // What a definition says about statuses is about the platform's own.
        Happened::Page(429) => Class::Retry,
        Happened::Unsendable | Happened::Page(413) => Class::Stop,
        // 520 to 524 are a proxy's: the platform behind it did not answer as it should.
        Happened::Starting
        | Happened::Broke
        | Happened::Answered(408 | 500 | 502..=504 | 520..=524)
        | Happened::Page(408 | 500 | 502..=504 | 520..=524)
            if repeatable =>
        {
            Class::Retry
        }
        Happened::Starting | Happened::Broke | Happened::Answered(..400 | 408 | 500..) | Happened::Page(_)
            if !repeatable =>
        {
            Class::Unclear
        }
        Happened::Starting | Happened::Broke | Happened::Answered(_) | Happened::Page(_) => Class::Stop,
    }
}

/// Whether a status says that nothing happened and that it is worth coming back.
pub fn means_later(status: u16, later: &BTreeSet<u16>) -> bool {
    status == 429 || later.contains(&status)
}

/// Why time passes between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The account's own limit.
    Limit,
    /// The platform named the time (`Retry-After`).
    Asked,
    /// It failed, and nobody named a time.
    BackOff,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Wait(Duration, Cause),
    /// It was tried often or long enough, or must not be tried again.
    Stop,
    /// The platform asks for more time than the call has left.
    TooLong(Duration),
}

/// What a call has been through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// Attempts so far.
    pub tries: u32,
    /// Time spent in attempts and in waiting for the next.
    pub spent: Duration,
}

impl Patience {
    /// What follows from an attempt that failed. `after` is the time the platform named; `chance`, from 0 to 1, spreads
    /// callers that failed together.
    pub fn next(&self, class: Class, happened: Happened, after: Option<Duration>, chance: f64) -> Next {
        if class != Class::Retry {
            return Next::Stop;
        }
        let rest = CALL_DEADLINE.saturating_sub(self.spent);
        if let Some(after) = after.filter(|after| *after > rest) {
            return Next::TooLong(after);
        }
        let patient = match happened {
            // Starting up is the one state that passes by itself within a known time.
            Happened::Starting => self.spent < BOOT_DEADLINE,
            happened if happened.status().is_some_and(|status| !is_failure(status)) => self.tries < TRIES_WHEN_LATER,
            Happened::NotConnected
            | Happened::Broke
            | Happened::Unsendable
            | Happened::Answered(_)
            | Happened::Page(_) => self.tries < TRIES_WHEN_FAILED,
        };
        let (pause, cause) = match (after, happened) {
            (Some(after), _) => (after + SPREAD.mul_f64(chance), Cause::Asked),
            (None, Happened::Starting) => (BOOT_PAUSE, Cause::BackOff),
            (None, _) => {
                let whole = FIRST_PAUSE.saturating_mul(1 << self.tries.saturating_sub(1).min(16));
                (whole.min(LONGEST_PAUSE).mul_f64((1.0 + chance) / 2.0), Cause::BackOff)
            }
        };
        if !patient || pause > rest + SPREAD {
            return Next::Stop;
        }
        Next::Wait(pause, cause)
    }
}

/// Whether a status says that the platform broke, rather than that it was not the time.
fn is_failure(status: u16) -> bool {
    status == 408 || status >= 500
}

/// The time `Retry-After` names, in its two forms: seconds, or a date, which is taken against the platform's own clock
/// (its `Date` header). Without that, a date says nothing that could be trusted.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Some platforms send fractions; nothing good is negative or infinite.
        return Duration::try_from_secs_f64(seconds.ceil()).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// A time in words, rounded up: `40 s`, `5 min`, `2 h`.
pub fn spoken(time: Duration) -> String {
    match time.as_secs_f64().ceil() as u64 {
        seconds @ 0..=120 => format!("{seconds} s"),
        seconds @ 121..=7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_write_is_repeated_blindly() {
        use Class::{Retry, Stop, Unclear};
        use Happened::{Answered, Broke, NotConnected, Page, Starting};
        let later = BTreeSet::from([423]);
        // what happened, a call that may be repeated, one that may not
        let table = [
            (NotConnected, Retry, Retry),
            (Starting, Retry, Unclear),
            (Broke, Retry, Unclear),
            (Happened::Unsendable, Stop, Stop),
            (Answered(400), Stop, Stop),
            (Answered(401), Stop, Stop),
            (Answered(403), Stop, Stop),
            (Answered(404), Stop, Stop),
            (Answered(408), Retry, Unclear),
            (Answered(409), Stop, Stop),
            (Answered(423), Retry, Retry),
            (Answered(429), Retry, Retry),
            (Answered(500), Retry, Unclear),
            (Answered(501), Stop, Unclear),
            (Answered(502), Retry, Unclear),
            (Answered(503), Retry, Unclear),
            (Answered(504), Retry, Unclear),
            (Answered(524), Retry, Unclear),
            // Success whose body was not what was promised, and what is neither yes nor no.
            (Answered(200), Stop, Unclear),
            (Answered(101), Stop, Unclear),
            (Answered(303), Stop, Unclear),
            (Page(200), Stop, Unclear),
            (Page(302), Stop, Unclear),
            (Page(403), Stop, Unclear),
            (Page(404), Stop, Unclear),
            (Page(413), Stop, Stop),
            (Page(423), Stop, Unclear),
            (Page(429), Retry, Retry),
            (Page(502), Retry, Unclear),
        ];
        for (happened, repeatable, once) in table {
            assert_eq!(class(true, happened, &later), repeatable, "{happened:?}, repeatable");
            assert_eq!(class(false, happened, &later), once, "{happened:?}, once");
        }
        assert_eq!(class(false, Answered(423), &BTreeSet::new()), Stop);
    }

    fn after(tries: u32, spent: u64) -> Patience {
        Patience {
            tries,
            spent: Duration::from_secs(spent),
        }
    }

    #[test]
    fn what_the_platform_asks_for_is_obeyed() {
        let second = Duration::from_secs;
        let next = |patience: Patience, asked| patience.next(Class::Retry, Happened::Answered(429), asked, 1.0);
        assert_eq!(
            next(after(1, 0), Some(second(120))),
            Next::Wait(second(120) + SPREAD, Cause::Asked),
            "longer than any pause of our own"
        );
        assert_eq!(next(after(1, 0), Some(second(3600))), Next::TooLong(second(3600)));
        assert_eq!(next(after(2, 200), Some(second(120))), Next::TooLong(second(120)));
        assert_eq!(next(after(8, 0), Some(second(1))), Next::Stop);
        // Never earlier, whatever chance says.
        assert_eq!(
            after(1, 0).next(Class::Retry, Happened::Answered(429), Some(second(2)), 0.0),
            Next::Wait(second(2), Cause::Asked)
        );
    }

    #[test]
    fn pauses_grow_spread_and_end() {
        let pause = |tries, chance| match after(tries, 0).next(Class::Retry, Happened::Answered(429), None, chance) {
            Next::Wait(pause, Cause::BackOff) => pause.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!((pause(1, 0.0), pause(1, 1.0)), (200, 400));
        assert_eq!((pause(2, 0.0), pause(2, 1.0)), (400, 800));
        assert_eq!(pause(7, 1.0), 25_600);
        let failed = |tries| after(tries, 0).next(Class::Retry, Happened::Broke, None, 0.5);
        assert!(matches!(failed(2), Next::Wait(..)));
        assert_eq!(failed(3), Next::Stop);
        assert_eq!(after(1, 300).next(Class::Retry, Happened::Broke, None, 1.0), Next::Stop);
        let starting = |spent| after(20, spent).next(Class::Retry, Happened::Starting, None, 0.5);
        assert_eq!(starting(29), Next::Wait(BOOT_PAUSE, Cause::BackOff));
        assert_eq!(starting(30), Next::Stop);
    }

    #[test]
    fn what_must_not_be_repeated_is_not_whatever_the_platform_asks() {
        for class in [Class::Stop, Class::Unclear] {
            let next = after(1, 0).next(class, Happened::Answered(503), Some(Duration::from_secs(1)), 0.5);
            assert_eq!(next, Next::Stop);
        }
    }

    #[test]
    fn retry_after_has_two_forms() {
        let now = Some("Sat, 21 Nov 2026 09:00:00 GMT");
        let table = [
            ("120", now, Some(120)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            ("1.2", None, Some(2)),
            ("Sat, 21 Nov 2026 09:02:00 GMT", now, Some(120)),
            ("Saturday, 21-Nov-26 09:02:00 GMT", now, Some(120)),
            ("Sat, 21 Nov 2026 08:00:00 GMT", now, Some(0)),
            ("Sat, 21 Nov 2026 09:02:00 GMT", None, None),
            ("-1", now, None),
            ("inf", now, None),
            ("NaN", now, None),
            ("soon", now, None),
            ("", now, None),
        ];
        for (value, date, seconds) in table {
            assert_eq!(
                retry_after(value, date),
                seconds.map(Duration::from_secs),
                "{value:?} at {date:?}"
            );
        }
    }
}
