//! The clock of a platform, as the `Date` of its answers shows it.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap};

use crate::outside;
use crate::platform::Clock;

/// The latest time that answers told.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Option<Clock>>);

impl Told {
    /// Hears what an answer says.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        let Some(there) = date(headers) else { return };
        let here = outside::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.there <= there) {
            *told = Some(Clock { there, here });
        }
    }

    pub(super) fn latest(&self) -> Option<Clock> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Timestamp::try_from(httpdate::parse_http_date(text.trim()).ok()?).ok()
}
