//! Workflows as people export them, each for a kind of which n8n takes any: taken as it is, or refused in words that say what
//! to do. Those that are taken are applied, and a second plan is empty.

use serde_json::Value;

use crate::support::{Run, Server, Space, server};

const VERSION: &str = "product = \"bot\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n";

/// What becomes of an export.
enum Becomes {
    /// It is applied, with a note in which these words stand, if any.
    Applied(&'static str),
    /// It is refused before the first call, with these words.
    Refused(&'static [&'static str]),
}

use Becomes::{Applied, Refused};

/// Files of the folder `exports`, whether the first of them is to run, and what becomes of them together.
const CASES: &[(&[&str], bool, Becomes)] = &[
    (&["blank-credential"], false, Applied("")),
    (
        &["cli-export-all"],
        false,
        Refused(&[
            "it holds 2 workflows",
            "jq '.[0]' templates/bot/v1/cli-export-all.json",
            "--separate",
        ]),
    ),
    (&["cli-export"], false, Applied("`versionMetadata`")),
    (&["community-node"], false, Applied("")),
    (&["default-webhook-one", "default-webhook-two"], true, Applied("")),
    (
        &["env-call"],
        false,
        Refused(&["node \"Call\"", "computes which workflow", "Switch node"]),
    ),
    (&["execution-order"], false, Applied("")),
    (&["extends-credential"], false, Applied("`extendsCredential` of nodes")),
    (
        &["five-credentials"],
        false,
        Refused(&[
            "[credentials.",
            "platform = \"n8n\"",
            "type = ",
            "template_name = ",
            "each tenant then names its own",
        ]),
    ),
    (
        &["history-download"],
        false,
        Applied("`checksum`, `scopes`, `usedCredentials`"),
    ),
    (&["literal-id-main", "literal-id-sub"], false, Applied("")),
    (&["long-name"], false, Applied("")),
    (&["no-name"], false, Applied("")),
    (&["no-trigger"], false, Applied("")),
    (&["no-trigger"], true, Refused(&["nothing starts", "active = false"])),
    (&["node-color"], false, Applied("`color` of nodes")),
    (&["null-node-key"], false, Applied("(null) of nodes")),
    (
        &["readable-credential-id"],
        false,
        Refused(&["\"Xero\"", "xeroOAuth2Api", "does not declare"]),
    ),
    (&["readable-webhook-id"], true, Applied("")),
    (&["regex-locator"], false, Applied("")),
    (&["self-call"], false, Applied("")),
    (
        &["source-parameter"],
        false,
        Refused(&[
            "node \"Call\"",
            "a whole workflow inside",
            "make it a workflow of the version",
        ]),
    ),
];

fn file(name: &str) -> String {
    let path = format!("{}/tests/cli/exports/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A version that is made of these exports, each a resource of its own, and a client on it.
fn of(names: &[&str], active: bool) -> Space {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.n8n]\nsandbox = true\n",
    );
    let mut version = VERSION.to_owned();
    for name in names {
        space.write(&format!("templates/bot/v1/{name}.json"), file(name));
        version.push_str(&format!(
            "\n[resources.{name}]\nkind = \"n8n.workflow\"\ntemplate = \"{name}.json\"\nactive = {active}\n"
        ));
    }
    space.write("versions/bot/v1.toml", version);
    space.write(
        "tenants/ana.toml",
        "product = \"bot\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n",
    );
    space.upa(&["release", "bot", "v1"]);
    space.commit("exports");
    space
}

fn says(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is not in {run}");
    }
}

#[test]
fn each_is_taken_as_it_is_or_refused_in_words_that_help() {
    for (names, active, becomes) in CASES {
        let space = of(names, *active);
        match becomes {
            Refused(words) => {
                let run = space.upa(&["validate"]).exits(5);
                says(&run, words);
            }
            Applied(note) => server::on(&space, |server: &Server| {
                let validated = space.upa(&["validate"]).exits(0);
                says(&validated, &[note]);
                space.apply();
                space.settled();
                assert_eq!(server.workflows().len(), names.len(), "{names:?}");
                if *active {
                    assert!(
                        server
                            .workflows()
                            .iter()
                            .all(|workflow| workflow["active"] == Value::Bool(true))
                    );
                }
            }),
        }
    }
}

/// Every file of the folder is a case.
#[test]
fn no_export_is_forgotten() {
    let folder = format!("{}/tests/cli/exports", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".json");
        assert!(CASES.iter().any(|(names, ..)| names.contains(&name)), "{name}");
    }
}

/// What the hint says to write is written, and nothing else is missing.
#[test]
fn credentials_are_declared_as_the_hint_says() {
    let space = of(&["five-credentials"], false);
    let refused = space.upa(&["validate"]).exits(5);
    let mut tables = String::new();
    let mut lines = refused
        .stderr
        .lines()
        .map(|line| line.trim_start_matches(['|', ' ']))
        .peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("[credentials.") {
            tables.push_str(&format!("\n{line}\n"));
            while let Some(line) = lines.next_if(|line| line.contains(" = ")) {
                tables.push_str(&format!("{line}\n"));
            }
        }
    }
    let slots: Vec<String> = tables
        .lines()
        .filter_map(|line| Some(line.strip_prefix("[credentials.")?.strip_suffix(']')?.to_owned()))
        .collect();
    assert_eq!(slots.len(), 5, "{refused}");
    let version = space.read("versions/bot/v1.toml");
    space.write("versions/bot/v1.toml", format!("{version}{tables}"));
    let own: String = slots
        .iter()
        .map(|slot| format!("{slot} = \"Ana · {slot}\"\n"))
        .collect();
    let tenant = space.read("tenants/ana.toml");
    space.write("tenants/ana.toml", format!("{tenant}\n[credentials]\n{own}"));
    space.upa(&["release", "bot", "v1"]).exits(0);
    space.commit("declared");
    space.upa(&["validate"]).exits(0);
}

/// A fix that only sets what n8n does without it otherwise reaches everybody, and goes away again.
#[test]
fn a_setting_is_what_the_template_says() {
    let space = of(&["execution-order"], false);
    let template = "templates/bot/v1/execution-order.json";
    let with = space.read(template);
    let mut without: Value = serde_json::from_str(&with).unwrap();
    without["settings"].as_object_mut().unwrap().remove("executionOrder");
    let release = |text: &str, revision: &str| {
        space.write(template, text);
        space.upa(&["release", "bot", "v1"]).exits(0);
        space.commit(revision);
    };
    release(&without.to_string(), "without");
    server::on(&space, |server: &Server| {
        let order = || server.workflows()[0]["settings"].get("executionOrder").cloned();
        space.apply();
        assert_eq!(order(), None);
        release(&with, "with");
        let plan = space.upa(&["plan"]).exits(0);
        assert!(plan.stdout.contains("settings.executionOrder"), "{plan}");
        space.apply();
        space.settled();
        assert_eq!(order(), Some(Value::from("v1")));
        // Whoever gets it now and whoever had it before run alike.
        release(&without.to_string(), "without again");
        space.apply();
        space.settled();
        assert_eq!(order(), Some(Value::from("v0")));
    });
}

/// The tenant's name stands before the workflow's: whose is too long is said, and the others go on.
#[test]
fn a_name_that_gets_too_long_is_its_tenants_matter() {
    let space = of(&["long-name"], false);
    let tenant = space.read("tenants/ana.toml");
    let long = "a-clinic-with-a-name-as-long-as-it-may-b";
    assert_eq!(long.len(), 40);
    space.write(&format!("tenants/{long}.toml"), tenant);
    space.commit("a long name");
    let run = space.upa(&["validate"]).exits(5);
    says(&run, &["would have 129 characters", long]);
    space.upa(&["plan", "ana"]).exits(0);
}
