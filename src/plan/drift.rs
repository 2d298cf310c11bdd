//! Who moved, field by field, and what the rules of the version say about it.
//!
//! Three documents tell: what upa wrote (the *base*), what Git wants now, what the platform shows now. While the lockfile's
//! digest says that Git wants what was written, that is the base; otherwise it is rendered again from the commit the
//! lockfile names.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::Value;

use super::change::Mover;
use crate::platform::FieldChange;
use crate::problem::{Problem, listed};
use crate::resource::Address;
use crate::symbol;
use crate::workspace::drift::{PlacedRule, Verdict};

/// What was written, where a plan needs to know it.
pub type Bases = BTreeMap<Address, Base>;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// The document, with its symbols.
    Known(Value),
    /// Why nobody can say any more, and what to do about it.
    Unknown { why: String, hint: String },
}

/// A difference that stays, because a rule says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub address: Address,
    pub change: FieldChange,
    pub verdict: Verdict,
    pub until: Option<Date>,
}

/// Writes into each difference who made it: Git if what it wants is not what was written, the platform if what it shows
/// is not. Neither made what differs only because an id is not known yet.
pub fn assign(fields: &mut [FieldChange], git: &[FieldChange], platform: &[FieldChange]) {
    for field in fields {
        let by_git = git.iter().any(|moved| overlap(&moved.field, &field.field));
        let by_platform = platform.iter().any(|moved| overlap(&moved.field, &field.field));
        let waits = field.after.as_ref().is_some_and(is_symbolic);
        field.mover = match (by_git, by_platform) {
            (true, true) => Some(Mover::Both),
            (true, false) => Some(Mover::Git),
            (false, true) if !waits => Some(Mover::Platform),
            (false, _) => None,
        };
    }
}

/// Who moved the whole: whoever moved all of it, or both.
pub fn of_all(fields: &[FieldChange]) -> Option<Mover> {
    let movers: Vec<Mover> = fields.iter().filter_map(|field| field.mover).collect();
    let first = *movers.first()?;
    Some(if movers.iter().all(|mover| *mover == first) {
        first
    } else {
        Mover::Both
    })
}

/// Whether one field is the other or lies within it.
pub fn overlap(a: &str, b: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with(" · "))
    };
    within(a, b) || within(b, a)
}

/// Whether a value holds something that is not known yet.
pub fn is_symbolic(value: &Value) -> bool {
    !symbol::symbols(value).is_empty()
}

/// The differences that stay as they are on the platform, with the rule that says so. `known` = it is known who moved; if
/// not, a field that a rule protects is left alone, because overwriting cannot be undone.
pub fn kept<'a>(
    fields: &'a [FieldChange],
    rules: &'a [PlacedRule],
    resource: &str,
    today: Date,
    known: bool,
) -> Vec<(&'a FieldChange, &'a PlacedRule)> {
    let moved = |field: &&FieldChange| match field.mover {
        Some(mover) => mover == Mover::Platform,
        None => !known && !field.after.as_ref().is_some_and(is_symbolic),
    };
    // A text with reserved characters could pass for a symbol once it is part of a document.
    let harmless = |field: &&FieldChange| !field.before.as_ref().is_some_and(is_symbolic);
    fields
        .iter()
        .filter(moved)
        .filter(harmless)
        .filter_map(|field| {
            let rule = rules
                .iter()
                .find(|placed| placed.rule.fits(resource, &field.field) && !placed.rule.is_expired(today))?;
            (rule.rule.rule != Verdict::Enforce).then_some((field, rule))
        })
        .collect()
}

/// What a person is told about a difference that stays.
pub fn warning(address: &Address, field: &FieldChange, placed: &PlacedRule) -> Problem {
    let shown = |value: &Option<Value>| match value {
        Some(value) => short(value),
        None => "nothing".to_owned(),
    };
    let reason = placed.rule.reason.as_deref().unwrap_or_default();
    let until = placed
        .rule
        .until
        .map(|until| format!(", until {until}"))
        .unwrap_or_default();
    Problem::warning(format!(
        "{address}: somebody changed `{}` on the platform: {} instead of {}; it is left so ({reason}{until})",
        field.field,
        shown(&field.before),
        shown(&field.after)
    ))
    .at(placed.place.clone())
    .hint(format!(
        "to take it over into Git: `upa adopt {} {address}`; to bring it back, remove the rule",
        address.tenant()
    ))
}

/// A value in one line.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::String(text) => format!("\"{}\"", symbol::described(text)),
        other => symbol::described(&other.to_string()),
    };
    let line = text.replace('\n', "\\n");
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

/// Where nobody can say who moved: once for each reason, not for each object.
pub fn unknown(bases: &Bases) -> Vec<Problem> {
    let mut reasons: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (address, base) in bases {
        if let Base::Unknown { why, hint } = base {
            reasons.entry((why, hint)).or_default().push(address.to_string());
        }
    }
    let reasons = reasons.into_iter();
    reasons
        .map(|((why, hint), addresses)| {
            let of = listed(addresses.iter().map(String::as_str));
            Problem::warning(format!("who moved what is not known field by field: {why} ({of})")).hint(hint)
        })
        .collect()
}

/// Rules whose last day is over: each is told once, whoever is on the version.
pub fn expired<'a>(rules: impl Iterator<Item = &'a PlacedRule>, today: Date) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for placed in rules.filter(|placed| placed.rule.is_expired(today) && placed.rule.rule != Verdict::Enforce) {
        if !seen.insert((placed.place.file.clone(), placed.place.line)) {
            continue;
        }
        let until = placed.rule.until.map(|until| until.to_string()).unwrap_or_default();
        problems.push(
            Problem::warning(format!(
                "the rule for `{}` ended on {until}: the field is enforced again",
                placed.rule.path
            ))
            .at(placed.place.clone())
            .hint("remove the rule, or give it another `until`"),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(field: &str) -> FieldChange {
        FieldChange {
            field: field.to_owned(),
            before: Some(json!(1)),
            after: Some(json!(2)),
            mover: None,
        }
    }

    #[test]
    fn movers_are_told_by_what_overlaps() {
        let mut fields = ["a", "b.c", "d", "node \"X\" · e", "f"].map(change);
        assign(
            &mut fields,
            &[change("a"), change("b"), change("node \"X\"")],
            &[change("a.x"), change("d"), change("node \"XY\"")],
        );
        let movers: Vec<_> = fields.iter().map(|field| field.mover).collect();
        assert_eq!(
            movers,
            [
                Some(Mover::Both),
                Some(Mover::Git),
                Some(Mover::Platform),
                Some(Mover::Git),
                None
            ]
        );
        assert_eq!(of_all(&fields), Some(Mover::Both));
        assert_eq!(of_all(&fields[1..2]), Some(Mover::Git));
        assert_eq!(of_all(&fields[4..]), None);
    }

    #[test]
    fn an_id_that_is_not_known_yet_is_nobodys_change() {
        let mut fields = [FieldChange {
            after: Some(json!([symbol::Symbol::id_of("a@v/b".parse().unwrap()).embed()])),
            ..change("a")
        }];
        assign(&mut fields, &[], &[change("a")]);
        assert_eq!(fields[0].mover, None);
    }
}
