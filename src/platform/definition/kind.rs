//! A kind of object as the engine drives it.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::call::{Call, List, Read};
use super::file::{GoneFile, KeyedFile, Lost, OutOf, Same};
use super::placeholder::{self, Root, Text};
use super::proof::Proof;
use super::suspend::Suspend;

/// A kind of object.
#[derive(Debug, Clone)]
pub struct KindDefinition {
    pub name: String,
    pub about: String,
    pub inputs: Vec<String>,
    /// Missing only for gates.
    pub create: Option<Call>,
    pub read: Read,
    /// Missing: every change means a new object.
    pub update: Option<Call>,
    /// Missing: the object is left behind.
    pub delete: Option<Call>,
    pub find: Option<List>,
    pub clash: Option<List>,
    pub list: Option<List>,
    /// Dotted path of the id in an object.
    pub id: String,
    /// Whether ids hold slashes.
    pub slashes: bool,
    /// Where the id is in the answer of `create`, if not in the object.
    pub id_search: Option<IdSearch>,
    pub key: Option<Text>,
    pub title: String,
    pub gone: Option<GoneFile>,
    pub marker: Option<Marker>,
    pub wait: Option<Wait>,
    pub out: BTreeMap<String, Out>,
    pub fixed: Vec<String>,
    /// Paths whose value is not returned.
    pub unread: Vec<String>,
    pub secret: Vec<String>,
    pub sets: Vec<String>,
    pub lists: BTreeMap<String, KeyedFile>,
    pub alias: BTreeMap<String, String>,
    pub same: BTreeMap<String, Same>,
    pub one: bool,
    pub gate: bool,
    pub costs: bool,
    pub keep: Option<String>,
    pub lost: Lost,
    pub proof: Proof,
    pub lag: Duration,
    pub renew: Option<Renew>,
    pub suspend: Suspend,
    pub evaluates: Vec<String>,
}

/// An id that is searched in the answer of `create`.
#[derive(Debug, Clone)]
pub struct IdSearch {
    pub items: String,
    pub conditions: Vec<(String, Text)>,
}

/// Where the mark stands.
#[derive(Debug, Clone)]
pub enum Marker {
    /// A field of its own.
    Field { field: String, attempt: Option<String> },
    /// The last line of a text that people write too; the attempt stands behind it.
    Line { field: String },
    /// A short form at the end of a name.
    Tag { field: String, longest: Option<usize> },
    /// Sent by hand in the body of `create`; cannot be changed later.
    Placed { value: Value, at: String },
    /// Brought by a second call.
    Call { call: Box<Call>, at: String },
}

/// Polling.
#[derive(Debug, Clone)]
pub struct Wait {
    pub at: String,
    pub ok: Vec<Value>,
    pub fail: Vec<Value>,
    pub pending: Vec<Value>,
    pub every: Duration,
    pub max: Duration,
    pub call: Option<Call>,
    pub each: Option<String>,
}

/// How a polled state is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Done,
    Pending,
    Failed,
}

impl Wait {
    pub fn state(&self, value: &Value) -> State {
        if self.fail.contains(value) {
            State::Failed
        } else if self.ok.contains(value) || (self.ok.is_empty() && !self.pending.contains(value)) {
            State::Done
        } else {
            State::Pending
        }
    }
}

/// A value for other resources.
#[derive(Debug, Clone)]
pub struct Out {
    pub at: String,
    pub call: Option<Call>,
    pub of: Option<OutOf>,
    pub pattern: Option<Regex>,
    pub secret: bool,
    pub once: bool,
}

/// When an object is replaced because it expires.
#[derive(Debug, Clone)]
pub struct Renew {
    pub out: String,
    pub before: Duration,
}

impl KindDefinition {
    /// The list that shows every object of the same inputs, if there is one.
    pub fn whole_list(&self) -> Option<&List> {
        self.list.as_ref().or(self.find.as_ref()).filter(|list| list.is_whole())
    }

    /// The paths that are never compared with what is returned.
    pub fn hidden(&self) -> Vec<String> {
        self.unread.iter().chain(&self.secret).cloned().collect()
    }

    /// The hidden paths that no update sends.
    pub fn create_only(&self) -> Vec<String> {
        let is_sent = |path: &String| {
            let top = path.split('.').next().unwrap_or_default();
            self.update
                .as_ref()
                .is_some_and(|update| !update.drop.iter().any(|dropped| dropped == top))
        };
        self.hidden().into_iter().filter(|path| !is_sent(path)).collect()
    }

    /// Whether an object can be recognised as ours by what it carries.
    pub fn is_marked(&self) -> bool {
        self.marker.is_some()
    }

    /// Whether only a short form of the mark is carried.
    pub fn is_tagged(&self) -> bool {
        matches!(self.marker, Some(Marker::Tag { .. }))
    }

    /// Whether the mark is in the object from its first moment.
    pub fn is_born_marked(&self) -> bool {
        self.marker
            .as_ref()
            .is_some_and(|marker| !matches!(marker, Marker::Call { .. }))
    }

    /// Whether an update brings the mark to an object that lacks it: one that is adopted.
    pub fn is_marked_by_update(&self) -> bool {
        let Some(body) = self.update.as_ref().and_then(|update| update.body.as_ref()) else {
            return false;
        };
        let field = match &self.marker {
            Some(Marker::Field { field, .. } | Marker::Line { field } | Marker::Tag { field, .. }) => field,
            Some(Marker::Placed { .. } | Marker::Call { .. }) | None => return false,
        };
        let covers = |path: &str| {
            path.is_empty() || path == field || field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
        };
        let holes = placeholder::holes(body).unwrap_or_default();
        holes.iter().any(|hole| match hole.root {
            Root::Spec => covers(&hole.path),
            Root::Owner => true,
            _ => false,
        })
    }

    /// Whether an object of ours may be without the mark: it comes by a call of its own, or cannot come later at all.
    pub fn may_lack_mark(&self) -> bool {
        self.is_marked() && !self.is_marked_by_update()
    }
}
