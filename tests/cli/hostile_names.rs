//! Names, paths, ids, numbers and answers that would lead elsewhere: each is refused where it stands, and nothing outside
//! the workspace is read or written.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::origin::Origin;
use crate::support::product::{self, TEMPLATES, VERSION_FILE};
use crate::support::{Server, Space, wiretap};

/// What is around a workspace: a step out of it must show here.
fn around(space: &Space) -> Vec<String> {
    let above = space.root().parent().unwrap().to_owned();
    let mut names: Vec<String> = std::fs::read_dir(above)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "log")
        .collect();
    names.sort();
    names
}

fn tenant(space: &Space, from: &str, to: &str) {
    space.edit("tenants/ana.toml", from, to);
}

/// One step out of the workspace, in every place of a file where a name or a path is read.
#[test]
fn no_name_or_path_of_a_file_leads_out() {
    type Trick = fn(&Space);
    let tricks: [(&str, Trick); 16] = [
        ("a template", |space| {
            space.edit(VERSION_FILE, "\"record.json\"", "\"../../../tenants/ana.toml\"");
        }),
        ("a template, absolute", |space| {
            space.edit(VERSION_FILE, "\"record.json\"", "\"/etc/hostname\"");
        }),
        ("a resource", |space| {
            space.edit(VERSION_FILE, "[resources.record]", "[resources.\"../record\"]")
        }),
        ("a webhook", |space| {
            space.edit(VERSION_FILE, "[webhooks.inbound]", "[webhooks.\"../inbound\"]")
        }),
        ("a webhook's resource", |space| {
            space.edit(VERSION_FILE, "resource = \"answer\"", "resource = \"../answer\"");
        }),
        ("the product of a version", |space| {
            space.edit(VERSION_FILE, "product = \"bot\"", "product = \"../bot\"")
        }),
        ("a version", |space| {
            space.edit(VERSION_FILE, "version = \"v1\"", "version = \"../v1\"")
        }),
        ("a file in a template", |space| {
            let mut assistant = product::assistant();
            assistant["firstMessage"] = json!("<%= files[\"../../../upa.toml\"] %>");
            product::template(space, "assistant.json", &assistant);
        }),
        ("the product of a tenant", |space| {
            tenant(space, "\"bot\"", "\"../bot\"")
        }),
        ("the version of a tenant", |space| {
            tenant(space, "\"v1\"", "\"../bot/v1\"")
        }),
        ("an account of a tenant", |space| {
            tenant(space, "\n[inputs]", "\n[accounts]\nn8n = \"../n8n\"\n\n[inputs]");
        }),
        ("an account", |space| {
            space.edit("upa.toml", "[accounts.n8n]", "[accounts.\"../n8n\"]")
        }),
        ("a resource to adopt", |space| {
            tenant(space, "\n[inputs]", "\n[adopt]\n\"../record\" = \"x\"\n\n[inputs]")
        }),
        ("an encrypted file", |space| {
            let key = "name = \"tests\"\nfingerprint_key = { sops = \"../keys.yaml\", key = \"a\" }\n";
            space.edit("upa.toml", "name = \"tests\"\n", key);
        }),
        ("the branch of lockfiles", |space| {
            space.edit(
                "upa.toml",
                "[accounts.n8n]",
                "[git]\nlock_branch = \"../../config\"\n\n[accounts.n8n]",
            );
        }),
        ("a platform", |space| {
            space.write(
                "platforms/own.toml",
                "platform = \"../own\"\nusual_base = \"https://own.invalid\"\n",
            );
        }),
    ];
    for (name, trick) in tricks {
        let space = Space::with(&["ana"]);
        std::fs::write(space.root().join("../keys.yaml"), "a: ENC[]\n").unwrap();
        trick(&space);
        space.commit("out");
        let (before, head) = (around(&space), space.head());
        for args in [&["plan"][..], &["apply", "--yes"]] {
            let run = space.upa(args);
            assert!(run.status == 5 && run.stderr.contains("error: "), "{name}: {run}");
        }
        assert_eq!(around(&space), before, "{name}");
        assert_eq!(space.head(), head, "{name}");
        assert_eq!(space.git(&["status", "--porcelain"]), "", "{name}");
        assert_eq!(space.objects(), 0, "{name}");
    }
}

#[test]
fn no_name_on_the_command_line_leads_out() {
    let space = Space::with(&["ana"]);
    space.write("../evil.toml", product::tenant("evil"));
    let before = around(&space);
    for args in [
        &["new", "../evil", "--product", "bot", "--version", "v1"][..],
        &["new", "../../evil"],
        &["new", "-C", ".", "--", "--help/../x"],
        &["plan", "../evil"],
        &["plan", "--sandbox", "../evil"],
        &["apply", "--yes", "../evil"],
        &["show", "../evil"],
        &["status", "../evil"],
        &["approve", "../evil", "x"],
        &["adopt", "../evil"],
        &["recover", "../evil"],
        &["release", "../bot", "v1"],
        &["release", "bot", "../v1"],
        &["release", "bot", "../../bot/v1"],
    ] {
        let run = space.upa(args);
        assert!([1, 5, 64].contains(&run.status), "{args:?}: {run}");
        assert_eq!(around(&space), before, "{args:?}: {run}");
        assert_eq!(space.git(&["status", "--porcelain"]), "", "{args:?}");
    }
    assert_eq!(
        std::fs::read_to_string(space.path("../evil.toml")).unwrap(),
        product::tenant("evil")
    );
}

/// An id or an input becomes a part of a path; `..` would make another call of it.
#[test]
fn no_id_makes_another_call() {
    let platforms = Space::with(&["ana"]);
    let server = Server::start(&platforms);
    let (port, heard) = wiretap::platform("key-of-vapi", &server.url, &server.key);
    let of_vapi = |space: &Space| {
        let there = format!(
            "[accounts.vapi]\nbase_url = \"http://127.0.0.1:{port}/vapi\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n"
        );
        space.edit("upa.toml", "[accounts.vapi]\nsandbox = true\n", &there);
    };
    for id in [
        "..",
        ".",
        "../tool/x",
        "../../n8n/api/v1/workflows",
        "x?limit=1",
        "x#",
        "%2e%2e",
        "x\\..",
        "x\r\nHost: evil.invalid",
    ] {
        let space = Space::with(&["ana"]);
        of_vapi(&space);
        let adopt = format!("\n[adopt]\nassistant = {}\n\n[inputs]", serde_json::Value::from(id));
        tenant(&space, "\n[inputs]", &adopt);
        space.commit("adopts");
        for args in [
            &["plan"][..],
            &["apply", "--yes"],
            &["export", "vapi", "vapi.assistant", id],
        ] {
            let run = space.upa_with(args, &[("THE_KEY", "key-of-vapi")]);
            assert!([1, 4, 5, 7, 10].contains(&run.status), "{id:?} {args:?}: {run}");
        }
    }
    let text = heard.text();
    let lines = text.lines().filter(|line| line.ends_with(" HTTP/1.1"));
    let paths: Vec<&str> = lines.filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(paths.contains(&"/vapi/assistant/x%23"), "{paths:?}");
    for path in &paths {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let id = path
            .strip_prefix("/vapi/assistant")
            .unwrap_or_else(|| panic!("another call: {path}"));
        assert!(
            id.is_empty() || id.rfind('/') == Some(0) && id.len() > 1,
            "another call: {path}"
        );
    }
    assert!(!text.contains("\r\nHost: evil.invalid"), "{text}");
}

/// Answers every call with a redirect, and remembers what it was sent.
fn redirecting(status: u16, to: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (noted, to) = (asked.clone(), to.to_owned());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 8192];
            let size = stream.read(&mut bytes).unwrap_or_default();
            noted
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(&bytes[..size]).into_owned());
            let _ = write!(
                stream,
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    });
    (url, asked)
}

#[test]
fn a_redirect_takes_no_key_along() {
    let proxy = wiretap::Proxy::start();
    let through = format!("http://127.0.0.1:{}", proxy.port);
    for status in [301, 302, 303, 307, 308] {
        let (port, stranger) = wiretap::stranger();
        for to in [
            format!("http://127.0.0.1:{port}/vapi/assistant"),
            "https://evil.invalid/assistant".to_owned(),
        ] {
            let (url, asked) = redirecting(status, &to);
            let space = Space::with(&["ana"]);
            let there =
                format!("[accounts.vapi]\nbase_url = \"{url}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n");
            space.edit("upa.toml", "[accounts.vapi]\nsandbox = true\n", &there);
            space.commit("there");
            let variables = [
                ("THE_KEY", "key-of-vapi"),
                ("ALL_PROXY", &*through),
                ("HTTPS_PROXY", &*through),
            ];
            for args in [
                &["plan"][..],
                &["apply", "--yes"],
                &["export", "vapi", "vapi.assistant", "x"],
            ] {
                let run = space.upa_with(args, &variables);
                assert_ne!(run.status, 0, "{status} {args:?}: {run}");
            }
            let asked = asked.lock().unwrap();
            assert!(
                asked.iter().any(|head| head.contains("key-of-vapi")),
                "who is trusted was asked"
            );
            assert_eq!(stranger.text(), "", "{status} {to}");
        }
    }
    assert!(proxy.targets().is_empty(), "{:?}", proxy.targets());
}

/// Whatever a name begins with, git takes it for a name, and none makes a file or runs a program.
#[test]
fn no_revision_branch_or_address_is_an_option_of_git() {
    let sprung = |space: &Space, name: &str| {
        for place in ["sprung", "../sprung", ".git/sprung"] {
            assert!(!space.path(place).exists(), "{name}");
        }
    };
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"");
    for revision in [
        "--output=sprung",
        "--upload-pack=touch sprung",
        "-oProxyCommand=touch sprung",
        "--exec=touch sprung",
        "HEAD --output=sprung",
        "main@{upstream} --output=sprung",
        "../../../etc/passwd",
    ] {
        for option in ["--at", "--trusted-ref"] {
            let run = space.upa(&["plan", &format!("{option}={revision}")]).exits(5);
            assert!(run.stderr.contains("there is no revision"), "{revision}: {run}");
            sprung(&space, revision);
        }
    }
    // The remote says what its default branch is; the clone says where it is.
    for branch in ["--upload-pack=touch${IFS}sprung", "-oProxyCommand=touch"] {
        let origin = Origin::path();
        let space = origin.first(&["ana"], "remote = \"origin\"");
        let head = format!("ref: refs/heads/{branch}\n");
        std::fs::create_dir_all(origin.bare().join("refs/heads")).unwrap();
        std::fs::copy(
            origin.bare().join("refs/heads/main"),
            origin.bare().join("refs/heads").join(branch),
        )
        .unwrap();
        std::fs::write(origin.bare().join("HEAD"), head).unwrap();
        for args in [&["plan"][..], &["apply", "--yes"], &["status"]] {
            let run = space.upa(args);
            assert!([0, 5, 7].contains(&run.status), "{branch} {args:?}: {run}");
            sprung(&space, branch);
        }
    }
    for address in [
        "--upload-pack=touch sprung",
        "-oProxyCommand=touch sprung",
        "ssh://-oProxyCommand=touch%20sprung/x",
        "ext::sh -c touch% sprung",
        "file://--upload-pack=touch/x",
    ] {
        let space = Space::with(&["ana"]);
        space.edit(
            "upa.toml",
            "[accounts.n8n]",
            "[git]\nremote = \"origin\"\nbranch = \"main\"\n\n[accounts.n8n]",
        );
        space.commit("remote");
        space.git(&["config", "remote.origin.url", address]);
        for args in [&["plan"][..], &["apply", "--yes"]] {
            let run = space.upa(args);
            assert!([5, 7].contains(&run.status), "{address} {args:?}: {run}");
            sprung(&space, address);
        }
    }
}

/// Small files that become large, or numbers that nothing holds: refused at the file, or read, and never the end of upa.
#[test]
fn a_template_is_no_bomb() {
    let element = "{\"a\":[{},{},{}]},";
    let wide = format!(
        "{{\"name\":\"<%= tenant.name %>\",\"x\":[{}1]}}",
        element.repeat(400_000)
    );
    let keys: String = (0..200_000).map(|_| "\"same\":1,").collect();
    let text = format!("{{\"name\":\"{}\"}}", "<%= tenant.name %>".repeat(100_000));
    for (name, bomb, refusal) in [
        (
            "a deep one",
            format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)),
            Some("recursion limit"),
        ),
        ("a wide one", wide, None),
        ("a key many times", format!("{{{keys}\"name\":\"x\"}}"), None),
        (
            "a large number",
            "{\"name\":\"x\",\"n\":1e999999999}".to_owned(),
            Some("number"),
        ),
        (
            "a long number",
            format!("{{\"name\":\"x\",\"n\":{}}}", "9".repeat(1_000_000)),
            Some("number"),
        ),
        ("many expressions", text, None),
        (
            "half a letter",
            "{\"name\":\"\\ud800\"}".to_owned(),
            Some("not valid JSON"),
        ),
    ] {
        let space = Space::with(&["ana"]);
        space.write(&format!("{TEMPLATES}/assistant.json"), bomb);
        product::release(&space);
        let run = space.upa(&["validate"]);
        match refusal {
            Some(words) => {
                assert_eq!(run.status, 5, "{name}: {run}");
                assert!(
                    run.stderr.contains(words) && run.stderr.contains("assistant.json"),
                    "{name}: {run}"
                );
            }
            None => assert!([0, 5].contains(&run.status), "{name}: {}", run.status),
        }
    }
}

/// A program that reads a definition's contract meets a document that unfolds without end.
#[test]
fn a_contract_is_no_bomb() {
    let space = Space::with(&["ana"]);
    let mut yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(10);
        yaml.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    space.write("../bomb.yaml", format!("openapi: 3.1.0\n{yaml}"));
    let vapi = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platform/catalog/vapi.toml");
    space.write("../vapi.toml", std::fs::read(vapi).unwrap());
    let run = space.upa(&["platform", "check", "../vapi.toml", "--contract", "../bomb.yaml"]);
    assert!([1, 5].contains(&run.status), "{run}");
}
