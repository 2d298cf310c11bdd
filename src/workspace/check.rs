//! What no single file can say: whether the files fit each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::secret::SecretRef;
use super::toml::{Toml, pointer};
use super::version::{ResourceSpec, Scope};
use super::{
    Files, Status, Tenant, Version, VersionFile, Workspace, conditions, drift, gates, inputs, integrations, names,
    secret_rules,
};
use crate::platform::Registry;
use crate::problem::{Place, Problem, did_you_mean, listed};
use crate::resource::{Kind, split_name};

/// Checks what a version's files say about each other.
pub fn version(version: &Version, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, slot) in &version.file.webhooks {
        if !version.file.resources.contains_key(&slot.resource) {
            let place = version.toml.value_place(&pointer(["webhooks", name, "resource"]));
            let known = listed(version.file.resources.keys().map(String::as_str));
            let problem = Problem::configuration(format!("webhook `{name}`: there is no resource `{}`", slot.resource));
            problems.push(problem.at(place).hint(format!("resources of this version: {known}")));
        }
    }
    for (name, slot) in &version.file.credentials {
        if registry.platform(&slot.platform).is_none() && !registry.is_broken(&slot.platform) {
            let place = version.toml.value_place(&pointer(["credentials", name, "platform"]));
            let problem =
                Problem::configuration(format!("credential `{name}`: there is no platform `{}`", slot.platform));
            problems.push(
                problem
                    .at(place)
                    .hint(format!("known platforms: {}", listed(registry.names()))),
            );
        }
    }
    problems.extend(inputs::check(version));
    problems.extend(conditions::check(version, registry));
    problems.extend(names::check(version, registry));
    problems.extend(drift::check(version));
    problems.extend(integrations::check(version));
    problems.extend(gates::check(version));
    problems
}

/// The schema of a tenant's `[inputs]`: what the version says, and nothing else allowed unless it says so.
pub fn inputs_schema(version: &VersionFile) -> Value {
    let mut schema = version.inputs.clone();
    schema.entry("type").or_insert_with(|| Value::from("object"));
    schema
        .entry("additionalProperties")
        .or_insert_with(|| Value::from(false));
    inputs::with_references(&mut schema);
    Value::Object(schema)
}

/// Checks the workspace as a whole.
pub fn check(workspace: &Workspace, files: &Files) -> Vec<Problem> {
    let own = secret_rules::own(&workspace.settings);
    let names = all_names(files);
    let tenants = workspace.tenants.values();
    let mut problems: Vec<Problem> = tenants
        .flat_map(|tenant| check_tenant(workspace, tenant, files, (&names, &own)))
        .collect();
    problems.extend(adopted_twice(workspace));
    problems.extend(credentials_used_twice(workspace));
    problems
}

/// Checks one tenant that need not be part of the workspace.
pub fn alone(workspace: &Workspace, tenant: &Tenant, files: &Files) -> Vec<Problem> {
    let own = secret_rules::own(&workspace.settings);
    check_tenant(workspace, tenant, files, (&all_names(files), &own))
}

/// The names of all tenants: one whose file cannot be read, or is gone and its lockfile is not, still owns its secrets.
fn all_names(files: &Files) -> BTreeSet<&str> {
    let known = [".toml", ".lock"].into_iter().flat_map(|suffix| {
        let paths = files.in_folder("tenants/", suffix);
        paths.map(move |path| path.trim_start_matches("tenants/").trim_end_matches(suffix))
    });
    known.collect()
}

fn check_tenant(
    workspace: &Workspace,
    tenant: &Tenant,
    files: &Files,
    all: (&BTreeSet<&str>, &BTreeSet<SecretRef>),
) -> Vec<Problem> {
    let found = on_its_version(workspace, tenant, files, all);
    found.into_iter().map(|problem| problem.tenant(&*tenant.name)).collect()
}

fn on_its_version(
    workspace: &Workspace,
    tenant: &Tenant,
    files: &Files,
    (names, own): (&BTreeSet<&str>, &BTreeSet<SecretRef>),
) -> Vec<Problem> {
    // What is taken down needs no version and no inputs.
    if tenant.file.status == Status::Deprovisioned {
        return Vec::new();
    }
    let Some(version) = workspace.version_of(tenant) else {
        return unknown_version(
            workspace,
            (&tenant.file.product, &tenant.file.version),
            &tenant.toml,
            files,
        );
    };
    let mut problems = Vec::new();
    if !version.file.stage.keeps(tenant.file.tier) {
        problems.push(
            Problem::configuration(format!(
                "`{}` {} is not released for tier `{}`: its stage is `{}`",
                tenant.file.product,
                tenant.file.version,
                tenant.file.tier,
                version.file.stage.as_str()
            ))
            .at(tenant.toml.value_place("/version"))
            .hint("use a released version, or promote this one by changing its `stage`"),
        );
    }
    if let Some(schema) = &version.inputs {
        problems.extend(schema.check(&tenant.toml, "/inputs"));
        problems.extend(inputs::wrong_references(
            tenant,
            version,
            &workspace.settings.secrets,
            names,
            own,
        ));
    }
    problems.extend(check_credentials(tenant, version));
    problems.extend(check_accounts(workspace, tenant, version));
    problems.extend(check_adopted(tenant, version));
    problems.extend(gates::check_approvals(tenant, version));
    problems
}

/// What is adopted must be something this tenant has.
fn check_adopted(tenant: &Tenant, version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in tenant.file.adopt.keys() {
        let known = split_name(name).and_then(|(resource, key)| Some((version.file.resources.get(resource)?, key)));
        let (why, hint) = match known {
            Some((spec, _)) if !spec.is_for(&tenant.file.inputs) => (
                "this tenant's inputs do not ask for it",
                "remove the line, or change the input".to_owned(),
            ),
            Some((spec, key)) if spec.each.is_some() != key.is_some() => match key {
                Some(_) => ("there is one of it", "leave out what stands in brackets".to_owned()),
                None => (
                    "there are several of it",
                    format!("say which, as `upa plan` writes it: `\"{name}[…]\"`"),
                ),
            },
            Some(_) => continue,
            None => {
                let known = listed(version.file.resources.keys().map(String::as_str));
                ("the version has no such resource", format!("its resources: {known}"))
            }
        };
        let problem = Problem::configuration(format!("cannot adopt `{name}`: {why}"));
        problems.push(problem.at(tenant.toml.key(&pointer(["adopt", name]))).hint(hint));
    }
    problems
}

/// What can be said of the version of a tenant whose file cannot be understood otherwise.
pub fn version_by_name(workspace: &Workspace, toml: &Toml, files: &Files) -> Vec<Problem> {
    let text = |key: &str| toml.value.get(key).and_then(Value::as_str);
    let deprovisioned = Status::Deprovisioned.to_string();
    let stays = text("status").is_none_or(|status| did_you_mean(status, [&*deprovisioned]).is_none());
    match (text("product"), text("version")) {
        (Some(product), Some(version)) if stays => unknown_version(workspace, (product, version), toml, files),
        _ => Vec::new(),
    }
}

/// That a tenant's version does not exist; nothing where its file is there and broken, which has its own problems.
fn unknown_version(
    workspace: &Workspace,
    (product, version): (&str, &str),
    toml: &Toml,
    files: &Files,
) -> Vec<Problem> {
    if files.entries.contains_key(&Version::path(product, version)) {
        return Vec::new();
    }
    // One whose file is broken is known by its folder.
    let paths = files
        .under("versions/")
        .filter_map(|path| path.strip_prefix("versions/")?.split('/').next());
    let folders = paths.filter(|folder| !folder.ends_with(".toml"));
    let named = workspace.versions.keys().map(|(product, _)| product.as_str());
    let products: BTreeSet<&str> = named.chain(folders).collect();
    if !products.contains(product) {
        let problem =
            Problem::configuration(format!("there is no product `{product}`")).at(toml.value_place("/product"));
        return vec![match did_you_mean(product, products.iter().copied()) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None => problem.hint(format!("known products: {}", listed(products))),
        }];
    }
    let versions = workspace
        .versions
        .keys()
        .filter(|(known, _)| known == product)
        .map(|(_, version)| version.as_str());
    let problem = Problem::configuration(format!("`{product}` has no version `{version}`"));
    let problem = problem.at(toml.value_place("/version"));
    vec![problem.hint(format!("its versions: {}", listed(versions)))]
}

fn check_credentials(tenant: &Tenant, version: &Version) -> Vec<Problem> {
    let slots = &version.file.credentials;
    let mut problems = Vec::new();
    // What only serves resources the tenant does not have is not asked of it.
    let idle = |name: &str| {
        let users = conditions::users_of_credential(version, name);
        let missing = |user: &&str| {
            let spec = version.file.resources.get(*user);
            spec.is_some_and(|spec| !spec.is_for(&tenant.file.inputs))
        };
        !users.is_empty() && users.iter().all(missing)
    };
    for (name, slot) in slots
        .iter()
        .filter(|(name, _)| !tenant.file.credentials.contains_key(*name) && !idle(name))
    {
        problems.push(
            Problem::configuration(format!(
                "the version needs a credential `{name}` ({} of type `{}`)",
                slot.platform, slot.kind
            ))
            .at(tenant.toml.key("/credentials"))
            .hint(format!(
                "add `{name} = \"<its name in {}>\"` to `[credentials]`",
                slot.platform
            )),
        );
    }
    let nameless = tenant
        .file
        .credentials
        .iter()
        .filter(|(_, choice)| choice.name().trim().is_empty());
    for (name, _) in nameless {
        problems.push(
            Problem::configuration(format!("the credential `{name}` has no name yet"))
                .at(tenant.toml.value_place(&pointer(["credentials", name])))
                .hint("write the name it has on the platform"),
        );
    }
    for name in tenant.file.credentials.keys().filter(|name| !slots.contains_key(*name)) {
        let problem = Problem::configuration(format!("the version knows no credential `{name}`"));
        let problem = problem.at(tenant.toml.key(&pointer(["credentials", name])));
        problems.push(match did_you_mean(name, slots.keys().map(String::as_str)) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None if slots.is_empty() => problem.hint("it needs none: remove the line"),
            None => problem.hint(format!("it knows: {}", listed(slots.keys().map(String::as_str)))),
        });
    }
    problems
}

fn check_accounts(workspace: &Workspace, tenant: &Tenant, version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (platform, account) in &tenant.file.accounts {
        let place = || tenant.toml.value_place(&pointer(["accounts", platform]));
        if !workspace.settings.accounts.contains_key(account) {
            let known = listed(workspace.settings.accounts.keys().map(String::as_str));
            let problem = Problem::configuration(format!("there is no account `{account}` in upa.toml"));
            problems.push(problem.at(place()).hint(format!("accounts there: {known}")));
        } else if workspace.platform_of(account) != platform {
            let belongs = workspace.platform_of(account);
            let problem = Problem::configuration(format!(
                "account `{account}` belongs to `{belongs}`, not to `{platform}`"
            ));
            problems.push(problem.at(place()).hint(format!("name an account of `{platform}`")));
        }
    }
    let used: BTreeSet<&str> = version
        .file
        .resources
        .values()
        .filter(|spec| spec.is_for(&tenant.file.inputs))
        .map(ResourceSpec::platform)
        .collect();
    for platform in used {
        let account = workspace.account_for(tenant, platform);
        let named = tenant.file.accounts.contains_key(platform);
        if !named
            && !workspace.settings.accounts.contains_key(account)
            && workspace.registry.platform(platform).is_some()
        {
            problems.push(
                Problem::configuration(format!(
                    "upa.toml has no account for `{platform}`, which the version uses"
                ))
                .at(tenant.toml.value_place("/version"))
                .hint(format!("add `[accounts.{platform}]` to upa.toml")),
            );
        }
    }
    problems
}

/// The tenants that are not taken down, each with its version.
fn living(workspace: &Workspace) -> impl Iterator<Item = (&Tenant, &Version)> {
    let living = workspace
        .tenants
        .values()
        .filter(|tenant| tenant.file.status != Status::Deprovisioned);
    living.filter_map(|tenant| Some((tenant, workspace.version_of(tenant)?)))
}

/// One object cannot belong to two tenants.
fn adopted_twice(workspace: &Workspace) -> Vec<Problem> {
    let mut seen: BTreeMap<(String, String, String), &str> = BTreeMap::new();
    let same = workspace.same_accounts();
    let mut problems = Vec::new();
    for (tenant, version) in living(workspace) {
        for (resource, id) in &tenant.file.adopt {
            // What is shared may be named by all who share it.
            let spec = split_name(resource).and_then(|(name, _)| version.file.resources.get(name));
            let Some(spec) = spec.filter(|spec| spec.scope != Scope::Account) else {
                continue;
            };
            let kind = Kind::new(&*spec.kind);
            let account = workspace.account_of(tenant, &kind);
            let account = same.get(account).map_or(account, String::as_str).to_owned();
            if let Some(other) = seen.insert((account, kind.as_str().to_owned(), id.clone()), &tenant.name) {
                let problem = Problem::configuration(format!("`{id}` is adopted by tenant `{other}` already"));
                let place = tenant.toml.value_place(&pointer(["adopt", resource]));
                problems.push(
                    problem
                        .at(place)
                        .tenant(&*tenant.name)
                        .hint("an object belongs to one tenant: remove one of the two"),
                );
            }
        }
    }
    problems
}

/// Who uses a credential: the tenant, what the version calls it, and whether the tenant shares it.
type CredentialUser<'a> = (&'a Tenant, &'a str, bool);

/// A live credential reaches one customer's data: two tenants may use it only if both say so.
fn credentials_used_twice(workspace: &Workspace) -> Vec<Problem> {
    let mut users: BTreeMap<(String, String, String), Vec<CredentialUser<'_>>> = BTreeMap::new();
    for (tenant, version) in living(workspace) {
        for (slot, choice) in &tenant.file.credentials {
            let Some(spec) = version.file.credentials.get(slot) else {
                continue;
            };
            let account = workspace.account_for(tenant, &spec.platform).to_owned();
            let key = (account, spec.kind.clone(), choice.name().to_owned());
            users.entry(key).or_default().push((tenant, slot, choice.shared()));
        }
    }
    let mut problems = Vec::new();
    for ((account, _, name), users) in users {
        let owners: BTreeSet<&str> = users.iter().map(|(tenant, _, _)| tenant.name.as_str()).collect();
        if owners.len() < 2 {
            continue;
        }
        for (tenant, slot, _) in users.iter().filter(|(_, _, shared)| !shared) {
            let others = owners.iter().copied().filter(|owner| *owner != tenant.name);
            let problem = Problem::configuration(format!(
                "credential \"{name}\" of account `{account}` is used by tenant {} too",
                listed(others)
            ));
            let place = tenant.toml.value_place(&pointer(["credentials", slot]));
            problems.push(problem.at(place).tenant(&*tenant.name).hint(format!(
                "give each tenant its own, or say `{slot} = {{ name = \"{name}\", shared = true }}` in all of them"
            )));
        }
    }
    problems
}

/// Tenants that would come to a version that takes no new ones. `is_on` tells whether a tenant is recorded on its version.
pub fn newcomers(workspace: &Workspace, is_on: impl Fn(&Tenant) -> bool) -> Vec<Problem> {
    let refused = living(workspace).filter(|(tenant, version)| {
        let (stage, tier) = (version.file.stage, tenant.file.tier);
        stage.keeps(tier) && !stage.admits(tier) && !is_on(tenant)
    });
    refused
        .map(|(tenant, version)| {
            let (product, name) = (&tenant.file.product, &tenant.file.version);
            let others = workspace
                .versions
                .values()
                .filter(|other| other.file.product == *product && other.file.stage.admits(tenant.file.tier));
            let others: Vec<&str> = others.map(|other| other.file.version.as_str()).collect();
            let problem = Problem::configuration(format!(
                "`{product}` {name} is {}, which takes no new tenants, and tenant `{}` is not on it",
                version.file.stage.as_str(),
                tenant.name
            ));
            let problem = problem.at(tenant.toml.value_place("/version")).tenant(&*tenant.name);
            match others.is_empty() {
                true => problem.hint("release another version of the product first"),
                false => problem.hint(format!("versions that take tenants of this tier: {}", listed(others))),
            }
        })
        .collect()
}

/// A tenant file that vanished: named by whoever holds its lockfile.
pub fn vanished(tenant: &str, objects: usize) -> Problem {
    Problem::configuration(format!(
        "tenant `{tenant}` has no file any more, but its lockfile still holds its objects ({objects})"
    ))
    .at(Place::file(format!("tenants/{tenant}.toml")))
    .tenant(tenant)
    .hint(format!(
        "restore the file (`git log -- tenants/{tenant}.toml` names the commit that removed it); to delete the objects set `status = \"deprovisioned\"` in it and apply"
    ))
}
