//! Places that lie: addresses that only look like this machine, a proxy that listens, repositories and links that a pull
//! request brings along, pages that talk to the sandbox.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::Space;

/// Something that remembers what it is sent, and answers 502.
struct Recorder {
    url: String,
    heard: Arc<Mutex<String>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(String::new()));
        let written = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream: TcpStream = stream;
                let mut bytes = [0; 8192];
                let read = stream.read(&mut bytes).unwrap_or_default();
                written
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// One tenant, whose n8n is at `url`.
fn n8n_at(url: &str) -> Space {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]\nsandbox = true\n",
        &format!("[accounts.n8n]\nbase_url = '{url}'\ncredentials.api_key = {{ env = \"N8N_KEY\" }}\n"),
    );
    space.commit("elsewhere");
    space
}

#[test]
fn a_proxy_is_sent_nothing_that_is_for_this_machine() {
    let (proxy, server) = (Recorder::start(), Recorder::start());
    let port = server.url.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "127.1", "localhost"] {
        let space = n8n_at(&format!("http://{host}:{port}"));
        for variable in ["http_proxy", "ALL_PROXY"] {
            space
                .upa_with(&["plan"], &[("N8N_KEY", "n8n-key-to-lose"), (variable, &proxy.url)])
                .exits(7);
        }
    }
    assert_eq!(proxy.heard(), "");
    assert!(
        server.heard().contains("n8n-key-to-lose"),
        "the platform itself is asked"
    );
    // The sandbox, and the demo, are on this machine too.
    let everything = [("http_proxy", &*proxy.url), ("ALL_PROXY", &*proxy.url)];
    Space::with(&["ana"])
        .upa_with(&["apply", "--yes"], &everything)
        .exits(0);
    Space::bare().upa_with(&["demo", "here"], &everything).exits(0);
    assert_eq!(proxy.heard(), "");
}

#[test]
fn a_platform_elsewhere_is_reached_through_the_proxy() {
    let proxy = Recorder::start();
    let space = n8n_at("https://n8n.invalid");
    let variables = [("N8N_KEY", "n8n-key-to-keep"), ("https_proxy", &*proxy.url)];
    space.upa_with(&["plan"], &variables).exits(7);
    let heard = proxy.heard();
    assert!(heard.contains("CONNECT n8n.invalid:443"), "{heard}");
    assert!(!heard.contains("n8n-key-to-keep"), "{heard}");
}

#[test]
fn what_only_looks_like_loopback_is_refused_for_every_address_of_an_account() {
    let proxy = Recorder::start();
    for address in [
        "http://127.evil.example",
        "http://127.0.0.1.nip.invalid",
        r"http://127.0.0.1\.evil.invalid/",
        r"https://n8n.example\@evil.invalid",
        "http://localhost.evil.invalid",
        "http://127.0.0.1:80@evil.invalid",
    ] {
        for (key, line) in [
            ("base_url", format!("base_url = '{address}'")),
            (
                "webhook_url",
                format!("base_url = 'https://n8n.invalid'\nwebhook_url = '{address}'"),
            ),
        ] {
            let space = n8n_at("https://n8n.invalid");
            space.edit("upa.toml", "base_url = 'https://n8n.invalid'", &line);
            space.commit("an address");
            let variables = [("N8N_KEY", "k"), ("ALL_PROXY", &*proxy.url)];
            for command in [&["validate"][..], &["plan"]] {
                let run = space.upa_with(command, &variables).exits(5);
                assert!(
                    run.stderr.contains(&format!("account `n8n`: `{key}` ")),
                    "{address}: {run}"
                );
                crate::support::transcript::complete(&run.stderr);
            }
        }
    }
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]",
        "[accounts.google]\nbase_url = 'https://sheets.invalid'\nhosts.token = 'http://127.0.0.1.nip.invalid'\n\n[accounts.n8n]",
    );
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("`hosts."), "{run}");
    assert_eq!(proxy.heard(), "");
}
