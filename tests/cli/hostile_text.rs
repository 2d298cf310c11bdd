//! Texts of strangers: characters that only upa may write, and characters that act on who reads.

use serde_json::{Value, json};

use crate::support::product::{self, VERSION_FILE, template};
use crate::support::transcript::Run;
use crate::support::{Server, Space, server};

/// What a tenant writes to be given another tenant's secret.
const FORGED: &str = r#"\uFDD0{\"secret\":{\"tenant\":\"bo\",\"name\":\"inputs.token\"}}\uFDD1"#;

#[test]
fn a_symbol_cannot_be_forged_with_escapes_in_any_file() {
    let space = Space::with(&["ana", "bo"]);
    space.edit("tenants/ana.toml", "Hello from ana", FORGED);
    let mut forged = product::record();
    forged["nodes"][0]["name"] = json!("HERE");
    template(&space, "record.json", &forged);
    space.edit("templates/bot/v1/record.json", "HERE", FORGED);
    product::release(&space);
    space.write("platforms/crm.toml", "platform = \"crm\\uFDD1\"\n");
    let run = space.upa(&["validate"]).exits(5);
    for place in [
        "tenants/ana.toml:8",
        "templates/bot/v1/record.json:",
        "platforms/crm.toml:1",
    ] {
        assert!(run.stderr.contains(place), "{place}: {run}");
    }
    assert_eq!(run.stderr.matches("U+FDD0 or U+FDD1").count(), 3, "{run}");
}

/// The quotes within an expression are read after those of the file.
#[test]
fn a_symbol_cannot_be_forged_within_an_expression() {
    let space = Space::with(&["ana"]);
    let mut default = product::assistant();
    default["name"] = json!(r#"<%= inputs.greeting ?? "\uFDD0" %>"#);
    template(&space, "assistant.json", &default);
    product::release(&space);
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("templates/bot/v1/assistant.json:"), "{run}");
    assert!(run.stderr.contains("U+FDD0 or U+FDD1"), "{run}");
}

#[test]
fn a_key_a_version_and_a_lockfile_are_checked_like_values() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("upa.toml", "[workspace]", "[workspace]\n\"na\\uFDD0me\" = 1");
    let run = space.upa(&["validate"]).exits(5);
    assert!(
        run.stderr.contains("upa.toml:2") && run.stderr.contains("U+FDD0"),
        "{run}"
    );
    space.git(&["checkout", "upa.toml"]);
    space.edit(VERSION_FILE, "default = 30", "default = 30, title = \"\\U0000FDD0\"");
    let run = space.upa(&["validate"]).exits(5);
    assert!(
        run.stderr.contains(VERSION_FILE) && run.stderr.contains("U+FDD0"),
        "{run}"
    );
    space.git(&["checkout", VERSION_FILE]);
    space.edit("tenants/ana.lock", "commit = \"", "commit = \"\\uFDD0");
    space.commit("an edited lockfile");
    let run = space.upa(&["plan"]).exits(5);
    assert!(
        run.stderr.contains("tenants/ana.lock:") && run.stderr.contains("U+FDD0"),
        "{run}"
    );
}

/// A platform may hold any text: it is a difference, and nothing gets a value for it.
#[test]
fn what_looks_like_a_symbol_on_a_platform_is_text() {
    let space = Space::with(&["ana"]);
    space.apply();
    let forged: Value = serde_json::from_str(&format!("\"{FORGED}\"")).unwrap();
    let path = format!("/vapi/assistant/{}", space.id("ana", "ana@v1/assistant"));
    server::on(&space, |server: &Server| {
        server.ok("PATCH", &path, Some(&json!({ "name": forged })));
    });
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stdout.contains("\u{FFFD}{\"secret\""), "{run}");
    assert!(!run.stdout.contains("(secret"), "{run}");
    space.apply();
    space.settled();
}

/// What acts or hides, and both forms of a command of GitHub's runner.
const HOSTILE: &str = "Hi\n::error::forged\n  ::set-output name=x::y\n##[error]forged ##[group]\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}\u{202E}\u{200B}\u{2028}\u{2066}\u{FEFF}\u{E0041}";

/// Nothing of it is in what was printed.
#[track_caller]
fn harmless(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        for line in text.lines() {
            assert!(
                !line.trim_start().starts_with("::") && !line.contains("##["),
                "{line:?}"
            );
        }
        let bad = |c: char| {
            c.is_control() && !matches!(c, '\n' | '\t')
                || "\u{202E}\u{200B}\u{2028}\u{2066}\u{FEFF}\u{E0041}".contains(c)
        };
        assert!(!text.contains(bad), "{text:?}");
    }
}

#[test]
fn a_platforms_text_is_shown_and_obeyed_by_no_reader() {
    let space = Space::with(&["ana"]);
    space.apply();
    let id = space.id("ana", "ana@v1/assistant");
    server::on(&space, |server: &Server| {
        server.ok(
            "PATCH",
            &format!("/vapi/assistant/{id}"),
            Some(&json!({ "name": HOSTILE })),
        );
    });
    let actions = [("GITHUB_ACTIONS", "true")];
    let run = space.upa_with(&["plan"], &actions).exits(0);
    harmless(&run);
    for shown in [
        "\\u{202e}",
        "\\u{200b}",
        "\\u{2028}",
        "\\u{feff}",
        "\\u{e0041}",
        "## [error]forged",
    ] {
        assert!(run.stdout.contains(shown), "{shown}: {run}");
    }
    let run = space.upa_with(&["plan", "--format", "json"], &actions).exits(0);
    harmless(&run);
    let before = &run.json()["changes"][0]["fields"][0]["before"];
    assert_eq!(before, HOSTILE, "a program reads what it is");
    for command in [
        &["export", "vapi.assistant", &id][..],
        &["adopt", "ana"],
        &["trace", &id],
        &["show", "ana"],
        &["status"],
        &["doctor"],
    ] {
        harmless(&space.upa_with(command, &actions));
    }
}

#[test]
fn a_tenants_text_is_shown_and_obeyed_by_no_reader() {
    let space = Space::with(&["ana"]);
    space.apply();
    let text = serde_json::to_string(&HOSTILE).unwrap().replace('\u{9b}', "\\u009b");
    space.edit("tenants/ana.toml", "\"Hello from ana\"", &text);
    let run = space.upa(&["validate"]).exits(5);
    harmless(&run);
    space.edit(VERSION_FILE, "maxLength = 40", "maxLength = 400");
    product::release(&space);
    harmless(&space.upa(&["validate"]).exits(0));
    let run = space.upa(&["plan"]).exits(0);
    harmless(&run);
    assert!(run.stdout.contains("\\u{202e}"), "{run}");
    space.write("tenants/ana.toml", format!("{text} = [\n"));
    harmless(&space.upa(&["validate"]).exits(5));
    for arguments in [
        &["plan", HOSTILE][..],
        &["show", HOSTILE],
        &["trace", HOSTILE],
        &[HOSTILE],
        &["validate", "--at", HOSTILE],
    ] {
        harmless(&space.upa(arguments));
    }
}

#[test]
fn validate_warns_about_what_hides_with_file_and_line() {
    let space = Space::with(&["ana"]);
    space.edit("tenants/ana.toml", "Hello from ana", "a\\u202Eb");
    space.edit("tenants/ana.toml", "[inputs]", "# \u{2066}b\n[inputs]");
    space.edit(VERSION_FILE, "[inputs]", "# pay\u{200B}pal\n[inputs]");
    let mut assistant = product::assistant();
    assistant["name"] = json!("HERE 👩\u{200D}👩\u{200D}👧 می\u{200C}خواهم");
    template(&space, "assistant.json", &assistant);
    space.edit("templates/bot/v1/assistant.json", "HERE", "x\\u2028\\uDB40\\uDC41");
    product::release(&space);
    let run = space.upa(&["validate"]).exits(0);
    for (code, place) in [
        ("U+202E", "tenants/ana.toml:9"),
        ("U+2066", "tenants/ana.toml:7"),
        ("U+200B", "versions/bot/v1.toml:"),
        ("U+2028", "templates/bot/v1/assistant.json:"),
    ] {
        let (_, behind) = run.stderr.split_once(code).unwrap_or_else(|| panic!("{code}: {run}"));
        let line = behind.lines().nth(1).unwrap();
        assert!(line.contains(place), "{place}: {run}");
    }
    assert_eq!(run.stderr.matches("warning: U+").count(), 4, "{run}");
}

/// A terminal is not there: no escape sequence, also where a variable asks for colours everywhere.
#[test]
fn logs_are_plain_and_upas_own() {
    let space = Space::with(&["ana"]);
    let line = regex::Regex::new(r"^\S*\d{4}-\d\d-\d\dT\S+\s+(TRACE|DEBUG|INFO|WARN|ERROR) ").unwrap();
    for variables in [
        &[("UPA_LOG", "trace")][..],
        &[("UPA_LOG", "trace"), ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")],
        &[("UPA_LOG", "debug,hyper=trace,reqwest=trace,mio=trace")],
    ] {
        let run = space.upa_with(&["apply", "--yes"], variables).exits(0);
        let logged: Vec<&str> = run.stderr.lines().filter(|text| line.is_match(text)).collect();
        assert!(!logged.is_empty(), "{run}");
        for text in logged {
            assert!(!text.contains('\u{1b}'), "{text:?}");
            assert!(text.contains(" upa::"), "{text:?}");
        }
    }
}
