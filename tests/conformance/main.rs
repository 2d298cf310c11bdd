//! The conformance suite: one list of narrated checks, run against the sandbox and against a real n8n.
//!
//! What upa believes about n8n stands here as assertions. They hold for the sandbox in both publication modes, always;
//! and for a real n8n when `UPA_TEST_N8N_URL`, `UPA_TEST_N8N_KEY` and `UPA_TEST_N8N_READ_ONLY_KEY` name one
//! (`tests/servers/n8n-start` makes one and writes them down), with `UPA_TEST_N8N_MODE` = `async` or `sync`. Where the
//! two differ, the real one is right and the sandbox is wrong.
//!
//! With `UPA_TEST_REQUIRE_N8N=1` a missing server is a failure, so that CI cannot pass by skipping.
//!
//! Everything a check makes is named `conf-…` and swept away after it, so a shared test server stays clean. Checks
//! run one after the other: several of them look at the whole instance.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test: it says what it does, and its variables name the server"
)]

mod access;
mod archive;
mod bodies;
mod conflicts;
mod create;
mod credentials;
mod executions;
mod lists;
mod live;
mod owner;
mod publish;
mod sandbox;
mod server;
mod strict;
mod tags;
mod update;
mod webhooks;
mod wire;

use std::panic::AssertUnwindSafe;
use std::time::Duration;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use upa::sandbox::Account;
use upa::sandbox::Sandbox;
use upa::sandbox::Service;
use upa::sandbox::n8n::Options;
use upa::sandbox::n8n::Publication;

use server::Mode;
use server::Server;

/// A sentence about n8n, and the function that holds it to that.
pub struct Check {
    pub says: &'static str,
    pub run: for<'s> fn(&'s Server) -> BoxFuture<'s, ()>,
}

/// `check!("sentence", function)`
macro_rules! check {
    ($says:literal, $run:path) => {
        $crate::Check {
            says: $says,
            run: |server| Box::pin($run(server)),
        }
    };
}
pub(crate) use check;

fn all() -> Vec<Check> {
    [
        access::checks(),
        create::checks(),
        strict::checks(),
        update::checks(),
        lists::checks(),
        tags::checks(),
        credentials::checks(),
        publish::checks(),
        live::checks(),
        conflicts::checks(),
        archive::checks(),
        webhooks::checks(),
        executions::checks(),
        wire::checks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Runs every check and says which failed.
async fn conform(server: &Server) {
    let mut failed = Vec::new();
    let begun = Instant::now();
    for check in all() {
        let start = Instant::now();
        let outcome = AssertUnwindSafe((check.run)(server)).catch_unwind().await;
        let mark = if outcome.is_ok() { "ok  " } else { "FAIL" };
        println!("{mark} {:5} ms  {}", start.elapsed().as_millis(), check.says);
        if outcome.is_err() {
            failed.push(check.says);
        }
        server.sweep().await;
    }
    println!("{}: {:.1} s", server.name, begun.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} does not conform: {failed:#?}", server.name);
}

async fn conform_sandbox(mode: Mode, publication: Publication) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options {
        publication,
        ..Options::default()
    };
    let account = Account {
        name: "n8n".to_owned(),
        service: Service::N8n(options),
    };
    let store = folder.path().join("sandbox.redb");
    let sandbox = Sandbox::start(&store, None, vec![account]).await.expect("a sandbox");
    conform(&Server::sandbox(&sandbox, "/n8n", mode)).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_with_asynchronous_publication() {
    let delay = Duration::from_millis(50);
    conform_sandbox(Mode::Async, Publication::Asynchronous { delay }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_with_synchronous_publication() {
    conform_sandbox(Mode::Sync, Publication::Synchronous).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_n8n() {
    match Server::real() {
        Some(server) => conform(&server).await,
        None if std::env::var("UPA_TEST_REQUIRE_N8N").is_ok_and(|value| value == "1") => {
            panic!("UPA_TEST_REQUIRE_N8N=1, but UPA_TEST_N8N_URL, _KEY and _READ_ONLY_KEY are not all set");
        }
        None => println!("skipped: no real n8n (UPA_TEST_N8N_URL, _KEY and _READ_ONLY_KEY are not all set)"),
    }
}
