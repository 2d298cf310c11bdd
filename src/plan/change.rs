//! Changes and plans as values: complete to the last choice, so that apply decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::drift::Kept;
use super::losses::Loss;
use super::still::Still;
use crate::desired::Entry;
use crate::digest::Digest;
use crate::gates::Awaited;
use crate::lockfile::{Event, Look};
use crate::platform::{Clock, FieldChange, Natural, Step};
use crate::problem::{Place, Problem};
use crate::resource::{Address, Kind};
use crate::symbol;

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A new object.
    Create,
    /// An existing object becomes ours.
    Adopt,
    /// An existing object is used as it is: nothing proves that it is ours.
    Use,
    /// An object of ours is changed.
    Update,
    /// A new object takes the place of ours.
    Replace,
    /// An object of ours gets another address; only the record changes.
    Move,
    /// The platform is not done with it yet.
    Wait,
    /// An object of ours is taken down and deleted.
    Delete,
    /// It is gone already; only the record goes.
    Forget,
}

impl Action {
    pub const ALL: [Action; 9] = [
        Action::Delete,
        Action::Replace,
        Action::Create,
        Action::Adopt,
        Action::Use,
        Action::Update,
        Action::Move,
        Action::Wait,
        Action::Forget,
    ];

    /// The sign that stands for it everywhere.
    pub fn sign(self) -> &'static str {
        match self {
            Action::Create => "+",
            Action::Adopt => ">",
            Action::Use => "=",
            Action::Update => "~",
            Action::Replace => "±",
            Action::Move => "→",
            Action::Wait => "…",
            Action::Delete => "-",
            Action::Forget => "x",
        }
    }

    pub fn verb(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Adopt => "adopt",
            Action::Use => "use",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Move => "move",
            Action::Wait => "wait",
            Action::Delete => "delete",
            Action::Forget => "forget",
        }
    }
}

/// Why, as a code; [`Reason::words`] is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    New,
    /// It was there and somebody deleted it on the platform.
    DeletedOnPlatform,
    /// Its creation or publication was cut off.
    Unfinished,
    AdoptionAsked,
    Changed,
    /// What it refers to gets a new id.
    ReferenceChanged,
    /// Nothing to write, but it does not run as it should.
    NotRunning,
    /// Nothing is made: something is waited for that has not come about yet.
    Awaited,
    /// It is published, and its webhooks do not answer.
    Silent,
    /// It does not carry the mark that says whose it is.
    Unmarked,
    /// It stood still because Git said so, and now Git says that it should not.
    Resumed,
    Suspended,
    /// It was stopped because Git said so, and somebody started it.
    Restarted,
    Deprovisioned,
    /// The version does not have this resource any more.
    NoLongerInVersion,
    /// A field changed that only a new object can have otherwise.
    CannotChange,
    /// It has another name in Git.
    Renamed,
    /// Its parent is another one now.
    Moved,
    /// It expires soon.
    Expires,
    /// The object it replaced is still there.
    Superseded,
    /// Nothing in Git is different, but a secret is another one.
    Rotated,
    /// The version has it, and what the tenant's inputs say asks for it no longer.
    NotWanted,
    /// Tenants shared it, and the last of them is gone.
    Unused,
    /// Nothing proves that upa made it.
    Unproven,
}

impl Reason {
    pub fn words(self) -> &'static str {
        match self {
            Reason::New => "new in Git",
            Reason::DeletedOnPlatform => "it was deleted on the platform",
            Reason::Unfinished => "an earlier run did not finish it",
            Reason::AdoptionAsked => "the tenant adopts it",
            Reason::Changed => "it differs",
            Reason::ReferenceChanged => "what it refers to gets a new id",
            Reason::NotRunning => "it does not run as it is",
            Reason::Awaited => "it is waited for",
            Reason::Silent => "it is published, and does not answer",
            Reason::Unmarked => "it lacks the mark that says whose it is",
            Reason::Resumed => "Git wants it to run again",
            Reason::Suspended => "the tenant is suspended",
            Reason::Restarted => "it runs, and Git wants it stopped",
            Reason::Deprovisioned => "the tenant is deprovisioned",
            Reason::NoLongerInVersion => "the version has no such resource any more",
            Reason::CannotChange => "only a new object can have this otherwise",
            Reason::Renamed => "it has another name in Git",
            Reason::Moved => "it belongs to another parent now",
            Reason::Expires => "it expires soon",
            Reason::Superseded => "the object it replaced is still there",
            Reason::Rotated => "a secret was rotated",
            Reason::NotWanted => "the tenant's inputs do not ask for it any more",
            Reason::Unused => "no tenant uses it any more",
            Reason::Unproven => "nothing proves that upa made it, so it is neither changed nor deleted",
        }
    }
}

/// Who moved, when desired and observed differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mover {
    Git,
    /// Drift: somebody changed it on the platform.
    Platform,
    Both,
}

impl Mover {
    pub fn words(self) -> &'static str {
        match self {
            Mover::Git => "Git changed",
            Mover::Platform => "drift: changed on the platform",
            Mover::Both => "changed in Git and on the platform",
        }
    }

    /// Of one field, where others were moved by somebody else.
    pub fn of_field(self) -> &'static str {
        match self {
            Mover::Git => "(Git)",
            Mover::Platform => "(the platform)",
            Mover::Both => "(both)",
        }
    }
}

/// One planned action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub address: Address,
    pub kind: Kind,
    pub account: String,
    pub action: Action,
    pub reason: Reason,
    pub mover: Option<Mover>,
    pub steps: Vec<Step>,
    /// The object, if there is one.
    pub id: Option<String>,
    /// The address that recorded the object until now, if Git calls it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Address>,
    pub fields: Vec<FieldChange>,
    pub place: Option<Place>,
    /// The revision it is brought to.
    pub revision: u32,
    /// It costs money on the platform.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub costs: bool,
    /// Its platform cannot delete it: the object stays there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
    /// What is lost for good with the object it takes away, and who allowed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    #[serde(skip)]
    pub work: Work,
}

/// What a change does to a way into the tenant's product, when the tenant is suspended or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Door {
    #[default]
    Neither,
    /// It is closed before anything else; with the objects that it led to.
    Closes(BTreeSet<Address>),
    /// It is opened once what it leads to runs.
    Opens,
}

/// What apply needs and nobody reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Work {
    pub fingerprint: String,
    /// Whose account it is, where the platform told it.
    pub owner: Option<String>,
    /// The document with its symbols.
    pub document: Value,
    /// Of what Git wants, where the document keeps something of the platform's instead.
    pub asked: Option<Digest>,
    /// Of the owned part of what was observed.
    pub expected: Option<Digest>,
    /// Fields that were written before and are wanted no longer.
    pub dropped: Vec<String>,
    /// Every field the document owns.
    pub keys: BTreeSet<String>,
    /// Whether the object must carry our mark already.
    pub marked: bool,
    /// The attempt of an unfinished creation.
    pub attempt: Option<Uuid>,
    pub entries: Vec<Entry>,
    /// Where the observed object is reached.
    pub listening: Vec<(String, String)>,
    /// Whether it may be created before what it refers to.
    pub drafts: bool,
    /// The dotted paths that the platform does not show again.
    pub hidden: Vec<String>,
    /// Those of them that go along with the creation alone.
    pub create_only: Vec<String>,
    /// The fields of which only the secret is another one, with its fingerprint.
    pub rotated: BTreeMap<String, String>,
    /// The place it is to have, where only one object can be there and nothing of it is still to be made.
    pub natural: Option<Natural>,
    /// Of what is created: the look that found nothing like it, and the platform's clock then.
    pub look: Option<(Look, Option<Clock>)>,
    /// Nothing proves that upa made it.
    pub unproven: bool,
    /// See [`crate::platform::Job::gentle`].
    pub gentle: bool,
    /// The resources whose id it needs.
    pub needs: BTreeSet<Address>,
    /// The resources that must run before it can; for what goes, those it calls.
    pub calls: BTreeSet<Address>,
    /// The outputs that are recorded.
    pub out: BTreeMap<String, Value>,
    /// Objects it replaced and that are to be deleted, with their outputs.
    pub retiring: BTreeMap<String, BTreeMap<String, Value>>,
    /// The tenants that must be through before it may go: they may still use what is shared.
    pub after: BTreeSet<String>,
    pub door: Door,
}

impl Work {
    /// Everything the object refers to, as lockfiles record it.
    pub fn all_needs(&self) -> BTreeSet<Address> {
        self.needs.union(&self.calls).cloned().collect()
    }
}

impl Change {
    /// Whether it is a correction of what somebody did on the platform, and nothing else.
    pub fn is_drift(&self) -> bool {
        match self.action {
            Action::Create => self.reason == Reason::DeletedOnPlatform,
            Action::Update => match self.reason {
                Reason::Resumed | Reason::Suspended => false,
                reason => {
                    self.mover == Some(Mover::Platform)
                        || matches!(
                            reason,
                            Reason::NotRunning | Reason::Restarted | Reason::Silent | Reason::Unmarked
                        )
                }
            },
            Action::Adopt
            | Action::Use
            | Action::Replace
            | Action::Move
            | Action::Wait
            | Action::Delete
            | Action::Forget => false,
        }
    }

    /// What the digest of a plan covers: nothing that is only known after apply, no commit, no time.
    pub fn digest(&self) -> Digest {
        let mut covered = json!({
            "address": self.address,
            "account": self.account,
            "action": self.action,
            "steps": self.steps,
            "sent": symbol::symbolic(&self.work.document),
            "observed": self.work.expected,
        });
        if let (Some(from), Some(map)) = (&self.moved_from, covered.as_object_mut()) {
            map.insert("moved_from".to_owned(), json!(from));
        }
        // Whoever reviews may not have the secrets: they tell two plans apart only where they are all there is to them.
        if let (Reason::Rotated, Some(map)) = (self.reason, covered.as_object_mut()) {
            map.insert("rotated".to_owned(), json!(self.work.rotated));
        }
        Digest::of_json(&covered)
    }
}

/// The moves among some changes, as one event; `None` where there is none.
pub fn moved(changes: &[Change]) -> Option<Event> {
    let moves = changes
        .iter()
        .filter_map(|change| Some((change.address.clone(), change.moved_from.clone()?)));
    let moves: BTreeMap<Address, Address> = moves.collect();
    (!moves.is_empty()).then_some(Event::Moved { moves })
}

/// All changes, with everything a person must know before they are made.
#[derive(Debug, Default)]
pub struct Plan {
    /// Sorted by address.
    pub changes: Vec<Change>,
    /// What is not done, because something would be lost with it that may not be lost yet. Sorted by address.
    pub withheld: Vec<Change>,
    pub problems: Vec<Problem>,
    /// Tenants of whom something is to be recorded although nothing is left to change: a request that has ended.
    pub due: BTreeSet<String>,
    /// What waits for a person although all else is done, as far as it is recorded.
    pub awaited: Vec<Awaited>,
    /// How many tenants were looked at.
    pub tenants: usize,
    /// How many objects the lockfiles of the workspace record, whoever is selected.
    pub objects: usize,
    /// By tenant: the resources of which nothing is done because what is there is in doubt, and those that wait for them.
    pub doubts: BTreeMap<String, BTreeSet<Address>>,
    /// Differences that stay as they are on the platform because a rule of the version says so.
    pub kept: Vec<Kept>,
    /// What suspending or resuming a tenant does to each of its objects, where it is about to be suspended or resumed.
    pub standstills: Vec<Still>,
    /// Objects whose document must be rendered again, at the commit beside each, to say who moved which field.
    pub wants: BTreeSet<(Address, String)>,
}

impl Plan {
    /// The digest that review and apply agree on.
    pub fn digest(&self) -> Digest {
        let digests: Vec<Digest> = self.changes.iter().map(Change::digest).collect();
        Digest::of_json(&json!(digests))
    }

    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }

    /// Whether there is nothing to do at all.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.due.is_empty()
    }

    /// The tenants that cannot be applied.
    pub fn blocked(&self) -> BTreeSet<&str> {
        self.problems
            .iter()
            .filter(|problem| problem.is_error())
            .filter_map(|problem| problem.tenant.as_deref())
            .collect()
    }
}
