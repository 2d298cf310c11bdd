//! A world: one clock, one source of chance, one remote, one sandbox of all platforms. Nothing in it is real but the code
//! under test, libgit2 on a folder in memory, and the sandbox's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::Request;
use git2::{FileMode, Repository, Signature, Time};
use jiff::Timestamp;
use serde_json::Value;
use upa::outside::{self, Entered};
use upa::platform::definition::Definition;
use upa::resource::Address;
use upa::sandbox::{self, Inside, Memory, Service};
use upa::secret::Secret;
use upa::workspace::release::released;
use upa::workspace::{Entry, Origin, load};

use super::fate::Fate;
use super::process::Process;
use super::product::{self, VERSION};

/// Paths and texts of a workspace.
pub type Files = BTreeMap<String, String>;

/// The remote's folder.
const REMOTE: &str = "remote.git";
pub const MAIN: &str = "refs/heads/main";
/// The key of the sandbox.
const KEY: &str = "upa-sandbox-of-the-simulation";
/// 2026-11-27T00:00:00Z.
const EPOCH: i64 = 1_795_737_600;

static PINE: LazyLock<Arc<Definition>> =
    LazyLock::new(|| Arc::new(Definition::parse("platforms/pine.toml", &Arc::from(product::pine())).unwrap()));

pub struct World {
    pub seed: u64,
    chance: Mutex<fastrand::Rng>,
    began: tokio::time::Instant,
    /// The time that passed before this world was copied from another.
    before: Duration,
    pub sandbox: Inside,
    remote: Mutex<Repository>,
    pub folder: tempfile::TempDir,
    /// What humans see in the workspace.
    pub files: Mutex<Files>,
    /// What happened, for whoever replays it.
    trace: Mutex<Vec<String>>,
    /// Ids that are recorded on the remote: they are never lost, unless somebody deletes the object.
    pub recorded: Mutex<BTreeMap<String, String>>,
    /// The ends of addresses whose object may be another from now on.
    forgotten: Mutex<Vec<String>>,
    /// What people say is not there: `--recreate`.
    pub recreate: Mutex<BTreeSet<Address>>,
    /// The objects that runs named and left as they are: tenant and resource.
    pub left: Mutex<BTreeSet<(String, String)>>,
    /// What others have on the same accounts, as they made it.
    pub theirs: Mutex<BTreeSet<String>>,
    /// How often a person had to answer, and how many objects were named to one.
    pub asked: AtomicUsize,
    pub named: AtomicUsize,
}

fn memory_folder() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        shm.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// A file that holds a secret; outside of every workspace, at a place that is the same whenever a seed is replayed.
pub fn secret_file(name: &str, secret: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulated-{name}"));
    if std::fs::read_to_string(&path).ok().as_deref() != Some(secret) {
        let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::io::Write::write_all(&mut file, secret.as_bytes()).unwrap();
        file.persist(&path).unwrap();
    }
    path.display().to_string()
}

fn sandbox(memory: Memory) -> Inside {
    let accounts = [
        sandbox::Account {
            name: "n8n".to_owned(),
            service: Service::N8n(sandbox::n8n::Options::default()),
        },
        sandbox::Account {
            name: "pine".to_owned(),
            service: Service::Rest(PINE.clone()),
        },
    ];
    Inside::new(Arc::new(memory), Secret::new(KEY), &accounts).unwrap()
}

impl World {
    /// A workspace without tenants, on a remote.
    pub fn new(seed: u64) -> Arc<Self> {
        let folder = tempfile::tempdir_in(memory_folder()).unwrap();
        let remote = super::git::init(&folder.path().join(REMOTE), true, "");
        let world = Arc::new(Self {
            seed,
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
            began: tokio::time::Instant::now(),
            before: Duration::ZERO,
            sandbox: sandbox(Memory::default()),
            remote: Mutex::new(remote),
            folder,
            files: Mutex::new(product::files(
                &secret_file("key", KEY),
                &secret_file("fingerprints", &"f".repeat(32)),
            )),
            trace: Mutex::default(),
            recorded: Mutex::default(),
            forgotten: Mutex::default(),
            recreate: Mutex::default(),
            left: Mutex::default(),
            theirs: Mutex::default(),
            asked: AtomicUsize::new(0),
            named: AtomicUsize::new(0),
        });
        world.release();
        world.commit("workspace");
        world
    }

    /// The same world as it is now, to go on from again and again. It must not outlive this one.
    pub fn copy(&self) -> Arc<Self> {
        let folder = tempfile::tempdir_in(memory_folder()).unwrap();
        copy(self.folder.path(), folder.path());
        Arc::new(Self {
            seed: self.seed,
            chance: Mutex::new(self.chance.lock().unwrap().clone()),
            began: tokio::time::Instant::now(),
            before: self.elapsed(),
            sandbox: sandbox(self.sandbox.memory().copy()),
            remote: Mutex::new(Repository::open_bare(folder.path().join(REMOTE)).unwrap()),
            folder,
            files: Mutex::new(self.files.lock().unwrap().clone()),
            trace: Mutex::default(),
            recorded: Mutex::new(self.recorded.lock().unwrap().clone()),
            forgotten: Mutex::new(self.forgotten.lock().unwrap().clone()),
            recreate: Mutex::new(self.recreate.lock().unwrap().clone()),
            left: Mutex::new(self.left.lock().unwrap().clone()),
            theirs: Mutex::new(self.theirs.lock().unwrap().clone()),
            asked: AtomicUsize::new(0),
            named: AtomicUsize::new(0),
        })
    }

    /// Makes it the world of this thread.
    pub fn enter(self: &Arc<Self>) -> Entered {
        outside::enter(Process::new(self, "somebody", Fate::calm(), false))
    }

    /// Objects whose addresses end so may be others from now on.
    pub fn forget(&self, end: &str) {
        self.forgotten.lock().unwrap().push(end.to_owned());
        self.recorded
            .lock()
            .unwrap()
            .retain(|address, _| !address.ends_with(end));
    }

    /// Remembers what is recorded for an address.
    pub fn remember(&self, address: String, id: String) {
        let forgotten = self.forgotten.lock().unwrap();
        if !forgotten.iter().any(|end| address.ends_with(end.as_str())) {
            self.recorded.lock().unwrap().insert(address, id);
        }
    }

    fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(EPOCH).unwrap() + self.elapsed()
    }

    pub fn random(&self) -> u128 {
        self.chance.lock().unwrap().u128(..)
    }

    /// A number below `end`.
    pub fn roll(&self, end: u32) -> u32 {
        self.chance.lock().unwrap().u32(..end)
    }

    pub fn note(&self, what: impl Into<String>) {
        let at = self.elapsed().as_millis();
        self.trace.lock().unwrap().push(format!("{at:>9} {}", what.into()));
    }

    pub fn trace(&self) -> String {
        self.trace.lock().unwrap().join("\n")
    }

    pub fn remote(&self) -> MutexGuard<'_, Repository> {
        self.remote.lock().unwrap()
    }

    /// Makes the templates the next revision, as `upa release` does.
    pub fn release(&self) {
        let mut files = self.files.lock().unwrap();
        let entries = files
            .iter()
            .map(|(path, text)| (path.clone(), Entry::Text(Arc::from(text.as_str()))));
        let loaded = load(&upa::workspace::Files {
            origin: Origin::WorkTree,
            entries: entries.collect(),
        });
        let workspace = loaded.workspace.unwrap();
        let version = &workspace.versions[&("kit".to_owned(), "v1".to_owned())];
        if let Some((_, text)) = released(version).unwrap_or_else(|problem| panic!("{problem:?}")) {
            files.insert(VERSION.to_owned(), text);
        }
    }

    pub fn write(&self, path: &str, text: impl Into<String>) {
        self.files.lock().unwrap().insert(path.to_owned(), text.into());
    }

    /// Somebody pushes the workspace as they see it; lockfiles stay.
    pub fn commit(&self, message: &str) {
        let remote = self.remote();
        let parent = super::git::tip(&remote, MAIN).map(|id| remote.find_commit(id).unwrap());
        let mut index = git2::Index::new().unwrap();
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree().unwrap()).unwrap();
            let gone: Vec<Vec<u8>> = index
                .iter()
                .map(|entry| entry.path)
                .filter(|path| !path.ends_with(b".lock"))
                .collect();
            for path in gone {
                index.remove(Path::new(std::str::from_utf8(&path).unwrap()), 0).unwrap();
            }
        }
        for (path, text) in &*self.files.lock().unwrap() {
            let id = remote.blob(text.as_bytes()).unwrap();
            index.add(&entry(path, id)).unwrap();
        }
        let tree = remote.find_tree(index.write_tree_to(&remote).unwrap()).unwrap();
        let who = Signature::new("Ana", "ana@example.test", &Time::new(self.now().as_second(), 0)).unwrap();
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let id = remote.commit(Some(MAIN), &who, &who, message, &tree, &parents).unwrap();
        self.note(format!("human pushes {message}: {id}"));
    }

    /// Asks the platforms as somebody who sees everything.
    pub async fn look(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:1/{path}"))
            .header("x-n8n-api-key", KEY)
            .header("content-type", "application/json")
            .body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
            .unwrap();
        let response = self.sandbox.answer(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(
            status.is_success(),
            "{method} {path}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        }
    }

    /// The lockfiles of the remote.
    pub fn locks(&self) -> BTreeMap<String, String> {
        let remote = self.remote();
        let commit = remote.find_commit(super::git::tip(&remote, MAIN).unwrap()).unwrap();
        let Ok(folder) = commit.tree().unwrap().get_path(Path::new("tenants")) else {
            return BTreeMap::new();
        };
        let folder = folder.to_object(&remote).unwrap().peel_to_tree().unwrap();
        let locks = folder.iter().filter_map(|entry| {
            let tenant = entry.name().ok()?.strip_suffix(".lock")?.to_owned();
            let blob = remote.find_blob(entry.id()).unwrap();
            Some((tenant, String::from_utf8(blob.content().to_vec()).unwrap()))
        });
        locks.collect()
    }
}

fn entry(path: &str, id: git2::Oid) -> git2::IndexEntry {
    git2::IndexEntry {
        ctime: git2::IndexTime::new(0, 0),
        mtime: git2::IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: u32::try_from(i32::from(FileMode::Blob)).unwrap(),
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

fn copy(from: &Path, to: &Path) {
    for child in std::fs::read_dir(from).unwrap() {
        let child = child.unwrap();
        let target = to.join(child.file_name());
        let kind = child.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(child.path()).unwrap(), target).unwrap();
        } else if kind.is_dir() && child.file_name() == "objects" {
            // Objects never change: those of the other are looked up there, as long as it is.
            std::fs::create_dir_all(target.join("info")).unwrap();
            std::fs::write(target.join("info/alternates"), format!("{}\n", child.path().display())).unwrap();
        } else if kind.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&child.path(), &target);
        } else {
            std::fs::copy(child.path(), target).unwrap();
        }
    }
}
