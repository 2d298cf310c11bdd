//! Runs any platform definition over HTTP.
//!
//! | file | what it does |
//! |---|---|
//! | `session` | signs in: fixed headers, tokens, sessions |
//! | `send` | one call of a definition: filled, sent, its answer understood |
//! | `list` | pages |
//! | `observe` | the [`Observer`]: lists or reads, whichever is fewer calls, and proof of absence |
//! | `owner` | whose account it is, by `whoami` or by every object |
//! | `search` | objects nobody knows the id of |
//! | `execute` | the [`Executor`]: create, fill, delete; `wait`, `suspend` and `outputs` beside it |

mod execute;
mod likeness;
mod list;
mod observe;
mod operations;
mod outputs;
mod owner;
mod search;
mod send;
mod session;
mod suspend;
#[cfg(test)]
mod tests;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::Mutex;

use self::owner::Told;
use self::send::bare;
use self::session::Sessions;
use super::definition::call::Read;
use super::definition::placeholder::{Scope, Text};
use super::definition::{Definition, KindDefinition, ids, object, path};
use super::error::{CONNECT, ErrorKind, PlatformError};
use super::http::{Client, Manners};
use super::{Account, Object, limits};
use crate::resource::Kind;

/// One account of a platform that is described as data.
pub struct Rest {
    definition: Arc<Definition>,
    client: Client,
    account: Account,
    sessions: Sessions,
    told: Told,
    /// Writes that must follow each other, by the value that `http.serial` has for them.
    serial: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

impl Rest {
    pub fn new(definition: Arc<Definition>, account: &Account) -> Result<Self, PlatformError> {
        let sessions = Sessions::choose(&definition, account)?;
        let mut headers = HeaderMap::new();
        for (name, text) in sessions.headers().chain(&definition.headers) {
            let (name, value) = header(name, text, account)?;
            headers.insert(name, value);
        }
        let manners = Manners {
            retry: definition.retry.iter().copied().collect(),
            per_second: definition.per_second.filter(|_| !account.sandbox),
            ..Manners::default()
        };
        Ok(Self {
            client: Client::new(account, headers).with_manners(manners),
            account: account.clone(),
            sessions,
            told: Told::default(),
            definition,
            serial: Mutex::default(),
        })
    }

    fn kind(&self, kind: &Kind) -> Result<&KindDefinition, PlatformError> {
        self.definition
            .kind(kind)
            .ok_or_else(|| PlatformError::new(ErrorKind::Refused, kind.as_str(), "the platform has no such kind"))
    }

    /// The object as it is now, as the platform shows it; one that says it is gone is as missing as a 404.
    async fn read(&self, kind: &KindDefinition, id: &str) -> Result<Value, PlatformError> {
        let Some((inputs, own)) = ids::split(kind, id) else {
            let why = format!("`{id}` is not the id of a {}", self.kind_name(kind));
            return Err(PlatformError::new(ErrorKind::Refused, "read", why));
        };
        let scope = Scope {
            id: Some(&own),
            inputs,
            ..Scope::default()
        };
        let live = match &kind.read {
            Read::Call(call) => {
                let answer = self.send(call, &scope).await?;
                match path::at(&answer, &call.live).filter(|_| !answer.is_null()) {
                    Some(live) => Some(live.clone()).filter(|live| !live.is_null()),
                    None => return Err(not_understood("the answer is not the object the definition promises")),
                }
            }
            Read::Find => self.read_through_list(kind, &scope, &own).await?,
            Read::Nothing => Some(Value::Object(serde_json::Map::new())),
        };
        match live {
            Some(live) if !object::is_gone(kind, &live) => {
                self.check_object(&live)?;
                is_asked_for(kind, &own, &live)?;
                Ok(live)
            }
            Some(_) => Err(missing("the object is marked as deleted")),
            None => Err(missing("the object is not there")),
        }
    }

    async fn read_through_list(
        &self,
        kind: &KindDefinition,
        scope: &Scope<'_>,
        own: &str,
    ) -> Result<Option<Value>, PlatformError> {
        let Some(list) = kind.whole_list() else {
            return Err(PlatformError::new(
                ErrorKind::Refused,
                "read",
                "the definition has no list to read through",
            ));
        };
        let listing = self.list(kind, list, scope, None).await?;
        let mut items = listing.items.into_iter();
        Ok(items.find(|item| own_id(kind, item).as_deref() == Some(own)))
    }

    /// An object in upa's form. `known` finds the whole mark for a short one.
    fn object(
        &self,
        kind: &KindDefinition,
        id: &str,
        live: &Value,
        known: impl Fn(&object::Carried) -> Option<String>,
    ) -> Object {
        let (document, carried) = object::shown(kind, live);
        let out = kind
            .out
            .iter()
            .filter(|(_, out)| out.call.is_none() && out.of.is_none() && !out.secret);
        Object {
            id: id.to_owned(),
            title: object::title(kind, &document),
            activity: suspend::activity(kind, live),
            mark: known(&carried),
            attempt: carried.attempt().map(str::to_owned),
            out: out
                .filter_map(|(name, out)| Some((name.clone(), object::output(out, path::at(live, &out.at)?)?)))
                .collect(),
            document,
        }
    }

    fn kind_name(&self, kind: &KindDefinition) -> String {
        format!("{}.{}", self.definition.name, kind.name)
    }
}

/// The id of an object in an answer; `None` also for what cannot be one: then the answer was not understood.
fn own_id(kind: &KindDefinition, live: &Value) -> Option<String> {
    let is_id = |text: &str| match is_assigned(kind) {
        true if kind.slashes => text.split('/').all(limits::is_assigned_id) && limits::is_given_id(text),
        true => limits::is_assigned_id(text),
        false => limits::is_given_id(text),
    };
    match path::at(live, &kind.id)? {
        Value::String(text) => Some(text.clone()).filter(|text| is_id(text)),
        Value::Number(number) => Some(number.to_string()).filter(|_| !number.is_f64()),
        _ => None,
    }
}

/// Whether the platform gives an object its id. What people name may be shown otherwise than it is written.
fn is_assigned(kind: &KindDefinition) -> bool {
    kind.key.is_none() && !kind.has_natural_id()
}

/// An object under another spelling of its id is another address's, as far as records tell.
fn is_asked_for(kind: &KindDefinition, asked: &str, live: &Value) -> Result<(), PlatformError> {
    // What is waited for has no id of its own.
    if kind.gate
        || !is_assigned(kind)
        || !matches!(kind.read, Read::Call(_))
        || own_id(kind, live).as_deref() == Some(asked)
    {
        return Ok(());
    }
    let found = path::at(live, &kind.id).map_or_else(|| "no id".to_owned(), |id| format!("object `{}`", bare(id)));
    Err(not_understood(&format!(
        "the platform answers with {found}, and `{asked}` was asked for"
    )))
}

fn not_understood(why: &str) -> PlatformError {
    PlatformError::new(ErrorKind::Unexpected, "read", why)
}

fn missing(why: &str) -> PlatformError {
    PlatformError::new(ErrorKind::Missing, "read", why)
}

fn header(name: &str, text: &Text, account: &Account) -> Result<(HeaderName, HeaderValue), PlatformError> {
    let refuse = |why: String| PlatformError::new(ErrorKind::Unauthorised, CONNECT, why);
    let scope = Scope {
        credentials: Some(&account.credentials),
        ..Scope::default()
    };
    let value = text
        .text(&scope)
        .map_err(|unfilled| refuse(unfilled.to_string()))?
        .unwrap_or_default();
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse(format!("`{name}` is not a header")))?;
    let mut value =
        HeaderValue::from_str(&value).map_err(|_| refuse("the key contains characters that no key has".to_owned()))?;
    value.set_sensitive(true);
    Ok((name, value))
}
