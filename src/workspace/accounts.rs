//! The accounts of `upa.toml`: what each must say, so that its platform can be reached and nothing else can.

use std::collections::BTreeSet;

use super::Settings;
use super::secret::SecretRef;
use super::settings::Account;
use super::toml::{Toml, pointer};
use crate::endpoint;
use crate::platform::{CredentialNames, Platform, Registry};
use crate::problem::{Problem, did_you_mean, listed};

/// Checks the accounts of `upa.toml`, and where its secrets are.
pub(super) fn check(settings: &Settings, toml: &Toml, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    let key = settings.workspace.fingerprint_key.as_ref();
    let rules = &settings.secrets;
    problems.extend(rules.check(toml));
    let wrong = |source: &SecretRef, at: &str| source.problem(toml, at).or_else(|| rules.misplaced(source, toml, at));
    problems.extend(key.and_then(|source| wrong(source, "/workspace/fingerprint_key")));
    for (name, account) in &settings.accounts {
        let at = |key: &str| toml.value_place(&pointer(["accounts", name, key]));
        let platform_name = account.platform.as_deref().unwrap_or(name);
        if registry.is_broken(platform_name) {
            continue;
        }
        let Some(platform) = registry.platform(platform_name) else {
            let known: Vec<&str> = registry.names().collect();
            let problem = Problem::configuration(format!("account `{name}`: there is no platform `{platform_name}`"))
                .at(at("platform"));
            problems.push(match did_you_mean(platform_name, known.iter().copied()) {
                Some(word) => problem.hint(format!("did you mean `platform = \"{word}\"`?")),
                None => problem.hint(format!("add `platform = …`; known: {}", listed(known))),
            });
            continue;
        };
        for key in ["base_url", "webhook_url"] {
            let url = if key == "base_url" {
                &account.base_url
            } else {
                &account.webhook_url
            };
            if let Some(why) = url.as_deref().and_then(endpoint::refusal) {
                problems.push(
                    Problem::configuration(format!("account `{name}`: `{key}` {why}"))
                        .at(at(key))
                        .hint("write the address of the platform: `https://…`"),
                );
            }
        }
        problems.extend(
            account.credentials.iter().filter_map(|(credential, source)| {
                wrong(source, &pointer(["accounts", name, "credentials", credential]))
            }),
        );
        if account.sandbox {
            continue;
        }
        if account.base_url.is_none() {
            let example = platform.usual_base_url().unwrap_or("https://…");
            problems.push(
                Problem::configuration(format!("account `{name}` does not say where it is"))
                    .at(toml.key(&pointer(["accounts", name])))
                    .hint(format!(
                        "add `base_url = \"{example}\"`, or `sandbox = true` to try things out"
                    )),
            );
        }
        problems.extend(hosts(name, account, platform, toml));
        problems.extend(credentials(name, account, platform, toml));
    }
    problems
}

/// The hosts an account must name besides its base URL.
fn hosts(name: &str, account: &Account, platform: &dyn Platform, toml: &Toml) -> Vec<Problem> {
    let mut problems = Vec::new();
    let usual = platform.hosts();
    for (host, usual) in usual.iter().filter(|(host, _)| !account.hosts.contains_key(*host)) {
        problems.push(
            Problem::configuration(format!("account `{name}` does not say where its host `{host}` is"))
                .at(toml.key(&pointer(["accounts", name])))
                .hint(format!("add `hosts.{host} = \"{usual}\"`")),
        );
    }
    for (host, url) in &account.hosts {
        let at = toml.value_place(&pointer(["accounts", name, "hosts", host]));
        if !usual.contains_key(host) {
            let problem = Problem::configuration(format!("account `{name}`: {} has no host `{host}`", platform.name()));
            problems.push(problem.at(at).hint(match usual.is_empty() {
                true => "it has no further hosts: remove the line".to_owned(),
                false => format!("known: {}", listed(usual.keys().map(String::as_str))),
            }));
        } else if let Some(why) = endpoint::refusal(url) {
            problems.push(
                Problem::configuration(format!("account `{name}`: `hosts.{host}` {why}"))
                    .at(at)
                    .hint("write the address of the host: `https://…`"),
            );
        }
    }
    problems
}

/// The credentials of an account: all that one way to sign in needs, and no others.
fn credentials(name: &str, account: &Account, platform: &dyn Platform, toml: &Toml) -> Vec<Problem> {
    let ways = platform.credentials();
    let missing = |way: &CredentialNames| -> Vec<String> {
        let missing = way
            .required
            .iter()
            .filter(|wanted| !account.credentials.contains_key(*wanted));
        missing.cloned().collect()
    };
    let mut problems = Vec::new();
    let here = || toml.key(&pointer(["accounts", name]));
    match ways.as_slice() {
        ways if ways.iter().any(|way| missing(way).is_empty()) => {}
        [only] => problems.extend(missing(only).into_iter().map(|missing| {
            Problem::configuration(format!("account `{name}` has no credential `{missing}`"))
                .at(here())
                .hint(format!("add `credentials.{missing} = {{ env = \"…\" }}`"))
        })),
        several => {
            let sets = several
                .iter()
                .map(|way| listed(way.required.iter().map(String::as_str)));
            let sets: Vec<String> = sets.collect();
            problems.push(
                Problem::configuration(format!("account `{name}` has no credentials to sign in with"))
                    .at(here())
                    .hint(format!(
                        "add `credentials.… = {{ env = \"…\" }}` for one of: {}",
                        sets.join(" · ")
                    )),
            );
        }
    }
    let known: BTreeSet<&str> = ways
        .iter()
        .flat_map(|way| way.required.iter().chain(&way.optional))
        .map(String::as_str)
        .collect();
    for extra in account.credentials.keys().filter(|key| !known.contains(key.as_str())) {
        let problem = Problem::configuration(format!(
            "account `{name}`: {} has no credential `{extra}`",
            platform.name()
        ));
        problems.push(
            problem
                .at(toml.key(&pointer(["accounts", name, "credentials", extra])))
                .hint(format!("known: {}", listed(known.iter().copied()))),
        );
    }
    problems
}
