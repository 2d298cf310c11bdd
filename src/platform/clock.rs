//! A platform's clock beside this one. A certificate, a watch and a deadline run out by the world's time, and a machine may
//! not know it: what every answer says in its `Date` shows that.

use jiff::{SignedDuration, Timestamp};

/// How far two clocks may be apart and still be called right: an answer takes its time, and caches keep it for a while.
pub const MOST: SignedDuration = SignedDuration::from_mins(5);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What the platform's said.
    pub platform: Timestamp,
    /// What this machine's said when that was heard.
    pub here: Timestamp,
}

impl Clock {
    /// Reads a `Date`. What is none says nothing.
    pub fn read(date: &str, here: Timestamp) -> Option<Self> {
        let date = httpdate::parse_http_date(date).ok()?;
        // A year that is beyond every calendar is a wrong one.
        let platform = Timestamp::try_from(date).unwrap_or(Timestamp::MAX);
        Some(Self { platform, here })
    }

    /// What the platform's says when this machine's says this.
    pub fn platform_at(&self, here: Timestamp) -> Option<Timestamp> {
        self.platform.checked_add(here.duration_since(self.here)).ok()
    }

    /// By how much this machine's is ahead; negative: behind.
    pub fn ahead(&self) -> SignedDuration {
        self.here.duration_since(self.platform)
    }

    /// Whether one of them is wrong.
    pub fn is_apart(&self) -> bool {
        self.ahead().abs() > MOST
    }

    /// The one of two that speaks for clocks that are right: a kept answer has an old `Date`.
    pub fn nearer(self, other: Self) -> Self {
        match self.ahead().abs() <= other.ahead().abs() {
            true => self,
            false => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(date: &str) -> Option<Clock> {
        Clock::read(date, "2026-11-29T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn clocks_are_apart_beyond_five_minutes() {
        for (date, apart) in [
            ("Sun, 29 Nov 2026 12:00:00 GMT", false),
            ("Sun, 29 Nov 2026 11:55:00 GMT", false),
            ("Sun, 29 Nov 2026 11:54:59 GMT", true),
            ("Sun, 29 Nov 2026 12:05:01 GMT", true),
            ("Tue, 20 Oct 2026 12:00:00 GMT", true),
            ("Fri, 31 Dec 9999 23:59:59 GMT", true),
            ("Thu, 01 Jan 1970 00:00:00 GMT", true),
        ] {
            assert_eq!(clock(date).map(|clock| clock.is_apart()), Some(apart), "{date}");
        }
        for none in [
            "",
            "soon",
            "2026-11-29T12:00:00Z",
            "Sun, 99 Nov 2026 12:00:00 GMT",
            "\u{0}",
        ] {
            assert_eq!(clock(none), None, "{none}");
        }
    }

    #[test]
    fn one_fresh_answer_shows_that_an_old_one_was_kept() {
        let old = clock("Sat, 28 Nov 2026 12:00:00 GMT").unwrap();
        let fresh = clock("Sun, 29 Nov 2026 12:00:01 GMT").unwrap();
        assert_eq!(old.nearer(fresh), fresh);
        assert_eq!(fresh.nearer(old), fresh);
    }
}
