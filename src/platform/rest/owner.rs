//! Whose account it is: what the platform's `whoami` says, or every object, against what upa.toml says or lockfiles record.
//! The key of another organisation sees other objects at the same place: what is recorded would look deleted.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::Rest;
use crate::platform::Account;
use crate::platform::definition::path;
use crate::platform::definition::placeholder::Scope;
use crate::platform::error::{CONNECT, ErrorKind, PlatformError};

/// What the platform told so far; a run asks once.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The answer to `whoami`; `None` where it has none for this key.
    by_call: OnceCell<Option<String>>,
    by_objects: Mutex<BTreeSet<String>>,
}

impl Rest {
    /// Asks whose account it is, before anything else is asked.
    ///
    /// # Errors
    /// [`ErrorKind::Misplaced`] when it is not the recorded owner's, [`ErrorKind::Unauthorised`] when it is not the one that
    /// upa.toml names; what the call itself met, where it must be known.
    pub(super) async fn check_owner(&self) -> Result<(), PlatformError> {
        let Some(whoami) = &self.definition.whoami else {
            return Ok(());
        };
        let must_be_known = self.account.identity.is_some() || !self.account.owners.is_empty();
        let found = match self.whoami().await {
            Ok(found) => found,
            Err(error) if !must_be_known && does_not_say(&error) => {
                tracing::debug!(call = error.call, "this key may not ask whose it is");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match refused(&self.account, found.as_deref()) {
            Some((kind, why)) => Err(PlatformError::new(kind, whoami.call.name(), why)),
            None => Ok(()),
        }
    }

    /// Notes whose an object is, where objects tell it.
    ///
    /// # Errors
    /// As [`Rest::check_owner`].
    pub(super) fn check_object(&self, live: &Value) -> Result<(), PlatformError> {
        let Some(at) = &self.definition.owner else {
            return Ok(());
        };
        // What the vendor provides belongs to no account.
        let Some(found) = path::at(live, at).and_then(text) else {
            return Ok(());
        };
        let refusal = refused(&self.account, Some(&found));
        let mut told = self.told.by_objects.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(found);
        match refusal {
            Some((kind, why)) => Err(PlatformError::new(kind, CONNECT, why)),
            None => Ok(()),
        }
    }

    /// Whose account it is, if that was told and without contradiction.
    pub(super) fn owner(&self) -> Option<String> {
        if let Some(said) = self.told.by_call.get().cloned().flatten() {
            return Some(said);
        }
        let told = self.told.by_objects.lock().unwrap_or_else(PoisonError::into_inner);
        told.first().filter(|_| told.len() == 1).cloned()
    }

    /// Whether a 404 proves absence: the platform knows the key, and such a key sees every object.
    pub(super) async fn sees_everything(&self) -> Result<bool, PlatformError> {
        match &self.definition.whoami {
            Some(whoami) if whoami.sees_everything => Ok(self.whoami().await?.is_some()),
            _ => Ok(false),
        }
    }

    async fn whoami(&self) -> Result<Option<String>, PlatformError> {
        let Some(whoami) = &self.definition.whoami else {
            return Ok(None);
        };
        let ask = || async {
            let answer = self.send(&whoami.call, &Scope::default()).await?;
            Ok(path::at(&answer, &whoami.at).and_then(text))
        };
        self.told.by_call.get_or_try_init(ask).await.cloned()
    }
}

/// Whether a key is merely not allowed, or not made, to ask whose it is.
fn does_not_say(error: &PlatformError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Forbidden | ErrorKind::Missing | ErrorKind::Refused
    )
}

fn text(found: &Value) -> Option<String> {
    match found {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Why an account may not be used: whose it was found to be is not whose it must be.
fn refused(account: &Account, found: Option<&str>) -> Option<(ErrorKind, String)> {
    let shown = found.map_or("no owner that it names".to_owned(), |found| format!("`{found}`"));
    if let Some(identity) = &account.identity {
        let why = format!("the key belongs to {shown}, and upa.toml says `identity = \"{identity}\"`");
        return (found != Some(identity)).then_some((ErrorKind::Unauthorised, why));
    }
    let recorded: Vec<&str> = account.owners.iter().map(String::as_str).collect();
    let why = match recorded[..] {
        [] => return None,
        [owner] if found == Some(owner) => return None,
        [owner] => format!("the key belongs to {shown}, and the objects are recorded with `{owner}`"),
        _ => format!(
            "the key belongs to {shown}, and objects are recorded with {}: `identity` in upa.toml must say which one is meant",
            crate::problem::listed(recorded.iter().copied())
        ),
    };
    Some((ErrorKind::Misplaced, why))
}
