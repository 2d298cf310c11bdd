//! Mistakes in files: one hides no other, in every kind of file, and what the files promise is kept.

use serde_json::{Value, json};

use crate::support::{Run, Space, product};

const PLATFORM: &str = "\
platform = \"notes\"
usual_base = \"https://notes.example\"

[auth]
bearer = \"{cred.api_key}\"

[resource.note]
create = \"POST /notes\"
read = \"GET /notes/{id}\"
update = \"PATCH /notes/{id}\"
delete = \"DELETE /notes/{id}\"
list = { call = \"GET /notes\" }
marker = { field = \"hidden\" }
";

/// Asserts that one run says all of these and exits as for a wrong file.
#[track_caller]
fn says(run: &Run, all: &[&str]) {
    assert_eq!(run.status, 5, "{run}");
    for one in all {
        assert!(run.stderr.contains(one), "`{one}` is missing:\n{run}");
    }
}

#[test]
fn a_misspelt_key_of_a_tenant_hides_no_other_mistake() {
    for (key, version, expected) in [
        ("product = \"bto\"", "version = \"v1\"", "there is no product `bto`"),
        ("product = \"bot\"", "version = \"v9\"", "`bot` has no version `v9`"),
    ] {
        for wrong in [
            "operatr = \"ana@example.test\"\n",
            "operator = \"ana@example.test\"\ncolour = 1\n",
            "operator = 7\n",
            "operator = \"ana@example.test\"\n[labels]\na = 1\n",
        ] {
            let space = Space::with(&["ana"]);
            space.write(
                "tenants/ana.toml",
                format!("{key}\n{version}\ntier = \"client\"\n{wrong}"),
            );
            says(&space.upa(&["validate"]), &[expected, "tenants/ana.toml"]);
        }
    }
}

#[test]
fn a_tenant_with_a_misspelt_table_is_checked_as_if_it_were_spelt_well() {
    let space = Space::with(&["ana"]);
    space.edit("tenants/ana.toml", "[inputs]", "[inptus]");
    space.edit(
        "tenants/ana.toml",
        "greeting = \"Hello from ana\"",
        "greting = \"Hello\"\nminutes = 1",
    );
    let run = space.upa(&["validate"]);
    says(
        &run,
        &[
            "unknown key `inptus`",
            "unknown key `greting`",
            "`inputs.minutes`",
            "tenants/ana.toml:9",
        ],
    );
    // Nothing follows from the guess: the same file, spelt well, has as many mistakes less one.
    let guessed = run.stderr.matches("error: ").count();
    space.edit("tenants/ana.toml", "[inptus]", "[inputs]");
    let spelt = space.upa(&["validate"]).exits(5);
    assert_eq!(spelt.stderr.matches("error: ").count() + 1, guessed, "{run}\n{spelt}");
}

#[test]
fn what_cannot_be_understood_makes_no_further_findings() {
    let space = Space::with(&["ana"]);
    space.edit(
        "tenants/ana.toml",
        "[inputs]\ngreeting = \"Hello from ana\"",
        "inputs = 3",
    );
    let run = space.upa(&["validate"]).exits(5);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
    space.write(
        "tenants/ana.toml",
        product::tenant("ana").replace("\"active\"", "\"depro\""),
    );
    let run = space.upa(&["validate"]).exits(5);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
}

#[test]
fn a_tenant_that_was_guessed_at_is_not_acted_upon() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    space.edit("tenants/ana.toml", "status = ", "statsu = ");
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("misspelt");
    let run = space.upa(&["apply", "--yes"]).exits(5);
    assert!(run.stderr.contains("unknown key `statsu`"), "{run}");
    let bo = space.upa(&["apply", "--yes", "bo"]).exits(0);
    assert!(bo.stdout.contains("Nothing to do"), "{bo}");
    assert!(!space.upa(&["status"]).stdout.contains("deprovisioned"));
}

#[test]
fn a_misspelt_key_of_a_version_hides_no_other_mistake() {
    let space = Space::with(&["ana"]);
    space.edit(product::VERSION_FILE, "revision = 1", "revision = 1\nstgae = 1");
    space.edit(
        product::VERSION_FILE,
        "[webhooks.inbound]\nresource = \"answer\"",
        "[webhooks.inbound]\nresource = \"anwser\"",
    );
    space.edit(product::VERSION_FILE, "\"assistant.json\"", "\"asistant.json\"");
    space.edit(product::VERSION_FILE, "\"vapi.assistant\"", "\"vapy.assistant\"");
    let run = space.upa(&["validate"]);
    says(
        &run,
        &[
            "unknown key `stgae`",
            "there is no resource `anwser`",
            "there is no template `templates/bot/v1/asistant.json`",
            "there is no platform `vapy`",
        ],
    );
    // A tenant on it has no mistake of its own.
    assert!(!run.stderr.contains("tenants/ana.toml"), "{run}");
}

#[test]
fn a_version_in_the_wrong_place_with_a_misspelt_key_is_told_both() {
    let space = Space::with(&[]);
    space.edit(
        product::VERSION_FILE,
        "product = \"bot\"",
        "product = \"bto\"\ncolour = 1",
    );
    says(
        &space.upa(&["validate"]),
        &["unknown key `colour`", "belongs into `versions/bto/v1.toml`"],
    );
}

#[test]
fn a_misspelt_key_of_upa_toml_hides_no_other_mistake() {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true",
        "[accounts.vapi]\nsandbx = true\nbase_url = \"http://vapi.example\"",
    );
    space.edit(
        "upa.toml",
        "[accounts.n8n]\nsandbox = true",
        "[accounts.n8n]\nplatform = \"n9n\"\nsandbox = true",
    );
    says(
        &space.upa(&["validate"]),
        &[
            "unknown key `sandbx`",
            "account `vapi`: `base_url`",
            "there is no platform `n9n`",
        ],
    );
}

#[test]
fn a_misspelt_key_of_a_platform_hides_no_other_mistake_and_nothing_follows_from_it() {
    let space = Space::with(&["ana"]);
    let wrong = PLATFORM
        .replace("usual_base", "usual_bas")
        .replace("\"POST /notes\"", "\"POST notes\"")
        .replace("{cred.api_key}", "{crd.api_key}");
    space.write("platforms/notes.toml", wrong);
    space.edit(
        "upa.toml",
        "[accounts.vapi]",
        "[accounts.notes]\nsandbox = true\n\n[accounts.vapi]",
    );
    space.edit(product::VERSION_FILE, "\"vapi.assistant\"", "\"notes.note\"");
    product::release(&space);
    let run = space.upa(&["validate"]);
    says(
        &run,
        &["unknown key `usual_bas`", "platforms/notes.toml:8", "{crd.api_key}"],
    );
    assert!(!run.stderr.contains("there is no platform"), "{run}");
    assert!(!run.stderr.contains("there is no kind"), "{run}");
}

#[test]
fn a_retired_version_keeps_those_who_are_on_it_and_takes_no_other() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit(product::VERSION_FILE, "stage = \"released\"", "stage = \"retired\"");
    space.write("tenants/bo.toml", product::tenant("bo"));
    space.commit("retired");
    for command in [
        &["validate"][..],
        &["plan"],
        &["apply", "--yes"],
        &["apply", "--yes", "bo"],
    ] {
        says(
            &space.upa(command),
            &[
                "`bot` v1 is retired, which takes no new tenants, and tenant `bo` is not on it",
                "tenants/bo.toml:2",
            ],
        );
    }
    assert!(!space.exists("tenants/bo.lock"));
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    let run = space.upa(&["new", "zoe", "--use-version", "v1"]).exits(5);
    assert!(run.stderr.contains("bot v1 (retired)"), "{run}");
    space.remove("tenants/bo.toml");
    space.commit("without bo");
    space.settled();
}

#[test]
fn who_left_a_retired_version_does_not_come_back_to_it() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("goodbye");
    space.apply();
    space.edit(product::VERSION_FILE, "stage = \"released\"", "stage = \"retired\"");
    space.edit("tenants/ana.toml", "\"deprovisioned\"", "\"active\"");
    space.commit("back");
    says(&space.upa(&["apply", "--yes"]), &["takes no new tenants"]);
}

#[test]
fn a_secret_output_in_the_record_is_refused_whoever_uses_the_version() {
    for tenants in [&[][..], &["ana"]] {
        let space = Space::with(tenants);
        space.write(
            "platforms/notes.toml",
            format!("{PLATFORM}out.token = {{ at = \"token\", secret = true }}\nout.link = {{ at = \"link\" }}\n"),
        );
        space.edit(
            "upa.toml",
            "[accounts.vapi]",
            "[accounts.notes]\nsandbox = true\n\n[accounts.vapi]",
        );
        product::template(&space, "note.json", &json!({"title": "<%= tenant.name %>"}));
        let record = |text: &str| format!("[record]\nshown = {text}\n\n[webhooks.inbound]");
        let version = space.read(product::VERSION_FILE);
        let with = |text: &str| {
            let note = "[resources.note]\nkind = \"notes.note\"\ntemplate = \"note.json\"\n\n[resources.assistant]";
            let text = version.replace("[webhooks.inbound]", &record(text));
            space.write(product::VERSION_FILE, text.replace("[resources.assistant]", note));
            product::release(&space);
            space.upa(&["validate"])
        };
        with(&Value::from("<%= resources.note.out.link %>").to_string()).exits(0);
        let run = with(&Value::from("at <%= resources.note.out.token %>").to_string());
        says(&run, &["`resources.note.out.token` is secret", "[record]"]);
    }
}
