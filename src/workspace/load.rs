//! Reading every file of a workspace. Each problem is kept and reading goes on, so that one run reports them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::salvage::{self, Doubt, Reading, Salvaged};
use super::schema::Schema;
use super::secret_rules::SecretRules;
use super::settings::{Account, Git, Policy, Section};
use super::toml::Toml;
use super::{
    Entry, Files, Loaded, Settings, Tenant, TenantFile, Version, VersionFile, Workspace, accounts, check, hidden_text,
    lookalikes, release,
};
use crate::platform::{Registry, Template, Templates};
use crate::problem::{Code, Place, Problem, did_you_mean, listed};
use crate::resource::{Kind, is_tenant_name};
use crate::template::{self, Source};

/// The schemas of the files people write, as `upa schema` prints them.
pub static SETTINGS: LazyLock<Schema> = LazyLock::new(Schema::of::<Settings>);
pub static TENANT: LazyLock<Schema> = LazyLock::new(Schema::of::<TenantFile>);
pub static VERSION: LazyLock<Schema> = LazyLock::new(Schema::of::<VersionFile>);

/// Reads and checks a workspace.
pub fn load(files: &Files) -> Loaded {
    let (registry, mut problems) = Registry::load(files);
    let settings = settings(files, &registry, &mut problems);
    let versions = versions(files, &registry, &mut problems);
    let (tenants, wrong) = tenants(files, &mut problems);
    let usable = settings.is_some();
    let workspace = Workspace {
        origin: files.origin.clone(),
        settings: settings.unwrap_or_else(|| stand_in(&registry, &tenants, &wrong)),
        registry,
        tenants,
        versions,
    };
    problems.extend(check::check(&workspace, files));
    problems.extend(wrong.iter().flat_map(|wrong| wrong.check(&workspace, files)));
    problems.extend(hidden_text::check(&workspace, files));
    problems.extend(lookalikes::check(&workspace));
    problems.sort_by(|a, b| place_key(a).cmp(&place_key(b)));
    problems.dedup_by(|later, earlier| later.repeats(earlier));
    Loaded {
        workspace: usable.then_some(workspace),
        problems,
    }
}

/// A tenant whose file violates its schema.
enum Wrong {
    /// As far as it can be understood.
    Guessed(Box<Tenant>, Doubt),
    /// Not at all; the name, and the file.
    Unknown(String, Toml),
}

impl Wrong {
    /// What else is wrong with it, as far as that can be told.
    fn check(&self, workspace: &Workspace, files: &Files) -> Vec<Problem> {
        match self {
            Wrong::Guessed(tenant, doubt) => doubt.certain(check::alone(workspace, tenant, files)),
            Wrong::Unknown(name, toml) => {
                let found = check::version_by_name(workspace, toml, files);
                found.into_iter().map(|problem| problem.tenant(&**name)).collect()
            }
        }
    }
}

/// Settings in which every account exists, so that a broken `upa.toml` hides no finding in another file.
fn stand_in(registry: &Registry, tenants: &BTreeMap<String, Tenant>, wrong: &[Wrong]) -> Settings {
    let guessed = wrong.iter().filter_map(|wrong| match wrong {
        Wrong::Guessed(tenant, _) => Some(&**tenant),
        Wrong::Unknown(..) => None,
    });
    let named = tenants.values().chain(guessed).flat_map(|tenant| &tenant.file.accounts);
    let named = named.map(|(platform, account)| (account.clone(), platform.clone()));
    let defaults = registry.names().map(|name| (name.to_owned(), name.to_owned()));
    Settings {
        workspace: Section {
            name: String::new(),
            fingerprint_key: None,
        },
        accounts: named
            .chain(defaults)
            .map(|(name, platform)| {
                let account = Account {
                    platform: Some(platform),
                    ..Account::default()
                };
                (name, account)
            })
            .collect(),
        policy: Policy::default(),
        git: Git::default(),
        secrets: SecretRules::default(),
    }
}

/// Findings stand in the order in which one may follow from another: tenants are on versions, which are made of platforms.
fn place_key(problem: &Problem) -> (usize, &str, usize) {
    let Some(place) = &problem.place else {
        return (0, "", 0);
    };
    let folders = ["upa.toml", "platforms/", "versions/", "templates/", "tenants/"];
    let rank = folders.iter().position(|folder| place.file.starts_with(folder));
    (rank.map_or(0, |rank| rank + 1), &place.file, place.line)
}

fn toml(files: &Files, path: &str, problems: &mut Vec<Problem>) -> Option<Toml> {
    match files.text(path)? {
        Ok(text) => match Toml::parse(path, text) {
            Ok(toml) => Some(toml),
            Err(found) => {
                problems.extend(found);
                None
            }
        },
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn settings(files: &Files, registry: &Registry, problems: &mut Vec<Problem>) -> Option<Settings> {
    if files.text("upa.toml").is_none() {
        let problem = Problem::configuration("there is no `upa.toml` here, so this is not a workspace");
        problems.push(problem.hint("run `upa demo` for an example, or change to the workspace's folder (`-C DIR`)"));
        return None;
    }
    let toml = toml(files, "upa.toml", problems)?;
    match salvage::read::<Settings>(&SETTINGS, &toml, &[]) {
        Reading::Whole(settings) => {
            problems.extend(accounts::check(&settings, &toml, registry));
            Some(settings)
        }
        Reading::Wrong(found, rest) => {
            problems.extend(found);
            let more = rest.map(|rest| rest.doubt.certain(accounts::check(&rest.file, &rest.toml, registry)));
            problems.extend(more.unwrap_or_default());
            None
        }
    }
}

/// What upa.toml says of one thing, read alone.
fn glance(files: &Files) -> Option<serde_json::Value> {
    let text = files.text("upa.toml")?.ok()?;
    Toml::parse("upa.toml", text).ok().map(|toml| toml.value)
}

/// The remote that upa.toml names.
pub fn remote(files: &Files) -> Option<String> {
    let remote = glance(files)?.pointer("/git/remote")?.as_str()?.to_owned();
    Some(remote)
}

/// Whether every account of upa.toml lives in the sandbox.
pub fn is_all_sandbox(files: &Files) -> bool {
    let accounts = glance(files).and_then(|settings| settings.get("accounts")?.as_object().cloned());
    accounts.is_some_and(|accounts| {
        let mut accounts = accounts.values();
        accounts.all(|account| account.get("sandbox") == Some(&serde_json::Value::Bool(true)))
    })
}

fn tenants(files: &Files, problems: &mut Vec<Problem>) -> (BTreeMap<String, Tenant>, Vec<Wrong>) {
    let mut tenants = BTreeMap::new();
    let mut wrong = Vec::new();
    problems.extend(overlooked(files));
    for path in files.in_folder("tenants/", ".toml") {
        let name = path.trim_start_matches("tenants/").trim_end_matches(".toml");
        if !is_tenant_name(name) {
            problems.push(
                Problem::configuration(format!("`{name}` is not a tenant's name"))
                    .at(Place::file(path))
                    .hint(
                        "use lower case letters, digits and single hyphens, at most 40 characters, and rename the file",
                    ),
            );
        }
        let Some(toml) = toml(files, path, problems) else {
            continue;
        };
        let owned = name.to_owned();
        match salvage::read::<TenantFile>(&TENANT, &toml, &["product", "version", "status"]) {
            Reading::Whole(file) => {
                let name = owned.clone();
                tenants.insert(owned, Tenant { name, file, toml });
            }
            Reading::Wrong(found, rest) => {
                problems.extend(found.into_iter().map(|problem| problem.tenant(name)));
                wrong.push(match rest {
                    Some(rest) => {
                        let Salvaged { file, toml, doubt } = *rest;
                        let name = owned;
                        Wrong::Guessed(Box::new(Tenant { name, file, toml }), doubt)
                    }
                    None => Wrong::Unknown(owned, toml),
                });
            }
        }
    }
    (tenants, wrong)
}

/// Files that somebody put where they would be overlooked: a tenant who is nobody's must not go unnoticed.
fn overlooked(files: &Files) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in files.under("tenants/").filter(|path| path.ends_with(".toml")) {
        if path.matches('/').count() > 1 {
            problems.push(
                Problem::configuration(format!(
                    "`{path}` is in a folder of its own, where no tenant is looked for"
                ))
                .at(Place::file(path))
                .hint("move it into `tenants/`; use `labels` to tell groups of tenants apart"),
            );
        }
    }
    let link = |path: &&str| !path.ends_with(".toml") && matches!(files.entries.get(*path), Some(Entry::Link(_)));
    for folder in ["tenants/", "versions/", "platforms/"] {
        problems.extend(
            files
                .under(folder)
                .filter(link)
                .filter_map(|path| files.text(path)?.err()),
        );
    }
    problems
}

fn versions(files: &Files, registry: &Registry, problems: &mut Vec<Problem>) -> BTreeMap<(String, String), Version> {
    let mut versions = BTreeMap::new();
    for path in files.under("versions/").filter(|path| path.ends_with(".toml")) {
        let Some(toml) = toml(files, path, problems) else {
            continue;
        };
        let file = match salvage::read::<VersionFile>(&VERSION, &toml, &["product", "version", "resources"]) {
            Reading::Whole(file) => file,
            Reading::Wrong(found, rest) => {
                problems.extend(found);
                if let Some(Salvaged { file, toml, doubt }) = rest.map(|rest| *rest) {
                    let more = match misplaced(path, &file, &toml) {
                        Some(problem) => vec![problem],
                        None => version(files, registry, file, toml).1,
                    };
                    problems.extend(doubt.certain(more));
                }
                continue;
            }
        };
        if let Some(problem) = misplaced(path, &file, &toml) {
            problems.push(problem);
            continue;
        }
        let (version, found) = version(files, registry, file, toml);
        problems.extend(found);
        versions.insert((version.file.product.clone(), version.file.version.clone()), version);
    }
    versions
}

/// A version whose file is not where its product and its name say.
fn misplaced(path: &str, file: &VersionFile, toml: &Toml) -> Option<Problem> {
    let expected = Version::path(&file.product, &file.version);
    let problem = || {
        let why = format!("`{}` `{}` belongs into `{expected}`", file.product, file.version);
        Problem::configuration(why).at(toml.key("/product")).hint(format!(
            "rename the file, or change `product` and `version` to fit `{path}`"
        ))
    };
    (path != expected).then(problem)
}

/// Reads the templates of a version and makes them safe.
fn version(files: &Files, registry: &Registry, file: VersionFile, toml: Toml) -> (Version, Vec<Problem>) {
    let mut problems = Vec::new();
    let folder = Version::folder(&file.product, &file.version);
    let mut texts = BTreeMap::new();
    let mut unusable = BTreeSet::new();
    for path in files.under(&folder) {
        let name = path.get(folder.len()..).unwrap_or_default().to_owned();
        match files.text(path) {
            Some(Ok(text)) => {
                texts.insert(name, text.clone());
            }
            Some(Err(problem)) => {
                problems.push(problem);
                unusable.insert(name);
            }
            None => {}
        }
    }
    let inputs = match Schema::compile(check::inputs_schema(&file)) {
        Ok(schema) => Some(schema),
        Err(why) => {
            let problem = Problem::configuration(format!("`inputs` is not a JSON Schema: {why}"));
            problems.push(
                problem
                    .at(toml.key("/inputs"))
                    .hint("mend it as JSON Schema 2020-12 asks: https://json-schema.org/understanding-json-schema"),
            );
            None
        }
    };
    let mut version = Version {
        file,
        toml,
        inputs,
        texts,
        unusable,
        sources: BTreeMap::new(),
        prepared: BTreeMap::new(),
        warnings: Vec::new(),
    };
    problems.extend(read_sources(&mut version, files, &folder));
    problems.extend(check_kinds(&version, registry));
    problems.extend(release::unreleased(&version));
    match prepare(&version, registry) {
        Ok((prepared, warnings)) => {
            version.prepared = prepared;
            version.warnings = warnings;
        }
        Err(found) => problems.extend(found),
    }
    problems.extend(check::version(&version, registry));
    // What is wrong in the file must be mended before it can be released; that it was edited need not be said besides.
    let wrong = |problem: &Problem| {
        let place = problem.place.as_ref();
        problem.is_error() && place.is_some_and(|place| place.file == version.toml.file)
    };
    if problems
        .iter()
        .any(|problem| wrong(problem) && !problem.is(Code::Redefined))
    {
        problems.retain(|problem| !problem.is(Code::Redefined));
    }
    (version, problems)
}

fn read_sources(version: &mut Version, files: &Files, folder: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut together: usize = 0;
    let mut parsed: BTreeMap<&str, Result<Source, Problem>> = BTreeMap::new();
    for (name, resource) in &version.file.resources {
        let place = version
            .toml
            .value_place(&super::toml::pointer(["resources", name, "template"]));
        let template = &resource.template;
        if template.starts_with('/')
            || template.contains('\\')
            || template.split('/').any(|part| part == ".." || part == ".")
        {
            let problem = Problem::configuration(format!("`{template}` leaves the version's folder `{folder}`"));
            problems.push(problem.at(place).hint("a template is a file in that folder"));
            continue;
        }
        let Some(text) = version.texts.get(template) else {
            // A file that is there and cannot be used has its own problem already.
            if !files.entries.contains_key(&format!("{folder}{template}")) {
                let problem = Problem::configuration(format!("there is no template `{folder}{template}`")).at(place);
                problems.push(match did_you_mean(template, version.texts.keys().map(String::as_str)) {
                    Some(word) => problem.hint(format!("did you mean `{word}`?")),
                    None => problem.hint(format!(
                        "files there: {}",
                        listed(version.texts.keys().map(String::as_str))
                    )),
                });
            }
            continue;
        };
        let source = parsed
            .entry(template)
            .or_insert_with(|| Source::parse(&format!("{folder}{template}"), text));
        match source {
            Ok(source) => {
                together = together.saturating_add(template::cost(&source.value));
                if together > template::MOST_TOGETHER {
                    let most = template::MOST_TOGETHER >> 20;
                    let why = format!("with this template those of the version take more than {most} MiB of memory");
                    problems.push(
                        Problem::configuration(why)
                            .at(place)
                            .hint("make two versions of it, or smaller templates"),
                    );
                    break;
                }
                version.sources.insert(name.clone(), source.clone());
            }
            Err(problem) => problems.push(problem.clone()),
        }
    }
    problems
}

fn check_kinds(version: &Version, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, resource) in &version.file.resources {
        let place = || {
            version
                .toml
                .value_place(&super::toml::pointer(["resources", name, "kind"]))
        };
        let kind = Kind::new(&*resource.kind);
        if registry.is_broken(kind.platform()) {
            continue;
        }
        match registry.of_kind(&kind) {
            None => {
                let known: Vec<&str> = registry.names().collect();
                let problem = Problem::configuration(format!("there is no platform `{}`", kind.platform())).at(place());
                problems.push(match did_you_mean(kind.platform(), known.iter().copied()) {
                    Some(word) => problem.hint(format!("did you mean `{word}`?")),
                    None => problem.hint(format!(
                        "known platforms: {}; others are described in `platforms/`",
                        listed(known)
                    )),
                });
            }
            Some(platform) if platform.facts(&kind).is_none() => {
                let known = platform.kinds();
                let problem = Problem::configuration(format!("there is no kind `{kind}`")).at(place());
                problems.push(match did_you_mean(kind.as_str(), known.iter().map(String::as_str)) {
                    Some(word) => problem.hint(format!("did you mean `{word}`?")),
                    None => problem.hint(format!("known kinds: {}", listed(known.iter().map(String::as_str)))),
                });
            }
            Some(platform) => {
                let runs = platform.facts(&kind).is_some_and(|facts| facts.drafts);
                if resource.active && !runs {
                    let place = version.toml.key(&super::toml::pointer(["resources", name, "active"]));
                    problems.push(
                        Problem::configuration(format!("a {kind} does not run, so it cannot be `active`"))
                            .at(place)
                            .hint("remove `active`"),
                    );
                }
            }
        }
    }
    problems
}

type PreparedVersion = (BTreeMap<String, crate::platform::Prepared>, Vec<Problem>);

fn prepare(version: &Version, registry: &Registry) -> Result<PreparedVersion, Vec<Problem>> {
    let path = Version::path(&version.file.product, &version.file.version);
    let mut problems = Vec::new();
    let mut prepared = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut by_platform: BTreeMap<&str, Vec<Template<'_>>> = BTreeMap::new();
    for (name, source) in &version.sources {
        let Some(resource) = version.file.resources.get(name) else {
            continue;
        };
        let platform = resource.kind.split('.').next().unwrap_or_default();
        by_platform.entry(platform).or_default().push(Template {
            resource: name,
            kind: Kind::new(&*resource.kind),
            source,
            active: resource.active,
        });
    }
    for (name, templates) in by_platform {
        let Some(platform) = registry.platform(name) else {
            continue;
        };
        let templates = Templates {
            version_file: &path,
            templates,
            credentials: &version.file.credentials,
            webhooks: &version.file.webhooks,
        };
        match platform.prepare(&templates) {
            Ok(ready) => prepared.extend(ready),
            Err(found) => problems.extend(found),
        }
    }
    warnings.extend(
        prepared
            .values_mut()
            .flat_map(|ready| std::mem::take(&mut ready.warnings)),
    );
    if problems.is_empty() {
        Ok((prepared, warnings))
    } else {
        Err(problems)
    }
}
