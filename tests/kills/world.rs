//! One remote, one platform, somebody who changes what Git wants, and clones in which `upa apply` is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use upa::lockfile::{self, Lockfile};

use crate::cut::{Ended, Going, Phase};
use crate::life::Wanted;
use crate::place::Place;
use crate::support::origin::Origin;
use crate::support::{Server, Space, product};

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";
/// How often a run is started again before the world counts as one that does not come to rest.
const MOST_RUNS: usize = 8;
/// How often a run is killed before one is left in peace.
const MOST_KILLS_IN_A_ROW: usize = 4;

/// How long a run takes that does something and that nobody kills, as seen last.
static USUAL: Mutex<Duration> = Mutex::new(Duration::from_millis(900));

pub struct World {
    pub place: Place,
    pub name: String,
    pub random: fastrand::Rng,
    pub origin: Origin,
    /// Writes what Git wants, and runs the sandbox.
    pub author: Space,
    pub clones: Vec<Space>,
    pub server: Option<Server>,
    pub tenants: BTreeMap<String, Wanted>,
    pub fixes: usize,
    /// Whether the version asks for one resource more.
    pub extra: bool,
    /// The webhook bases that the remote has held.
    pub bases: BTreeMap<String, String>,
    pub kills: usize,
    pub phases: BTreeMap<Phase, usize>,
    pub seen: BTreeMap<String, usize>,
    pub log: Vec<String>,
    /// How long each writing call takes, in milliseconds.
    slow: u64,
    /// Whether the last run was killed among its calls, or after them: the next run tells.
    among_calls: bool,
    /// The clone in which the last run was killed, until one came through.
    last_in: Option<usize>,
    /// The journals that were there before the last run.
    old_journals: BTreeSet<PathBuf>,
}

impl World {
    pub fn new(seed: u64, place: &Place) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let origin = if random.bool() {
            Origin::daemon()
        } else {
            Origin::path()
        };
        let author = origin.first(&[], GIT);
        let name = match place {
            Place::Sandbox => "tests".to_owned(),
            // The instance is shared, also with earlier runs of this test.
            Place::N8n { .. } => format!("kills-{seed}-{:08x}", fastrand::u32(..)),
        };
        author.edit("upa.toml", "\"tests\"", &format!("\"{name}\""));
        author.edit(
            "upa.toml",
            "[git]",
            "[policy]\nmax_delete_percent = 100\nmax_recreate_percent = 100\n\n[git]",
        );
        if let Place::N8n { url, .. } = place {
            let account = format!("base_url = \"{url}\"\ncredentials.api_key = {{ env = \"UPA_TEST_N8N_KEY\" }}");
            author.edit(
                "upa.toml",
                "[accounts.n8n]\nsandbox = true",
                &format!("[accounts.n8n]\n{account}"),
            );
            author.edit("upa.toml", "\n[accounts.vapi]\nsandbox = true\n", "");
            let assistant = "[resources.assistant]\nkind = \"vapi.assistant\"\ntemplate = \"assistant.json\"\n";
            author.edit(product::VERSION_FILE, assistant, "");
            author.remove(&format!("{}/assistant.json", product::TEMPLATES));
            product::release(&author);
        }
        author.commit("where it is");
        author.git(&["push", "--quiet"]);
        let clones = vec![origin.clone(&[]), origin.clone(&[])];
        let slow = [0, 15, 40][random.usize(0..3)];
        let mut world = Self {
            place: place.clone(),
            name,
            random,
            origin,
            author,
            clones,
            server: None,
            tenants: BTreeMap::new(),
            fixes: 0,
            extra: false,
            bases: BTreeMap::new(),
            kills: 0,
            phases: BTreeMap::new(),
            seen: BTreeMap::new(),
            log: Vec::new(),
            slow,
            among_calls: false,
            last_in: None,
            old_journals: BTreeSet::new(),
        };
        world.serve();
        world
    }

    /// Starts the sandbox, anew if it runs.
    fn serve(&mut self) {
        if self.place.is_real() {
            return;
        }
        drop(self.server.take());
        let server = Server::start(&self.author);
        if self.slow > 0 {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                for account in ["n8n", "vapi"] {
                    server.fault(&json!({"account": account, "method": method, "times": 100_000, "kind": "latency", "ms": self.slow}));
                }
            }
        }
        self.server = Some(server);
    }

    pub fn say(&mut self, what: &str) {
        self.log.push(what.to_owned());
    }

    pub fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    fn variables(&self) -> Vec<(String, String)> {
        match &self.place {
            Place::Sandbox => Vec::new(),
            Place::N8n { key, .. } => vec![("UPA_TEST_N8N_KEY".to_owned(), key.clone())],
        }
    }

    pub fn upa(&self, space: &Space, args: &[&str]) -> crate::support::Run {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        space.upa_with(args, &variables)
    }

    /// What somebody has changed is committed and pushed. A `git` that a killed run left behind may push meanwhile.
    pub fn push(&mut self, message: &str) {
        self.among_calls = false;
        self.author.commit(message);
        for tries in 0..20 {
            // Nobody can while the lock of a killed server is there.
            if tries == 10 {
                self.unlock();
            }
            self.author.git(&["pull", "--quiet", "--rebase"]);
            let pushed = std::process::Command::new("git")
                .args(["push", "--quiet"])
                .current_dir(self.author.root())
                .output()
                .unwrap();
            if pushed.status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("nobody can push any more");
    }

    /// Lives until so many runs were killed and everything is quiet.
    pub fn live(&mut self, kills: usize) {
        let first = self.onboard();
        self.push(&first);
        while self.kills < kills {
            self.until_done(kills);
            if self.kills < kills {
                self.event();
            }
        }
        self.serve();
        for at in 0..self.clones.len() {
            self.quiet(at);
        }
    }

    /// Runs that are killed again and again, in this clone and the other, until one comes through.
    fn until_done(&mut self, kills: usize) {
        let mut at = self.random.usize(0..self.clones.len());
        for _ in 0..MOST_KILLS_IN_A_ROW {
            if self.kills >= kills {
                return;
            }
            match self.random.u32(0..100) {
                0..15 => self.lose_disk(at),
                15..35 => at = (at + 1) % self.clones.len(),
                35..43 if self.server.is_some() => {
                    self.say("the sandbox is killed and started again");
                    self.count("sandboxes killed");
                    self.serve();
                }
                43..53 => self.event(),
                _ => {}
            }
            // Mostly somebody knows already that the run is dead.
            if self.last_in.is_some_and(|last| last != at) && self.random.u32(0..100) < 80 {
                self.steal(at);
            }
            if self.one(at, true) == Some(0) {
                return;
            }
        }
        self.quiet(at);
    }

    /// Runs until one comes through.
    fn quiet(&mut self, at: usize) {
        for _ in 0..MOST_RUNS {
            if self.one(at, false) == Some(0) {
                return;
            }
            self.unlock();
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it does not come to rest");
    }

    /// The server was killed, too, while it moved a ref: its lock stays, no client can take it away, and upa says so.
    /// Whoever looks after the server removes it.
    fn unlock(&mut self) {
        for lock in left_locks(&self.origin.bare(), &[], Duration::from_millis(500)) {
            self.say(&format!("{lock} was left behind on the server, and is removed"));
            self.count(&format!("`{lock}` that a killed server left behind"));
        }
    }

    /// The machine is lost with its disk.
    fn lose_disk(&mut self, at: usize) {
        self.say(&format!("clone {at} is lost and cloned anew"));
        self.clones[at] = self.origin.clone(&[]);
        // What was in it, nobody has any more.
        self.last_in = self.last_in.map(|_| usize::MAX);
        self.count("clones lost with their disk");
    }

    /// One run, killed or not: its status, if it had one.
    fn one(&mut self, at: usize, to_kill: bool) -> Option<i32> {
        self.pull(at);
        self.forget_calls(at);
        let tip = self.tip();
        let usual = *USUAL.lock().unwrap();
        let said = self.said();
        let variables = self.variables();
        let going = Going::start(&self.clones[at], &["apply", "--yes"], &variables, &said);
        // The start of a run only looks, and that takes long: most are killed behind it.
        let least = if self.random.u32(0..100) < 75 { 0.3 } else { 0.0 };
        let part = least + self.random.f64() * (1.05 - least);
        let whole = self.random.u32(0..100) < 80;
        let ended = if to_kill {
            going.kill_at(usual.mul_f64(part), whole, &said)
        } else {
            going.finish(&said)
        };
        self.remember();
        let writes = self.writes(at);
        if std::mem::take(&mut self.among_calls) {
            // It is known now whether the one before had made all its calls.
            let all_made = writes == 0 && ended.status == Some(0);
            let phase = if all_made { Phase::AfterCalls } else { Phase::Calls };
            *self.phases.entry(phase).or_default() += 1;
        }
        match ended.status {
            None => self.killed(at, &tip, writes, part, whole, &ended),
            Some(0) => {
                let subjects = self.new_subjects(&tip);
                if !subjects.is_empty() {
                    let mut usual = USUAL.lock().unwrap();
                    *usual = (*usual * 3 + ended.took) / 4;
                }
                self.say(&format!(
                    "clone {at}: done in {:?}, {writes} writes, {subjects:?}",
                    ended.took
                ));
                self.count("runs that came through");
                self.last_in = None;
            }
            Some(status) => self.failed(at, status, &ended),
        }
        ended.status
    }

    fn killed(&mut self, at: usize, tip: &str, writes: usize, part: f64, whole: bool, ended: &Ended) {
        self.kills += 1;
        self.last_in = Some(at);
        if !whole {
            self.count("killed without the `git` it had started");
        }
        let subjects = self.new_subjects(tip);
        let is_result = |subject: &String| subject.starts_with("upa apply: ") && !subject.contains("begin");
        let phase = if subjects.iter().any(is_result) {
            Some(Phase::Published)
        } else if writes > 0 {
            None
        } else if subjects.is_empty() {
            Some(Phase::Before)
        } else {
            Some(Phase::Announced)
        };
        match phase {
            Some(phase) => *self.phases.entry(phase).or_default() += 1,
            None => self.among_calls = true,
        }
        self.say(&format!(
            "clone {at}: killed at {:?} ({part:.2}), {}: {}\n{}",
            ended.took,
            if whole { "with its children" } else { "alone" },
            phase.map_or("among or after its calls", Phase::words),
            indented(&ended.said)
        ));
    }

    /// What an operator does about it.
    fn failed(&mut self, at: usize, status: i32, ended: &Ended) {
        self.say(&format!("clone {at}: exit {status}\n{}", indented(&ended.said)));
        self.count(&format!("runs that ended with {status}"));
        match status {
            // Of a run that was killed in another clone, or in one that is lost.
            11 => self.steal(at),
            4 | 7 | 12 => {}
            _ => panic!("exit {status}: {}", ended.said),
        }
    }

    /// The claim of a run that is known to be dead is taken away.
    fn steal(&mut self, at: usize) {
        let listed = self.upa(&self.clones[at], &["lease"]).stdout;
        let mut words = listed.split(|sign: char| !sign.is_ascii_hexdigit() && sign != '-');
        if let Some(run) = words.find(|word| word.len() == 36) {
            let stolen = self.upa(&self.clones[at], &["lease", "--steal", run]);
            if stolen.status == 7 {
                self.unlock();
                self.upa(&self.clones[at], &["lease", "--steal", run]).exits(0);
            } else {
                stolen.exits(0);
            }
            self.count("claims of dead runs taken away");
        }
    }

    /// The clone gets what is on the remote, as people do it.
    fn pull(&mut self, at: usize) {
        // Those of its own refs are upa's to remove.
        for lock in left_locks(&self.clones[at].path(".git"), &["upa", "refs/upa"], Duration::ZERO) {
            self.say(&format!("{lock} was left behind in clone {at}, and is removed"));
            self.count(&format!("`{lock}` left behind in a clone"));
        }
        let git = |args: &[&str]| {
            let done = std::process::Command::new("git")
                .args(args)
                .current_dir(self.clones[at].root())
                .output()
                .unwrap();
            done.status.success()
        };
        if !git(&["pull", "--quiet", "--ff-only"]) {
            let done = git(&["fetch", "--quiet"]) && git(&["reset", "--quiet", "--hard", "origin/main"]);
            assert!(done, "the clone cannot be brought up to date");
            self.count("`git pull` refused, reset");
        }
    }

    fn tip(&self) -> String {
        self.origin.git(&["rev-parse", "main"])
    }

    fn new_subjects(&self, since: &str) -> Vec<String> {
        let log = self.origin.git(&["log", "--format=%s", &format!("{since}..main")]);
        log.lines().map(str::to_owned).collect()
    }

    fn said(&self) -> PathBuf {
        self.origin.bare().with_file_name("said")
    }

    /// From here on calls count as those of the run that is started now.
    fn forget_calls(&mut self, at: usize) {
        match &self.server {
            Some(server) => {
                server.ok("DELETE", "/_sandbox/calls", None);
            }
            None => self.old_journals = self.journals(at),
        }
    }

    fn journals(&self, at: usize) -> BTreeSet<PathBuf> {
        let files = std::fs::read_dir(self.clones[at].path(".git/upa"))
            .into_iter()
            .flatten()
            .flatten();
        let paths = files.map(|file| file.path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
            .collect()
    }

    /// How many writing calls the last run made; where nobody counts them, how many steps its journal says were begun.
    fn writes(&self, at: usize) -> usize {
        if let Some(server) = &self.server {
            return server.writes();
        }
        let journals = self.journals(at);
        let texts = journals
            .difference(&self.old_journals)
            .filter_map(|path| std::fs::read_to_string(path).ok());
        texts.map(|text| text.matches("\"begin\"").count()).sum()
    }

    /// The lockfiles on the remote.
    pub fn locks(&self) -> BTreeMap<String, Lockfile> {
        let files = self.origin.git(&["ls-tree", "-r", "--name-only", "main", "tenants/"]);
        let names = files
            .lines()
            .filter_map(|path| path.strip_prefix("tenants/")?.strip_suffix(".lock"));
        let read = |tenant: &str| {
            let text = self.origin.git(&["show", &format!("main:tenants/{tenant}.lock")]);
            let lock = lockfile::parse(&format!("tenants/{tenant}.lock"), tenant, &format!("{text}\n").into());
            (
                tenant.to_owned(),
                lock.unwrap_or_else(|problems| panic!("{problems:?}")),
            )
        };
        names.map(read).collect()
    }

    /// A webhook base that the remote has held stays.
    fn remember(&mut self) {
        for (tenant, lock) in self.locks() {
            let Some(version) = lock.versions.get("v1") else {
                continue;
            };
            let base = version.webhook_base_path.clone();
            let before = self.bases.entry(tenant.clone()).or_insert_with(|| base.clone());
            assert_eq!(*before, base, "the webhooks of {tenant} moved");
        }
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}\n"));
    lines.collect::<String>().trim_end().to_owned()
}

/// Removes the locks below a repository's folder that are so old (a living `git` of the server holds none for half a
/// second), but for those below some of its folders: their names.
fn left_locks(repository: &Path, but: &[&str], age: Duration) -> Vec<String> {
    let is_left = |lock: &Path| {
        let changed = std::fs::metadata(lock).and_then(|about| about.modified());
        changed.is_ok_and(|changed| changed.elapsed().unwrap_or_default() >= age)
    };
    let mut removed = Vec::new();
    let mut folders = vec![repository.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(repository).unwrap().display().to_string();
            if path.is_dir() {
                let other = name == "objects" || but.contains(&name.as_str());
                folders.extend((!other).then_some(path));
            } else if name.ends_with(".lock") && is_left(&path) && std::fs::remove_file(&path).is_ok() {
                removed.push(name);
            }
        }
    }
    removed
}
