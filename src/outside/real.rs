//! The world as it is.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{ClientBuilder, Request, Response, redirect};
use rustix::process::{Pid, Signal};
use uuid::Uuid;

use super::{Beside, Deed, Outside, Said, Silence};
use crate::endpoint;

/// n8n closes idle connections after 5 s (measured); a shorter pool never meets a closed one.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// How long a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// See [`super::real`].
#[derive(Debug, Default)]
pub struct Real {
    /// For other machines, through a proxy if the environment names one. Made when it is first needed.
    abroad: OnceLock<Result<reqwest::Client, String>>,
    /// For this machine: never through a proxy, which would be sent the key in clear. Likewise.
    loopback: OnceLock<Result<reqwest::Client, String>>,
}

#[async_trait]
impl Outside for Real {
    #[expect(clippy::disallowed_methods, reason = "edge: this is where time comes from")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "edge: this is where chance comes from")]
    fn random(&self) -> u128 {
        // Six bits of each are fixed, and no two at the same place of one and of the other turned round.
        Uuid::new_v4().as_u128() ^ Uuid::new_v4().as_u128().reverse_bits()
    }

    async fn exchange(&self, request: Request) -> Result<Response, Silence> {
        let client = match endpoint::is_loopback(request.url()) {
            true => self.loopback.get_or_init(|| build(on_loopback(client()))),
            false if request.url().scheme() != "https" => {
                return Err(Silence::Unsendable("plain HTTP does not leave this machine".to_owned()));
            }
            false => self.abroad.get_or_init(|| build(client())),
        };
        match client {
            Ok(client) => client.execute(request).await.map_err(Silence::from),
            Err(why) => Err(Silence::Unsendable(why.clone())),
        }
    }

    /// In a process group of its own, so that Ctrl-C does not cut it off in the middle.
    fn git(&self, folder: &Path, args: &[&str], deadline: Duration) -> io::Result<Said> {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("git");
        command
            .args(args)
            .current_dir(folder)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A hook that runs upa names a repository, which need not be this one.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(variable);
        }
        wait(command.spawn()?, deadline)
    }

    fn about_to(&self, _deed: Deed<'_>) -> io::Result<()> {
        Ok(())
    }

    fn whereabouts(&self, folder: &Path, file: &File) -> io::Result<String> {
        use std::os::unix::fs::MetadataExt as _;
        let facts = file.metadata()?;
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let folder = folder.canonicalize()?;
        Ok(format!(
            "{machine} {} {} {}",
            folder.display(),
            facts.dev(),
            facts.ino()
        ))
    }

    #[expect(clippy::disallowed_methods, reason = "edge: this is where waiting is done")]
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// On a thread of its own: what it does may block.
    fn beside(&self, mut work: Box<dyn FnMut() -> Option<Duration> + Send>) -> Box<dyn Beside> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Some(pause) = work() {
                match stopped.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Box::new(Thread {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

struct Thread {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Beside for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn client() -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("upa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_DEADLINE)
        .pool_idle_timeout(POOL_IDLE)
        .gzip(true)
        // A redirect could carry the key to another host.
        .redirect(redirect::Policy::none())
}

fn on_loopback(client: ClientBuilder) -> ClientBuilder {
    // The port is the URL's.
    let here = [(Ipv6Addr::LOCALHOST, 0).into(), (Ipv4Addr::LOCALHOST, 0).into()];
    client.no_proxy().resolve_to_addrs("localhost", &here)
}

fn build(client: ClientBuilder) -> Result<reqwest::Client, String> {
    client.build().map_err(|error| error.without_url().to_string())
}

impl From<reqwest::Error> for Silence {
    fn from(error: reqwest::Error) -> Self {
        // The URL may carry a key.
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            reason = inner.to_string();
            source = inner.source();
        }
        if error.is_builder() {
            Silence::Unsendable(reason)
        } else if error.is_connect() {
            Silence::NotConnected(reason)
        } else if error.is_timeout() {
            Silence::Late
        } else {
            Silence::Broke(reason)
        }
    }
}

/// Waits for a child, and kills it with all its own when the deadline passes.
#[expect(clippy::disallowed_methods, reason = "edge: a child has no signal to wait for")]
fn wait(mut child: Child, deadline: Duration) -> io::Result<Said> {
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok(Said {
        ok: status.success(),
        out: stdout.join().unwrap_or_default(),
        err: stderr.join().unwrap_or_default(),
    })
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        use std::os::unix::process::CommandExt as _;
        let child = Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60"])
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let error = wait(child, Duration::from_millis(200)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_goes_on_beside_a_run_stops_with_it() {
        let (count, counted) = mpsc::channel();
        let work = Box::new(move || count.send(()).ok().map(|()| Duration::from_millis(1)));
        let beside = Real::default().beside(work);
        counted.recv().unwrap();
        counted.recv().unwrap();
        drop(beside);
        while counted.try_recv().is_ok() {}
        assert!(counted.recv().is_err(), "it is gone");
    }
}
