//! Everything outside the process, behind one trait: time, chance, the network, the `git` program, and the disk where it
//! must survive a crash. [`real`] is the world; a simulation is another.
//!
//! Time and chance are asked for in many places and are the same for everybody, so they are the thread's: [`now`],
//! [`random_id`], [`run_id`], [`chance`]. What a simulation must be able to break for one process alone — calls, pushes,
//! files — goes by the [`Outside`] that process was given.

mod real;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Request, Response};
use uuid::Uuid;

pub use real::Real;

/// What a process can reach.
#[async_trait]
pub trait Outside: fmt::Debug + Send + Sync {
    /// The time of now.
    fn now(&self) -> Timestamp;

    /// 128 random bits.
    fn random(&self) -> u128;

    /// Sends a request and waits for the head of its answer, no longer than the request's own timeout.
    async fn exchange(&self, request: Request) -> Result<Response, Silence>;

    /// Runs the `git` program in a clone. An error of kind `TimedOut` when it was stopped at the deadline.
    fn git(&self, clone: Checkout<'_>, args: &[&str], deadline: Duration) -> io::Result<Said>;

    /// Asked right before something on disk is changed that a later run goes by: a line of a journal, a ref, a file. An
    /// error means that it cannot be.
    fn about_to(&self, deed: Deed<'_>) -> io::Result<()>;

    /// What tells a file in a folder from every other on any machine, also from a copy of it.
    fn whereabouts(&self, folder: &Path, file: &File) -> io::Result<String>;

    /// Waits where nothing else is to be done meanwhile.
    fn pause(&self, time: Duration);

    /// Does something again and again beside the run, as often as it says, until it returns `None` or what is returned is
    /// dropped.
    fn beside(&self, work: Box<dyn FnMut() -> Option<Duration> + Send>) -> Box<dyn Beside>;
}

/// Something that goes on beside a run. Dropping it stops it, and waits until it has stopped.
pub trait Beside: Send {}

/// A change on disk that a later run goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed<'a> {
    /// A line is added to a journal.
    Journal,
    /// A journal is removed.
    Forget,
    /// A ref of the clone is moved.
    Ref(&'a str),
    /// A file of the work tree, or the index, is replaced.
    File(&'a str),
}

/// A clone of a repository, named so that `git` looks for none by itself: in the tree may lie something that looks like a
/// repository and is a pull request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkout<'a> {
    /// The real `.git`; of a linked work tree, its own folder in there.
    pub git_dir: &'a Path,
    /// The top of the work tree. Paths of remotes are relative to it.
    pub work_tree: &'a Path,
}

/// How the `git` program ended.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// It could not even be sent.
    Unsendable(String),
    /// Nobody was reached: it cannot have done anything.
    NotConnected(String),
    /// The time was up.
    Late,
    /// The connection broke.
    Broke(String),
}

/// An error of a file names the file: a full or a read-only disk says only what it is.
pub fn naming(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// The world as it is.
pub fn real() -> Arc<dyn Outside> {
    Arc::new(Real::default())
}

thread_local! {
    static HERE: RefCell<Option<Arc<dyn Outside>>> = const { RefCell::new(None) };
}

/// Makes another world the one this thread gets its time and chance from, until the answer is dropped.
#[must_use]
pub fn enter(outside: Arc<dyn Outside>) -> Entered {
    Entered(HERE.replace(Some(outside)))
}

/// See [`enter`].
pub struct Entered(Option<Arc<dyn Outside>>);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.replace(self.0.take());
    }
}

fn ask<T>(question: impl FnOnce(&dyn Outside) -> T) -> T {
    HERE.with_borrow(|here| match here {
        Some(outside) => question(&**outside),
        None => question(&Real::default()),
    })
}

/// The time of now.
pub fn now() -> Timestamp {
    ask(|outside| outside.now())
}

/// An id nobody can guess (UUID version 4).
pub fn random_id() -> Uuid {
    let random = ask(|outside| outside.random());
    uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid()
}

/// An id that tells when it was made (UUID version 7): of a run, or of a request.
pub fn run_id() -> Uuid {
    let (now, random) = ask(|outside| (outside.now(), outside.random().to_be_bytes()));
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let mut rest = [0; 10];
    rest.copy_from_slice(&random[..10]);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid()
}

/// A word that no file and no platform can know: 128 random bits in hex, drawn once for the process and never written
/// anywhere. It is the real world's also in a simulation: nothing that is written or decided depends on which it is.
pub fn nonce() -> &'static str {
    static NONCE: OnceLock<String> = OnceLock::new();
    NONCE.get_or_init(|| format!("{:032x}", Real::default().random()))
}

/// A number from 0 to 1.
pub fn chance() -> f64 {
    let random = ask(|outside| outside.random());
    // What an f64 can tell apart.
    (random >> 75) as f64 / (1_u64 << 53) as f64
}

/// A time between two others.
pub fn between(least: Duration, most: Duration) -> Duration {
    least + most.saturating_sub(least).mul_f64(chance())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_they_say() {
        assert_eq!(random_id().get_version_num(), 4);
        assert_ne!(random_id(), random_id());
        let (first, run) = (now(), run_id());
        assert_eq!(run.get_version_num(), 7);
        let (seconds, _) = run.get_timestamp().unwrap().to_unix();
        assert!(seconds.abs_diff(first.as_second() as u64) <= 1);
        let chances: Vec<f64> = (0..200).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.5) && chances.iter().any(|chance| *chance > 0.5));
        let (least, most) = (Duration::from_millis(20), Duration::from_millis(40));
        assert!((least..=most).contains(&between(least, most)));
    }
}
