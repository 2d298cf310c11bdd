//! The life of a few tenants, in clones of one remote, with runs that are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::support::origin::{Origin, slowly};
use crate::support::{Run, Server, Space, product};

pub struct Life<'a> {
    chance: fastrand::Rng,
    place: &'a Place,
    /// What replays it.
    replay: String,
    name: String,
    origin: Origin,
    /// The people's clone, in which no run is killed.
    people: Space,
    clones: [Option<Space>; 2],
    server: Option<Server>,
    /// tenant → status.
    tenants: BTreeMap<String, &'static str>,
    /// How long a run takes.
    length: Duration,
    /// Webhook bases as they were first recorded on the remote.
    bases: BTreeMap<String, String>,
}

impl<'a> Life<'a> {
    pub fn new(seed: u64, place: &'a Place, replay: &str) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let name = format!("kills-{seed}-{}", std::process::id());
        let origin = if chance.bool() {
            Origin::path()
        } else {
            Origin::daemon()
        };
        let people = origin.first(&[], "remote = \"origin\"");
        people.write("upa.toml", place.settings(&name));
        if !place.has_assistants() {
            let version = people.read(product::VERSION_FILE);
            let (before, rest) = version.split_once("[resources.assistant]").unwrap();
            let (_, files) = rest.split_once("\n[files]").unwrap();
            people.write(product::VERSION_FILE, format!("{before}\n[files]{files}"));
            people.remove(&format!("{}/assistant.json", product::TEMPLATES));
            product::release(&people);
        }
        people.commit("settings");
        people.git(&["push", "--quiet"]);
        let mut life = Self {
            chance,
            place,
            replay: replay.to_owned(),
            server: place.serve(&people),
            name,
            origin,
            people,
            clones: [None, None],
            tenants: BTreeMap::new(),
            length: Duration::from_millis(400),
            bases: BTreeMap::new(),
        };
        if let Some(server) = &life.server {
            slowly(server, 12);
        }
        life.join();
        let started = Instant::now();
        let run = life.apply(0);
        life.expect(run.status == 0, &format!("{run}"));
        life.length = started.elapsed();
        life
    }

    #[track_caller]
    fn expect(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.replay);
    }

    fn join(&mut self) {
        let tenant = format!("t{}", self.tenants.len());
        self.people
            .write(&format!("tenants/{tenant}.toml"), product::tenant(&tenant));
        self.tenants.insert(tenant, "active");
        self.push("a tenant");
    }

    fn push(&self, message: &str) {
        self.people.git(&["pull", "--quiet", "--rebase", "--autostash"]);
        self.people.commit(message);
        self.people.git(&["push", "--quiet"]);
    }

    /// Something changes in Git.
    fn deed(&mut self) {
        let names: Vec<String> = self.tenants.keys().cloned().collect();
        let tenant = names[self.chance.usize(..names.len())].clone();
        let file = format!("tenants/{tenant}.toml");
        match self.chance.u32(..6) {
            0 | 1 if self.tenants.len() < 5 => self.join(),
            2 => {
                let word = format!("Word {}", self.chance.u32(..1000));
                let text = self.people.read(&file);
                let lines = text.lines().map(|line| match line.starts_with("greeting") {
                    true => format!("greeting = \"{word}\"\n"),
                    false => format!("{line}\n"),
                });
                self.people.write(&file, lines.collect::<String>());
                self.push("an input");
            }
            3 => {
                let path = format!("{}/answer.json", product::TEMPLATES);
                let mut template: serde_json::Value = serde_json::from_str(&self.people.read(&path)).unwrap();
                template["nodes"][0]["notes"] = serde_json::json!(format!("fix {}", self.chance.u32(..1000)));
                self.people.write(&path, format!("{template:#}\n"));
                product::release(&self.people);
                self.push("a fix");
            }
            _ => {
                let status = ["active", "suspended", "active", "deprovisioned"][self.chance.usize(..4)];
                let before = self.tenants.insert(tenant, status).unwrap();
                self.people.edit(
                    &file,
                    &format!("status = \"{before}\""),
                    &format!("status = \"{status}\""),
                );
                self.push(status);
            }
        }
    }

    fn clone(&mut self, which: usize) -> &Space {
        if let Some(clone) = &self.clones[which] {
            // Whatever a run that was killed has left in the work tree: CI checks out what there is.
            clone.git(&["fetch", "--quiet", "origin"]);
            let _ = std::fs::remove_file(clone.path(".git/index.lock"));
            clone.git(&["reset", "--quiet", "--hard", "origin/main"]);
        } else {
            self.clones[which] = Some(self.origin.clone(&[]));
        }
        self.clones[which].as_ref().unwrap()
    }

    fn apply(&mut self, which: usize) -> Run {
        let variables: Vec<(String, String)> = self.variables();
        let clone = self.clone(which);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        clone.upa_with(&["apply", "--yes"], &variables)
    }

    fn variables(&self) -> Vec<(String, String)> {
        self.place
            .variables()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Something changes, a run starts, and is killed: in which phase.
    pub fn kill(&mut self) -> &'static str {
        for _ in 0..1 + self.chance.usize(..2) {
            self.deed();
        }
        let which = self.chance.usize(..2);
        self.free();
        let variables = self.variables();
        let before = self.origin.git(&["rev-parse", "main"]);
        let wait = self.length.mul_f64(self.chance.f64());
        let clone = self.clone(which);
        let mut child = clone
            .command(&["apply", "--yes"])
            .envs(variables)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let journals = clone.path(".git/upa");
        std::thread::sleep(wait);
        let ended = child.try_wait().unwrap().is_some();
        crate::kill(&mut child);
        let journal = std::fs::read_dir(journals)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|end| end == "journal"));
        let after = self.origin.git(&["rev-parse", "main"]);
        let begun = self.origin.subjects("main")[0].contains("begin");
        self.remember();
        if self.chance.u32(..4) == 0 {
            self.clones[which] = None;
        }
        match (ended, after != before, begun, journal) {
            (true, ..) => "it had ended",
            (_, false, _, false) => "before anything was announced",
            (_, false, _, true) => "while it was being announced",
            (_, true, true, _) => "in its calls",
            (_, true, false, _) => "after it had published",
        }
    }

    /// What the remote records now is not to change.
    fn remember(&mut self) {
        for tenant in self.tenants.keys() {
            let shown = format!("main:tenants/{tenant}.lock");
            let show = std::process::Command::new("git")
                .args(["show", &shown])
                .current_dir(self.origin.bare())
                .output();
            let lock = String::from_utf8(show.unwrap().stdout).unwrap();
            let Some(base) = lock.lines().find(|line| line.starts_with("base = ")) else {
                continue;
            };
            let known = self.bases.entry(tenant.clone()).or_insert_with(|| base.to_owned());
            assert_eq!(known, base, "the webhooks of {tenant} moved\n{}", self.replay);
        }
    }

    /// A person who knows that the run is dead takes its claim away.
    fn free(&mut self) {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let listed = self.people.upa_with(&["lease"], &variables);
        let ids = listed
            .stdout
            .split_whitespace()
            .filter(|word| word.len() == 36 && word.matches('-').count() == 4);
        for id in ids {
            self.people.upa_with(&["lease", "--steal", id], &variables);
        }
    }

    /// Runs until nothing is left to do, in either clone.
    pub fn settle(&mut self) {
        if let Some(server) = &self.server {
            server.ok("DELETE", "/_sandbox/faults", None);
            // What a killed run had in flight arrives.
            std::thread::sleep(Duration::from_millis(60));
        }
        self.free();
        for which in [0, 1] {
            let mut last = None;
            for _ in 0..6 {
                let run = self.apply(which);
                let done = run.status == 0 && run.stdout.contains("Nothing to do");
                self.expect([0, 4, 7, 8].contains(&run.status), &format!("{run}"));
                last = Some(run);
                if done {
                    break;
                }
            }
            let last = last.unwrap();
            self.expect(
                last.stdout.contains("Nothing to do"),
                &format!("it does not come to rest: {last}"),
            );
        }
        self.remember();
    }

    /// The promises, by what the platform and the remote hold.
    pub fn check(&mut self) {
        let marks = self.place.marks(self.server.as_ref(), &self.name);
        let resources: &[&str] = match self.place.has_assistants() {
            true => &["answer", "record", "assistant"],
            false => &["answer", "record"],
        };
        let there = self.tenants.iter().filter(|(_, status)| **status != "deprovisioned");
        let wanted: BTreeSet<String> = there
            .flat_map(|(tenant, _)| resources.iter().map(move |resource| format!("{tenant}@v1/{resource}")))
            .collect();
        let found: BTreeSet<String> = marks.keys().cloned().collect();
        self.expect(found == wanted, &format!("there is {found:?}, wanted is {wanted:?}"));
        for (address, ids) in &marks {
            self.expect(ids.len() == 1, &format!("twins of {address}: {ids:?}"));
            let tenant = address.split('@').next().unwrap();
            let lock: toml::Table = self.origin.lock("main", tenant).parse().unwrap();
            let applied = &lock["resources"][address.as_str()];
            self.expect(applied.get("pending").is_none(), &format!("{address} is pending"));
            self.expect(
                applied["applied"]["id"].as_str() == Some(&ids[0]),
                &format!("{address} is not the recorded one"),
            );
            let state = lock["versions"]["v1"]["request"]["state"].as_str().unwrap().to_owned();
            self.expect(
                ["COMPLETED", "FAILED"].contains(&state.as_str()),
                &format!("the request of {tenant} is {state}"),
            );
        }
        // Nothing of it stays on a platform that others use.
        for tenant in self.tenants.clone().into_keys() {
            let status = self.tenants.insert(tenant.clone(), "deprovisioned").unwrap();
            if status != "deprovisioned" {
                let file = format!("tenants/{tenant}.toml");
                self.people
                    .edit(&file, &format!("status = \"{status}\""), "status = \"deprovisioned\"");
            }
        }
        self.push("goodbye");
        self.settle();
        let left = self.place.marks(self.server.as_ref(), &self.name);
        self.expect(left.is_empty(), &format!("left behind: {left:?}"));
    }
}
