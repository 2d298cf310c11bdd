//! Which platforms there are, and how one of their accounts is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::definition::{CATALOG, Definition};
use super::error::PlatformError;
use super::n8n::N8n;
use super::n8n::api::Api;
use super::rest::Rest;
use super::{Account, Executor, KindFacts, Observer, Platform};
use crate::problem::{Place, Problem};
use crate::resource::Kind;
use crate::workspace::Files;
use crate::workspace::toml::Toml;

type Parsed = Result<Arc<Definition>, Vec<Problem>>;

/// The built-in definitions by their files: a run opens the workspace more than once.
static BUILT_IN: LazyLock<Vec<(&str, Parsed)>> = LazyLock::new(|| {
    let parsed = |text: &str, file: &str| Definition::parse(file, &Arc::from(text)).map(Arc::new);
    CATALOG.iter().map(|(file, text)| (*file, parsed(text, file))).collect()
});

/// A platform upa can drive.
#[derive(Clone)]
pub enum Known {
    /// Workflows must be understood, so n8n is code.
    N8n,
    /// Everything else is data.
    Defined(Arc<Definition>),
}

/// An account that is both asked and written to. Only `apply` keeps the writing half.
pub trait Connection: Observer + Executor {}
impl<T: Observer + Executor> Connection for T {}

/// The platforms of a workspace.
#[derive(Clone)]
pub struct Registry {
    platforms: BTreeMap<String, (Known, Arc<dyn Platform>)>,
    /// The platforms of the workspace's own files that cannot be used.
    broken: BTreeSet<String>,
}

impl Registry {
    /// The built-in platforms and those a workspace defines; its own come last and win.
    pub fn load(files: &Files) -> (Self, Vec<Problem>) {
        let n8n: Arc<dyn Platform> = Arc::new(N8n);
        let mut registry = Self {
            platforms: BTreeMap::from([("n8n".to_owned(), (Known::N8n, n8n))]),
            broken: BTreeSet::new(),
        };
        let mut problems = Vec::new();
        for (file, definition) in &*BUILT_IN {
            registry.add(file, definition.clone(), &mut problems);
        }
        for path in files.in_folder("platforms/", ".toml") {
            let before = problems.len();
            match files.text(path) {
                Some(Ok(text)) => registry.add(path, Definition::parse(path, text).map(Arc::new), &mut problems),
                Some(Err(problem)) => problems.push(problem),
                None => {}
            }
            if problems.len() > before {
                let text = files.text(path).and_then(Result::ok);
                registry.broken.extend(meant(path, text));
            }
        }
        (registry, problems)
    }

    fn add(&mut self, file: &str, definition: Parsed, problems: &mut Vec<Problem>) {
        match definition {
            Ok(definition) if definition.name() == "n8n" => {
                let why = "n8n is built in as code and cannot be overridden by a definition";
                problems.push(
                    Problem::configuration(why)
                        .at(Place::file(file))
                        .hint("remove the file"),
                );
            }
            Ok(definition) => {
                let platform: Arc<dyn Platform> = definition.clone();
                self.platforms
                    .insert(platform.name().to_owned(), (Known::Defined(definition), platform));
            }
            Err(found) => problems.extend(found),
        }
    }

    /// Whether the workspace has a definition of a platform that cannot be used: what follows from that need not be said.
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    pub fn platform(&self, name: &str) -> Option<&dyn Platform> {
        self.platforms.get(name).map(|(_, platform)| &**platform)
    }

    /// What a sandbox needs to know to imitate a platform.
    pub fn known(&self, name: &str) -> Option<&Known> {
        self.platforms.get(name).map(|(known, _)| known)
    }

    /// The platform of a kind.
    pub fn of_kind(&self, kind: &Kind) -> Option<&dyn Platform> {
        self.platform(kind.platform())
    }

    /// The facts about a kind.
    pub fn facts(&self, kind: &Kind) -> Option<KindFacts> {
        self.of_kind(kind)?.facts(kind)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.platforms.keys().map(String::as_str)
    }

    /// Opens an account.
    pub fn connect(&self, account: &Account) -> Option<Result<Arc<dyn Connection>, PlatformError>> {
        let (known, _) = self.platforms.get(&account.platform)?;
        Some(match known {
            Known::N8n => Api::new(account).map(|api| Arc::new(api) as Arc<dyn Connection>),
            Known::Defined(definition) => {
                Rest::new(definition.clone(), account).map(|rest| Arc::new(rest) as Arc<dyn Connection>)
            }
        })
    }
}

/// The platforms that a definition which cannot be used is probably of: by its file, and by what it says.
fn meant(path: &str, text: Option<&Arc<str>>) -> BTreeSet<String> {
    let stem = path.trim_start_matches("platforms/").trim_end_matches(".toml");
    let toml = text.and_then(|text| Toml::parse(path, text).ok());
    let said = toml.and_then(|toml| Some(toml.value.get("platform")?.as_str()?.to_owned()));
    said.into_iter().chain([stem.to_owned()]).collect()
}
