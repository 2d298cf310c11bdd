//! `[[drift]]` of a version: what becomes of a field that somebody changed on the platform.
//!
//! Rules concern only what the platform moved: a change in Git is always written.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Version;
use super::toml::pointer;
use crate::problem::{Place, Problem, did_you_mean, listed};

/// One rule. Of several that fit a field the first one counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftRule {
    /// The resource it is about; `*` = every resource of the version.
    pub resource: String,
    /// The field, as a plan shows it: `firstMessage`, `node "Settings" · parameters.url`. What lies below it is meant
    /// too, and `*` stands for any text.
    #[schemars(length(min = 1))]
    pub path: String,
    pub rule: Verdict,
    /// A date, such as 2026-12-31: the last day on which it counts. Afterwards the field is enforced again.
    #[schemars(with = "Option<String>", regex(pattern = r"^\d{4}-\d\d-\d\d$"))]
    pub until: Option<Date>,
    /// Why, for whoever reads it later.
    pub reason: Option<String>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is brought back to what Git says.
    Enforce,
    /// It is kept, and every plan says so.
    Warn,
    /// It is kept and only counted.
    Ignore,
}

/// A rule with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRule {
    pub rule: DriftRule,
    pub place: Place,
}

impl DriftRule {
    /// Whether it is about this field of this resource.
    pub fn fits(&self, resource: &str, field: &str) -> bool {
        (self.resource == "*" || self.resource == resource) && covers(&self.path, field)
    }

    /// Whether its last day is over.
    pub fn is_expired(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

/// The rules of a version, in the order of its file.
pub fn rules(version: &Version) -> Vec<PlacedRule> {
    let rules = version.file.drift.iter().enumerate();
    rules
        .map(|(index, rule)| PlacedRule {
            rule: rule.clone(),
            place: version
                .toml
                .value_place(&pointer(["drift", &index.to_string(), "path"])),
        })
        .collect()
}

/// Whether a pattern stands for a field or for something the field lies in.
fn covers(pattern: &str, field: &str) -> bool {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with('.') || rest.starts_with(" · ");
    let mut parts = pattern.split('*');
    let Some(mut rest) = field.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return ends(rest);
    };
    // A star takes as little as works: what follows it is taken where it comes first.
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    last.is_empty()
        || starts.any(|at| {
            rest.get(at..)
                .and_then(|rest| rest.strip_prefix(last))
                .is_some_and(ends)
        })
}

/// What is wrong with the rules of a version.
pub fn check(version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, rule) in version.file.drift.iter().enumerate() {
        let index = index.to_string();
        let at = |key: &str| version.toml.value_place(&pointer(["drift", &index, key]));
        let known = || version.file.resources.keys().map(String::as_str);
        if rule.resource != "*" && !version.file.resources.contains_key(&rule.resource) {
            let problem = Problem::configuration(format!("`[[drift]]`: there is no resource `{}`", rule.resource));
            problems.push(
                problem
                    .at(at("resource"))
                    .hint(match did_you_mean(&rule.resource, known()) {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => format!("resources of this version: {}; `*` means all of them", listed(known())),
                    }),
            );
        }
        let reason = rule.reason.as_deref().unwrap_or_default().trim();
        if rule.rule != Verdict::Enforce && reason.is_empty() {
            problems.push(
                Problem::configuration("`[[drift]]`: a rule that leaves a change on the platform says why")
                    .at(at("rule"))
                    .hint("add `reason = \"…\"`"),
            );
        }
        if rule.rule == Verdict::Ignore && rule.until.is_none() {
            problems.push(
                Problem::configuration("`[[drift]]`: what is ignored is ignored until some day")
                    .at(at("rule"))
                    .hint("add `until = 2026-12-31` (a date), or say `rule = \"warn\"`"),
            );
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_stands_for_a_field_and_what_lies_in_it() {
        for (pattern, field, fits) in [
            ("firstMessage", "firstMessage", true),
            ("firstMessage", "firstMessageMode", false),
            ("model", "model.messages.0.content", true),
            ("model.messages", "model", false),
            ("node \"A\"", "node \"A\" · parameters.url", true),
            ("node \"A\"", "node \"A\"", true),
            ("node \"A\" · parameters.*", "node \"A\" · parameters.url", true),
            ("node \"A\" · parameters.*", "node \"A\" · disabled", false),
            ("*.timezone", "settings.timezone", true),
            ("*", "anything", true),
            ("node * · disabled", "node \"Ñ · 1\" · disabled", true),
            ("node * · disabled", "node \"A\"", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*b", "aab1.b", true),
            ("**", "anything", true),
        ] {
            assert_eq!(covers(pattern, field), fits, "{pattern} {field}");
        }
    }

    proptest! {
        #[test]
        fn a_copied_field_always_fits(field in "[^*]{1,20}", more in "[a-z]{1,5}") {
            prop_assert!(covers(&field, &field));
            let (below, longer) = (format!("{field}.{more}"), format!("{field}{more}"));
            prop_assert!(covers(&field, &below));
            prop_assert!(!covers(&longer, &field));
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_one() {
        let (pattern, field) = (format!("{}b", "*a".repeat(2_000)), "a".repeat(4_000));
        assert!(!covers(&pattern, &field));
        assert!(covers(&format!("{pattern}*"), &format!("{field}b.c")));
    }

    #[test]
    fn the_last_day_counts() {
        let rule = DriftRule {
            resource: "*".to_owned(),
            path: "*".to_owned(),
            rule: Verdict::Ignore,
            until: Some("2026-12-01".parse().unwrap()),
            reason: None,
        };
        assert!(!rule.is_expired("2026-12-01".parse().unwrap()));
        assert!(rule.is_expired("2026-12-02".parse().unwrap()));
    }
}
