//! One recorded object against Git: what differs, who moved it, and what stays because a rule says so.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::Pass;
use crate::desired::Resource;
use crate::digest::Digest;
use crate::lockfile::{Applied, Locked};
use crate::plan::change::Mover;
use crate::plan::drift::{self, Base, Kept};
use crate::plan::unseen::Difference;
use crate::plan::values::Values;
use crate::platform::{FieldChange, Object, Platform};
use crate::symbol::{self, Symbol, Unknown};
use crate::workspace::drift::Verdict;

/// What came out.
pub(super) struct Compared {
    /// What is to be written, with its symbols: what Git wants, but for what stays.
    pub document: Value,
    pub fields: Vec<FieldChange>,
    pub mover: Option<Mover>,
    /// Whether something stays that Git wants otherwise.
    pub keeps: bool,
}

/// Who moved the parts of an object.
struct Moved {
    git: bool,
    platform: bool,
    /// Whether it is known field by field.
    by_field: bool,
}

impl Pass<'_> {
    pub(super) fn compare(
        &mut self,
        platform: &dyn Platform,
        resource: &Resource,
        locked: Option<&Locked>,
        object: &Object,
        unseen: &Difference,
    ) -> Compared {
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let written: Vec<String> = applied
            .map(|applied| applied.keys.iter().cloned().collect())
            .unwrap_or_default();
        let compare = |pass: &Self, document: &Value| {
            let document = pass.resolved(document, &pass.values);
            platform.compare(&resource.kind, &document, &object.document, &written)
        };
        let mut compared = Compared {
            fields: compare(self, &resource.document),
            document: resource.document.clone(),
            mover: None,
            keeps: false,
        };
        let Some(applied) = applied else {
            compared.fields.extend(unseen.fields.iter().cloned());
            return compared;
        };
        let moved = self.moved(platform, resource, applied, object, &mut compared.fields, &written);
        // While nobody knows the date, no rule has ended.
        let today = match self.basis.observed.is_apart(&resource.account) {
            true => Date::MIN,
            false => self.basis.rules.today(),
        };
        let (address, rules) = (&resource.address, &self.tenant.drift);
        let kept = drift::kept(&compared.fields, rules, &address.resource, today, moved.by_field);
        let names: BTreeSet<String> = kept.iter().map(|(field, _)| field.field.clone()).collect();
        let document = platform.keep(&resource.kind, &resource.document, &object.document, &names);
        // A text on the platform that passes for a symbol would be given a value: such an object is brought back whole.
        let forged = !symbol::symbols(&document).is_subset(&symbol::symbols(&resource.document));
        if !kept.is_empty() && !forged {
            let mut left = compare(self, &document);
            // What cannot be kept by itself, because its platform tells it apart in a way of its own, is enforced.
            let stays = |field: &FieldChange| left.iter().all(|left| left.field != field.field);
            for (field, placed) in kept.into_iter().filter(|(field, _)| stays(field)) {
                compared.keeps = true;
                if placed.rule.rule == Verdict::Warn {
                    self.out.problems.push(drift::warning(address, field, placed));
                }
                self.out.kept.push(Kept {
                    address: address.clone(),
                    change: field.clone(),
                    verdict: placed.rule.rule,
                    until: placed.rule.until,
                });
            }
            for field in &mut left {
                let known = compared.fields.iter().find(|known| known.field == field.field);
                field.mover = known.and_then(|known| known.mover);
            }
            compared.document = document;
            compared.fields = left;
        }
        compared.fields.extend(unseen.fields.iter().cloned());
        let git = moved.git || !unseen.rotated.is_empty();
        compared.mover = match (drift::of_all(&compared.fields), git, moved.platform) {
            (Some(mover), ..) => Some(mover),
            // Nothing that shows differs, or what differs only waits for an id.
            (None, true, true) => Some(Mover::Both),
            (None, true, false) => Some(Mover::Git),
            (None, false, true) if compared.fields.is_empty() && !compared.keeps => Some(Mover::Platform),
            (None, false, _) => None,
        };
        compared
    }

    /// Finds out who moved, and writes it into the fields.
    fn moved(
        &mut self,
        platform: &dyn Platform,
        resource: &Resource,
        applied: &Applied,
        object: &Object,
        fields: &mut [FieldChange],
        written: &[String],
    ) -> Moved {
        let (kind, address) = (&resource.kind, &resource.address);
        let there = |base: &Value| Digest::of_json(&platform.owned_part(kind, base, &object.document)) != applied.read;
        let git = applied.sent != Digest::of_json(&symbol::symbolic(&resource.document));
        let mut moved = Moved {
            git,
            platform: there(&resource.document),
            by_field: true,
        };
        let base = match (git, moved.platform, self.basis.bases.get(address)) {
            _ if fields.is_empty() => return moved,
            // Git wants what was written.
            (false, _, _) => &resource.document,
            // What the platform shows is what it showed then.
            (true, false, _) => {
                fields.iter_mut().for_each(|field| field.mover = Some(Mover::Git));
                return moved;
            }
            (true, true, Some(Base::Known(base))) => base,
            (true, true, unknown) => {
                moved.by_field = false;
                if unknown.is_none() {
                    self.out.wants.insert((address.clone(), applied.commit.clone()));
                }
                return moved;
            }
        };
        moved.platform = there(base);
        let now = self.resolved(&resource.document, &self.values);
        let by_git = match git {
            true => platform.compare(kind, &now, &self.resolved(base, &self.values), written),
            false => Vec::new(),
        };
        let then = self.resolved(base, &self.recorded());
        let by_platform = match moved.platform {
            true => platform.compare(kind, &then, &object.document, written),
            false => Vec::new(),
        };
        drift::assign(fields, &by_git, &by_platform);
        moved
    }

    pub(super) fn resolved(&self, document: &Value, values: &Values<'_>) -> Value {
        symbol::resolve(document, &|symbol: &Symbol| values.of(symbol), Unknown::Keep)
    }

    /// The values as the lockfile has them, also of what is gone by now.
    pub(super) fn recorded(&self) -> Values<'_> {
        let mut values = self.values.clone();
        for (address, locked) in &self.lock.resources {
            if let Some(id) = locked.id() {
                values.ids.insert(address.clone(), id.to_owned());
                values.outs.insert(address.clone(), locked.out());
            }
        }
        values
    }
}
