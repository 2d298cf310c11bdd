//! What a request reports on: a version's resources under the names people know them by (voice, calendar, webhooks).

use std::collections::{BTreeMap, BTreeSet};

use super::Version;
use super::toml::pointer;
use crate::problem::{Problem, did_you_mean, listed};

/// The name for what belongs to no integration.
pub const OTHER: &str = "other";

/// How a version's file names a webhook among resources.
const WEBHOOK: &str = "webhooks.";

/// The resources of every integration; nothing when a version names none.
pub fn members(version: &Version) -> BTreeMap<&str, BTreeSet<&str>> {
    let written = &version.file.integrations;
    let mut members: BTreeMap<&str, BTreeSet<&str>> = written
        .iter()
        .map(|(name, members)| {
            (
                name.as_str(),
                members.iter().filter_map(|one| resource(version, one)).collect(),
            )
        })
        .collect();
    if members.is_empty() {
        return members;
    }
    let named: BTreeSet<&str> = members.values().flatten().copied().collect();
    let resources = version.file.resources.keys().map(String::as_str);
    let rest: Vec<&str> = resources.filter(|name| !named.contains(name)).collect();
    if !rest.is_empty() {
        members.entry(OTHER).or_default().extend(rest);
    }
    members
}

/// The resource that a member stands for.
fn resource<'a>(version: &'a Version, member: &'a str) -> Option<&'a str> {
    match member.strip_prefix(WEBHOOK) {
        None => Some(version.file.resources.get_key_value(member)?.0),
        Some(webhook) => {
            let listens = |(_, prepared): &(&String, &crate::platform::Prepared)| {
                prepared.entries.iter().any(|entry| entry.name == webhook)
            };
            Some(version.prepared.iter().find(listens)?.0)
        }
    }
}

/// Every member must be something the version has.
pub fn check(version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Which webhooks there are, templates with problems of their own do not say.
    let complete = version
        .file
        .resources
        .keys()
        .all(|name| version.prepared.contains_key(name));
    for (name, members) in &version.file.integrations {
        if members.is_empty() {
            let problem = Problem::configuration(format!("integration `{name}` consists of nothing"));
            problems.push(
                problem
                    .at(version.toml.value_place(&pointer(["integrations", name])))
                    .hint("name the resources it consists of, or `webhooks.<name>`; or remove the line"),
            );
        }
        for (number, member) in members.iter().enumerate() {
            let webhook = member.starts_with(WEBHOOK);
            if resource(version, member).is_some() || (webhook && !complete) {
                continue;
            }
            let entries = version.prepared.values().flat_map(|prepared| &prepared.entries);
            let known: Vec<String> = if webhook {
                let names: BTreeSet<&str> = entries.map(|entry| entry.name.as_str()).collect();
                names.into_iter().map(|name| format!("{WEBHOOK}{name}")).collect()
            } else {
                version.file.resources.keys().cloned().collect()
            };
            let what = if webhook { "webhook" } else { "resource" };
            let problem = Problem::configuration(format!("integration `{name}`: there is no {what} `{member}`"));
            let place = version
                .toml
                .value_place(&pointer(["integrations", name, &number.to_string()]));
            let known = || known.iter().map(String::as_str);
            problems.push(problem.at(place).hint(match did_you_mean(member, known()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("known here: {}", listed(known())),
            }));
        }
    }
    problems
}
