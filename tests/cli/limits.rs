//! Whatever upa reads has a largest size and a deepest nesting, and says so: it neither dies nor takes for ever.

use std::fs::File;

use crate::support::Space;
use crate::support::product::TEMPLATES;

/// Deep enough to end any program that follows it down on its stack.
const DEEP: usize = 10_000;

fn nested(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(DEEP), close.repeat(DEEP))
}

#[track_caller]
fn refused(space: &Space, args: &[&str], words: &[&str]) {
    let run = space.upa(args).exits(5);
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is not in:\n{run}");
    }
    assert!(run.stderr.len() < 100_000, "{} bytes of findings", run.stderr.len());
}

#[test]
fn every_toml_file_has_a_deepest_nesting() {
    let space = Space::with(&["ana"]);
    space.apply();
    let (arrays, tables) = (nested("[", "]"), nested("{a=", "}"));
    for path in [
        "upa.toml",
        "tenants/ana.toml",
        "versions/bot/v1.toml",
        "platforms/crm.toml",
        "tenants/ana.lock",
    ] {
        let before = space.exists(path).then(|| space.read(path));
        for deep in [
            format!("a = {arrays}"),
            format!("a = {tables}"),
            format!("a{} = 1", ".a".repeat(DEEP)),
            format!("[a{}]", ".a".repeat(DEEP)),
        ] {
            space.write(path, deep);
            space.commit("deep");
            refused(&space, &["plan"], &["nest tables and arrays less deep", path]);
        }
        match before {
            Some(text) => space.write(path, text),
            None => std::fs::remove_file(space.path(path)).unwrap(),
        }
        space.commit("as before");
    }
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_plan_has_a_largest_size_and_a_deepest_nesting() {
    let space = Space::with(&["ana"]);
    let plan = space.path("deep.json");
    std::fs::write(&plan, nested("[", "]")).unwrap();
    let args = ["apply", "--plan", "deep.json"];
    refused(&space, &args, &["`deep.json` is not a plan", "recursion limit"]);
    File::create(&plan).unwrap().set_len((256 << 20) + 1).unwrap();
    refused(
        &space,
        &args,
        &["cannot read the plan", "268435456 bytes that upa reads"],
    );
}

#[test]
fn a_lockfile_has_a_largest_size() {
    let space = Space::with(&["ana"]);
    space.apply();
    let text = space.read("tenants/ana.lock") + &"#".repeat(16 << 20);
    space.write("tenants/ana.lock", text);
    space.commit("large");
    refused(
        &space,
        &["plan"],
        &["this lockfile has", "reads at most 16777216", "tenants/ana.lock"],
    );
}

#[test]
fn a_journal_has_a_largest_size() {
    let space = Space::with(&["ana"]);
    space.apply();
    let folder = space.path(".git/upa");
    std::fs::create_dir_all(&folder).unwrap();
    let journal = File::create(folder.join("01990000-0000-7000-8000-000000000000.journal")).unwrap();
    journal.set_len((1 << 30) + 1).unwrap();
    let run = space.upa(&["plan"]).exits(1);
    assert!(run.stderr.contains("reads at most 1073741824"), "{run}");
}

#[test]
fn a_journal_that_is_torn_within_a_letter_is_folded_in() {
    let space = Space::with(&["ana"]);
    space.apply();
    let folder = space.path(".git/upa");
    std::fs::create_dir_all(&folder).unwrap();
    let torn = "{\"tenant\":\"ana\",\"event\":\"failed\",\"message\":\"ñ".as_bytes();
    let path = folder.join("01990000-0000-7000-8000-000000000000.journal");
    std::fs::write(&path, &torn[..torn.len() - 1]).unwrap();
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
}

/// A file of the largest size is refused as fast as a small one, and its findings can be read.
#[test]
fn thousands_of_findings_are_told_in_short() {
    let space = Space::with(&["ana"]);
    let keys: String = (0..80_000).map(|key| format!("k{key} = 1\n")).collect();
    for (path, text) in [
        ("tenants/bo.toml", "=\n".repeat(500_000)),
        ("tenants/cy.toml", keys.clone()),
        ("platforms/crm.toml", keys),
    ] {
        space.write(path, text);
    }
    refused(
        &space,
        &["validate"],
        &[
            "more syntax errors are in this file",
            "more than this is wrong in this file",
        ],
    );
}

#[test]
fn numbers_that_nothing_can_keep_are_refused_and_not_lost() {
    for number in ["9223372036854775808", "nan", "-inf", "1e999"] {
        let space = Space::with(&["ana"]);
        let text = space.read("tenants/ana.toml");
        space.write("tenants/ana.toml", text + &format!("\n[labels]\nn = {number}\n"));
        refused(
            &space,
            &["validate"],
            &["this number is none that upa can keep", "tenants/ana.toml"],
        );
    }
}

#[test]
fn a_workflow_has_a_deepest_nesting_and_a_largest_number_of_nodes() {
    let space = Space::with(&["ana"]);
    let template = format!("{TEMPLATES}/record.json");
    let node = r#"{"name": "N", "type": "n8n-nodes-base.set", "typeVersion": 3, "parameters": {"path": "p"}}"#;
    for (nodes, words) in [
        (nested("[", "]"), "nest it less than 128 deep"),
        (format!("[{}]", vec![node; 5_001].join(",")), "it has 5001 nodes"),
        // Findings are many here, and each is looked up in the file.
        (format!("[{}]", vec![node; 5_000].join(",")), "two nodes are called"),
    ] {
        space.write(
            &template,
            format!(r#"{{"name": "Record", "connections": {{}}, "nodes": {nodes}}}"#),
        );
        refused(&space, &["validate"], &[words, &template]);
    }
}

#[test]
fn a_definition_has_a_deepest_nesting_in_its_bodies() {
    let space = Space::with(&["ana"]);
    let kind = "[resource.a]\ncreate = { call = \"POST /a\", body = ";
    let text = format!(
        "platform = \"crm\"\nauth = {{ bearer = \"{{cred.k}}\" }}\n{kind}{} }}\n",
        nested("{a=", "}")
    );
    space.write("platforms/crm.toml", text);
    refused(
        &space,
        &["validate"],
        &["nest tables and arrays less deep", "platforms/crm.toml"],
    );
}
