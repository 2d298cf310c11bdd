//! Time as the sandbox stores it: whole milliseconds, printed the way n8n prints them.

use std::fmt;
use std::time::Duration;

use crate::outside;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

/// A point in time, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    pub fn now() -> Moment {
        Moment(outside::now().as_millisecond())
    }

    pub fn plus(self, wait: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(out, "{at:.3}"),
            Err(_) => out.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_three_digits_of_a_second() {
        assert_eq!(Moment(1_795_226_041_200).to_string(), "2026-11-21T01:54:01.200Z");
    }
}
