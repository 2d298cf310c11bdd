//! What a kind can do, in a word each: for `upa platform list` and the docs.

use super::KindDefinition;
use super::call::Read;
use super::file::Lost;
use super::kind::Marker;
use crate::platform::suspension::Effect;

/// What a kind can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// How many of its objects one list shows: `all`, `some` (those that are searched for), `none`.
    pub list: &'static str,
    /// Where our mark stands: `object`, `second call`, `none` (the lockfile alone says that it is ours).
    pub mark: &'static str,
    /// What follows a create with an unknown outcome: `repeat`, `look`, `ask`; `-` where nothing is created.
    pub lost: &'static str,
    /// How an object is read: `call`, `list`, `never`.
    pub read: &'static str,
    /// What a change does: `update`, `replace`; `-` where nothing is created.
    pub change: &'static str,
    /// What its end is: `delete`, `left behind`.
    pub end: &'static str,
    /// What happens to it while its tenant is suspended: `keeps` running, `stop`, `write`, `remove`; `-` where nothing is there.
    pub suspend: &'static str,
}

impl Abilities {
    /// What the names of the columns are, in the order of [`Self::words`].
    pub const HEAD: [&'static str; 7] = ["list", "mark", "lost create", "read", "change", "end", "suspend"];

    /// The words, in the order of [`Self::HEAD`].
    pub fn words(&self) -> [&'static str; 7] {
        let Self { list, mark, lost, .. } = self;
        [list, mark, lost, self.read, self.change, self.end, self.suspend]
    }

    /// What the definition of a kind says.
    pub fn of(kind: &KindDefinition) -> Self {
        Self {
            list: match (kind.whole_list(), &kind.find) {
                (Some(_), _) => "all",
                (None, Some(_)) => "some",
                (None, None) => "none",
            },
            mark: match &kind.marker {
                Some(Marker::Call { .. }) => "second call",
                Some(_) => "object",
                None => "none",
            },
            lost: match (kind.gate, kind.lost) {
                (true, _) => "-",
                (false, Lost::Key) => "repeat",
                (false, Lost::Find) => "look",
                (false, Lost::Stop) => "ask",
            },
            read: match &kind.read {
                Read::Call(_) => "call",
                Read::Find => "list",
                Read::Nothing => "never",
            },
            change: match (kind.gate, &kind.update) {
                (true, _) => "-",
                (false, Some(_)) => "update",
                (false, None) => "replace",
            },
            end: match (kind.gate, &kind.delete) {
                (true, _) => "-",
                (false, Some(_)) => "delete",
                (false, None) => "left behind",
            },
            suspend: match (kind.gate, kind.suspend.means.effect()) {
                (true, _) => "-",
                (false, Effect::Keeps) => "keeps",
                (false, Effect::Stops) => "stop",
                (false, Effect::Writes) => "write",
                (false, Effect::Removes) => "remove",
            },
        }
    }
}
