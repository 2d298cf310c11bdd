//! A run that is cut off: the process with everything it started, as a machine that stops does it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::support::Space;

/// Where a run was when it was killed, by what it left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Before,
    Announced,
    Calls,
    AfterCalls,
    Published,
}

impl Phase {
    pub fn words(self) -> &'static str {
        match self {
            Phase::Before => "before anything left it",
            Phase::Announced => "between the announcement and the first call",
            Phase::Calls => "between the first and the last call",
            Phase::AfterCalls => "after the last call, before the result was pushed",
            Phase::Published => "after the result was pushed",
        }
    }
}

/// A run in a session of its own, which no `git` it starts can leave.
pub struct Going {
    child: Child,
    started: Instant,
}

/// What became of a run.
pub struct Ended {
    /// `None` when it was killed.
    pub status: Option<i32>,
    pub took: Duration,
    pub said: String,
}

impl Going {
    pub fn start(space: &Space, args: &[&str], variables: &[(String, String)], said: &Path) -> Self {
        let plain = space.command(args);
        let file = std::fs::File::create(said).unwrap();
        let mut command = Command::new("setsid");
        command
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(space.root())
            .env_clear()
            .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Self {
            child: command.spawn().unwrap(),
            started: Instant::now(),
        }
    }

    /// Waits until it ends.
    pub fn finish(mut self, said: &Path) -> Ended {
        let status = self.child.wait().unwrap();
        self.ended(status.code(), said)
    }

    /// Kills it at a time after its start, unless it ends before; with or without what it has started.
    pub fn kill_at(mut self, time: Duration, with_children: bool, said: &Path) -> Ended {
        while self.started.elapsed() < time {
            if let Some(status) = self.child.try_wait().unwrap() {
                return self.ended(status.code(), said);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        if with_children {
            let session = i32::try_from(self.child.id()).unwrap();
            for _ in 0..1_000 {
                let left = of_session(session);
                if left.is_empty() {
                    break;
                }
                for pid in left {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.ended(status.code(), said)
    }

    fn ended(&self, status: Option<i32>, said: &Path) -> Ended {
        Ended {
            status,
            took: self.started.elapsed(),
            said: std::fs::read_to_string(said).unwrap_or_default(),
        }
    }
}

/// The processes of a session that are alive.
fn of_session(session: i32) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let alive = processes.filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // `pid (name) state ppid pgrp session …`, and a name may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let is_alive = !matches!(*fields.first()?, "Z" | "X");
        let is_of_it = fields.get(3)?.parse() == Ok(session);
        let pid = process.file_name().to_str()?.parse().ok()?;
        (is_alive && is_of_it).then(|| Pid::from_raw(pid)).flatten()
    });
    alive.collect()
}
