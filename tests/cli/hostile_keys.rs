//! Pull requests that are after keys: nothing but what is trusted is contacted, and no key leaves for anything else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::Space;

/// Every key of a run: whoever sees one of these has been sent a key.
const CANARY: &str = "canary-of-a-key";

/// A host that nobody should contact: it remembers everything it is sent, and answers as if all were well.
struct Stranger {
    url: String,
    calls: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Stranger {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stranger = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            heard: Arc::default(),
        };
        let (calls, heard) = (stranger.calls.clone(), stranger.heard.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                calls.fetch_add(1, Ordering::SeqCst);
                let mut bytes = [0; 8192];
                let size = stream.read(&mut bytes).unwrap_or_default();
                heard.lock().unwrap().extend(&bytes[..size]);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]",
                );
            }
        });
        stranger
    }

    /// What it was sent so far.
    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn was_left_alone(&self) {
        assert_eq!(self.calls.load(Ordering::SeqCst), 0, "{}", self.heard());
    }
}

/// An account that is elsewhere, with the key that an environment variable holds.
fn elsewhere(space: &Space, account: &str, url: &str) {
    space.edit(
        "upa.toml",
        &format!("[accounts.{account}]\nsandbox = true\n"),
        &format!("[accounts.{account}]\nbase_url = \"{url}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n"),
    );
}

#[test]
fn a_recorded_account_that_points_elsewhere_is_not_contacted() {
    let space = Space::with(&["ana"]);
    space.apply();
    let stranger = Stranger::listen();
    elsewhere(&space, "n8n", &stranger.url);
    space.commit("elsewhere");
    let variables = [("THE_KEY", CANARY)];
    for args in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["apply", "--yes"],
        &["doctor"],
        &["orphans"],
        &["recover", "ana"],
        &["export", "n8n", "n8n.workflow", "x"],
    ] {
        let run = space.upa_with(args, &variables);
        assert_ne!(run.status, 0, "{args:?}: {run}");
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains("points to another place"),
            "{args:?}: {run}"
        );
        stranger.was_left_alone();
    }
    space.upa_with(&["plan"], &variables).exits(5);
    space.upa_with(&["apply", "--yes"], &variables).exits(5);
    // The same address as an account that is recorded nowhere is asked: nothing else held it back.
    let fresh = Space::with(&["ana"]);
    elsewhere(&fresh, "n8n", &stranger.url);
    fresh.upa_with(&["plan"], &variables);
    assert!(stranger.heard().contains(CANARY), "{}", stranger.heard());
}
