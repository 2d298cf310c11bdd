//! Little that becomes much: schemas that unfold, documents that grow, patterns that backtrack, requests that never end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::product::{TEMPLATES, VERSION_FILE, release};
use crate::support::{Space, server};

/// Longer than any of these takes on a busy machine, and far shorter than what an attack would take.
const SOON: Duration = Duration::from_secs(60);

/// The inputs of the small product, with another schema for `minutes`.
fn with_schema(minutes: &str, definitions: &str) -> Space {
    let space = Space::with(&["ana"]);
    space.edit(
        VERSION_FILE,
        "properties.minutes = { type = \"integer\", minimum = 5, default = 30 }\n",
        &format!("properties.minutes = {minutes}\n{definitions}"),
    );
    release(&space);
    space.commit("another schema");
    space
}

fn give_minutes(space: &Space, value: &str) {
    space.edit(
        "tenants/ana.toml",
        "[inputs]\n",
        &format!("[inputs]\nminutes = {value}\n"),
    );
    space.commit("a value");
}

/// `validate` ends soon, and refuses.
#[track_caller]
fn refused(space: &Space) -> crate::support::Run {
    let began = Instant::now();
    let run = space.upa(&["validate"]).exits(5);
    assert!(began.elapsed() < SOON, "{run}");
    run
}

#[test]
fn a_schema_that_doubles_itself_is_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let mut levels = String::new();
        for level in 0..40 {
            let next = format!("{{ \"$ref\" = \"#/$defs/l{}\" }}", level + 1);
            levels.push_str(&format!("\"$defs\".l{level}.{keyword} = [{next}, {next}]\n"));
        }
        levels.push_str("\"$defs\".l40 = { type = \"integer\" }\n");
        let space = with_schema("{ \"$ref\" = \"#/$defs/l0\" }", &levels);
        let run = refused(&space);
        assert!(
            run.stderr.contains("unfold to more than 200000 schemas") && run.stderr.contains("versions/bot/v1.toml:"),
            "{keyword}: {run}"
        );
    }
}

#[test]
fn a_schema_that_doubles_with_each_level_of_a_value_is_refused_where_the_value_is() {
    let twice = "{ \"$ref\" = \"#/$defs/more\" }";
    let space = with_schema(
        "{ \"$ref\" = \"#/$defs/more\" }",
        &format!("\"$defs\".more.properties.a.allOf = [{twice}, {twice}]\n"),
    );
    let value = format!("{}1{}", "{ a = ".repeat(30), " }".repeat(30));
    give_minutes(&space, &value);
    let run = refused(&space);
    assert!(
        run.stderr.contains("this is too much to check against its schema") && run.stderr.contains("tenants/ana.toml:"),
        "{run}"
    );
}

#[test]
fn what_is_counted_is_what_is_checked() {
    let doubled = |at: &str, of: &str| {
        let level = |level: usize| format!("{{ \"$ref\" = \"#/{of}/l{}\" }}", level + 1);
        let levels = (0..40).map(|n| format!("{at}.l{n}.allOf = [{0}, {0}]\n", level(n)));
        levels.collect::<String>() + &format!("{at}.l40 = {{ type = \"integer\" }}\n")
    };
    // A decoy for who does not decode, and a document within the document.
    let decoy = doubled("\"$defs\"", "%24defs") + "\"%24defs\" = { l0 = {}, l1 = {} }\n";
    let inner = doubled("\"$defs\".bomb.\"$defs\"", "$defs") + "\"$defs\".bomb.\"$id\" = \"urn:bomb\"\n";
    for (first, levels) in [("#/%24defs/l0", decoy), ("#/$defs/bomb/$defs/l0", inner)] {
        let space = with_schema(&format!("{{ \"$ref\" = \"{first}\" }}"), &levels);
        refused(&space);
    }
    let mut levels = String::new();
    for n in 0..60 {
        let next = n + 1;
        levels.push_str(&format!(
            "\"$defs\".l{n} = {{ allOf = [{{ \"$ref\" = \"#/$defs/l{next}\" }}], unevaluatedProperties = false }}\n"
        ));
    }
    levels.push_str("\"$defs\".l60 = { type = \"integer\" }\n");
    refused(&with_schema("{ \"$ref\" = \"#/$defs/l0\" }", &levels));
}

#[test]
fn what_is_mistyped_at_length_is_not_guessed() {
    let long = "k".repeat(40_000);
    let space = with_schema(
        &format!("{{ type = \"object\", properties.{long}1 = {{}}, additionalProperties = false }}"),
        "",
    );
    give_minutes(&space, &format!("{{ {long}2 = 1 }}"));
    refused(&space);
}

#[test]
fn a_pattern_never_backtracks() {
    let space = with_schema("{ type = \"string\", pattern = '^(a+)+$' }", "");
    give_minutes(&space, &format!("\"{}!\"", "a".repeat(50_000)));
    let run = refused(&space);
    assert!(run.stderr.contains("does not match"), "{run}");
    let space = with_schema(r"{ type = 'string', pattern = '^[\p{L}\p{M} .-]{1,80}$' }", "");
    give_minutes(&space, "\"María José\"");
    space.upa(&["validate"]).exits(0);
    for pattern in [r"^(a+)+\1$", r"^(?=a).*$", r"^((a{1000}){1000}){1000}$"] {
        let space = with_schema(&format!("{{ type = \"string\", pattern = '{pattern}' }}"), "");
        let run = refused(&space);
        assert!(run.stderr.contains("versions/bot/v1.toml:"), "{pattern}: {run}");
    }
}

#[test]
fn a_template_that_renders_to_gigabytes_is_refused() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "type = \"string\", maxLength = 40", "type = \"string\"");
    space.edit("tenants/ana.toml", "Hello", &"Hello ".repeat(80_000));
    let assistant = json!({ "name": "<%= tenant.name %>", "messages": vec!["<%= inputs.greeting %>"; 4_000] });
    space.write(&format!("{TEMPLATES}/assistant.json"), format!("{assistant:#}\n"));
    release(&space);
    space.commit("much of a lot");
    let run = refused(&space);
    assert!(
        run.stderr
            .contains("with this value the document takes more than 32 MiB")
            && run.stderr.contains("assistant.json:"),
        "{run}"
    );
    assert_eq!(run.stderr.matches("more than 32 MiB").count(), 1, "said once: {run}");
}

#[test]
fn many_documents_are_counted_together() {
    let space = Space::with(&["ana"]);
    space.edit(
        VERSION_FILE,
        "[inputs]\n",
        "[inputs]\nproperties.rooms = { type = \"array\", items = { type = \"string\" } }\n",
    );
    space.edit(
        VERSION_FILE,
        "template = \"assistant.json\"\n",
        "template = \"assistant.json\"\neach = \"inputs.rooms\"\n",
    );
    let assistant = json!({ "name": "<%= each.value %>", "firstMessage": "x".repeat(100_000) });
    space.write(&format!("{TEMPLATES}/assistant.json"), format!("{assistant:#}\n"));
    release(&space);
    let rooms: Vec<String> = (0..50_000).map(|room| format!("\"room{room}\"")).collect();
    space.edit(
        "tenants/ana.toml",
        "[inputs]\n",
        &format!("[inputs]\nrooms = [{}]\n", rooms.join(", ")),
    );
    space.commit("fifty thousand rooms");
    let run = refused(&space);
    assert!(
        run.stderr
            .contains("the documents of tenant `ana` take more than 64 MiB"),
        "{run}"
    );
    // One file for many resources, and little text for many values.
    let space = Space::with(&["ana"]);
    let text = "x".repeat(1 << 20);
    space.write(
        &format!("{TEMPLATES}/record.json"),
        format!("{{ \"name\": \"{text}\" }}\n"),
    );
    let resource = |n: usize| format!("[resources.more{n}]\nkind = \"vapi.assistant\"\ntemplate = \"record.json\"\n\n");
    let more: String = (0..200).map(resource).collect();
    space.edit(VERSION_FILE, "[resources.answer]", &format!("{more}[resources.answer]"));
    release(&space);
    space.commit("many of one");
    let run = refused(&space);
    assert!(
        run.stderr.contains("those of the version take more than 64 MiB"),
        "{run}"
    );
    let space = Space::with(&["ana"]);
    let empty = "[],".repeat(2_000_000);
    space.write(
        &format!("{TEMPLATES}/record.json"),
        format!("{{ \"x\": [{empty}[]] }}\n"),
    );
    release(&space);
    space.commit("little text");
    let run = refused(&space);
    assert!(run.stderr.contains("this template takes more than 32 MiB"), "{run}");
}

/// What a server answers to these bytes, and after how long it has closed the connection.
fn answer(address: &str, bytes: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    (String::from_utf8_lossy(&text).into_owned(), began.elapsed())
}

#[test]
fn the_sandbox_answers_neither_pages_of_a_browser_nor_names_of_others() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server| {
        let address = server.url.strip_prefix("http://").unwrap();
        let ask = |path: &str, headers: &str| {
            let whole = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
            let (text, _) = answer(address, whole.as_bytes());
            text.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        let here = format!("host: {address}\r\n");
        let key = format!("x-n8n-api-key: {0}\r\nauthorization: Bearer {0}\r\n", server.key);
        let workflows = "/n8n/api/v1/workflows";
        assert_eq!(ask(workflows, &format!("{here}{key}")), "200");
        assert_eq!(ask(workflows, &here), "401");
        for stranger in ["host: evil.example\r\n", "host: 127.0.0.1\r\n", ""] {
            assert_ne!(ask(workflows, &format!("{stranger}{key}")), "200", "{stranger:?}");
        }
        for origin in ["https://evil.example", "null", &server.url] {
            assert_eq!(ask(workflows, &format!("{here}{key}origin: {origin}\r\n")), "403");
        }
        assert_eq!(ask("/_sandbox/calls", &here), "403");
        assert_eq!(ask("/_sandbox/calls", &format!("{here}{key}")), "200");
    });
}

#[test]
fn every_store_has_a_key_of_its_own_that_others_cannot_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let keys = ["ana", "bo"].map(|tenant| {
        let space = Space::with(&[tenant]);
        space.apply();
        let file = space.path(".upa/sandbox.key");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let key = space.read(".upa/sandbox.key");
        space.upa(&["plan", "--detailed-exitcode"]).exits(0);
        assert_eq!(space.read(".upa/sandbox.key"), key, "it stays");
        key
    });
    assert_ne!(keys[0], keys[1]);
    let space = Space::with(&["ana"]);
    space.write(".upa/sandbox.key", "easy\n");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 1
    --- stderr
    error: the sandbox's store cannot be opened: its key cannot be read: [TMP]/work/.upa/sandbox.key holds no key of a sandbox; delete it, and a new one is made
    "#);
}

#[test]
fn the_sandbox_does_not_wait_for_what_never_comes() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server| {
        let address = server.url.strip_prefix("http://").unwrap();
        let head = format!("POST /vapi/assistant HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n");
        std::thread::scope(|scope| {
            for bytes in [
                String::new(),
                "GET /".to_owned(),
                head.clone(),
                format!("{head}\r\n{{\"name\":"),
            ] {
                scope.spawn(move || {
                    let (_, waited) = answer(address, bytes.as_bytes());
                    assert!(waited < SOON, "{bytes:?}: {waited:?}");
                });
            }
        });
    });
}
